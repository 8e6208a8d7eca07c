//! `servergate mail …` and `servergate import …`.

use anyhow::Result;

use super::site::print;
use crate::cli::{Import, Mail, SiteOf};
use crate::config::Config;
use crate::protocol::{self, Imports, MailRequest, Request};

/// Asks the running standby and prints what it says.
pub(crate) async fn mail(config: &Config, what: Mail) -> Result<()> {
    let (what, of) = match what {
        Mail::List { after, limit, of } => (MailRequest::List { after, limit }, of),
        Mail::Show { number, of } => (MailRequest::Show { number }, of),
        Mail::Ledger { after, limit, of } => (MailRequest::Ledger { after, limit }, of),
        Mail::HandBack(of) => (MailRequest::HandBack, of),
        Mail::Quarantine { release, drop, of } => {
            let what = match (release, drop) {
                (Some(number), _) => MailRequest::Release { number },
                (None, Some(number)) => MailRequest::Drop { number },
                (None, None) => MailRequest::Quarantine,
            };
            (what, of)
        }
        Mail::Export { to, of } => {
            // The standby writes; a relative path is meant from here.
            let to = std::path::absolute(to)?;
            (MailRequest::Export { to }, of)
        }
    };
    ask(config, what, of).await
}

/// Hands lists to the running standby.
pub(crate) async fn import(config: &Config, what: Import) -> Result<()> {
    let (what, files, format, of) = match what {
        Import::Recipients { files, format, of } => (Imports::Recipients, files, format, of),
        Import::Mailboxes { files, format, of } => (Imports::Mailboxes, files, format, of),
    };
    let files = files
        .into_iter()
        .map(std::path::absolute)
        .collect::<Result<_, _>>()?;
    ask(
        config,
        MailRequest::Import {
            what,
            files,
            format,
        },
        of,
    )
    .await
}

async fn ask(config: &Config, what: MailRequest, of: SiteOf) -> Result<()> {
    let SiteOf {
        organisation,
        common,
    } = of;
    let request = Request::Mail { organisation, what };
    let reply = protocol::ask(&config.listen.admin, &request).await?;
    if common.json {
        println!("{reply}");
        return Ok(());
    }
    print(&reply);
    for problem in reply["problems"].as_array().into_iter().flatten() {
        println!("  {}", problem.as_str().unwrap_or_default());
    }
    Ok(())
}
