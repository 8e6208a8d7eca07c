//! CPU time per unit of work, ours beside a peer's in the same run: the `bench` binary, which
//! `cargo xtask bench` starts in namespaces of its own.
//!
//! Each server has a host of its own; the load generator runs on the same host and reaches the
//! server over loopback. Peer and ours take turns, round by round, so that a slow minute of the
//! machine hits both; what is compared is the median of the rounds. CPU time is what the kernel
//! booked to the server's processes with all their threads (`/proc/PID/stat`), never wall time,
//! so the load generator beside it does not count.

mod config;
mod load;
mod mail;
mod names;
mod site;

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::Host;
use crate::report::Report;

pub use mail::run as mail;
pub use names::run as names;
pub use site::run as site;

/// The kernel books CPU time to processes in hundredths of a second (`USER_HZ` of every Linux
/// architecture this runs on).
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What stands beside the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The program itself.
    Ours,
    /// The peer a second time: the ratio has to be 1, and how far it is off is the method's noise.
    Itself,
}

/// How a benchmark is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What is measured against the peer.
    pub beside: Beside,
    /// How often each case is measured.
    pub rounds: u32,
    /// How long each measurement takes.
    pub seconds: u32,
}

/// A server under load.
struct Server {
    label: &'static str,
    host: Host,
    /// Its processes, as they were before any load generator ran beside them.
    ids: Vec<i32>,
}

impl Server {
    fn new(label: &'static str, host: &Host) -> Result<Self> {
        let ids = host.process_ids()?;
        ensure!(!ids.is_empty(), "{label} does not run");
        Ok(Self {
            label,
            host: host.clone(),
            ids,
        })
    }

    /// CPU time of all its processes and their threads so far.
    fn cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for id in &self.ids {
            let text = fs::read_to_string(format!("/proc/{id}/stat"))
                .with_context(|| format!("{} has ended", self.label))?;
            ticks += ticks_of(&text, 2).with_context(|| format!("/proc/{id}/stat is {text:?}"))?;
        }
        Ok(TICK * ticks)
    }
}

/// The first `count` of `utime`, `stime`, `cutime` and `cstime`, fields 14 to 17 (proc(5)); the last
/// two are of children that have ended. The name in field 2 may hold anything.
pub(crate) fn ticks_of(stat: &str, count: usize) -> Option<u32> {
    let (_, after) = stat.rsplit_once(')')?;
    let fields = after.split_whitespace().skip(11).take(count);
    fields.map(|field| field.parse::<u32>().ok()).sum()
}

/// Loads a server for some seconds and returns the units of work done.
type Load = dyn Fn(&Server, u32) -> Result<u64>;

/// One kind of load.
struct Case {
    name: &'static str,
    load: Box<Load>,
}

/// Measures all cases and returns a table that can be pasted into `docs/benchmarks.md`.
fn compare(
    report: &mut Report,
    plan: Plan,
    cases: &[Case],
    servers: [&Server; 2],
) -> Result<String> {
    let [peer, ours] = servers;
    let mut table = format!(
        "| case | {} µs | {} µs | ratio | spread |\n|---|---|---|---|---|\n",
        peer.label, ours.label
    );
    for case in cases {
        let (mut theirs, mut mine) = (Vec::new(), Vec::new());
        for round in 0..plan.rounds {
            // Who comes first changes too: a processor is warmer for the second.
            let measure = |server| micros(case, server, plan.seconds);
            if round % 2 == 0 {
                theirs.push(measure(peer)?);
                mine.push(measure(ours)?);
            } else {
                mine.push(measure(ours)?);
                theirs.push(measure(peer)?);
            }
        }
        let ratios: Vec<f64> = theirs
            .iter()
            .zip(&mine)
            .map(|(theirs, mine)| mine / theirs)
            .collect();
        let (least, most) = ratios
            .iter()
            .fold((f64::MAX, 0.0_f64), |(least, most), ratio| {
                (least.min(*ratio), most.max(*ratio))
            });
        let (theirs, mine) = (median(theirs), median(mine));
        let ratio = mine / theirs;
        let name = case.name;
        report.note(format_args!(
            "{name}: {theirs:.2} and {mine:.2} µs, ratio {ratio:.2}"
        ));
        writeln!(
            table,
            "| {name} | {theirs:.2} | {mine:.2} | {ratio:.2} | {least:.2}–{most:.2} |"
        )?;
    }
    Ok(table)
}

/// CPU microseconds per unit of work.
fn micros(case: &Case, server: &Server, seconds: u32) -> Result<f64> {
    let before = server.cpu()?;
    let work = (case.load)(server, seconds)
        .with_context(|| format!("{} on {}", case.name, server.label))?;
    let spent = server.cpu()?.saturating_sub(before);
    ensure!(
        spent >= TICK * 20,
        "{}: {} spent {spent:?} only; measure longer",
        case.name,
        server.label
    );
    ensure!(work > 0, "{}: {} did nothing", case.name, server.label);
    Ok(spent.as_secs_f64() * 1e6 / work as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (upper, lower) = (values.len() / 2, values.len().saturating_sub(1) / 2);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(lower), at(upper))
}

#[cfg(test)]
mod tests {
    use super::{median, ticks_of};

    #[test]
    fn ticks_are_read_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 6 1 20 0 1 0 5 6";
        assert_eq!(ticks_of(stat, 2), Some(175));
        assert_eq!(ticks_of(stat, 4), Some(182));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![9.0, 1.0, 2.0, 4.0]) - 3.0).abs() < f64::EPSILON);
    }
}
