//! A full disk, and one that fails: nothing is promised that cannot be kept, and what was promised
//! is there.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::book::Book;
use super::senders::Notes;
use super::stage::{SOON, Stage};
use crate::lab::until_asked;
use crate::report::Report;

/// The image's size: the store's reserve, its journals, and room for what is kept.
const MEGABYTES: u64 = 512;
/// Less than the store's reserve, of which only deletions and decisions take something.
const LEFT: u64 = 100 << 20;
/// Messages before each trouble, in which senders are paused.
const SOME: u32 = 120;

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let mut stage = Stage::build(report, Some(MEGABYTES))?;
    stage.go_dark()?;
    report.note("the standby acts, its data lies on an ext4 of its own");
    let mut book = Book::default();
    full(report, &mut stage, &mut book)?;
    broken(report, &mut stage, &mut book)?;
    stage.heal()?;
    stage.all_handed_back()?;
    book.require_kept(report, &stage, 0)
}

/// So many messages are acknowledged.
fn keep_some(stage: &Stage, book: &mut Book) -> Result<()> {
    let senders = &stage.senders;
    let wanted = senders.acknowledged() + SOME as usize;
    let ((), notes) = senders.during(SOME, || {
        until_asked("the senders to be answered", SOON, || {
            Ok((senders.acknowledged() >= wanted).then_some(()))
        })
    })?;
    ensure!(
        notes.refusals.is_empty(),
        "refused with room: {:?}",
        notes.refusals
    );
    book.enter(&notes, |_| true);
    Ok(())
}

fn one(stage: &Stage, book: &mut Book) -> Result<Option<String>> {
    let mut notes = Notes::default();
    let said = stage.senders.one(&mut notes)?;
    book.enter(&notes, |_| true);
    Ok(said)
}

fn full(report: &mut Report, stage: &mut Stage, book: &mut Book) -> Result<()> {
    keep_some(stage, book)?;
    stage.image()?.fill(LEFT)?;
    let said = one(stage, book)?.context("a message was taken on a full disk")?;
    ensure!(
        said.starts_with("452 4.3.1") && said.contains("(to RCPT"),
        "on a full disk it says {said}"
    );
    let status = stage.standby.status()?;
    ensure!(
        status.waiting_mail() == Some(SOME as usize),
        "on a full disk: {}",
        status.text()
    );
    says_that_nothing_is_taken(stage, "reserve")?;
    report.note(format_args!("below the reserve: {said}"));
    stage.image()?.empty()?;
    keep_some(stage, book)?;
    report.note("with room again it takes mail again");

    to_the_last_block(report, stage)?;
    // Room is made by handing back, so that has to go on with a full disk, and after a restart.
    stage.image()?.fill(LEFT)?;
    stage.standby.stop()?;
    let held = stage.start_again()?;
    ensure!(held == 2 * SOME as usize, "{held} wait after a restart");
    stage.heal()?;
    stage.all_handed_back()?;
    let free = stage.image()?.free()?;
    report.note(format_args!(
        "on the full disk it starts, and hands {held} messages back; {} MB are left",
        free >> 20
    ));
    stage.image()?.empty()?;
    stage.go_dark()
}

fn broken(report: &mut Report, stage: &mut Stage, book: &mut Book) -> Result<()> {
    keep_some(stage, book)?;
    stage.image()?.cut_power()?;
    let dead = Instant::now();
    let mut refusals = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let said = one(stage, book)?.context("a 250 from a disk that takes nothing")?;
        ensure!(
            said.starts_with("451") || said.starts_with("421"),
            "on a dead disk it says {said}"
        );
        refusals.insert(said);
    }
    says_that_nothing_is_taken(stage, "write failed")?;
    report.note(format_args!(
        "a dead disk: no 250 in {} ms, {refusals:?}; `status` and the log say it",
        dead.elapsed().as_millis()
    ));
    decided_in_memory(report, stage)?;
    let process = stage.standby.process.as_mut().context("it does not run")?;
    process.require_running()?;
    let log = process.stdout() + &process.stderr();
    ensure!(
        log.contains("what is decided holds all the same, in memory"),
        "the log does not say it"
    );
    mended_under_it(report, stage, book)?;
    stage.standby.kill()?;
    let held = stage.start_again()?;
    ensure!(
        held >= 2 * SOME as usize,
        "{held} of {} are there after the disk was mended",
        2 * SOME
    );
    let status = stage.standby.status()?;
    ensure!(
        status.role("mail") == "acting" && status.state("mail") == "held",
        "what was ordered while the disk was dead is forgotten: {}",
        status.text()
    );
    order(stage, "auto")?;
    keep_some(stage, book)?;
    report.note(format_args!(
        "killed and started again: {held} are there, and what was ordered meanwhile holds"
    ));
    Ok(())
}

