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
//! What fails and answers in turn leads from Following or HandingBack to Supporting, and from there
//! to Serving when it goes dark, or to Returning when it is clean. Nothing leads to Serving or
//! Supporting before it was once right: see [`Doubt`].
//!
//! Roles: Following, Suspecting and HandingBack stand by; Serving acts; Supporting and Returning
//! return; Held is
//! as ordered. A hand-back that the part stopped waits, paused, for a person. In mode observe the
//! machine runs all the same, and what it publishes stays standby.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Answer, Cause, Condition, ConfigurationId, Effect, Epoch, Fact, Identity, Mode, Mono, Now,
    Order, Question, Role, ServiceId, Standing, Timestamp, Topic, Verdict,
};

mod people;
mod saved;
mod settle;
mod state;
#[cfg(test)]
mod tests;

pub use saved::{Restored, Saved, SavedV1};
pub use state::State;
use state::{Notice, Refusal, Running};

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
    /// What decides whether a probe is good. What was never good under it is not taken over
    /// without a person's yes.
    pub configuration: ConfigurationId,
    /// Whether nothing could be served without a copy.
    pub needs_copy: bool,
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
            configuration: ConfigurationId::new(""),
            needs_copy: false,
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
    /// From here on it is probed under another configuration than before.
    Reconfigured,
    /// The part has a copy that it can serve, or has none.
    Copy(bool),
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
    /// Under which configuration it was last seen as it should be.
    proved: Option<ConfigurationId>,
    /// Whether there is a copy that could be served.
    copy: bool,
    /// At most one for each topic.
    refused: Vec<Refusal>,
    /// What was saved was saved under another configuration.
    reconfigured: bool,
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
            handback: self.hands_back_now(),
            doubt: self.doubt(),
            verdict: self.verdict.clone(),
            outage: self.outage.as_ref().map(|outage| outage.id.clone()),
            held_by: match &self.state {
                State::Held { by, at, .. } => Some((by.clone(), *at)),
                _ => None,
            },
            question: self.question.clone(),
        }
    }

    /// Whether there is a copy that could be served, as far as the part has said.
    pub fn has_copy(&self) -> bool {
        self.copy
    }

    /// Whether it was restored from what another configuration left; the record must say so, or
    /// a replay would take what was seen before for proof.
    pub fn is_reconfigured(&self) -> bool {
        self.reconfigured
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
            Input::Reconfigured => {
                self.proved = None;
                self.forget();
                None
            }
            Input::Copy(copy) => {
                self.copy = copy;
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
            && old.doubt == standing.doubt
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
        if self.may_hand_back() && !self.paused {
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
        self.remember(&verdict);
        if self.outage.is_none() && reachable && verdict.identity.is_some() {
            self.identity = verdict.identity.clone();
        }
        self.clean = match (reachable, self.clean) {
            (true, Some(clean)) => Some(clean),
            (true, None) => self.outage.is_some().then(|| self.clean_from(now)),
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
        let verdict = self.verdict.as_ref()?;
        let service = self.service.service;
        let effect = verdict.cause?.effect(service);
        // What fails in turn in a way that people judge is for people to judge.
        let judged = effect == Effect::RelayFirst
            && verdict
                .beneath()
                .is_some_and(|cause| cause.effect(service) == Effect::Ask);
        Some(if judged { Effect::Ask } else { effect })
    }

    /// Who answers now.
    fn identity_now(&self) -> Option<Identity> {
        self.verdict
            .as_ref()
            .and_then(|verdict| verdict.identity.clone())
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
            State::Serving => {
                let answers = [Some(Condition::Reachable), Some(Condition::Unstable)];
                answers.contains(&self.condition()) && self.same_server()
            }
            State::Held {
                role: Role::Acting, ..
            } => false,
            _ => true,
        }
    }
}
