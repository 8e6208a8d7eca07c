//! The book of recipients: who can receive mail here, as far as is known. Pure and in memory.
//!
//! The mail session asks it ([`Book::look`]) and tells it what the primary answered
//! ([`Book::learn`]). One book belongs to one organisation.
//!
//! **What wins.** The later word of the primary wins over a list, and a later list over an earlier
//! word. But a learned no is a doubt and never a refusal: a primary that comes back half restored
//! refuses everybody. In doubt the sender is asked to come again. Only a list refuses, by its
//! silence, while it is fresh and whole. A no that is repeated a day or more after the first, with
//! no yes in between, takes back a learned yes.
//!
//! | list | learned | known |
//! |---|---|---|
//! | – | yes | valid |
//! | – | no | doubtful, come again; refused only if a fresh, whole list covers the domain |
//! | yes | –, yes, or a no older than the list | valid |
//! | yes | a later no, repeated or not | doubtful, come again |
//! | –, but learned yes before | a later no | doubtful, come again |
//! | – | – | unknown; refused only if a fresh, whole list covers the domain |
//!
//! Imported mailboxes are a list as well, of which nobody expects that it is whole: aliases are
//! not in it, so its silence refuses nobody.

mod key;
mod learned;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Timestamp;

use super::address::{Case, domain_form, local_form};
pub use key::{AddressHash, BookKey};
pub(crate) use learned::{Learned, Lore, Minute, No};
use learned::{MOST_INVALID, MOST_VALID};

/// What RFC 5321 §4.5.1 wants to exist everywhere.
const POSTMASTER: &str = "postmaster";

/// What holds in one domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DomainRules {
    /// Every address is valid.
    pub catch_all: bool,
    /// What divides an address from its extension: `+` in `anna+news@`.
    pub delimiter: Option<char>,
}

/// What an organisation's configuration says about its recipients.
#[derive(Clone, Debug)]
pub struct Settings {
    domains: BTreeMap<String, DomainRules>,
    case: Case,
    fresh: Duration,
}

impl Settings {
    /// Lists older than this are not relied on for refusing, if nothing else is set.
    pub const FRESH: Duration = Duration::from_secs(30 * 86_400);

    /// The organisation's own domains with their rules; letters count alike, lists are fresh for
    /// 30 days.
    pub fn new<'a>(domains: impl IntoIterator<Item = (&'a str, DomainRules)>) -> Self {
        Self {
            domains: domains
                .into_iter()
                .map(|(domain, rules)| (domain_form(domain), rules))
                .collect(),
            case: Case::default(),
            fresh: Self::FRESH,
        }
    }

    /// The same with another way of comparing local parts.
    #[must_use]
    pub fn with_case(self, case: Case) -> Self {
        Self { case, ..self }
    }

    /// The same with lists that are relied on for `fresh` after their import.
    #[must_use]
    pub fn with_fresh(self, fresh: Duration) -> Self {
        Self { fresh, ..self }
    }

    /// The organisation's own domains.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.domains.keys().map(String::as_str)
    }

    /// How local parts are compared.
    pub fn case(&self) -> Case {
        self.case
    }
}

/// How an address is known to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// It is the postmaster's.
    Postmaster,
    /// Every address of its domain is.
    CatchAll,
    /// It is on the imported list.
    List,
    /// The primary accepted it.
    Learned,
}

/// What is known about a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Mail for it can be taken.
    Valid {
        /// How that is known.
        source: Source,
    },
    /// Its domain is none of this organisation's.
    Invalid,
    /// The primary refused it when it was asked last: come again, `450`.
    Doubtful,
    /// Neither is known.
    Unknown {
        /// A fresh and whole list covers the domain, so its silence is a no: `550`. Otherwise
        /// refusing would be a guess: `451`.
        fresh: bool,
    },
}

/// A list as it was imported.
#[derive(Clone, Debug)]
pub struct List {
    pub(crate) hashes: Box<[AddressHash]>,
    pub(crate) covered: BTreeSet<String>,
    pub(crate) catch_all: BTreeSet<String>,
    pub(crate) imported_at: Timestamp,
    pub(crate) whole: bool,
    pub(crate) case: Case,
}

impl List {
    /// How many addresses are on it.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether no address is on it.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// When it was imported.
    pub fn imported_at(&self) -> Timestamp {
        self.imported_at
    }

