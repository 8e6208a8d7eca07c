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
    /// Messages that wait for one; what does not fit is checked at hand-back.
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
    /// There are too many: it is checked when it is handed back. Counted.
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

    /// How many were left to hand-back since the start.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether DNS is left alone.
    pub fn is_pausing(&self) -> bool {
        !matches!(self.dns, Dns::Asking { .. })
    }
}
