//! `cargo xtask soak NAME --rounds N`: what a change has to pass in a few rounds, for as many as a
//! night has.

use anyhow::Result;
use clap::ValueEnum;

use crate::command::run as run_command;
use crate::e2e;
use crate::place::Place;

/// Read by the scenarios and tests that have rounds.
const ROUNDS: &str = "SERVERGATE_CRASH_ROUNDS";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Subject {
    /// The standby is killed while it keeps mail and hands it back
    MailKill,
    /// The power of the standby's file system is cut while it keeps mail
    MailPower,
    /// Mail is handed back to a primary with bad manners; a round is twenty messages
    MailManners,
    /// The mail's spool is killed while it gives receipts
    Spool,
    /// The store is killed while it gives receipts
    Store,
}

pub(crate) fn run(place: &Place, subject: Subject, rounds: u32) -> Result<()> {
    let rounds = rounds.to_string();
    match subject {
        Subject::MailKill => e2e::run_with(place, &["mail-kill"], &[(ROUNDS, &rounds)]),
        Subject::MailPower => e2e::run_with(place, &["mail-power"], &[(ROUNDS, &rounds)]),
        Subject::MailManners => e2e::run_with(place, &["mail-manners"], &[(ROUNDS, &rounds)]),
        Subject::Spool => test(place, "servergate-mail", &rounds),
        Subject::Store => test(place, "servergate-store", &rounds),
    }
}

/// The crash tests of a crate.
fn test(place: &Place, package: &str, rounds: &str) -> Result<()> {
    let words = [
        "test",
        "--locked",
        "--package",
        package,
        "--test",
        "main",
        "--",
        "crash::",
    ];
    run_command(place.cargo(&words).env(ROUNDS, rounds))
}
