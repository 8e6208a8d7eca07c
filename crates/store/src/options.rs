//! What may be set when a store is opened. The defaults fit a small machine.

use std::time::Duration;

/// Who writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Committer {
    /// A thread of the store's own: what waits is written together with one sync.
    #[default]
    Thread,
    /// The caller, inside `commit`, before it first returns: same order every time. For the
    /// simulation and for commands that do one thing.
    Inline,
}

/// What a guess at a passphrase costs: Argon2id (RFC 9106). Kept beside each passphrase, so that a
/// change holds for the next one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for PassphraseCost {
    /// 64 MiB, three passes, one lane: about 0.2 s on a small machine.
    fn default() -> Self {
        Self {
            memory_kib: 64 << 10,
            passes: 3,
            lanes: 1,
        }
    }
}

/// Settings of a store. All sizes are bytes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for blocks read from disk. Memory for what is written comes on top: at most about
    /// 40 MiB at the highest rate, a few MiB at rest.
    pub cache_bytes: u64,
    /// Who writes.
    pub committer: Committer,
    /// A larger batch is refused.
    pub max_batch_bytes: usize,
    /// At most so many batches share a sync.
    pub max_group: usize,
    /// At most so many bytes share a sync (one batch always fits).
    pub max_group_bytes: usize,
    /// At most so many batches wait; more are refused with `Full`.
    pub max_queue: usize,
    /// At most so many bytes wait; more are refused with `Full`.
    pub max_queue_bytes: usize,
    /// Older journals are worked off beyond this; at least 64 MiB. The current one comes on top.
    /// Both are read at opening.
    pub max_journal_bytes: u64,
    /// A larger blob is refused.
    pub max_blob_bytes: u64,
    /// A blob that nothing keeps is left alone for so long after it was put.
    pub blob_grace: Duration,
    /// With less free on the disk only deletions are taken, and what may take of the reserve
    /// ([`crate::Batch::from_the_reserve`]).
    pub reserve_bytes: u64,
    /// What is set aside on the disk beyond that, to be given up when a write fails; 0: nothing, and
    /// no blocks for journals either.
    pub ballast_bytes: u64,
    /// Changes that wait for a slow watcher, before it is told that it missed some.
    pub watch_capacity: usize,
    /// The identity of a new store; drawn by the operating system if not given.
    pub identity: Option<[u8; 16]>,
    /// What a guess at the passphrase costs, from the next set-up or change on.
    pub passphrase_cost: PassphraseCost,
    /// Open a store whose journal is damaged in the middle, without what follows the damage.
    pub salvage: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 16 << 20,
            committer: Committer::Thread,
            max_batch_bytes: 8 << 20,
            max_group: 512,
            max_group_bytes: 8 << 20,
            max_queue: 1024,
            max_queue_bytes: 24 << 20,
            max_journal_bytes: 64 << 20,
            max_blob_bytes: 256 << 20,
            blob_grace: Duration::from_secs(3600),
            reserve_bytes: 128 << 20,
            ballast_bytes: 64 << 20,
            watch_capacity: 256,
            identity: None,
            passphrase_cost: PassphraseCost::default(),
            salvage: false,
        }
    }
}
