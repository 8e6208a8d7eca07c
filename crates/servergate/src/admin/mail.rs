//! What is asked about mail, and about what is held of people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::mail::recipients::import::{self, Format, Imported};
use ::mail::spool::Fate;
use ::mail::{MailHandle, Summary};
use anyhow::{Context, Result, bail};
use model::OrganisationId;
use serde_json::{Value, json};
use store::SealState;

use super::Desk;
use crate::cli::ListFormat;
use crate::config::Organisation;
use crate::protocol::{Imports, MailRequest};

/// A longer list is not read.
const LONGEST: u64 = 32 << 20;

/// Answers one request about the mail of `organisation`.
pub(super) async fn answer(
    desk: &Desk,
    organisation: &Organisation,
    what: MailRequest,
) -> Result<Value> {
    let id = &organisation.id;
    let mail = desk
        .mails
        .get(id)
        .with_context(|| format!("{id} has no mail here; add `[organisation.mail]`"))?
        .clone();
    match what {
        MailRequest::HandBack => {
            mail.hand_back();
            let waiting = mail.tally().waiting;
            Ok(said(&match mail.may_hand_back() {
                true => format!("{waiting} messages are tried again now."),
                false => format!(
                    "{waiting} messages wait: the primary is not back, or a question is open; see `servergate status`."
                ),
            }))
        }
        MailRequest::Release { number } => {
            mail.decide(number, Fate::Waiting).await?;
            Ok(said(&format!("Message {number} is tried again.")))
        }
        MailRequest::Drop { number } => {
            mail.decide(number, Fate::Dropped).await?;
            Ok(said(&format!(
                "Message {number} is given up; its account stays."
            )))
        }
        MailRequest::Import {
            what,
            files,
            format,
        } => {
            let scope = mail.scope();
            let (list, problems) = read_lists(files, format, scope).await?;
            let said = match what {
                Imports::Recipients => recipients(&mail, &list, &problems).await?,
                Imports::Mailboxes => mailboxes(&mail, &list, &problems).await?,
            };
            Ok(with_problems(said, &list, problems))
        }
        // The rest reads the disk.
        what => tokio::task::spawn_blocking(move || read(&mail, what)).await?,
    }
}

fn read(mail: &MailHandle, what: MailRequest) -> Result<Value> {
    match what {
        MailRequest::List { after, limit } => Ok(rows(&mail.waiting(after, limit.min(10_000))?)),
        MailRequest::Quarantine => Ok(rows(&mail.quarantine()?)),
        MailRequest::Show { number } => Ok(rows(&[mail.show(number)?])),
        MailRequest::Ledger { after, limit } => ledger(mail, after, limit.min(100_000)),
        MailRequest::Export { to } => {
            let written = mail.export(&to)?;
            Ok(said(&format!(
                "{written} messages are in {}.",
                to.display()
            )))
        }
        _ => bail!("not a question that reads"),
    }
}

fn said(words: &str) -> Value {
    json!({ "said": words })
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Waiting => "waits",
        Fate::HandedBack => "handed back",
        Fate::Quarantined => "refused by the primary",
        Fate::Dropped => "given up",
    }
}

fn rows(all: &[Summary]) -> Value {
    let rows = all.iter().flat_map(|message| {
        let recipients = message.recipients.iter().enumerate();
        recipients.map(|(index, (recipient, became, reply))| {
            json!([
                message.number,
                message.at.to_string(),
                message.size,
                message.sender.as_deref().unwrap_or("(locked)"),
                recipient,
                fate(*became),
                reply,
                message.told.get(index).map_or("", String::as_str),
            ])
        })
    });
    let rows: Vec<_> = rows.collect();
    json!({
        "columns": ["NUMBER", "TAKEN", "BYTES", "FROM", "TO", "FATE", "PRIMARY SAID", "SENDER TOLD"],
        "rows": rows, "messages": all,
    })
}

/// One line a message and recipient, and the sum over all of them.
fn ledger(mail: &MailHandle, after: u64, limit: usize) -> Result<Value> {
    let accounts = mail.accounts(after, limit)?;
    let mut rows = Vec::new();
    for (number, account) in &accounts {
        let told = mail.told(*number, account.lines.len())?;
        rows.extend(account.lines.iter().zip(told).map(|(line, told)| {
            json!([
                number,
                account.at.to_string(),
                account.sender,
                line.recipient,
                fate(line.fate),
                line.when.to_string(),
                line.reply,
                line.cut,
                told,
            ])
        }));
    }
    let tally = mail.tally();
    Ok(json!({
        "columns": ["NUMBER", "TAKEN", "FROM", "TO", "FATE", "WHEN", "PRIMARY SAID", "CUT", "SENDER TOLD"],
        "rows": rows,
        "accounts": accounts,
        "waiting": tally.waiting,
        "quarantined": tally.quarantined,
    }))
}

async fn recipients(mail: &MailHandle, list: &Imported, problems: &[String]) -> Result<Value> {
    if list.addresses.is_empty() && list.catch_all.is_empty() {
        bail!(
            "no address of this organisation was found; nothing was changed. {}",
            problems.join("; ")
        );
    }
    let count = mail.import(list).await?;
    let catch_all = list.catch_all.len();
    Ok(json!({
        "said": format!("{count} recipients are known now, and {catch_all} catch-all domains."),
        "recipients": count,
    }))
}

