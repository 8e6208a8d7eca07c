//! Lists of recipients as other programs keep them, read whole: every problem is reported at once,
//! with its line and the mend.
//!
//! One file a format. A reader takes only addresses of the organisation's own domains; what it
//! could not understand makes the result not [`Imported::whole`], so that a line which was lost
//! never turns into a refusal.

mod aliases;
mod collect;
mod csv;
mod guess;
mod passwd;
mod password;
mod plain;
mod postfix;

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use super::address::{Address, Case, domain_form};
use collect::Collector;

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
    /// A table with a header row, one column of which is called `address`, `email` or `mail`. Where
    /// another is called `password`, the rows are mailboxes.
    Csv,
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

/// What a list says.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The addresses of the organisation's domains, in normal form, each once.
    pub addresses: Vec<Address>,
    /// The domains of which every address is valid.
    pub catch_all: Vec<String>,
    /// The mailboxes, from formats that hold passwords.
    pub mailboxes: Vec<Mailbox>,
    /// What a person should know, in the order of the lines.
    pub problems: Vec<Problem>,
    /// How many more problems there are than are listed.
    pub unlisted: usize,
    /// Whether no line of the organisation's own can have been lost. Foreign domains do not count.
    pub whole: bool,
    case: Case,
}

impl Imported {
    fn empty(case: Case) -> Self {
        Self {
            addresses: Vec::new(),
            catch_all: Vec::new(),
            mailboxes: Vec::new(),
            problems: Vec::new(),
            unlisted: 0,
            whole: true,
            case,
        }
    }

    /// This list and another one together, as one import: mailboxes here and aliases there. The
    /// problems of both keep their line numbers; show them before.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        let mut seen: HashSet<Address> = self.addresses.iter().cloned().collect();
        self.addresses.extend(
            other
                .addresses
                .into_iter()
                .filter(|it| seen.insert(it.clone())),
        );
        let catch_all: BTreeSet<String> =
            self.catch_all.into_iter().chain(other.catch_all).collect();
        self.catch_all = catch_all.into_iter().collect();
        let named: HashSet<Address> = self.mailboxes.iter().map(|it| it.address.clone()).collect();
        self.mailboxes.extend(
            other
                .mailboxes
                .into_iter()
                .filter(|it| !named.contains(&it.address)),
        );
        self.problems.extend(other.problems);
        self.unlisted += other.unlisted;
        self.whole &= other.whole;
        // Two ways of comparing cannot be one list; it is not relied on then.
        self.whole &= self.case == other.case;
        self
    }

    /// How local parts were compared.
    pub fn case(&self) -> Case {
        self.case
    }
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
        }
    }
    collector.finish()
}

#[cfg(test)]
mod tests;
