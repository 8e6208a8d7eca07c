//! A message on its way back.

use model::Timestamp;

use super::attempt::Attempt;
use super::body;
use super::evidence::About;
use super::judge;
use crate::auth::verdict::Verdicts;
use crate::client::caller::{mail_line, rcpt_line};
use crate::client::delivery::Announcement;
use crate::envelope::Client;
use crate::office::Office;
use crate::recipients::Known;
use crate::spool::{Account, Fate, Message, Row, Spool, SpoolError};
use crate::wire::reply::Capabilities;

/// Tried in vain so often, a message keeps back no other any more.
const STUCK: u32 = 2;

/// A message to be handed back.
pub(super) struct Job {
    pub(super) position: u64,
    pub(super) message: Message,
    pub(super) row: Row,
    pub(super) account: Option<Account>,
    pub(super) verdicts: Option<Verdicts>,
    /// SMTPUTF8 is needed for it.
    utf8: bool,
    /// Who sent it: messages of one sender keep their order.
    pub(super) sender: String,
    /// To whom.
    names: Vec<String>,
    /// One a recipient: whether we know that it exists.
    known: Vec<bool>,
    /// This attempt.
    pub(super) attempt: Attempt,
    /// Whom the transaction under way names, and whether with parameters of RFC 3461.
    pub(super) named: Vec<usize>,
    pub(super) dsn: bool,
    begun: bool,
    /// How often the connection broke at it in this round.
    pub(super) breaks: u32,
    /// Its client cannot be introduced: it goes without.
    pub(super) anonymous: bool,
}

impl Job {
    /// Reads a message with everything that is known of it. Blocks on the disk.
    pub(super) fn read(spool: &Spool, position: u64) -> Result<Self, SpoolError> {
        let message = spool.read(position)?;
        let row = spool.row(position)?;
        let envelope = &message.meta.envelope;
        let fates = row.fates.iter().enumerate();
        let waiting = fates.filter(|(_, fate)| **fate == Fate::Waiting);
        let to = envelope.recipients.iter();
        Ok(Self {
            position,
            account: spool.account(position)?,
            verdicts: spool.checks(position)?,
            utf8: body::needs_utf8(&message)?,
            sender: envelope.sender.path.to_string(),
            names: to.map(|one| one.mailbox.to_string()).collect(),
            known: Vec::new(),
            attempt: Attempt::new(waiting.map(|(index, _)| index)),
            named: Vec::new(),
            dsn: false,
            begun: false,
            breaks: 0,
            anonymous: false,
            message,
            row,
        })
    }

    /// Looks up which of its recipients exist.
    pub(super) fn learn_who_is_known(&mut self, office: &Office, now: Timestamp) {
        let to = self.message.meta.envelope.recipients.iter();
        self.known = to
            .map(|one| matches!(office.known(&one.mailbox, now), Some(Known::Valid { .. })))
            .collect();
    }

    /// Whom it is from and for.
    pub(super) fn about(&self) -> About<'_> {
        About {
            sender: &self.sender,
            recipients: &self.names,
            known: &self.known,
        }
    }

    /// Who spoke to us.
    pub(super) fn client(&self) -> &Client {
        &self.message.meta.envelope.client
    }

    /// Why the primary, which can do so much, cannot take it at all.
    pub(super) fn unfit(&self, can: &Capabilities) -> Option<String> {
        judge::unfit(can, self.utf8, self.message.meta.size)
    }

    /// The lines of the next transaction, with so many recipients at the most.
    pub(super) fn announcement(&mut self, can: &Capabilities, most: usize) -> Announcement {
        let envelope = &self.message.meta.envelope;
        let (sender, size) = (&envelope.sender, self.message.meta.size);
        let dsn = self.attempt.with_dsn();
        self.begun = true;
        self.named = self.attempt.next(most);
        let named = self.named.iter();
        let named = named.filter_map(|index| envelope.recipients.get(*index));
        let asks = sender.ret.is_some() || sender.envid.is_some();
        let each = named.clone();
        let asks = asks
            || each
                .into_iter()
                .any(|to| to.notify.is_some() || to.orcpt.is_some());
        self.dsn = can.dsn && dsn && asks;
        Announcement {
            mail: mail_line(sender, self.utf8, Some(size), can, dsn).into(),
            recipients: named.map(|to| rcpt_line(to, can, dsn).into()).collect(),
        }
    }

    /// The account, begun if nothing became of it yet.
    pub(super) fn account(&mut self) -> &mut Account {
        self.account
            .get_or_insert_with(|| Account::begin(&self.message.meta))
    }

    /// The primary may have copies that it did not acknowledge: that is said in the account.
    pub(super) fn note_cuts(&mut self) -> bool {
        let cut = self.attempt.cut();
        let account = self.account();
        for index in &cut {
            if let Some(line) = account.lines.get_mut(*index) {
                line.cut += 1;
            }
        }
        !cut.is_empty()
    }

    /// Whether some of its recipients were named in this attempt, and others are still to be.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether it was in vain before, again and again: others have their turn.
    pub(super) fn is_stuck(&self) -> bool {
        self.row.tries >= STUCK
    }

    /// Whether somebody is among the recipients of whom we know that they exist.
    pub(super) fn is_for_somebody_known(&self) -> bool {
        self.known.contains(&true)
    }
}