    /// The domains of which it names addresses.
    pub fn covered(&self) -> impl Iterator<Item = &str> {
        self.covered.iter().map(String::as_str)
    }

    /// Whether every line of it was understood. One that is not whole makes addresses valid, but
    /// its silence refuses nobody.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    fn contains(&self, hash: &AddressHash) -> bool {
        self.hashes.binary_search(hash).is_ok()
    }
}

/// Something learned that is to be kept: see [`super::Kept::note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub(crate) hash: AddressHash,
    pub(crate) learned: Learned,
}

/// How much is in a book, for metrics and `ready`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Addresses on the imported list.
    pub listed: usize,
    /// Mailboxes that were imported.
    pub mailboxes: usize,
    /// Addresses that the primary accepted.
    pub valid: usize,
    /// Addresses that the primary refused.
    pub invalid: usize,
    /// How often something was not learned because there was no room.
    pub refused: u64,
}

/// Who can receive mail at one organisation.
#[derive(Debug)]
pub struct Book {
    key: BookKey,
    settings: Settings,
    list: Option<List>,
    mailboxes: Option<List>,
    lore: Lore,
}

impl Book {
    /// An empty book.
    pub fn new(key: BookKey, settings: Settings) -> Self {
        Self {
            key,
            settings,
            list: None,
            mailboxes: None,
            lore: Lore::new(MOST_VALID, MOST_INVALID),
        }
    }

    /// What is known about `local@domain`. A recipient without a domain is only ever the
    /// postmaster.
    pub fn look(&self, local: &str, domain: &str, now: Timestamp) -> Known {
        let domain = domain_form(domain);
        let postmaster = local_form(local, Case::Fold) == POSTMASTER;
        let Some(rules) = self.settings.domains.get(&domain) else {
            // RFC 5321 §4.1.1.3: `RCPT TO:<Postmaster>` stands without a domain.
            return if postmaster && domain.is_empty() {
                valid(Source::Postmaster)
            } else {
                Known::Invalid
            };
        };
        // RFC 5321 §4.5.1: postmaster is there at every domain for which mail is taken, in any case.
        if postmaster {
            return valid(Source::Postmaster);
        }
        if self.is_catch_all(&domain, rules) {
            return valid(Source::CatchAll);
        }
        let local = local_form(local, self.settings.case);
        match self.evidence(&local, &domain, now) {
            Evidence::Yes(source) => return valid(source),
            Evidence::No if !self.is_covered(&domain, now) => return Known::Doubtful,
            Evidence::Doubt => return Known::Doubtful,
            Evidence::No | Evidence::Nothing => {}
        }
        // A no to the address without extension does not speak about the one with it.
        match base(&local, rules).map(|base| self.evidence(base, &domain, now)) {
            Some(Evidence::Yes(source)) => valid(source),
            Some(Evidence::Doubt) => Known::Doubtful,
            _ => Known::Unknown {
                fresh: self.is_covered(&domain, now),
            },
        }
    }

    /// Takes in what the primary said about `local@domain`. Gives what is to be kept, or `None` if
    /// it says nothing new: the same within a day, what the list or a catch-all says already, or a
    /// yes to an extension of a valid address.
    pub fn learn(
        &mut self,
        local: &str,
        domain: &str,
        valid: bool,
        now: Timestamp,
    ) -> Option<Change> {
        self.learn_if(local, domain, valid, now, || true)
    }

    /// The same if whoever brought the word about `may` teach more. A yes that takes back a no needs
    /// no leave.
    pub fn learn_if(
        &mut self,
        local: &str,
        domain: &str,
        valid: bool,
        now: Timestamp,
        may: impl FnOnce() -> bool,
    ) -> Option<Change> {
        let domain = domain_form(domain);
        let rules = *self.settings.domains.get(&domain)?;
        let local = local_form(local, self.settings.case);
        if local.is_empty()
            || local.eq_ignore_ascii_case(POSTMASTER)
            || self.is_catch_all(&domain, &rules)
        {
            return None;
        }
        let hash = self.key.hash(&local, &domain, self.settings.case);
        let before = self.lore.get(&hash, now);
        if valid && before.no.is_none() && self.is_implied(&hash, &local, &domain, &rules, now) {
            return None;
        }
        let learned = if valid {
            before.accepted(now)?
        } else {
            before.refused(now)?
        };
        let takes_back = valid && before.no.is_some();
        if !takes_back && !may() {
            return None;
        }
        let learned = self.lore.set(hash, learned, now)?;
        Some(Change { hash, learned })
    }