/// Others take the last block: orders are taken, `status` answers, it starts again.
fn to_the_last_block(report: &mut Report, stage: &mut Stage) -> Result<()> {
    stage.image()?.fill_to_the_last_block()?;
    for _ in 0..6 {
        order(stage, "hold")?;
        order(stage, "auto")?;
    }
    let undurable = |stage: &Stage| -> Result<bool> {
        let status = stage.standby.status()?;
        Ok(status.pointer("/undurable").is_some_and(|it| !it.is_null()))
    };
    ensure!(!undurable(stage)?, "orders need room that others can take");
    stage.standby.stop()?;
    let held = stage.start_again()?;
    ensure!(held == 2 * SOME as usize, "{held} wait after a restart");
    order(stage, "hold")?;
    order(stage, "auto")?;
    ensure!(
        !undurable(stage)?,
        "after a restart orders need room that others can take"
    );
    stage.image()?.empty()?;
    report.note("with no block left it takes fourteen orders durably and starts again");
    Ok(())
}

fn order(stage: &Stage, verb: &str) -> Result<()> {
    let said = stage.standby.command(&[verb, "mail", "--by", "test"])?;
    ensure!(said.status.success(), "{verb}: {}", said.stderr);
    Ok(())
}

/// What is decided while the disk takes nothing holds, and `status` says how much it is.
fn decided_in_memory(report: &mut Report, stage: &Stage) -> Result<()> {
    let said = stage.standby.command(&["hold", "mail", "--by", "test"])?;
    ensure!(
        said.status.success() && said.stdout.contains("a restart would forget it"),
        "an order on a dead disk says {}{}",
        said.stdout,
        said.stderr
    );
    let said = stage.standby.command(&["say", "Wir sind erreichbar."])?;
    ensure!(
        !said.status.success() && said.stderr.contains("not published"),
        "a statement on a dead disk: {}{}",
        said.stdout,
        said.stderr
    );
    let status = stage.standby.status()?;
    ensure!(
        status.state("mail") == "held",
        "an order on a dead disk does nothing: {}",
        status.text()
    );
    let undurable = status.pointer("/undurable/records");
    let records = undurable.and_then(|records| records.as_u64());
    ensure!(
        records.is_some_and(|records| records > 0),
        "`status` does not say what is not durable: {}",
        status.text()
    );
    report.note(format_args!(
        "an order on the dead disk holds; {records:?} entries of the record are in memory"
    ));
    Ok(())
}

/// The disk is mended while the standby runs: it goes on by itself.
fn mended_under_it(report: &mut Report, stage: &mut Stage, book: &mut Book) -> Result<()> {
    let process = stage.standby.process.as_ref().map(|process| process.id());
    let process = process.context("it does not run")?;
    stage.image()?.mount_anew(process)?;
    let mended = Instant::now();
    stage
        .standby
        .wait_status("the mended disk to be used", SOON, |status| {
            let null = |name| status.pointer(name).is_some_and(|it| it.is_null());
            null("/store") && null("/undurable")
        })?;
    let took = mended.elapsed();
    let said = stage.standby.command(&["say", "Wir sind erreichbar."])?;
    ensure!(said.status.success(), "on the mended disk: {}", said.stderr);
    keep_some(stage, book)?;
    report.note(format_args!(
        "{:.1} s after the disk was mended it is used, without a restart",
        took.as_secs_f32()
    ));
    Ok(())
}

/// `status` says why nothing is taken.
fn says_that_nothing_is_taken(stage: &Stage, why: &str) -> Result<()> {
    let status = stage.standby.status()?;
    let said = status.pointer("/store").and_then(|said| said.as_str());
    ensure!(
        said.is_some_and(|said| said.contains(why)),
        "`status` says of the store: {said:?}"
    );
    Ok(())
}
