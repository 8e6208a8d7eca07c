//! The timetable: which target is asked when. Pure; time comes in, what is due goes out.
//!
//! Each target has slots on a grid of its own, `phase + k × interval`, that never drifts: a late
//! or missed slot does not move the next one. Phases are spread evenly over the interval, and
//! each place begins at another one, so that several places see a target at different moments.
//!
//! ```text
//!   slot ──▶ free? ──▶ start          a slot is skipped, and counted, when its target is still
//!             │ no                    being asked, when too many are asked at once, or when we
//!             └────▶ skip             woke up too late for it. A skip is never a failure.
//!   burst ─▶ start at once, again after `spacing`, and again: start to start
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Mono, Purpose};

/// How many probes a burst has.
pub(crate) const BURST: u8 = 3;

/// One target's times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// From slot to slot.
    pub(crate) interval: Duration,
    /// From the start of one probe of a burst to the start of the next.
    pub(crate) spacing: Duration,
}

/// What the timetable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Ask this target now.
    Start {
        /// Its place in the list given to [`Timetable::new`].
        target: usize,
        /// Why.
        purpose: Purpose,
        /// How much later than planned.
        late: Duration,
    },
    /// Slots that passed without a probe.
    Skipped {
        /// Why.
        why: Skip,
        /// How many.
        slots: u64,
    },
}

/// Why a slot passed without a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Skip {
    /// The target was still being asked.
    Busy,
    /// Too many targets were being asked.
    Crowded,
    /// We woke up after it.
    Late,
}

/// The timetable of all targets of this place.
#[derive(Debug)]
pub(crate) struct Timetable {
    entries: Vec<Entry>,
    queue: BTreeSet<(Mono, usize, Kind)>,
    running: usize,
    running_bursts: usize,
    most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    // A burst comes before a slot of the same moment: it counts, the slot would be one too many.
    Burst { number: u64, nth: u8 },
    Slot,
}

#[derive(Debug)]
struct Entry {
    timing: Timing,
    running: u8,
    /// The last burst: when it began, and its number.
    burst: Option<(Mono, u64)>,
}

impl Timetable {
    /// The timetable for these targets from `now` on. `seed` is different at each place; `most`
    /// scheduled probes run at once, and as many of bursts.
    pub(crate) fn new(now: Mono, targets: &[Timing], seed: u64, most: usize) -> Self {
        let mut queue = BTreeSet::new();
        let count = targets.len().max(1) as u128;
        for (index, timing) in targets.iter().enumerate() {
            let nanos = timing.interval.as_nanos();
            let spread = nanos * index as u128 / count;
            let offset = (nanos * u128::from(seed >> 32)) >> 32;
            let phase = (spread + offset).checked_rem(nanos).unwrap_or(0);
            let phase = Duration::from_nanos(u64::try_from(phase).unwrap_or(0));
            queue.insert((now.after(phase), index, Kind::Slot));
        }
        let entry = |timing: &Timing| Entry {
            timing: *timing,
            running: 0,
            burst: None,
        };
        Self {
            entries: targets.iter().map(entry).collect(),
            queue,
            running: 0,
            running_bursts: 0,
            most,
        }
    }

    /// When something is due next.
    pub(crate) fn next_wakeup(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _, _)| *at)
    }

    /// Takes up a burst: at once, and twice more. What has not begun of an older burst of the
    /// same target is dropped: its question was overtaken.
    pub(crate) fn burst(&mut self, now: Mono, target: usize, number: u64) {
        let Some(entry) = self.entries.get_mut(target) else {
            return;
        };
        if entry.burst.is_some_and(|(_, known)| known >= number) {
            return;
        }
        let spacing = entry.timing.spacing;
        if let Some((began, older)) = entry.burst {
            for probe in probes(began, spacing, target, older) {
                self.queue.remove(&probe);
            }
        }
        entry.burst = Some((now, number));
        self.queue.extend(probes(now, spacing, target, number));
    }

    /// What is due at `now`, one at a time; `None` when nothing is.
    pub(crate) fn take(&mut self, now: Mono) -> Option<Due> {
        let (at, target, kind) = self.queue.first().copied()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        let late = now.since(at);
        match kind {
            Kind::Burst { number, .. } => self.start_burst(target, number, late),
            Kind::Slot => Some(self.slot(now, at, target, late)),
        }
    }

    fn start_burst(&mut self, target: usize, number: u64, late: Duration) -> Option<Due> {
        if self.running_bursts >= self.most {
            return Some(Due::Skipped {
                why: Skip::Crowded,
                slots: 1,
            });
        }
        let entry = self.entries.get_mut(target)?;
        entry.running = entry.running.saturating_add(1);
        self.running_bursts += 1;
        Some(Due::Start {
            target,
            purpose: Purpose::Burst(number),
            late,
        })
    }

    fn slot(&mut self, now: Mono, at: Mono, target: usize, late: Duration) -> Due {
        let crowded = self.running >= self.most;
        let Some(entry) = self.entries.get_mut(target) else {
            return Due::Skipped {
                why: Skip::Late,
                slots: 0,
            };
        };
        // The next slot lies on the grid, however late this one is.
        let interval = entry.timing.interval.max(Duration::from_millis(1));
        let missed = late.as_nanos() / interval.as_nanos();
        let missed = u64::try_from(missed).unwrap_or(u64::MAX);
        let whole = interval.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX));
        let latest = at.after(whole);
        self.queue
            .insert((latest.after(interval).max(after(now)), target, Kind::Slot));
        if missed > 0 {
            // Asleep for more than a whole interval: the next slot will do, and nobody is asked
            // in a crowd that only our own sleep made.
            return Due::Skipped {
                why: Skip::Late,
                slots: missed.saturating_add(1),
            };
        }
        let why = match (entry.running > 0, crowded) {
            (true, _) => Skip::Busy,
            (false, true) => Skip::Crowded,
            (false, false) => {
                entry.running = 1;
                self.running += 1;
                return Due::Start {
                    target,
                    purpose: Purpose::Scheduled,
                    late,
                };
            }
        };
        Due::Skipped { why, slots: 1 }
    }

    /// A probe that [`Due::Start`] asked for has ended.
    pub(crate) fn ended(&mut self, target: usize, purpose: Purpose) {
        if let Some(entry) = self.entries.get_mut(target) {
            entry.running = entry.running.saturating_sub(1);
        }
        match purpose {
            Purpose::Scheduled => self.running = self.running.saturating_sub(1),
            Purpose::Burst(_) => self.running_bursts = self.running_bursts.saturating_sub(1),
        }
    }
}

/// The places in the queue of a burst's probes, start to start.
fn probes(
    began: Mono,
    spacing: Duration,
    target: usize,
    number: u64,
) -> impl Iterator<Item = (Mono, usize, Kind)> {
    (0..BURST).map(move |nth| {
        let at = began.after(spacing.saturating_mul(u32::from(nth)));
        (at, target, Kind::Burst { number, nth })
    })
}

/// The first moment after `now`: what is queued there is not due any more in this round.
fn after(now: Mono) -> Mono {
    now.after(Duration::from_nanos(1))
}

#[cfg(test)]
mod tests;
