//! What was sent with which envelope, and what has to arrive of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::generated_mail::{Checker, Mail, NUMBER, Recipe, Verdict};
use crate::peer::dovecot::Dovecot;

/// The senders' domain.
pub(super) const DOMAIN: &str = "sender.test";

/// Everything that was taken.
#[derive(Debug, Default)]
pub(super) struct Book {
    checker: Checker,
    /// Envelope sender of each number.
    senders: BTreeMap<u32, String>,
    numbers: u32,
}

impl Book {
    /// Writes the next message; its envelope's sender begins with `word`.
    pub(super) fn mail(&mut self, word: &str, to: &str) -> Mail {
        self.numbers += 1;
        let mut recipe = Recipe::new(12, u32::MAX, DOMAIN, &[to]);
        recipe.first = 1;
        let mut mail = recipe.mail(self.numbers);
        mail.from = format!("{word}-{}@{DOMAIN}", self.numbers);
        mail
    }

    /// It was taken for these recipients, and has to arrive.
    pub(super) fn promised<'a>(&mut self, mail: &Mail, to: impl IntoIterator<Item = &'a str>) {
        for recipient in to {
            self.checker.sent_to(mail, recipient);
        }
        self.senders.insert(mail.number, mail.from.clone());
    }

    /// How many copies have to arrive in the end.
    pub(super) fn copies(&self) -> usize {
        self.checker.promised()
    }

    /// Compares with the mailboxes: nothing doubled, altered, or under another's envelope.
    pub(super) fn arrived(&self, dovecot: &Dovecot) -> Result<Verdict> {
        let delivered = dovecot.delivered()?;
        for message in &delivered {
            let text = String::from_utf8_lossy(&message.bytes);
            let value = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.map(|value| value.trim_start_matches(':').trim().to_owned())
            };
            let number: u32 = value(NUMBER).context("a message without number")?.parse()?;
            let sender = self.senders.get(&number);
            let sender = sender.with_context(|| format!("number {number} was never taken"))?;
            let path = value("Return-Path").context("no Return-Path")?;
            ensure!(
                path == format!("<{sender}>"),
                "number {number} of <{sender}> was delivered under the envelope of {path}"
            );
        }
        let verdict = self.checker.check(&delivered);
        ensure!(
            verdict.duplicated.is_empty()
                && verdict.altered.is_empty()
                && verdict.unexpected.is_empty(),
            "{verdict}: doubled {:?}, altered {:?}, unexpected {:?}",
            verdict.duplicated.get(..5).unwrap_or(&verdict.duplicated),
            verdict.altered.get(..5).unwrap_or(&verdict.altered),
            verdict.unexpected.get(..5).unwrap_or(&verdict.unexpected)
        );
        Ok(verdict)
    }
}
