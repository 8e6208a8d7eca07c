//! Each state of the world, and what a person is told.

use std::sync::Arc;

use model::{Epoch, OrganisationId, QuestionId, Service, ServiceId, Timestamp, Topic, Verdict};

use super::*;

fn service() -> ServiceId {
    ServiceId::new(OrganisationId::new("verein.test"), Service::Mail)
}

fn standing(state: StateName, role: Role, condition: Condition) -> Standing {
    Standing {
        service: service(),
        role,
        epoch: Epoch::default(),
        since: Timestamp::from_millis(0),
        state,
        mode: Mode::Act,
        would: None,
        effect: None,
        relay: true,
        handback: matches!(state, StateName::HandingBack | StateName::Held)
            && role == Role::Standby
            && condition != Condition::Dark,
        verdict: Some(Arc::new(Verdict {
            condition,
            ..verdict()
        })),
        outage: None,
        held_by: None,
        doubt: None,
        question: None,
    }
}

fn verdict() -> Verdict {
    Verdict {
        service: service(),
        condition: Condition::Reachable,
        cause: None,
        at: Timestamp::from_millis(0),
        since: Timestamp::from_millis(0),
        last_good: None,
        identity: None,
        places: Vec::new(),
        evidence: Vec::new(),
    }
}

fn asked(standing: Standing) -> Standing {
    Standing {
        question: Some(Question {
            id: QuestionId::new("mail-1"),
            service: service(),
            topic: Topic::HandBack,
            asked: Timestamp::from_millis(0),
        }),
        ..standing
    }
}

#[test]
fn every_standing_says_what_hand_back_does() {
    use Condition::{Dark, Reachable};
    use Role::{Acting, Standby};
    let of = |standing: Standing| outcome(Some(&standing), 5, SealState::Unlocked, true);
    let following = standing(StateName::Following, Standby, Reachable);
    assert_eq!(of(following.clone()), HandBack::Started);
    assert_eq!(
        of(standing(StateName::HandingBack, Standby, Reachable)),
        HandBack::Started
    );
    assert_eq!(
        of(standing(StateName::Held, Standby, Reachable)),
        HandBack::Started
    );
    assert_eq!(
        of(standing(StateName::Following, Standby, Dark)),
        HandBack::Silent
    );
    assert_eq!(
        of(standing(StateName::Held, Standby, Dark)),
        HandBack::Silent
    );
    assert_eq!(
        of(standing(StateName::Serving, Acting, Dark)),
        HandBack::Acting { ordered: false }
    );
    assert_eq!(
        of(standing(StateName::Held, Acting, Reachable)),
        HandBack::Acting { ordered: true }
    );
    assert_eq!(
        of(standing(StateName::Returning, Role::Returning, Reachable)),
        HandBack::Returning
    );
    let stopped = Standing {
        handback: false,
        ..standing(StateName::HandingBack, Standby, Reachable)
    };
    assert_eq!(of(stopped.clone()), HandBack::Stopped);
    // Somebody said no while it was held: an order to stand by is not a yes.
    let refused = Standing {
        handback: false,
        ..standing(StateName::Held, Standby, Reachable)
    };
    assert_eq!(of(refused), HandBack::Stopped);
    let question = asked(stopped);
    let Some(open) = question.question.clone() else {
        panic!("a question")
    };
    assert_eq!(of(question), HandBack::Asked(open));
    let observes = Standing {
        mode: Mode::Observe,
        ..following.clone()
    };
    assert_eq!(of(observes), HandBack::Observes);

    let with = |waiting, seal, read| outcome(Some(&following), waiting, seal, read);
    assert_eq!(with(0, SealState::Locked, false), HandBack::Nothing);
    assert_eq!(with(5, SealState::Locked, false), HandBack::Locked);
    assert_eq!(with(5, SealState::NotSetUp, false), HandBack::Locked);
    assert_eq!(with(5, SealState::Unlocked, false), HandBack::Locked);
    assert_eq!(
        outcome(None, 5, SealState::Unlocked, true),
        HandBack::Silent
    );
}
