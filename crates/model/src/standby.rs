//! The standby machine: from verdicts and orders to one standing per (organisation, service).
//!
//! ```text
//!              failure seen            dark, cause acts             reachable for 3 clean
//! Following ───────────▶ Suspecting ──────────────────▶ Serving ─────────────────────────┐
//!   ▲  ▲                     │                            ▲  ▲      minutes, same server,│
//!   │  └─────────────────────┘                            │  │      or a person's yes     │
//!   │        not confirmed               dark again       │  │                            ▼
//!   │◀──────────── HandingBack ◀──────────────────────────┼──┴──────────────────── Returning
//!   │   done         (mail, chat)      stage is over      │
//!   └──────────────────────────────────────────────────────── stage is over (web, names)
//! from anywhere: an order leads to Held; `auto` leads back to Serving or Following
//! ```
//!
//! Roles: Following, Suspecting and HandingBack stand by; Serving acts; Returning returns; Held is
//! as ordered. A hand-back that the part stopped waits, paused, for a person. In mode observe the
//! machine runs all the same, and what it publishes stays standby.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Answer, Cause, Condition, Effect, Epoch, Fact, Identity, Mode, Mono, Now, Operator, Order,
    OutageId, Question, Role, ServiceId, Standing, StateName, Timestamp, Topic, Verdict,
};

mod people;
mod saved;
mod settle;
#[cfg(test)]
mod tests;

pub use saved::{Restored, Saved, SavedV1};

/// When a primary gets its traffic back without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReturnPolicy {
    /// After an outage of at most this length, if the same server proved to be back.
    Auto(Duration),
    /// Never: a person is asked.
    Ask,
}

/// How a service is to be stood by for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Observe or act.
    pub mode: Mode,
    /// How long the primary must be good without a failure before it is back.
    pub clean: Duration,
    /// How long we relay for whoever still reaches us before names lead to the primary again.
    pub stage: Duration,
    /// When it returns by itself.
    pub returns: ReturnPolicy,
    /// Whether an automatic return needs the proof that it is the same server. (Not for names:
    /// nothing is handed back there, and transfers have their own key.)
    pub proof: bool,
    /// How long dark must last before we take over. (Chat waits: its clients reconnect.)
    pub delay: Duration,
    /// Whether something is handed back after the return.
    pub hands_back: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Observe,
            clean: Duration::from_secs(180),
            stage: Duration::from_secs(30),
            returns: ReturnPolicy::Auto(Duration::from_secs(15 * 60)),
            proof: true,
            delay: Duration::ZERO,
            hands_back: false,
        }
    }
}

/// What a machine is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The detector reached a verdict.
    Verdict(Arc<Verdict>),
    /// A person gave an order.
    Order(Order),
    /// A person answered a question.
    Answer(Answer),
    /// All that was held is handed back.
    HandedBack,
    /// The part stopped handing back: the primary refuses what it should take.
    HandbackPaused,
    /// Time passed.
    Tick,
}

/// What a machine wants done. The order is a barrier: `Persist` is synced before what follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make durable.
    Persist(Saved),
    /// Append to the record.
    Record(Fact),
    /// Show to the parts.
    Publish(Standing),
    /// Ask a person.
    Ask(Question),
    /// Let the part hand back what it holds.
    StartHandback,
    /// The primary is dark again: hold on to the rest.
    StopHandback,
}

/// Where the machine stands. See the module's diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The primary lives, as far as anybody knows.
    Following,
    /// A failure is being confirmed.
    Suspecting,
    /// We serve.
    Serving,
    /// The primary is back; we relay until `since` plus the stage.
    Returning {
        /// When it began.
        since: Timestamp,
    },
    /// What was held goes back to the primary.
    HandingBack,
    /// As a person ordered.
    Held {
        /// The role.
        role: Role,
        /// Who ordered it.
        by: Operator,
        /// When.
        at: Timestamp,
    },
}

impl State {
    fn role(&self) -> Role {
        match self {
            Self::Following | Self::Suspecting | Self::HandingBack => Role::Standby,
            Self::Serving => Role::Acting,
            Self::Returning { .. } => Role::Returning,
            Self::Held { role, .. } => *role,
        }
    }

