//! Reading tables: `get`, `scan`, and `watch` for what changes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use crate::engine::Engine;
use crate::envelope::{self, Kind};
use crate::seal::Sealing;
use crate::{Key, ReadError, Revision};

/// A value and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The bytes as they were put.
    pub value: Vec<u8>,
    /// The commit that wrote them; the condition of the next change.
    pub revision: Revision,
}

pub(crate) fn get(
    engine: &Engine,
    sealing: &Sealing,
    key: &Key,
) -> Result<Option<Versioned>, ReadError> {
    match engine.spaces()?.kv.get(key.bytes())? {
        None => Ok(None),
        Some(bytes) => open(sealing, key, &bytes).map(Some),
    }
}

pub(crate) fn scan(
    engine: &Engine,
    sealing: &Sealing,
    prefix: &Key,
    limit: usize,
) -> Result<Vec<(Key, Versioned)>, ReadError> {
    let mut found = Vec::new();
    for guard in engine.spaces()?.kv.prefix(prefix.bytes()).take(limit) {
        let (key, bytes) = guard.into_inner()?;
        let key = prefix.found(&key);
        let value = open(sealing, &key, &bytes)?;
        found.push((key, value));
    }
    Ok(found)
}

/// As [`scan`], of what sorts after `after`, so that a long table can be read in pieces.
pub(crate) fn scan_after(
    engine: &Engine,
    sealing: &Sealing,
    prefix: &Key,
    after: &Key,
    limit: usize,
) -> Result<Vec<(Key, Versioned)>, ReadError> {
    use std::ops::Bound::{Excluded, Unbounded};
    let mut found = Vec::new();
    let start = prefix.bytes().max(after.bytes());
    let range = (Excluded(start.to_vec()), Unbounded);
    for guard in engine.spaces()?.kv.range::<Vec<u8>, _>(range).take(limit) {
        let (key, bytes) = guard.into_inner()?;
        let key = prefix.found(&key);
        if !key.starts_with(prefix) {
            break;
        }
        let value = open(sealing, &key, &bytes)?;
        found.push((key, value));
    }
    Ok(found)
}

fn open(sealing: &Sealing, key: &Key, bytes: &[u8]) -> Result<Versioned, ReadError> {
    let opened = envelope::open(Kind::Value, bytes)?;
    Ok(Versioned {
        value: opened.plain(key.bytes(), sealing)?,
        revision: Revision(opened.revision),
    })
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The value at `key` was set, or deleted.
    Set {
        /// The key.
        key: Key,
        /// The new value; `None` if it was deleted.
        value: Option<Vec<u8>>,
        /// The commit.
        revision: Revision,
    },
    /// Changes were missed: scan the prefix anew.
    Lagged,
    /// The store was closed; nothing more comes.
    Closed,
}

/// The changes below a prefix, in the order of the commits, each after its sync.
///
/// Whoever watches first and scans then misses nothing.
#[derive(Debug)]
pub struct Watch(Arc<Watched>);

impl Watch {
    /// The next change. Cancel-safe.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.0.take() {
                return change;
            }
            // A permit is kept if `tell` came in between; there is one waiter only.
            self.0.wake.notified().await;
        }
    }
}

#[derive(Debug)]
struct Watched {
    prefix: Key,
    capacity: usize,
    state: Mutex<Pending>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    changes: VecDeque<Change>,
    lagged: bool,
    closed: bool,
}

impl Watched {
    fn take(&self) -> Option<Change> {
        let mut pending = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut pending.lagged) {
            return Some(Change::Lagged);
        }
        match pending.changes.pop_front() {
            None if pending.closed => Some(Change::Closed),
            change => change,
        }
    }

    fn tell(&self, changes: &[(Key, Option<Vec<u8>>, Revision)]) {
        let mut pending = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value, revision) in changes {
            if pending.lagged || !key.starts_with(&self.prefix) {
                continue;
            }
            if pending.changes.len() >= self.capacity {
                pending.changes.clear();
                pending.lagged = true;
                continue;
            }
            let (key, value, revision) = (key.clone(), value.clone(), *revision);
            pending.changes.push_back(Change::Set {
                key,
                value,
                revision,
            });
        }
        drop(pending);
        self.wake.notify_one();
    }

    fn close(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
        self.wake.notify_one();
    }
}

/// All that watch; the committer tells them.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Vec<Weak<Watched>>>);

impl Watchers {
    pub(crate) fn add(&self, prefix: Key, capacity: usize) -> Watch {
        let watched = Arc::new(Watched {
            prefix,
            capacity: capacity.max(1),
            state: Mutex::default(),
            wake: Notify::new(),
        });
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(Arc::downgrade(&watched));
        Watch(watched)
    }

    pub(crate) fn tell(&self, changes: &[(Key, Option<Vec<u8>>, Revision)]) {
        if !changes.is_empty() {
            self.each(|watched| watched.tell(changes));
        }
    }

    pub(crate) fn close(&self) {
        self.each(Watched::close);
    }

    fn each(&self, act: impl Fn(&Watched)) {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| match watcher.upgrade() {
            Some(watched) => {
                act(&watched);
                true
            }
            None => false,
        });
    }
}
