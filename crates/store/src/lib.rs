//! Log, tables and blobs under one write verb: what was promised is on the disk.
//!
//! Everybody who must not forget writes here: the one deciding task its standings and orders, every
//! part its records and state. [`Store::commit`] takes a [`Batch`] (records to append, keys to
//! change under conditions, blobs to keep) and gives a [`Receipt`] after the sync; a reply that
//! promises something is built from a receipt and from nothing else.
//!
//! * **log**: records in order, numbered from 1, read from a position; removed only by
//!   [`Store::trim`]. What was consumed is state, kept in a table, not in the log.
//! * **tables**: values by [`Key`], each with the [`Revision`] that wrote it, which is the
//!   condition of the next change; read by key or prefix, watched by prefix.
//! * **blobs**: large bodies in files named by their hash ([`Blobs`]).
//!
//! Tables, logs and blobs about people are *sealed* ([`Table::sealed`], [`LogName::sealed`],
//! [`Blobs::sealed_writer`]): at rest their bodies are of no use without the passphrase ([`Seal`]).
//!
//! What waits is written together: one `fdatasync` for a group of batches. After a failed write or
//! sync no receipt is given any more ([`CommitError::Poisoned`]), while reads go on. The bytes on
//! disk are described in `envelope` (records and values), `engine` (the store's own keys) and
//! `open` (files). Reads block for as long as a disk read takes; they are meant for small amounts.

mod backup;
mod batch;
mod beside;
mod blob;
mod commit;
mod disk;
mod engine;
mod envelope;
mod error;
mod journal;
mod key;
mod log;
mod memory;
mod open;
mod options;
mod reopen;
mod room;
mod seal;
mod stage;
mod stats;
mod table;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

pub use backup::{BackupReport, restore};
pub use batch::{Batch, Expect, Position, Receipt, Revision};
pub use beside::Beside;
pub use blob::{
    Blob, BlobId, BlobWriter, Blobs, Hold, InvalidBlobId, SealedBlob, SealedWriter, Swept,
};
pub use error::{
    BackupError, BlobError, CommitError, EngineError, OpenError, ReadError, ReopenError, SealError,
};
pub use key::{Key, LogName, Table};
pub use log::Entry;
pub use options::{Committer, Options, PassphraseCost};
pub use seal::{Seal, SealState};
pub use stats::Stats;
pub use table::{Change, Versioned, Watch};

use commit::{Core, GroupLimits, Request, Turn};
use engine::Engine;
use log::Firsts;
use open::{Access, Lock, Opened};
use seal::Sealing;
use stats::Counters;
use table::Watchers;

/// Keys and log names are at most so long in their encoded form.
const MAX_KEY: usize = 4096;

/// Places in the queue for what may take of the reserve: decisions, which no flood keeps out.
const OWN_PLACES: usize = 64;

/// A store. A cheap handle; the files are free for others when the last one is gone.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    engine: Engine,
    blobs: Blobs,
    watchers: Arc<Watchers>,
    firsts: Arc<Firsts>,
    counters: Arc<Counters>,
    sealing: Arc<Sealing>,
    dir: PathBuf,
    writer: Writer,
    options: Options,
    set_aside: u64,
    backing_up: Arc<AtomicBool>,
    closed: AtomicBool,
    /// Last, so that it is given up after the engine.
    _lock: Lock,
}

enum Writer {
    Thread {
        requests: SyncSender<Request>,
        thread: Mutex<Option<JoinHandle<()>>>,
    },
    Inline(Box<Mutex<Core>>),
    None,
}

