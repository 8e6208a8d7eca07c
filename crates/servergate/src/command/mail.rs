//! `servergate mail …` and `servergate import …`.

use std::io::IsTerminal;

use anyhow::{Result, bail};
use console::Term;
use serde_json::Value;

use super::site::print;
use crate::cli::{Import, Mail, SiteOf};
use crate::config::Config;
use crate::exit::{Fault, Said};
use crate::protocol::{self, Imports, MailRequest, Request};

/// Asks the running standby and prints what it says.
pub(crate) async fn mail(config: &Config, what: Mail) -> Result<()> {
    let (what, of) = match what {
        Mail::List { after, limit, of } => (MailRequest::List { after, limit }, of),
        Mail::Show { number, of } => (MailRequest::Show { number }, of),
        Mail::Ledger { after, limit, of } => (MailRequest::Ledger { after, limit }, of),
        Mail::HandBack(of) => (MailRequest::HandBack, of),
        Mail::Quarantine {
            release,
            drop,
            meant,
            after,
            limit,
            yes,
            of,
        } => {
            let all = meant.all;
            let filter = meant.filter();
            let none = filter.is_all();
            let what = match (release, drop) {
                (Some(Some(number)), _) | (None, Some(Some(number))) if !none || all => {
                    bail!("say either the number {number} or conditions, not both")
                }
                (Some(Some(number)), _) => MailRequest::Release { number },
                (None, Some(Some(number))) => MailRequest::Drop { number },
                (Some(None), _) | (None, Some(None)) if none && !all => bail!(
                    "say which: a number, `--from`, `--to`, `--domain`, `--reason`, or `--all`"
                ),
                (release, drop) if release.is_some() || drop.is_some() => MailRequest::Decide {
                    filter,
                    drop: drop.is_some(),
                    yes,
                },
                _ => MailRequest::Quarantine {
                    filter,
                    after,
                    limit,
                },
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
    let (what, files, format, how, of) = match what {
        Import::Recipients {
            files,
            format,
            how,
            of,
        } => (Imports::Recipients, files, format, how, of),
        Import::Mailboxes {
            files,
            format,
            how,
            of,
        } => (Imports::Mailboxes, files, format, how, of),
    };
    let files = files
        .into_iter()
        .map(std::path::absolute)
        .collect::<Result<_, _>>()?;
    let what = MailRequest::Import {
        what,
        files,
        format,
        yes: how.yes,
        dry_run: how.dry_run,
    };
    ask(config, what, of).await
}

async fn ask(config: &Config, what: MailRequest, of: SiteOf) -> Result<()> {
    let SiteOf {
        organisation,
        common,
    } = of;
    let socket = &config.listen.admin;
    let request = |what| Request::Mail {
        organisation: organisation.clone(),
        what,
    };
    let mut reply = protocol::ask(socket, &request(what.clone())).await?;
    if let Some(doubt) = reply["asks"].as_str() {
        if common.json || !asked(doubt, &reply)? {
            if common.json {
                println!("{reply}");
            }
            return Err(Said(Fault::Failed).into());
        }
        reply = protocol::ask(socket, &request(agreed(what))).await?;
    }
    if common.json {
        println!("{reply}");
        return Ok(());
    }
    print(&reply);
    print_problems(&reply);
    if let Some(more) = reply["more"].as_str() {
        println!("… {more}");
    }
    Ok(())
}

fn print_problems(reply: &Value) {
    for problem in reply["problems"].as_array().into_iter().flatten() {
        println!("  {}", problem.as_str().unwrap_or_default());
    }
}

/// Asks a person, where one is there.
fn asked(doubt: &str, reply: &Value) -> Result<bool> {
    eprintln!("{doubt}");
    print_problems(reply);
    let term = Term::stderr();
    if !std::io::stdin().is_terminal() || !term.is_term() {
        eprintln!("Say `--yes` if that is right.");
        return Ok(false);
    }
    term.write_str("Is that right? Type `yes`: ")?;
    let yes = term.read_line()?.trim().eq_ignore_ascii_case("yes");
    if !yes {
        eprintln!("Nothing was changed.");
    }
    Ok(yes)
}

/// The same request after a person's yes.
fn agreed(mut what: MailRequest) -> MailRequest {
    if let MailRequest::Import { yes, .. } | MailRequest::Decide { yes, .. } = &mut what {
        *yes = true;
    }
    what
}
