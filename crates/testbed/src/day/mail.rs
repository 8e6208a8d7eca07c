//! Mail, the whole day: passed through while the primary lives, kept while it is dark, handed back;
//! and a primary that comes back empty.
//!
//! ```text
//! 198.51.100.25  mail      Postfix and Dovecot, the primary (MX 10)
//! 198.51.100.53  dns       Knot, the organisation's zone
//! 192.0.2.7      standby   servergate (MX 20)
//! 203.0.113.200  elsewhere somebody else's name server: the standby's reference
//! 203.0.113.53   resolver  Unbound
//! 203.0.113.40   sender    another Postfix, which finds the MX by DNS
//! ```

mod letters;
mod stage;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::lab::until_asked;
use crate::peer::tools::{Source, smtp_source, swaks};
use crate::report::Report;

use letters::Letters;
use stage::{RECIPIENTS, SENDER, STANDBY, Stage, TOOL};

const SOON: Duration = Duration::from_secs(40);
/// A day's letters by Postfix, before it is dark and while it is. (The one after the first is
/// sent by swaks, which cannot send a line of one dot: its number is of another kind.)
const BEFORE: usize = 18;
const DARK: usize = 150;
/// And by `smtp-source`, straight to the standby.
const STORM: usize = 400;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let mut stage = Stage::build(report)?;
    let mut letters = Letters::default();

    letters.post(&stage, "before", BEFORE)?;
    through_the_standby(report, &stage, &mut letters)?;
    arrived(&stage, &letters, "everything of before")?;
    report.note(format_args!(
        "{} letters before the cut arrived",
        letters.len()
    ));

    stage.cut()?;
    let status = stage
        .standby
        .wait_status("the verdict about the mail", SOON, |status| {
            status.role("mail") == "acting"
        })?;
    report.note(format_args!(
        "the primary is cut off; cause {}",
        status.cause("mail")
    ));
    letters.post(&stage, "dark", DARK)?;
    strangers_are_refused(&stage)?;
    storm(&stage)?;
    let held = DARK + STORM;
    stage.wait_held(held)?;
    ensure!(
        stage.dovecot.count()? == letters.len() - DARK,
        "something reached a primary that is cut off"
    );
    report.note(format_args!(
        "{held} messages are kept, unknown recipients refused"
    ));
    let memory = stage.standby.memory()?;
    report.note(memory);

    stage.killed_and_back(report, held)?;
    stage.heal()?;
    stage
        .standby
        .wait_status("everything to be handed back", SOON * 2, |status| {
            status.role("mail") == "standby"
                && status.outage("mail").is_empty()
                && stage::waiting(status) == Some(0)
        })?;
    arrived(&stage, &letters, "everything of the day")?;
    storm_arrived(&stage)?;
    stage.true_clients()?;
    stage.nothing_bounced()?;
    adds_up(report, &stage, held)?;

    empty_primary(report, &mut stage, &mut letters)
}

/// While the primary lives the standby passes on what it is given, and the primary's own words.
fn through_the_standby(report: &mut Report, stage: &Stage, letters: &mut Letters) -> Result<()> {
    let server = (STANDBY.parse::<std::net::IpAddr>()?, 25).into();
    let letter = letters.write("through");
    // It ends the last line itself.
    let letter = letter.trim_end();
    let said = swaks(
        &stage.sender_host,
        server,
        &["--from", SENDER, "--to", RECIPIENTS[0], "--data", letter],
    )?;
    ensure!(
        said.is_taken(),
        "the standby did not pass a message on: {}",
        said.text
    );
    ensure!(
        said.text.contains("queued as"),
        "the words are not the primary's own: {}",
        said.text
    );
    let said = swaks(
        &stage.sender_host,
        server,
        &[
            "--from",
            SENDER,
            "--to",
            "nobody@verein.test",
            "--quit-after",
            "RCPT",
        ],
    )?;
    ensure!(
        said.said("550 5.1.1"),
        "an unknown recipient while the primary lives: {}",
        said.text
    );
    let status = stage.standby.status()?;
    ensure!(
        stage::waiting(&status) == Some(0),
        "something was kept while the primary lives"
    );
    report.note("while it lives the primary answers through the standby; nothing is kept");
    Ok(())
}

