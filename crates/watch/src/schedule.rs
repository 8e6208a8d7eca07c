//! The timetable: which target is asked when. Pure; time comes in, what is due goes out.
//!
//! Each target has slots of its own that never drift: a late or missed slot does not move the next
//! one. They begin spread evenly over the interval, elsewhere at each place, so that several places
//! see a target at different moments. From slot to slot is a [`stride()`]: never longer than the
//! interval, for the promised times count with it, and up to a quarter shorter, in turn, for a
//! target that fails and answers in step with its probes would always be seen in one phase. All
//! targets of a place stride alike, and stay spread.
//!
//! ```text
//!   burst ─▶ first in line ──┐  again `spacing` after it began, and again
//!                            ├──▶ free place? ──▶ start ──▶ ended
//!   slot ──▶ after them ─────┘         │ no
//!                                      └──▶ waits, in the order in which it was due
//! ```
//!
//! Nothing that is due is dropped for want of a place: it waits, and its lateness is counted. A
//! slot is skipped, and counted, when its target is still being asked or waits already, when we
//! woke up too late for it, or when what it would ask was just found out. A skip is never a
//! failure. Who asks the same address is in one group ([`shared`]): there one asks for all.

mod shared;
mod stride;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::{Mono, Purpose};

use self::shared::{Asked, Group};
use self::stride::stride;

/// How many probes a burst has.
pub(crate) const BURST: u8 = 3;

/// One target's times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// From slot to slot at the most.
    pub(crate) interval: Duration,
    /// Whether it is asked exactly so often, and not a little more often.
    pub(crate) exact: bool,
    /// From the start of one probe of a burst to the start of the next.
    pub(crate) spacing: Duration,
    /// Those of one group ask the same address and port in the same way.
    pub(crate) group: Option<usize>,
}

/// What the timetable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Ask this target now.
    Start {
        /// To be given back when it has ended.
        probe: ProbeId,
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

/// One probe under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProbeId(u64);

/// Why a slot passed without a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Skip {
    /// The target was still being asked.
    Busy,
    /// The slot before it still waited for a place.
    Crowded,
    /// We woke up after it.
    Late,
    /// Another one on the same address was just found silent.
    Shared,
}

/// The timetable of all targets of this place.
#[derive(Debug)]
pub(crate) struct Timetable {
    entries: Vec<Entry>,
    groups: Vec<Group>,
    queue: BTreeSet<(Mono, usize, Kind)>,
    /// What is due and waits for a place, by when it was due.
    waiting_bursts: BTreeSet<(Mono, usize)>,
    waiting_slots: BTreeSet<(Mono, usize)>,
    asked: HashMap<ProbeId, Asked>,
    seed: u64,
    started: u64,
    running: usize,
    running_bursts: usize,
    most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    // A burst comes before a slot of the same moment: it counts, the slot would be one too many.
    Burst,
    Slot,
}

#[derive(Debug)]
struct Entry {
    timing: Timing,
    /// How many slots it has had.
    round: u64,
    /// Its probes under way, also those that another one makes for it.
    running: u8,
    burst: Burst,
    /// Since when the slot waits for a place.
    slot: Option<Mono>,
    /// When the probe began whose finding was shared with it last.
    shared: Option<Mono>,
}

/// The last burst.
#[derive(Clone, Copy, Debug, Default)]
struct Burst {
    number: u64,
    /// So many of its probes have not begun.
    left: u8,
    next: Next,
}

/// Where the next probe of a burst is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// There is none.
    #[default]
    None,
    /// In the queue, for this moment.
    Queued(Mono),
    /// It waits for a place since this moment.
    Waiting(Mono),
    /// Another one is asked for it.
    Following,
}

