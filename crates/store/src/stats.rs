//! What the store counts; the host exports it as metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
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
    /// The disk does not answer ([`crate::Store::look_at_the_disk`]).
    pub silent: bool,
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
    /// After a failed write, until the files were opened again.
    poisoned: AtomicBool,
    silent: AtomicBool,
    /// Either of them.
    failing: watch::Sender<bool>,
    /// Groups that the disk has answered.
    answered: AtomicU64,
    looked: Mutex<Looked>,
}

/// What was seen of the disk.
#[derive(Debug, Default)]
struct Looked {
    answered: u64,
    /// So often in a row the same group was waited for.
    in_vain: u32,
}

/// After so many looks a disk that does not answer is silent.
const IN_VAIN: u32 = 3;

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
            silent: self.is_silent(),
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
        self.poisoned.load(Ordering::Acquire)
    }

    pub(crate) fn poison(&self) {
        self.set(&self.poisoned, true);
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }

    /// The disk took a group, or refused it.
    pub(crate) fn group_answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.note_silence(false);
    }

    pub(crate) fn look(&self) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = self.answered.load(Ordering::Relaxed);
        let waits = self.waiting.load(Ordering::Relaxed) > 0;
        let in_vain = match waits && answered == looked.answered {
            true => looked.in_vain.saturating_add(1),
            false => 0,
        };
        *looked = Looked { answered, in_vain };
        self.note_silence(in_vain > IN_VAIN);
    }

    /// Returns when the disk is silent. Cancel-safe.
    pub(crate) async fn silence(&self) {
        let mut failing = self.failing.subscribe();
        // These counters live as long as whoever waits here.
        let _ = failing.wait_for(|_| self.is_silent()).await;
    }

    fn note_silence(&self, silent: bool) {
        if self.is_silent() != silent {
            self.set(&self.silent, silent);
        }
    }

    pub(crate) fn failing(&self) -> watch::Receiver<bool> {
        self.failing.subscribe()
    }

    /// The files were opened again, and take writes.
    pub(crate) fn heal(&self) {
        self.reopened.fetch_add(1, Ordering::Relaxed);
        self.set(&self.poisoned, false);
    }

    fn set(&self, what: &AtomicBool, to: bool) {
        what.store(to, Ordering::Release);
        self.failing.send_modify(|failing| {
            // Under the lock of what is told, so that the last word is the true one.
            *failing = self.is_poisoned() || self.is_silent();
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_failing(counters: &Counters) -> bool {
        *counters.failing().borrow()
    }

    #[test]
    fn a_group_that_is_waited_for_again_and_again_makes_a_silent_disk_until_it_is_answered() {
        let counters = Counters::default();
        for _ in 0..10 {
            counters.look();
        }
        assert!(!counters.is_silent(), "nobody waits");
        counters.waiting.fetch_add(2, Ordering::Relaxed);
        for _ in 0..10 {
            counters.look();
            counters.group_answered();
        }
        assert!(!counters.is_silent(), "it is busy, and answers");
        for _ in 0..=IN_VAIN {
            assert!(!counters.is_silent());
            counters.look();
        }
        counters.look();
        assert!(counters.is_silent() && is_failing(&counters));
        counters.poison();
        counters.group_answered();
        assert!(
            !counters.is_silent() && is_failing(&counters),
            "a write failed"
        );
        counters.heal();
        assert!(!is_failing(&counters));
    }
}
