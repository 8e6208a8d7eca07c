//! What was promised, and whether it was kept.

use anyhow::{Result, ensure};

use super::senders::Notes;
use super::stage::{RECIPIENTS, Stage};
use crate::generated_mail::{Checker, Mail, Recipe, Verdict};
use crate::report::Report;

const SEED: u64 = 250;
/// Every so many messages one is too long for the log, so that its body lies in a file of its own.
const LONG_ONE: u32 = 25;
const LONG: usize = 300_000;

/// Letter number `number`, always the same.
pub(super) fn letter(number: u32) -> Mail {
    let mut mail = Recipe::new(SEED, u32::MAX - 1, "sender.test", &RECIPIENTS).mail(number);
    if number.is_multiple_of(LONG_ONE) {
        while mail.bytes.len() < LONG {
            mail.bytes
                .extend_from_slice(b"Anlage, eine Zeile von vielen.\r\n");
        }
    }
    mail
}

/// All promises.
#[derive(Debug, Default)]
pub(super) struct Book {
    checker: Checker,
}

impl Book {
    /// Enters what the senders noted; `counts` says whether an acknowledgement is a promise.
    pub(super) fn enter(&mut self, notes: &Notes, counts: impl Fn(std::time::Instant) -> bool) {
        for (number, at) in &notes.acknowledged {
            match counts(*at) {
                true => self.checker.sent(&letter(*number)),
                false => self.checker.tried(&letter(*number)),
            }
        }
        for number in &notes.unanswered {
            self.checker.tried(&letter(*number));
        }
    }

    pub(super) fn promised(&self) -> usize {
        self.checker.promised()
    }

    /// Everything promised lies in the mailboxes, unaltered; at most `copies` are there again.
    pub(super) fn require_kept(
        &self,
        report: &mut Report,
        stage: &Stage,
        copies: usize,
    ) -> Result<()> {
        let mut verdict = self.checker.check(&stage.dovecot.delivered()?);
        let again = extra_copies(&verdict);
        report.note(format_args!(
            "{} acknowledged; {verdict}; {again} extra copies, {copies} at the most",
            self.promised()
        ));
        let doubled = std::mem::take(&mut verdict.duplicated);
        verdict.require_clean()?;
        ensure!(
            again <= copies,
            "{again} extra copies, {copies} at the most: {:?}",
            doubled.get(..5).unwrap_or(&doubled)
        );
        Ok(())
    }
}

fn extra_copies(verdict: &Verdict) -> usize {
    let again = |(_, times): &(_, usize)| times.saturating_sub(1);
    verdict.duplicated.iter().map(again).sum()
}
