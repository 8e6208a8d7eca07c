//! `e2e list` and `e2e run [NAME..]`: the scenarios with real programs. Started by
//! `cargo xtask test` inside namespaces of its own.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a person watches the scenarios run"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use testbed::day::{SCENARIOS, Scenario};
use testbed::lab::ground;
use testbed::report::Report;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((verb, [])) if verb == "list" => {
            for (name, shows, _) in SCENARIOS {
                println!("{name:12} {shows}");
            }
            Ok(true)
        }
        Some((verb, names)) if verb == "run" => run(names),
        _ => Err(anyhow!("usage: e2e list | e2e run [NAME..]")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("e2e: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs these scenarios (all when none is named); true when all passed.
fn run(names: &[String]) -> Result<bool> {
    if let Some(unknown) = names
        .iter()
        .find(|name| SCENARIOS.iter().all(|(known, ..)| known != name))
    {
        bail!("no scenario is called {unknown}; `e2e list` names them");
    }
    ground::prepare()?;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    let (mut passed, mut failed) = (0, 0);
    for (name, shows, scenario) in SCENARIOS.iter().filter(|(name, ..)| wanted(name)) {
        println!("{name}: {shows}");
        let mut report = Report::new(&ground::output_dir()?, name)?;
        let outcome = guarded(*scenario, &mut report);
        let minutes = report.elapsed().as_secs_f32() / 60.0;
        match outcome {
            Ok(()) => {
                passed += 1;
                println!("{name}: passed, {minutes:.2} min");
            }
            Err(error) => {
                failed += 1;
                println!("{name}: FAILED, {minutes:.2} min: {error:#}");
                println!(
                    "    what its programs wrote is in {}",
                    report.dir().display()
                );
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// A scenario that panics has failed; the others still run.
fn guarded(scenario: Scenario, report: &mut Report) -> Result<()> {
    catch_unwind(AssertUnwindSafe(|| scenario(report))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("panicked: {}", words.unwrap_or("no words")))
    })
}
