//! Whether one place sees a service fail and answer in turn: counts of the last minutes.
//!
//! A window of [`SLOTS`] slots, each as long as the interval from probe to probe. What is counted
//! is bounded, however many bursts there are.

use std::time::Duration;

use crate::{Mono, Timestamp};

/// So many slots are looked back upon: three minutes with a probe every ten seconds.
pub(super) const SLOTS: u64 = 18;
/// Fewer turns from good to failed than this are a blip, or an outage that is over.
const FALLS: u32 = 2;
/// In fewer slots than this too little was seen to tell a share.
const ENOUGH: u32 = 9;

/// What was found in the time of one slot.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    seen: bool,
    /// Whether any of it failed.
    failed: bool,
    /// How often a failure followed an answer.
    falls: u32,
}

/// What one place found in the last minutes.
#[derive(Clone, Debug, Default)]
pub(super) struct Steadiness {
    slots: [Slot; SLOTS as usize],
    /// The number of the slot that is filled now.
    latest: u64,
    /// Whether the last observation was good; `None` after a time in which nothing was seen.
    good: Option<bool>,
    /// Since when every observation was good, without a time in which nothing was seen.
    clean: Option<Mono>,
    /// The first failure after it was clean for long enough.
    unsettled: Option<Timestamp>,
}

impl Steadiness {
    /// Takes in what was found at `at`; `slot` and `calm` are the detector's.
    pub(super) fn note(
        &mut self,
        now: Mono,
        (slot, calm): (Duration, Duration),
        good: bool,
        at: Timestamp,
    ) {
        if self.is_clean(now, calm) {
            self.unsettled = None;
        }
        if !good && self.good.is_none() {
            // A probe that began while we saw nothing may end when we see again: it says nothing
            // of whether the service turned from good to failed.
            self.clean = None;
            self.unsettled.get_or_insert(at);
            return;
        }
        self.turn_to(number(now, slot));
        let fell = !good && self.good == Some(true);
        if let Some(counts) = self.slots.get_mut(index(self.latest)) {
            counts.seen = true;
            counts.failed |= !good;
            counts.falls = counts.falls.saturating_add(u32::from(fell));
        }
        self.good = Some(good);
        if good {
            self.clean.get_or_insert(now);
        } else {
            self.clean = None;
            self.unsettled.get_or_insert(at);
        }
    }

    /// Nothing was seen for a while: what came before and what comes after are not one stretch.
    pub(super) fn interrupt(&mut self) {
        self.good = None;
        self.clean = None;
    }

    /// In more than a quarter of the slots something failed, and it answered in between.
    pub(super) fn is_unstable(&self, now: Mono, slot: Duration) -> bool {
        let current = number(now, slot);
        let (mut seen, mut failed, mut falls) = (0_u32, 0_u32, 0_u32);
        for back in 0..SLOTS.min(self.latest.saturating_add(1)) {
            let number = self.latest - back;
            if number.saturating_add(SLOTS) <= current {
                break;
            }
            if let Some(slot) = self.slots.get(index(number)) {
                // A burst looks more often where it failed, and must neither thin out the failures
                // nor make many of one.
                seen += u32::from(slot.seen);
                failed += u32::from(slot.failed);
                falls = falls.saturating_add(slot.falls);
            }
        }
        falls >= FALLS && seen >= ENOUGH && failed * 4 > seen
    }

    /// Every observation of the last `calm` was good, and there was no gap between them.
    pub(super) fn is_clean(&self, now: Mono, calm: Duration) -> bool {
        self.clean.is_some_and(|clean| now.since(clean) >= calm)
    }

    /// The first failure after it was clean for long enough.
    pub(super) fn unsettled(&self) -> Option<Timestamp> {
        self.unsettled
    }

    fn turn_to(&mut self, number: u64) {
        let steps = number.saturating_sub(self.latest).min(SLOTS);
        for step in 0..steps {
            if let Some(slot) = self.slots.get_mut(index(number - step)) {
                *slot = Slot::default();
            }
        }
        self.latest = self.latest.max(number);
    }
}

fn number(now: Mono, slot: Duration) -> u64 {
    let slot = slot.as_millis().max(1);
    u64::try_from(now.since_anchor().as_millis() / slot).unwrap_or(u64::MAX)
}

fn index(number: u64) -> usize {
    usize::try_from(number % SLOTS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(180));

    fn at(seconds: u64) -> (Mono, Timestamp) {
        let since = Duration::from_secs(seconds);
        (Mono::at(since), Timestamp::default().after(since))
    }

    /// What a place says after probes every ten seconds: `x` failed, `.` good, ` ` not probed.
    fn after(probes: &str) -> (Steadiness, Mono) {
        let mut seen = Steadiness::default();
        let mut now = Mono::default();
        for (nth, found) in probes.chars().enumerate() {
            let (mono, wall) = at(1_000 + 10 * nth as u64);
            now = mono;
            match found {
                ' ' => seen.interrupt(),
                found => seen.note(mono, TIMES, found == '.', wall),
            }
        }
        (seen, now)
    }

    #[test]
    fn what_fails_and_answers_in_turn_is_told_from_a_blip_and_from_an_outage() {
        let table = [
            ("..................", false),
            // A blip; an outage that is over; one that runs.
            ("...........x......", false),
            (".......xxxxxxxx...", false),
            ("........xxxxxxxxxx", false),
            ("xxxxxxxxxxxxxxxxxx", false),
            // Two blips are a quarter of nothing.
            ("....x........x....", false),
            // A quarter is not more than a quarter.
            ("..x..x..x..x", true),
            ("...x...x...x...x", false),
            (".x.x.x.x.x.x.x.x.x", true),
            ("..............xx.xx", false),
            (".............xx.xx.x", true),
            // What was in turn once, and is steady now.
            ("x.x.x.x.x.x.....................", false),
            // A gap is no answer.
            ("x x x x x x x x x", false),
        ];
        for (probes, unstable) in table {
            let (seen, now) = after(probes);
            assert_eq!(seen.is_unstable(now, TIMES.0), unstable, "{probes}");
        }
    }

    #[test]
    fn clean_is_what_was_seen_good_and_never_a_silence() {
        let clean = |probes: &str| {
            let (seen, now) = after(probes);
            seen.is_clean(now, TIMES.1)
        };
        assert!(clean("x..................."));
        assert!(!clean("x.................."));
        assert!(!clean("x.......... ........."));
    }

    #[test]
    fn old_counts_are_forgotten_also_where_nothing_comes_after_them() {
        let (seen, now) = after(".x.x.x.x.x.x");
        assert!(seen.is_unstable(now, TIMES.0));
        let later = now.after(Duration::from_secs(180));
        assert!(!seen.is_unstable(later, TIMES.0));
    }
}
