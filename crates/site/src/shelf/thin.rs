//! Which generations stay when there are too many.

use std::collections::HashSet;
use std::time::Duration;

use model::Timestamp;

use super::{Entry, State};

/// Between these ages one generation each is kept: the last hour, day, three days, week, month.
const AGES: &[Duration] = &[
    Duration::from_secs(3600),
    Duration::from_secs(24 * 3600),
    Duration::from_secs(3 * 24 * 3600),
    Duration::from_secs(7 * 24 * 3600),
    Duration::from_secs(30 * 24 * 3600),
];

/// Which generations stay. The current one, the newest, and the latest rejected always do; of the
/// rest one of every span of age, so that a fault that was noticed late finds a copy from before
/// it, and then the newest while there is room for `keep`.
pub(super) fn staying(
    entries: &[Entry],
    current: Option<u64>,
    keep: usize,
    now: Timestamp,
) -> HashSet<u64> {
    let kept: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.state == State::Kept)
        .collect();
    let mut staying: HashSet<u64> = current.into_iter().collect();
    let rejected = entries.iter().filter(|entry| entry.state != State::Kept);
    staying.extend(rejected.map(|entry| entry.number).max());
    let mut good: Vec<u64> = current.into_iter().collect();
    let mut take = |number: u64| {
        if good.len() < keep.max(1) && !good.contains(&number) {
            good.push(number);
        }
    };
    kept.iter()
        .map(|entry| entry.number)
        .max()
        .into_iter()
        .for_each(&mut take);
    // The oldest of each span: it is the one that will reach the next span first.
    let span = |entry: &&&Entry| {
        let age = now.since(entry.captured);
        AGES.iter()
            .position(|limit| age < *limit)
            .unwrap_or(AGES.len())
    };
    for wanted in 0..=AGES.len() {
        let of_span = kept.iter().filter(|entry| span(entry) == wanted);
        of_span
            .map(|entry| entry.number)
            .min()
            .into_iter()
            .for_each(&mut take);
    }
    kept.iter()
        .rev()
        .map(|entry| entry.number)
        .for_each(&mut take);
    staying.extend(good);
    staying
}
