//! Lists of recipients as other programs keep them, read whole: every problem is reported at once,
//! with its line and the mend.
//!
//! One file a format. A reader takes only addresses of the organisation's own domains; what it
//! could not understand makes the result not [`Imported::whole`], so that a line which was lost
//! never turns into a refusal.

mod aliases;
mod collect;
mod columns;
mod csv;
mod decode;
mod found;
mod guess;
mod ldif;
mod no_list;
mod passwd;
mod password;
mod plain;
mod postfix;
mod proxies;

use std::collections::BTreeSet;
use std::fmt;

use super::address::{Address, Case, domain_form};
use collect::Collector;
pub use found::{Ignored, Imported};
pub use no_list::NoList;

/// A larger text is not read, in bytes.
const MOST_BYTES: usize = 32 << 20;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One address a line, `#` begins a comment.
    Plain,
    /// A Postfix lookup table in text: `virtual`, `virtual_mailbox`, `relay_recipients`.
    Postfix,
    /// A Dovecot passwd-file, also `/etc/passwd` and `/etc/shadow`.
    Passwd,
    /// `/etc/aliases` of Sendmail, Postfix and Exim.
    Aliases,
    /// A table with a header row, one column of which is called `address`, `email` or `mail`, or as
    /// Exchange, Microsoft 365 and Google Workspace call it. Where another is called `password`, the
    /// rows are mailboxes.
    Csv,
    /// What a directory exports: RFC 2849.
    Ldif,
}

impl Format {
    /// The format that a file of this name and content most likely has.
    pub fn guess(name: &str, text: &str) -> Self {
        guess::guess(name, text)
    }
}

/// For whom a list is read.
#[derive(Clone, Debug)]
pub struct Scope {
    domains: BTreeSet<String>,
    default: Option<String>,
    case: Case,
}

impl Scope {
    /// The organisation's own domains, and how local parts are compared.
    pub fn new<'a>(domains: impl IntoIterator<Item = &'a str>, case: Case) -> Self {
        Self {
            domains: domains.into_iter().map(domain_form).collect(),
            default: None,
            case,
        }
    }

    /// The same; names without a domain are of `domain`.
    #[must_use]
    pub fn with_default(self, domain: &str) -> Self {
        let default = Some(domain_form(domain));
        Self { default, ..self }
    }
}

/// Somebody's mailbox with what their password is checked against.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Whose.
    pub address: Address,
    /// The password's hash as the file has it, `{SCHEME}` included; `None` without a password.
    pub password: Option<String>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("address", &self.address)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .finish()
    }
}

/// Something about a line that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and how to mend it. It names domains, never people.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Reads the contents of a file called `name`; its format is guessed if none is said.
///
/// # Errors
/// It cannot be a list, and says in words what it is instead: nothing of it is to be taken.
pub fn read_file(
    name: &str,
    bytes: &[u8],
    format: Option<Format>,
    scope: &Scope,
) -> Result<Imported, NoList> {
    no_list::by_bytes(bytes)?;
    let decoded = decode::decode(bytes)?;
    no_list::by_text(&decoded.text)?;
    let format = format.unwrap_or_else(|| Format::guess(name, &decoded.text));
    let mut imported = read(format, &decoded.text, scope);
    if let Some(problem) = decoded.problem {
        imported.problems.insert(0, problem);
    }
    no_list::by_lines(&imported)?;
    Ok(imported)
}

/// Reads `text`, which is written in `format`.
pub fn read(format: Format, text: &str, scope: &Scope) -> Imported {
    let mut collector = Collector::new(scope);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MOST_BYTES {
        let message = format!("larger than {} MiB; split it", MOST_BYTES >> 20);
        collector.lost(1, message);
    } else if let Some(at) = text.find('\0') {
        let line = text
            .get(..at)
            .map_or(1, |before| before.lines().count().max(1));
        let mend = "not a text; export a compiled map with `postmap -s` and import what it prints";
        collector.lost(line, mend);
    } else {
        match format {
            Format::Plain => plain::read(text, &mut collector),
            Format::Postfix => postfix::read(text, &mut collector),
            Format::Passwd => passwd::read(text, &mut collector),
            Format::Aliases => aliases::read(text, &mut collector),
            Format::Csv => csv::read(text, &mut collector),
            Format::Ldif => ldif::read(text, &mut collector),
        }
    }
    collector.finish()
}

#[cfg(test)]
mod tests;
