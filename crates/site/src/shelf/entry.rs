//! What the shelf holds, and what it cannot do.

use std::sync::Arc;

use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::BlobId;

use crate::wire::manifest::{Manifest, ManifestError};

/// What became of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was taken, and is kept for as long as there is room.
    Kept,
    /// The guard refused it.
    Rejected {
        /// Why.
        reason: String,
    },
}

/// One generation, without its pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// Its manifest.
    pub manifest: BlobId,
    /// When the capture ended.
    pub captured: Timestamp,
    /// When it was last found to be as the primary is.
    pub verified: Timestamp,
    /// Pages and files, redirects and known errors.
    pub pages: u64,
    /// Pages with status 200.
    pub good: u64,
    /// Bytes of all bodies, before coding.
    pub bytes: u64,
    /// Where it came from.
    pub source: String,
    /// How the capture ended, in words.
    pub ending: String,
    /// What became of it.
    pub state: State,
}

#[derive(Serialize, Deserialize)]
pub(super) enum EntrySpec {
    V1(Entry),
}

/// Which generation is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its number.
    pub number: u64,
    /// Who holds it there, if somebody does: then no newer one takes its place.
    pub pinned: Option<Pin>,
}

/// An operator's order to serve just this generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

#[derive(Serialize, Deserialize)]
pub(super) enum CurrentSpec {
    V1(Current),
}

/// A generation that was put on the shelf.
#[derive(Debug)]
pub struct Added {
    /// Its entry.
    pub entry: Entry,
    /// Whether it is the current one now.
    pub served: bool,
    /// The whole of it.
    pub manifest: Arc<Manifest>,
}

/// Why something about generations did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// There is no such generation.
    #[error("there is no generation {0}; `site generations` lists them")]
    Unknown(u64),
    /// There is no older one to go back to.
    #[error("there is no older generation to go back to")]
    NoOlder,
    /// The store could not be read.
    #[error("reading the generations")]
    Read(#[from] store::ReadError),
    /// The store could not be written.
    #[error("writing the generations")]
    Commit(#[from] store::CommitError),
    /// A blob could not be kept or read.
    #[error("the pages of a generation")]
    Blob(#[from] store::BlobError),
    /// A manifest makes no sense.
    #[error("the manifest of a generation")]
    Manifest(#[from] ManifestError),
    /// An entry makes no sense.
    #[error("an entry is not of a form this version knows")]
    Form(#[from] serde_json::Error),
    /// Work beside the runtime was lost.
    #[error("work was lost")]
    Lost(#[from] tokio::task::JoinError),
}
