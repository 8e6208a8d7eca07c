//! What follows from where the machine stands: the transitions, one state at a time.

use super::{Action, Notice, Running, Standby, State};
use crate::{
    Condition, Doubt, Effect, Fact, Mono, Now, OutageId, ReturnPolicy, Role, Service, Timestamp,
    Topic,
};

impl Standby {
    /// Moves on until nothing follows any more. Gives what the part is to do about hand-back.
    pub(super) fn settle(&mut self, now: Now, facts: &mut Vec<Fact>) -> Option<Action> {
        self.keep_the_outage(now, facts);
        self.heed_the_notice();
        let mut handback = None;
        // Every round moves to another state, and no input leads through more than a few.
        for _ in 0..4 {
            let before = self.state.clone();
            let action = match self.state {
                State::Following | State::Suspecting => self.follow(now),
                State::Serving => self.serve(now),
                State::Supporting => self.support(now),
                State::Returning { .. } => self.hand_over(now),
                State::HandingBack => self.hand_back(),
                State::Held { .. } => None,
            };
            handback = action.or(handback);
            if self.state == before {
                break;
            }
        }
        if !self.may_hand_back() {
            self.resume();
        }
        self.end_the_outage(now, facts);
        handback
    }

    fn keep_the_outage(&mut self, now: Now, facts: &mut Vec<Fact>) {
        if !self.condition().is_some_and(Condition::is_outage) || self.outage.is_some() {
            return;
        }
        let since = self
            .verdict
            .as_ref()
            .map_or(now.wall, |verdict| verdict.since);
        let id = OutageId::of(&self.service, since);
        facts.push(Fact::OutageBegan {
            outage: id.clone(),
            service: self.service.clone(),
        });
        self.outage = Some(Running {
            id,
            since,
            declined: false,
            released: false,
            notice: Notice::None,
        });
    }

    /// A primary that says that it may not serve is heeded for the rest of the outage, also if it
    /// falls silent afterwards.
    fn heed_the_notice(&mut self) {
        let says = |verdict: &std::sync::Arc<crate::Verdict>| verdict.is_legal_notice();
        if !self.verdict.as_ref().is_some_and(says) {
            return;
        }
        if let Some(outage) = &mut self.outage
            && outage.notice == Notice::None
        {
            outage.notice = Notice::Seen;
        }
    }

    /// An outage ends when the primary has been clean for long enough and nobody acts any more.
    fn end_the_outage(&mut self, now: Now, facts: &mut Vec<Fact>) {
        let stands_by = matches!(self.state, State::Following | State::Held { .. });
        if !stands_by || self.state.role() != Role::Standby || !self.is_clean(now) {
            return;
        }
        if let Some(outage) = self.outage.take() {
            self.clean = None;
            self.question
                .take_if(|question| question.topic != Topic::HandBack);
            self.identity = self
                .verdict
                .as_ref()
                .and_then(|verdict| verdict.identity.clone());
            facts.push(Fact::OutageEnded {
                outage: outage.id,
                service: self.service.clone(),
            });
        }
    }

    fn is_clean(&self, now: Now) -> bool {
        self.clean
            .is_some_and(|clean| now.mono.since(clean.mono) >= self.policy.clean)
    }

    fn follow(&mut self, now: Now) -> Option<Action> {
        self.state = match self.condition() {
            Some(Condition::Suspect) => State::Suspecting,
            Some(Condition::Dark | Condition::Unstable) => self.step_in(now),
            Some(Condition::Reachable) => {
                self.question = None;
                State::Following
            }
            // Blind: nothing moves. Below quorum: it is said, and nothing moves.
            _ => State::Following,
        };
        None
    }

    /// What an outage leads to while we stand by.
    fn step_in(&mut self, now: Now) -> State {
        let Some(cause) = self.cause() else {
            return State::Following;
        };
        let next = match self.effect() {
            Some(Effect::TakeOver | Effect::Support | Effect::ServeOn) if self.waited(now) => {
                State::Serving
            }
            Some(Effect::RelayFirst) => State::Supporting,
            Some(Effect::Ask) => {
                self.ask(now, Topic::TakeOver(cause));
                return State::Following;
            }
            Some(Effect::Withhold) => {
                self.ask(now, Topic::Permission);
                return State::Following;
            }
            _ => return State::Following,
        };
        match self.doubt() {
            Some(doubt) => {
                self.ask(
                    now,
                    match doubt {
                        Doubt::NeverGood => Topic::NeverGood(cause),
                        Doubt::NoCopy => Topic::NoCopy(cause),
                    },
                );
                State::Following
            }
            None => {
                self.question = None;
                next
            }
        }
    }

