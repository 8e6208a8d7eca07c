//! What can go wrong, one type per verb, in words that an operator can act on.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{BlobId, Key};

/// A failure inside the embedded engine; its words are for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(Arc<str>);

impl From<fjall::Error> for EngineError {
    fn from(source: fjall::Error) -> Self {
        Self::of(&source)
    }
}

impl EngineError {
    /// The words of an error that the engine keeps for itself.
    pub(crate) fn of(error: &fjall::Error) -> Self {
        // What the operating system says, without the engine's names for it.
        Self(match error {
            fjall::Error::Io(error) => Arc::from(error.to_string()),
            error => Arc::from(error.to_string()),
        })
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another process; stop that one first, or talk to it through its socket", dir.display())]
    Locked {
        /// The store's directory.
        dir: PathBuf,
    },
    /// A newer version of the program wrote it.
    #[error("{} was written in format {found} by a newer version; this one knows format {known}: install the newer version again", dir.display())]
    Newer {
        /// The store's directory.
        dir: PathBuf,
        /// The format met.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// There are other things in the directory.
    #[error("{} holds files that are not a store ({found}); name an empty directory", dir.display())]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// One of the names found.
        found: String,
    },
    /// Nothing is there to be read.
    #[error("{} holds no store", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// Data that was durable is damaged; opening would drop what follows the damage.
    #[error(
        "{what}; nothing was changed. Restore a backup, or open with `salvage` to go on without what follows the damage (it is kept aside)"
    )]
    Damaged {
        /// Which file, and where.
        what: String,
    },
    /// A file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk takes no write, and what is on it cannot be read through memory.
    #[error("{} takes no write, and cannot be read through memory; mount its disk for writing, or make room on it", dir.display())]
    Unwritable {
        /// The store's directory.
        dir: PathBuf,
        /// Why it cannot be read through memory.
        source: io::Error,
    },
    /// The engine refused.
    #[error("storage engine")]
    Engine(#[source] EngineError),
    /// The keys of sealing make no sense.
    #[error("keys of the store")]
    Seal(#[from] SealError),
    /// What was read back at opening makes no sense.
    #[error("state of the store")]
    Read(#[from] ReadError),
}

/// Why a batch did not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// A condition did not hold; nothing of the batch happened.
    #[error("another writer was first (table {})", key.table_name())]
    Precondition {
        /// The key whose condition failed.
        key: Key,
    },
    /// Too much is waiting; try again later.
    #[error("too many commits are waiting")]
    Full,
    /// The disk's reserve is reached; batches that only delete, or that may take of it, are still
    /// taken.
    #[error("the disk is full but for its reserve ({available} bytes left)")]
    NoSpace {
        /// Bytes left to this user.
        available: u64,
    },
    /// The batch, or a key in it, is larger than allowed.
    #[error("{bytes} bytes where {limit} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A write or sync failed earlier: no more promises are given. Reads go on.
    #[error("an earlier write failed; nothing is accepted until the disk takes a write again")]
    Poisoned,
    /// Earlier batches wait for a disk that does not answer.
    #[error("the disk does not answer; nothing is accepted until it does")]
    Silent,
    /// A linked blob is not there.
    #[error("blob {id} is not in the store")]
    MissingBlob {
        /// The blob.
        id: BlobId,
    },
    /// A record for a sealed table or log, and the store has no keys to seal it with.
    #[error(
        "the store is not set up for sealing, so it takes nothing about people; set a passphrase first (`servergate unlock`)"
    )]
    NotSealed,
    /// The record could not be sealed.
    #[error("sealing")]
    Seal(#[source] Arc<SealError>),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The store was opened for reading.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The write or sync of this very batch failed: it may or may not be there after a restart.
    #[error("write failed, nothing was promised")]
    Io(#[source] EngineError),
    /// What the conditions needed could not be read.
    #[error("read before the write failed")]
    Read(#[source] Arc<ReadError>),
}

/// Why the files were not opened again after a failed write.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReopenError {
    /// The disk does not take a write.
    #[error("the disk of {} does not take a write", dir.display())]
    Disk {
        /// The store's directory.
        dir: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Somebody reads for long.
    #[error("somebody is still reading")]
    Busy,
    /// What is there cannot be opened.
    #[error("what is on the disk cannot be opened")]
    Open(#[from] OpenError),
    /// It opened, and does not take what lay in memory.
    #[error("what was read of the journal cannot be written")]
    Engine(#[source] EngineError),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The store was opened for reading.
    #[error("the store is open for reading only")]
    ReadOnly,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The engine refused; a checksum that does not match is reported here.
    #[error("storage engine")]
    Engine(#[source] EngineError),
    /// After a failed write the files are being opened again.
    #[error("the store's files are being opened again; try once more in a moment")]
    Away,
    /// The bytes are no record of ours.
    #[error("the record's envelope is damaged")]
    Envelope,
    /// A newer version of the program wrote this record.
    #[error("the record has layout {found}, written by a newer version")]
    NewerRecord {
        /// The layout met.
        found: u8,
    },
    /// The body is sealed and its key is not here: the store is locked.
    #[error("the record is sealed with key {key_id} and the store is locked; unlock it first")]
    Sealed {
        /// The key's id.
        key_id: u32,
    },
    /// The body does not open with its key.
    #[error("the sealed record is damaged: altered, or moved from another place")]
    Altered,
    /// The key of the body is not in the store, or is not one of this store's.
    #[error("key {key_id}, which the record is sealed with, is missing or damaged")]
    KeyLost {
        /// The key's id.
        key_id: u32,
    },
}

impl From<fjall::Error> for ReadError {
    fn from(source: fjall::Error) -> Self {
        Self::Engine(source.into())
    }
}

/// Why sealing could not be set up, locked or unlocked, or something not be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There are no keys yet.
    #[error("sealing is not set up; set a passphrase first (`servergate unlock`)")]
    NotSetUp,
    /// There are keys already; a second set would leave the first one's records shut.
    #[error("sealing is set up already; to have another passphrase, change it")]
    AlreadySetUp,
    /// The passphrase is too short.
    #[error("a passphrase needs at least {least} characters; five or six random words are good")]
    ShortPassphrase {
        /// The least length in bytes.
        least: usize,
    },
    /// No slot opens.
    #[error("this is not the passphrase")]
    WrongPassphrase,
    /// The store was opened for reading.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// A write or sync failed earlier.
    #[error("an earlier write failed; nothing is accepted until the disk takes a write again")]
    Poisoned,
    /// What lies in the store makes no sense.
    #[error("{0} in the store is damaged; restore a backup")]
    Damaged(&'static str),
    /// A newer version of the program wrote it.
    #[error("the keys have layout {found}, written by a newer version; install that version again")]
    Newer {
        /// The layout met.
        found: u8,
    },
    /// A sealed blob of more than 2^32 pieces.
    #[error("too long to be sealed")]
    TooLong,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    Random(#[source] io::Error),
    /// The write or sync failed.
    #[error("write failed, nothing was promised")]
    Engine(#[source] EngineError),
    /// The keys could not be read.
    #[error("read of the keys")]
    Read(#[from] ReadError),
}

impl From<SealError> for CommitError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NotSetUp => Self::NotSealed,
            SealError::Poisoned => Self::Poisoned,
            SealError::ReadOnly => Self::ReadOnly,
            SealError::Engine(error) => Self::Io(error),
            error => Self::Seal(Arc::new(error)),
        }
    }
}

/// Why a blob could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// It is larger than allowed.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The disk's reserve is reached.
    #[error("the disk is full but for its reserve ({available} bytes left)")]
    NoSpace {
        /// Bytes left to this user.
        available: u64,
    },
    /// It is not there.
    #[error("blob {id} is not in the store")]
    Missing {
        /// The blob.
        id: BlobId,
    },
    /// Its bytes are not what its name says: torn or altered.
    #[error("blob {id} is damaged: its bytes have another hash")]
    Altered {
        /// The blob.
        id: BlobId,
    },
    /// The blob is not a sealed one, or of a newer layout.
    #[error("blob {id} is not sealed in a way this version knows")]
    NotSealed {
        /// The blob.
        id: BlobId,
    },
    /// A sealed blob could not be begun or gone on with.
    #[error("sealing of a blob")]
    Seal(#[from] SealError),
    /// The store was opened for reading.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// What the sweep needed could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The target is not empty.
    #[error("{} is not empty; name a new directory", dir.display())]
    NotEmpty {
        /// The target.
        dir: PathBuf,
    },
    /// The target lies in the store's own directory.
    #[error("a backup in {} would lie among the data itself; name a directory elsewhere, best on another disk", dir.display())]
    Inside {
        /// The store's directory.
        dir: PathBuf,
    },
    /// Another backup is running.
    #[error("another backup is running")]
    Busy,
    /// The backup is not whole, or altered. Nothing was written.
    #[error("the backup is damaged: {what}")]
    Damaged {
        /// What is wrong with it.
        what: String,
    },
    /// A newer version of the program wrote it.
    #[error("the backup has format {found}, written by a newer version; this one knows {known}")]
    Newer {
        /// The format met.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// The store could not be read.
    #[error("read of the store")]
    Read(#[from] ReadError),
    /// A blob could not be read.
    #[error("blob of the store")]
    Blob(#[from] BlobError),
    /// The restored store could not be opened.
    #[error("restored store")]
    Open(#[from] OpenError),
    /// A file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
