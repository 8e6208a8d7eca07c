//! What people say to the machine, and what it asks them.

use super::{Action, Notice, Standby, State};
use crate::{Answer, Condition, Now, Order, OrderKind, Question, QuestionId, Role, Topic};

impl Standby {
    pub(super) fn obey(&mut self, order: Order) -> Option<Action> {
        let role = match order.kind {
            OrderKind::Failover => Role::Acting,
            OrderKind::Failback => Role::Standby,
            OrderKind::Hold => self.state.role(),
            OrderKind::Auto => return self.release(),
        };
        self.question = None;
        if role == Role::Acting && order.kind == OrderKind::Failover {
            self.permit();
        }
        self.state = State::Held {
            role,
            by: order.by,
            at: order.at,
        };
        None
    }

    /// Verdicts decide again; the role of this moment is where they start from. An order may have
    /// left something behind that is not handed back yet: the part says so, or that it is done.
    fn release(&mut self) -> Option<Action> {
        match self.state {
            State::Held {
                role: Role::Standby,
                ..
            } if self.policy.hands_back && self.condition() != Some(Condition::Dark) => {
                self.state = State::HandingBack;
                Some(Action::StartHandback)
            }
            State::Held { role, .. } => {
                self.state = match role {
                    Role::Standby => State::Following,
                    Role::Acting | Role::Returning => State::Serving,
                };
                None
            }
            State::HandingBack if self.paused => {
                self.resume();
                Some(Action::StartHandback)
            }
            _ => None,
        }
    }

    pub(super) fn hear(&mut self, answer: &Answer) -> Option<Action> {
        let question = self.question.take_if(|asked| asked.id == answer.question)?;
        match (question.topic, answer.yes) {
            // A no leaves it paused until an order lifts that.
            (Topic::HandBack, yes) => {
                self.paused = self.paused && !yes;
                return yes.then_some(Action::StartHandback);
            }
            (Topic::Permission, true) if self.outage.is_some() => {
                self.permit();
                self.state = State::Serving;
            }
            (Topic::TakeOver(_) | Topic::NeverGood(_) | Topic::NoCopy(_), true)
                if self.outage.is_some() =>
            {
                self.state = State::Serving;
            }
            (
                Topic::TakeOver(_) | Topic::NeverGood(_) | Topic::NoCopy(_) | Topic::Permission,
                yes,
            ) => {
                if let Some(outage) = &mut self.outage {
                    outage.declined = !yes;
                }
            }
            (Topic::Return, yes) => {
                if let Some(outage) = &mut self.outage {
                    outage.released = yes;
                }
            }
        }
        None
    }

    /// A named person says that serving is permitted, whatever notice the primary showed.
    fn permit(&mut self) {
        if let Some(outage) = &mut self.outage
            && outage.notice == Notice::Seen
        {
            outage.notice = Notice::Permitted;
        }
    }

    pub(super) fn ask(&mut self, now: Now, topic: Topic) {
        if self
            .question
            .as_ref()
            .is_some_and(|question| question.topic == topic)
        {
            return;
        }
        self.questions += 1;
        let id = QuestionId::new(format!("{}-{}", self.service.service, self.questions));
        let service = self.service.clone();
        self.question = Some(Question {
            id,
            service,
            topic,
            asked: now.wall,
        });
    }
}
