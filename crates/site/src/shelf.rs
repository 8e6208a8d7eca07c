//! The generations of one organisation in the store: which there are, which is served, which go.
//!
//! A generation is a manifest (a blob) and its entry (a value); its blobs are linked to the entry's
//! key, so that nobody sweeps them while it is there. The step that makes it the current one is a
//! single commit: a crash before it leaves the last complete generation served, and what was
//! linked for the unborn one is let go at the next opening.

mod entry;
mod thin;

use std::collections::HashSet;
use std::sync::Arc;

use host::Tasks;
use model::{OrganisationId, Timestamp};
use store::{Batch, BlobId, Key, Store, Table};

use crate::wire::manifest::Manifest;
use entry::{CurrentSpec, EntrySpec};
use thin::staying;

pub use entry::{Added, Current, Entry, Pin, ShelfError, State};

const TABLE: Table = Table::new("site");
/// So many links go into one batch.
const LINKS: usize = 4_000;
/// No organisation has more entries: kept, pinned and rejected together.
const MOST: usize = 64;

/// The generations of one organisation. Cheap to clone.
#[derive(Clone)]
pub struct Shelf {
    store: Store,
    tasks: Tasks,
    organisation: OrganisationId,
    /// One change at a time.
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl Shelf {
    /// The shelf of `organisation`; lets go what a crash left half put, if the disk takes a write.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open(
        store: Store,
        tasks: Tasks,
        organisation: OrganisationId,
    ) -> Result<Self, ShelfError> {
        let shelf = Self {
            store,
            tasks,
            organisation,
            changing: Arc::default(),
        };
        if let Some(number) = shelf.number(&shelf.key("unborn"))? {
            let mut batch = Batch::new().delete(shelf.key("unborn"));
            if shelf.entry(number)?.is_none() {
                batch = batch.delete(shelf.entry_key(number));
            }
            // It takes room and does no harm; a disk that takes no write must not end the start.
            if let Err(error) = shelf.store.commit(batch).await {
                tracing::warn!(number, %error, "what a crash left half put stays for now");
            }
        }
        Ok(shelf)
    }

    /// All generations, oldest first.
    ///
    /// # Errors
    /// The store cannot be read, or was written by a newer version.
    pub fn entries(&self) -> Result<Vec<Entry>, ShelfError> {
        let found = self.store.scan(&self.key("generation"), MOST)?;
        let read = |value: &[u8]| {
            let EntrySpec::V1(entry) = serde_json::from_slice(value)?;
            Ok(entry)
        };
        found
            .iter()
            .map(|(_, versioned)| read(&versioned.value))
            .collect()
    }

