//! What was found in a list: people, aliases, catch-alls, and what was passed over and why.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use super::{Mailbox, Problem};
use crate::recipients::address::{Address, Case};

/// Why something in a list is no recipient, or could not be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// The line was not understood.
    NotUnderstood,
    /// It is of a domain that is not the organisation's.
    Foreign,
    /// The entry names no address.
    NoAddress,
    /// Its owner says that it takes no mail: suspended, deleted, `:fail:`, `REJECT`.
    Disabled,
    /// It is an address of something else than mail: X.500, SIP.
    NotMail,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUnderstood => "not understood",
            Self::Foreign => "of other domains",
            Self::NoAddress => "without an address",
            Self::Disabled => "suspended, deleted or refused",
            Self::NotMail => "no mail addresses (X.500, SIP and the like)",
        })
    }
}

/// Whether an address is somebody's own, or one more name of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Person,
    Alias,
}

/// What a list says.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The addresses of the organisation's domains, in normal form, each once.
    pub addresses: Vec<Address>,
    /// What each of them is.
    pub(super) kinds: Vec<Kind>,
    /// The domains of which every address is valid.
    pub catch_all: Vec<String>,
    /// The mailboxes, from formats that hold passwords.
    pub mailboxes: Vec<Mailbox>,
    /// What a person should know, in the order of the lines.
    pub problems: Vec<Problem>,
    /// How many more problems there are than are listed.
    pub unlisted: usize,
    /// How much was passed over, and why.
    pub ignored: BTreeMap<Ignored, usize>,
    /// Whether no line of the organisation's own can have been lost. Foreign domains do not count.
    pub whole: bool,
    /// How many entries were understood, whatever they said.
    pub(super) understood: usize,
    pub(super) case: Case,
}

impl Imported {
    pub(super) fn empty(case: Case) -> Self {
        Self {
            addresses: Vec::new(),
            kinds: Vec::new(),
            catch_all: Vec::new(),
            mailboxes: Vec::new(),
            problems: Vec::new(),
            unlisted: 0,
            ignored: BTreeMap::new(),
            whole: true,
            understood: 0,
            case,
        }
    }

    /// This list and another one together, as one import: mailboxes here and aliases there. The
    /// problems of both keep their line numbers; show them before.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        let mut seen: HashSet<Address> = self.addresses.iter().cloned().collect();
        for (address, kind) in other.addresses.into_iter().zip(other.kinds) {
            if seen.insert(address.clone()) {
                self.addresses.push(address);
                self.kinds.push(kind);
            }
        }
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
        for (why, count) in other.ignored {
            *self.ignored.entry(why).or_default() += count;
        }
        self.understood += other.understood;
        self.whole &= other.whole;
        // Two ways of comparing cannot be one list; it is not relied on then.
        self.whole &= self.case == other.case;
        self
    }

    /// How local parts were compared.
    pub fn case(&self) -> Case {
        self.case
    }

    /// How many of the addresses are somebody's first one.
    pub fn people(&self) -> usize {
        self.kinds
            .iter()
            .filter(|kind| **kind == Kind::Person)
            .count()
    }

    /// How many of the addresses are further names of somebody.
    pub fn aliases(&self) -> usize {
        self.kinds.len() - self.people()
    }

    /// How many addresses each domain has.
    pub fn by_domain(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for address in &self.addresses {
            *counts.entry(address.domain()).or_default() += 1;
        }
        counts
    }

    /// What was read, in words: people, aliases, domains, and what was passed over and why.
    pub fn in_words(&self) -> String {
        let domains: BTreeSet<&str> = self
            .addresses
            .iter()
            .map(Address::domain)
            .chain(self.catch_all.iter().map(String::as_str))
            .collect();
        let mut words = format!(
            "{}, {}, {}",
            counted(self.people(), "person", "people"),
            counted(self.aliases(), "alias", "aliases"),
            counted(domains.len(), "domain", "domains"),
        );
        if !self.catch_all.is_empty() {
            let count = counted(self.catch_all.len(), "catch-all", "catch-alls");
            words.push_str(&format!(" ({count}: {})", self.catch_all.join(", ")));
        }
        let total: usize = self.ignored.values().sum();
        words.push_str(&format!(", {} ignored", counted(total, "entry", "entries")));
        let why: Vec<String> = self
            .ignored
            .iter()
            .map(|(why, count)| format!("{count} {why}"))
            .collect();
        if !why.is_empty() {
            words.push_str(&format!(" ({})", why.join(", ")));
        }
        words
    }
}

fn counted(count: usize, one: &str, several: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    }
}
