//! What is asked about mail, and about what is held of people.

mod hand_back;
mod import;
mod quarantine;

use std::collections::BTreeMap;
use std::time::Duration;

use ::mail::spool::Fate;
use ::mail::{MailHandle, Summary};
use anyhow::{Context, Result, bail};
use model::OrganisationId;
use serde_json::{Value, json};
use store::SealState;

use super::Desk;
use crate::config::Organisation;
use crate::protocol::MailRequest;

/// So long a command waits for the opening after the start.
const OPENING: Duration = Duration::from_secs(30);
/// How often it is looked whether the opening failed.
const LOOK: Duration = Duration::from_millis(100);

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
    opened(desk, &mail).await?;
    match what {
        MailRequest::HandBack => Ok(said(&hand_back::words(&mail))),
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
        MailRequest::Decide { filter, drop, yes } => {
            quarantine::decide(&mail, filter, drop, yes).await
        }
        MailRequest::Import {
            what,
            files,
            format,
            yes,
            dry_run,
        } => {
            let how = import::How { yes, dry_run };
            import::import(&mail, what, files, format, how).await
        }
        // The rest reads the disk.
        what => tokio::task::spawn_blocking(move || read(&mail, what)).await?,
    }
}

/// Waits while what is about people is being opened: in the first seconds after the start it is
/// not locked but not open yet either.
async fn opened(desk: &Desk, mail: &MailHandle) -> Result<()> {
    let seal = desk.host.store.seal();
    let under_way = || is_opening(desk);
    if seal.state() != SealState::Unlocked && !under_way() {
        return Ok(());
    }
    let clock = &desk.host.clock;
    // It may fail, then nobody has to wait for it.
    let failed = async {
        while seal.state() == SealState::Unlocked || under_way() {
            clock.sleep(LOOK).await;
        }
    };
    // Both arms are cancel-safe.
    let open = tokio::select! {
        open = mail.people_within(OPENING) => open,
        () = failed => return Ok(()),
    };
    if !open {
        bail!(
            "what is about people is being opened, which takes longer than {} s here; nothing was done. Try again, and see `servergate status`",
            OPENING.as_secs()
        );
    }
    Ok(())
}

/// Whether what is about people is being opened at this moment: it computes for a while.
pub(super) fn is_opening(desk: &Desk) -> bool {
    let tasks = desk.host.tasks.list();
    let mut tasks = tasks.iter();
    tasks.any(|task| task.name.starts_with("unlock") && task.running > 0)
}

fn read(mail: &MailHandle, what: MailRequest) -> Result<Value> {
    match what {
        MailRequest::List { after, limit } => {
            let limit = limit.clamp(1, 10_000);
            let all = mail.waiting(after, limit)?;
            let last = all.last().map_or(after, |message| message.number);
            let more = mail.count_waiting(last);
            let next = (more > 0).then_some(last);
            let go_on = format!("{more} more wait");
            Ok(continued(rows(&all), next, &go_on, "list"))
        }
        MailRequest::Quarantine {
            filter,
            after,
            limit,
        } => {
            let (all, more) = mail.quarantined(&filter, after, limit.clamp(1, 10_000))?;
            let last = all.last().map(|message| message.number);
            let next = last.filter(|_| more);
            Ok(continued(rows(&all), next, "there are more", "quarantine"))
        }
        MailRequest::Show { number } => Ok(rows(&[mail.show(number)?])),
        MailRequest::Ledger { after, limit } => ledger(mail, after, limit.clamp(1, 100_000)),
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

/// A list that goes on says so, and how to see the rest; `next` is for machines.
fn continued(mut list: Value, next: Option<u64>, go_on: &str, command: &str) -> Value {
    list["next"] = json!(next);
    if let Some(next) = next {
        list["more"] = json!(format!(
            "{go_on}; `servergate mail {command} --after {next}` goes on, `--limit` shows more at once"
        ));
    }
    list
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
                message.cut.get(index).copied().unwrap_or(0),
            ])
        })
    });
    let rows: Vec<_> = rows.collect();
    json!({
        "columns": ["NUMBER", "TAKEN", "BYTES", "FROM", "TO", "FATE", "PRIMARY SAID", "SENDER TOLD", "CUT"],
        "rows": rows, "messages": all,
    })
}

/// One line a message and recipient, and the sum over all of them.
fn ledger(mail: &MailHandle, after: u64, limit: usize) -> Result<Value> {
    let mut accounts = mail.accounts(after, limit + 1)?;
    let more = accounts.len() > limit;
    accounts.truncate(limit);
    let next = accounts.last().map(|(number, _)| *number).filter(|_| more);
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
    let list = json!({
        "columns": ["NUMBER", "TAKEN", "FROM", "TO", "FATE", "WHEN", "PRIMARY SAID", "CUT", "SENDER TOLD"],
        "rows": rows,
        "accounts": accounts,
        "waiting": tally.waiting,
        "quarantined": tally.quarantined,
    });
    Ok(continued(list, next, "there are more", "ledger"))
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
