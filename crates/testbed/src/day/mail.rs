//! Mail, the whole day: passed through while the primary lives, kept while it is dark, handed back;
//! and a primary that comes back empty. Once with Postfix as the primary, once with Exim.
//!
//! ```text
//! 198.51.100.25  mail      Postfix or Exim, and Dovecot: the primary (MX 10)
//! 198.51.100.53  dns       Knot, the organisation's zone
//! 192.0.2.7      standby   servergate (MX 20)
//! 203.0.113.200  elsewhere somebody else's name server: the standby's reference, and the
//!                          senders' zone with their key
//! 203.0.113.53   resolver  Unbound
//! 203.0.113.40   sender    another Postfix, swaks and smtp-source
//! 203.0.113.41   sender2   another Exim
//! ```

mod book;
mod primary;
mod senders;
mod stage;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::peer::tools::swaks;
use crate::report::Report;

use book::Book;
use primary::{Kind, Primary};
use senders::{DOMAIN, Share};
use stage::{PEOPLE, RECIPIENTS, STANDBY, Stage};

const SOON: Duration = crate::lab::CEILING;

/// The day's messages: two thousand.
const BEFORE: Share = Share {
    postfix: 200,
    detour: 149,
    exim: 50,
    exim_detour: true,
    big: 0,
    swaks: 10,
    source: 90,
};
const DARK: Share = Share {
    postfix: 398,
    detour: 0,
    exim: 100,
    exim_detour: false,
    big: 1,
    swaks: 20,
    source: 480,
};
const AFTER: Share = Share {
    postfix: 250,
    detour: 120,
    exim: 60,
    exim_detour: false,
    big: 0,
    swaks: 10,
    source: 60,
};
const DAY: usize = 2000;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let (mut stage, mut book) = day(report, Kind::Postfix)?;
    empty_primary(report, &mut stage, &mut book)
}

pub(super) fn run_exim(report: &mut Report) -> Result<()> {
    day(report, Kind::Exim).map(|_| ())
}

fn day(report: &mut Report, kind: Kind) -> Result<(Stage, Book)> {
    let mut stage = Stage::build(report, kind)?;
    let mut book = Book::default();

    through_the_standby(report, &stage, &mut book)?;
    stage.senders.send(&mut book, &BEFORE, true)?;
    stage.wait_arrived(book.len())?;
    book.check(report, &stage.dovecot)?;
    nothing_is_kept(&stage)?;
    let before = book.len();

    stage.cut()?;
    let status = stage
        .standby
        .wait_status("the verdict about the mail", SOON, |status| {
            status.role("mail") == "acting"
        })?;
    let cause = status.cause("mail");
    report.note(format_args!("the primary is cut off; cause {cause}"));
    stage.senders.send(&mut book, &DARK, false)?;
    strangers_are_refused(&stage)?;
    let held = book.len() - before;
    stage.wait_held(held)?;
    ensure!(
        stage.dovecot.count()? == before,
        "something reached a primary that is cut off"
    );
    report.note(format_args!(
        "{held} messages are kept, unknown recipients refused"
    ));
    let memory = stage.standby.memory()?;
    report.note(memory);
    by_bdat(report, &stage)?;

    stage.killed_and_back(report, held)?;
    stage.heal()?;
    handed_back(report, &mut stage)?;
    stage.senders.send(&mut book, &AFTER, true)?;
    ensure!(book.len() == DAY, "{} messages, not {DAY}", book.len());
    evening(report, &stage, &book, held)?;
    Ok((stage, book))
}

fn handed_back(report: &mut Report, stage: &mut Stage) -> Result<()> {
    stage
        .standby
        .wait_status("everything to be handed back", SOON, |status| {
            status.role("mail") == "standby"
                && status.outage("mail").is_empty()
                && status.waiting_mail() == Some(0)
        })?;
    report.note("the primary is back, and so is what was kept for it");
    Ok(())
}

/// Everything of the day has arrived.
fn evening(report: &mut Report, stage: &Stage, book: &Book, held: usize) -> Result<()> {
    stage.wait_arrived(book.len())?;
    book.check(report, &stage.dovecot)?;
    book.signatures(report, &stage.senders.host, &stage.dovecot)?;
    let through = held
        + [&BEFORE, &AFTER]
            .iter()
            .map(|share| {
                let exim = if share.exim_detour { share.exim } else { 0 };
                (share.detour + exim + share.swaks) as usize + share.source
            })
            .sum::<usize>();
    stage.true_clients(report, book.len(), through)?;
    stage.nothing_bounced()?;
    nothing_is_kept(stage)?;
    adds_up(report, stage, held)
}

