//! Exim as the organisation's mail server: the same messages as `mailpeers`, counted likewise.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::generated_mail::{Checker, Recipe};
use crate::lab::{Host, Lab, until_asked};
use crate::peer::dovecot::{self, Dovecot};
use crate::peer::exim::{Exim, Setting};
use crate::peer::postfix::{self, Postfix};
use crate::peer::tools::{Source, smtp_source, swaks};
use crate::report::Report;

const USERS: [&str; 3] = [
    "vorstand@verein.test",
    "kasse@verein.test",
    "müller@verein.test",
];
const ARRIVAL: Duration = crate::lab::CEILING;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let lab = Lab::new(report.dir())?;
    let mail = lab.host("mail", &["198.51.100.25"])?;
    let sender = lab.host("sender", &["203.0.113.25"])?;
    let server = SocketAddr::new(mail.address()?, 25);
    let mut dovecot = Dovecot::start(&mail, &dovecot::Setting::new(&USERS))?;
    let primary = Setting::primary("mail.verein.test", "verein.test", &USERS);
    let exim = Exim::start(&mail, &primary)?;
    let relay = format!("[{}]", server.ip());
    let setting = postfix::Setting::sender("mx.sender.test").line("relayhost", &relay);
    let theirs = Postfix::start_with(&sender, &setting)?;
    report.note("Exim, Dovecot and the sender's Postfix are up");

    let mut checker = Checker::default();
    let mut recipe = Recipe::new(1, 24, "sender.test", &USERS);
    recipe.big = 1;
    send(&theirs, &recipe, &mut checker)?;
    settle(report, &mut dovecot, &exim, &checker)?;

    let words = ["--from", "a@sender.test", "--to", "niemand@verein.test"];
    let talk = swaks(&sender, server, &words)?;
    ensure!(
        talk.said("550 5.1.1"),
        "an unknown recipient: {}",
        talk.text
    );
    report.note("an unknown recipient is refused at RCPT (550 5.1.1)");

    dovecot.kill()?;
    recipe.first = 1001;
    recipe.count = 6;
    recipe.big = 0;
    send(&theirs, &recipe, &mut checker)?;
    // Cut before its answer has arrived, a message would rightly be sent once more.
    until_asked("the primary to have answered for six", ARRIVAL, || {
        Ok((theirs.queue_len()? == 0 && exim.queue_len()? == 6).then_some(()))
    })?;
    let fallen = exim.kill()?;
    mail.require_idle()?;
    let mut dovecot = Dovecot::start(&mail, &dovecot::Setting::new(&USERS))?;
    let exim = fallen.start()?;
    report.note("killed with 6 in the queue, and started again");
    settle(report, &mut dovecot, &exim, &checker)?;

    exim.reject_all()?;
    let words = ["--from", "a@sender.test", "--to", USERS[0]];
    let talk = swaks(&sender, server, &words)?;
    ensure!(talk.said("550 5.1.1"), "an empty list: {}", talk.text);
    holding(report, &lab, &sender)?;

    theirs.stop()?;
    exim.stop()?;
    dovecot.stop()?;
    mail.require_idle()?;
    report.note("all of them ended when asked");
    Ok(())
}

fn send(theirs: &Postfix, recipe: &Recipe, checker: &mut Checker) -> Result<()> {
    for mail in recipe.mails() {
        theirs.inject(&mail.from, &mail.to, &mail.bytes)?;
        checker.sent(&mail);
    }
    Ok(())
}

fn settle(
    report: &mut Report,
    dovecot: &mut Dovecot,
    exim: &Exim,
    checker: &Checker,
) -> Result<()> {
    let wanted = checker.promised();
    until_asked("every message in its mailbox", ARRIVAL, || {
        dovecot.process.require_running()?;
        Ok((dovecot.count()? >= wanted && exim.queue_len()? == 0).then_some(()))
    })
    .with_context(|| {
        let log = exim.log();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        format!("{:?} of {wanted}; {}", dovecot.count(), last.join("\n"))
    })?;
    let verdict = checker.check(&dovecot.delivered()?);
    verdict.require_clean()?;
    report.note(verdict);
    Ok(())
}

fn holding(report: &mut Report, lab: &Lab, sender: &Host) -> Result<()> {
    let backup = lab.host("backup", &["192.0.2.26"])?;
    let setting = Setting::holding("backup.verein.test", "verein.test");
    let exim = Exim::start(&backup, &setting)?;
    let server = SocketAddr::new(backup.address()?, 25);
    let source = Source {
        messages: 50,
        sessions: 5,
        ..Source::new(server, "a@sender.test", "b@verein.test")
    };
    smtp_source(sender, &source)?;
    let held = exim.queue_len()?;
    ensure!(held == 50, "{held} of 50 are held");
    exim.stop()?;
    report.note("a holding Exim keeps 50 messages");
    Ok(())
}