fn strangers_are_refused(stage: &Stage) -> Result<()> {
    let server = (STANDBY.parse::<std::net::IpAddr>()?, 25).into();
    for (to, code) in [
        ("nobody@verein.test", "550 5.1.1"),
        ("someone@elsewhere.test", "550 5.7.1"),
        ("a%elsewhere.test@verein.test", "550 5.7.1"),
    ] {
        let said = swaks(
            &stage.sender_host,
            server,
            &["--from", SENDER, "--to", to, "--quit-after", "RCPT"],
        )?;
        ensure!(
            said.said(code),
            "{to} should be refused with {code}: {}",
            said.text
        );
    }
    Ok(())
}

/// Many at once.
fn storm(stage: &Stage) -> Result<()> {
    let server = (STANDBY.parse::<std::net::IpAddr>()?, 25).into();
    let source = Source {
        messages: STORM,
        sessions: 20,
        length: 4096,
        ..Source::new(server, TOOL, RECIPIENTS[2])
    };
    smtp_source(&stage.sender_host, &source)
}

/// As many of the storm as were sent, each with another name.
fn storm_arrived(stage: &Stage) -> Result<()> {
    let mut ids = std::collections::BTreeSet::new();
    let mut count = 0;
    for message in stage.dovecot.delivered()? {
        let text = String::from_utf8_lossy(&message.bytes);
        if !text.contains(TOOL) {
            continue;
        }
        count += 1;
        let id = text
            .lines()
            .find_map(|line| line.strip_prefix("X-Servergate-Id: "));
        ids.extend(id.map(ToOwned::to_owned));
    }
    ensure!(
        (count, ids.len()) == (STORM, STORM),
        "of {STORM} of the storm {count} arrived, with {} names",
        ids.len()
    );
    Ok(())
}

fn arrived(stage: &Stage, letters: &Letters, what: &str) -> Result<()> {
    until_asked(what, SOON, || Ok(letters.all_arrived(stage)?.then_some(())))?;
    letters.each_once(stage)
}

/// The ledger has a line for each message and recipient, and all of them were handed back.
fn adds_up(report: &mut Report, stage: &Stage, held: usize) -> Result<()> {
    let ledger = stage.standby.json(&["mail", "ledger"])?;
    let rows = ledger["rows"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let handed = rows.iter().filter(|row| row[4] == "handed back").count();
    ensure!(
        (rows.len(), handed) == (held, held)
            && ledger["waiting"] == 0
            && ledger["quarantined"] == 0,
        "the ledger has {} lines, {handed} of them handed back, of {held} kept",
        rows.len()
    );
    report.note(format_args!(
        "kept {held}, handed back {handed}: the ledger adds up"
    ));
    Ok(())
}

/// A primary that lost its list of people gets one message and no more, until a person has looked.
fn empty_primary(report: &mut Report, stage: &mut Stage, letters: &mut Letters) -> Result<()> {
    const MORE: usize = 30;
    stage.cut()?;
    stage
        .standby
        .wait_status("the second verdict", SOON, |status| {
            status.role("mail") == "acting"
        })?;
    letters.post(stage, "empty", MORE)?;
    stage.wait_held(MORE)?;
    stage.postfix.reject_all()?;
    let refused = stage.refusals();
    stage.heal()?;
    let status = stage.standby.wait_status("the question", SOON, |status| {
        stage::question(status).is_some_and(|topic| topic == "hand-back")
    })?;
    let refused = stage.refusals() - refused;
    ensure!(
        refused == 1,
        "the empty primary refused {refused} recipients, not one"
    );
    ensure!(
        stage::waiting(&status) == Some(MORE),
        "something of {MORE} is gone"
    );
    report.note("an empty primary got one message; a person is asked");
    stage.postfix.know_only(&RECIPIENTS)?;
    stage.answer("yes")?;
    stage
        .standby
        .wait_status("the rest to be handed back", SOON, |status| {
            stage::waiting(status) == Some(0)
        })?;
    arrived(stage, letters, "everything after the yes")?;
    stage.nothing_bounced()?;
    report.note("after the yes everything arrived, each once");
    Ok(())
}
