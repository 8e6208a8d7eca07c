//! Handing back: everything that was kept goes to the primary, once it lives and may have it.
//!
//! ```text
//! wait ──may hand back, something waits──▶ canaries ──taken──▶ bulk, ramped ──▶ wait
//!   ▲                                         │ several people whom we know do not exist there
//!   └───────────── a person says yes ◀────────┘
//! ```
//!
//! One message goes first and alone. A primary that came back empty refuses its recipient, and the
//! next one's, and gets nothing more until a person has looked ([`evidence`]); whatever else is said
//! of a message concerns that message alone. Messages of one sender go over one connection, so
//! they arrive in the order in which they were accepted; from one message to the next no answer is
//! waited for in vain (`lane`). What a reply means is decided in [`meaning`] and [`judge`], what came
//! of an attempt in [`attempt`], how much goes out at a time in [`pace`].

pub mod attempt;
mod body;
pub mod evidence;
mod job;
pub mod judge;
mod lane;
pub mod meaning;
pub mod pace;
mod round;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use host::{Drain, Handback, HandbackOutcome, Hint};
use model::Mono;

use crate::office::Office;
use crate::post::Post;

/// The first wait after a round in which something had to stay; doubled up to the longest.
const RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// The longest wait of one message after many attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Nothing waits any more.
    Emptied,
    /// The primary deferred some.
    Deferred,
    /// It takes fewer connections than there were to be.
    Crowded,
    /// The primary refuses what it should take: a person must look.
    Paused,
    /// The primary does not answer.
    Broken,
    /// The store does not take what became of messages.
    Unwritten,
    /// The standing changed, the program ends, or what is kept is locked.
    Stopped,
}

/// What is known over all messages of a hand-back.
#[derive(Debug, Default)]
struct Conditions {
    /// What speaks for an empty primary.
    evidence: evidence::Evidence,
    /// When those that were tried in vain are tried again: as many as wait, at the most.
    due: BTreeMap<u64, Mono>,
    /// How much the primary takes.
    pace: pace::Pace,
    /// More connections it refused while so many stood.
    connections: Option<usize>,
    introductions: lane::Introductions,
}

impl Conditions {
    fn is_due(&self, position: u64, now: Mono) -> bool {
        self.due.get(&position).is_none_or(|due| *due <= now)
    }

    /// Whether this message had better not be sent now, because of how many there were; then it is
    /// due when the others are whom that concerns.
    fn puts_off(&mut self, job: &job::Job, now: Mono) -> bool {
        let client = job.client().address.ip();
        let until = self.pace.until(&job.sender, client, now);
        if let Some(until) = until {
            self.due.insert(job.position, until);
        }
        until.is_some()
    }

    /// What came of a message shows how much the primary takes. Until when it waits with the others
    /// whom that concerns, if it does.
    fn note_pace(
        &mut self,
        job: &job::Job,
        judged: &attempt::Judgement,
        now: Mono,
    ) -> Option<Mono> {
        let client = job.client().address.ip();
        if judged.taken() {
            self.pace.taken(&job.sender, client, now);
        }
        let limited = judged.limited();
        limited.then(|| self.pace.put_off(job.position, &job.sender, client, now))?
    }

    /// Whatever waits is tried at once.
    fn hurry(&mut self) {
        self.due.clear();
        self.pace = pace::Pace::default();
    }
}