impl Timetable {
    /// The timetable for these targets from `now` on. `seed` is different at each place. Up to
    /// `most` scheduled probes run at once, and `2 × most` with those of bursts.
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
            round: 0,
            running: 0,
            burst: Burst::default(),
            slot: None,
            shared: None,
        };
        Self {
            entries: targets.iter().map(entry).collect(),
            groups: shared::groups(targets),
            queue,
            waiting_bursts: BTreeSet::new(),
            waiting_slots: BTreeSet::new(),
            asked: HashMap::new(),
            seed,
            started: 0,
            running: 0,
            running_bursts: 0,
            most,
        }
    }

    /// When something is due next.
    pub(crate) fn next_wakeup(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _, _)| *at)
    }

    /// How many wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting_bursts.len() + self.waiting_slots.len()
    }

    /// Takes up a burst: at once, and twice more. What has not begun of an older burst of the
    /// same target has its question overtaken, and leaves its place in the line to the new one.
    pub(crate) fn burst(&mut self, now: Mono, target: usize, number: u64) {
        let Some(entry) = self.entries.get_mut(target) else {
            return;
        };
        if entry.burst.number >= number {
            return;
        }
        entry.burst.number = number;
        entry.burst.left = BURST;
        match entry.burst.next {
            Next::Waiting(_) | Next::Following => return,
            Next::Queued(at) => {
                self.queue.remove(&(at, target, Kind::Burst));
            }
            Next::None => {}
        }
        self.queue_burst(now, target);
    }

    fn queue_burst(&mut self, at: Mono, target: usize) {
        if let Some(entry) = self.entries.get_mut(target) {
            entry.burst.next = Next::Queued(at);
            self.queue.insert((at, target, Kind::Burst));
        }
    }

    /// What is due at `now`, one at a time; `None` when nothing is, or nothing has a place.
    pub(crate) fn take(&mut self, now: Mono) -> Option<Due> {
        while let Some((at, target, kind)) = self.queue.first().copied() {
            if at > now {
                break;
            }
            self.queue.pop_first();
            match kind {
                Kind::Burst => self.line_up_burst(now, at, target),
                Kind::Slot => {
                    if let Some(skipped) = self.slot(now, at, target) {
                        return Some(skipped);
                    }
                }
            }
        }
        let all = self.running + self.running_bursts;
        if all >= self.most.saturating_mul(2) {
            return None;
        }
        if let Some((at, target)) = self.waiting_bursts.pop_first() {
            let number = self.entries.get(target)?.burst.number;
            return self.start(now, at, target, Purpose::Burst(number));
        }
        if self.running >= self.most {
            return None;
        }
        let (at, target) = self.waiting_slots.pop_first()?;
        let entry = self.entries.get_mut(target)?;
        if entry.running > 0 {
            // A burst of the same target came first.
            entry.slot = None;
            let why = Skip::Busy;
            return Some(Due::Skipped { why, slots: 1 });
        }
        self.start(now, at, target, Purpose::Scheduled)
    }

    fn line_up_burst(&mut self, now: Mono, at: Mono, target: usize) {
        let leader = self.leader(now, target);
        let Some(entry) = self.entries.get_mut(target) else {
            return;
        };
        if let Some(leader) = leader {
            entry.burst.next = Next::Following;
            entry.running = entry.running.saturating_add(1);
            self.follow(leader, target, Kind::Burst);
        } else {
            entry.burst.next = Next::Waiting(at);
            self.waiting_bursts.insert((at, target));
        }
    }

    /// Lines a slot up, or says why it is skipped.
    fn slot(&mut self, now: Mono, at: Mono, target: usize) -> Option<Due> {
        let entry = self.entries.get_mut(target)?;
        let late = now.since(at);
        // The next slot lies where it was planned, however late this one is.
        let interval = entry.timing.interval.max(Duration::from_millis(1));
        let missed = late.as_nanos() / interval.as_nanos();
        let missed = u64::try_from(missed).unwrap_or(u64::MAX);
        let whole = interval.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX));
        entry.round = entry.round.saturating_add(missed).saturating_add(1);
        let stride = if entry.timing.exact {
            interval
        } else {
            stride(interval, self.seed, entry.round)
        };
        let next = at.after(whole).after(stride).max(after(now));
        self.queue.insert((next, target, Kind::Slot));
        let skipped = |why, slots| Some(Due::Skipped { why, slots });
        if missed > 0 {
            // Asleep for more than a whole interval: the next slot will do, and nobody is asked
            // in a crowd that only our own sleep made.
            return skipped(Skip::Late, missed.saturating_add(1));
        }
        if entry.running > 0 {
            return skipped(Skip::Busy, 1);
        }
        if entry.slot.is_some() {
            return skipped(Skip::Crowded, 1);
        }
        // Half an interval: who comes back is still seen by all within one and a half.
        if entry
            .shared
            .is_some_and(|began| now.since(began) < interval / 2)
        {
            return skipped(Skip::Shared, 1);
        }
        let leader = self.leader(now, target);
        let entry = self.entries.get_mut(target)?;
        if let Some(leader) = leader {
            entry.running = entry.running.saturating_add(1);
            self.follow(leader, target, Kind::Slot);
        } else {
            entry.slot = Some(at);
            self.waiting_slots.insert((at, target));
        }
        None
    }

    fn start(&mut self, now: Mono, at: Mono, target: usize, purpose: Purpose) -> Option<Due> {
        let entry = self.entries.get_mut(target)?;
        entry.running = entry.running.saturating_add(1);
        match purpose {
            Purpose::Scheduled => {
                entry.slot = None;
                self.running += 1;
            }
            Purpose::Burst(_) => {
                self.running_bursts += 1;
                self.burst_began(now, target);
            }
        }
        self.started += 1;
        let probe = ProbeId(self.started);
        self.lead(now, probe, target, purpose);
        Some(Due::Start {
            probe,
            target,
            purpose,
            late: now.since(at),
        })
    }

    /// One more probe of a burst began at `began`, this target's own or one that counts for it.
    fn burst_began(&mut self, began: Mono, target: usize) {
        let Some(entry) = self.entries.get_mut(target) else {
            return;
        };
        entry.burst.left = entry.burst.left.saturating_sub(1);
        entry.burst.next = Next::None;
        if entry.burst.left > 0 {
            let at = began.after(entry.timing.spacing);
            self.queue_burst(at, target);
        }
    }

    /// A probe that [`Due::Start`] asked for has ended; `silent` if it never got as far as being
    /// connected, and nothing was heard of the address. Gives those for whom it was asked too:
    /// the finding is theirs as well.
    pub(crate) fn ended(
        &mut self,
        now: Mono,
        probe: ProbeId,
        silent: bool,
    ) -> Vec<(usize, Purpose)> {
        let Some(asked) = self.asked.remove(&probe) else {
            return Vec::new();
        };
        if let Some(entry) = self.entries.get_mut(asked.target) {
            entry.running = entry.running.saturating_sub(1);
        }
        match asked.purpose {
            Purpose::Scheduled => self.running = self.running.saturating_sub(1),
            Purpose::Burst(_) => self.running_bursts = self.running_bursts.saturating_sub(1),
        }
        if silent {
            self.share(probe, asked)
        } else {
            self.release(now, probe, asked);
            Vec::new()
        }
    }
}

/// The first moment after `now`: what is queued there is not due any more in this round.
fn after(now: Mono) -> Mono {
    now.after(Duration::from_nanos(1))
}

#[cfg(test)]
mod tests;
