//! When messages are checked: after their `250`, a few at once, and not while DNS is silent.
//!
//! Pure: whoever runs the checks offers messages, asks what to do next, and says how a check
//! ended. Nothing here waits, so that accepting costs the same whether DNS answers or not.
//!
//! ```text
//!            a check was answered                     the pause is over
//!  ┌──────────────────────────────┐                ┌────────────────────┐
//!  ▼                              │                │                    ▼
//! Asking ── n silent checks ──▶ Pausing { until } ─┘                 Trying (one check)
//!  ▲                              ▲                                     │   │
//!  │                              └───── silent: twice the pause ───────┘   │
//!  └──────────────────────────────────────── answered ──────────────────────┘
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use model::Mono;

use super::verdict::Heard;

/// How much is done at once, and when DNS is left alone.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Checks that run at the same time.
    pub at_once: usize,
    /// Messages that wait for one; what does not fit is handed back without results.
    pub waiting: usize,
    /// Checks in a row to which nothing answered, after which DNS is left alone.
    pub silent: u32,
    /// For how long, the first time.
    pub first_pause: Duration,
    /// And at most.
    pub longest_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 16,
            waiting: 1024,
            silent: 4,
            first_pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// What became of a message that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It waits for a check.
    Waits,
    /// There are too many: it is handed back without results. Counted.
    Left,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work<T> {
    /// Check this message, and say how that ended ([`Queue::ended`]).
    Check(T),
    /// DNS is silent: record this message as not known ([`super::check::unknown`]), ask nothing.
    Unknown(T),
}

/// Messages that wait for their checks, and whether DNS is worth asking.
#[derive(Debug)]
pub struct Queue<T> {
    limits: Limits,
    waiting: VecDeque<T>,
    running: usize,
    dns: Dns,
    left: u64,
}

#[derive(Debug)]
enum Dns {
    Asking { silent: u32 },
    Pausing { until: Mono, pause: Duration },
    Trying { pause: Duration },
}

