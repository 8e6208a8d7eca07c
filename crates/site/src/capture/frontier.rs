//! What is still to be asked for, in which order, and what is never asked for. Pure.
//!
//! The site is not ours and need not be sane: calendars without end, permutations of filters,
//! paths that repeat themselves. Every way in which a site can be endless has a bound here, and
//! each refusal is counted by its reason.

mod traps;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use model::Timestamp;
use prometheus_client::encoding::EncodeLabelValue;

use crate::wire::Kind;
use crate::wire::address::Address;
use traps::{Pattern, chain, pattern, repeats};

pub(crate) use traps::is_excluded;

/// How an address came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is where every capture begins.
    Start,
    /// A sitemap lists it.
    Sitemap,
    /// A page links to it.
    Link(Kind),
    /// The last generation has it, and nothing linked to it so far.
    Known,
}

/// Something to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// What.
    pub(crate) address: Address,
    /// How many links away from a start.
    pub(crate) depth: u16,
    /// How many links in a row led from one page to the next of the same pattern.
    chain: u16,
    /// Its pattern.
    pattern: u64,
    /// Whether a start, a sitemap or a page leads there.
    pub(crate) linked: bool,
}

/// Why an address is not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Refusal {
    /// Too many links away.
    Depth,
    /// A chain of pages of one pattern: a calendar.
    Chain,
    /// Too many addresses of one pattern: permutations.
    Pattern,
    /// The path repeats itself.
    Repetition,
    /// Left out: by configuration, or a login, a nonce, a reply link.
    Excluded,
    /// There are too many addresses already.
    Full,
}

/// Bounds that come from the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) depth: u16,
    /// Addresses altogether.
    pub(crate) addresses: usize,
    pub(crate) exclude: Vec<String>,
}

/// A chain of pages of one pattern is followed so far.
const CHAIN: u16 = 50;

#[derive(Debug)]
struct Seen {
    taken: bool,
    linked: bool,
    class: Class,
}

/// Earlier classes are asked for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Start,
    /// Never captured or longest ago first; in the order of their discovery otherwise.
    Linked,
    Known,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    class: Class,
    captured: Timestamp,
    sequence: u64,
}

/// The tasks of one capture.
#[derive(Debug)]
pub(crate) struct Frontier {
    limits: Limits,
    seen: HashMap<Address, Seen>,
    queue: BinaryHeap<Reverse<Queued>>,
    patterns: HashMap<u64, usize>,
    sequence: u64,
    refused: HashMap<Refusal, u64>,
}

#[derive(Debug)]
struct Queued(Place, Task);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl Frontier {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            seen: HashMap::new(),
            queue: BinaryHeap::new(),
            patterns: HashMap::new(),
            sequence: 0,
            refused: HashMap::new(),
        }
    }

    /// Takes `address` up unless it is known or refused. `captured` is when the last generation
    /// had it, the default time if never.
    pub(crate) fn offer(
        &mut self,
        address: Address,
        origin: Origin,
        parent: Option<&Task>,
        captured: Timestamp,
    ) {
        let class = match origin {
            Origin::Start => Class::Start,
            Origin::Sitemap | Origin::Link(_) => Class::Linked,
            Origin::Known => Class::Known,
        };
        if let Some(seen) = self.seen.get_mut(&address) {
            seen.linked |= class != Class::Known;
            if seen.taken || seen.class <= class {
                return;
            }
            seen.class = class;
        }
        // Most links lead to what is known: the work begins here.
        let pattern = pattern(&address);
        if !self.seen.contains_key(&address) {
            if let Err(refusal) = self.admit(&address, origin, parent, &pattern) {
                *self.refused.entry(refusal).or_default() += 1;
                return;
            }
            *self.patterns.entry(pattern.hash).or_default() += 1;
            let linked = class != Class::Known;
            let seen = Seen {
                taken: false,
                linked,
                class,
            };
            self.seen.insert(address.clone(), seen);
        }
        let (depth, chain) = match parent {
            Some(parent) => (parent.depth.saturating_add(1), chain(parent, &pattern)),
            None => (0, 0),
        };
        self.sequence += 1;
        let sequence = self.sequence;
        let task = Task {
            address,
            depth,
            chain,
            pattern: pattern.hash,
            linked: false,
        };
        self.queue.push(Reverse(Queued(
            Place {
                class,
                captured,
                sequence,
            },
            task,
        )));
    }

    /// The next to be asked for.
    pub(crate) fn next(&mut self) -> Option<Task> {
        while let Some(Reverse(Queued(_, mut task))) = self.queue.pop() {
            // An address is queued again when a link makes it more urgent.
            let Some(seen) = self.seen.get_mut(&task.address).filter(|seen| !seen.taken) else {
                continue;
            };
            seen.taken = true;
            task.linked = seen.linked;
            return Some(task);
        }
        None
    }

    /// Whether anything leads to `address`, as far as is known now.
    pub(crate) fn is_linked(&self, address: &Address) -> bool {
        self.seen.get(address).is_some_and(|seen| seen.linked)
    }

    /// Whether `address` was given out by [`Self::next`].
    pub(crate) fn was_taken(&self, address: &Address) -> bool {
        self.seen.get(address).is_some_and(|seen| seen.taken)
    }

    /// How many addresses are known.
    pub(crate) fn known(&self) -> usize {
        self.seen.len()
    }

    /// How many were refused, by reason.
    pub(crate) fn refused(&self) -> &HashMap<Refusal, u64> {
        &self.refused
    }

    fn admit(
        &self,
        address: &Address,
        origin: Origin,
        parent: Option<&Task>,
        pattern: &Pattern,
    ) -> Result<(), Refusal> {
        if origin == Origin::Start {
            return Ok(());
        }
        if is_excluded(address, &self.limits.exclude) {
            return Err(Refusal::Excluded);
        }
        if repeats(address.path()) {
            return Err(Refusal::Repetition);
        }
        if self.seen.len() >= self.limits.addresses {
            return Err(Refusal::Full);
        }
        // What the site itself lists or showed before is no trap.
        if matches!(origin, Origin::Sitemap | Origin::Known) {
            return Ok(());
        }
        if self
            .patterns
            .get(&pattern.hash)
            .is_some_and(|count| *count >= pattern.most)
        {
            return Err(Refusal::Pattern);
        }
        let Some(parent) = parent else { return Ok(()) };
        if parent.depth >= self.limits.depth {
            return Err(Refusal::Depth);
        }
        if chain(parent, pattern) > CHAIN {
            return Err(Refusal::Chain);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
