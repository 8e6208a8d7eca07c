//! The mail servers themselves, without the standby: what is sent lies in the mailboxes, each
//! message once and unchanged, and refusals are refusals.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::authority::Authority;
use crate::generated_mail::{Checker, Recipe};
use crate::lab::{Host, Lab, until_asked, until_some};
use crate::peer::dovecot::{self, Dovecot};
use crate::peer::knot::{self, Knot};
use crate::peer::postfix::{Delivery, NextHop, Postfix, Setting};
use crate::peer::tools::{Source, smtp_sink, smtp_source, swaks, swaks_message};
use crate::peer::unbound::{Delegation, Unbound};
use crate::report::Report;

const USERS: [&str; 3] = [
    "vorstand@verein.test",
    "kasse@verein.test",
    "müller@verein.test",
];
/// Takes what has no number.
const PLAIN_USER: &str = "quelle@verein.test";
const ZONE: &str = "$ORIGIN verein.test.\n$TTL 5\n@ SOA ns hostmaster 1 60 30 3600 5\n@ NS ns\n\
                    @ MX 10 mail\nns A 198.51.100.53\nmail A 198.51.100.25\n";

/// Messages by a Postfix of the sender's, and by swaks; each also brings its big ones.
const BY_POSTFIX: u32 = 60;
const BY_SWAKS: u32 = 20;
const BY_SOURCE: usize = 20;
const ARRIVAL: Duration = crate::lab::CEILING;

struct World {
    mail: Host,
    sender: Host,
    standby: Host,
    primary: Postfix,
    dovecot: Dovecot,
    checker: Checker,
    /// Messages without number that were taken.
    plain: usize,
}

pub(super) fn run(report: &mut Report) -> Result<()> {
    let lab = Lab::new(report.dir())?;
    let dns = lab.host("dns", &["198.51.100.53"])?;
    let resolver = lab.host("resolver", &["203.0.113.53"])?;
    let mail = lab.host("mail", &["198.51.100.25"])?;
    let sender = lab.host("sender", &["203.0.113.25"])?;
    let standby = lab.host("standby", &["192.0.2.25"])?;

    let knot = Knot::start(&dns, &knot::Setting::new().zone("verein.test", ZONE))?;
    let delegation = Delegation::new("verein.test", &[dns.address()?]);
    let unbound = Unbound::start(&resolver, &[delegation])?;
    sender.resolve_through(resolver.address()?)?;
    let identity = Authority::new(&report.dir().join("authority"))?.sign(&["mail.verein.test"])?;
    let everybody = [&USERS[..], &[PLAIN_USER]].concat();
    let setting = Setting::primary(
        "mail.verein.test",
        "verein.test",
        &everybody,
        Delivery::Lmtp,
    )
    .xclient(&[standby.address()?])
    .starttls(&identity)?;
    let mut world = World {
        dovecot: Dovecot::start(&mail, &mailboxes())?,
        primary: Postfix::start_with(&mail, &setting)?,
        mail,
        sender,
        standby,
        checker: Checker::default(),
        plain: 0,
    };
    report.note("Knot, Unbound, Dovecot and Postfix are up");

    many(report, &mut world)?;
    refusals(report, &mut world)?;
    true_client(report, &mut world)?;
    let mut world = power_cut(report, world)?;
    seen_before(report, &mut world)?;
    emptied(report, &world)?;
    holding(report, &lab, &world.sender)?;

    let World {
        mail,
        primary,
        dovecot,
        ..
    } = world;
    primary.stop()?;
    dovecot.stop()?;
    unbound.stop()?;
    knot.stop()?;
    mail.require_idle()?;
    report.note("all of them ended when asked");
    Ok(())
}

fn mailboxes() -> dovecot::Setting {
    dovecot::Setting::new(&[&USERS[..], &[PLAIN_USER]].concat()).sieve_duplicate()
}

impl World {
    fn server(&self) -> Result<SocketAddr> {
        Ok(SocketAddr::new(self.mail.address()?, 25))
    }

