//! Mail beside Postfix and Exim: accepting while the primary refuses connections, and handing back
//! (beside Postfix, which has a command for it).
//!
//! Each accepts on a host of its own, syncs before it answers 250, and has the same primary: a
//! port of the same host on which nothing listens until `smtp-sink` does. Taken in turns, round by
//! round; between two measurements each server is left to become quiet, so that what one still
//! does with its queue is booked to its own messages and not to the other.

mod load;
mod server;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Beside, Plan, median};
use crate::lab::Lab;
use crate::report::Report;
use crate::standby::Memory;
use server::Server;

/// Messages of one measurement of accepting.
const MESSAGES: u64 = 2000;
/// Messages of one measurement of handing back.
const BACK: u64 = 5000;
/// Connections at once.
const SESSIONS: u64 = 20;
/// Messages held for the figures of memory and restart.
const HELD: u64 = 100_000;

/// Measures and returns the tables.
pub fn run(report: &mut Report, plan: Plan) -> Result<String> {
    if plan.beside == Beside::Itself {
        bail!("mail is not measured beside itself");
    }
    let lab = Lab::new(report.dir())?;
    let mut servers = [
        Server::postfix(&lab.host("theirs", &["198.51.100.25"])?)?,
        Server::ours(&lab.host("mine", &["192.0.2.7"])?)?,
    ];
    let mut exim = Server::exim(&lab.host("exim", &["198.51.100.26"])?)?;
    report.note("all accept mail");
    let mut table = Table::new(plan.rounds);

    for (name, kept, goal) in [
        ("new connections", false, ">= 4"),
        ("kept connections", true, ">= 8"),
    ] {
        let mut beside = Vec::new();
        let pairs = alternate(plan.rounds, &mut servers, |server| {
            if server.label == "ours" {
                beside.push(accept(&mut exim, kept).context("Exim")?);
            }
            accept(server, kept).with_context(|| format!("{name} on {}", server.label))
        })?;
        let (rates, micros): (Vec<_>, Vec<_>) = pairs.into_iter().map(split).unzip();
        let [exim_rate, exim_micros] =
            [0, 1].map(|which| median(beside.iter().map(|one| one[which]).collect()));
        let took = servers[1].ceiling(SESSIONS, MESSAGES, kept)?;
        let most = MESSAGES as f64 / took.as_secs_f64();
        let what = format!("{name}: messages/s (smtp-sink: {most:.0})");
        table.row_of_three(report, &what, &rates, Some(exim_rate), goal)?;
        let what = format!("{name}: CPU µs a message");
        table.row_of_three(report, &what, &micros, Some(exim_micros), "")?;
    }
    for (name, sessions, messages, kept, goal) in [
        ("1 session", 1, 200, false, "ours <= 1"),
        ("20 sessions", SESSIONS, MESSAGES, false, "ours <= 0.15"),
        (
            "20 sessions, kept",
            SESSIONS,
            MESSAGES,
            true,
            "ours <= 0.15",
        ),
    ] {
        let pair = alternate(1, &mut servers, |server| {
            server.syncs(sessions, messages, kept)
        })?;
        let beside = exim.syncs(sessions, messages, kept)?;
        let what = format!("syncs a message, {name}");
        table.row_of_three(report, &what, &pair, Some(beside), goal)?;
    }
    exim.end()?;
    hand_back(report, plan, &mut servers, &mut table)?;
    let [theirs, ours] = servers;
    theirs.end()?;
    let alone = alone(report, ours)?;
    Ok(format!("{}\n{alone}", table.text))
}

/// Messages a second, and CPU µs a message of all the server's processes.
fn accept(server: &mut Server, kept: bool) -> Result<[f64; 2]> {
    let before = server.quiet()?;
    let took = server.fill(SESSIONS, MESSAGES, kept)?;
    let spent = server.quiet()?.saturating_sub(before);
    let messages = MESSAGES as f64;
    Ok([
        messages / took.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / messages,
    ])
}

/// What was accepted so far goes back first: it is of one sender, whose order is kept.
fn hand_back(
    report: &mut Report,
    plan: Plan,
    servers: &mut [Server; 2],
    table: &mut Table,
) -> Result<()> {
    let once = alternate(1, servers, Server::hand_back)?;
    let rates = once.into_iter().map(|[theirs, mine]| {
        report.note(format_args!("one sender: {theirs:?}, {mine:?}"));
        [theirs.rate, mine.rate]
    });
    let rates: Vec<_> = rates.collect();
    table.row(
        report,
        "handing back, one sender, one round: messages/s",
        &rates,
        "",
    )?;
    let pairs = alternate(plan.rounds, servers, |server| {
        server.fill_of_many(SESSIONS, BACK)?;
        server.quiet()?;
        server.hand_back()
    })?;
    let of = |get: fn(&load::Back) -> f64| -> Vec<[f64; 2]> {
        pairs
            .iter()
            .map(|pair| [get(&pair[0]), get(&pair[1])])
            .collect()
    };
    let rates = of(|back| back.rate);
    table.row(
        report,
        "handing back, 20 senders: messages/s",
        &rates,
        ">= 3",
    )?;
    let micros = of(|back| back.micros);
    table.row(
        report,
        "handing back, 20 senders: CPU µs a message",
        &micros,
        "",
    )?;
    let first = of(|back| back.first.as_secs_f64() * 1e3);
    table.row(
        report,
        "from the command to the first message: ms",
        &first,
        "",
    )
}

