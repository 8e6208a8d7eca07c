//! Where all readers put what they find: duplicates collapse, foreign domains become problems,
//! everything is bounded.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::found::Kind;
use super::{Ignored, Imported, Mailbox, Problem, Scope, proxies};
use crate::recipients::address::{Address, Fault, domain_form};

/// More addresses than this are not taken: the machine is small.
const MOST_ADDRESSES: usize = 500_000;
/// More problems than this are only counted.
const MOST_PROBLEMS: usize = 200;
/// So much of a foreign word is shown.
const SHOWN: usize = 60;

/// What to do about an address that stands for several.
const PATTERN: &str = "a pattern, not an address; write `@domain` if every address of the domain is valid, or list the addresses it stands for";

/// The beginning of what was found so far.
pub(super) struct Collector<'a> {
    scope: &'a Scope,
    seen: HashSet<Address>,
    catch_all: BTreeSet<String>,
    mailboxes: HashSet<Address>,
    /// Foreign domains: the first line, and how many.
    foreign: BTreeMap<String, (usize, usize)>,
    full: bool,
    out: Imported,
}

impl<'a> Collector<'a> {
    pub(super) fn new(scope: &'a Scope) -> Self {
        Self {
            scope,
            seen: HashSet::new(),
            catch_all: BTreeSet::new(),
            mailboxes: HashSet::new(),
            foreign: BTreeMap::new(),
            full: false,
            out: Imported::empty(scope.case),
        }
    }

    /// Whether `text` is one of the organisation's domains.
    pub(super) fn is_own(&self, text: &str) -> bool {
        self.scope.domains.contains(&domain_form(text))
    }

    /// Takes a further name of somebody: `local@domain`, `@domain` (all of it), or `local` at the
    /// default domain.
    pub(super) fn alias(&mut self, line: usize, text: &str) {
        self.any(line, text, Kind::Alias);
    }

    /// Takes one of the addresses that Exchange writes with a prefix, and others without one:
    /// `SMTP:` is the first address, `smtp:` a further one, and `X500:` is none.
    pub(super) fn proxy(&mut self, line: usize, text: &str, otherwise: Kind) {
        match proxies::prefixed(text) {
            Some(("SMTP", rest)) => self.any(line, rest, Kind::Person),
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("smtp") => {
                self.any(line, rest, Kind::Alias);
            }
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("mailto") => {
                self.any(line, rest, otherwise);
            }
            Some((prefix, _)) if proxies::is_other(prefix) => self.ignore(Ignored::NotMail),
            _ => self.any(line, text, otherwise),
        }
    }

    fn any(&mut self, line: usize, text: &str, kind: Kind) {
        let text = without_marks(text);
        // `*@domain` is how others write a catch-all, `%@domain` how those in SQL do.
        let domain = ["*@", "%@", "@"]
            .into_iter()
            .find_map(|mark| text.strip_prefix(mark));
        match domain {
            Some(domain) if domain.is_empty() || domain.contains(['*', '%', '@']) => {
                self.lost(line, PATTERN);
            }
            Some(domain) => self.catch_all(line, domain),
            None => {
                self.take(line, &text, kind);
            }
        }
    }

    /// Takes one address; gives it back if it is the organisation's.
    pub(super) fn address(&mut self, line: usize, text: &str) -> Option<Address> {
        self.take(line, &without_marks(text), Kind::Person)
    }

    fn take(&mut self, line: usize, text: &str, kind: Kind) -> Option<Address> {
        let default = self.scope.default.as_deref();
        let address = match Address::parse(text, default, self.scope.case) {
            Ok(address) => address,
            Err(fault) => {
                self.lost(line, words(fault));
                return None;
            }
        };
        if is_pattern(text, &address) {
            self.lost(line, PATTERN);
            return None;
        }
        if !self.scope.domains.contains(address.domain()) {
            self.foreign(line, address.domain());
            return None;
        }
        self.out.understood += 1;
        if self.seen.contains(&address) {
            return Some(address);
        }
        if self.out.addresses.len() >= MOST_ADDRESSES {
            if !std::mem::replace(&mut self.full, true) {
                let message = format!(
                    "more than {MOST_ADDRESSES} addresses; make a domain with so many a catch-all"
                );
                self.lost(line, message);
            }
            return None;
        }
        self.seen.insert(address.clone());
        self.out.addresses.push(address.clone());
        self.out.kinds.push(kind);
        Some(address)
    }

