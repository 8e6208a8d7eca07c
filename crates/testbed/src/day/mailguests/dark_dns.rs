//! No resolver answers, and nobody says that none does: what is asked is asked in vain until the
//! time is over. Mail is taken as fast as ever, for its `250` waits for the disk alone.
//!
//! Rounds with and without a resolver take turns. The standby is started anew before each, so
//! that it does not know from the round before that DNS is silent.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::stage::{Primary, SOON, STANDBY, Stage, Wish};
use crate::bench::{TICK, ticks_of};
use crate::lab::until_asked;
use crate::peer::tools::{Source, spawn_smtp_source};
use crate::report::Report;

const ROUNDS: usize = 4;
/// Of each round, by many at once.
const MESSAGES: usize = 2500;
const SESSIONS: usize = 20;
/// Of each round before that, one after the other, each from a domain never heard of: the first
/// ones are those for which DNS is asked in vain.
const SINGLE: usize = 60;
const RECIPIENT: &str = "vorstand@verein.test";
const TOOL: &str = "storm@sender.test";
/// The resolving side gives a question up after 1.8 s. Whoever waits for that is slower than this.
const WAITED: Duration = Duration::from_millis(900);
/// A disk may hold up one or two; DNS would hold up the first four, which are all asked about.
const HICCUPS: usize = 2;
/// The fastest round without DNS, to the fastest with it. (Measured ones are near 1. The fastest:
/// what else the machine does makes a round slower, never faster.)
const LEAST: f64 = 0.4;
/// CPU a message without DNS, to that with it. (Measured ones are below 0.8: no check runs.)
const MOST: f64 = 1.2;

/// What one round gave.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Messages a second.
    rate: f64,
    /// Of the standby's CPU, µs a message.
    micros: f64,
    /// The slowest answer of those that were timed alone, and how many waited.
    slowest: Duration,
    waited: usize,
}

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    let wish = Wish {
        primary: Primary::Counting,
        limits: "messages_per_network = 1000000",
        recipients: vec![RECIPIENT.to_owned()],
    };
    let mut stage = Stage::build(report, wish)?;
    stage.go_dark()?;
    let mut light = Vec::new();
    let mut dark = Vec::new();
    for number in 0..2 * ROUNDS {
        // Who comes first changes.
        let reachable = [true, false, false, true][number % 4];
        let round = round(&mut stage, number, reachable)?;
        match reachable {
            true => light.push(round),
            false => dark.push(round),
        }
    }
    for (what, rounds) in [("with DNS", &light), ("without", &dark)] {
        let rates: Vec<_> = rounds.iter().map(|round| round.rate as u64).collect();
        let micros: Vec<_> = rounds.iter().map(|round| round.micros as u64).collect();
        let slowest = rounds.iter().map(|round| round.slowest).max();
        report.note(format_args!(
            "{what}: {rates:?} messages/s, {micros:?} µs of CPU a message, slowest single 250 {} ms",
            slowest.unwrap_or_default().as_millis()
        ));
    }
    let fastest = fastest(&dark) / fastest(&light);
    let ratio = |of: fn(&Round) -> f64| median(&dark, of) / median(&light, of);
    let (rate, micros) = (ratio(|round| round.rate), ratio(|round| round.micros));
    report.note(format_args!(
        "without DNS to with it: rate {rate:.2} (median of {ROUNDS}), {fastest:.2} (fastest); CPU \
         a message {micros:.2}"
    ));
    // A machine that does much else holds some up with DNS as well.
    let usual = light.iter().map(|round| round.waited).max().unwrap_or(0);
    for round in &dark {
        ensure!(
            round.waited <= HICCUPS + usual,
            "{} of {SINGLE} messages waited {WAITED:?} and more for their 250 without DNS: {round:?}",
            round.waited
        );
    }
    ensure!(
        fastest >= LEAST && micros <= MOST,
        "{fastest:.2} of the usual rate without DNS, {micros:.2} of the usual CPU a message"
    );
    was_asked_in_vain(report, &mut stage)
}

