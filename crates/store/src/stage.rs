//! A group of batches before it is written: what will be in each key.
//!
//! The committer checks each batch against the tables and what the batches before it in the group
//! will have done, then adds it. One key may change many times in a group; the engine gets the
//! last state only, because it gives one sequence number to the whole group.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::batch::{Append, KeyChange, LinkChange};
use crate::engine::{self, Engine};
use crate::envelope::{self, Head, Kind};
use crate::log::Firsts;
use crate::seal::DataKey;
use crate::{
    Batch, BlobId, Blobs, CommitError, Expect, Key, LogName, Position, ReadError, Revision,
    SealError,
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

/// What the envelopes of a batch are made with.
pub(crate) struct Writer<'a> {
    pub(crate) identity: [u8; 16],
    pub(crate) revision: u64,
    /// There if anything in the batch is to be sealed.
    pub(crate) data_key: Option<&'a DataKey>,
}

impl Writer<'_> {
    /// The envelope of `body` for the place `key`.
    fn wrap(
        &self,
        kind: Kind,
        sealed: bool,
        key: &[u8],
        body: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let head = Head {
            kind,
            id: envelope::record_id(self.identity, kind, key, self.revision),
            revision: self.revision,
        };
        if !sealed {
            return Ok(envelope::wrap(head, body));
        }
        let data_key = self.data_key.ok_or(SealError::NotSetUp)?;
        envelope::seal(head, data_key, key, body)
    }
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

    /// Adds a checked batch. Fails only if it cannot be sealed; then nothing of it was added, but
    /// the positions it was to get stay empty.
    pub(crate) fn apply(
        &mut self,
        plan: Plan,
        writer: &Writer<'_>,
        next: &mut HashMap<LogName, u64>,
        firsts: &Firsts,
    ) -> Result<Accepted, SealError> {
        let Plan { batch, undone } = plan;
        // Before the appends: these have no position yet that could be meant.
        let erases = batch.erases.iter().map(|(log, position)| {
            let next = next.get(log).copied().unwrap_or(1);
            (log.clone(), position.0, next)
        });
        let erases: Vec<_> = erases.collect();
        let mut positions = Vec::with_capacity(batch.appends.len());
        let mut records = Vec::with_capacity(batch.appends.len());
        let mut beside = Vec::new();
        for Append {
            log,
            bytes,
            beside: wanted,
        } in batch.appends
        {
            let next = next.entry(log.clone()).or_insert(1);
            let key = log.at(*next);
            let position = *next;
            positions.push(Position(position));
            *next += 1;
            let record = writer.wrap(Kind::Record, log.is_sealed(), &key, &bytes)?;
            records.push((key, Some(record)));
            if let Some((below, value)) = wanted {
                let key = below.with_number(position);
                let wrapped = writer.wrap(Kind::Value, key.is_sealed(), key.bytes(), &value)?;
                beside.push((key, value, wrapped));
            }
        }
        let mut values = Vec::with_capacity(batch.keys.len());
        for KeyChange { key, value, .. } in &batch.keys {
            let wrap = |value| writer.wrap(Kind::Value, key.is_sealed(), key.bytes(), value);
            values.push(value.as_deref().map(wrap).transpose()?);
        }
        // From here on nothing fails.
        for (log, position, next) in erases {
            self.erase(&log, position, next, firsts);
        }
        self.appended += records.len() as u64;
        self.log.extend(records);
        let revision = Revision(writer.revision);
        for (key, value, wrapped) in beside {
            self.kv.insert(key.bytes().to_vec(), Some(wrapped));
            self.changes.push((key, Some(value), revision));
        }
        for (key, blobs) in undone {
            for blob in blobs {
                self.set_link(&blob, &key, false);
            }
        }
        for (KeyChange { key, value, .. }, wrapped) in batch.keys.into_iter().zip(values) {
            self.kv.insert(key.bytes().to_vec(), wrapped);
            self.changes.push((key, value, revision));
        }
        for LinkChange { blob, key, linked } in batch.links {
            self.set_link(&blob, &key, linked);
        }
        Ok(Accepted {
            revision,
            positions,
        })
    }

    /// Removes one record of a log whose next position is `next`.
    fn erase(&mut self, log: &LogName, position: u64, next: u64, firsts: &Firsts) {
        if position >= next {
            return;
        }
        self.log.insert(log.at(position), None);
        if position + 1 == next {
            // After a restart the next position is found by the last record, which this was.
            let prefix = log.prefix();
            let trimmed = self.firsts.iter().rev().find(|(log, _)| *log == prefix);
            let first = trimmed.map_or_else(|| firsts.get(log), |(_, first)| *first);
            self.kv
                .insert(engine::trim_key(log), Some(engine::trim_mark(first, next)));
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
                .spaces()?
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
