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
mod memory;
pub mod pace;
mod round;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use host::{Drain, Handback, HandbackOutcome, Hint};
use model::Mono;

use memory::{Conditions, Memory, RETRY, backoff};

use crate::office::Office;
use crate::post::Post;

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
    let began = post.host.clock.now().mono;
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
        Ended::Deferred => memory.wait_for_the_first(began, now.mono),
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