fn round(stage: &mut Stage, number: usize, reachable: bool) -> Result<Round> {
    stage.resolver(reachable)?;
    stage.restart()?;
    quiet(stage)?;
    let times = stage.send("client.sender.test", |smtp| {
        let one = |letter| {
            let from = format!("anna@d{number}-{letter}.sender.test");
            smtp.leave(&from, RECIPIENT, "Subject: single\n\nAllein.\n")
        };
        (0..SINGLE).map(one).collect::<Result<Vec<_>>>()
    })?;
    let before = quiet(stage)?;
    let source = Source {
        messages: MESSAGES,
        sessions: SESSIONS,
        length: 4096,
        ..Source::new(
            (STANDBY.parse::<std::net::IpAddr>()?, 25).into(),
            TOOL,
            RECIPIENT,
        )
    };
    let begun = Instant::now();
    let finished = spawn_smtp_source(&stage.sender_host, &source)?.finish(SOON)?;
    let took = begun.elapsed();
    ensure!(
        finished.status.success(),
        "smtp-source: {}",
        finished.stderr
    );
    let spent = quiet(stage)?.saturating_sub(before);
    if !reachable {
        given_up(stage)?;
    }
    let messages = MESSAGES as f64;
    Ok(Round {
        rate: messages / took.as_secs_f64(),
        micros: spent.as_secs_f64() * 1e6 / messages,
        slowest: times.iter().max().copied().unwrap_or_default(),
        waited: times.iter().filter(|time| **time >= WAITED).count(),
    })
}

/// Waits until the standby has asked in vain, and marked more messages for that than came alone.
fn given_up(stage: &Stage) -> Result<()> {
    until_asked("DNS to be given up", SOON, || {
        let marked = stage.metric("servergate_mail_checks_total{dns=\"NotAsked\"}")?;
        Ok((marked > SINGLE as u64).then_some(()))
    })
}

/// Everything comes back, and bears what DNS said, or that it said nothing.
fn was_asked_in_vain(report: &mut Report, stage: &mut Stage) -> Result<()> {
    let all = 2 * ROUNDS * (SINGLE + MESSAGES);
    stage.wait_held(all)?;
    stage.resolver(true)?;
    stage.come_back()?;
    stage.wait_handed_back()?;
    let text = stage.counted()?;
    let count = |mark: &str| text.matches(mark).count();
    let (ids, pass, vain) = (
        count("\nX-Servergate-Id: "),
        count("spf=pass"),
        count("spf=temperror"),
    );
    ensure!(ids == all, "of {all} messages {ids} came back");
    ensure!(
        pass > 0 && vain > SINGLE,
        "DNS answered for {pass} messages and was silent for {vain}"
    );
    report.note(format_args!(
        "all {all} came back; SPF passed for {pass} and could not be asked for {vain}"
    ));
    Ok(())
}

fn fastest(rounds: &[Round]) -> f64 {
    rounds.iter().map(|round| round.rate).fold(0.0, f64::max)
}

fn median(rounds: &[Round], of: fn(&Round) -> f64) -> f64 {
    let mut all: Vec<f64> = rounds.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    let pair = [middle.saturating_sub(1 - all.len() % 2), middle];
    pair.iter().filter_map(|at| all.get(*at)).sum::<f64>() / 2.0
}

/// Waits until the standby has nothing to do any more; returns the CPU time it took so far.
fn quiet(stage: &Stage) -> Result<Duration> {
    let (mut last, mut calm) = (cpu(stage)?, 0);
    until_asked("the standby to be quiet", SOON, || {
        let now = cpu(stage)?;
        calm = if now <= last + TICK { calm + 1 } else { 0 };
        last = now;
        Ok((calm >= 6).then_some(now))
    })
}

fn cpu(stage: &Stage) -> Result<Duration> {
    let process = stage.standby.process.as_ref();
    let id = process.context("the standby does not run")?.id();
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let ticks = ticks_of(&text, 2).with_context(|| format!("/proc/{id}/stat: {text:?}"))?;
    Ok(TICK * ticks)
}