    fn name(&self) -> StateName {
        match self {
            Self::Following => StateName::Following,
            Self::Suspecting => StateName::Suspecting,
            Self::Serving => StateName::Serving,
            Self::Returning { .. } => StateName::Returning,
            Self::HandingBack => StateName::HandingBack,
            Self::Held { .. } => StateName::Held,
        }
    }
}

/// An outage that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    id: OutageId,
    since: Timestamp,
    /// A person said no to taking over: not asked again in this outage.
    declined: bool,
    /// A person said yes to the return.
    released: bool,
    #[serde(default)] // what was saved before it was noticed does not have it
    notice: Notice,
}

/// What is known of a notice of the primary that it may not serve (451).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Notice {
    /// None was seen in this outage.
    #[default]
    None,
    /// One was: whatever else happens, the copy stays off.
    Seen,
    /// A person confirmed that serving is permitted.
    Permitted,
}

/// One machine per (organisation, service).
#[derive(Clone, Debug)]
pub struct Standby {
    service: ServiceId,
    policy: Policy,
    state: State,
    verdict: Option<Arc<Verdict>>,
    outage: Option<Running>,
    /// Since when the primary has been good without a failure, during an outage.
    clean: Option<Now>,
    /// When dark was first said, for the delay.
    dark: Option<Mono>,
    question: Option<Question>,
    questions: u64,
    /// Who the primary proved to be before the outage.
    identity: Option<Identity>,
    epoch: Epoch,
    role: Role,
    since: Timestamp,
    /// The hand-back was stopped and waits for a person.
    paused: bool,
    /// When it last took an input in: deadlines after that have not been kept yet.
    handled: Now,
}

impl Standby {
    /// The standing of this moment.
    pub fn standing(&self) -> Standing {
        let decided = self.state.role();
        let role = self.published();
        Standing {
            service: self.service.clone(),
            role,
            epoch: self.epoch,
            since: self.since,
            state: self.state.name(),
            mode: self.policy.mode,
            would: (decided != role).then_some(decided),
            effect: self.effect(),
            relay: self.may_relay(),
            handback: self.state == State::HandingBack && !self.paused,
            verdict: self.verdict.clone(),
            outage: self.outage.as_ref().map(|outage| outage.id.clone()),
            held_by: match &self.state {
                State::Held { by, at, .. } => Some((by.clone(), *at)),
                _ => None,
            },
            question: self.question.clone(),
        }
    }

    /// When the machine wants a `Tick`, if nothing happens before. A deadline that passed while
    /// something else was done lies in the past and is still due.
    pub fn next_wakeup(&self, now: Now) -> Option<Mono> {
        let kept = self.handled;
        let clean = self.clean.map(|clean| clean.mono.after(self.policy.clean));
        let stage = match self.state {
            State::Returning { since } if kept.wall.since(since) < self.policy.stage => {
                Some(now.mono_at(since).after(self.policy.stage))
            }
            _ => None,
        };
        let delay = self.dark.map(|dark| dark.after(self.policy.delay));
        let pending = [clean, delay]
            .into_iter()
            .flatten()
            .filter(|at| *at > kept.mono);
        pending.chain(stage).min()
    }

