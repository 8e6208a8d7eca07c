//! `bench site|names|mail ROUNDS SECONDS ours|itself`: started by `cargo xtask bench` inside
//! namespaces of its own. Prints a table for `docs/benchmarks.md` and writes nothing.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a person reads the table"
)]

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use testbed::bench::{Beside, Plan, mail, names, site};
use testbed::lab::ground;
use testbed::report::Report;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [subject, rounds, seconds, beside] = words.as_slice() else {
        bail!("usage: bench site|names|mail ROUNDS SECONDS ours|itself");
    };
    let beside = match *beside {
        "ours" => Beside::Ours,
        "itself" => Beside::Itself,
        other => bail!("beside {other}? `ours` or `itself`"),
    };
    let rounds = rounds.parse().context("the number of rounds")?;
    let plan = Plan {
        beside,
        rounds,
        seconds: seconds.parse().context("the seconds")?,
    };
    let measure = match *subject {
        "site" => site,
        "names" => names,
        "mail" => mail,
        other => bail!("no benchmark is called {other}; `site`, `names` and `mail` are"),
    };
    ground::prepare()?;
    let mut report = Report::new(&ground::output_dir()?, subject)?;
    let table = measure(&mut report, plan)?;
    if *subject == "mail" {
        println!("\n{table}");
        return Ok(());
    }
    println!(
        "\nCPU µs per answer, median of {rounds} rounds of {} s, one worker each:\n\n{table}",
        plan.seconds
    );
    Ok(())
}
