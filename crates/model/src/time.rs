//! Two kinds of time: monotonic for deadlines, wall for the record.
//!
//! Both come from the one clock in `host` and are handed to every machine as [`Now`].

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Monotonic time in nanoseconds since the process's anchor; never compared across restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// A moment `since_anchor` after the anchor.
    pub fn at(since_anchor: Duration) -> Self {
        Self(u64::try_from(since_anchor.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time since the anchor.
    pub fn since_anchor(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// This moment moved on by `by`; saturates.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self::at(self.since_anchor().saturating_add(by))
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z, for the record and for people.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment moved on by `by`; saturates.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// RFC 3339 in UTC, to the second: `2026-05-20T09:14:03Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(moment) = jiff::Timestamp::from_second(self.0.div_euclid(1000)) else {
            return write!(f, "{} ms", self.0);
        };
        write!(f, "{moment}")
    }
}

/// The present, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines.
    pub mono: Mono,
    /// For the record.
    pub wall: Timestamp,
}

impl Now {
    /// The present moved on by `by`, on both clocks.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self {
            mono: self.mono.after(by),
            wall: self.wall.after(by),
        }
    }

    /// Where `wall` lies on the monotonic clock, for deadlines re-anchored after a restart.
    /// A wall time in the future counts as now; one before the anchor saturates at the anchor.
    pub fn mono_at(self, wall: Timestamp) -> Mono {
        let ago = self.wall.since(wall);
        Mono::at(self.mono.since_anchor().saturating_sub(ago))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_rfc_3339() {
        assert_eq!(
            Timestamp::from_millis(1_779_268_443_999).to_string(),
            "2026-05-20T09:14:03Z"
        );
    }
}