    /// Takes one input in. `out` receives what follows from it, in order.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Action>) {
        self.handled = now;
        let before = (self.standing(), self.saved());
        let decided = self.state.role();
        let mut facts = Vec::new();
        let resumed = match input {
            Input::Verdict(verdict) => {
                self.learn(now, verdict);
                None
            }
            Input::Order(order) => self.obey(order),
            Input::Answer(answer) => self.hear(&answer),
            Input::HandedBack => {
                self.handed_back();
                None
            }
            Input::HandbackPaused => {
                self.pause(now);
                None
            }
            Input::Tick => None,
        };
        // What follows from where it stands now outdoes what a person wished before.
        let handback = self.settle(now, &mut facts).or(resumed);
        self.number_the_role(now);
        let moved = decided != self.state.role() && self.policy.mode == Mode::Observe;
        if moved {
            let (service, role) = (self.service.clone(), self.state.role());
            facts.push(Fact::Would { service, role });
        }
        self.report(before, facts, out);
        out.extend(handback);
    }

    fn published(&self) -> Role {
        match self.policy.mode {
            Mode::Act => self.state.role(),
            Mode::Observe => Role::Standby,
        }
    }

    fn number_the_role(&mut self, now: Now) {
        let role = self.published();
        if role != self.role {
            self.role = role;
            self.epoch = self.epoch.next();
            self.since = now.wall;
        }
    }

    /// Says what changed: first what must be durable, then the record, then the parts.
    fn report(&self, before: (Standing, Saved), facts: Vec<Fact>, out: &mut Vec<Action>) {
        let standing = self.standing();
        let (old, saved) = before;
        if self.saved() != saved {
            out.push(Action::Persist(self.saved()));
        }
        out.extend(facts.into_iter().map(Action::Record));
        let same = old.state == standing.state
            && old.epoch == standing.epoch
            && old.outage == standing.outage
            && old.held_by == standing.held_by
            && old.handback == standing.handback
            && old.question == standing.question;
        if !same {
            out.push(Action::Record(Fact::Standing(standing.clone())));
        }
        if let Some(question) = standing
            .question
            .as_ref()
            .filter(|_| old.question != standing.question)
        {
            out.push(Action::Record(Fact::Asked(question.clone())));
            out.push(Action::Ask(question.clone()));
        }
        if old != standing {
            out.push(Action::Publish(standing));
        }
    }

    fn handed_back(&mut self) {
        if self.state == State::HandingBack {
            self.resume();
            self.state = State::Following;
        }
    }

    /// A person looks before more is handed to a primary that refuses what it should take. Once
    /// is enough: whoever said no is not asked again.
    fn pause(&mut self, now: Now) {
        if self.state == State::HandingBack && !self.paused {
            self.paused = true;
            self.ask(now, Topic::HandBack);
        }
    }

    /// Nothing is paused any more. The next hand-back begins with a single message anyway, so a
    /// pause need not outlive the hand-back that it stopped.
    fn resume(&mut self) {
        self.paused = false;
        self.question
            .take_if(|question| question.topic == Topic::HandBack);
    }

    fn learn(&mut self, now: Now, verdict: Arc<Verdict>) {
        let reachable = verdict.condition == Condition::Reachable;
        if self.outage.is_none() && reachable && verdict.identity.is_some() {
            self.identity = verdict.identity.clone();
        }
        self.clean = match (reachable, self.clean) {
            (true, Some(clean)) => Some(clean),
            (true, None) => self.outage.is_some().then_some(now),
            (false, _) => None,
        };
        self.dark = match (verdict.condition, self.dark) {
            (Condition::Dark, None) => Some(now.mono),
            // Being blind or in doubt does not undo what was found.
            (Condition::Dark | Condition::Blind | Condition::Suspect, dark) => dark,
            _ => None,
        };
        self.verdict = Some(verdict);
    }

    fn condition(&self) -> Option<Condition> {
        self.verdict.as_ref().map(|verdict| verdict.condition)
    }

    fn cause(&self) -> Option<Cause> {
        self.verdict.as_ref().and_then(|verdict| verdict.cause)
    }

    fn effect(&self) -> Option<Effect> {
        if self.is_withheld() {
            return Some(Effect::Withhold);
        }
        self.cause().map(|cause| cause.effect(self.service.service))
    }

    /// Whether the copy stays off: the primary said 451 in this outage, and nobody has confirmed
    /// that serving is permitted. An order to act is such a confirmation.
    fn is_withheld(&self) -> bool {
        let seen = self.outage.as_ref().map(|outage| outage.notice) == Some(Notice::Seen);
        let ordered = matches!(
            self.state,
            State::Held {
                role: Role::Acting,
                ..
            }
        );
        seen && !ordered
    }

    /// Whether the primary proved to be the one known from before the outage.
    fn same_server(&self) -> bool {
        let now = self
            .verdict
            .as_ref()
            .and_then(|verdict| verdict.identity.as_ref());
        self.identity.is_some() && now == self.identity.as_ref()
    }

    /// Wrong is safe: a primary that can be reached and is proved to be the same gets its
    /// requests, whatever we think. One that may be somebody else's never does while we act.
    fn may_relay(&self) -> bool {
        match &self.state {
            // It lives and cannot cope: the copy comes first, and what it lacks may be asked for.
            State::Serving if self.effect() == Some(Effect::Support) => true,
            State::Serving => self.condition() == Some(Condition::Reachable) && self.same_server(),
            State::Held {
                role: Role::Acting, ..
            } => false,
            _ => true,
        }
    }
}
