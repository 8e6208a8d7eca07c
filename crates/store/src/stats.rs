//! What the store counts; the host exports it as metrics.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// Counts since opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Batches that got a receipt.
    pub commits: u64,
    /// Groups written, one `fdatasync` each.
    pub syncs: u64,
    /// Records appended to logs.
    pub records: u64,
    /// Batches refused, for whatever reason.
    pub refused: u64,
    /// Batches waiting for the committer now.
    pub waiting: u64,
    /// How long commits waited for the engine to put away what it had in memory.
    pub behind: Duration,
    /// A write failed: nothing more is accepted.
    pub poisoned: bool,
    /// How often the files were opened again after that.
    pub reopened: u64,
    /// Bytes of the engine's files on disk, without blobs.
    pub disk_bytes: u64,
    /// Bytes behind the last whole write that were set aside at opening: what was being written
    /// when the power went, or what an operator's `salvage` gave up.
    pub set_aside_bytes: u64,
}

/// The counters behind [`Stats`], and the budget of the queue.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) waiting: AtomicU64,
    reopened: AtomicU64,
    behind_millis: AtomicU64,
    queued_bytes: AtomicUsize,
    /// True after a failed write, until the files were opened again.
    poisoned: watch::Sender<bool>,
}

impl Counters {
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            commits: self.commits.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            behind: Duration::from_millis(self.behind_millis.load(Ordering::Relaxed)),
            poisoned: self.is_poisoned(),
            reopened: self.reopened.load(Ordering::Relaxed),
            disk_bytes: 0,
            set_aside_bytes: 0,
        }
    }

    /// Commits waited so long for the engine.
    pub(crate) fn waited_for_workers(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.behind_millis.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        *self.poisoned.borrow()
    }

    pub(crate) fn poison(&self) {
        self.poisoned.send_replace(true);
    }

    pub(crate) fn failing(&self) -> watch::Receiver<bool> {
        self.poisoned.subscribe()
    }

    /// The files were opened again, and take writes.
    pub(crate) fn heal(&self) {
        self.reopened.fetch_add(1, Ordering::Relaxed);
        self.poisoned.send_replace(false);
    }

    /// Takes `size` bytes of the queue's budget; `false` if they are not there.
    pub(crate) fn enter_queue(&self, size: usize, limit: usize) -> bool {
        let before = self.queued_bytes.fetch_add(size, Ordering::AcqRel);
        // An empty queue takes any batch that is small enough to be one.
        if before > 0 && before.saturating_add(size) > limit {
            self.leave_queue(size);
            return false;
        }
        true
    }

    /// Gives `size` bytes of the queue's budget back.
    pub(crate) fn leave_queue(&self, size: usize) {
        self.queued_bytes.fetch_sub(size, Ordering::AcqRel);
    }
}