    /// Which generation is served.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub fn current(&self) -> Result<Option<Current>, ShelfError> {
        let Some(versioned) = self.store.get(&self.key("current"))? else {
            return Ok(None);
        };
        let CurrentSpec::V1(current) = serde_json::from_slice(&versioned.value)?;
        Ok(Some(current))
    }

    /// The entry of one generation.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub fn entry(&self, number: u64) -> Result<Option<Entry>, ShelfError> {
        let Some(versioned) = self.store.get(&self.entry_key(number))? else {
            return Ok(None);
        };
        let EntrySpec::V1(entry) = serde_json::from_slice(&versioned.value)?;
        Ok(Some(entry))
    }

    /// The whole of one generation. Reads the disk beside the runtime.
    ///
    /// # Errors
    /// It is not there, damaged, or written by a newer version.
    pub async fn load(&self, number: u64) -> Result<Arc<Manifest>, ShelfError> {
        let entry = self.known(number)?;
        let blobs = self.store.blobs().clone();
        let reading = self.tasks.blocking("site shelf", move || {
            let bytes = blobs.open(&entry.manifest)?.read_all()?;
            Ok(Arc::new(Manifest::from_bytes(&bytes)?))
        });
        reading.await?
    }

    /// Puts a new generation on the shelf. If it is `Kept` it becomes the current one in the same
    /// step, unless an operator holds another.
    ///
    /// # Errors
    /// It could not be written; then what is served is as before.
    pub async fn add(&self, manifest: Manifest, state: State) -> Result<Added, ShelfError> {
        let _turn = self.changing.lock().await;
        let number = self
            .number(&self.key("last"))?
            .unwrap_or(0)
            .saturating_add(1);
        let manifest = Arc::new(Manifest { number, ..manifest });
        let name = self.put(&manifest).await?;
        let key = self.entry_key(number);
        let claim = Batch::new()
            .put(self.key("unborn"), number.to_be_bytes())
            .put(self.key("last"), number.to_be_bytes());
        let _receipt = self.store.commit(claim).await?;
        let blobs: HashSet<BlobId> = manifest.blobs().chain([name]).collect();
        let blobs: Vec<BlobId> = blobs.into_iter().collect();
        for some in blobs.chunks(LINKS) {
            let link = |batch: Batch, blob: &BlobId| batch.link(*blob, key.clone());
            let _receipt = self
                .store
                .commit(some.iter().fold(Batch::new(), link))
                .await?;
        }
        let entry = Entry {
            number,
            manifest: name,
            captured: manifest.ended,
            verified: manifest.ended,
            pages: manifest.pages.len() as u64,
            good: manifest.good(),
            bytes: manifest.bytes(),
            source: manifest.source.clone(),
            ending: manifest.ending.clone(),
            state,
        };
        let pinned = self.current()?.and_then(|current| current.pinned);
        let served = entry.state == State::Kept && pinned.is_none();
        let mut batch = Batch::new()
            .put(key, serde_json::to_vec(&EntrySpec::V1(entry.clone()))?)
            .delete(self.key("unborn"));
        if served {
            batch = batch.put(self.key("current"), current_bytes(number, None)?);
        }
        let _receipt = self.store.commit(batch).await?;
        Ok(Added {
            entry,
            served,
            manifest,
        })
    }

    async fn put(&self, manifest: &Arc<Manifest>) -> Result<BlobId, ShelfError> {
        let (blobs, manifest) = (self.store.blobs().clone(), Arc::clone(manifest));
        let writing = self.tasks.blocking("site shelf", move || {
            let bytes = manifest.to_bytes()?;
            Ok(blobs.put(&bytes)?)
        });
        writing.await?
    }

    /// The entry of a generation that should be there.
    ///
    /// # Errors
    /// It is not.
    pub fn known(&self, number: u64) -> Result<Entry, ShelfError> {
        self.entry(number)?.ok_or(ShelfError::Unknown(number))
    }

    /// Sets a generation aside. What is served does not change by that.
    ///
    /// # Errors
    /// It is not there or could not be written.
    pub async fn reject(&self, number: u64, reason: String) -> Result<(), ShelfError> {
        let _turn = self.changing.lock().await;
        let entry = self.known(number)?;
        self.write(&Entry {
            state: State::Rejected { reason },
            ..entry
        })
        .await
    }

    /// Notes that the primary is still as generation `number` is.
    ///
    /// # Errors
    /// It is not there or could not be written.
    pub async fn verified(&self, number: u64, now: Timestamp) -> Result<Entry, ShelfError> {
        let _turn = self.changing.lock().await;
        let entry = self.known(number)?;
        let entry = Entry {
            verified: now,
            ..entry
        };
        self.write(&entry).await?;
        Ok(entry)
    }

    async fn write(&self, entry: &Entry) -> Result<(), ShelfError> {
        let bytes = serde_json::to_vec(&EntrySpec::V1(entry.clone()))?;
        let batch = Batch::new().put(self.entry_key(entry.number), bytes);
        let _receipt = self.store.commit(batch).await?;
        Ok(())
    }

    /// Serves generation `number` from now on, also one that was rejected: the operator knows
    /// better. With `pin` nothing newer takes its place until [`Self::unpin`].
    ///
    /// # Errors
    /// It is not there or could not be written.
    pub async fn accept(&self, number: u64, pin: Option<Pin>) -> Result<Entry, ShelfError> {
        let _turn = self.changing.lock().await;
        let entry = self.known(number)?;
        let entry = Entry {
            state: State::Kept,
            ..entry
        };
        let batch = Batch::new()
            .put(
                self.entry_key(number),
                serde_json::to_vec(&EntrySpec::V1(entry.clone()))?,
            )
            .put(self.key("current"), current_bytes(number, pin)?);
        let _receipt = self.store.commit(batch).await?;
        Ok(entry)
    }

    /// Lets newer generations take the place of a pinned one again; the newest good one does so
    /// at once. Says which is served now.
    ///
    /// # Errors
    /// Could not be read or written.
    pub async fn unpin(&self) -> Result<Option<u64>, ShelfError> {
        let _turn = self.changing.lock().await;
        let kept = self
            .entries()?
            .into_iter()
            .filter(|entry| entry.state == State::Kept);
        let Some(newest) = kept.map(|entry| entry.number).max() else {
            return Ok(None);
        };
        let batch = Batch::new().put(self.key("current"), current_bytes(newest, None)?);
        let _receipt = self.store.commit(batch).await?;
        Ok(Some(newest))
    }

    /// The good generation before the one that is served.
    ///
    /// # Errors
    /// There is none.
    pub fn older(&self) -> Result<u64, ShelfError> {
        let current = self.current()?.map_or(u64::MAX, |current| current.number);
        let kept = self
            .entries()?
            .into_iter()
            .filter(|entry| entry.state == State::Kept);
        let older = kept
            .map(|entry| entry.number)
            .filter(|number| *number < current);
        older.max().ok_or(ShelfError::NoOlder)
    }

    /// Removes the entries that are one too many, oldest ages thinned out, and says how many went.
    ///
    /// # Errors
    /// Could not be read or written.
    pub async fn thin(&self, keep: usize, now: Timestamp) -> Result<usize, ShelfError> {
        let _turn = self.changing.lock().await;
        let current = self.current()?.map(|current| current.number);
        let entries = self.entries()?;
        let staying = staying(&entries, current, keep, now);
        let going: Vec<_> = entries
            .iter()
            .map(|entry| entry.number)
            .filter(|it| !staying.contains(it))
            .collect();
        for number in &going {
            // One at a time: taking the links away is large work for the store.
            let batch = Batch::new().delete(self.entry_key(*number));
            let _receipt = self.store.commit(batch).await?;
        }
        Ok(going.len())
    }

    fn number(&self, key: &Key) -> Result<Option<u64>, ShelfError> {
        let versioned = self.store.get(key)?;
        let bytes = versioned.and_then(|versioned| versioned.value.try_into().ok());
        Ok(bytes.map(u64::from_be_bytes))
    }

    fn key(&self, what: &str) -> Key {
        Key::new(TABLE, &[self.organisation.as_str(), what])
    }

    fn entry_key(&self, number: u64) -> Key {
        self.key("generation").with_number(number)
    }
}

fn current_bytes(number: u64, pinned: Option<Pin>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&CurrentSpec::V1(Current { number, pinned }))
}

#[cfg(test)]
mod tests;
