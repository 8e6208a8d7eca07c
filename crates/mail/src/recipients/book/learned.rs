//! What the living primary said about single addresses: how long it is believed, and how much of
//! it is held.
//!
//! | said | believed for | at most |
//! |---|---|---|
//! | valid | 31 days | 200,000 |
//! | invalid | 3 days | 50,000 |
//!
//! When one kind is full and nothing of it has expired, no more of it is learned; what was known
//! stays. Evicting instead would let anybody who guesses addresses push out the real ones.

use std::collections::HashMap;
use std::time::Duration;

use model::Timestamp;

use super::AddressHash;

const DAY: Duration = Duration::from_secs(86_400);
/// How long a yes is believed.
const VALID_FOR: Duration = Duration::from_secs(31 * 86_400);
/// How long a no is believed.
const INVALID_FOR: Duration = Duration::from_secs(3 * 86_400);
/// The most of each that is held.
pub(crate) const MOST_VALID: usize = 200_000;
pub(crate) const MOST_INVALID: usize = 50_000;

/// A moment to the minute, in four bytes: minutes since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minute(pub(crate) u32);

impl Minute {
    pub(crate) fn of(moment: Timestamp) -> Self {
        Self(u32::try_from(moment.millis().div_euclid(60_000).max(0)).unwrap_or(u32::MAX))
    }

    pub(crate) fn moment(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0) * 60_000)
    }
}

/// A no of the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct No {
    /// When it was said last.
    pub(crate) at: Minute,
    /// Whether it had been said a day or more before already, without a yes in between.
    pub(crate) confirmed: bool,
}

/// What is learned of one address. A yes clears an earlier no, so a no beside a yes is the later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    pub(crate) yes: Option<Minute>,
    pub(crate) no: Option<No>,
}

impl Learned {
    /// What of it is still believed at `now`.
    pub(crate) fn at(self, now: Timestamp) -> Self {
        let lives = |at: Minute, span| now.since(at.moment()) <= span;
        Self {
            yes: self.yes.filter(|at| lives(*at, VALID_FOR)),
            no: self.no.filter(|no| lives(no.at, INVALID_FOR)),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.yes.is_none() && self.no.is_none()
    }

    /// What it becomes when the primary accepts the address; `None` if that says nothing new.
    pub(crate) fn accepted(self, now: Timestamp) -> Option<Self> {
        let said_today = self.yes.is_some_and(|at| now.since(at.moment()) < DAY);
        (self.no.is_some() || !said_today).then(|| Self {
            yes: Some(Minute::of(now)),
            no: None,
        })
    }

    /// What it becomes when the primary refuses the address; `None` if that says nothing new.
    pub(crate) fn refused(self, now: Timestamp) -> Option<Self> {
        let at = Minute::of(now);
        match self.no {
            Some(no) if now.since(no.at.moment()) < DAY => None,
            Some(_) => Some(Self {
                yes: None,
                no: Some(No {
                    at,
                    confirmed: true,
                }),
            }),
            None => Some(Self {
                no: Some(No {
                    at,
                    confirmed: false,
                }),
                ..self
            }),
        }
    }
}

/// All that is learned, bounded.
#[derive(Debug)]
pub(crate) struct Lore {
    yes: HashMap<AddressHash, Minute>,
    no: HashMap<AddressHash, No>,
    most_yes: usize,
    most_no: usize,
    /// When expired entries were looked for last because it was full.
    swept: Option<Minute>,
    refused: u64,
}

impl Lore {
    pub(crate) fn new(most_yes: usize, most_no: usize) -> Self {
        Self {
            yes: HashMap::new(),
            no: HashMap::new(),
            most_yes,
            most_no,
            swept: None,
            refused: 0,
        }
    }

    /// What is learned of an address and still believed.
    pub(crate) fn get(&self, hash: &AddressHash, now: Timestamp) -> Learned {
        let learned = Learned {
            yes: self.yes.get(hash).copied(),
            no: self.no.get(hash).copied(),
        };
        learned.at(now)
    }

    /// Replaces what is learned of an address, and gives what is held now; `None` if there is no
    /// room. A no is taken back even if there is no room for the yes.
    pub(crate) fn set(
        &mut self,
        hash: AddressHash,
        learned: Learned,
        now: Timestamp,
    ) -> Option<Learned> {
        if !self.has_room(&hash, learned, now) {
            self.refused += 1;
            let taken_back = learned.no.is_none() && self.no.remove(&hash).is_some();
            return taken_back.then(Learned::default);
        }
        match learned.yes {
            Some(at) => self.yes.insert(hash, at),
            None => self.yes.remove(&hash),
        };
        match learned.no {
            Some(no) => self.no.insert(hash, no),
            None => self.no.remove(&hash),
        };
        Some(learned)
    }

    /// Drops what is no longer believed.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.swept = Some(Minute::of(now));
        self.yes.retain(|_, at| now.since(at.moment()) <= VALID_FOR);
        self.no
            .retain(|_, no| now.since(no.at.moment()) <= INVALID_FOR);
    }

    pub(crate) fn valid(&self) -> usize {
        self.yes.len()
    }

    pub(crate) fn invalid(&self) -> usize {
        self.no.len()
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        // A table is seven eighths full at most and has a byte beside each place.
        let yes = self.yes.capacity() * (size_of::<(AddressHash, Minute)>() + 1);
        let no = self.no.capacity() * (size_of::<(AddressHash, No)>() + 1);
        (yes + no) / 7 * 8
    }

    fn has_room(&mut self, hash: &AddressHash, learned: Learned, now: Timestamp) -> bool {
        if self.fits(hash, learned) {
            return true;
        }
        // Looking through everything is dear, and guessed addresses come fast: once a minute.
        if self.swept == Some(Minute::of(now)) {
            return false;
        }
        self.expire(now);
        self.fits(hash, learned)
    }

    fn fits(&self, hash: &AddressHash, learned: Learned) -> bool {
        let yes =
            learned.yes.is_none() || self.yes.len() < self.most_yes || self.yes.contains_key(hash);
        let no = learned.no.is_none() || self.no.len() < self.most_no || self.no.contains_key(hash);
        yes && no
    }
}
