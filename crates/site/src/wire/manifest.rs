//! How a generation is written down: a versioned manifest with the raw headers of every page.
//!
//! `capture` builds it, `shelf` keeps it as a blob (gzip of JSON), `generation`, the export and the
//! next capture read it. Header lines that pages share are written once.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::BlobId;

/// The forms a manifest has on disk.
#[derive(Debug, Serialize, Deserialize)]
enum ManifestSpec {
    /// The first.
    V1(Manifest),
}

/// All that is known of one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number.
    pub number: u64,
    /// When the capture began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Where it came from, in words: `https://198.51.100.80` or a folder.
    pub source: String,
    /// How the capture ended, in words: `complete`, or which limit ended it.
    pub ending: String,
    /// The host names.
    pub hosts: Vec<Arc<str>>,
    /// The words of the start page, for comparison.
    pub sketch: Vec<u64>,
    /// Header lines; a byte of a value is one character (so that any byte comes back).
    pub lines: Vec<(String, String)>,
    /// The pages, in order of host and target.
    pub pages: Vec<PageSpec>,
    /// The status that a path known to nobody has at each host, where it was probed.
    pub unknown: Vec<(Arc<str>, u16)>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSpec {
    /// Index into the hosts.
    #[serde(rename = "h")]
    pub host: u32,
    /// Path and query.
    #[serde(rename = "t")]
    pub target: Arc<str>,
    /// The status.
    #[serde(rename = "s")]
    pub status: u16,
    /// Indices into the header lines, in the primary's order.
    #[serde(rename = "l")]
    pub lines: Vec<u32>,
    /// The body and its length.
    #[serde(rename = "b")]
    pub body: (BlobId, u64),
    /// The body, gzip.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub gzip: Option<(BlobId, u64)>,
    /// The body, Brotli.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub brotli: Option<(BlobId, u64)>,
    /// When it was captured or found unchanged.
    #[serde(rename = "c")]
    pub captured: Timestamp,
    /// When a link to it was last seen.
    #[serde(rename = "k")]
    pub linked: Timestamp,
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// They cannot be unpacked, or are larger than any manifest.
    #[error("the manifest cannot be unpacked")]
    Packing(#[source] std::io::Error),
    /// Not JSON of the known form; perhaps written by a newer version.
    #[error("the manifest is not of a form this version knows")]
    Form(#[source] serde_json::Error),
    /// A page names a host or a header line that is not there.
    #[error("the manifest contradicts itself: {0}")]
    Contradiction(&'static str),
}

/// No manifest is larger, unpacked.
const LARGEST: u64 = 256 * 1024 * 1024;

impl Manifest {
    /// The bytes that are kept.
    ///
    /// # Errors
    /// Never in practice: writing goes to memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed
            .write_all(b"{\"V1\":")
            .map_err(ManifestError::Packing)?;
        serde_json::to_writer(&mut packed, self).map_err(ManifestError::Form)?;
        packed.write_all(b"}").map_err(ManifestError::Packing)?;
        packed.finish().map_err(ManifestError::Packing)
    }

    /// What the bytes say, checked for contradictions.
    ///
    /// # Errors
    /// They are no manifest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut json = Vec::new();
        let mut unpacked = GzDecoder::new(bytes).take(LARGEST + 1);
        unpacked
            .read_to_end(&mut json)
            .map_err(ManifestError::Packing)?;
        if json.len() as u64 > LARGEST {
            let error = std::io::ErrorKind::FileTooLarge.into();
            return Err(ManifestError::Packing(error));
        }
        let ManifestSpec::V1(manifest) =
            serde_json::from_slice(&json).map_err(ManifestError::Form)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        for page in &self.pages {
            if page.host as usize >= self.hosts.len() {
                return Err(ManifestError::Contradiction("a page without its host"));
            }
            if page
                .lines
                .iter()
                .any(|line| *line as usize >= self.lines.len())
            {
                return Err(ManifestError::Contradiction("a page without its headers"));
            }
            if !(100..1000).contains(&page.status) || !page.target.starts_with('/') {
                return Err(ManifestError::Contradiction("a page that is none"));
            }
        }
        Ok(())
    }

    /// The host of a page.
    pub fn host(&self, page: &PageSpec) -> &str {
        self.hosts.get(page.host as usize).map_or("", |host| host)
    }

    /// The header lines of a page, in order.
    pub fn headers<'a>(&'a self, page: &'a PageSpec) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lines = page.lines.iter();
        let lines = lines.filter_map(|index| self.lines.get(*index as usize));
        lines.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value of a header of a page; `name` in lower case.
    pub fn header<'a>(&'a self, page: &'a PageSpec, name: &str) -> Option<&'a str> {
        self.headers(page)
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All blobs it needs.
    pub fn blobs(&self) -> impl Iterator<Item = BlobId> {
        self.pages.iter().flat_map(|page| {
            let coded = [page.gzip, page.brotli].into_iter().flatten();
            std::iter::once(page.body).chain(coded).map(|(id, _)| id)
        })
    }

    /// The bytes of all bodies before coding.
    pub fn bytes(&self) -> u64 {
        self.pages.iter().map(|page| page.body.1).sum()
    }

    /// How many pages are good: status 200.
    pub fn good(&self) -> u64 {
        self.pages.iter().filter(|page| page.status == 200).count() as u64
    }
}

/// Collects header lines, each written once.
#[derive(Debug, Default)]
pub struct LineTable {
    lines: Vec<(String, String)>,
    known: HashMap<(String, String), u32>,
}

impl LineTable {
    /// The index of a line, which is added if it is new.
    pub fn index(&mut self, name: &str, value: &str) -> u32 {
        let line = (name.to_owned(), value.to_owned());
        if let Some(index) = self.known.get(&line) {
            return *index;
        }
        let index = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        self.lines.push(line.clone());
        self.known.insert(line, index);
        index
    }

    /// The line with this index.
    pub fn line(&self, index: u32) -> Option<&(String, String)> {
        self.lines.get(usize::try_from(index).ok()?)
    }

    /// All lines, in order of their index.
    pub fn into_lines(self) -> Vec<(String, String)> {
        self.lines
    }
}

#[cfg(test)]
mod tests;
