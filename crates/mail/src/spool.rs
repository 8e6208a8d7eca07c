//! What is kept for one organisation: messages in a sealed log, what became of them beside it.
//!
//! | where | key | what |
//! |---|---|---|
//! | log `mail/ORGANISATION`, sealed | position | envelope and message (`record`) |
//! | table `mail-held` | organisation, position | [`Row`]: size, time, state of each recipient; no word about people |
//! | table `mail-checks`, sealed | organisation, position | what SPF, DKIM and DMARC gave |
//! | table `mail-ledger`, sealed | organisation, position | [`Account`]: who, to whom, what became of it |
//! | table `mail-body` | organisation, id | keeps the blob of a large message |
//!
//! The position is the message's number: order of acceptance, never given twice. Accepting is one
//! commit; handing back ends with one commit that takes the message away and completes its account.

mod ledger;
mod record;
mod row;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use model::{OrganisationId, Timestamp};
use store::{
    Batch, BlobError, BlobId, CommitError, Expect, Key, LogName, Position, ReadError, Receipt,
    SealedBlob, SealedWriter, Store, Table,
};
use tokio::sync::Notify;

use crate::auth::verdict::Verdicts;
use crate::envelope::Envelope;

pub use ledger::{Account, Line};
pub use record::Meta;
pub(crate) use record::decode_any;
pub use row::{Fate, Row};

const HELD: Table = Table::new("mail-held");
const BODIES: Table = Table::new("mail-body");
const CHECKS: Table = Table::sealed("mail-checks");
const LEDGER: Table = Table::sealed("mail-ledger");

/// Larger messages lie beside the log, as blobs.
pub const INLINE: usize = 256 << 10;
/// Accounts that are kept; older ones go.
const ACCOUNTS: u64 = 200_000;

/// A message that is durable. Only the spool makes one, from the store's receipt.
#[derive(Debug)]
pub struct Kept {
    /// The proof.
    pub receipt: Receipt,
    /// Its name, as it stands in `X-Servergate-Id`.
    pub id: String,
}