    /// Waits until everything promised lies in the mailboxes, then compares.
    fn settle(&mut self) -> Result<String> {
        let wanted = self.checker.promised() + self.plain;
        let arrived = until_asked("every message in its mailbox", ARRIVAL, || {
            self.dovecot.process.require_running()?;
            Ok((self.dovecot.count()? >= wanted).then_some(()))
        });
        let log = self.primary.log();
        let problems: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("status=") && !line.contains("status=sent"))
            .take(3)
            .collect();
        arrived.with_context(|| {
            format!(
                "{:?} of {wanted}; {}",
                self.dovecot.count(),
                problems.join("\n")
            )
        })?;
        // One too many would come late: the queue has to be empty before it is counted.
        until_asked("an empty queue", ARRIVAL, || {
            Ok((self.primary.queue_len()? == 0).then_some(()))
        })?;
        let (plain, numbered): (Vec<_>, Vec<_>) = self
            .dovecot
            .delivered()?
            .into_iter()
            .partition(|message| message.user == PLAIN_USER);
        ensure!(
            plain.len() == self.plain,
            "{PLAIN_USER} has {} messages instead of {}",
            plain.len(),
            self.plain
        );
        let verdict = self.checker.check(&numbered);
        verdict.require_clean()?;
        Ok(verdict.to_string())
    }
}

fn many(report: &mut Report, world: &mut World) -> Result<()> {
    let theirs = Postfix::start_with(&world.sender, &Setting::sender("mx.sender.test"))?;
    let mut recipe = Recipe::new(1, BY_POSTFIX, "sender.test", &USERS);
    recipe.big = 1;
    for mail in recipe.mails() {
        theirs.inject(&mail.from, &mail.to, &mail.bytes)?;
        world.checker.sent(&mail);
    }
    report.note(format!("{} messages are injected", recipe.numbers().len()));

    let source = Source {
        messages: BY_SOURCE,
        sessions: 4,
        ..Source::new(world.server()?, "masse@sender.test", PLAIN_USER)
    };
    smtp_source(&world.sender, &source)?;
    world.plain += BY_SOURCE;

    // swaks knows no SMTPUTF8.
    let mut recipe = Recipe::new(2, BY_SWAKS, "sender.test", &USERS[..2]);
    recipe.first = 1001;
    for mail in recipe.mails() {
        let talk = swaks_message(
            &world.sender,
            world.server()?,
            &mail.from,
            &mail.to,
            &mail.bytes,
        )?;
        ensure!(talk.is_taken(), "swaks {}: {}", talk.code, talk.text);
        world.checker.sent(&mail);
    }
    report.note("smtp-source and swaks have sent theirs");

    let verdict = world.settle()?;
    until_some("the sender's queue to be empty", ARRIVAL, || {
        Ok((theirs.queue_len()? == 0).then_some(()))
    })?;
    ensure!(
        theirs
            .log()
            .contains("relay=mail.verein.test[198.51.100.25]:25"),
        "the sender did not go by the MX"
    );
    report.note(format!("{verdict}; and {} without number", world.plain));
    theirs.stop()?;
    Ok(())
}

fn refusals(report: &mut Report, world: &mut World) -> Result<()> {
    let server = world.server()?;
    for unknown in ["niemand@verein.test", "vorstand@anderswo.test"] {
        let talk = swaks(
            &world.sender,
            server,
            &["--from", "a@sender.test", "--to", unknown],
        )?;
        ensure!(!talk.is_taken(), "{unknown} was taken: {}", talk.text);
        let code = if unknown.ends_with("verein.test") {
            "550 5.1.1"
        } else {
            "554 5.7.1"
        };
        ensure!(talk.said(code), "{unknown}: {}", talk.text);
    }
    let words = ["--from", "a@sender.test", "--to", PLAIN_USER, "--tls"];
    let talk = swaks(&world.sender, server, &words)?;
    ensure!(talk.is_taken(), "over TLS: {}", talk.text);
    world.plain += 1;
    for offered in [
        "SIZE 52428800",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "STARTTLS",
    ] {
        let line = [format!("250-{offered}"), format!("250 {offered}")];
        ensure!(
            line.iter().any(|line| talk.said(line)),
            "{offered} is not offered: {}",
            talk.text
        );
    }
    report.note("unknown recipients are refused at RCPT (550 5.1.1); STARTTLS works");
    Ok(())
}

fn true_client(report: &mut Report, world: &mut World) -> Result<()> {
    let server = world.server()?;
    let client: IpAddr = [203, 0, 113, 77].into();
    let address = client.to_string();
    let words = [
        "--from",
        "a@sender.test",
        "--to",
        PLAIN_USER,
        "--xclient-addr",
        &address,
    ];
    let talk = swaks(&world.standby, server, &words)?;
    ensure!(talk.is_taken(), "XCLIENT from the standby: {}", talk.text);
    world.plain += 1;
    ensure!(
        world.primary.log().contains("client=unknown[203.0.113.77]"),
        "the true client is not in the log"
    );
    let talk = swaks(&world.sender, server, &words)?;
    ensure!(!talk.is_taken(), "XCLIENT from a stranger: {}", talk.text);
    report.note("XCLIENT is believed from the standby's address only");
    Ok(())
}

