//! A configuration with ten mistakes: ten messages with file, line, column and mend, exit code
//! 64, and nothing was started.

use anyhow::{Context, Result, ensure};

use super::stage_set::{STANDBY, Terms, Wish, World};
use crate::lab::Finished;
use crate::report::Report;
use crate::standby::Standby;

/// What is right, what is written instead, and a word that the message must have.
const MISTAKES: [(&str, &str, &str); 10] = [
    ("version = 1", "version = 3", "1"),
    ("mode = \"act\"", "mode = \"on\"", "act"),
    (
        "addresses = [\"192.0.2.7\"]",
        "addresses = [\"192.0.2\"]",
        "192.0.2.7",
    ),
    (
        "references = [\"203.0.113.200:53\"]",
        "references = [\"203.0.113.200\"]",
        ":53",
    ),
    (
        "http = [\"192.0.2.7:80\"]",
        "htpp = [\"192.0.2.7:80\"]",
        "http",
    ),
    (
        "command = \"tell-us\"",
        "command = \"tell-nobody\"",
        "tell-nobody",
    ),
    (
        "languages = [\"de\", \"en\"]",
        "languages = [\"de\", \"fr\"]",
        "en",
    ),
    (
        "algorithm = \"hmac-sha256\"",
        "algorithm = \"hmac-md5\"",
        "hmac-sha256",
    ),
    (
        "primary = \"https://198.51.100.80\"",
        "primary = \"https://www.verein.test\"",
        "https://198.51.100.80",
    ),
    ("refresh = \"30s\"", "refresh = \"30\"", "15m"),
];

pub(super) fn run(report: &mut Report) -> Result<()> {
    let world = World::build(report, &Wish::default())?;
    let terms = Terms::default();
    let right = world.standby(&terms)?;
    let checked = right.command(&["check"])?;
    ensure!(
        checked.status.code() == Some(0),
        "the right one: {}{}",
        checked.stdout,
        checked.stderr
    );

    let mut text = terms.text(&world);
    for (good, bad, _) in MISTAKES {
        ensure!(
            text.matches(good).count() == 1,
            "{good:?} is not there once"
        );
        text = text.replace(good, bad);
    }
    let wrong = Standby::new(&world.standby, &text)?;
    let checked = wrong.command(&["check"])?;
    ten_messages(&text, "check", &checked)?;
    for line in checked.stdout.lines() {
        let place = world.standby.dir().display().to_string();
        report.note(line.trim_start_matches(&place).trim_start_matches('/'));
    }
    let run = wrong.command(&["run"])?;
    ten_messages(&text, "run", &run)?;
    ensure!(
        !world.standby.dir().join("data").exists(),
        "`run` began to keep data"
    );
    ensure!(
        world.standby.process_ids()?.is_empty(),
        "something runs on {STANDBY}"
    );
    report.note("`check` and `run`: ten messages, each in its place with its mend, exit code 64");
    Ok(())
}

fn ten_messages(text: &str, command: &str, finished: &Finished) -> Result<()> {
    ensure!(
        finished.status.code() == Some(64),
        "`{command}` ended with {}",
        finished.status
    );
    let said = [finished.stdout.as_str(), finished.stderr.as_str()].concat();
    let errors: Vec<&str> = said
        .lines()
        .filter(|line| line.contains(": error: "))
        .collect();
    ensure!(
        errors.len() == MISTAKES.len(),
        "`{command}` found {} mistakes: {said}",
        errors.len()
    );
    for (_, bad, word) in MISTAKES {
        let at = text
            .find(bad)
            .with_context(|| format!("{bad:?} is not in the file"))?;
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let place = format!("servergate.toml:{line}:");
        let message = errors.iter().find(|error| error.contains(&place));
        let message = message.with_context(|| format!("no message at {place} {said}"))?;
        ensure!(
            message.contains(word),
            "the message names no mend with {word:?}: {message}"
        );
    }
    Ok(())
}
