//! The embedded engine behind the store, and the keys that are the store's own.
//!
//! Two keyspaces share one journal: `log` (all logs; large records lie apart from the index) and
//! `kv` (all tables, and the store's own entries). The own entries begin with `00 00`, which no
//! [`Key`] does:
//!
//! | key | value |
//! |---|---|
//! | `00 00 R` | revision of the last commit, 8 bytes big-endian |
//! | `00 00 I` | identity of this store, 16 bytes |
//! | `00 00 T` log name | first position not trimmed, next position to give; 8 bytes each |
//! | `00 00 L` blob hash, key | empty: the key keeps the blob |
//! | `00 00 K` key `00 00` blob hash | empty: the same, found by key |
//! | `00 00 S P` | the pair of reception: public key, wrapped private key (see `seal/slots`) |
//! | `00 00 S S` | the slots that hold the root (see `seal/slots`) |
//! | `00 00 S N` | id of the last data key drawn, 8 bytes big-endian |
//! | `00 00 S K` key id, 4 bytes big-endian | the data key, wrapped (see `seal/key`) |

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, Readable,
};

use crate::memory::MemoryCopy;
use crate::{BlobId, Key, LogName, ReadError};

/// Memory for records not yet in tables, each; the engine holds at most three of each kind.
const LOG_MEMTABLE: u64 = 8 << 20;
const KV_MEMTABLE: u64 = 4 << 20;
/// Records from this size on lie apart from the index, so that compaction does not copy them.
const SEPARATE_FROM: u32 = 2048;
/// Below this the engine refuses the setting.
const LEAST_JOURNAL: u64 = 64 << 20;
const OPEN_FILES: usize = 128;
const WORKERS: usize = 2;
/// Sealed memtables and unmerged tables at which the committer waits for the engine's workers.
const SEALED_LIMIT: usize = 3;
const UNMERGED_LIMIT: usize = 18;
/// Between two looks at whether they are still behind.
const PAUSE: Duration = Duration::from_millis(2);

/// How long files are waited for that readers still hold, or that are still to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// Its two keyspaces and the journal they share.
pub(crate) struct Spaces {
    pub(crate) db: Database,
    pub(crate) kv: Keyspace,
    pub(crate) log: Keyspace,
    /// Where the files lie, if the disk takes no write. Last: it goes after they are closed.
    _copy: Option<MemoryCopy>,
}

/// The engine, which may be closed and opened again under those who hold it: after a failed write
/// it takes nothing more, and the standby must outlive that.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    cache: u64,
    journal: u64,
    /// Nobody holds the lock for longer than it takes to copy what is in it.
    spaces: RwLock<Option<Arc<Spaces>>>,
}

impl Spaces {
    fn open(
        dir: &Path,
        copy: Option<MemoryCopy>,
        cache: u64,
        journal: u64,
    ) -> Result<Self, fjall::Error> {
        let at = copy.as_ref().map_or(dir, MemoryCopy::dir);
        let db = Database::builder(at)
            .cache_size(cache)
            .max_journaling_size(journal.max(LEAST_JOURNAL))
            .max_cached_files(Some(OPEN_FILES))
            .worker_threads_unchecked(match copy {
                // Two, so that a long compaction does not keep memtables from being written.
                None => WORKERS,
                // What is only read is not tidied: that would take memory.
                Some(_) => 0,
            })
            .manual_journal_persist(true)
            .open()?;
        let kv = db.keyspace("kv", || {
            KeyspaceCreateOptions::default().max_memtable_size(KV_MEMTABLE)
        })?;
        let log = db.keyspace("log", || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(LOG_MEMTABLE)
                .with_kv_separation(Some(
                    KvSeparationOptions::default().separation_threshold(SEPARATE_FROM),
                ))
        })?;
        Ok(Self {
            db,
            kv,
            log,
            _copy: copy,
        })
    }

    /// Waits while the engine's workers are behind. The engine would wait by itself inside a
    /// commit, but for ever if its workers died of a full disk meanwhile. Says about how long.
    pub(crate) fn wait_for_workers(&self) -> Result<Duration, fjall::Error> {
        let mut waited = Duration::ZERO;
        while self.is_behind() {
            self.db.persist(PersistMode::Buffer)?;
            std::thread::sleep(PAUSE);
            waited += PAUSE;
        }
        Ok(waited)
    }

    fn is_behind(&self) -> bool {
        [&self.kv, &self.log].into_iter().any(|keyspace| {
            keyspace.sealed_memtable_count() >= SEALED_LIMIT
                || keyspace.l0_table_count() >= UNMERGED_LIMIT
        })
    }

    /// Writes everything that lies in memory into tables, so that no journal from before is needed
    /// any more. Bounded: the workers may have died.
    fn work_off(&self) -> Result<(), fjall::Error> {
        let mut waited = Duration::ZERO;
        self.kv.rotate_memtable()?;
        self.log.rotate_memtable()?;
        while self.kv.sealed_memtable_count() + self.log.sealed_memtable_count() > 0 {
            self.db.persist(PersistMode::Buffer)?;
            if waited > PATIENCE {
                return Err(fjall::Error::Poisoned);
            }
            std::thread::sleep(PAUSE);
            waited += PAUSE;
        }
        Ok(())
    }
}

