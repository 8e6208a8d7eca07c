//! A primary with bad manners: greylisting, a list of clients, full mailboxes, a spam filter, a
//! recipient who has left, parameters it does not like, small limits. One message in twenty meets
//! each of them, and none of them concerns another: everything else is back in the usual time,
//! once, under its own envelope. What was refused waits or lies in quarantine, and when the
//! primary has become mild and a person lets it out, all of it arrives.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::book::Book;
use super::stage::{Kind, SOON, Stage};
use crate::generated_mail::Mail;
use crate::lab::until_asked;
use crate::peer::dovecot;
use crate::policy::Manner;
use crate::report::Report;

const PEOPLE: [&str; 3] = [
    "vorstand@verein.test",
    "presse@verein.test",
    "kasse@verein.test",
];
/// Whom the imported list knows, and the primary no more.
const LEFT: &str = "weg@verein.test";
/// Recipients of one message; the primary takes a hundred at a time.
const MANY: usize = 250;
/// Messages of one round, each manner once among them.
const ROUND: usize = 20;
/// Rounds; `cargo xtask soak mail-manners --rounds 100` has two thousand messages.
const ROUNDS: usize = 20;
const ENVIRONMENT: &str = "SERVERGATE_CRASH_ROUNDS";
/// RFC 3461 §4.2 wants an address behind the semicolon; Postfix insists (501 5.5.4).
const ODD: &str = " ORCPT=rfc822;";

/// What becomes of a message when it is handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Nothing is wrong with it.
    Good,
    /// A parameter of somebody's is odd; about the message itself nothing is wrong.
    Odd,
    /// The primary has a manner.
    Bad(Manner),
}

/// The first of a round are bad ones, so that those which are tried out alone meet them.
const WAYS: [Way; 7] = [
    Way::Bad(Manner::Blocked),
    Way::Odd,
    Way::Bad(Manner::Spam),
    Way::Bad(Manner::Grey),
    Way::Bad(Manner::FullAtEnd),
    Way::Bad(Manner::Gone),
    Way::Bad(Manner::Full),
];

impl Way {
    fn of(index: usize) -> Self {
        WAYS.get(index % ROUND).copied().unwrap_or(Self::Good)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Good => "anna",
            Self::Odd => "odd",
            Self::Bad(manner) => manner.word(),
        }
    }

    /// Whether it arrives although the primary has manners.
    fn arrives(self) -> bool {
        matches!(self, Self::Good | Self::Bad(Manner::Grey))
    }
}

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let crowd: Vec<String> = (0..MANY)
        .map(|n| format!("mitglied{n}@verein.test"))
        .collect();
    let mut everybody: Vec<String> = PEOPLE.map(str::to_owned).to_vec();
    everybody.push(LEFT.to_owned());
    everybody.extend(crowd.iter().cloned());
    let mailboxes: Vec<&str> = everybody.iter().map(String::as_str).collect();
    let setting = dovecot::Setting::new(&mailboxes);
    let mut stage = Stage::build(report, Kind::Manners, &everybody, &setting)?;
    let mut book = Book::default();

    own_words(report, &stage, &mut book)?;
    let cause = stage.go_dark()?;
    report.note(format_args!("the primary is dark, cause {cause}"));
    let held = keep(report, &mut stage, &mut book, &crowd)?;
    stage.come_back()?;
    let back = Instant::now();
    stage.wait_copies(held.arriving)?;
    let verdict = until_asked(
        "everything that the primary takes to be there",
        SOON,
        || {
            let verdict = book.arrived(stage.dovecot()?)?;
            let all = verdict
                .lost
                .iter()
                .all(|(number, _)| held.may_wait(*number));
            Ok(all.then_some(verdict))
        },
    )?;
    let took = back.elapsed();
    report.note(format_args!(
        "{:.1} s after the primary was back: {verdict}; it had refused {} times",
        took.as_secs_f32(),
        stage.policy()?.refusals()
    ));
    refused_are_kept(report, &stage, &held, verdict.lost.len())?;
    mild(report, &mut stage, &book)
}

/// What is kept, in copies.
struct Held {
    messages: usize,
    /// Have to arrive whatever the primary's manners are.
    arriving: usize,
    /// Numbers of those that are refused, now or for good.
    refused: BTreeSet<u32>,
}

impl Held {
    fn may_wait(&self, number: u32) -> bool {
        self.refused.contains(&number)
    }
}

/// While it lives a sender hears the primary's own words.
fn own_words(report: &mut Report, stage: &Stage, book: &mut Book) -> Result<()> {
    let said = [
        (Manner::Grey, "450 4.2.0"),
        (Manner::Blocked, "554 5.7.1"),
        (Manner::Full, "552 5.2.2"),
        (Manner::FullAtEnd, "552 5.2.2"),
        (Manner::Spam, "550 5.7.1"),
    ];
    for (manner, words) in said {
        let mail = book.mail(manner.word(), PEOPLE[0]);
        let offer = offer(mail, "");
        let answers = stage.send(&[offer])?;
        ensure!(
            answers.iter().all(|answer| answer.starts_with(words)),
            "{manner:?} while the primary lives: {answers:?}"
        );
    }
    let waiting = stage.standby.status()?.waiting_mail();
    ensure!(waiting == Some(0), "{waiting:?} messages are kept");
    report.note("while it lives a sender hears the primary's own words; nothing is kept");
    Ok(())
}