/// Why a message was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// No room on the disk, or more kept than was allowed.
    #[error("no room for another message")]
    NoRoom,
    /// The store gives no receipt.
    #[error("the store")]
    Commit(#[from] CommitError),
    /// A large body could not be written.
    #[error("the body of a message")]
    Body(#[from] BlobError),
    /// It cannot be written down.
    #[error("the record of a message")]
    Record(#[from] serde_json::Error),
}

/// Why something kept could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// The store could not read it, or it is sealed and nobody unlocked it.
    #[error("the store")]
    Read(#[from] ReadError),
    /// A large body could not be read.
    #[error("the body of a message")]
    Body(#[from] BlobError),
    /// It is no record of this version.
    #[error("the record of message {0} is damaged, or of a newer version")]
    Damaged(u64),
    /// What became of it could not be written.
    #[error("the store")]
    Commit(#[from] CommitError),
    /// It is not kept (any more).
    #[error("message {0} is not kept here")]
    Gone(u64),
}

/// A message read back.
#[derive(Debug)]
pub struct Message {
    /// Its number.
    pub position: Position,
    /// Envelope, name, time, size.
    pub meta: Meta,
    /// The message with the trace fields that we gave it.
    pub body: MessageBody,
}

/// Where a message's bytes are.
#[derive(Debug)]
pub enum MessageBody {
    /// Here.
    Inline(Bytes),
    /// In a blob.
    Blob(SealedBlob),
}

/// A message while it comes in.
#[derive(Debug)]
pub enum Draft {
    /// Small so far.
    Inline(Vec<u8>),
    /// Large: on its way to the disk.
    Blob(Box<SealedWriter>),
}

impl Draft {
    /// Its bytes so far.
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline(small) => small.len() as u64,
            Self::Blob(writer) => writer.written(),
        }
    }
}

/// The spool of one organisation. A cheap handle.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    organisation: OrganisationId,
    log: LogName,
    quota: Option<u64>,
    held: Mutex<Held>,
    news: Notify,
}

/// What is kept, in memory: the number and the size of each message.
#[derive(Debug, Default)]
struct Held {
    messages: BTreeMap<u64, u32>,
    bytes: u64,
    quarantined: BTreeMap<u64, u32>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that wait for the primary.
    pub waiting: usize,
    /// Messages that the primary refused, for a person to look at.
    pub quarantined: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Spool {
    /// The spool of `organisation`; reads what is kept. Blocks on the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn open(
        store: Store,
        organisation: OrganisationId,
        quota: Option<u64>,
    ) -> Result<Self, SpoolError> {
        let log = LogName::named_sealed(format!("mail/{organisation}"));
        let spool = Self(Arc::new(Inner {
            store,
            organisation,
            log,
            quota,
            held: Mutex::default(),
            news: Notify::new(),
        }));
        spool.load()?;
        Ok(spool)
    }

    fn load(&self) -> Result<(), SpoolError> {
        let prefix = self.key(HELD);
        let mut after = prefix.clone();
        loop {
            let rows = self.0.store.scan_after(&prefix, &after, 4096)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after = last.clone();
            let mut held = self.held();
            for (key, value) in rows {
                let position = key.number(1).ok_or(SpoolError::Damaged(0))?;
                let row = Row::decode(&value.value).ok_or(SpoolError::Damaged(position))?;
                held.add(position, &row);
            }
        }
    }

    fn key(&self, table: Table) -> Key {
        Key::new(table, &[self.0.organisation.as_str()])
    }

    fn at(&self, table: Table, position: u64) -> Key {
        self.key(table).with_number(position)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is kept.
    pub fn tally(&self) -> Tally {
        let held = self.held();
        Tally {
            waiting: held.messages.len(),
            quarantined: held.quarantined.len(),
            bytes: held.bytes,
        }
    }

    /// Whether another message of `size` bytes may be taken: the disk has its reserve, the store
    /// gives receipts, the quota is not reached.
    pub fn has_room(&self, size: u64) -> bool {
        let within = |quota: u64| self.held().bytes.saturating_add(size) <= quota;
        self.0.store.has_room().is_ok() && self.0.quota.is_none_or(within)
    }

    /// Adds bytes to a draft; what grows large goes to the disk on the way.
    ///
    /// # Errors
    /// The disk is full, or a write failed.
    pub fn add(&self, draft: &mut Draft, bytes: &[u8]) -> Result<(), KeepError> {
        match draft {
            Draft::Inline(small) if small.len() + bytes.len() <= INLINE => {
                small.extend_from_slice(bytes);
            }
            Draft::Inline(small) => {
                let mut writer = self.0.store.blobs().sealed_writer()?;
                writer.write(small)?;
                writer.write(bytes)?;
                *draft = Draft::Blob(Box::new(writer));
            }
            Draft::Blob(writer) => writer.write(bytes)?,
        }
        Ok(())
    }

    /// Whether a draft leaves memory with these bytes.
    pub fn outgrows(&self, draft: &Draft, bytes: &[u8]) -> bool {
        matches!(draft, Draft::Inline(small) if small.len() + bytes.len() > INLINE)
    }

    /// Makes a message durable.
    ///
    /// # Errors
    /// There is no receipt: nothing was promised.
    pub async fn keep(
        &self,
        at: Timestamp,
        id: String,
        envelope: Envelope,
        draft: Draft,
    ) -> Result<Kept, KeepError> {
        let recipients = envelope.recipients.len();
        let mut meta = Meta {
            id: id.clone(),
            at,
            envelope,
            size: 0,
            blob: None,
        };
        let mut batch = Batch::new();
        let (record, size) = match draft {
            Draft::Inline(bytes) => {
                meta.size = bytes.len() as u64;
                (record::encode(&meta, &bytes)?, meta.size)
            }
            Draft::Blob(writer) => {
                meta.size = writer.written();
                let blob = finish(*writer).await?;
                meta.blob = Some(blob.to_string());
                let keeps = self.key(BODIES).with(&id);
                batch = batch.put(keeps.clone(), Vec::new()).link(blob, keeps);
                (record::encode(&meta, &[])?, meta.size)
            }
        };
        let row = Row::waiting(id.clone(), at, size, recipients);
        let batch = batch.append_with(&self.0.log, record, self.key(HELD), row.encode()?);
        let receipt = self.0.store.commit(batch).await?;
        if let Some(position) = receipt.positions().first() {
            self.held().add(position.number(), &row);
        }
        self.0.news.notify_one();
        Ok(Kept { receipt, id })
    }

    /// Returns when something was kept since the last time. Cancel-safe.
    pub async fn news(&self) {
        self.0.news.notified().await;
    }

    /// The numbers of up to `limit` messages that wait, after `after`, oldest first.
    pub fn waiting(&self, after: u64, limit: usize) -> Vec<u64> {
        let held = self.held();
        let from = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        held.messages
            .range(from)
            .take(limit)
            .map(|(n, _)| *n)
            .collect()
    }

    /// The numbers of the messages that the primary refused.
    pub fn quarantined(&self) -> Vec<u64> {
        self.held().quarantined.keys().copied().collect()
    }

    /// What became of a message so far. Blocks on the disk.
    ///
    /// # Errors
    /// It is gone, or the store could not be read.
    pub fn row(&self, position: u64) -> Result<Row, SpoolError> {
        let found = self.0.store.get(&self.at(HELD, position))?;
        let found = found.ok_or(SpoolError::Gone(position))?;
        Row::decode(&found.value).ok_or(SpoolError::Damaged(position))
    }

    /// A message. Blocks on the disk.
    ///
    /// # Errors
    /// It is gone, damaged, or sealed with a key that is not here.
    pub fn read(&self, position: u64) -> Result<Message, SpoolError> {
        let entry = self
            .0
            .store
            .read_one(&self.0.log, Position::from_number(position))?;
        let entry = entry.ok_or(SpoolError::Gone(position))?;
        let (meta, inline) =
            record::decode(entry.bytes.into()).ok_or(SpoolError::Damaged(position))?;
        let body = match &meta.blob {
            None => MessageBody::Inline(inline),
            Some(blob) => {
                let blob: BlobId = blob.parse().map_err(|_| SpoolError::Damaged(position))?;
                MessageBody::Blob(self.0.store.blobs().open_sealed(&blob)?)
            }
        };
        Ok(Message {
            position: entry.position,
            meta,
            body,
        })
    }

    /// What the checks of a message gave, if they were made. Blocks on the disk.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn checks(&self, position: u64) -> Result<Option<Verdicts>, SpoolError> {
        let found = self.0.store.get(&self.at(CHECKS, position))?;
        Ok(found.and_then(|found| serde_json::from_slice(&found.value).ok()))
    }

    /// Writes down what the checks of a message gave.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn checked(&self, position: u64, verdicts: &Verdicts) -> Result<(), KeepError> {
        let value = serde_json::to_vec(verdicts)?;
        // Only while it is still kept: what is gone needs no checks.
        let batch = Batch::new().put_if(self.at(CHECKS, position), value, Expect::Absent);
        match self.0.store.commit(batch).await {
            Ok(_) | Err(CommitError::Precondition { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down what became of the recipients of a message. When nothing waits any more and
    /// nothing is in quarantine the message itself goes, and its account stays.
    ///
    /// # Errors
    /// The store does not take it: it will be handed back once more after a restart.
    pub async fn settle(
        &self,
        position: u64,
        row: &Row,
        account: &Account,
    ) -> Result<(), SpoolError> {
        let damaged = |_| SpoolError::Damaged(position);
        let value = serde_json::to_vec(account).map_err(damaged)?;
        let mut batch = Batch::new();
        let done = row.is_done();
        if done {
            batch = self
                .removal(position, &row.id)
                .put(self.at(LEDGER, position), value);
        } else {
            batch = batch
                .put(self.at(LEDGER, position), value)
                .put(self.at(HELD, position), row.encode().map_err(damaged)?);
        }
        if let Some(old) = position.checked_sub(ACCOUNTS) {
            batch = batch.delete(self.at(LEDGER, old));
        }
        match self.0.store.commit(batch).await {
            // On a full disk only what removes is taken: making room matters more than the account.
            Err(CommitError::NoSpace { .. }) if done => {
                self.0.store.commit(self.removal(position, &row.id)).await?;
            }
            committed => {
                committed?;
            }
        }
        let mut held = self.held();
        held.remove(position);
        if !done {
            held.add(position, row);
        }
        Ok(())
    }

    /// What takes a message away.
    fn removal(&self, position: u64, id: &str) -> Batch {
        Batch::new()
            .erase(&self.0.log, Position::from_number(position))
            .delete(self.at(HELD, position))
            .delete(self.at(CHECKS, position))
            .delete(self.key(BODIES).with(id))
    }

    /// The accounts of up to `limit` messages after number `after`, oldest first. Blocks on the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn accounts(&self, after: u64, limit: usize) -> Result<Vec<(u64, Account)>, SpoolError> {
        let prefix = self.key(LEDGER);
        let from = prefix.clone().with_number(after);
        let rows = self.0.store.scan_after(&prefix, &from, limit)?;
        let account = |(key, value): (Key, store::Versioned)| {
            let position = key.number(1)?;
            Some((position, serde_json::from_slice(&value.value).ok()?))
        };
        Ok(rows.into_iter().filter_map(account).collect())
    }

    /// The account of one message, if there is one. Blocks on the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn account(&self, position: u64) -> Result<Option<Account>, SpoolError> {
        let found = self.0.store.get(&self.at(LEDGER, position))?;
        Ok(found.and_then(|found| serde_json::from_slice(&found.value).ok()))
    }
}

impl Held {
    fn add(&mut self, position: u64, row: &Row) {
        let size = u32::try_from(row.size).unwrap_or(u32::MAX);
        self.bytes += u64::from(size);
        if row.waits() {
            self.messages.insert(position, size);
        } else {
            self.quarantined.insert(position, size);
        }
    }

    fn remove(&mut self, position: u64) {
        let size = self.messages.remove(&position);
        let size = size.or_else(|| self.quarantined.remove(&position));
        self.bytes = self.bytes.saturating_sub(size.unwrap_or(0).into());
    }
}

/// The sync of a large body blocks for as long as the disk takes.
async fn finish(writer: SealedWriter) -> Result<BlobId, KeepError> {
    #[allow(clippy::disallowed_methods)] // a sync that no task list needs to know
    let finishing = tokio::task::spawn_blocking(move || writer.finish());
    match finishing.await {
        Ok(finished) => Ok(finished?),
        Err(_) => Err(KeepError::NoRoom),
    }
}
