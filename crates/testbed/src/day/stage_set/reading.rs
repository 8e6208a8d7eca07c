//! The whole website as a visitor reads it: once from the primary, and again from the copy.

use anyhow::{Result, ensure};

use super::{HOST, STANDBY, WEB, World};
use crate::generated_site::Known;
use crate::report::Report;
use crate::visitor::{Page, Visitor};

/// Every address of the site, as the primary answered it.
pub(in crate::day) struct Reading {
    pages: Vec<Page>,
}

impl Reading {
    /// Reads everything from the primary.
    pub(in crate::day) fn of_primary(
        report: &mut Report,
        world: &World,
        visitor: &Visitor,
    ) -> Result<Self> {
        let pages = visitor.get_all(&urls(world), &report.dir().join("read-before"))?;
        for (page, expected) in pages.iter().zip(&world.site.urls) {
            ensure!(
                page.status == expected.status && page.from == WEB,
                "{} at the primary: {} from {}, not {}",
                page.url,
                page.status,
                page.from,
                expected.status
            );
        }
        Ok(Self { pages })
    }

    /// Reads everything again from the copy: the same body, status and kind under each address
    /// that robots may copy, and an honest refusal under the others.
    pub(in crate::day) fn is_copied(
        &self,
        report: &mut Report,
        world: &World,
        visitor: &Visitor,
    ) -> Result<()> {
        let again = visitor.get_all(&urls(world), &report.dir().join("read-from-copy"))?;
        let mut wrong = Vec::new();
        let mut refused = 0;
        for ((before, after), expected) in self.pages.iter().zip(&again).zip(&world.site.urls) {
            if expected.known == Known::Disallowed {
                refused += 1;
                if after.status != 503 || after.from != STANDBY {
                    wrong.push(format!("{}: {} instead of 503", after.url, after.status));
                }
                continue;
            }
            if let Some(difference) = difference(before, after)? {
                wrong.push(difference);
            }
        }
        ensure!(
            wrong.is_empty(),
            "{} of {} addresses differ in the copy:\n      {}",
            wrong.len(),
            again.len(),
            wrong
                .get(..wrong.len().min(12))
                .unwrap_or_default()
                .join("\n      ")
        );
        report.note(format_args!(
            "{} addresses from the copy: body, status, kind and target as the primary gave them; \
             {refused} that robots must not copy: 503",
            again.len() - refused
        ));
        Ok(())
    }
}

fn urls(world: &World) -> Vec<String> {
    let url = |target: &String| format!("https://{HOST}{target}");
    world
        .site
        .urls
        .iter()
        .map(|expected| url(&expected.target))
        .collect()
}

fn difference(before: &Page, after: &Page) -> Result<Option<String>> {
    let url = &after.url;
    if after.from != STANDBY {
        return Ok(Some(format!(
            "{url}: from {:?}, not from the standby",
            after.from
        )));
    }
    if after.status != before.status {
        return Ok(Some(format!(
            "{url}: {} instead of {}",
            after.status, before.status
        )));
    }
    if after.leads_to != before.leads_to {
        let (now, then) = (&after.leads_to, &before.leads_to);
        return Ok(Some(format!("{url}: leads to {now}, not to {then}")));
    }
    if after.kind != before.kind {
        return Ok(Some(format!(
            "{url}: {:?} instead of {:?}",
            after.kind, before.kind
        )));
    }
    let (now, then) = (after.body()?, before.body()?);
    Ok((now != then).then(|| {
        format!(
            "{url}: {} bytes that are not the {} of the primary",
            now.len(),
            then.len()
        )
    }))
}
