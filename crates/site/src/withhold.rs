//! What is withheld by order: asked for, it is answered 451 (RFC 7725) with the reason.
//!
//! The operator's command puts entries in and takes them out; serving looks every request up.
//! Entries are kept in the store and recorded.

use std::sync::Arc;

use arc_swap::ArcSwap;
use host::Outlets;
use model::{Fact, OrganisationId, Timestamp, WithheldFact};
use serde::{Deserialize, Serialize};
use store::{Batch, Key, Store, Table};

use crate::wire::address;

const TABLE: Table = Table::new("site-withheld");
/// More entries than this are refused.
const MOST: usize = 10_000;

/// One thing that is withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The host and a path prefix of whole segments: `verein.test/page`. A host alone is all of it.
    pub what: String,
    /// The reason that is shown.
    pub reason: String,
    /// Who ordered it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

#[derive(Serialize, Deserialize)]
enum EntrySpec {
    V1(Entry),
}

/// Why something was not withheld or lifted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WithholdError {
    /// It names no host of this site.
    #[error("`{0}` is none of this site's hosts; write for example `verein.test/page`")]
    NotOurs(String),
    /// It is not withheld.
    #[error("`{0}` is not withheld")]
    NotWithheld(String),
    /// There are too many entries.
    #[error("{MOST} entries are withheld already; withhold a prefix of several")]
    TooMany,
    /// The store could not be read.
    #[error("reading what is withheld")]
    Read(#[from] store::ReadError),
    /// The store could not be written.
    #[error("writing what is withheld")]
    Commit(#[from] store::CommitError),
    /// What was read makes no sense.
    #[error("what is withheld is not of a form this version knows")]
    Form(#[from] serde_json::Error),
}

/// What one organisation withholds. Cheap to clone.
#[derive(Clone)]
pub struct Withhold(Arc<Inner>);

struct Inner {
    organisation: OrganisationId,
    hosts: Vec<String>,
    store: Store,
    entries: ArcSwap<Vec<Entry>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Withhold {
    /// Reads what is withheld.
    ///
    /// # Errors
    /// The store cannot be read. Serving without knowing what to withhold would be wrong.
    pub fn open(
        store: Store,
        organisation: OrganisationId,
        hosts: Vec<String>,
    ) -> Result<Self, WithholdError> {
        let prefix = Key::new(TABLE, &[organisation.as_str()]);
        let mut entries = Vec::new();
        for (_, versioned) in store.scan(&prefix, MOST)? {
            let EntrySpec::V1(entry) = serde_json::from_slice(&versioned.value)?;
            entries.push(entry);
        }
        Ok(Self(Arc::new(Inner {
            organisation,
            hosts,
            store,
            entries: ArcSwap::from_pointee(entries),
            changing: tokio::sync::Mutex::new(()),
        })))
    }

    /// All that is withheld.
    pub fn entries(&self) -> Arc<Vec<Entry>> {
        self.0.entries.load_full()
    }

    /// The entry that withholds `path_and_query` of `host`, if there is one.
    pub fn entry(&self, host: &str, path_and_query: &str) -> Option<Entry> {
        let entries = self.0.entries.load();
        if entries.is_empty() {
            return None;
        }
        let asked = plain(host, path_and_query);
        entries
            .iter()
            .find(|entry| covers(&entry.what, &asked))
            .cloned()
    }

    /// Withholds `what` from now on, durably.
    ///
    /// # Errors
    /// It is not ours, or could not be written; then nothing changed.
    pub async fn withhold(
        &self,
        what: &str,
        reason: &str,
        by: &str,
        now: Timestamp,
        outlets: &Outlets,
    ) -> Result<Entry, WithholdError> {
        let entry = Entry {
            what: self.ours(what)?,
            reason: reason.to_owned(),
            by: by.to_owned(),
            since: now,
        };
        let _turn = self.0.changing.lock().await;
        let mut entries = Vec::clone(&self.0.entries.load());
        entries.retain(|known| known.what != entry.what);
        if entries.len() >= MOST {
            return Err(WithholdError::TooMany);
        }
        let bytes = serde_json::to_vec(&EntrySpec::V1(entry.clone()))?;
        let _receipt = self
            .0
            .store
            .commit(Batch::new().put(self.key(&entry.what), bytes))
            .await?;
        entries.push(entry.clone());
        self.0.entries.store(Arc::new(entries));
        self.record(&entry, true, by, outlets).await;
        Ok(entry)
    }

    /// Serves `what` again, durably.
    ///
    /// # Errors
    /// It was not withheld, or could not be written; then nothing changed.
    pub async fn lift(
        &self,
        what: &str,
        by: &str,
        outlets: &Outlets,
    ) -> Result<Entry, WithholdError> {
        let what = self.ours(what)?;
        let _turn = self.0.changing.lock().await;
        let mut entries = Vec::clone(&self.0.entries.load());
        let Some(at) = entries.iter().position(|entry| entry.what == what) else {
            return Err(WithholdError::NotWithheld(what));
        };
        let _receipt = self
            .0
            .store
            .commit(Batch::new().delete(self.key(&what)))
            .await?;
        let entry = entries.remove(at);
        self.0.entries.store(Arc::new(entries));
        self.record(&entry, false, by, outlets).await;
        Ok(entry)
    }

    async fn record(&self, entry: &Entry, withheld: bool, by: &str, outlets: &Outlets) {
        let fact = WithheldFact {
            organisation: self.0.organisation.clone(),
            what: entry.what.clone(),
            withheld,
            reason: entry.reason.clone(),
            by: by.to_owned(),
        };
        outlets.records.send(Fact::Withheld(fact)).await;
    }

    fn key(&self, what: &str) -> Key {
        // Long paths would be no keys; the entry itself holds the words.
        let name = blake3::hash(what.as_bytes()).to_hex();
        Key::new(TABLE, &[self.0.organisation.as_str(), name.as_str()])
    }

    /// `https://Verein.test/a%2Fb/` → `verein.test/a/b/`.
    fn ours(&self, what: &str) -> Result<String, WithholdError> {
        let bare = what.trim();
        let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
        let (host, path) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
        let host = host.to_ascii_lowercase();
        if !self.0.hosts.contains(&host) {
            return Err(WithholdError::NotOurs(what.to_owned()));
        }
        Ok(plain(&host, path))
    }
}

/// Host and path in the one form in which they are compared: everything decoded, dots and double
/// slashes resolved, so that no spelling leads around an entry.
fn plain(host: &str, path_and_query: &str) -> String {
    let path = address::path_of(path_and_query);
    let mut decoded = address::decoded(path);
    // A server behind may decode once more; what is withheld stays so in either reading.
    for _ in 0..2 {
        let again = address::decoded(&decoded);
        if again == decoded {
            break;
        }
        decoded = again;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other.split(';').next().unwrap_or(other)),
        }
    }
    format!("{host}/{}", segments.join("/"))
}

/// Whether `prefix` covers `asked`, by whole segments.
fn covers(prefix: &str, asked: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    match asked.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests;