async fn mailboxes(mail: &MailHandle, list: &Imported, problems: &[String]) -> Result<Value> {
    if list.mailboxes.is_empty() {
        bail!(
            "no mailbox of this organisation was found; nothing was changed. Name a Dovecot passwd-file, or a table with the columns `address` and `password`. {}",
            problems.join("; ")
        );
    }
    let count = mail.import_mailboxes(list).await?;
    let with = |one: &&import::Mailbox| one.password.is_some();
    let with = list.mailboxes.iter().filter(with).count();
    Ok(json!({
        "said": format!("{count} mailboxes are known now, {with} of them with a password."),
        "mailboxes": count, "passwords": with,
    }))
}

fn with_problems(mut said: Value, list: &Imported, mut problems: Vec<String>) -> Value {
    if list.unlisted > 0 {
        problems.push(format!("and {} more", list.unlisted));
    }
    said["problems"] = json!(problems);
    said["whole"] = json!(list.whole);
    said
}

/// All lists as one, and what a person should know of them.
async fn read_lists(
    files: Vec<PathBuf>,
    format: Option<ListFormat>,
    scope: import::Scope,
) -> Result<(Imported, Vec<String>)> {
    let reading = move || {
        let mut whole: Option<Imported> = None;
        let mut problems = Vec::new();
        for file in files {
            let list = read_list(&file, format, &scope)?;
            let named = list
                .problems
                .iter()
                .map(|one| format!("{}: {one}", file.display()));
            problems.extend(named);
            whole = Some(match whole {
                Some(before) => before.joined(list),
                None => list,
            });
        }
        let whole = whole.context("no list was named")?;
        anyhow::Ok((whole, problems))
    };
    tokio::task::spawn_blocking(reading).await?
}

fn read_list(file: &Path, format: Option<ListFormat>, scope: &import::Scope) -> Result<Imported> {
    let reading = || {
        format!(
            "{} (the standby reads it, with its own rights)",
            file.display()
        )
    };
    let length = std::fs::metadata(file).with_context(reading)?.len();
    if length > LONGEST {
        bail!(
            "{} is longer than {LONGEST} bytes; cut it into several",
            file.display()
        );
    }
    let text = std::fs::read(file).with_context(reading)?;
    let text = String::from_utf8_lossy(&text);
    let format = match format {
        None => Format::guess(&file.to_string_lossy(), &text),
        Some(ListFormat::Plain) => Format::Plain,
        Some(ListFormat::Postfix) => Format::Postfix,
        Some(ListFormat::Passwd) => Format::Passwd,
        Some(ListFormat::Aliases) => Format::Aliases,
        Some(ListFormat::Csv) => Format::Csv,
    };
    Ok(import::read(format, &text, scope))
}

/// Whether what is about people is set up and open.
pub(super) fn sealing(desk: &Desk) -> &'static str {
    match desk.host.store.seal().state() {
        SealState::NotSetUp => "not-set-up",
        SealState::Locked => "locked",
        SealState::Unlocked => "unlocked",
    }
}

/// What is held about whom: the answer to who asks for it, whoever that is.
pub(super) fn held(
    mails: &BTreeMap<OrganisationId, MailHandle>,
    sealing: &'static str,
) -> Result<Value> {
    let mut rows = Vec::new();
    let mut add = |what: &str, about: &str, count: String, age: String, until: &str| {
        rows.push(json!([what, about, count, age, until]));
    };
    for (id, mail) in mails {
        let tally = mail.tally();
        let oldest = mail.oldest()?.map_or(String::new(), |at| {
            let long = if mail.is_long(at) {
                ": kept for long"
            } else {
                ""
            };
            format!("since {at}{long}")
        });
        let what = format!("{id}: messages with their envelopes");
        let count = (tally.waiting + tally.quarantined).to_string();
        add(
            &what,
            "senders and recipients",
            count,
            oldest,
            "the primary has them",
        );
        if let Some(people) = mail.people() {
            let at = people
                .at
                .map_or(String::new(), |at| format!("imported {at}"));
            let what = format!("{id}: recipients, as keyed hashes");
            let count = format!("{} imported, {} learned", people.imported, people.learned);
            add(
                &what,
                "members",
                count,
                at,
                "the next import; 31 days where learned",
            );
            let what = format!("{id}: mailboxes, with password hashes");
            let count = people.mailboxes.to_string();
            add(&what, "members", count, String::new(), "the next import");
        }
        let accounts = mail.count_accounts()?.to_string();
        let what = format!("{id}: accounts of handed back messages");
        add(
            &what,
            "senders and recipients",
            accounts,
            String::new(),
            "200,000 newer messages",
        );
    }
    add(
        "addresses of guests",
        "senders",
        "in memory".into(),
        String::new(),
        "the connection ends; with the message in its envelope",
    );
    add(
        "observations, verdicts, the record",
        "nobody",
        "for ever".into(),
        String::new(),
        "-",
    );
    Ok(json!({
        "columns": ["HELD", "ABOUT", "HOW MUCH", "AGE", "UNTIL"],
        "rows": rows, "sealing": sealing,
    }))
}
