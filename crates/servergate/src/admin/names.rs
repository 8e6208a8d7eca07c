//! What is asked about zones.

use ::names::Came;
use ::names::wire::Name;
use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};

use super::Desk;
use crate::ready::rough;

/// Has the primary of `zone`, or of every transferred zone, asked now; a row for each.
pub(super) async fn refresh(
    desk: &Desk,
    zone: Option<&str>,
    take_older: bool,
    by: &str,
) -> Result<Value> {
    let all = desk.names.transferred_zones();
    let zones = match zone {
        None => all,
        Some(text) => {
            let zone: Name = text
                .parse()
                .map_err(|_| anyhow!("`{text}` is not the name of a zone"))?;
            if !all.contains(&zone) {
                bail!("{zone} is not transferred here; {}", those(&all));
            }
            vec![zone]
        }
    };
    if zones.is_empty() {
        bail!("no zone is transferred here; `[organisation.names]` names a primary and its zones");
    }
    if take_older {
        tracing::info!(
            by,
            zone,
            "the primary's version is to be taken, whatever its serial"
        );
    }
    // All at once: one silent primary does not hold up the others.
    let running = zones.into_iter().map(|zone| {
        let names = desk.names.clone();
        desk.host.tasks.spawn("names-refresh", async move {
            let came = names.refresh(&zone, take_older).await;
            (zone, came)
        })
    });
    let running: Vec<_> = running.collect();
    let mut came = Vec::new();
    for zone in running {
        came.push(zone.await?);
    }
    let failed = |came: &Came| matches!(came, Came::Failed { .. } | Came::Ending);
    let failed = came.iter().filter(|(_, came)| failed(came)).count();
    let row = |(zone, came): &(Name, Came)| json!([zone.to_string(), words(zone, came)]);
    let rows: Vec<Value> = came.iter().map(row).collect();
    Ok(json!({ "columns": ["ZONE", "WHAT CAME OF IT"], "rows": rows, "failed": failed }))
}

fn those(zones: &[Name]) -> String {
    let zones: Vec<String> = zones.iter().map(ToString::to_string).collect();
    match zones.as_slice() {
        [] => "no zone is".to_owned(),
        zones => format!("these are: {}", zones.join(", ")),
    }
}

fn words(zone: &Name, came: &Came) -> String {
    match came {
        Came::Unchanged { serial } => format!("nothing new: the primary has serial {serial} too"),
        Came::New { from: None, to } => format!("serial {to} is served"),
        Came::New {
            from: Some(from),
            to,
        } => format!("serial {to} is served, before it was {from}"),
        Came::Behind { ours, primary } => format!(
            "the primary's serial {primary} is older than ours, {ours}: nothing was taken; \
             `servergate names refresh {zone} --take-older` takes it"
        ),
        Came::Failed { reason, next_try } => {
            format!("failed: {reason}; next try in {}", rough(*next_try))
        }
        Came::NotTransferred => "not transferred from anybody".to_owned(),
        Came::Ending => "the standby is ending".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_refresh_is_said_with_its_serials_and_its_mend() {
        let zone: Name = "verein.test".parse().unwrap();
        let behind = Came::Behind {
            ours: 7,
            primary: 3,
        };
        let said = words(&zone, &behind);
        assert!(said.contains("older than ours, 7"), "{said}");
        assert!(
            said.contains("names refresh verein.test --take-older"),
            "{said}"
        );
        let failed = Came::Failed {
            reason: "the primary refuses".to_owned(),
            next_try: std::time::Duration::from_secs(30),
        };
        assert_eq!(
            words(&zone, &failed),
            "failed: the primary refuses; next try in 30 s"
        );
        let new = Came::New {
            from: Some(7),
            to: 9,
        };
        assert_eq!(words(&zone, &new), "serial 9 is served, before it was 7");
    }
}