impl Store {
    /// Opens the store in `dir`, or makes one there.
    ///
    /// One that is there opens on a disk that takes no write as well: it is read, and is as after a
    /// failed write ([`Store::is_poisoned`]) until [`Store::reopen`] finds that the disk is back.
    ///
    /// # Errors
    /// It is in use, of a newer format, damaged, or the directory holds something else.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let (opened, access) = open::open_as_it_goes(dir, &options, Access::Write)?;
        Self::start(opened, options, access, dir)
    }

    /// Opens a store that nobody has open, to look into it; commits are refused.
    ///
    /// The engine cannot open without its lock and without tidying its own files, so this needs
    /// the right to write, or a disk that takes no write from anybody; it fails with
    /// [`OpenError::Locked`] while a daemon runs.
    ///
    /// # Errors
    /// As [`Store::open`], or nothing is there.
    pub fn open_read_only(dir: &Path) -> Result<Self, OpenError> {
        let options = Options::default();
        let (opened, access) = open::open_as_it_goes(dir, &options, Access::Read)?;
        Self::start(opened, options, access, dir)
    }

    fn start(
        opened: Opened,
        options: Options,
        access: Access,
        dir: &Path,
    ) -> Result<Self, OpenError> {
        let Opened {
            core,
            lock,
            set_aside,
        } = opened;
        let engine = core.engine.clone();
        let blobs = core.blobs.clone();
        let watchers = Arc::clone(&core.watchers);
        let firsts = Arc::clone(&core.firsts);
        let counters = Arc::clone(&core.counters);
        let sealing = Arc::clone(&core.sealing);
        let writer = match (access, options.committer) {
            (Access::Read | Access::ReadCopy, _) => Writer::None,
            (_, Committer::Inline) => Writer::Inline(Box::new(Mutex::new(core))),
            (_, Committer::Thread) => {
                start_thread(core, &options).map_err(|source| OpenError::Io {
                    path: dir.to_path_buf(),
                    source,
                })?
            }
        };
        Ok(Self(Arc::new(Shared {
            engine,
            blobs,
            watchers,
            firsts,
            counters,
            sealing,
            dir: dir.to_path_buf(),
            writer,
            options,
            set_aside,
            backing_up: Arc::default(),
            closed: AtomicBool::new(false),
            _lock: lock,
        })))
    }

    /// Does all of `batch` durably, or nothing.
    ///
    /// If the caller stops waiting the batch may still happen; it then has no receipt.
    ///
    /// # Errors
    /// See [`CommitError`]. After [`CommitError::Io`], and after [`CommitError::Closed`] to a batch
    /// that was waiting, the batch may be there after a restart; after all others it is not.
    pub async fn commit(&self, batch: Batch) -> Result<Receipt, CommitError> {
        let size = batch.size();
        let first = batch.may_take_of_the_reserve();
        let refusal = self.too_large(&batch, size).map_or(Ok(()), Err);
        if let Err(error) = refusal.and_then(|()| self.accepts(first)) {
            return Err(self.refused(error));
        }
        let (reply, mut answer) = oneshot::channel();
        let turn = Turn::default();
        let request = Request::Commit {
            batch,
            size,
            turn: turn.clone(),
            reply,
        };
        self.ask(request, size, first)?;
        let closed = |_| Err(CommitError::Closed);
        // Both arms are cancel-safe.
        let answered = tokio::select! {
            biased;
            answered = &mut answer => answered,
            () = self.0.counters.silence(), if !first => match turn.take() {
                // It was not begun, and will not be.
                true => return Err(self.refused(CommitError::Silent)),
                false => answer.await,
            },
        };
        answered.unwrap_or_else(closed)
    }

    /// The value at `key`.
    ///
    /// # Errors
    /// The disk could not be read, what was read is damaged, or it is sealed and the store locked.
    pub fn get(&self, key: &Key) -> Result<Option<Versioned>, ReadError> {
        table::get(&self.0.engine, &self.0.sealing, key)
    }

    /// The first `limit` values at and below `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn scan(&self, prefix: &Key, limit: usize) -> Result<Vec<(Key, Versioned)>, ReadError> {
        table::scan(&self.0.engine, &self.0.sealing, prefix, limit)
    }

    /// As [`Store::scan`], of the keys that sort after `after`.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn scan_after(
        &self,
        prefix: &Key,
        after: &Key,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        table::scan_after(&self.0.engine, &self.0.sealing, prefix, after, limit)
    }

    /// The changes at and below `prefix` from now on.
    pub fn watch(&self, prefix: Key) -> Watch {
        let watch = self.0.watchers.add(prefix, self.0.options.watch_capacity);
        if self.0.closed.load(Ordering::Acquire) {
            self.0.watchers.close();
        }
        watch
    }

    /// Up to `limit` records of `log`, from the position `from` on.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn read(
        &self,
        log: &LogName,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        let from = from.0.max(self.0.firsts.get(log));
        log::read(&self.0.engine, &self.0.sealing, log, from, limit)
    }

    /// The record of `log` at `position`, if it is there.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn read_one(&self, log: &LogName, position: Position) -> Result<Option<Entry>, ReadError> {
        log::read_one(&self.0.engine, &self.0.sealing, log, position)
    }

    /// The last `count` records of `log`, oldest first.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn last(&self, log: &LogName, count: usize) -> Result<Vec<Entry>, ReadError> {
        let first = self.0.firsts.get(log);
        log::last(&self.0.engine, &self.0.sealing, log, first, count)
    }

    /// Removes the records of `log` below the position `below`. For retention only: positions are
    /// never given again.
    ///
    /// # Errors
    /// As [`Store::commit`]; some records may be removed then.
    pub async fn trim(&self, log: &LogName, below: Position) -> Result<(), CommitError> {
        loop {
            self.accepts(false)?;
            let (request, answer) = commit::trim_request(log, below);
            self.ask(request, 0, false)?;
            if !answer.await.unwrap_or(Err(CommitError::Closed))? {
                return Ok(());
            }
        }
    }

    /// After a failed write: looks whether the disk takes a write now, and opens the files again,
    /// under all who hold this store. Whoever reads meanwhile hears [`ReadError::Away`]; a batch
    /// that failed may be there or not. Nothing happens if no write failed. Blocks.
    ///
    /// # Errors
    /// The disk does not take a write, somebody reads for long, or what is there is damaged.
    pub fn reopen(&self) -> Result<(), ReopenError> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        match &self.0.writer {
            Writer::None => return Err(ReopenError::ReadOnly),
            Writer::Inline(core) => {
                let mut core = core.lock().unwrap_or_else(PoisonError::into_inner);
                return core.reopen();
            }
            Writer::Thread { requests, .. } => requests
                .send(Request::Reopen { reply })
                .map_err(|_| ReopenError::Closed)?,
        }
        answer.recv().unwrap_or(Err(ReopenError::Closed))
    }

    /// Sealing: its state, set-up, lock and unlock.
    pub fn seal(&self) -> Seal {
        Seal(Arc::clone(&self.0.sealing))
    }

    /// Whether a batch would be taken now, by the disk's reserve and the state of the store. What
    /// it says may be otherwise a moment later.
    ///
    /// # Errors
    /// [`CommitError::NoSpace`], [`CommitError::Poisoned`], [`CommitError::Silent`],
    /// [`CommitError::Closed`] or [`CommitError::ReadOnly`]: what a batch would be refused with.
    pub fn has_room(&self) -> Result<(), CommitError> {
        self.accepts(false)?;
        match disk::available(&self.0.dir) {
            Some(available) if available < self.0.options.reserve_bytes => {
                Err(CommitError::NoSpace { available })
            }
            _ => Ok(()),
        }
    }

    /// Whether a write or sync failed, after which nothing more is accepted until [`Store::reopen`].
    pub fn is_poisoned(&self) -> bool {
        self.0.counters.is_poisoned()
    }

    /// To be called once a second: a batch that is under way at several looks in a row waits for a
    /// disk that does not answer. While it does not, only what may take of the reserve
    /// ([`Batch::from_the_reserve`]) is let into the queue, and what else waits there is refused.
    pub fn look_at_the_disk(&self) {
        self.0.counters.look();
    }

    /// Follows whether a write failed ([`Store::is_poisoned`]) or is not answered
    /// ([`Store::look_at_the_disk`]).
    pub fn failing(&self) -> tokio::sync::watch::Receiver<bool> {
        self.0.counters.failing()
    }

    /// The large bodies.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// `file`, to be written beside this store: where it lies on the same disk, it leaves the
    /// reserve alone.
    ///
    /// # Errors
    /// The reserve is reached already.
    pub fn beside(&self, file: std::fs::File) -> std::io::Result<Beside> {
        Beside::new(file, &self.0.blobs)
    }

    /// Counts since opening.
    pub fn stats(&self) -> Stats {
        Stats {
            disk_bytes: self.disk_bytes(),
            set_aside_bytes: self.0.set_aside,
            ..self.0.counters.stats()
        }
    }

    fn disk_bytes(&self) -> u64 {
        let spaces = self.0.engine.spaces();
        spaces.map_or(0, |spaces| spaces.db.disk_space().unwrap_or(0))
    }

    /// Finishes what was asked before and takes no more. Other handles can still read; the files
    /// are free for others when all handles are gone.
    pub fn close(self) {
        self.0.stop();
    }

    /// `first`: whoever has a place of their own in the queue may find out that the disk answers again.
    fn accepts(&self, first: bool) -> Result<(), CommitError> {
        if matches!(self.0.writer, Writer::None) {
            return Err(CommitError::ReadOnly);
        }
        if self.0.closed.load(Ordering::Acquire) {
            return Err(CommitError::Closed);
        }
        if self.0.counters.is_poisoned() {
            return Err(CommitError::Poisoned);
        }
        if self.0.counters.is_silent() && !first {
            return Err(CommitError::Silent);
        }
        Ok(())
    }

    fn too_large(&self, batch: &Batch, size: usize) -> Option<CommitError> {
        let longest = batch.longest_key();
        if longest > MAX_KEY {
            return Some(CommitError::TooLarge {
                bytes: longest,
                limit: MAX_KEY,
            });
        }
        let limit = self.0.options.max_batch_bytes;
        (size > limit).then_some(CommitError::TooLarge { bytes: size, limit })
    }

    fn refused(&self, error: CommitError) -> CommitError {
        self.0.counters.refused.fetch_add(1, Ordering::Relaxed);
        error
    }

    /// Hands a request to the committer without waiting for room. `first`: there is a place for it
    /// however much else waits.
    fn ask(&self, request: Request, size: usize, first: bool) -> Result<(), CommitError> {
        let counters = &self.0.counters;
        let requests = match &self.0.writer {
            Writer::None => return Err(self.refused(CommitError::ReadOnly)),
            Writer::Inline(core) => {
                let mut core = core.lock().unwrap_or_else(PoisonError::into_inner);
                counters.enter_queue(size, usize::MAX);
                counters.waiting.fetch_add(1, Ordering::Relaxed);
                core.commit_group(vec![request]);
                return Ok(());
            }
            Writer::Thread { requests, .. } => requests,
        };
        let (most, most_bytes) = match first {
            true => (usize::MAX, usize::MAX),
            false => (
                self.0.options.max_queue.max(1),
                self.0.options.max_queue_bytes,
            ),
        };
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        if !counters.enter_queue(size, most_bytes) {
            return Err(self.refused(CommitError::Full));
        }
        if counters.waiting.fetch_add(1, Ordering::Relaxed) >= most {
            counters.leave_queue(size);
            counters.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(self.refused(CommitError::Full));
        }
        requests.try_send(request).map_err(|error| {
            counters.leave_queue(size);
            counters.waiting.fetch_sub(1, Ordering::Relaxed);
            self.refused(match error {
                TrySendError::Full(_) => CommitError::Full,
                TrySendError::Disconnected(_) => CommitError::Closed,
            })
        })
    }
}

fn start_thread(core: Core, options: &Options) -> std::io::Result<Writer> {
    let places = options.max_queue.max(1).saturating_add(OWN_PLACES);
    let (requests, waiting) = std::sync::mpsc::sync_channel(places);
    let limits = GroupLimits {
        batches: options.max_group,
        bytes: options.max_group_bytes,
    };
    let thread = thread::Builder::new()
        .name("store-commit".to_owned())
        .spawn(move || commit::run(core, &waiting, limits))?;
    Ok(Writer::Thread {
        requests,
        thread: Mutex::new(Some(thread)),
    })
}

impl Shared {
    fn stop(&self) {
        self.closed.store(true, Ordering::Release);
        if let Writer::Thread { requests, thread } = &self.writer {
            let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                // Waits for room if the queue is full; fails only if the thread is gone.
                let _ = requests.send(Request::Close);
                if thread.join().is_err() {
                    tracing::error!("the committer ended by a panic");
                }
            }
        }
        self.watchers.close();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("blobs", &self.0.blobs)
            .finish_non_exhaustive()
    }
}
