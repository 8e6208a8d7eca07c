//! What was decided and could not be made durable: kept in memory until the disk takes it. Pure.
//!
//! A standing is shown only once it is durable, so that after a crash nobody finds the standby
//! elsewhere than where it was. A disk that takes nothing lifts that barrier, and nothing else does:
//! visitors need the standby more than a restart needs its memory. What is decided meanwhile is
//! written first when the disk is back, machines as they stand then, records in their order. What
//! was handed to a disk that does not answer is nobody's until it does: it is not written twice.

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
    under_way: Option<UnderWay>,
    /// Records that found no room here.
    lost: u64,
    since: Option<Timestamp>,
    /// What the disk said last.
    why: String,
    next: Option<(Mono, Duration)>,
}

/// What was handed to the disk, which has not answered yet.
#[derive(Debug)]
struct UnderWay {
    machines: BTreeMap<ServiceId, Saved>,
    records: VecDeque<Record>,
}

impl Unwritten {
    /// Adds what was decided.
    pub(crate) fn add(&mut self, machines: Vec<(ServiceId, Saved)>, records: Vec<Record>) {
        self.machines.extend(machines);
        self.records.extend(records);
        self.forget_the_oldest();
    }

    fn forget_the_oldest(&mut self) {
        let above = self.records.len().saturating_sub(RECORDS);
        self.records.drain(..above);
        self.lost = self.lost.saturating_add(above as u64);
    }

    /// Whether everything is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_handed_over() && self.under_way.is_none()
    }

    /// Whether nothing is left to be handed to the disk.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.machines.is_empty() && self.records.is_empty()
    }

    /// The first machines and records, so many, are handed to the disk.
    pub(crate) fn hand_over(&mut self, machines: usize, records: usize) {
        let first = (0..machines).map_while(|_| self.machines.pop_first());
        let machines = first.collect();
        let records = self.records.drain(..records.min(self.records.len()));
        let records = records.collect();
        self.under_way = Some(UnderWay { machines, records });
    }

    /// The disk has what was handed to it: the records, for those who wait for them.
    pub(crate) fn written(&mut self) -> VecDeque<Record> {
        let written = self.under_way.take().map(|it| it.records);
        if self.is_empty() {
            *self = Self::default();
        }
        written.unwrap_or_default()
    }

    /// The disk did not take it: it waits again, without its last records, so many, which are taken
    /// back.
    pub(crate) fn failed(&mut self, now: Now, why: &str, taken_back: usize) {
        if let Some(UnderWay {
            machines,
            mut records,
        }) = self.under_way.take()
        {
            records.truncate(records.len().saturating_sub(taken_back));
            records.append(&mut self.records);
            self.records = records;
            self.forget_the_oldest();
            for (service, saved) in machines {
                // What was decided meanwhile is how it is.
                self.machines.entry(service).or_insert(saved);
            }
        }
        self.troubled(now, why);
        let wait = self.next.map_or(FIRST, |(_, last)| (last * 2).min(LONGEST));
        self.next = Some((now.mono.after(wait), wait));
    }

    /// The disk does not answer.
    pub(crate) fn late(&mut self, now: Now, why: &str) {
        self.troubled(now, why);
    }

    fn troubled(&mut self, now: Now, why: &str) {
        why.clone_into(&mut self.why);
        self.since.get_or_insert(now.wall);
    }

    /// When it is tried again; `None` while the disk takes what is decided, or is being asked.
    pub(crate) fn next(&self) -> Option<Mono> {
        let next = self.next.filter(|_| self.under_way.is_none());
        next.map(|(at, _)| at)
    }

    /// Whether it may be tried now.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        self.under_way.is_none() && self.next().is_none_or(|at| at <= now.mono)
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

    /// How much is not written: machines, records, records that were lost.
    pub(crate) fn count(&self) -> (usize, usize, u64) {
        let under_way = self.under_way.iter();
        let also = under_way.clone().flat_map(|it| it.machines.keys());
        let again = also.filter(|service| !self.machines.contains_key(*service));
        let records: usize = under_way.map(|it| it.records.len()).sum();
        (
            self.machines.len() + again.count(),
            self.records.len() + records,
            self.lost,
        )
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
        unwritten.hand_over(0, 2);
        unwritten.failed(now(1), "no", 0);
        unwritten.hand_over(0, 2);
        assert_eq!(unwritten.count(), (0, RECORDS, 3));
        assert_eq!(unwritten.written(), [record(3), record(4)]);
        assert!(unwritten.since().is_some());
        unwritten.hand_over(0, RECORDS);
        assert!(!unwritten.is_empty() && unwritten.is_handed_over());
        assert_eq!(unwritten.written().back(), Some(&record(10_002)));
        assert!(unwritten.is_empty() && unwritten.since().is_none());
    }

    #[test]
    fn what_came_back_goes_before_what_was_decided_meanwhile_and_without_what_is_taken_back() {
        let mut unwritten = Unwritten::default();
        unwritten.add(Vec::new(), vec![record(1), record(2), record(3)]);
        unwritten.hand_over(0, 3);
        unwritten.add(Vec::new(), vec![record(4)]);
        assert_eq!(unwritten.count(), (0, 4, 0));
        unwritten.failed(now(1), "no", 2);
        unwritten.hand_over(0, 9);
        assert_eq!(unwritten.written(), [record(1), record(4)]);
    }

    #[test]
    fn what_is_under_way_is_not_handed_over_twice_however_long_it_takes() {
        let mut unwritten = Unwritten::default();
        unwritten.add(Vec::new(), vec![record(1)]);
        assert!(unwritten.is_due(now(0)));
        unwritten.hand_over(0, 1);
        unwritten.late(now(3000), "no answer");
        unwritten.add(Vec::new(), vec![record(2)]);
        assert!(!unwritten.is_due(now(100_000)) && unwritten.next().is_none());
        assert_eq!(unwritten.since(), Some(now(3000).wall));
        assert_eq!(unwritten.written(), [record(1)]);
        assert!(unwritten.is_due(now(100_000)) && unwritten.since().is_some());
        unwritten.hand_over(0, 1);
        unwritten.written();
        assert!(unwritten.since().is_none());
    }

    #[test]
    fn the_disk_is_tried_less_and_less_often_and_at_once_when_it_was_well() {
        let mut unwritten = Unwritten::default();
        let mut at = 1000;
        for wait in [500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
            unwritten.failed(now(at), "no", 0);
            assert!(!unwritten.is_due(now(at + wait - 1)));
            assert!(unwritten.is_due(now(at + wait)));
            at += wait;
        }
        assert_eq!(unwritten.since(), Some(now(1000).wall));
        unwritten.written();
        assert!(unwritten.is_due(now(0)) && unwritten.next().is_none());
    }
}