    /// Nothing moves before it was once right, and before there is something to serve. Zones are
    /// served on all the same: what is held stays where it is, and nobody is led anywhere.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        if self.service.service == Service::Names {
            return None;
        }
        if self.proved.as_ref() != Some(&self.policy.configuration) {
            return Some(Doubt::NeverGood);
        }
        (self.policy.needs_copy && !self.copy).then_some(Doubt::NoCopy)
    }

    /// It fails and answers in turn: it is asked first, and what we hold stands in where it fails.
    fn support(&mut self, now: Now) -> Option<Action> {
        if self.is_withheld() && self.condition().is_some_and(Condition::is_outage) {
            self.state = State::Following;
            return None;
        }
        if matches!(
            self.condition(),
            Some(Condition::Reachable | Condition::Unstable)
        ) {
            // It answers: whether to take it over is no question any more.
            self.question
                .take_if(|question| question.topic != Topic::HandBack);
        }
        match self.condition() {
            Some(Condition::Dark) => match self.effect() {
                Some(Effect::TakeOver | Effect::Support | Effect::ServeOn) if self.waited(now) => {
                    self.state = State::Serving;
                    return self.policy.hands_back.then_some(Action::StopHandback);
                }
                // Another page, another key: what lives behind it is for people to judge, and it
                // is asked first as long as nobody has.
                Some(Effect::Ask) => {
                    if let Some(cause) = self.cause() {
                        self.ask(now, Topic::TakeOver(cause));
                    }
                }
                _ => {}
            },
            // All the time it had its traffic: there is nothing that a person would have to give
            // back to it.
            Some(Condition::Reachable) if self.is_clean(now) => self.begin_return(now),
            _ => {}
        }
        None
    }

    /// Since when the primary is clean that is reachable from `now` on. What failed and answered in
    /// turn is called reachable only after it was clean for as long as the policy asks for.
    pub(super) fn clean_from(&self, now: Now) -> Now {
        if self.condition() != Some(Condition::Unstable) {
            return now;
        }
        let clean = self.policy.clean;
        let millis = i64::try_from(clean.as_millis()).unwrap_or(i64::MAX);
        Now {
            mono: Mono::at(now.mono.since_anchor().saturating_sub(clean)),
            wall: Timestamp::from_millis(now.wall.millis().saturating_sub(millis)),
        }
    }

    fn waited(&self, now: Now) -> bool {
        self.dark
            .is_some_and(|dark| now.mono.since(dark) >= self.policy.delay)
    }

    fn serve(&mut self, now: Now) -> Option<Action> {
        match self.condition() {
            Some(Condition::Dark | Condition::Unstable) if self.is_withheld() => {
                self.state = State::Following;
            }
            Some(Condition::Dark | Condition::Unstable) => {
                self.question = None;
                if let Some(outage) = &mut self.outage {
                    // A yes was for the server that answered then.
                    outage.released = false;
                }
            }
            // Serving without an outage: an order was lifted while the primary is well.
            Some(Condition::Reachable) if self.outage.is_none() => self.begin_return(now),
            Some(Condition::Reachable) if self.is_clean(now) => {
                if self.may_return() {
                    self.begin_return(now);
                } else {
                    self.ask(now, Topic::Return);
                }
            }
            _ => {}
        }
        None
    }

    fn begin_return(&mut self, now: Now) {
        self.question = None;
        self.state = State::Returning { since: now.wall };
    }

    fn may_return(&self) -> bool {
        let Some(outage) = &self.outage else {
            return true;
        };
        if outage.released {
            return true;
        }
        let ReturnPolicy::Auto(longest) = self.policy.returns else {
            return false;
        };
        let Some(clean) = self.clean else {
            return false;
        };
        let short = clean.wall.since(outage.since) <= longest;
        short && (self.same_server() || !self.policy.proof)
    }

    fn hand_over(&mut self, now: Now) -> Option<Action> {
        let State::Returning { since } = self.state else {
            return None;
        };
        match self.condition() {
            Some(Condition::Dark) => self.state = State::Serving,
            Some(Condition::Reachable) if now.wall.since(since) >= self.policy.stage => {
                if self.policy.hands_back {
                    self.state = State::HandingBack;
                    return Some(Action::StartHandback);
                }
                self.state = State::Following;
            }
            _ => {}
        }
        None
    }

    fn hand_back(&mut self) -> Option<Action> {
        match self.condition() {
            Some(Condition::Dark) => {
                self.state = State::Serving;
                Some(Action::StopHandback)
            }
            // What is kept goes on to it while it answers.
            Some(Condition::Unstable) if self.effect() == Some(Effect::RelayFirst) => {
                self.state = State::Supporting;
                None
            }
            _ => None,
        }
    }

    /// Whether the machine is where something may be handed back. A person who gives the service
    /// back gives back what is held for it.
    pub(super) fn may_hand_back(&self) -> bool {
        match self.state {
            State::HandingBack => true,
            State::Supporting
            | State::Held {
                role: Role::Standby,
                ..
            } => self.policy.hands_back,
            _ => false,
        }
    }

    /// Whether the part may hand back now.
    pub(super) fn hands_back_now(&self) -> bool {
        let answers = match self.state {
            State::Supporting => matches!(
                self.condition(),
                Some(Condition::Unstable | Condition::Reachable)
            ),
            State::Held { .. } => self.condition() != Some(Condition::Dark),
            _ => true,
        };
        self.may_hand_back() && answers && !self.paused
    }
}
