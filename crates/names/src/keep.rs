//! What is held of a zone across restarts: one blob with all records, the differences since as
//! values, and a pointer that says which of them make up the version. Every change of the pointer
//! is one commit, so a version is there whole or not at all.

use std::sync::Arc;

use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Batch, BlobId, Key, Store, Table};

use crate::secondary::Saved;
use crate::wire::{Name, read_u32};
use crate::zone::{Diff, Records, Zone};

const ZONES: Table = Table::new("names.zone");
const BLOB_HEAD: &[u8] = b"servergate zone 1\n";
const DIFF_VERSION: u8 = 1;
/// More differences than this are folded into a new blob.
const MOST_DIFFS: usize = 64;
/// As are differences of more bytes than this: they travel in one commit.
const LARGEST_DIFFS: usize = 2 << 20;

/// Why a zone could not be kept or found again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepFault {
    /// The store refused to write.
    #[error(transparent)]
    Commit(#[from] store::CommitError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] store::ReadError),
    /// The blob could not be written or read.
    #[error(transparent)]
    Blob(#[from] store::BlobError),
    /// What was read is no zone.
    #[error("what is held of {0} is damaged")]
    Damaged(Name),
    /// A newer version of the program wrote it.
    #[error("{0} was written by a newer version of Servergate")]
    Newer(Name),
    /// The machine had no thread for it.
    #[error("no thread for the work")]
    Thread,
}

/// The pointer's form on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
enum PointerSpec {
    V1(Pointer),
}

/// Which blob and which differences make up the version that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pointer {
    base: BlobId,
    first_diff: u64,
    next_diff: u64,
    refreshed_at: Timestamp,
    dark: bool,
}

/// One version with what led to it, shared between the answers and the keeper.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) zone: Arc<Zone>,
    /// The differences that lead to it, oldest first, without a gap.
    pub(crate) history: Arc<[Arc<Diff>]>,
}

/// The place of one zone in the store.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    store: Store,
    apex: Name,
    pointer: Option<Pointer>,
}

impl Place {
    /// Finds the place, and what lies there.
    pub(crate) fn open(
        store: &Store,
        apex: &Name,
    ) -> Result<(Self, Option<(Version, Saved)>), KeepFault> {
        let mut place = Self {
            store: store.clone(),
            apex: apex.clone(),
            pointer: None,
        };
        let Some(value) = store.get(&place.key())? else {
            return Ok((place, None));
        };
        let Ok(PointerSpec::V1(pointer)) = serde_json::from_slice(&value.value) else {
            return Err(KeepFault::Newer(apex.clone()));
        };
        place.pointer = Some(pointer.clone());
        let damaged = || KeepFault::Damaged(apex.clone());
        let blob = store.blobs().open(&pointer.base)?.read_all()?;
        let body = blob.strip_prefix(BLOB_HEAD).ok_or_else(damaged)?;
        let records = Records::from_bytes(body).ok_or_else(damaged)?;
        let mut zone = Zone::from_records(apex.clone(), &records).map_err(|_| damaged())?;
        let mut history = Vec::new();
        for number in pointer.first_diff..pointer.next_diff {
            let value = store.get(&place.diff_key(number))?.ok_or_else(damaged)?;
            let diff = read_diff(&value.value).ok_or_else(damaged)?;
            zone = zone.apply(&diff).map_err(|_| damaged())?;
            history.push(Arc::new(diff));
        }
        let saved = Saved {
            refreshed_at: pointer.refreshed_at,
            dark: pointer.dark,
        };
        let version = Version {
            zone: Arc::new(zone),
            history: history.into(),
        };
        Ok((place, Some((version, saved))))
    }

    /// A place in which nothing is taken to lie.
    pub(crate) fn empty(store: &Store, apex: &Name) -> Self {
        Self {
            store: store.clone(),
            apex: apex.clone(),
            pointer: None,
        }
    }

