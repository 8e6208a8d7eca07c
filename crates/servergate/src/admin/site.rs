//! What is asked about the copy of the website.

use std::path::Path;

use ::site::difference::Difference;
use ::site::shelf::{Entry, State};
use ::site::{CaptureOutcome, SiteHandle};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use store::Store;

use super::Desk;
use crate::config::Organisation;
use crate::protocol::SiteRequest;

/// Answers one request about the copy of `organisation`.
pub(super) async fn answer(
    desk: &Desk,
    organisation: &Organisation,
    what: SiteRequest,
) -> Result<Value> {
    let id = &organisation.id;
    let site = desk
        .sites
        .get(id)
        .with_context(|| format!("{id} has no website here; add `[organisation.web]`"))?;
    Ok(match what {
        SiteRequest::Generations => generations(site)?,
        SiteRequest::Capture => {
            let outcome = site.capture_now().await?;
            json!({ "said": came_of_it(&outcome), "outcome": outcome })
        }
        SiteRequest::Pin { number, by } => {
            site.pin(number, &by).await?;
            said(&format!(
                "Generation {number} is served until `servergate site unpin`."
            ))
        }
        SiteRequest::Accept { number } => {
            site.accept(number).await?;
            said(&format!(
                "Generation {number} is served, and renewed from there."
            ))
        }
        SiteRequest::Unpin => match site.unpin().await? {
            Some(entry) => said(&format!(
                "Generation {} is served, and renewed.",
                entry.number
            )),
            None => said("Nothing was pinned, or there is no good generation."),
        },
        SiteRequest::Rollback { by } => {
            let number = site.rollback(&by).await?.number;
            said(&format!(
                "Generation {number} is served until `servergate site unpin`."
            ))
        }
        SiteRequest::Diff { from, to } => difference(&site.diff(from, to).await?),
        SiteRequest::Withhold {
            what,
            reason,
            lift: false,
            by,
        } => {
            site.withhold(&what, &reason, &by).await?;
            said(&format!("{what} is answered with 451 from now on."))
        }
        SiteRequest::Withhold {
            what,
            lift: true,
            by,
            ..
        } => {
            site.lift(&what, &by).await?;
            said(&format!("{what} is there again."))
        }
        SiteRequest::Export { number, to } => {
            let pages = export(&desk.host.store, site, number, &to).await?;
            said(&format!("{} holds {pages} pages.", to.display()))
        }
    })
}

fn said(words: &str) -> Value {
    json!({ "said": words })
}

fn generations(site: &SiteHandle) -> Result<Value> {
    let (entries, current) = site.generations()?;
    let serving = current.as_ref().map(|current| current.number);
    let pinned = current
        .as_ref()
        .is_some_and(|current| current.pinned.is_some());
    let row = |entry: &Entry| {
        let (state, why) = match &entry.state {
            State::Rejected { reason } => ("rejected", reason.clone()),
            _ if serving == Some(entry.number) && pinned => ("current, pinned", String::new()),
            _ if serving == Some(entry.number) => ("current", String::new()),
            _ => ("kept", String::new()),
        };
        let size = entry.bytes.to_string();
        json!([
            entry.number.to_string(),
            entry.captured.to_string(),
            entry.pages.to_string(),
            size,
            state,
            why
        ])
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    let columns = ["GENERATION", "CAPTURED", "PAGES", "BYTES", "STATE", "WHY"];
    Ok(json!({ "columns": columns, "rows": rows, "generations": entries, "current": current }))
}

fn came_of_it(outcome: &CaptureOutcome) -> String {
    match outcome {
        CaptureOutcome::New { entry, served } => {
            let served = if *served {
                "is served"
            } else {
                "is kept; another one is pinned"
            };
            format!(
                "Generation {}, {} pages, {served}.",
                entry.number, entry.pages
            )
        }
        CaptureOutcome::Unchanged { entry } => {
            format!("Nothing has changed since generation {}.", entry.number)
        }
        CaptureOutcome::Rejected { entry, reason } => format!(
            "Candidate {} was not taken: {reason}. `servergate site accept {}` takes it all the same.",
            entry.number, entry.number
        ),
        CaptureOutcome::Stopped { reason } => format!("The capture ended too early: {reason}."),
        CaptureOutcome::Failed { reason } => format!("The capture failed on our side: {reason}."),
        _ => "The capture ended.".to_owned(),
    }
}

async fn export(store: &Store, site: &SiteHandle, number: Option<u64>, to: &Path) -> Result<u64> {
    let current = || Ok::<_, anyhow::Error>(site.generations()?.1.map(|current| current.number));
    let number = match number {
        Some(number) => number,
        None => current()?.context("there is no copy yet")?,
    };
    let file = super::private::file(to).and_then(|file| store.beside(file));
    let file = file.with_context(|| format!("{} cannot be written", to.display()))?;
    Ok(site.export(number, std::io::BufWriter::new(file)).await?)
}

fn difference(difference: &Difference) -> Value {
    let Difference {
        added,
        removed,
        changed,
        restated,
    } = difference;
    let line = |how: &'static str| move |page: &String| json!([how, page]);
    let rows: Vec<_> = added
        .iter()
        .map(line("added"))
        .chain(removed.iter().map(line("removed")))
        .chain(changed.iter().map(line("changed")))
        .chain(
            restated
                .iter()
                .map(|(page, old, new)| json!([format!("status {old} to {new}"), page])),
        )
        .collect();
    json!({ "columns": ["", "PAGE"], "rows": rows })
}
