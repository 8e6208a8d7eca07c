//! The guard: a good copy is never replaced by an error page, a parked page, a defacement or a
//! sudden collapse of the site. Pure; `capture` asks it before a generation is served.

use std::collections::BTreeSet;
use std::fmt;

use crate::wire::manifest::Manifest;

/// How a start page was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// It came, with status 200, at one of our hosts.
    Good {
        /// Whether it bears the expected mark; `None` if none is expected.
        mark: Option<bool>,
    },
    /// It has another status.
    Status(u16),
    /// It leads to somebody else's host, or in a circle.
    Astray,
    /// It could not be had, or may not be kept.
    Absent,
}

/// What is known of a generation, for comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portrait {
    /// Pages with status 200.
    pub good: u64,
    /// Bytes of all bodies.
    pub bytes: u64,
    /// The words of the start page.
    pub sketch: Sketch,
}

impl Portrait {
    /// The portrait of a generation.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            good: manifest.good(),
            bytes: manifest.bytes(),
            sketch: Sketch(manifest.sketch.iter().copied().collect()),
        }
    }
}

/// What a capture brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The start page.
    pub start: Start,
    /// The rest.
    pub portrait: Portrait,
    /// How many pages that were good before were asked for again.
    pub asked_again: u64,
    /// How many of those are errors, silent, or lead to somebody else's host now.
    pub lost: u64,
}

/// Why a capture is not served.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Objection {
    /// The start page has another status than 200.
    StartStatus(u16),
    /// The start page leads to another host or in a circle.
    StartAstray,
    /// The start page could not be had or kept.
    StartAbsent,
    /// The start page does not bear the mark.
    MarkMissing,
    /// The start page has hardly any words of the last good one.
    Unlike {
        /// How like it is, in percent.
        percent: u8,
    },
    /// Far fewer pages than the last good generation.
    FewerPages {
        /// Now.
        now: u64,
        /// In the last good generation.
        before: u64,
    },
    /// Far fewer bytes than the last good generation.
    FewerBytes {
        /// Now.
        now: u64,
        /// In the last good generation.
        before: u64,
    },
    /// Many pages that were good are errors now.
    Lost {
        /// How many.
        lost: u64,
        /// Of how many asked for again.
        of: u64,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartStatus(status) => write!(f, "the start page has status {status}"),
            Self::StartAstray => write!(f, "the start page leads to another host or in a circle"),
            Self::StartAbsent => write!(f, "the start page could not be captured"),
            Self::MarkMissing => write!(f, "the start page does not bear the expected mark"),
            Self::Unlike { percent } => write!(
                f,
                "the start page shares only {percent} % of its words with the last good one"
            ),
            Self::FewerPages { now, before } => {
                write!(f, "{now} good pages where there were {before}")
            }
            Self::FewerBytes { now, before } => write!(f, "{now} bytes where there were {before}"),
            Self::Lost { lost, of } => {
                write!(f, "{lost} of {of} pages that were good are errors now")
            }
        }
    }
}

/// A generation with fewer good pages is too small for counts to mean anything.
const TINY: u64 = 5;
/// So many lost pages are needed before their share counts.
const FEW: u64 = 3;
/// The least likeness of start pages, in percent, where no mark is expected.
const LIKE: u8 = 10;
/// The same, where the mark is there.
const LIKE_WITH_MARK: u8 = 5;

/// Judges a capture against the last good generation.
///
/// # Errors
/// Why it is not to be served.
pub fn judge(candidate: &Candidate, last: Option<&Portrait>) -> Result<(), Objection> {
    let marked = match candidate.start {
        Start::Good { mark: Some(false) } => return Err(Objection::MarkMissing),
        Start::Status(status) => return Err(Objection::StartStatus(status)),
        Start::Astray => return Err(Objection::StartAstray),
        Start::Absent => return Err(Objection::StartAbsent),
        Start::Good { mark } => mark.is_some(),
    };
    let Some(last) = last else { return Ok(()) };
    let now = &candidate.portrait;
    let percent = last.sketch.likeness(&now.sketch);
    if percent < if marked { LIKE_WITH_MARK } else { LIKE } {
        return Err(Objection::Unlike { percent });
    }
    let (lost, of) = (candidate.lost, candidate.asked_again);
    if lost >= FEW && lost.saturating_mul(5) >= of {
        return Err(Objection::Lost { lost, of });
    }
    if last.good < TINY {
        return Ok(());
    }
    if now.good.saturating_mul(2) < last.good {
        let (now, before) = (now.good, last.good);
        return Err(Objection::FewerPages { now, before });
    }
    if now.bytes.saturating_mul(2) < last.bytes {
        let (now, before) = (now.bytes, last.bytes);
        return Err(Objection::FewerBytes { now, before });
    }
    Ok(())
}

/// A sketch of a text: the smallest hashes of its runs of three words. Two sketches tell how many
/// runs two texts share (bottom-k min-wise hashing, Broder 1997).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch(BTreeSet<u64>);

/// So many hashes are kept.
const KEPT: usize = 256;

impl Sketch {
    /// The sketch of `text`.
    pub fn of(text: &str) -> Self {
        let words: Vec<String> = text
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let mut kept = BTreeSet::new();
        let run = words.len().clamp(1, 3);
        for words in words.windows(run) {
            kept.insert(hash(&words.join(" ")));
            if kept.len() > KEPT {
                kept.pop_last();
            }
        }
        Self(kept)
    }

    /// The hashes, in order.
    pub fn hashes(&self) -> Vec<u64> {
        self.0.iter().copied().collect()
    }

    /// About how many of the runs of both texts are in both, in percent.
    pub fn likeness(&self, other: &Self) -> u8 {
        if self.0.is_empty() && other.0.is_empty() {
            return 100;
        }
        let union: BTreeSet<u64> = self.0.union(&other.0).copied().take(KEPT).collect();
        let both = union
            .iter()
            .filter(|it| self.0.contains(it) && other.0.contains(it));
        let percent = (both.count() * 100).checked_div(union.len()).unwrap_or(0);
        u8::try_from(percent).unwrap_or(100)
    }
}

fn hash(run: &str) -> u64 {
    let hash = blake3::hash(run.as_bytes());
    hash.as_bytes()
        .iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
