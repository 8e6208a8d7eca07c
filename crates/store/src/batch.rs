//! What a caller hands to `commit`, and what it gets back.

use serde::{Deserialize, Serialize};

use crate::{BlobId, Key, LogName};

/// The number of a commit. Later commits have larger numbers; the first is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub(crate) u64);

impl Revision {
    /// A revision that was kept elsewhere.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// As a number, to be kept elsewhere.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// The place of a record in its log; the first record is at 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub(crate) u64);

impl Position {
    /// Before the first record: reading from here reads all.
    pub const START: Self = Self(0);

    /// A position that was kept elsewhere.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// As a number, to be kept elsewhere.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What must be true of a key before the batch, or nothing of the batch happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The key has no value.
    Absent,
    /// The value at the key was written by this commit.
    Revision(Revision),
}

/// A change of one key.
#[derive(Clone, Debug)]
pub(crate) struct KeyChange {
    pub(crate) key: Key,
    /// `None` deletes.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) expect: Option<Expect>,
}

/// A record to be appended, and the value to be set at its position.
#[derive(Clone, Debug)]
pub(crate) struct Append {
    pub(crate) log: LogName,
    pub(crate) bytes: Vec<u8>,
    pub(crate) beside: Option<(Key, Vec<u8>)>,
}

impl Append {
    fn seals(&self) -> bool {
        let beside = self.beside.as_ref().is_some_and(|(key, _)| key.is_sealed());
        self.log.is_sealed() || beside
    }

    fn beside_size(&self) -> usize {
        let size = |(key, value): &(Key, Vec<u8>)| key.bytes().len() + value.len() + 64;
        self.beside.as_ref().map_or(0, size)
    }

    /// The length of the key beside it, once it has its number.
    fn beside_key(&self) -> usize {
        let length = |(key, _): &(Key, Vec<u8>)| key.bytes().len() + 2 * size_of::<u64>() + 2;
        self.beside.as_ref().map_or(0, length)
    }
}

/// Ties a blob to a key, or unties it.
#[derive(Clone, Debug)]
pub(crate) struct LinkChange {
    pub(crate) blob: BlobId,
    pub(crate) key: Key,
    pub(crate) linked: bool,
}

/// Changes that happen together or not at all, in one durable step.
///
/// All conditions are checked first, against the state before the batch. Changes of one key in one
/// batch apply in order, the last one stays. Links apply after the changes of keys.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) appends: Vec<Append>,
    pub(crate) erases: Vec<(LogName, Position)>,
    pub(crate) keys: Vec<KeyChange>,
    pub(crate) links: Vec<LinkChange>,
    /// It may be written below the disk's reserve.
    pub(crate) from_reserve: bool,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record to `log`. [`Receipt::positions`] has its position, in order of the appends.
    #[must_use]
    pub fn append(mut self, log: &LogName, bytes: impl Into<Vec<u8>>) -> Self {
        self.appends.push(Append {
            log: log.clone(),
            bytes: bytes.into(),
            beside: None,
        });
        self
    }

    /// Appends a record to `log`, and sets the value at `below` with the record's position as
    /// one more part ([`Key::with_number`]): what is known of a record beside it, in one step.
    #[must_use]
    pub fn append_with(
        mut self,
        log: &LogName,
        bytes: impl Into<Vec<u8>>,
        below: Key,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        self.appends.push(Append {
            log: log.clone(),
            bytes: bytes.into(),
            beside: Some((below, value.into())),
        });
        self
    }

    /// Removes the record of `log` at `position`, if it is there: the reason to keep it is over
    /// before that of the records around it. Its position is never given again.
    #[must_use]
    pub fn erase(mut self, log: &LogName, position: Position) -> Self {
        self.erases.push((log.clone(), position));
        self
    }

    /// Sets the value at `key`. Links of the key stay as they are.
    #[must_use]
    pub fn put(self, key: Key, value: impl Into<Vec<u8>>) -> Self {
        self.change(key, Some(value.into()), None)
    }

