//! A group of batches before it is written: what will be in each key.
//!
//! The committer checks each batch against the tables and what the batches before it in the group
//! will have done, then adds it. One key may change many times in a group; the engine gets the
//! last state only, because it gives one sequence number to the whole group.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::batch::{KeyChange, LinkChange};
use crate::engine::{self, Engine};
use crate::envelope::{self, Kind};
use crate::{
    Batch, BlobId, Blobs, CommitError, Expect, Key, LogName, Position, ReadError, Revision,
};

/// What the group will have done.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// Bytes of the key → bytes of the value, `None` removes.
    pub(crate) kv: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The same for records.
    pub(crate) log: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// What watchers will be told, in order.
    pub(crate) changes: Vec<(Key, Option<Vec<u8>>, Revision)>,
    /// New first positions of trimmed logs.
    pub(crate) firsts: Vec<(Vec<u8>, u64)>,
    /// How many records were appended.
    pub(crate) appended: u64,
}

/// A batch that can no longer be refused, and the links that its deletions undo.
#[derive(Debug)]
pub(crate) struct Plan {
    batch: Batch,
    undone: Vec<(Key, Vec<BlobId>)>,
}

/// What a batch's receipt will say.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) revision: Revision,
    pub(crate) positions: Vec<Position>,
}

impl Staged {
    /// Checks everything that a batch can be refused for.
    pub(crate) fn check(
        &self,
        engine: &Engine,
        blobs: &Blobs,
        batch: Batch,
    ) -> Result<Plan, CommitError> {
        let read_failed = |error| CommitError::Read(Arc::new(error));
        for change in &batch.keys {
            let Some(expect) = change.expect else {
                continue;
            };
            let found = self.revision_of(engine, &change.key).map_err(read_failed)?;
            let holds = match expect {
                Expect::Absent => found.is_none(),
                Expect::Revision(revision) => found == Some(revision),
            };
            if !holds {
                return Err(CommitError::Precondition {
                    key: change.key.clone(),
                });
            }
        }
        if let Some(link) = batch
            .links
            .iter()
            .find(|link| link.linked && !blobs.has(&link.blob))
        {
            return Err(CommitError::MissingBlob { id: link.blob });
        }
        let mut undone = Vec::new();
        for change in batch.keys.iter().filter(|change| change.value.is_none()) {
            let links = self.linked_by(engine, &change.key).map_err(read_failed)?;
            undone.push((change.key.clone(), links));
        }
        Ok(Plan { batch, undone })
    }

    /// Adds a checked batch as commit `revision`.
    pub(crate) fn apply(
        &mut self,
        plan: Plan,
        identity: [u8; 16],
        revision: u64,
        next: &mut HashMap<LogName, u64>,
    ) -> Accepted {
        let Plan { batch, undone } = plan;
        let mut positions = Vec::with_capacity(batch.appends.len());
        for (log, bytes) in batch.appends {
            let next = next.entry(log.clone()).or_insert(1);
            let key = log.at(*next);
            let id = envelope::record_id(identity, Kind::Record, &key, revision);
            self.log.insert(
                key,
                Some(envelope::wrap(Kind::Record, id, revision, &bytes)),
            );
            positions.push(Position(*next));
            *next += 1;
            self.appended += 1;
        }
        for (key, blobs) in undone {
            for blob in blobs {
                self.set_link(&blob, &key, false);
            }
        }
        for KeyChange { key, value, .. } in batch.keys {
            let wrapped = value.as_ref().map(|value| {
                let id = envelope::record_id(identity, Kind::Value, key.bytes(), revision);
                envelope::wrap(Kind::Value, id, revision, value)
            });
            self.kv.insert(key.bytes().to_vec(), wrapped);
            self.changes.push((key, value, Revision(revision)));
        }
        for LinkChange { blob, key, linked } in batch.links {
            self.set_link(&blob, &key, linked);
        }
        Accepted {
            revision: Revision(revision),
            positions,
        }
    }

    /// The revision that `key` will have.
    fn revision_of(&self, engine: &Engine, key: &Key) -> Result<Option<Revision>, ReadError> {
        let revision = |bytes: &[u8]| {
            let opened = envelope::open(Kind::Value, bytes)?;
            Ok(Revision(opened.revision))
        };
        match self.kv.get(key.bytes()) {
            Some(staged) => staged.as_deref().map(revision).transpose(),
            None => engine
                .kv
                .get(key.bytes())?
                .as_deref()
                .map(revision)
                .transpose(),
        }
    }

    /// The blobs that `key` will keep.
    fn linked_by(&self, engine: &Engine, key: &Key) -> Result<Vec<BlobId>, ReadError> {
        let mut blobs = engine.linked_by(key)?;
        let prefix = engine::links_of_key(key);
        let from = (Bound::Included(prefix.clone()), Bound::Unbounded);
        for (link, _) in self
            .kv
            .range(from)
            .take_while(|(link, _)| link.starts_with(&prefix))
        {
            blobs.extend(link.get(prefix.len()..).and_then(BlobId::from_slice));
        }
        Ok(blobs)
    }

    fn set_link(&mut self, blob: &BlobId, key: &Key, linked: bool) {
        for entry in engine::link_keys(blob, key) {
            self.kv.insert(entry, linked.then(Vec::new));
        }
    }
}