fn keep(report: &mut Report, stage: &mut Stage, book: &mut Book, crowd: &[String]) -> Result<Held> {
    let rounds = match std::env::var(ENVIRONMENT) {
        Ok(text) => text.parse().context(ENVIRONMENT)?,
        Err(_) => ROUNDS,
    };
    let mut held = Held {
        messages: 0,
        arriving: 0,
        refused: BTreeSet::new(),
    };
    let mut offers = Vec::new();
    for index in 0..rounds * ROUND {
        let way = Way::of(index);
        let to = match way {
            Way::Bad(Manner::Gone) => LEFT,
            _ => PEOPLE[index % PEOPLE.len()],
        };
        let mail = book.mail(way.word(), to);
        offers.push((way, offer(mail, if way == Way::Odd { ODD } else { "" })));
    }
    let said: Vec<_> = offers.iter().map(|(_, offer)| offer.clone()).collect();
    for (answer, (way, (mail, ..))) in stage.send(&said)?.iter().zip(&offers) {
        if *way == Way::Odd && answer.starts_with("501") {
            // A standby that refuses it at once has promised nothing.
            continue;
        }
        ensure!(answer.starts_with("250"), "{}: {answer}", mail.from);
        book.promised(mail, [mail.to.as_str()]);
        held.messages += 1;
        match way.arrives() {
            true => held.arriving += 1,
            // What is odd may arrive without its parameter, and does not have to yet.
            false => {
                held.refused.insert(mail.number);
            }
        }
    }
    let mail = book.mail("alle", &crowd[0]);
    let from = format!("<{}> BODY=8BITMIME", mail.from);
    let to = crowd.iter().map(|it| format!("<{it}>")).collect();
    let answers = stage.send(&[(mail.clone(), from, to)])?;
    ensure!(answers[0].starts_with("250"), "{answers:?}");
    book.promised(&mail, crowd.iter().map(String::as_str));
    held.messages += 1;
    held.arriving += crowd.len();
    stage.wait_held(held.messages)?;
    report.note(format_args!(
        "{} messages are kept, one of them for {MANY}; the primary will refuse {}",
        held.messages,
        held.refused.len()
    ));
    Ok(held)
}

/// Every copy that has not arrived waits or lies in quarantine.
fn refused_are_kept(report: &mut Report, stage: &Stage, held: &Held, lost: usize) -> Result<()> {
    let all = held.arriving + held.refused.len();
    let counted = until_asked("the ledger to add up", SOON, || {
        let fates = stage.fates()?;
        let count = |wanted: &str| fates.iter().filter(|(_, fate, _)| fate == wanted).count();
        let (back, quarantined) = (count("handed back"), count("refused by the primary"));
        let waiting = stage.standby.status()?.waiting_mail().unwrap_or_default();
        let adds_up = back + quarantined + waiting == all && quarantined + waiting == lost;
        Ok(adds_up.then_some((back, quarantined, waiting)))
    });
    let (back, quarantined, waiting) = counted.with_context(|| {
        let fates = stage.fates().map(|fates| fates.len());
        format!("{all} copies, {lost} of them not there; the ledger has {fates:?}")
    })?;
    report.note(format_args!(
        "the ledger: {back} handed back, {quarantined} in quarantine, {waiting} wait"
    ));
    Ok(())
}

/// The primary is mild, a person lets everything out: all of it arrives, once.
fn mild(report: &mut Report, stage: &mut Stage, book: &Book) -> Result<()> {
    stage.policy()?.be_mild();
    stage.standby.command(&["mail", "hand-back"])?;
    let released = stage
        .standby
        .command(&["mail", "quarantine", "--release", "--all", "--yes"])?;
    ensure!(released.status.success(), "release: {}", released.stderr);
    let last = |stage: &Stage| -> Result<usize> { stage.dovecot()?.count() };
    until_asked("everything to arrive", SOON, || {
        // What waits is tried again at once.
        stage.standby.command(&["mail", "hand-back"])?;
        Ok((last(stage)? >= book.copies()).then_some(()))
    })
    .with_context(|| format!("{:?} of {} arrived", last(stage), book.copies()))?;
    stage.wait_handed_back()?;
    let verdict = book.arrived(stage.dovecot()?)?;
    verdict.require_clean()?;
    report.note(format_args!(
        "the primary is mild and everything was let out: {verdict}"
    ));
    Ok(())
}

fn offer(mail: Mail, parameters: &str) -> (Mail, String, Vec<String>) {
    let from = format!("<{}> BODY=8BITMIME", mail.from);
    let to = format!("<{}>{parameters}", mail.to);
    (mail, from, vec![to])
}