impl Engine {
    /// Opens or makes the engine's files in `dir`, or those of their `copy`, to be read only.
    pub(crate) fn open(
        dir: &Path,
        copy: Option<MemoryCopy>,
        cache: u64,
        journal: u64,
    ) -> Result<Self, fjall::Error> {
        let spaces = Spaces::open(dir, copy, cache, journal)?;
        Ok(Self(Arc::new(Inner {
            dir: dir.to_path_buf(),
            cache,
            journal,
            spaces: RwLock::new(Some(Arc::new(spaces))),
        })))
    }

    /// What is open. Held for one read or write only.
    ///
    /// # Errors
    /// It is being opened again.
    pub(crate) fn spaces(&self) -> Result<Arc<Spaces>, ReadError> {
        let spaces = self.0.spaces.read().unwrap_or_else(PoisonError::into_inner);
        spaces.clone().ok_or(ReadError::Away)
    }

    /// Where its files lie.
    pub(crate) fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Closes it, if nobody reads for long; `false`: it is open as before.
    pub(crate) fn close(&self) -> bool {
        let Some(mut spaces) = self.put(None) else {
            return true;
        };
        let mut waited = Duration::ZERO;
        loop {
            match Arc::try_unwrap(spaces) {
                Ok(_closed) => return true,
                Err(held) if waited < PATIENCE => spaces = held,
                Err(held) => {
                    self.put(Some(held));
                    return false;
                }
            }
            std::thread::sleep(PAUSE);
            waited += PAUSE;
        }
    }

    /// Opens what was closed. What was read of the journals is written into tables before anything
    /// is added: after a failed sync the kernel shows as written what the disk never got.
    pub(crate) fn open_again(&self) -> Result<(), fjall::Error> {
        let Inner { cache, journal, .. } = *self.0;
        let spaces = Spaces::open(&self.0.dir, None, cache, journal)?;
        let worked_off = spaces.work_off();
        // Readers have it in any case.
        self.put(Some(Arc::new(spaces)));
        worked_off
    }

    /// Opens what was closed from a copy of it, to be read only.
    pub(crate) fn open_copy(&self, copy: MemoryCopy) -> Result<(), fjall::Error> {
        let Inner { cache, journal, .. } = *self.0;
        let spaces = Spaces::open(&self.0.dir, Some(copy), cache, journal)?;
        self.put(Some(Arc::new(spaces)));
        Ok(())
    }

