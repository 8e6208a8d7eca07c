//! The stages of `cargo xtask test`, in the order in which they find faults cheapest first.
//! A stage is never skipped: what cannot run here stops with the command that makes it run.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::command::{output, run as run_command};
use crate::place::Place;
use crate::{e2e, tidy};

/// The longest the drill may take.
const DRILL_SECONDS: &str = "600";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Formatting
    Fmt,
    /// Lints; a warning is an error
    Clippy,
    /// House rules
    Tidy,
    /// Unit, transcript, property and crash tests; the fuzz corpora replayed
    Test,
    /// Documentation builds without warnings
    Doc,
    /// The release build
    Release,
    /// The whole day rehearsed on loopback by the release build
    Drill,
    /// Scenarios with real programs in network namespaces
    E2e,
}

/// Runs these stages, or all when none is named.
pub(crate) fn run(place: &Place, only: &[Stage]) -> Result<()> {
    let mut minutes = String::new();
    let stages = Stage::value_variants().iter().copied();
    for stage in stages.filter(|stage| only.is_empty() || only.contains(stage)) {
        let name = stage
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default();
        println!("== {name}");
        let begun = Instant::now();
        one(place, stage).with_context(|| {
            format!("stage {name} (again alone: cargo xtask test --only {name})")
        })?;
        let took = begun.elapsed().as_secs_f32() / 60.0;
        println!("== {name}: {took:.2} min");
        writeln!(minutes, "  {name:8} {took:6.2} min")?;
    }
    println!("passed:\n{minutes}");
    Ok(())
}

fn one(place: &Place, stage: Stage) -> Result<()> {
    match stage {
        Stage::Fmt => run_command(&mut place.cargo(&["fmt", "--all", "--check"])),
        Stage::Clippy => {
            let words = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ];
            run_command(&mut place.cargo(&words))
        }
        Stage::Tidy => tidy::run(place),
        Stage::Test => {
            run_command(&mut place.cargo(&["test", "--workspace", "--locked", "--quiet"]))
        }
        Stage::Doc => {
            let mut doc = place.cargo(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
            run_command(doc.env("RUSTDOCFLAGS", "-D warnings"))
        }
        Stage::Release => release(place),
        Stage::Drill => drill(place),
        Stage::E2e => e2e::run(place, &[]),
    }
}

pub(crate) fn release(place: &Place) -> Result<()> {
    let words = [
        "build",
        "--release",
        "--package",
        "servergate",
        "--locked",
        "--quiet",
    ];
    run_command(&mut place.cargo(&words))
}

/// The drill as a script would run it: no terminal, output into a pipe.
fn drill(place: &Place) -> Result<()> {
    release(place)?;
    let binary = place.built("release", "servergate");
    let said = output(
        Command::new("timeout")
            .arg(DRILL_SECONDS)
            .arg(binary)
            .arg("drill"),
    )?;
    if said.trim().is_empty() {
        bail!("the drill ended well and said nothing: it has to say what it measured");
    }
    println!("{}", said.trim_end());
    Ok(())
}
