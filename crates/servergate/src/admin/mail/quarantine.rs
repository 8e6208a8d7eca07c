//! The quarantine, decided about by filter and all at once.

use ::mail::spool::Fate;
use ::mail::{Filter, MailHandle};
use anyhow::Result;
use serde_json::{Value, json};

/// Lets all that `filter` means be tried again, or gives it up; a person says yes first.
pub(super) async fn decide(
    mail: &MailHandle,
    filter: Filter,
    drop: bool,
    yes: bool,
) -> Result<Value> {
    let (reading, all) = (mail.clone(), filter.clone());
    let found = move || reading.quarantined(&all, 0, usize::MAX);
    let (found, _) = tokio::task::spawn_blocking(found).await??;
    let of = if filter.is_all() {
        "all"
    } else {
        "of those in quarantine"
    };
    let count = found.len();
    if count == 0 {
        return Ok(
            json!({ "said": "No message in quarantine is meant; nothing was changed.", "messages": 0 }),
        );
    }
    let what = if drop { "given up" } else { "tried again" };
    if !yes {
        return Ok(json!({
            "asks": format!("{count} messages ({of}) would be {what}."),
            "messages": count,
        }));
    }
    let fate = if drop { Fate::Dropped } else { Fate::Waiting };
    let (mut done, mut problems) = (0_usize, Vec::new());
    for message in &found {
        match mail.decide(message.number, fate).await {
            Ok(()) => done += 1,
            Err(error) => problems.push(error.to_string()),
        }
    }
    let kept = match drop {
        true => "; their accounts stay",
        false => "",
    };
    Ok(json!({
        "said": format!("{done} messages are {what}{kept}."),
        "messages": done, "problems": problems,
    }))
}
