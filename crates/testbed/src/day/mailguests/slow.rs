//! Five thousand guests who are slow, from fifty networks: memory stays bounded, good guests
//! hardly notice, one network gets no more seats than it may have, and whoever does not get on
//! is sent away while seats are short.
//!
//! The limits are the default ones. Seats are short above four in five of 6,000, and then fifteen
//! seconds without progress are enough; below that a guest may be slow for five minutes, which
//! nobody waits for here: the crowd leaves by itself at the end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::crowd::{Crowd, LIGHT, Slow, turned_away};
use super::stage::{Primary, SOON, STANDBY, Stage, Wish};
use crate::lab::{Host, Lab, until_asked};
use crate::peer::tools::{Sink, Source, smtp_sink, spawn_smtp_source};
use crate::report::Report;

const NETWORKS: usize = 50;
/// Seats of one network, by default.
const EACH: usize = 100;
const SLOW: usize = NETWORKS * EACH;
/// Four in five of all seats, by default.
const PLENTY: usize = 4800;
/// Who comes from a network that has all its seats.
const TOO_MANY: usize = 30;
const ROUNDS: usize = 3;
const MESSAGES: usize = 2500;
const RECIPIENT: &str = "vorstand@verein.test";
/// What one slow guest may take of the memory (the goal is 20 KiB).
const MEMORY: u64 = 32 << 10;
/// What twelve hundred may take who stop in the middle of large messages: it would be 300 MB
/// without a bound on all of them.
const ALL: u64 = 200 << 20;
/// Where a server is that only takes.
const YARDSTICK: &str = "203.0.113.60";
const CONNECTIONS: &str = "servergate_smtp_connections ";
/// Of the usual rate, with the crowd there, each measured against what a sink takes in the same
/// seconds.
/// (The goal is 0.8.)
const LEAST: f64 = 0.4;
/// Open files that this process and the standby need.
const FILES: u64 = 8192;