    /// Takes a mailbox. Of several with one name the first one counts, as with Dovecot.
    pub(super) fn mailbox(&mut self, address: Address, password: Option<String>) {
        if self.mailboxes.insert(address.clone()) {
            self.out.mailboxes.push(Mailbox { address, password });
        }
    }

    /// Every address of `domain` is valid.
    pub(super) fn catch_all(&mut self, line: usize, domain: &str) {
        let domain = domain_form(domain);
        if self.scope.domains.contains(&domain) {
            self.out.understood += 1;
            self.catch_all.insert(domain);
        } else {
            self.foreign(line, &domain);
        }
    }

    /// An entry that was understood and is no recipient.
    pub(super) fn ignore(&mut self, why: Ignored) {
        self.out.understood += 1;
        *self.out.ignored.entry(why).or_default() += 1;
    }

    /// An entry that was understood, and of which nothing more is to be said.
    pub(super) fn understood(&mut self) {
        self.out.understood += 1;
    }

    /// A problem by which no recipient is lost.
    pub(super) fn noted(&mut self, line: usize, message: impl Into<String>) {
        if self.out.problems.len() >= MOST_PROBLEMS {
            self.out.unlisted += 1;
            return;
        }
        let message = message.into();
        self.out.problems.push(Problem { line, message });
    }

    /// A problem by which a recipient may be lost: the list is not whole.
    pub(super) fn lost(&mut self, line: usize, message: impl Into<String>) {
        self.out.whole = false;
        *self.out.ignored.entry(Ignored::NotUnderstood).or_default() += 1;
        self.noted(line, message);
    }

    pub(super) fn finish(mut self) -> Imported {
        let mut foreign: Vec<_> = std::mem::take(&mut self.foreign).into_iter().collect();
        foreign.sort_by_key(|(_, (line, _))| *line);
        for (domain, (line, count)) in foreign {
            let more = match count {
                1 => String::new(),
                count => format!(" ({count} lines)"),
            };
            let shown = shown(&domain);
            self.noted(
                line,
                format!(
                    "`{shown}`{more} is not one of this organisation's domains; add it to `domains` if it should be"
                ),
            );
        }
        self.out.problems.sort_by_key(|problem| problem.line);
        self.out.catch_all = self.catch_all.into_iter().collect();
        self.out
    }

    fn foreign(&mut self, line: usize, domain: &str) {
        self.ignore(Ignored::Foreign);
        if let Some((_, count)) = self.foreign.get_mut(domain) {
            *count += 1;
        } else if self.foreign.len() < MOST_PROBLEMS {
            self.foreign.insert(domain.to_owned(), (line, 1));
        } else {
            self.out.unlisted += 1;
        }
    }
}

/// Whether this stands for several addresses: `anna*@…`, `%`, `.verein.test`. `*` and `%` may stand
/// in a local part by RFC 5321 §4.1.2, but lists mean everybody by them.
fn is_pattern(text: &str, address: &Address) -> bool {
    let local = address.local();
    local.contains(['*', '%']) || (local.starts_with('.') && !text.contains('@'))
}

/// Without what a copy from a page or a spreadsheet brings along and nobody sees.
fn without_marks(text: &str) -> String {
    let unseen = |sign: char| matches!(sign, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let text: String = text.chars().filter(|sign| !unseen(*sign)).collect();
    text.trim().to_owned()
}

/// A word of the file as it may be shown: short, and without control characters.
pub(super) fn shown(word: &str) -> String {
    let mut signs = word.chars();
    let start: String = signs.by_ref().take(SHOWN).collect();
    let more = if signs.next().is_some() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}

fn words(fault: Fault) -> &'static str {
    match fault {
        Fault::NoDomain => "no domain; write `name@domain`, or give the default domain",
        Fault::NoLocal => "no address here; write `name@domain`",
        Fault::Sign => "not an address; write `name@domain`, and quote a name with odd characters",
        Fault::TooLong => "longer than an address may be (254 octets, RFC 5321); is this one line?",
    }
}