    /// Keeps a whole version.
    pub(crate) async fn keep_whole(
        &mut self,
        zone: Arc<Zone>,
        saved: Saved,
    ) -> Result<Version, KeepFault> {
        let blobs = self.store.blobs().clone();
        let kept = Arc::clone(&zone);
        let put = move || {
            let mut bytes = BLOB_HEAD.to_vec();
            bytes.extend_from_slice(kept.to_records().as_bytes());
            blobs.put(&bytes)
        };
        let base = tokio::task::spawn_blocking(put)
            .await
            .map_err(|_| KeepFault::Thread)??;
        let key = self.key();
        let mut batch = Batch::new().link(base, key.clone());
        let next_diff = self.pointer.as_ref().map_or(0, |before| before.next_diff);
        if let Some(before) = &self.pointer {
            if before.base != base {
                batch = batch.unlink(before.base, key);
            }
            for number in before.first_diff..before.next_diff {
                batch = batch.delete(self.diff_key(number));
            }
        }
        let Saved { refreshed_at, dark } = saved;
        let pointer = Pointer {
            base,
            first_diff: next_diff,
            next_diff,
            refreshed_at,
            dark,
        };
        self.commit(batch, pointer).await?;
        Ok(Version {
            zone,
            history: Arc::from([]),
        })
    }

    /// Keeps the next version as its differences from the one before.
    pub(crate) async fn keep_changes(
        &mut self,
        before: &Version,
        zone: Arc<Zone>,
        diffs: Vec<Arc<Diff>>,
        saved: Saved,
    ) -> Result<Version, KeepFault> {
        let history: Vec<_> = before
            .history
            .iter()
            .cloned()
            .chain(diffs.iter().cloned())
            .collect();
        let changed: usize = history.iter().map(|diff| diff.len()).sum();
        let size: usize = diffs
            .iter()
            .map(|diff| diff.removed.size() + diff.added.size())
            .sum();
        let Some(pointer) = self.pointer.clone() else {
            return self.keep_whole(zone, saved).await;
        };
        let many = history.len() > MOST_DIFFS || changed > zone.records() / 2 + 1000;
        if many || size > LARGEST_DIFFS {
            return self.keep_whole(zone, saved).await;
        }
        let mut batch = Batch::new();
        let mut next_diff = pointer.next_diff;
        for diff in &diffs {
            batch = batch.put(self.diff_key(next_diff), write_diff(diff));
            next_diff += 1;
        }
        let Saved { refreshed_at, dark } = saved;
        self.commit(
            batch,
            Pointer {
                next_diff,
                refreshed_at,
                dark,
                ..pointer
            },
        )
        .await?;
        Ok(Version {
            zone,
            history: history.into(),
        })
    }

    /// Keeps when the primary last confirmed the version.
    pub(crate) async fn keep_saved(&mut self, saved: Saved) -> Result<(), KeepFault> {
        let Some(pointer) = self.pointer.clone() else {
            return Ok(());
        };
        let Saved { refreshed_at, dark } = saved;
        self.commit(
            Batch::new(),
            Pointer {
                refreshed_at,
                dark,
                ..pointer
            },
        )
        .await
    }

    async fn commit(&mut self, batch: Batch, pointer: Pointer) -> Result<(), KeepFault> {
        let spec = PointerSpec::V1(pointer.clone());
        let value = serde_json::to_vec(&spec).map_err(|_| KeepFault::Damaged(self.apex.clone()))?;
        self.store.commit(batch.put(self.key(), value)).await?;
        self.pointer = Some(pointer);
        Ok(())
    }

    fn key(&self) -> Key {
        Key::new(ZONES, &["zone"]).with_bytes(self.apex.as_wire())
    }

    fn diff_key(&self, number: u64) -> Key {
        Key::new(ZONES, &["diff"])
            .with_bytes(self.apex.as_wire())
            .with_number(number)
    }
}

fn write_diff(diff: &Diff) -> Vec<u8> {
    let removed = diff.removed.as_bytes();
    let mut bytes = vec![DIFF_VERSION];
    // A difference is far below 4 GiB: a transfer is.
    let len = u32::try_from(removed.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(removed);
    bytes.extend_from_slice(diff.added.as_bytes());
    bytes
}

fn read_diff(bytes: &[u8]) -> Option<Diff> {
    if bytes.first() != Some(&DIFF_VERSION) {
        return None;
    }
    let len = usize::try_from(read_u32(bytes, 1)?).ok()?;
    let (removed, added) = bytes.get(5..)?.split_at_checked(len)?;
    Some(Diff {
        removed: Records::from_bytes(removed)?,
        added: Records::from_bytes(added)?,
    })
}
