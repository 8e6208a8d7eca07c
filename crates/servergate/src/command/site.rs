//! `servergate site …`: the copy of the website.

use anyhow::Result;
use serde_json::Value;

use super::{person, show};
use crate::cli::{Site, SiteOf};
use crate::config::Config;
use crate::protocol::{self, Request, SiteRequest};

/// Asks the running standby and prints what it says.
pub(crate) async fn site(config: &Config, what: Site) -> Result<()> {
    let (request, of) = request(what)?;
    let SiteOf {
        organisation,
        common,
    } = of;
    let request = Request::Site {
        organisation,
        what: request,
    };
    let reply = protocol::ask(&config.listen.admin, &request).await?;
    if common.json {
        println!("{reply}");
    } else {
        print(&reply);
    }
    Ok(())
}

fn request(what: Site) -> Result<(SiteRequest, SiteOf)> {
    Ok(match what {
        Site::Generations(of) => (SiteRequest::Generations, of),
        Site::Capture(of) => (SiteRequest::Capture, of),
        Site::Pin {
            number,
            of,
            person: who,
        } => (
            SiteRequest::Pin {
                number,
                by: person(who.by),
            },
            of,
        ),
        Site::Accept { number, of } => (SiteRequest::Accept { number }, of),
        Site::Unpin(of) => (SiteRequest::Unpin, of),
        Site::Rollback { of, person: who } => (SiteRequest::Rollback { by: person(who.by) }, of),
        Site::Diff { from, to, of } => (SiteRequest::Diff { from, to }, of),
        Site::Withhold {
            what,
            reason,
            lift,
            of,
            person: who,
        } => (
            SiteRequest::Withhold {
                what,
                reason,
                lift,
                by: person(who.by),
            },
            of,
        ),
        Site::Export { to, number, of } => {
            // The standby writes the file; a relative path is meant from here.
            let to = std::path::absolute(to)?;
            (SiteRequest::Export { number, to }, of)
        }
    })
}

/// Rows where there are rows, otherwise the sentence that was answered.
pub(super) fn print(reply: &Value) {
    if let Some(said) = reply["said"].as_str() {
        println!("{said}");
    }
    let Some(rows) = reply["rows"].as_array() else {
        return;
    };
    let Some(columns) = reply["columns"].as_array() else {
        return;
    };
    let cell = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let columns: Vec<String> = columns.iter().map(cell).collect();
    let headings: Vec<&str> = columns.iter().map(String::as_str).collect();
    let row = |row: &Value| {
        row.as_array()
            .map(|row| row.iter().map(cell).collect())
            .unwrap_or_default()
    };
    show::table(&headings, &rows.iter().map(row).collect::<Vec<_>>());
}
