//! A message on its way back.

use model::Timestamp;

use super::judge::{self, Judgement};
use crate::auth::verdict::Verdicts;
use crate::envelope::Recipient;
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
    /// One a recipient: whether we know that it exists.
    pub(super) known: Vec<bool>,
    /// How often the connection broke at it in this round.
    pub(super) breaks: u32,
}

impl Job {
    /// Reads a message with everything that is known of it. Blocks on the disk.
    pub(super) fn read(spool: &Spool, position: u64) -> Result<Self, SpoolError> {
        Ok(Self {
            position,
            message: spool.read(position)?,
            row: spool.row(position)?,
            account: spool.account(position)?,
            verdicts: spool.checks(position)?,
            known: Vec::new(),
            breaks: 0,
        })
    }

    /// Looks up which of its recipients exist.
    pub(super) fn learn_who_is_known(&mut self, office: &Office, now: Timestamp) {
        let recipients = &self.message.meta.envelope.recipients;
        let known =
            |one: &Recipient| matches!(office.known(&one.mailbox, now), Some(Known::Valid { .. }));
        self.known = recipients.iter().map(known).collect();
    }

    /// What follows if the primary, which can do so much, cannot take it at all.
    pub(super) fn unfit(&self, can: &Capabilities) -> Option<Judgement> {
        let meta = &self.message.meta;
        judge::unfit(can, meta.envelope.sender.utf8, meta.size, self.waiting())
    }

    /// For whom it waits.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> {
        let fates = self.row.fates.iter().enumerate();
        fates
            .filter(|(_, fate)| **fate == Fate::Waiting)
            .map(|(index, _)| index)
    }

    /// Whether it was in vain before, again and again: others have their turn.
    pub(super) fn is_stuck(&self) -> bool {
        self.row.tries >= STUCK
    }

    /// Whether somebody is among the recipients of whom we know that they exist.
    pub(super) fn is_for_somebody_known(&self) -> bool {
        self.known.contains(&true)
    }

    /// Who sent it: messages of one sender keep their order.
    pub(super) fn sender(&self) -> String {
        self.message.meta.envelope.sender.path.to_string()
    }
}
