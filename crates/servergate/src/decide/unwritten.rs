//! What was decided and could not be made durable: kept in memory until the disk takes it. Pure.
//!
//! A standing is shown only once it is durable, so that after a crash nobody finds the standby
//! elsewhere than where it was. A disk that takes nothing lifts that barrier, and nothing else does:
//! visitors need the standby more than a restart needs its memory. What is decided meanwhile is
//! written first when the disk is back, machines as they stand then, records in their order.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::{Mono, Now, Record, Saved, ServiceId, Timestamp};

/// Records of that time: the newest. Outages and orders are few.
const RECORDS: usize = 10_000;
/// The first try again, doubled up to the longest: a disk that comes back is soon used, and one
/// that hangs is not asked all the time.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    machines: BTreeMap<ServiceId, Saved>,
    records: VecDeque<Record>,
    /// Records that found no room here.
    lost: u64,
    since: Option<Timestamp>,
    /// What the disk said last.
    why: String,
    next: Option<(Mono, Duration)>,
}

impl Unwritten {
    /// Adds what was decided.
    pub(crate) fn add(&mut self, machines: Vec<(ServiceId, Saved)>, records: Vec<Record>) {
        self.machines.extend(machines);
        self.records.extend(records);
        let above = self.records.len().saturating_sub(RECORDS);
        self.records.drain(..above);
        self.lost = self.lost.saturating_add(above as u64);
    }

    /// The last records, so many, are not to be written.
    pub(crate) fn take_back(&mut self, records: usize) {
        let left = self.records.len().saturating_sub(records);
        self.records.truncate(left);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.machines.is_empty() && self.records.is_empty()
    }

    /// The disk did not take it.
    pub(crate) fn failed(&mut self, now: Now, why: &str) {
        why.clone_into(&mut self.why);
        self.since.get_or_insert(now.wall);
        let wait = self.next.map_or(FIRST, |(_, last)| (last * 2).min(LONGEST));
        self.next = Some((now.mono.after(wait), wait));
    }

    /// When it is tried again; `None` while the disk takes what is decided.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.next.map(|(at, _)| at)
    }

    /// Whether it may be tried now.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        self.next().is_none_or(|at| at <= now.mono)
    }

    /// Since when the disk takes nothing.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// What the disk said last.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }

    /// What waits.
    pub(crate) fn machines(&self) -> impl Iterator<Item = (&ServiceId, &Saved)> {
        self.machines.iter()
    }

    /// What waits, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    /// How much waits: machines, records, records that were lost.
    pub(crate) fn count(&self) -> (usize, usize, u64) {
        (self.machines.len(), self.records.len(), self.lost)
    }

    /// The first machines and records, so many, are written. The records, for those who wait for
    /// them.
    pub(crate) fn written(&mut self, machines: usize, records: usize) -> Vec<Record> {
        for _ in 0..machines {
            self.machines.pop_first();
        }
        let records = records.min(self.records.len());
        let written = self.records.drain(..records).collect();
        if self.is_empty() {
            *self = Self::default();
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use model::{Fact, PlaceId};

    use super::*;

    fn record(number: i64) -> Record {
        Record {
            at: Timestamp::from_millis(number),
            place: PlaceId::new("oslo"),
            fact: Fact::Stopped,
        }
    }

    fn now(millis: u64) -> Now {
        Now {
            mono: Mono::default().after(Duration::from_millis(millis)),
            wall: Timestamp::from_millis(i64::try_from(millis).unwrap()),
        }
    }

    #[test]
    fn records_keep_their_order_and_are_bounded() {
        let mut unwritten = Unwritten::default();
        for number in 0..10_003 {
            unwritten.add(Vec::new(), vec![record(number)]);
        }
        assert_eq!(unwritten.count(), (0, RECORDS, 3));
        unwritten.failed(now(1), "no");
        unwritten.add(Vec::new(), vec![record(7), record(8)]);
        unwritten.take_back(2);
        assert_eq!(unwritten.written(0, 2), [record(5), record(6)]);
        assert!(unwritten.since().is_some());
        assert_eq!(unwritten.written(0, RECORDS).last(), Some(&record(10_002)));
        assert!(unwritten.is_empty() && unwritten.since().is_none());
    }

    #[test]
    fn the_disk_is_tried_less_and_less_often_and_at_once_when_it_was_well() {
        let mut unwritten = Unwritten::default();
        let mut at = 1000;
        for wait in [500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
            unwritten.failed(now(at), "no");
            assert!(!unwritten.is_due(now(at + wait - 1)));
            assert!(unwritten.is_due(now(at + wait)));
            at += wait;
        }
        assert_eq!(unwritten.since(), Some(now(1000).wall));
        unwritten.written(0, 0);
        assert!(unwritten.is_due(now(0)) && unwritten.next().is_none());
    }
}