    /// Sets the value at `key` if `expect` holds.
    #[must_use]
    pub fn put_if(self, key: Key, value: impl Into<Vec<u8>>, expect: Expect) -> Self {
        self.change(key, Some(value.into()), Some(expect))
    }

    /// Deletes the value at `key`, if any, and unlinks all blobs linked to the key.
    #[must_use]
    pub fn delete(self, key: Key) -> Self {
        self.change(key, None, None)
    }

    /// Deletes the value at `key` if `expect` holds, and unlinks all blobs linked to the key.
    #[must_use]
    pub fn delete_if(self, key: Key, expect: Expect) -> Self {
        self.change(key, None, Some(expect))
    }

    /// Keeps `blob`, which must have been put before, for as long as `key` is not deleted.
    #[must_use]
    pub fn link(mut self, blob: BlobId, key: Key) -> Self {
        self.links.push(LinkChange {
            blob,
            key,
            linked: true,
        });
        self
    }

    /// `key` no longer needs `blob`.
    #[must_use]
    pub fn unlink(mut self, blob: BlobId, key: Key) -> Self {
        self.links.push(LinkChange {
            blob,
            key,
            linked: false,
        });
        self
    }

    /// Takes what it needs of the disk's reserve: for the few small things without which the standby
    /// could not go on when its disk is full.
    #[must_use]
    pub fn from_the_reserve(mut self) -> Self {
        self.from_reserve = true;
        self
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.appends.is_empty()
            && self.erases.is_empty()
            && self.keys.is_empty()
            && self.links.is_empty()
    }

    fn change(mut self, key: Key, value: Option<Vec<u8>>, expect: Option<Expect>) -> Self {
        self.keys.push(KeyChange { key, value, expect });
        self
    }

    /// About how many bytes this takes in memory and in the journal.
    pub(crate) fn size(&self) -> usize {
        let appends = self
            .appends
            .iter()
            .map(|append| append.log.as_str().len() + append.bytes.len() + append.beside_size());
        let erases = self.erases.iter().map(|(log, _)| log.as_str().len());
        let keys = self
            .keys
            .iter()
            .map(|change| change.key.bytes().len() + change.value.as_ref().map_or(0, Vec::len));
        let links = self
            .links
            .iter()
            .map(|link| 2 * link.key.bytes().len() + 64);
        appends
            .chain(erases)
            .chain(keys)
            .chain(links)
            .map(|bytes| bytes + 64)
            .sum()
    }

    /// Whether it is taken on a full disk too: it only removes, or may take of the reserve.
    pub(crate) fn may_take_of_the_reserve(&self) -> bool {
        self.from_reserve || self.only_removes()
    }

    fn only_removes(&self) -> bool {
        self.appends.is_empty()
            && self.keys.iter().all(|change| change.value.is_none())
            && self.links.iter().all(|link| !link.linked)
    }

    /// Whether anything in it is to be sealed.
    pub(crate) fn seals(&self) -> bool {
        let appends = self.appends.iter().any(Append::seals);
        let values = |change: &KeyChange| change.value.is_some() && change.key.is_sealed();
        appends || self.keys.iter().any(values)
    }

    /// The length in bytes of the longest key or log name.
    pub(crate) fn longest_key(&self) -> usize {
        let erased = self.erases.iter().map(|(log, _)| log);
        let logs = self.appends.iter().map(|append| &append.log).chain(erased);
        let logs = logs.map(|log| log.prefix().len());
        let keys = self.keys.iter().map(|change| change.key.bytes().len());
        let links = self.links.iter().map(|link| link.key.bytes().len());
        let beside = self.appends.iter().map(Append::beside_key);
        logs.chain(keys)
            .chain(links)
            .chain(beside)
            .max()
            .unwrap_or(0)
    }
}

/// The proof that a batch is durable: it is made after the sync and nowhere else.
///
/// It can be neither built nor copied, so a reply that takes one by value cannot be given twice
/// or too early.
#[derive(Debug)]
pub struct Receipt {
    pub(crate) revision: Revision,
    pub(crate) positions: Vec<Position>,
}

impl Receipt {
    /// The number of the commit.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The positions of the appended records, in the order of the appends.
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }
}
