//! Puts a manifest together, page by page, from what was captured and what is kept from before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::Timestamp;
use store::BlobId;

use super::digest::{Coded, Kept};
use crate::wire::address::Address;
use crate::wire::manifest::{LineTable, Manifest, PageSpec};

/// The last generation, looked up by address.
#[derive(Debug, Default)]
pub(crate) struct Previous {
    manifest: Option<Arc<Manifest>>,
    index: HashMap<Address, usize>,
    coded: HashMap<BlobId, Coded>,
}

impl Previous {
    pub(crate) fn new(manifest: Option<Arc<Manifest>>) -> Self {
        let mut previous = Self {
            manifest,
            ..Self::default()
        };
        let Some(manifest) = previous.manifest.clone() else {
            return previous;
        };
        for (at, page) in manifest.pages.iter().enumerate() {
            let address = address(&manifest, page);
            previous.index.insert(address, at);
            let coded = Coded {
                gzip: page.gzip,
                brotli: page.brotli,
            };
            previous.coded.insert(page.body.0, coded);
        }
        previous
    }

    pub(crate) fn manifest(&self) -> Option<&Arc<Manifest>> {
        self.manifest.as_ref()
    }

    pub(crate) fn page(&self, address: &Address) -> Option<&PageSpec> {
        self.manifest.as_ref()?.pages.get(*self.index.get(address)?)
    }

    /// The first value of a header of a page that it has.
    pub(crate) fn header<'a>(&'a self, page: &'a PageSpec, name: &str) -> Option<&'a str> {
        self.manifest.as_ref()?.header(page, name)
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&Address, &PageSpec)> {
        self.index
            .iter()
            .filter_map(|(address, at)| Some((address, self.manifest.as_ref()?.pages.get(*at)?)))
    }

    pub(crate) fn coded(&self) -> &HashMap<BlobId, Coded> {
        &self.coded
    }
}

/// The address of a page of `manifest`.
pub(crate) fn address(manifest: &Manifest, page: &PageSpec) -> Address {
    let host = manifest.hosts.get(page.host as usize);
    Address {
        host: host.cloned().unwrap_or_else(|| Arc::from("")),
        target: Arc::clone(&page.target),
    }
}

/// A page to be added.
#[derive(Debug)]
pub(crate) struct Added<'a> {
    pub(crate) address: &'a Address,
    pub(crate) status: u16,
    pub(crate) kept: Kept,
    pub(crate) captured: Timestamp,
    pub(crate) linked: Timestamp,
}

/// A manifest in the making.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    table: LineTable,
    hosts: Vec<Arc<str>>,
    pages: Vec<PageSpec>,
    index: HashMap<Address, usize>,
    bytes: u64,
    coded: HashMap<BlobId, Coded>,
}

impl Builder {
    /// Adds a page, once; with its headers, without those that name a visit.
    pub(crate) fn add<'h>(
        &mut self,
        page: &Added<'_>,
        headers: impl Iterator<Item = (&'h str, String)>,
    ) {
        let lines = headers
            .filter(|(name, _)| !name.to_ascii_lowercase().starts_with("set-cookie"))
            .map(|(name, value)| self.table.index(name, &value))
            .collect();
        let spec = PageSpec {
            host: self.host(&page.address.host),
            target: Arc::clone(&page.address.target),
            status: page.status,
            lines,
            body: page.kept.body,
            gzip: page.kept.coded.gzip,
            brotli: page.kept.coded.brotli,
            captured: page.captured,
            linked: page.linked,
        };
        self.coded.insert(page.kept.body.0, page.kept.coded);
        self.push(page.address, spec);
    }

    /// Adds a page as the last generation has it.
    pub(crate) fn carry(
        &mut self,
        address: &Address,
        from: &Previous,
        captured: Timestamp,
        linked: Timestamp,
    ) {
        let Some((manifest, page)) = from.manifest.as_ref().zip(from.page(address)) else {
            return;
        };
        let lines = manifest
            .headers(page)
            .map(|(name, value)| self.table.index(name, value));
        let spec = PageSpec {
            lines: lines.collect(),
            host: self.host(&address.host),
            captured,
            linked,
            ..page.clone()
        };
        self.push(address, spec);
    }

    fn push(&mut self, address: &Address, spec: PageSpec) {
        if self.index.contains_key(address) {
            return;
        }
        self.index.insert(address.clone(), self.pages.len());
        self.bytes = self.bytes.saturating_add(spec.body.1);
        self.pages.push(spec);
    }

    fn host(&mut self, host: &Arc<str>) -> u32 {
        let at = self
            .hosts
            .iter()
            .position(|known| known == host)
            .unwrap_or_else(|| {
                self.hosts.push(Arc::clone(host));
                self.hosts.len() - 1
            });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    pub(crate) fn page(&self, address: &Address) -> Option<&PageSpec> {
        self.pages.get(*self.index.get(address)?)
    }

    /// The first value of a header of a page of this capture.
    pub(crate) fn header(&self, page: &PageSpec, name: &str) -> Option<&str> {
        let lines = page
            .lines
            .iter()
            .filter_map(|index| self.table.line(*index));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How a body was coded in this capture.
    pub(crate) fn coded(&self, body: &BlobId) -> Option<Coded> {
        self.coded.get(body).copied()
    }

    /// Puts its pages in order and hands over what is a manifest but for its name.
    pub(crate) fn finish(self) -> Manifest {
        let mut pages = self.pages;
        let hosts = self.hosts;
        pages.sort_by(|a, b| {
            let host = |page: &PageSpec| hosts.get(page.host as usize).cloned();
            host(a).cmp(&host(b)).then_with(|| a.target.cmp(&b.target))
        });
        Manifest {
            hosts,
            pages,
            lines: self.table.into_lines(),
            ..Manifest::default()
        }
    }
}

/// Headers whose change alone makes no new generation: they speak of the moment.
const MOMENT: &[&str] = &[
    "age",
    "date",
    "expires",
    "x-cache",
    "x-request-id",
    "x-runtime",
];

/// Whether two generations would be served alike.
pub(crate) fn same(a: &Manifest, b: &Manifest) -> bool {
    a.pages.len() == b.pages.len() && a.unknown == b.unknown && pages(a) == pages(b)
}

/// What a reader of a page notices.
#[derive(PartialEq, Eq, Hash)]
struct Served<'a> {
    host: &'a str,
    target: &'a str,
    status: u16,
    body: BlobId,
    headers: Vec<(&'a str, &'a str)>,
}

fn pages(manifest: &Manifest) -> HashSet<Served<'_>> {
    let served = |page| {
        let headers = manifest.headers(page);
        let PageSpec {
            target,
            status,
            body,
            ..
        } = page;
        Served {
            host: manifest.host(page),
            target,
            status: *status,
            body: body.0,
            headers: headers.filter(|(name, _)| !MOMENT.contains(name)).collect(),
        }
    };
    manifest.pages.iter().map(served).collect()
}
