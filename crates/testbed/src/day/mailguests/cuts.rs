//! Connections that break after the primary took a message and before its `250` came: the
//! standby gives the message once more, counts that, and the mailbox hides the copy if it can.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::stage::{Primary, SOON, Stage, Wish};
use crate::lab::until_asked;
use crate::report::Report;

const SENDERS: usize = 12;
const EACH: usize = 50;
const LETTERS: usize = SENDERS * EACH;
/// Of a hundred messages so many are cut off.
const PERCENT: usize = 5;
const SEED: u64 = 1047;
const RECIPIENTS: [&str; 3] = [
    "vorstand@verein.test",
    "presse@verein.test",
    "kasse@verein.test",
];

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let wish = Wish {
        primary: Primary::BehindProxy(SEED),
        limits: "",
        recipients: RECIPIENTS.map(str::to_owned).to_vec(),
    };
    let mut stage = Stage::build(report, wish)?;
    let mut given = 0;
    for recipe in [false, true] {
        let begin = Begin {
            given: &mut given,
            recipe,
        };
        begin.day(report, &mut stage)?;
        if !recipe {
            stage.install_recipe()?;
        }
    }
    Ok(())
}

/// One outage and its end.
struct Begin<'a> {
    /// Messages that Postfix gave Dovecot before.
    given: &'a mut usize,
    recipe: bool,
}

/// What the ledger says of a message.
struct Account {
    cut: u64,
}

impl Begin<'_> {
    fn day(self, report: &mut Report, stage: &mut Stage) -> Result<()> {
        stage.go_dark()?;
        let last = numbers(stage)?.into_iter().max().unwrap_or(0);
        leave(stage, self.recipe)?;
        stage.wait_held(LETTERS)?;
        let proxy = stage.proxy.as_ref().context("no proxy")?;
        let (cuts, passed) = (proxy.cuts(), proxy.passed());
        proxy.cut(PERCENT);
        stage.come_back()?;
        stage.wait_handed_back()?;
        let proxy = stage.proxy.as_ref().context("no proxy")?;
        proxy.cut(0);
        let (cuts, passed) = (proxy.cuts() - cuts, proxy.passed() - passed);
        ensure!(
            passed == LETTERS && cuts >= LETTERS * PERCENT / 200,
            "of {LETTERS} the proxy passed {passed} and cut {cuts}"
        );
        let accounts = accounts(stage, last)?;
        let listed: u64 = accounts.values().map(|account| account.cut).sum();
        ensure!(
            listed == cuts as u64,
            "the ledger lists {listed} cuts, there were {cuts}"
        );
        // Everything that Postfix took reached Dovecot, copies too.
        stage.wait_delivered()?;
        let given = sent(stage)?;
        let fresh = given - std::mem::replace(self.given, given);
        ensure!(
            fresh == LETTERS + cuts,
            "Postfix gave Dovecot {fresh} messages, not {LETTERS} and {cuts} copies"
        );
        let extra = if self.recipe { 0 } else { cuts };
        let copies = arrived(stage, &accounts, LETTERS + extra)?;
        for (id, account) in &accounts {
            let copies = copies.get(id).copied().unwrap_or(0);
            let most = if self.recipe { 1 } else { 1 + account.cut };
            ensure!(
                copies == most,
                "{id} was cut off {} times and is there {copies} times, not {most}",
                account.cut
            );
        }
        let recipe = if self.recipe { "with" } else { "without" };
        report.note(format_args!(
            "{recipe} the recipe: {LETTERS} kept and handed back, lost 0, {cuts} cut off and all \
             listed, {extra} copies too many in the mailboxes"
        ));
        Ok(())
    }
}

/// Letters of several senders.
fn leave(stage: &Stage, recipe: bool) -> Result<()> {
    stage.send("client.sender.test", |smtp| {
        for number in 0..LETTERS {
            let from = format!("sender{}@sender.test", number % SENDERS);
            let to = RECIPIENTS[number % RECIPIENTS.len()];
            let letter = format!(
                "From: <{from}>\nTo: <{to}>\nSubject: {number} {recipe}\n\
                 Message-ID: <{number}.{recipe}@sender.test>\n\nBrief Nummer {number}.\n.\n"
            );
            smtp.leave(&from, to, &letter)?;
        }
        Ok(())
    })
}

fn ledger(stage: &Stage, after: u64) -> Result<Value> {
    let after = after.to_string();
    let words = ["mail", "ledger", "--limit", "10000", "--after", &after];
    stage.standby.json(&words)
}

fn numbers(stage: &Stage) -> Result<Vec<u64>> {
    let ledger = ledger(stage, 0)?;
    let rows = ledger["rows"].as_array().context("no rows")?;
    Ok(rows.iter().filter_map(|row| row[0].as_u64()).collect())
}

/// The accounts after that number, by the message's name; all of them were handed back.
fn accounts(stage: &Stage, after: u64) -> Result<BTreeMap<String, Account>> {
    let ledger = ledger(stage, after)?;
    let rows = ledger["rows"].as_array().context("no rows")?;
    let handed = rows.iter().filter(|row| row[4] == "handed back").count();
    ensure!(
        (rows.len(), handed) == (LETTERS, LETTERS)
            && ledger["waiting"] == 0
            && ledger["quarantined"] == 0,
        "the ledger has {} lines, {handed} of them handed back, of {LETTERS} kept",
        rows.len()
    );
    let all = ledger["accounts"].as_array().context("no accounts")?;
    let account = |(one, row): (&Value, &Value)| {
        let id = one[1]["id"].as_str().context("an account without name")?;
        let cut = row[7].as_u64().context("a line without cuts")?;
        Ok((id.to_owned(), Account { cut }))
    };
    all.iter().zip(rows).map(account).collect()
}

/// How many messages Postfix has given Dovecot so far.
fn sent(stage: &Stage) -> Result<usize> {
    let log = stage.postfix()?.log();
    let given = |line: &&str| line.contains("/lmtp[") && line.contains("status=sent");
    Ok(log.lines().filter(given).count())
}

/// How often each of these messages is in a mailbox, when there are `count`.
fn arrived(
    stage: &Stage,
    accounts: &BTreeMap<String, Account>,
    count: usize,
) -> Result<BTreeMap<String, u64>> {
    let mut last = 0;
    let found = until_asked("the mailboxes to have everything", SOON, || {
        let copies = copies(stage, accounts)?;
        last = copies.values().sum::<u64>();
        Ok((last >= count as u64).then_some(copies))
    });
    found.with_context(|| format!("{last} are there, not {count}"))
}

fn copies(stage: &Stage, accounts: &BTreeMap<String, Account>) -> Result<BTreeMap<String, u64>> {
    let mut copies = BTreeMap::new();
    for message in stage.dovecot()?.delivered()? {
        let text = String::from_utf8_lossy(&message.bytes);
        let mut names = text.lines().take_while(|line| !line.is_empty());
        let id = names.find_map(|line| line.strip_prefix("X-Servergate-Id: "));
        let id = id.context("a message without name")?.trim();
        if accounts.contains_key(id) {
            *copies.entry(id.to_owned()).or_default() += 1;
        }
    }
    Ok(copies)
}