/// While the primary lives the standby passes on what it is given, and the primary's own words.
fn through_the_standby(report: &mut Report, stage: &Stage, book: &mut Book) -> Result<()> {
    let server = stage.senders.server(true)?;
    ensure!(server.ip() == STANDBY.parse::<std::net::IpAddr>()?);
    let mails = book.mails(DOMAIN, &PEOPLE[..1], 1, 0);
    let mail = mails.first().context("one message")?;
    // Its last line end is swaks' own.
    let text = String::from_utf8_lossy(&mail.bytes).replace("\r\n", "\n");
    let words = [
        "--from",
        &mail.from,
        "--to",
        &mail.to,
        "--data",
        text.trim_end_matches('\n'),
    ];
    let said = swaks(&stage.senders.host, server, &words)?;
    let own = match stage.primary {
        Primary::Postfix(_) => "250 2.0.0 Ok: queued as",
        Primary::Exim(_) => "250 OK id=",
    };
    ensure!(
        said.is_taken() && said.said(own),
        "the words are not the primary's own: {}",
        said.text
    );
    book.sent(&mails, false);
    let said = stage.senders.asks_for(server, "nobody@verein.test")?;
    ensure!(
        said.said("550 5.1.1"),
        "an unknown recipient while the primary lives: {}",
        said.text
    );
    nothing_is_kept(stage)?;
    report.note("while it lives the primary answers through the standby; nothing is kept");
    Ok(())
}

fn nothing_is_kept(stage: &Stage) -> Result<()> {
    let waiting = stage.standby.status()?.waiting_mail();
    ensure!(
        waiting == Some(0),
        "{waiting:?} messages are kept while the primary lives"
    );
    Ok(())
}

fn strangers_are_refused(stage: &Stage) -> Result<()> {
    let server = stage.senders.server(false)?;
    for (to, code) in [
        ("nobody@verein.test", "550 5.1.1"),
        ("someone@elsewhere.test", "550 5.7.1"),
        ("a%elsewhere.test@verein.test", "550 5.7.1"),
    ] {
        let said = stage.senders.asks_for(server, to)?;
        ensure!(
            said.said(code),
            "{to} should be refused with {code}: {}",
            said.text
        );
    }
    Ok(())
}

/// What Exim sent while it was dark came in chunks.
fn by_bdat(report: &mut Report, stage: &Stage) -> Result<()> {
    let chunked = stage.senders.by_bdat(STANDBY);
    let sent = (BEFORE.exim + DARK.exim + DARK.big) as usize;
    ensure!(
        chunked == sent,
        "{chunked} of {sent} messages of Exim's came by BDAT"
    );
    report.note(format_args!("{chunked} messages came by BDAT"));
    Ok(())
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

/// A primary that lost its list of people is asked about three of them and no more, until a person
/// has looked.
fn empty_primary(report: &mut Report, stage: &mut Stage, book: &mut Book) -> Result<()> {
    const MORE: u32 = 30;
    stage.cut()?;
    stage
        .standby
        .wait_status("the second verdict", SOON, |status| {
            status.role("mail") == "acting"
        })?;
    let mails = book.mails(DOMAIN, &PEOPLE, MORE, 0);
    stage.senders.postfix.inject_all(&mails)?;
    book.sent(&mails, true);
    stage.wait_held(mails.len())?;
    let Primary::Postfix(postfix) = &stage.primary else {
        bail!("the day of a Postfix");
    };
    postfix.reject_all()?;
    let refused = stage.refusals();
    stage.heal()?;
    let status = stage.standby.wait_status("the question", SOON, |status| {
        status
            .question()
            .is_some_and(|(_, topic)| topic == "hand-back")
    })?;
    let refused = stage.refusals() - refused;
    // One may be gone for reasons of his own; three that we know of are not.
    ensure!(
        (2..=3).contains(&refused),
        "the empty primary refused {refused} recipients, not two or three"
    );
    ensure!(
        status.waiting_mail() == Some(mails.len()),
        "something of {MORE} is gone"
    );
    report.note(format_args!(
        "an empty primary refused {refused} people whom we know; a person is asked"
    ));
    postfix.know_only(&RECIPIENTS)?;
    stage.standby.answer("yes")?;
    stage
        .standby
        .wait_status("the rest to be handed back", SOON, |status| {
            status.waiting_mail() == Some(0)
        })?;
    stage.wait_arrived(book.len())?;
    book.check(report, &stage.dovecot)?;
    stage.nothing_bounced()?;
    report.note("after the yes everything arrived, each once");
    Ok(())
}
