//! Scenarios with real programs, in namespaces of their own.
//!
//! All of them run in two lanes at the same time, for they wait more than they compute: those of
//! mail, which measure nothing in seconds, beside the others, and after them when both want the
//! processor.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{output, run as run_command};
use crate::place::Place;
use crate::{namespace, peers, stage};

/// What the second lane says, below its directory.
const SAID: &str = "said.log";

/// Builds what the scenarios need and runs them.
pub(crate) fn run(place: &Place, names: &[&str]) -> Result<()> {
    run_with(place, names, &[])
}

/// The same, with more in their environment.
pub(crate) fn run_with(place: &Place, names: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let words = [
        "build",
        "--package",
        "servergate-testbed",
        "--bin",
        "e2e",
        "--locked",
        "--quiet",
    ];
    run_command(&mut place.cargo(&words))?;
    let binary = place.built("debug", "e2e");
    if names == ["list"] {
        return run_command(Command::new(binary).arg("list"));
    }
    stage::release(place)?;
    let peers = peers::fetch(place)?;
    let lane = |below: &str, names: &[&str]| -> Result<Command> {
        let out = place.target.join("e2e").join(below);
        fs::create_dir_all(&out)?;
        let mut launch = namespace::command(&binary)?;
        launch
            .arg("run")
            .args(names)
            .envs(environment.iter().copied())
            .env("SERVERGATE_BIN", place.built("release", "servergate"))
            .env("SERVERGATE_PEERS", &peers)
            .env("SERVERGATE_LAB_DIR", out)
            .stdin(Stdio::null());
        Ok(launch)
    };
    if !names.is_empty() {
        return run_command(&mut lane("", names)?);
    }
    let listed = output(Command::new(&binary).arg("list"))?;
    let all = listed.lines().filter_map(|line| line.split(' ').next());
    let (of_mail, others): (Vec<&str>, Vec<&str>) = all.partition(|name| is_of_mail(name));
    two_lanes(
        lane("", &others)?,
        lane("beside", &of_mail)?,
        &place.target.join("e2e/beside").join(SAID),
    )
}

fn is_of_mail(name: &str) -> bool {
    name.starts_with("mail") || ["exim", "postfix"].contains(&name)
}

fn two_lanes(mut first: Command, second: Command, said: &Path) -> Result<()> {
    println!("the scenarios of mail run beside the others; what they say follows at the end");
    let mut beside = begin_after_others(&second, said)?;
    let first = run_command(&mut first);
    let ended = beside.wait().context("the scenarios of mail")?;
    print!("{}", fs::read_to_string(said)?);
    first?;
    if !ended.success() {
        bail!("the scenarios of mail ended with {ended}");
    }
    Ok(())
}

/// Starts it so that it gives way, its words into a file.
fn begin_after_others(command: &Command, said: &Path) -> Result<Child> {
    let mut nice = Command::new("nice");
    nice.args(["-n", "10"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            nice.env(name, value);
        }
    }
    let into = File::create(said)?;
    nice.stdin(Stdio::null())
        .stdout(into.try_clone()?)
        .stderr(into)
        .spawn()
        .context("start nice (package coreutils)")
}
