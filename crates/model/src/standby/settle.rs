//! What follows from where the machine stands: the transitions, one state at a time.

use super::{Action, Notice, Running, Standby, State};
use crate::{Condition, Effect, Fact, Now, OutageId, ReturnPolicy, Topic};

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
                State::Returning { .. } => self.hand_over(now),
                State::HandingBack => self.hand_back(),
                State::Held { .. } => None,
            };
            handback = action.or(handback);
            if self.state == before {
                break;
            }
        }
        if self.state != State::HandingBack {
            self.resume();
        }
        self.end_the_outage(now, facts);
        handback
    }

    fn keep_the_outage(&mut self, now: Now, facts: &mut Vec<Fact>) {
        if self.condition() != Some(Condition::Dark) || self.outage.is_some() {
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
            // Whoever said no before had not been told of it.
            outage.declined = false;
        }
    }

    /// An outage ends when the primary has been clean for long enough and nobody acts any more.
    fn end_the_outage(&mut self, now: Now, facts: &mut Vec<Fact>) {
        let stands_by = matches!(self.state, State::Following | State::Held { .. });
        if !stands_by || self.state.role() != crate::Role::Standby || !self.is_clean(now) {
            return;
        }
        if let Some(outage) = self.outage.take() {
            self.clean = None;
            self.question = None;
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
        let declined = self.outage.as_ref().is_some_and(|outage| outage.declined);
        self.state = match self.condition() {
            Some(Condition::Suspect) => State::Suspecting,
            Some(Condition::Dark) => match self.effect() {
                Some(Effect::TakeOver | Effect::Support | Effect::ServeOn) if self.waited(now) => {
                    self.question = None;
                    State::Serving
                }
                Some(Effect::Ask) if !declined => {
                    if let Some(cause) = self.cause() {
                        self.ask(now, Topic::TakeOver(cause));
                    }
                    State::Following
                }
                Some(Effect::Withhold) if !declined => {
                    self.ask(now, Topic::Permission);
                    State::Following
                }
                _ => State::Following,
            },
            Some(Condition::Reachable) => {
                self.question = None;
                State::Following
            }
            // Blind: nothing moves. Below quorum: it is said, and nothing moves.
            _ => State::Following,
        };
        None
    }

    fn waited(&self, now: Now) -> bool {
        self.dark
            .is_some_and(|dark| now.mono.since(dark) >= self.policy.delay)
    }

    fn serve(&mut self, now: Now) -> Option<Action> {
        match self.condition() {
            Some(Condition::Dark) if self.is_withheld() => self.state = State::Following,
            Some(Condition::Dark) => {
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
        if self.condition() != Some(Condition::Dark) {
            return None;
        }
        self.state = State::Serving;
        Some(Action::StopHandback)
    }
}