/// Dovecot is away, so that the queue fills; then the power goes.
fn power_cut(report: &mut Report, world: World) -> Result<World> {
    let server = world.server()?;
    let World {
        mail,
        sender,
        standby,
        primary,
        dovecot,
        mut checker,
        plain,
    } = world;
    dovecot.kill()?;
    let mut recipe = Recipe::new(3, 8, "sender.test", &USERS[..2]);
    recipe.first = 2001;
    for message in recipe.mails() {
        let talk = swaks_message(&sender, server, &message.from, &message.to, &message.bytes)?;
        ensure!(talk.is_taken(), "swaks {}: {}", talk.code, talk.text);
        checker.sent(&message);
    }
    let held = primary.queue_len()?;
    ensure!(held == 8, "the primary holds {held} of 8");
    let fallen = primary.kill()?;
    mail.require_idle()?;
    let dovecot = Dovecot::start(&mail, &mailboxes())?;
    let primary = fallen.start()?;
    let mut world = World {
        mail,
        sender,
        standby,
        primary,
        dovecot,
        checker,
        plain,
    };
    world.primary.flush()?;
    let verdict = world.settle()?;
    report.note(format!(
        "killed with {held} in the queue, started again: {verdict}"
    ));
    Ok(world)
}

fn seen_before(report: &mut Report, world: &mut World) -> Result<()> {
    let server = world.server()?;
    let header = "X-Servergate-Id: 01-abc";
    let words = [
        "--from",
        "a@sender.test",
        "--to",
        PLAIN_USER,
        "--add-header",
        header,
    ];
    for _ in 0..2 {
        let talk = swaks(&world.standby, server, &words)?;
        ensure!(talk.is_taken(), "{}", talk.text);
    }
    world.plain += 1;
    world.settle()?;
    let login = format!("{PLAIN_USER}:{}", dovecot::PASSWORD);
    let url = format!("imap://{}/", server.ip());
    let words = ["-sS", "--max-time", "10", "--user", &login, &url, "-X"];
    let asked = [&words[..], &["STATUS INBOX (MESSAGES)"]].concat();
    let status = world.sender.run_well("/usr/bin/curl", &asked)?;
    ensure!(
        status.contains(&format!("(MESSAGES {})", world.plain)),
        "IMAP counts otherwise: {status}"
    );
    report.note("the same X-Servergate-Id twice is one message in the mailbox, by IMAP too");
    Ok(())
}

fn emptied(report: &mut Report, world: &World) -> Result<()> {
    world.primary.reject_all()?;
    let server = world.server()?;
    until_asked("the empty list to be in force", ARRIVAL, || {
        let words = [
            "--from",
            "a@sender.test",
            "--to",
            PLAIN_USER,
            "--quit-after",
            "RCPT",
        ];
        let talk = swaks(&world.sender, server, &words)?;
        Ok(talk.said("550 5.1.1").then_some(()))
    })?;
    report.note("with an empty list everybody is refused");
    Ok(())
}

fn holding(report: &mut Report, lab: &Lab, sender: &Host) -> Result<()> {
    let backup = lab.host("backup", &["192.0.2.26"])?;
    let next = lab.host("next", &["192.0.2.27"])?;
    let setting = Setting::holding("backup.verein.test", "verein.test", NextHop::Refused);
    let postfix = Postfix::start_with(&backup, &setting)?;
    let source = Source {
        messages: 50,
        sessions: 5,
        ..Source::new(
            SocketAddr::new(backup.address()?, 25),
            "a@sender.test",
            "b@verein.test",
        )
    };
    smtp_source(sender, &source)?;
    // It lists its queue while it still tries, and may miss one that moves.
    until_asked("50 messages to be held", ARRIVAL, || {
        Ok((postfix.queue_len()? == 50).then_some(()))
    })?;
    postfix.stop()?;

    let sink = smtp_sink(&next, 2525, &[])?;
    let source = Source {
        server: SocketAddr::new(next.address()?, 2525),
        ..source
    };
    smtp_source(sender, &source)?;
    until_some("the sink to count", ARRIVAL, || {
        Ok((sink.messages() == 50).then_some(()))
    })?;
    sink.stop()?;
    report.note("a holding Postfix keeps 50 messages; smtp-sink takes 50");
    Ok(())
}
