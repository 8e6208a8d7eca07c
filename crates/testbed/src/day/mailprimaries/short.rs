//! A short day: mail passes through, the primary goes dark, mail is kept, and all of it comes
//! back, each once and as it was written.

use anyhow::{Result, ensure};

use super::book::Book;
use super::stage::{Kind, Stage};
use crate::generated_mail::Mail;
use crate::peer::dovecot;
use crate::report::Report;

const PEOPLE: [&str; 3] = [
    "vorstand@verein.test",
    "presse@verein.test",
    "kasse@verein.test",
];
/// Whose mailbox is full, with LMTP.
const FULL: &str = "voll@verein.test";
const BEFORE: usize = 20;
/// More than the hundred messages that OpenSMTPD takes in one conversation.
const DARK: usize = 230;
const AFTER: usize = 10;

pub(in crate::day) fn run_opensmtpd(report: &mut Report) -> Result<()> {
    let everybody = PEOPLE.map(str::to_owned);
    let mailboxes = dovecot::Setting::new(&PEOPLE);
    let mut stage = Stage::build(report, Kind::OpenSmtpd, &everybody, &mailboxes)?;
    let mut book = Book::default();
    day(report, &mut stage, &mut book)?;
    stage.wait_handed_back()?;
    evening(report, &stage, &mut book)
}

/// Dovecot's LMTP server is the primary. One mailbox is full, which it says behind the end of a
/// message for that recipient alone (RFC 2033 §4.2).
pub(in crate::day) fn run_lmtp(report: &mut Report) -> Result<()> {
    let all = [&PEOPLE[..], &[FULL]].concat();
    let everybody: Vec<String> = all.iter().map(|it| (*it).to_owned()).collect();
    let full = dovecot::Setting::new(&all).full(FULL);
    let mut stage = Stage::build(report, Kind::Lmtp, &everybody, &full)?;
    let mut book = Book::default();
    day(report, &mut stage, &mut book)?;
    stage.wait_held(SHARED)?;
    stage.dovecot_again(&dovecot::Setting::new(&all))?;
    stage.standby.command(&["mail", "hand-back"])?;
    stage.wait_copies(book.copies())?;
    report.note(format_args!(
        "what a full mailbox had refused waited, and came when there was room: {SHARED} messages"
    ));
    stage.wait_handed_back()?;
    evening(report, &stage, &mut book)
}

/// Messages to everybody at once, among those that are kept.
const SHARED: usize = 3;

fn day(report: &mut Report, stage: &mut Stage, book: &mut Book) -> Result<()> {
    passed_on(stage, book, BEFORE)?;
    stage.wait_copies(book.copies())?;
    let verdict = book.arrived(stage.dovecot()?)?;
    ensure!(
        stage.standby.status()?.waiting_mail() == Some(0),
        "something is kept while the primary lives"
    );
    report.note(format_args!("passed through, nothing is kept: {verdict}"));

    let cause = stage.go_dark()?;
    let before = book.copies();
    taken(stage, book, DARK)?;
    let full = shared(stage, book)?;
    stage.wait_held(DARK + SHARED)?;
    report.note(format_args!(
        "dark, cause {cause}; {DARK} messages are kept, and {SHARED} for everybody"
    ));
    stage.come_back()?;
    stage.wait_copies(book.copies() - full)?;
    let verdict = book.arrived(stage.dovecot()?)?;
    ensure!(
        verdict.lost.len() == full,
        "of {} copies kept: {verdict}; lost {:?}",
        book.copies() - before,
        verdict.lost.get(..5)
    );
    report.note(format_args!("back: {verdict}"));
    Ok(())
}

fn evening(report: &mut Report, stage: &Stage, book: &mut Book) -> Result<()> {
    passed_on(stage, book, AFTER)?;
    stage.wait_copies(book.copies())?;
    let verdict = book.arrived(stage.dovecot()?)?;
    verdict.require_clean()?;
    let fates = stage.fates()?;
    let back = fates.iter().filter(|(_, fate, _)| fate == "handed back");
    let back = back.count();
    ensure!(
        back == fates.len() && back >= DARK,
        "of {} lines in the ledger {back} were handed back",
        fates.len()
    );
    report.note(format_args!(
        "the day: {verdict}; the ledger has {back} recipients, all handed back"
    ));
    Ok(())
}

fn offers(book: &mut Book, count: usize) -> Vec<(Mail, String, Vec<String>)> {
    let offer = |number: usize| {
        let mail = book.mail("anna", PEOPLE[number % PEOPLE.len()]);
        let (from, to) = (mail.from.clone(), mail.to.clone());
        (
            mail,
            format!("<{from}> BODY=8BITMIME"),
            vec![format!("<{to}>")],
        )
    };
    (0..count).map(offer).collect()
}

fn passed_on(stage: &Stage, book: &mut Book, count: usize) -> Result<()> {
    taken(stage, book, count)
}

fn taken(stage: &Stage, book: &mut Book, count: usize) -> Result<()> {
    let offers = offers(book, count);
    for (answer, (mail, ..)) in stage.send(&offers)?.iter().zip(&offers) {
        ensure!(
            answer.starts_with("250"),
            "number {}: {answer}",
            mail.number
        );
        book.promised(mail, [mail.to.as_str()]);
    }
    Ok(())
}

/// Messages for all recipients at once; returns how many of the copies will find no room.
fn shared(stage: &Stage, book: &mut Book) -> Result<usize> {
    let everybody = stage.recipients().to_vec();
    let to: Vec<String> = everybody.iter().map(|it| format!("<{it}>")).collect();
    let offers: Vec<_> = (0..SHARED)
        .map(|_| {
            let mail = book.mail("alle", &everybody[0]);
            let from = format!("<{}> BODY=8BITMIME", mail.from);
            (mail, from, to.clone())
        })
        .collect();
    for (answer, (mail, ..)) in stage.send(&offers)?.iter().zip(&offers) {
        ensure!(
            answer.starts_with("250"),
            "number {}: {answer}",
            mail.number
        );
        book.promised(mail, everybody.iter().map(String::as_str));
    }
    let full = everybody.iter().filter(|it| *it == FULL).count();
    Ok(full * SHARED)
}
