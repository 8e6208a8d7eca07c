//! `cargo xtask bench site|names|mail`: builds what is measured and starts the `bench` binary of the
//! testbed in namespaces of its own, where it finds the peers.

use std::process::Stdio;

use anyhow::Result;
use clap::ValueEnum;

use crate::command::run as run_command;
use crate::place::Place;
use crate::{namespace, peers, stage};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Subject {
    /// Pages over HTTP and HTTPS, beside nginx
    Site,
    /// Answers over UDP, beside Knot
    Names,
    /// Mail accepted, held and handed back, beside Postfix (seconds do not matter)
    Mail,
}

pub(crate) fn run(
    place: &Place,
    subject: Subject,
    [rounds, seconds]: [u32; 2],
    calibrate: bool,
) -> Result<()> {
    if !calibrate {
        stage::release(place)?;
    }
    let words = [
        "build",
        "--release",
        "--package",
        "servergate-testbed",
        "--bin",
        "bench",
        "--locked",
    ];
    run_command(&mut place.cargo(&words))?;
    let peers = peers::fetch(place)?;
    let mut launch = namespace::command(&place.built("release", "bench"))?;
    let name = subject
        .to_possible_value()
        .map(|value| value.get_name().to_owned());
    launch
        .args(name)
        .args([rounds.to_string(), seconds.to_string()])
        .arg(if calibrate { "itself" } else { "ours" })
        .env("SERVERGATE_BIN", place.built("release", "servergate"))
        .env("SERVERGATE_PEERS", peers)
        .env("SERVERGATE_LAB_DIR", place.target.join("bench"))
        .stdin(Stdio::null());
    run_command(&mut launch)
}
