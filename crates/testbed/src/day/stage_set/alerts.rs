//! Whom the alert command told what.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::until_asked;
use crate::standby::Standby;

/// Messages that come together are one: the first one waits a little for the next.
const SOON: Duration = crate::lab::CEILING;

/// The alert command: appends what it is told to a file, in one piece.
pub(super) const SCRIPT: &str = r#"#!/bin/sh
text=$(cat)
printf '=== %s: %s\n%s\n\n' "$SERVERGATE_ALERT" "$SERVERGATE_SERVICES" "$text" >> "${0%/*}/alerts"
"#;

/// One call of the alert command.
#[derive(Clone, Debug)]
pub(in crate::day) struct Alert {
    /// `dark`, `recovered`, `question`, `blind`.
    pub(in crate::day) kind: String,
    /// Of which services: `web, names`.
    pub(in crate::day) services: String,
    /// What was on its standard input.
    pub(in crate::day) text: String,
}

/// All calls so far, in order.
pub(in crate::day) fn alerts(standby: &Standby) -> Result<Vec<Alert>> {
    let path = standby.host().dir().join("alerts");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.with_context(|| format!("read {}", path.display()))?,
    };
    let alert = |call: &str| {
        let (first, text) = call.split_once('\n').unwrap_or((call, ""));
        let (kind, services) = first
            .split_once(": ")
            .unwrap_or((first.trim_end_matches(':'), ""));
        Alert {
            kind: kind.to_owned(),
            services: services.to_owned(),
            text: text.trim().to_owned(),
        }
    };
    Ok(text.split("=== ").skip(1).map(alert).collect())
}

/// Waits for as many calls as there are `kinds`; they must be just these, in this order.
pub(in crate::day) fn told(standby: &Standby, kinds: &[&str]) -> Result<Vec<Alert>> {
    let all = until_asked("the alert command to be called", SOON, || {
        let all = alerts(standby)?;
        Ok((all.len() >= kinds.len()).then_some(all))
    })?;
    let found: Vec<&str> = all.iter().map(|alert| alert.kind.as_str()).collect();
    ensure!(found == kinds, "the alert command was called so: {all:#?}");
    Ok(all)
}
