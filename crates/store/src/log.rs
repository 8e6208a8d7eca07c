//! Reading logs. Writing them is `commit`'s, shortening them is `trim`'s.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::engine::{self, Engine};
use crate::envelope::{self, Kind};
use crate::seal::Sealing;
use crate::{LogName, Position, ReadError};

/// One record of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub position: Position,
    /// Its own id, different from that of every other record of any store.
    pub id: [u8; 16],
    /// The bytes as they were appended.
    pub bytes: Vec<u8>,
}

/// The first position of each log that was trimmed, so that reading from the start does not walk
/// over what was removed. Keyed by the log's encoded name.
#[derive(Debug, Default)]
pub(crate) struct Firsts(RwLock<HashMap<Vec<u8>, u64>>);

impl Firsts {
    pub(crate) fn get(&self, log: &LogName) -> u64 {
        let firsts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        firsts.get(&log.prefix()).copied().unwrap_or(0)
    }

    pub(crate) fn set(&self, encoded_log: Vec<u8>, first: u64) {
        let mut firsts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        firsts.insert(encoded_log, first);
    }
}

pub(crate) fn read(
    engine: &Engine,
    sealing: &Sealing,
    log: &LogName,
    from: u64,
    limit: usize,
) -> Result<Vec<Entry>, ReadError> {
    let range = log.at(from)..=log.at(u64::MAX);
    let found = engine.spaces()?.log.range(range).take(limit);
    found.map(|guard| entry(sealing, guard)).collect()
}

pub(crate) fn read_one(
    engine: &Engine,
    sealing: &Sealing,
    log: &LogName,
    position: Position,
) -> Result<Option<Entry>, ReadError> {
    let key = log.at(position.0);
    match engine.spaces()?.log.get(&key)? {
        None => Ok(None),
        Some(bytes) => open(sealing, &key, &bytes).map(Some),
    }
}

pub(crate) fn last(
    engine: &Engine,
    sealing: &Sealing,
    log: &LogName,
    first: u64,
    count: usize,
) -> Result<Vec<Entry>, ReadError> {
    let range = log.at(first)..=log.at(u64::MAX);
    let newest_first = engine.spaces()?.log.range(range).rev().take(count);
    let entries = newest_first.map(|guard| entry(sealing, guard));
    let mut entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
    entries.reverse();
    Ok(entries)
}

fn entry(sealing: &Sealing, guard: fjall::Guard) -> Result<Entry, ReadError> {
    let (key, bytes) = guard.into_inner()?;
    open(sealing, &key, &bytes)
}

fn open(sealing: &Sealing, key: &[u8], bytes: &[u8]) -> Result<Entry, ReadError> {
    let opened = envelope::open(Kind::Record, bytes)?;
    Ok(Entry {
        position: Position(engine::position_of(key)?),
        id: opened.id,
        bytes: opened.plain(key, sealing)?,
    })
}
