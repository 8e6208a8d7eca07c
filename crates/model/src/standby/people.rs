//! What people say to the machine, and what it asks them.

use super::{Action, Notice, Refusal, Standby, State};
use crate::{Answer, Condition, Now, Order, OrderKind, Question, QuestionId, Role, Topic, Verdict};

impl Standby {
    pub(super) fn obey(&mut self, order: Order) -> Option<Action> {
        let role = match order.kind {
            OrderKind::Failover => Role::Acting,
            OrderKind::Failback => Role::Standby,
            OrderKind::Hold => self.state.role(),
            OrderKind::Auto => return self.release(),
        };
        // Whether more goes to a primary that refuses what it should take stays open: whoever orders
        // to stand by has said nothing of that. It ends where nothing may be handed back.
        self.question
            .take_if(|question| question.topic != Topic::HandBack);
        if order.kind == OrderKind::Failback && self.question.is_none() {
            // Who gives the service back gives back what is held for it, after a no as well.
            self.paused = false;
        }
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
    /// left something behind that is not handed back yet: the part says so, or that it is done. A
    /// question that was open while the service was held is open still.
    fn release(&mut self) -> Option<Action> {
        match self.state {
            State::Held {
                role: Role::Standby,
                ..
            } if self.policy.hands_back && self.condition() != Some(Condition::Dark) => {
                self.state = State::HandingBack;
                if self.question.is_some() {
                    return None;
                }
                self.resume();
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
            (
                topic @ (Topic::TakeOver(_)
                | Topic::NeverGood(_)
                | Topic::NoCopy(_)
                | Topic::Permission),
                true,
            ) if self.outage.is_some() => {
                if topic == Topic::Permission {
                    self.permit();
                }
                self.state = match self.condition() {
                    Some(Condition::Unstable) => State::Supporting,
                    _ => State::Serving,
                };
            }
            (
                Topic::TakeOver(_) | Topic::NeverGood(_) | Topic::NoCopy(_) | Topic::Permission,
                true,
            ) => {}
            (topic, false) => self.refuse(topic),
            (Topic::Return, true) => {
                if let Some(outage) = &mut self.outage {
                    outage.released = true;
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
        let asked = self.question.as_ref().map(|question| question.topic);
        if asked.is_some_and(|asked| is_as_good_as(asked, topic)) || self.is_refused(topic) {
            return;
        }
        if asked == Some(Topic::HandBack) {
            // Asked again as soon as the part meets it again: a pause that nobody is asked about
            // would never end.
            self.paused = false;
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

    /// A person said no: it is not asked again until something changes.
    fn refuse(&mut self, topic: Topic) {
        let identity = self.identity_now();
        let mut topics = vec![topic];
        // The cause may have changed since it was asked; whoever answers has the present one
        // before them.
        match (topic, self.cause()) {
            (Topic::NeverGood(_), Some(cause)) => topics.push(Topic::NeverGood(cause)),
            (Topic::NoCopy(_), Some(cause)) => topics.push(Topic::NoCopy(cause)),
            _ => {}
        }
        for topic in topics {
            let identity = identity.clone();
            self.refused.retain(|refusal| refusal.topic != topic);
            self.refused.push(Refusal { topic, identity });
        }
    }

    fn is_refused(&self, topic: Topic) -> bool {
        let formerly = self.outage.as_ref().is_some_and(|outage| outage.declined);
        if formerly && matches!(topic, Topic::TakeOver(_)) {
            return true;
        }
        let identity = self.identity_now();
        self.refused.iter().any(|refusal| {
            refusal.topic == topic && (topic != Topic::Return || refusal.identity == identity)
        })
    }

    /// What a verdict proves, and which refusals it overtakes.
    pub(super) fn remember(&mut self, verdict: &Verdict) {
        let reachable = verdict.condition == Condition::Reachable;
        // A detector lives as long as its configuration: whatever it saw good was good under it.
        if reachable || verdict.last_good.is_some() {
            self.proved = Some(self.policy.configuration.clone());
        }
        if reachable {
            self.refused
                .retain(|refusal| refusal.topic == Topic::Return);
            if let Some(outage) = &mut self.outage {
                outage.declined = false;
            }
        }
        if verdict.condition.is_outage() {
            self.refused
                .retain(|refusal| refusal.topic != Topic::Return);
        }
    }
}

/// Whether who was asked the one need not be asked the other: why it fails may change from probe
/// to probe, and it is asked about something else.
fn is_as_good_as(asked: Topic, topic: Topic) -> bool {
    asked == topic
        || matches!(
            (asked, topic),
            (Topic::NeverGood(_), Topic::NeverGood(_)) | (Topic::NoCopy(_), Topic::NoCopy(_))
        )
}