pub(in crate::day) fn run(report: &mut Report) -> Result<()> {
    more_files()?;
    let wish = Wish {
        primary: Primary::Counting,
        limits: "messages_per_network = 1000000",
        recipients: vec![RECIPIENT.to_owned()],
    };
    let mut stage = Stage::build(report, wish)?;
    let addresses: Vec<String> = (0..NETWORKS).map(|n| format!("10.7.{n}.9")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let host = stage.lab.host("crowd", &addresses)?;
    stage.go_dark()?;
    let server = SocketAddr::new(STANDBY.parse()?, 25);
    let yardstick = Yardstick::start(&stage.lab)?;
    rate(&stage)?;
    let before = yardstick.rounds(&stage)?;

    let empty = stage.standby.memory()?;
    let begun = Instant::now();
    let places = host.addresses();
    let crowd = Crowd::gather(&host, (server, RECIPIENT), &places, EACH, LIGHT)?;
    let gathered = begun.elapsed();
    let full = stage.standby.memory()?;
    let each = full.resident.saturating_sub(empty.resident) / SLOW as u64;
    let during = yardstick.rounds(&stage)?;
    report.note(format_args!(
        "{SLOW} slow guests came within {gathered:.1?}; {each} bytes of memory each, {full}"
    ));
    refused(&stage, &host, server)?;
    report.note(format_args!(
        "{TOO_MANY} more of one network were told 421 and counted"
    ));
    let ratio = during.share / before.share;
    report.note(format_args!(
        "good guests: {:.0?} messages/s before, {:.0?} with the crowd; of what a sink takes in the \
         same seconds {:.2} and {:.2}: {ratio:.2} of the usual rate",
        before.rates, during.rates, before.share, during.share
    ));
    ensure!(each <= MEMORY, "{each} bytes of memory for a slow guest");
    ensure!(
        ratio >= LEAST,
        "{ratio:.2} of the usual rate with the crowd"
    );

    until_asked("seats to be no longer short", SOON, || {
        Ok((stage.metric(CONNECTIONS)? <= PLENTY as u64).then_some(()))
    })?;
    let gone = crowd.disperse()?;
    report.note(format_args!(
        "{:.1?} after the first came, of {SLOW}: {gone:?}",
        begun.elapsed()
    ));
    ensure!(
        gone.told >= SLOW - PLENTY && gone.silently <= gone.told / 10,
        "not told why: {gone:?}"
    );
    all_gone(&stage)?;
    let after = yardstick.rounds(&stage)?;
    let memory = stage.standby.memory()?;
    report.note(format_args!(
        "all are gone: {:.0?} messages/s, {memory}",
        after.rates
    ));
    heavy(report, &mut stage, &host, server)?;
    all_back(report, &mut stage)
}

/// Those who cost most before they are slow: what all of them take has an end.
fn heavy(report: &mut Report, stage: &mut Stage, host: &Host, server: SocketAddr) -> Result<()> {
    for (kind, networks) in [(Slow::Many, 4), (Slow::Heavy, 12)] {
        // What was freed before would hide what they take.
        stage.restart()?;
        let before = stage.standby.memory()?.resident;
        let places: Vec<_> = host.addresses().into_iter().take(networks).collect();
        let guests = networks * EACH;
        let crowd = Crowd::gather(host, (server, RECIPIENT), &places, EACH, &[kind])?;
        let mut grown = 0;
        until_asked("memory to grow no more", SOON, || {
            let last = grown;
            grown = stage.standby.memory()?.resident.saturating_sub(before);
            Ok((grown <= last).then_some(()))
        })?;
        report.note(format_args!(
            "{guests} {kind:?} guests: {} MB of memory, {} bytes each",
            grown >> 20,
            grown / guests as u64
        ));
        crowd.disperse()?;
        all_gone(stage)?;
        ensure!(grown <= ALL, "{grown} bytes of memory for {guests} guests");
    }
    Ok(())
}

fn all_gone(stage: &Stage) -> Result<()> {
    until_asked("all guests to be gone", SOON, || {
        Ok((stage.metric(CONNECTIONS)? == 0).then_some(()))
    })
}

/// Nothing of the good guests is lost, and nothing of the slow ones was taken for whole.
fn all_back(report: &mut Report, stage: &mut Stage) -> Result<()> {
    let all = (3 * ROUNDS + 1) * MESSAGES;
    stage.wait_held(all)?;
    stage.come_back()?;
    stage.wait_handed_back()?;
    let text = stage.counted()?;
    let back = text.matches("\nX-Servergate-Id: ").count();
    ensure!(back == all, "of {all} messages {back} came back");
    report.note(format_args!("all {all} of the good guests came back"));
    Ok(())
}

/// One network has all its seats: whoever else comes from there is told so, and counted.
fn refused(stage: &Stage, host: &Host, server: SocketAddr) -> Result<()> {
    let seats = "servergate_smtp_refusals_total{reason=\"Seats\"} ";
    let counted = stage.metric(seats)?;
    let address = host.address()?;
    for _ in 0..TOO_MANY {
        let heard = turned_away(host, address, server)?;
        ensure!(heard.starts_with("421 4.3.2 "), "turned away: {heard:?}");
    }
    let counted = stage.metric(seats)? - counted;
    ensure!(
        counted == TOO_MANY as u64,
        "{TOO_MANY} were refused, {counted} counted"
    );
    Ok(())
}

/// A server that does nothing but take, which is as slow as the machine is at the moment.
struct Yardstick {
    server: SocketAddr,
    _sink: Sink,
    _host: Host,
}

/// What some rounds gave.
struct Rounds {
    /// Messages a second.
    rates: Vec<f64>,
    /// The best round's share of what the sink took in the same seconds.
    share: f64,
}

impl Yardstick {
    fn start(lab: &Lab) -> Result<Self> {
        let host = lab.host("yardstick", &[YARDSTICK])?;
        let sink = smtp_sink(&host, 25, &[])?;
        Ok(Self {
            server: SocketAddr::new(YARDSTICK.parse()?, 25),
            _sink: sink,
            _host: host,
        })
    }

    fn rounds(&self, stage: &Stage) -> Result<Rounds> {
        let (mut rates, mut shares) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let sink = rate_of(stage, self.server)?;
            let ours = rate(stage)?;
            rates.push(ours);
            shares.push(ours / sink);
        }
        // What else the machine does makes a round slower, never faster.
        let share = shares.iter().copied().fold(0.0, f64::max);
        Ok(Rounds { rates, share })
    }
}

/// Messages a second of good guests, by `smtp-source`.
fn rate(stage: &Stage) -> Result<f64> {
    rate_of(stage, SocketAddr::new(STANDBY.parse()?, 25))
}

fn rate_of(stage: &Stage, server: SocketAddr) -> Result<f64> {
    let source = Source {
        messages: MESSAGES,
        sessions: 20,
        length: 4096,
        ..Source::new(server, "storm@sender.test", RECIPIENT)
    };
    let begun = Instant::now();
    let finished = spawn_smtp_source(&stage.sender_host, &source)?.finish(SOON)?;
    let took: Duration = begun.elapsed();
    ensure!(
        finished.status.success(),
        "smtp-source: {}",
        finished.stderr
    );
    Ok(MESSAGES as f64 / took.as_secs_f64())
}

/// This process and what it starts may have as many open files as the crowd needs. (The unit in
/// `dist` gives the standby 65,536.)
fn more_files() -> Result<()> {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        most >= FILES,
        "{SLOW} guests need {FILES} open files and {most} are allowed: `ulimit -Hn {FILES}` as root"
    );
    if now < FILES {
        setrlimit(Resource::RLIMIT_NOFILE, FILES, most).context("open files")?;
    }
    Ok(())
}
