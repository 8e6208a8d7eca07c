//! What of a machine survives a restart. Versioned from the first day.

use serde::{Deserialize, Serialize};

use super::{Policy, Running, Standby, State};
use crate::{Epoch, Identity, Now, Question, Role, ServiceId, Timestamp};

/// The durable part of a machine, in its on-disk form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum Saved {
    /// The first form.
    V1(SavedV1),
}

/// The first on-disk form; its fields are the machine's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedV1 {
    state: State,
    outage: Option<Running>,
    question: Option<Question>,
    questions: u64,
    identity: Option<Identity>,
    epoch: Epoch,
    role: Role,
    since: Timestamp,
    #[serde(default)] // what was saved before there was mail does not have it
    paused: bool,
}

/// How a machine begins.
#[derive(Clone, Debug)]
pub enum Restored {
    /// Nothing was saved.
    Fresh,
    /// What was saved before the restart: the old role stays until there is a verdict.
    Saved(Box<Saved>),
}

impl Standby {
    /// A machine as it was before the restart, or a fresh one. Deadlines begin anew where the
    /// restart broke what they measured (the clean minutes), and go on where wall time tells.
    pub fn new(service: ServiceId, policy: Policy, restored: Restored, now: Now) -> Self {
        let mut machine = Self {
            service,
            policy,
            state: State::Following,
            verdict: None,
            outage: None,
            clean: None,
            dark: None,
            question: None,
            questions: 0,
            identity: None,
            epoch: Epoch::default(),
            role: Role::Standby,
            since: now.wall,
            paused: false,
            handled: now,
        };
        if let Restored::Saved(saved) = restored {
            let Saved::V1(saved) = *saved;
            machine.state = saved.state;
            machine.outage = saved.outage;
            machine.question = saved.question;
            machine.questions = saved.questions;
            machine.identity = saved.identity;
            machine.epoch = saved.epoch;
            machine.role = saved.role;
            machine.since = saved.since;
            machine.paused = saved.paused;
        }
        // The mode may have changed with the configuration.
        machine.number_the_role(now);
        machine
    }

    /// What has to be durable.
    pub fn saved(&self) -> Saved {
        Saved::V1(SavedV1 {
            state: self.state.clone(),
            outage: self.outage.clone(),
            question: self.question.clone(),
            questions: self.questions,
            identity: self.identity.clone(),
            epoch: self.epoch,
            role: self.role,
            since: self.since,
            paused: self.paused,
        })
    }
}
