//! What is kept for one organisation: messages in a sealed log, what became of them beside it.
//!
//! | where | key | what |
//! |---|---|---|
//! | log `mail/ORGANISATION`, sealed | position | envelope and message (`record`) |
//! | table `mail-held` | organisation, position | [`Row`]: size, time, state of each recipient; no word about people |
//! | table `mail-checks`, sealed | organisation, position | what SPF, DKIM and DMARC gave |
//! | table `mail-ledger`, sealed | organisation, position | [`Account`]: who, to whom, what became of it |
//! | table `mail-dsn`, sealed | organisation, position, number | notifications to the sender, and what became of them |
//! | table `mail-dsn-delay` | organisation | up to which message it was looked whether its delay is told |
//! | table `mail-reminded` | organisation | when a person was last reminded of what is kept for long |
//! | table `mail-body` | organisation, id | keeps the blob of a large message |
//!
//! The position is the message's number: order of acceptance, never given twice. Accepting is one
//! commit; handing back ends with one commit that takes the message away and completes its account.

mod draft;
mod held;
mod ledger;
mod notifications;
mod record;
mod reminder;
mod row;
mod settled;
#[cfg(test)]
mod tests;
mod versioned;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use model::{OrganisationId, Timestamp};
use store::{
    Batch, Beside, BlobError, BlobId, CommitError, Key, LogName, Position, ReadError, Receipt,
    SealedBlob, Store, Table,
};
use tokio::sync::Notify;

use crate::envelope::Envelope;

use draft::Body;
pub use draft::Draft;
pub use held::Tally;
pub use ledger::{Account, Line};
pub(crate) use notifications::Place;
pub use record::Meta;
pub(crate) use record::decode_any;
pub use row::{Fate, Row};

use held::Held;

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

/// The spool of one organisation. A cheap handle.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    organisation: OrganisationId,
    log: LogName,
    quota: Option<u64>,
    /// Bytes of all messages that come in.
    drafts: Arc<AtomicU64>,
    held: Mutex<Held>,
    news: Notify,
    notifications: Notify,
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
            drafts: Arc::default(),
            held: Mutex::default(),
            news: Notify::new(),
            notifications: Notify::new(),
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
        self.held().tally()
    }

    /// Whether another message of `size` bytes may be taken: the disk has its reserve, the store
    /// gives receipts, the quota is not reached.
    ///
    /// # Errors
    /// Why it would not be taken.
    pub fn room(&self, size: u64) -> Result<(), KeepError> {
        self.0.store.has_room()?;
        let taken = self
            .tally()
            .bytes
            .saturating_add(self.0.drafts.load(Ordering::Relaxed));
        let within = |quota: u64| taken.saturating_add(size) <= quota;
        match self.0.quota.is_none_or(within) {
            true => Ok(()),
            false => Err(KeepError::NoRoom),
        }
    }

    /// `file`, to be written without taking the reserve of the disk.
    ///
    /// # Errors
    /// The reserve is reached already.
    pub(crate) fn beside(&self, file: std::fs::File) -> std::io::Result<Beside> {
        self.0.store.beside(file)
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
        // It is claimed until it is counted among what is kept.
        let (body, _claim) = draft.into_parts();
        let (record, size) = match body {
            Body::Inline(bytes) => {
                meta.size = bytes.len() as u64;
                (record::encode(&meta, &bytes)?, meta.size)
            }
            Body::Blob(writer) => {
                meta.size = writer.written();
                let blob = draft::finish(*writer).await?;
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
}
