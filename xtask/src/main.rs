//! House rules and tasks: `cargo xtask test` is what a change has to pass, the other commands
//! are its stages and what is done now and then (fuzzing, a release, a benchmark).
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a person or a build log reads this"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the minutes of a stage are the real clock's"
)]

mod bench;
mod command;
mod dist;
mod e2e;
mod fuzz;
mod namespace;
mod peers;
mod place;
mod soak;
mod stage;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use place::Place;

#[derive(Parser)]
#[command(
    about = "House rules and tasks of Servergate",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything a change has to pass, stage by stage
    Test {
        /// Run this stage only (may be given several times)
        #[arg(long, value_name = "STAGE")]
        only: Vec<stage::Stage>,
    },
    /// Scenarios with real programs in network namespaces (all, or those named)
    E2e {
        /// Names of scenarios; `list` prints them
        names: Vec<String>,
    },
    /// House rules over manifests and sources
    Tidy,
    /// Fetch and unpack the programs that scenarios and benchmarks run
    Peers,
    /// Look for bytes that break a parser, for a number of seconds
    Fuzz {
        /// The target, for instance `dns_wire`
        target: String,
        /// How long to look, in seconds
        seconds: u32,
    },
    /// Kills, power cuts and bad manners, as many rounds as there is time for
    Soak {
        /// What dies, or is met
        what: soak::Subject,
        /// How often
        #[arg(long, default_value_t = 200)]
        rounds: u32,
    },
    /// A static binary with its checksum and unit file in `target/dist`
    Dist {
        /// Link statically against the GNU C library instead of musl
        #[arg(long)]
        gnu: bool,
    },
    /// CPU time per unit of work, ours beside a peer's
    Bench {
        /// `site` (beside nginx), `names` (beside Knot) or `mail` (beside Postfix)
        what: bench::Subject,
        /// Rounds; each measures the peer and ours in turn
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Seconds of each measurement
        #[arg(long, default_value_t = 5)]
        seconds: u32,
        /// Measure the peer beside itself: how far the ratio is from 1 is the method's noise
        #[arg(long)]
        calibrate: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let place = Place::find()?;
    match task {
        Task::Test { only } => stage::run(&place, only),
        Task::E2e { names } => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            e2e::run(&place, &names)
        }
        Task::Tidy => tidy::run(&place),
        Task::Peers => peers::fetch(&place).map(|_| ()),
        Task::Fuzz { target, seconds } => fuzz::run(&place, target, *seconds),
        Task::Soak { what, rounds } => soak::run(&place, *what, *rounds),
        Task::Dist { gnu } => dist::run(&place, *gnu),
        Task::Bench {
            what,
            rounds,
            seconds,
            calibrate,
        } => bench::run(&place, *what, [*rounds, *seconds], *calibrate),
    }
}