impl<T> Queue<T> {
    /// Nothing waits, and DNS is thought to be well.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            running: 0,
            dns: Dns::Asking { silent: 0 },
            left: 0,
        }
    }

    /// Takes a message that was accepted.
    pub fn offer(&mut self, message: T) -> Offer {
        if self.waiting.len() >= self.limits.waiting {
            self.left = self.left.saturating_add(1);
            return Offer::Left;
        }
        self.waiting.push_back(message);
        Offer::Waits
    }

    /// What to do now; `None` until a message is offered or a check ends.
    pub fn next(&mut self, now: Mono) -> Option<Work<T>> {
        if let Dns::Pausing { until, pause } = self.dns
            && now >= until
            && !self.waiting.is_empty()
            && self.running < self.limits.at_once
        {
            self.dns = Dns::Trying { pause };
            return self.check();
        }
        match self.dns {
            Dns::Asking { .. } if self.running < self.limits.at_once => self.check(),
            Dns::Asking { .. } => None,
            Dns::Pausing { .. } | Dns::Trying { .. } => self.waiting.pop_front().map(Work::Unknown),
        }
    }

    fn check(&mut self) -> Option<Work<T>> {
        let message = self.waiting.pop_front()?;
        self.running += 1;
        Some(Work::Check(message))
    }

    /// A check ended, and this is how DNS was meanwhile. A check that was given up without an
    /// end is said to be `NotAsked`.
    pub fn ended(&mut self, now: Mono, heard: Heard) {
        self.running = self.running.saturating_sub(1);
        self.dns = match (&self.dns, heard) {
            // Whatever answers, answers: also one that began before the pause.
            (_, Heard::Answered) => Dns::Asking { silent: 0 },
            (Dns::Asking { silent }, Heard::Silent) => {
                let silent = silent.saturating_add(1);
                if silent < self.limits.silent {
                    Dns::Asking { silent }
                } else {
                    self.pause(now, self.limits.first_pause)
                }
            }
            // The others that began before the pause say nothing new.
            (Dns::Pausing { until, pause }, _) => Dns::Pausing {
                until: *until,
                pause: *pause,
            },
            (Dns::Trying { pause }, Heard::Silent) => self.pause(now, pause.saturating_mul(2)),
            // The next one tries, at once.
            (Dns::Trying { pause }, Heard::NotAsked) => Dns::Pausing {
                until: now,
                pause: *pause,
            },
            (Dns::Asking { silent }, Heard::NotAsked) => Dns::Asking { silent: *silent },
        };
    }

    fn pause(&self, now: Mono, pause: Duration) -> Dns {
        let pause = pause.min(self.limits.longest_pause);
        Dns::Pausing {
            until: now.after(pause),
            pause,
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many are being checked.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many were left without results since the start.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether DNS is left alone.
    pub fn is_pausing(&self) -> bool {
        !matches!(self.dns, Dns::Asking { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(waiting: u32) -> Queue<u32> {
        let mut queue = Queue::new(Limits {
            at_once: 2,
            waiting: 100,
            silent: 3,
            first_pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(60),
        });
        for message in 0..waiting {
            assert_eq!(queue.offer(message), Offer::Waits);
        }
        queue
    }

    fn at(millis: u64) -> Mono {
        Mono::at(Duration::from_millis(millis))
    }

    fn silent(queue: &mut Queue<u32>, now: Mono, times: usize) {
        for _ in 0..times {
            assert!(matches!(queue.next(now), Some(Work::Check(_))));
            queue.ended(now, Heard::Silent);
        }
    }

    #[test]
    fn so_many_at_once_in_their_order() {
        let mut queue = queue(3);
        assert_eq!(queue.next(at(0)), Some(Work::Check(0)));
        assert_eq!(queue.next(at(0)), Some(Work::Check(1)));
        assert_eq!(queue.next(at(0)), None);
        queue.ended(at(1), Heard::Answered);
        assert_eq!(queue.next(at(1)), Some(Work::Check(2)));
        queue.ended(at(2), Heard::Answered);
        queue.ended(at(2), Heard::NotAsked);
        assert_eq!(queue.next(at(2)), None);
        assert_eq!((queue.running(), queue.waiting()), (0, 0));
    }

    #[test]
    fn what_does_not_fit_is_left_and_counted() {
        let mut queue = queue(100);
        assert_eq!(queue.offer(100), Offer::Left);
        assert_eq!((queue.waiting(), queue.left()), (100, 1));
        assert_eq!(queue.next(at(0)), Some(Work::Check(0)));
        assert_eq!(queue.offer(101), Offer::Waits);
    }

    #[test]
    fn silence_is_paid_for_a_few_times_and_then_costs_nothing() {
        let mut queue = queue(10);
        silent(&mut queue, at(0), 3);
        assert!(queue.is_pausing());
        for message in 3..10 {
            assert_eq!(queue.next(at(1999)), Some(Work::Unknown(message)));
        }
        assert_eq!(queue.next(at(1999)), None);
        // Nothing waited when the pause was over: the next message tries.
        assert_eq!(queue.next(at(9000)), None);
        queue.offer(10);
        queue.offer(11);
        assert_eq!(queue.next(at(9000)), Some(Work::Check(10)));
        assert_eq!(queue.next(at(9000)), Some(Work::Unknown(11)), "one tries");
        queue.ended(at(11_000), Heard::Answered);
        assert!(!queue.is_pausing());
        queue.offer(12);
        assert_eq!(queue.next(at(11_000)), Some(Work::Check(12)));
    }

    #[test]
    fn the_pause_doubles_up_to_the_longest() {
        let mut queue = queue(20);
        silent(&mut queue, at(0), 3);
        let mut now = 0;
        for pause in [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] {
            queue.offer(0);
            let before = queue.next(at(now + pause - 1));
            assert!(matches!(before, Some(Work::Unknown(_))), "{pause}");
            now += pause;
            silent(&mut queue, at(now), 1);
        }
    }

    #[test]
    fn only_silence_in_a_row_counts() {
        let mut queue = queue(20);
        for _ in 0..4 {
            silent(&mut queue, at(0), 2);
            queue.next(at(0));
            queue.ended(at(0), Heard::NotAsked);
            assert!(!queue.is_pausing());
            queue.next(at(0));
            queue.ended(at(0), Heard::Answered);
        }
        assert!(!queue.is_pausing());
    }

    #[test]
    fn a_try_that_asked_nothing_leaves_the_next_to_try() {
        let mut queue = queue(10);
        silent(&mut queue, at(0), 3);
        assert_eq!(queue.next(at(2000)), Some(Work::Check(3)));
        queue.ended(at(2000), Heard::NotAsked);
        assert_eq!(queue.next(at(2000)), Some(Work::Check(4)));
        queue.ended(at(2000), Heard::Silent);
        assert_eq!(queue.next(at(5999)), Some(Work::Unknown(5)));
        assert_eq!(queue.next(at(6000)), Some(Work::Check(6)));
    }

    #[test]
    fn checks_from_before_the_pause_change_it_only_by_an_answer() {
        let mut queue = queue(10);
        assert_eq!(queue.next(at(0)), Some(Work::Check(0)));
        silent(&mut queue, at(0), 3);
        queue.ended(at(1), Heard::Silent);
        assert_eq!(queue.next(at(2000)), Some(Work::Check(4)), "not longer");
        queue.ended(at(2000), Heard::Silent);
        assert_eq!(queue.next(at(2001)), Some(Work::Unknown(5)));
        queue.ended(at(2001), Heard::Answered);
        assert_eq!(queue.next(at(2001)), Some(Work::Check(6)));
    }
}
