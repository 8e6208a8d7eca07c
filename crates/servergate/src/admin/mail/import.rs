//! Lists of people: read, compared with the former ones, and put in their place.

use std::path::{Path, PathBuf};

use ::mail::recipients::Changed;
use ::mail::recipients::import::{self, Format, Imported, NoList};
use ::mail::{ListOf, MailHandle};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cli::ListFormat;
use crate::protocol::Imports;

/// A longer list is not read.
const LONGEST: u64 = 32 << 20;

/// How an import is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// A person said yes to what is in doubt.
    pub(super) yes: bool,
    /// Only to say what it would do.
    pub(super) dry_run: bool,
}

/// Puts the lists in the place of the former ones, unless a person should say yes first.
pub(super) async fn import(
    mail: &MailHandle,
    what: Imports,
    files: Vec<PathBuf>,
    format: Option<ListFormat>,
    how: How,
) -> Result<Value> {
    let (list, problems) = read_lists(files, format, mail.scope()).await?;
    let of = match what {
        Imports::Recipients => ListOf::Recipients,
        Imports::Mailboxes => ListOf::Mailboxes,
    };
    worth(of, &list, &problems)?;
    let (reading, compared) = (mail.clone(), list.clone());
    let compare = move || reading.would_change(of, &compared);
    let changed = tokio::task::spawn_blocking(compare).await??;
    let doubt = changed.as_ref().and_then(Changed::doubt);
    let mut reply = described(of, &list, changed.as_ref());
    let change = change_in_words(changed.as_ref());
    let read = list.in_words();
    if how.dry_run {
        let asks = match &doubt {
            Some(doubt) => format!(" It would ask for a yes (`--yes`): {doubt}."),
            None => String::new(),
        };
        reply["said"] = json!(format!("Read: {read}. {change} Nothing was changed.{asks}"));
        reply["dry_run"] = json!(true);
    } else if let Some(doubt) = doubt.filter(|_| !how.yes) {
        reply["asks"] = json!(format!("Read: {read}. {doubt}. Nothing was changed yet."));
    } else {
        let known = match of {
            ListOf::Recipients => recipients(mail, &list).await?,
            ListOf::Mailboxes => mailboxes(mail, &list).await?,
        };
        reply["said"] = json!(format!("{known} Read: {read}. {change}"));
    }
    Ok(with_problems(reply, &list, problems))
}

/// Whether there is anything to take.
fn worth(of: ListOf, list: &Imported, problems: &[String]) -> Result<()> {
    let problems = problems.join("; ");
    match of {
        ListOf::Recipients if list.addresses.is_empty() && list.catch_all.is_empty() => {
            bail!("no address of this organisation was found; nothing was changed. {problems}")
        }
        ListOf::Mailboxes if list.mailboxes.is_empty() => bail!(
            "no mailbox of this organisation was found; nothing was changed. Name a Dovecot passwd-file, or a table with the columns `address` and `password`. {problems}"
        ),
        ListOf::Recipients | ListOf::Mailboxes => Ok(()),
    }
}

fn described(of: ListOf, list: &Imported, changed: Option<&Changed>) -> Value {
    let ignored: serde_json::Map<String, Value> = list
        .ignored
        .iter()
        .map(|(why, count)| (why.to_string(), json!(count)))
        .collect();
    let mut reply = json!({
        "people": list.people(), "aliases": list.aliases(), "catch_all": list.catch_all,
        "ignored": ignored, "changed": changed,
    });
    match of {
        ListOf::Recipients => reply["recipients"] = json!(list.addresses.len()),
        ListOf::Mailboxes => {
            reply["mailboxes"] = json!(list.mailboxes.len());
            reply["passwords"] = json!(with_password(list));
        }
    }
    reply
}

fn with_password(list: &Imported) -> usize {
    let with = |one: &&import::Mailbox| one.password.is_some();
    list.mailboxes.iter().filter(with).count()
}

fn change_in_words(changed: Option<&Changed>) -> String {
    match changed {
        None => "There was no list before.".to_owned(),
        Some(changed) => format!(
            "Against the former list: +{}, -{} ({} before, {} after).",
            changed.added, changed.removed, changed.before, changed.after
        ),
    }
}

async fn recipients(mail: &MailHandle, list: &Imported) -> Result<String> {
    let count = mail.import(list).await?;
    let catch_all = list.catch_all.len();
    Ok(format!(
        "{count} recipients are known now, and {catch_all} catch-all domains."
    ))
}

async fn mailboxes(mail: &MailHandle, list: &Imported) -> Result<String> {
    let count = mail.import_mailboxes(list).await?;
    let with = with_password(list);
    Ok(format!(
        "{count} mailboxes are known now, {with} of them with a password."
    ))
}

fn with_problems(mut reply: Value, list: &Imported, mut problems: Vec<String>) -> Value {
    if list.unlisted > 0 {
        problems.push(format!("and {} more", list.unlisted));
    }
    if !list.whole {
        problems.push(
            "not every line was understood, so nobody is refused for not being on this list"
                .to_owned(),
        );
    }
    reply["problems"] = json!(problems);
    reply["whole"] = json!(list.whole);
    reply
}

/// All lists as one, and what a person should know of them.
async fn read_lists(
    files: Vec<PathBuf>,
    format: Option<ListFormat>,
    scope: import::Scope,
) -> Result<(Imported, Vec<String>)> {
    let reading = move || {
        let mut whole: Option<Imported> = None;
        let (mut problems, mut refused) = (Vec::new(), Vec::new());
        for file in files {
            let list = match read_list(&file, format, &scope)? {
                Ok(list) => list,
                Err(NoList { line, message }) => {
                    refused.push(format!("{}:{line}: {message}", file.display()));
                    continue;
                }
            };
            let named = list
                .problems
                .iter()
                .map(|one| format!("{}:{}: {}", file.display(), one.line, one.message));
            problems.extend(named);
            whole = Some(match whole {
                Some(before) => before.joined(list),
                None => list,
            });
        }
        if !refused.is_empty() {
            bail!("{}. Nothing was changed", refused.join("; "));
        }
        let whole = whole.context("no list was named")?;
        anyhow::Ok((whole, problems))
    };
    tokio::task::spawn_blocking(reading).await?
}

fn read_list(
    file: &Path,
    format: Option<ListFormat>,
    scope: &import::Scope,
) -> Result<Result<Imported, NoList>> {
    let reading = || {
        format!(
            "{} (the standby reads it, with its own rights)",
            file.display()
        )
    };
    let length = std::fs::metadata(file).with_context(reading)?.len();
    if length > LONGEST {
        bail!(
            "{} is longer than {LONGEST} bytes; cut it into several, and name them in one command",
            file.display()
        );
    }
    let bytes = std::fs::read(file).with_context(reading)?;
    let format = format.map(|format| match format {
        ListFormat::Plain => Format::Plain,
        ListFormat::Postfix => Format::Postfix,
        ListFormat::Passwd => Format::Passwd,
        ListFormat::Aliases => Format::Aliases,
        ListFormat::Csv => Format::Csv,
        ListFormat::Ldif => Format::Ldif,
    });
    Ok(import::read_file(
        &file.to_string_lossy(),
        &bytes,
        format,
        scope,
    ))
}