/// How long a message waits that was tried in vain so often.
fn backoff(tries: u32) -> Duration {
    let doubled = 1_u32
        .checked_shl(tries.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let longest = match tries {
        ..=24 => LONGEST_RETRY,
        _ => LONGEST_WAIT,
    };
    RETRY.saturating_mul(doubled).min(longest)
}

/// What is remembered between rounds.
#[derive(Debug, Default)]
struct Memory {
    conditions: Arc<Mutex<Conditions>>,
    /// A canary was taken since the primary is back.
    proved: bool,
    /// A round was paused because of refusals.
    paused: bool,
    /// A person was asked because of that.
    asked: bool,
    /// A person said yes: what is refused goes to quarantine.
    released: bool,
    /// It was said that nothing waits any more.
    told: bool,
    retry: Option<(Mono, Duration)>,
}

impl Memory {
    /// Nothing may go out at the moment.
    fn must_wait(&mut self, asked: bool) {
        (self.proved, self.told, self.retry) = (false, false, None);
        self.begin_anew();
        self.asked = asked && self.paused;
        self.paused &= asked;
    }

    /// Something may go out (again).
    fn may_go_on(&mut self) {
        if std::mem::take(&mut self.asked) {
            // The question is gone and we may go on: a person said yes.
            self.paused = false;
            self.released = true;
            self.begin_anew();
        }
    }

    /// What was said before speaks for nothing now, and whatever waits is tried at once.
    fn begin_anew(&mut self) {
        let evidence = evidence::Evidence::new(self.released);
        *self.conditions() = Conditions {
            evidence,
            ..Conditions::default()
        };
    }

    fn conditions(&self) -> std::sync::MutexGuard<'_, Conditions> {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Others go on while a message waits: the next attempt is that of the first one due.
    fn wait_for_the_first(&mut self, now: Mono) {
        let first = self.conditions().due.values().min().copied();
        match first.filter(|_| self.proved) {
            Some(first) => self.retry = Some((first, RETRY)),
            None => self.wait_longer(now),
        }
    }

    fn wait_longer(&mut self, now: Mono) {
        let next = self
            .retry
            .map_or(RETRY, |(_, last)| (last * 2).min(LONGEST_RETRY));
        self.retry = Some((now.after(next), next));
    }
}

/// Hands back for one organisation until the drain begins.
pub(crate) async fn run(post: Arc<Post>, office: Arc<Office>, drain: Drain) {
    let mut follow = office.follow();
    let mut memory = Memory::default();
    loop {
        follow.borrow_and_update();
        let now = post.host.clock.now().mono;
        let due = memory.retry.is_none_or(|(at, _)| at <= now);
        if !office.may_hand_back() {
            memory.must_wait(office.asks_about_handback());
        } else if due {
            memory.may_go_on();
            one_round(&post, &office, &mut memory, &drain).await;
        }
        let retry = memory.retry.map(|(at, _)| at).filter(|at| *at > now);
        // All arms are cancel-safe.
        tokio::select! {
            () = drain.begun() => return,
            changed = follow.changed() => {
                if changed.is_err() {
                    return drain.begun().await;
                }
                // That nothing waits counts in some standings and not in others.
                memory.told = false;
            }
            () = office.spool.news() => {
                memory.told = false;
                if memory.proved {
                    // It need not wait for those that were in vain.
                    memory.retry = None;
                }
            }
            () = office.people_read(), if !office.people_are_read() => {}
            () = office.hurry.notified() => {
                memory.retry = None;
                memory.conditions().hurry();
            }
            () = sleep(&post, retry) => {}
        }
    }
}

async fn one_round(post: &Arc<Post>, office: &Arc<Office>, memory: &mut Memory, drain: &Drain) {
    // What the primary has and could not be written down goes first, and nothing goes twice.
    let ended = match office.spool.settle_again().await {
        Err(error) => {
            tracing::error!(%error, "what was handed back cannot be written down");
            Ended::Unwritten
        }
        Ok(()) if office.spool.tally().waiting == 0 => Ended::Emptied,
        // Who exists is not known yet, so a refusal could not be judged.
        Ok(()) if !office.people_are_read() => {
            say_if_locked(post, office);
            Ended::Stopped
        }
        Ok(()) => round::round(post, office, memory, drain).await,
    };
    let now = post.host.clock.now();
    let outcome = |outcome| Handback {
        service: office.service.clone(),
        outcome,
    };
    match ended {
        Ended::Emptied => {
            memory.retry = None;
            if std::mem::take(&mut memory.released) {
                memory.begin_anew();
            }
            if !std::mem::replace(&mut memory.told, true) {
                post.host
                    .outlets
                    .handback
                    .send(outcome(HandbackOutcome::Done))
                    .await;
            }
        }
        Ended::Paused => {
            memory.paused = true;
            memory.proved = false;
            memory.wait_longer(now.mono);
            post.host
                .outlets
                .handback
                .send(outcome(HandbackOutcome::Paused))
                .await;
        }
        Ended::Deferred => memory.wait_for_the_first(now.mono),
        Ended::Crowded => memory.retry = Some((now.mono.after(RETRY), RETRY)),
        Ended::Unwritten => memory.wait_longer(now.mono),
        Ended::Broken => {
            memory.proved = false;
            memory.begin_anew();
            memory.wait_longer(now.mono);
            post.host.outlets.hints.offer(Hint {
                service: office.service.clone(),
                at: now.wall,
            });
        }
        Ended::Stopped => memory.retry = None,
    }
}

fn say_if_locked(post: &Post, office: &Office) {
    if post.host.store.seal().state() != store::SealState::Unlocked {
        tracing::warn!(
            organisation = %office.config.organisation,
            "mail is kept that nobody unlocked; `servergate unlock` lets it be handed back"
        );
    }
}

async fn sleep(post: &Post, until: Option<Mono>) {
    match until {
        Some(until) => post.host.clock.sleep_until(until).await,
        None => std::future::pending().await,
    }
}