/// What no peer stands beside: much that is held.
fn alone(report: &mut Report, mut ours: Server) -> Result<String> {
    ours.stop()?;
    ours.start()?;
    ours.act()?;
    // What opens the seal takes 64 MB for a moment after the start.
    ours.quiet()?;
    let empty = ours.memory()?;
    let took = ours.fill_of_many(SESSIONS, HELD)?;
    let accepted = HELD as f64 / took.as_secs_f64();
    report.note(format_args!("{HELD} accepted, {accepted:.0} a second"));
    ours.quiet()?;
    ours.require_held(HELD)?;
    let full = ours.memory()?;
    let mut restarts = Vec::new();
    for _ in 0..3 {
        restarts.push(ours.restart()?);
        report.note(format_args!("restart: {:?}", restarts.last()));
    }
    ours.require_held(HELD + 3)?;
    ours.quiet()?;
    let again = ours.memory()?;
    let back = ours.hand_back()?;
    report.note(format_args!("{back:?}"));
    let after = ours.memory()?;
    let slowest = restarts.iter().max().copied().unwrap_or_default();
    let middle = median(restarts.iter().map(Duration::as_secs_f64).collect());
    let mut text = String::from("| ours alone | figure | goal |\n|---|---|---|\n");
    let mut row = |what: &str, figure: String, goal: &str| -> Result<()> {
        Ok(writeln!(text, "| {what} | {figure} | {goal} |")?)
    };
    let memory = |memory: Memory| memory.to_string();
    row("memory, nothing held", memory(empty), "")?;
    row(
        "accepted until 100,000 were held",
        format!("{accepted:.0} messages/s"),
        "",
    )?;
    row("memory, 100,000 held", memory(full), "<= 64 MB")?;
    row(
        "memory, 100,000 held, after a restart",
        memory(again),
        "<= 64 MB",
    )?;
    row(
        "from the start to the first 250, 100,000 held",
        format!("{middle:.2} s, slowest of 3 {:.2} s", slowest.as_secs_f64()),
        "<= 1 s",
    )?;
    row(
        "handing back 100,000",
        format!("{:.0} messages/s", back.rate),
        "",
    )?;
    row("memory, all handed back", memory(after), "")?;
    Ok(text)
}

/// The same on both, in turns; who comes first changes.
fn alternate<T>(
    rounds: u32,
    [peer, ours]: &mut [Server; 2],
    mut measure: impl FnMut(&mut Server) -> Result<T>,
) -> Result<Vec<[T; 2]>> {
    let mut pairs = Vec::new();
    for round in 0..rounds {
        pairs.push(if round % 2 == 0 {
            let theirs = measure(peer)?;
            [theirs, measure(ours)?]
        } else {
            let mine = measure(ours)?;
            [measure(peer)?, mine]
        });
    }
    Ok(pairs)
}

fn split(pair: [[f64; 2]; 2]) -> ([f64; 2], [f64; 2]) {
    let [[rate, micros], [our_rate, our_micros]] = pair;
    ([rate, our_rate], [micros, our_micros])
}

struct Table {
    text: String,
}

impl Table {
    fn new(rounds: u32) -> Self {
        Self {
            text: format!(
                "Medians of {rounds} rounds.\n\n| what | Postfix | Exim | ours | ours / Postfix | spread | ours / Exim | goal |\n\
                 |---|---|---|---|---|---|---|---|\n"
            ),
        }
    }

    fn row(
        &mut self,
        report: &mut Report,
        what: &str,
        pairs: &[[f64; 2]],
        goal: &str,
    ) -> Result<()> {
        self.row_of_three(report, what, pairs, None, goal)
    }

    fn row_of_three(
        &mut self,
        report: &mut Report,
        what: &str,
        pairs: &[[f64; 2]],
        exim: Option<f64>,
        goal: &str,
    ) -> Result<()> {
        let ratios = pairs.iter().map(|[theirs, mine]| mine / theirs);
        let (least, most) = ratios.fold((f64::MAX, 0.0_f64), |(least, most), ratio| {
            (least.min(ratio), most.max(ratio))
        });
        let theirs = median(pairs.iter().map(|[theirs, _]| *theirs).collect());
        let mine = median(pairs.iter().map(|[_, mine]| *mine).collect());
        let digits = if mine < 10.0 { 2 } else { 0 };
        let ratio = mine / theirs;
        let shown = |figure: Option<f64>, digits: usize| {
            figure.map_or("–".to_owned(), |figure| format!("{figure:.digits$}"))
        };
        let (third, to_third) = (shown(exim, digits), shown(exim.map(|exim| mine / exim), 2));
        report.note(format_args!(
            "{what}: {theirs:.digits$}, Exim {third}, ours {mine:.digits$}, ratio {ratio:.2} {goal}"
        ));
        writeln!(
            self.text,
            "| {what} | {theirs:.digits$} | {third} | {mine:.digits$} | {ratio:.2} | {least:.2}–{most:.2} | {to_third} | {goal} |"
        )?;
        Ok(())
    }
}