    fn put(&self, spaces: Option<Arc<Spaces>>) -> Option<Arc<Spaces>> {
        let mut place = self
            .0
            .spaces
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, spaces)
    }

    /// The number at one of the store's own keys.
    pub(crate) fn own_number(&self, key: &[u8]) -> Result<Option<u64>, ReadError> {
        let Some(bytes) = self.spaces()?.kv.get(key)? else {
            return Ok(None);
        };
        let number = bytes.as_ref().try_into().map_err(|_| ReadError::Envelope)?;
        Ok(Some(u64::from_be_bytes(number)))
    }

    /// The position of the last record of `log` that is there.
    pub(crate) fn last_position(&self, log: &LogName) -> Result<Option<u64>, ReadError> {
        let Some(guard) = self.spaces()?.log.prefix(log.prefix()).next_back() else {
            return Ok(None);
        };
        position_of(&guard.key()?).map(Some)
    }

    /// Whether any key keeps `blob`.
    pub(crate) fn is_linked(&self, blob: &BlobId) -> Result<bool, ReadError> {
        match self.spaces()?.kv.prefix(links_of_blob(blob)).next() {
            None => Ok(false),
            Some(guard) => guard.key().map(|_| true).map_err(Into::into),
        }
    }

    /// The blobs that `key` keeps.
    pub(crate) fn linked_by(&self, key: &Key) -> Result<Vec<BlobId>, ReadError> {
        let prefix = links_of_key(key);
        let mut blobs = Vec::new();
        for guard in self.spaces()?.kv.prefix(&prefix) {
            let found = guard.key()?;
            let hash = found.get(prefix.len()..).unwrap_or_default();
            blobs.push(BlobId::from_slice(hash).ok_or(ReadError::Envelope)?);
        }
        Ok(blobs)
    }

    /// First and next position of `log`, once it was trimmed.
    pub(crate) fn trim_mark(&self, log: &LogName) -> Result<Option<(u64, u64)>, ReadError> {
        let Some(mark) = self.spaces()?.kv.get(trim_key(log))? else {
            return Ok(None);
        };
        trim_mark_from(&mark).map(Some).ok_or(ReadError::Envelope)
    }

    /// All logs that were ever trimmed: name in its encoded form, and first position.
    pub(crate) fn trimmed_logs(&self) -> Result<Vec<(Vec<u8>, u64)>, ReadError> {
        let spaces = self.spaces()?;
        let snapshot = spaces.db.snapshot();
        let mut marks = Vec::new();
        for guard in snapshot.prefix(&spaces.kv, OWN_TRIM) {
            let (key, value) = guard.into_inner()?;
            let log = key.get(OWN_TRIM.len()..).unwrap_or_default().to_vec();
            let (first, _) = trim_mark_from(&value).ok_or(ReadError::Envelope)?;
            marks.push((log, first));
        }
        Ok(marks)
    }
}

/// The last commit's revision.
pub(crate) const OWN_REVISION: [u8; 3] = [0, 0, b'R'];
/// The store's identity.
pub(crate) const OWN_IDENTITY: [u8; 3] = [0, 0, b'I'];
/// Before the name of a trimmed log.
pub(crate) const OWN_TRIM: [u8; 3] = [0, 0, b'T'];
/// Before a blob's hash and the key that keeps it.
pub(crate) const OWN_LINK: [u8; 3] = [0, 0, b'L'];

/// The pair of reception.
pub(crate) const OWN_SEAL_PAIR: [u8; 4] = *b"\0\0SP";
/// The slots that hold the root.
pub(crate) const OWN_SEAL_SLOTS: [u8; 4] = *b"\0\0SS";
/// The last data key's id.
pub(crate) const OWN_SEAL_LAST: [u8; 4] = *b"\0\0SN";

/// Where the data key `id` lies wrapped.
pub(crate) fn seal_key(id: u32) -> Vec<u8> {
    [&b"\0\0SK"[..], &id.to_be_bytes()].concat()
}

/// Where a log's first and next position are kept once it was trimmed.
pub(crate) fn trim_key(log: &LogName) -> Vec<u8> {
    [&OWN_TRIM[..], &log.prefix()].concat()
}

/// The value at [`trim_key`].
pub(crate) fn trim_mark(first: u64, next: u64) -> Vec<u8> {
    [first.to_be_bytes(), next.to_be_bytes()].concat()
}

fn trim_mark_from(bytes: &[u8]) -> Option<(u64, u64)> {
    let (first, next) = bytes.split_first_chunk::<8>()?;
    let next = next.try_into().ok()?;
    Some((u64::from_be_bytes(*first), u64::from_be_bytes(next)))
}

fn links_of_blob(blob: &BlobId) -> Vec<u8> {
    [&OWN_LINK[..], blob.as_bytes()].concat()
}

/// Before the blobs that `key` keeps.
pub(crate) fn links_of_key(key: &Key) -> Vec<u8> {
    [&[0, 0, b'K'], key.bytes(), &[0, 0]].concat()
}

/// The two entries that tie `blob` to `key`.
pub(crate) fn link_keys(blob: &BlobId, key: &Key) -> [Vec<u8>; 2] {
    [
        [&links_of_blob(blob), key.bytes()].concat(),
        [&links_of_key(key)[..], blob.as_bytes()].concat(),
    ]
}

/// The position in the key of a record.
pub(crate) fn position_of(key: &[u8]) -> Result<u64, ReadError> {
    let position = key.last_chunk::<8>().ok_or(ReadError::Envelope)?;
    Ok(u64::from_be_bytes(*position))
}
