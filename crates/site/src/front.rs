//! What of the copy stays in memory: the start pages, and what they are made of.
//!
//! A disk that cannot be read must not make the organisation mute. The page that everybody asks for
//! first, with its styles, scripts and pictures, is small; it is read when the copy is switched to
//! and served whatever becomes of the disk. The rest is read when it is asked for.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use http::header;
use store::{BlobId, Blobs};

use crate::generation::{Generation, Page, Stored};
use crate::wire::address::{Address, Leads, Scope};
use crate::wire::{Kind, Link, css, html};

/// Memory for the front of one site; all sites together have `ALL`.
const ONE: u64 = 2 << 20;
const ALL: u64 = 32 << 20;
/// A larger body is none that a start page waits for.
const LARGEST: u64 = 512 << 10;
/// So many pages and files.
const MOST: usize = 256;
/// So many redirects lead to a start page.
const REDIRECTS: usize = 3;

/// Bodies by name.
pub(crate) type Front = HashMap<BlobId, Bytes>;

/// The memory that each of so many sites has for its front.
pub(crate) fn share(sites: usize) -> u64 {
    let sites = u64::try_from(sites).unwrap_or(u64::MAX);
    (ALL / sites.max(1)).min(ONE)
}

/// Reads the front of `generation` for these hosts. What cannot be read is left out. Blocks.
pub(crate) fn read(generation: &Generation, hosts: &[String], blobs: &Blobs, memory: u64) -> Front {
    let scope = Scope::new(hosts, None);
    let mut front = Gathering {
        generation,
        blobs,
        left: memory,
        found: Front::new(),
    };
    let mut known = HashSet::new();
    let mut open: VecDeque<Address> = VecDeque::new();
    for host in hosts {
        open.extend(start_page(generation, host, &scope));
    }
    while let Some(address) = open.pop_front().filter(|_| known.len() < MOST) {
        if !known.insert(address.clone()) {
            continue;
        }
        let Some(page) = generation.page(&address.host, &address.target) else {
            continue;
        };
        let Some(body) = front.take(page) else {
            continue;
        };
        open.extend(requisites(&address, page, &body, &scope));
    }
    front.found
}

/// The address of a host's start page, behind its redirects.
fn start_page(generation: &Generation, host: &str, scope: &Scope) -> Vec<Address> {
    // What redirects is asked for first as well.
    let mut way = vec![Address::new(host, "/")];
    for _ in 0..REDIRECTS {
        let next = way.last().and_then(|last| {
            let page = generation.page(&last.host, &last.target)?;
            let redirects = (300..400).contains(&page.status);
            let location = header_of(page, &header::LOCATION).filter(|_| redirects)?;
            match scope.resolve(&last.url()?, &location) {
                Leads::Inside(address) => Some(address),
                Leads::Outside | Leads::Nowhere => None,
            }
        });
        match next {
            Some(next) => way.push(next),
            None => break,
        }
    }
    way
}

/// What is needed to show `page`, as it stands in its `body`.
fn requisites(address: &Address, page: &Page, body: &[u8], scope: &Scope) -> Vec<Address> {
    let kind = header_of(page, &header::CONTENT_TYPE).unwrap_or_default();
    let charset = html::charset_of(&kind);
    let (base, links) = if kind.contains("html") {
        let document = html::read(body, charset);
        (document.base, document.links)
    } else if kind.starts_with("text/css") {
        (None, css::links(&html::decode(body, charset)))
    } else {
        return Vec::new();
    };
    let Some(url) = address.url() else {
        return Vec::new();
    };
    let base = base.and_then(|base| url.join(&base).ok()).unwrap_or(url);
    let needed = links
        .into_iter()
        .filter(|link| link.kind == Kind::Requisite);
    let inside = |link: Link| match scope.resolve(&base, &link.to) {
        Leads::Inside(address) => Some(address),
        Leads::Outside | Leads::Nowhere => None,
    };
    needed.filter_map(inside).collect()
}

fn header_of(page: &Page, name: &header::HeaderName) -> Option<String> {
    let (_, value) = page.headers.iter().find(|(known, _)| known == name)?;
    value.to_str().ok().map(str::to_owned)
}

struct Gathering<'a> {
    generation: &'a Generation,
    blobs: &'a Blobs,
    left: u64,
    found: Front,
}

impl Gathering<'_> {
    /// Takes a page in every coding that it is served in; its body without any.
    fn take(&mut self, page: &Page) -> Option<Bytes> {
        let body = self.body(page.body)?;
        for coded in [page.gzip, page.brotli].into_iter().flatten() {
            self.body(coded);
        }
        Some(body)
    }

    fn body(&mut self, (id, length): Stored) -> Option<Bytes> {
        if let Some(found) = self.found.get(&id) {
            return Some(found.clone());
        }
        if length > LARGEST || length > self.left {
            return None;
        }
        let read = self.blobs.open(&id).and_then(|blob| blob.read_all());
        match read {
            Ok(bytes) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                let bytes = Bytes::from(bytes);
                self.found.insert(id, bytes.clone());
                Some(bytes)
            }
            Err(error) => {
                let number = self.generation.number;
                tracing::warn!(number, %error, "a start page is not held in memory");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
