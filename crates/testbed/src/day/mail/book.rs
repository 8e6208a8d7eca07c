//! What was sent, and whether it arrived: each once, as it was written, with its signature.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::senders::ADDRESSES;
use super::stage::STORM;
use crate::generated_mail::{Checker, Mail, Recipe};
use crate::lab::Host;
use crate::peer::dovecot::{Delivered, Dovecot};
use crate::peer::opendkim::complaints;
use crate::report::Report;

/// Everything that was sent.
#[derive(Debug, Default)]
pub(super) struct Book {
    checker: Checker,
    /// Numbers given so far.
    numbers: u32,
    signed: usize,
    /// By `smtp-source`, which numbers its messages itself.
    storm: usize,
}

impl Book {
    pub(super) fn len(&self) -> usize {
        self.checker.promised() + self.storm
    }

    /// Writes more messages.
    pub(super) fn mails(&mut self, from: &str, to: &[&str], count: u32, big: u32) -> Vec<Mail> {
        let mut recipe = Recipe::new(7, count, from, to);
        recipe.first = self.numbers + 1;
        recipe.big = big;
        self.numbers += count + big;
        recipe.mails().collect()
    }

    /// These were taken.
    pub(super) fn sent(&mut self, mails: &[Mail], signed: bool) {
        mails.iter().for_each(|mail| self.checker.sent(mail));
        if signed {
            self.signed += mails.len();
        }
    }

    /// So many more by `smtp-source`.
    pub(super) fn stormed(&mut self, count: usize) {
        self.storm += count;
    }

    /// Each lies in its mailbox once and as it was written, and nothing else does.
    pub(super) fn check(&self, report: &mut Report, dovecot: &Dovecot) -> Result<()> {
        let (storm, mails): (Vec<_>, Vec<_>) = dovecot
            .delivered()?
            .into_iter()
            .partition(|message| message.user == STORM);
        let verdict = self.checker.check(&mails);
        verdict.require_clean()?;
        self.storm_arrived(&storm)?;
        report.note(format_args!(
            "{verdict}; {} of smtp-source, each once",
            self.storm
        ));
        Ok(())
    }

    /// As many as were sent, no two with the same name, and all alike but for name and date.
    fn storm_arrived(&self, storm: &[Delivered]) -> Result<()> {
        let (mut names, mut kinds) = (BTreeSet::new(), BTreeSet::new());
        for message in storm {
            let text = String::from_utf8_lossy(&message.bytes);
            let own = text.find("From: <storm@").context("not one of the storm")?;
            let (named, rest): (Vec<&str>, Vec<&str>) = text[own..]
                .lines()
                .partition(|line| line.starts_with("Message-Id: "));
            names.insert(named.concat());
            let rest = rest.into_iter().filter(|line| !line.starts_with("Date: "));
            kinds.insert(rest.collect::<Vec<_>>().join("\n"));
        }
        ensure!(
            (storm.len(), names.len()) == (self.storm, self.storm) && kinds.len() <= 1,
            "of {} by smtp-source {} arrived, with {} names and in {} kinds",
            self.storm,
            storm.len(),
            names.len(),
            kinds.len()
        );
        Ok(())
    }

    /// Every signature still fits, says a verifier that asks the same resolver; and it would not
    /// if a letter were another.
    pub(super) fn signatures(
        &self,
        report: &mut Report,
        host: &Host,
        dovecot: &Dovecot,
    ) -> Result<()> {
        let mut all = dovecot.delivered()?;
        all.retain(|message| has_field(&message.bytes, "DKIM-Signature:"));
        let paths: Vec<&Path> = all.iter().map(|message| message.path.as_path()).collect();
        ensure!(
            paths.len() == self.signed,
            "{} of {} signed messages have a signature",
            paths.len(),
            self.signed
        );
        let wrong = complaints(host, &paths)?;
        ensure!(
            wrong.is_empty(),
            "signatures: {:?}",
            wrong.get(..4).unwrap_or(&wrong)
        );
        let mut altered = all.first().context("nothing is signed")?.bytes.clone();
        let last = altered.len().saturating_sub(3);
        altered[last] ^= 1;
        let path = host.dir().join("altered");
        fs::write(&path, altered)?;
        let wrong = complaints(host, &[&path])?;
        let noticed = wrong.iter().any(|line| line.contains("Bad signature"));
        ensure!(noticed, "the verifier takes what was altered: {wrong:?}");
        report.note(format_args!("{} signatures are still right", self.signed));
        Ok(())
    }
}

/// How many messages the standby kept or passed on, by the field that it put on top; each of them
/// has to name one of the senders there.
pub(super) fn through_the_standby(dovecot: &Dovecot) -> Result<usize> {
    let mut count = 0;
    for message in dovecot.delivered()? {
        let head = String::from_utf8_lossy(head(&message.bytes)).replace("\n\t", " ");
        let ours = head
            .lines()
            .find(|line| line.starts_with("Received:") && line.contains(" by mx2.verein.test "));
        let Some(ours) = ours else {
            continue;
        };
        count += 1;
        ensure!(
            ADDRESSES
                .iter()
                .any(|it| ours.contains(&format!("([{it}])"))),
            "not the true client: {ours}"
        );
    }
    Ok(count)
}

fn has_field(message: &[u8], name: &str) -> bool {
    let head = String::from_utf8_lossy(head(message));
    head.lines().any(|line| line.starts_with(name))
}

/// Up to the empty line.
fn head(message: &[u8]) -> &[u8] {
    let end = message.windows(2).position(|pair| pair == b"\n\n");
    message
        .get(..end.unwrap_or(message.len()))
        .unwrap_or_default()
}