    /// Puts a newly imported list in the place of the former one.
    pub fn replace_list(&mut self, list: List) {
        self.list = Some(list);
    }

    /// Puts newly imported mailboxes in the place of the former ones.
    pub fn replace_mailboxes(&mut self, mailboxes: List) {
        self.mailboxes = Some(mailboxes);
    }

    /// The imported list.
    pub fn list(&self) -> Option<&List> {
        self.list.as_ref()
    }

    /// Whether the silence of the list refuses addresses of `domain`.
    pub fn is_fresh(&self, domain: &str, now: Timestamp) -> bool {
        self.is_covered(&domain_form(domain), now)
    }

    /// Drops what was learned too long ago. Looking never sees it; this frees the memory.
    pub fn expire(&mut self, now: Timestamp) {
        self.lore.expire(now);
    }

    /// How much is in it.
    pub fn counts(&self) -> Counts {
        Counts {
            listed: self.list.as_ref().map_or(0, List::len),
            mailboxes: self.mailboxes.as_ref().map_or(0, List::len),
            valid: self.lore.valid(),
            invalid: self.lore.invalid(),
            refused: self.lore.refused(),
        }
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let listed: usize = self.lists().map(List::len).sum();
        listed * size_of::<AddressHash>() + self.lore.bytes()
    }

    /// Takes in what was kept, as far as it is believed and there is room.
    pub(crate) fn restore(&mut self, change: Change, now: Timestamp) {
        let learned = change.learned.at(now);
        if !learned.is_empty() {
            let _ = self.lore.set(change.hash, learned, now);
        }
    }

    fn lists(&self) -> impl Iterator<Item = &List> {
        [&self.list, &self.mailboxes].into_iter().flatten()
    }

    fn is_catch_all(&self, domain: &str, rules: &DomainRules) -> bool {
        let listed = |list: &List| list.catch_all.contains(domain);
        rules.catch_all || self.list.as_ref().is_some_and(listed)
    }

    fn is_covered(&self, domain: &str, now: Timestamp) -> bool {
        self.list.as_ref().is_some_and(|list| {
            list.whole
                && list.case == self.settings.case
                && list.covered.contains(domain)
                && now.since(list.imported_at) <= self.settings.fresh
        })
    }

    /// Whether a yes to this address would say nothing new.
    fn is_implied(
        &self,
        hash: &AddressHash,
        local: &str,
        domain: &str,
        rules: &DomainRules,
        now: Timestamp,
    ) -> bool {
        self.lists().any(|list| list.contains(hash))
            || base(local, rules)
                .is_some_and(|base| matches!(self.evidence(base, domain, now), Evidence::Yes(_)))
    }

    /// What list and primary say about one address together; the table is above.
    fn evidence(&self, local: &str, domain: &str, now: Timestamp) -> Evidence {
        let hash = self.key.hash(local, domain, self.settings.case);
        let learned = self.lore.get(&hash, now);
        let on = self.lists().filter(|list| list.contains(&hash));
        let list = on.max_by_key(|list| list.imported_at);
        let overruled = |no: &No| list.is_some_and(|list| list.imported_at > no.at.moment());
        let no = learned.no.filter(|no| !overruled(no));
        let source = match (list, learned.yes) {
            (Some(_), _) => Some(Source::List),
            (None, Some(_)) => Some(Source::Learned),
            (None, None) => None,
        };
        match (source, no) {
            (Some(source), None) => Evidence::Yes(source),
            (Some(_), Some(_)) => Evidence::Doubt,
            (None, Some(_)) => Evidence::No,
            (None, None) => Evidence::Nothing,
        }
    }
}

enum Evidence {
    Yes(Source),
    No,
    Doubt,
    Nothing,
}

fn valid(source: Source) -> Known {
    Known::Valid { source }
}

/// The local part without its extension, if it has one. As Postfix does, the first delimiter
/// divides, and one at the very beginning does not.
fn base<'a>(local: &'a str, rules: &DomainRules) -> Option<&'a str> {
    let (base, _) = local.split_once(rules.delimiter?)?;
    (!base.is_empty()).then_some(base)
}

#[cfg(test)]
mod tests;
