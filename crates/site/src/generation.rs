//! One complete copy of the site, immutable, as serving sees it; and which one is served.
//!
//! Serving looks pages up here; `shelf` puts the current generation in. Bodies are blobs of the
//! store; the table of pages is in memory, and what `front` holds there.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use model::Timestamp;
use store::BlobId;

use crate::front::Front;
use crate::wire::address::{self, Address};
use crate::wire::manifest::{Manifest, PageSpec};

/// A stored body: its name and its length in bytes.
pub type Stored = (BlobId, u64);

/// One page, file, redirect or error of the site, as the primary gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status the primary gave.
    pub status: u16,
    /// The primary's headers that a copy may repeat, in its order. Without those about the
    /// connection, the coding, the length, the visit (`Set-Cookie`), and without `ETag`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body without any coding.
    pub body: Stored,
    /// The same body, gzip, where that is smaller.
    pub gzip: Option<Stored>,
    /// The same body, Brotli, where that is smaller.
    pub brotli: Option<Stored>,
    /// The primary's entity tag, or one made from the body's hash. Of the uncoded body.
    pub etag: HeaderValue,
    /// The primary's `Last-Modified`, as it came.
    pub last_modified: Option<HeaderValue>,
    /// When this was captured, or last found unchanged.
    pub captured: Timestamp,
}

/// One complete copy.
#[derive(Debug)]
pub struct Generation {
    /// Counts the captures of this organisation; larger is later.
    pub number: u64,
    /// When the capture ended.
    pub captured: Timestamp,
    pages: Vec<Page>,
    hosts: HashMap<Box<str>, HashMap<Box<str>, u32>>,
    front: Front,
}

impl Generation {
    /// A generation of these pages.
    pub fn new(number: u64, captured: Timestamp, pages: Vec<(Address, Page)>) -> Self {
        let mut generation = Self {
            number,
            captured,
            pages: Vec::with_capacity(pages.len()),
            hosts: HashMap::new(),
            front: Front::new(),
        };
        let mut equivalents = Vec::new();
        for (address, page) in pages {
            let index = u32::try_from(generation.pages.len()).unwrap_or(u32::MAX);
            let canonical = address::canonical(&address.target);
            if canonical != *address.target {
                equivalents.push((Arc::clone(&address.host), canonical, index));
            }
            let host = generation.hosts.entry(Box::from(&*address.host));
            host.or_default().insert(Box::from(&*address.target), index);
            generation.pages.push(page);
        }
        // An equivalent spelling never takes the place of a page that is spelled so.
        for (host, target, index) in equivalents {
            let host = generation.hosts.entry(Box::from(&*host)).or_default();
            host.entry(target.into_boxed_str()).or_insert(index);
        }
        generation
    }

    /// The generation that a manifest describes.
    pub fn from_manifest(manifest: &Manifest) -> Self {
        let lines = Lines::of(manifest);
        let pages = manifest.pages.iter().map(|spec| {
            let address = Address {
                host: Arc::from(manifest.host(spec)),
                target: Arc::clone(&spec.target),
            };
            (address, lines.page(spec))
        });
        Self::new(manifest.number, manifest.ended, pages.collect())
    }

    /// The same, with its start pages in memory.
    pub(crate) fn with_front(self, front: Front) -> Self {
        Self { front, ..self }
    }

    /// A body that stays in memory.
    pub(crate) fn held(&self, body: &BlobId) -> Option<&Bytes> {
        self.front.get(body)
    }

    /// The page at `path_and_query` of `host` (lower case, no port), or at an equivalent spelling
    /// (RFC 3986 §6.2.2), or at the same address without campaign marks.
    pub fn page(&self, host: &str, path_and_query: &str) -> Option<&Page> {
        let pages = self.hosts.get(host)?;
        let find = |target: &str| {
            let index = usize::try_from(*pages.get(target)?).ok()?;
            self.pages.get(index)
        };
        find(path_and_query).or_else(|| {
            let canonical = address::canonical(path_and_query);
            find(&canonical).or_else(|| find(&address::without_noise(&canonical)?))
        })
    }

    /// How many pages it has.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}

/// The header lines of a manifest, parsed once and shared by all pages that bear them.
struct Lines(Vec<Option<(HeaderName, HeaderValue)>>);

impl Lines {
    fn of(manifest: &Manifest) -> Self {
        let parse = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let bytes: Vec<u8> = latin1(value);
            Some((name, HeaderValue::from_bytes(&bytes).ok()?))
        };
        Self(manifest.lines.iter().map(parse).collect())
    }

    fn page(&self, spec: &PageSpec) -> Page {
        let lines = || {
            let indices = spec
                .lines
                .iter()
                .filter_map(|index| usize::try_from(*index).ok());
            indices.filter_map(|index| self.0.get(index)?.as_ref())
        };
        let first = |name: HeaderName| {
            let line = lines().find(|(known, _)| *known == name);
            line.map(|(_, value)| value.clone())
        };
        let hop: Vec<String> = lines()
            .filter(|(name, _)| *name == header::CONNECTION)
            .filter_map(|(_, value)| Some(value.to_str().ok()?.to_ascii_lowercase()))
            .flat_map(|value| {
                value
                    .split(',')
                    .map(|it| it.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .collect();
        let keep = |name: &HeaderName| {
            !DROPPED.contains(&name.as_str()) && !hop.iter().any(|it| it == name.as_str())
        };
        Page {
            status: spec.status,
            headers: lines().filter(|(name, _)| keep(name)).cloned().collect(),
            body: spec.body,
            gzip: spec.gzip,
            brotli: spec.brotli,
            etag: first(header::ETAG)
                .filter(is_entity_tag)
                .unwrap_or_else(|| entity_tag(&spec.body.0)),
            last_modified: first(header::LAST_MODIFIED),
            captured: spec.captured,
        }
    }
}

/// What a copy does not repeat: RFC 9110 §7.6.1 (hop by hop), what speaks of the coding, the
/// length, the moment or the visit, and what speaks of the primary's machine.
const DROPPED: &[&str] = &[
    "accept-ranges",
    "age",
    "alt-svc",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "etag",
    "keep-alive",
    "nel",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "report-to",
    "server",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-powered-by",
];

/// RFC 9110 §8.8.3.
fn is_entity_tag(value: &HeaderValue) -> bool {
    let tag = value.as_bytes();
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inside = opaque
        .strip_prefix(b"\"")
        .and_then(|it| it.strip_suffix(b"\""));
    inside.is_some_and(|inside| inside.iter().all(|byte| *byte > b' ' && *byte != b'"'))
}

fn entity_tag(body: &BlobId) -> HeaderValue {
    let name = body.to_string();
    let short = name.get(..32).unwrap_or(&name);
    HeaderValue::try_from(format!("\"{short}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// A header value as it stands in a manifest (one character a byte), back to bytes.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .filter_map(|letter| u8::try_from(u32::from(letter)).ok())
        .collect()
}

/// Which generation is served. Shared by capture (which switches) and serving (which reads).
#[derive(Debug, Default)]
pub struct Copy(ArcSwapOption<Generation>);

impl Copy {
    /// The generation that is served now, if there is any.
    pub fn current(&self) -> Option<Arc<Generation>> {
        self.0.load_full()
    }

    /// Serves `generation` from now on.
    pub(crate) fn switch(&self, generation: Option<Arc<Generation>>) {
        self.0.store(generation);
    }
}

#[cfg(test)]
mod tests;
