//! What is known of a notification and its message, read together; and the text that is made of it.

use bytes::Bytes;
use model::Timestamp;

use super::record::{Notification, State, Why};
use super::text::{self, Concerned, Content, WHOLE};
use super::{CHECKS, SpoolError};
use crate::auth::verdict::Verdicts;
use crate::office::Office;
use crate::spool::{Account, Fate, Message, MessageBody, Place};

/// Of a large message so much is read.
const BEGINNING: usize = 256 << 10;

/// A notification, and its message as far as it is still here.
pub(super) struct Read {
    pub(super) notification: Notification,
    /// Empty once nothing is left to do about the message.
    pub(super) fates: Vec<Fate>,
    pub(super) message: Option<Message>,
    pub(super) verdicts: Option<Verdicts>,
    account: Option<Account>,
    /// The message, or its beginning.
    pub(super) bytes: Bytes,
}

impl Read {
    /// Reads it; `None` if nothing is to be done about it. Blocks on the disk.
    pub(super) fn of(office: &Office, place: Place) -> Result<Option<Self>, SpoolError> {
        let (spool, position) = (&office.spool, place.0);
        let Some(notification) = spool.notification(place)? else {
            return Ok(None);
        };
        if notification.next().is_none() {
            return Ok(None);
        }
        let mut read = Self {
            notification,
            fates: Vec::new(),
            message: None,
            verdicts: None,
            account: None,
            bytes: Bytes::new(),
        };
        match spool.row(position) {
            Ok(row) => read.fates = row.fates,
            Err(SpoolError::Gone(_)) => return Ok(Some(read)),
            Err(error) => return Err(error),
        }
        if matches!(read.notification.state, State::Outgoing(_)) {
            return Ok(Some(read));
        }
        read.verdicts = spool.checks(position)?;
        read.account = spool.account(position)?;
        match spool.read(position) {
            Ok(message) => {
                read.bytes = beginning(&message)?;
                read.message = Some(message);
            }
            Err(SpoolError::Gone(_)) => read.fates.clear(),
            Err(SpoolError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(Some(read))
    }

    /// Whether the message was refused so soon that its checks may still run.
    pub(super) fn is_being_checked(&self, now: Timestamp) -> bool {
        let lines = self.account.iter().flat_map(|account| &account.lines);
        let last = lines.map(|line| line.when).max();
        self.message.is_some()
            && self.verdicts.is_none()
            && last.is_some_and(|last| now.since(last) < CHECKS)
    }

    /// The text for the recipients that are not left out.
    pub(super) fn write(
        &self,
        left_out: &[(usize, Why)],
        at: Timestamp,
        name: &str,
        id: &str,
        to: &str,
        primary: &str,
    ) -> String {
        let Some(message) = &self.message else {
            return String::new();
        };
        let (meta, kind) = (&message.meta, self.notification.kind);
        let concerned = |index: &usize| {
            let line = self
                .account
                .as_ref()
                .and_then(|account| account.lines.get(*index));
            Some(Concerned {
                recipient: meta.envelope.recipients.get(*index)?,
                reply: line.map_or("", |line| &line.reply),
                when: line.map_or(at, |line| line.when),
            })
        };
        let told = |index: &&usize| left_out.iter().all(|(out, _)| out != *index);
        let recipients = self.notification.recipients.iter().filter(told);
        let recipients: Vec<_> = recipients.filter_map(concerned).collect();
        text::write(&Content {
            kind,
            name,
            id,
            at,
            arrived: meta.at,
            to,
            envelope: &meta.envelope,
            primary,
            recipients: &recipients,
            message: &self.bytes,
            whole: meta.size <= WHOLE as u64,
        })
    }
}

fn beginning(message: &Message) -> Result<Bytes, SpoolError> {
    match &message.body {
        MessageBody::Inline(bytes) => Ok(bytes.clone()),
        MessageBody::Blob(blob) => {
            let mut bytes = vec![0; BEGINNING];
            let read = blob.read_at(0, &mut bytes)?;
            bytes.truncate(read);
            Ok(bytes.into())
        }
    }
}
