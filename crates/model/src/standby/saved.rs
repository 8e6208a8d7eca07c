//! What of a machine survives a restart. Versioned from the first day.

use serde::{Deserialize, Serialize};

use super::{Policy, Refusal, Running, Standby, State};
use crate::{ConfigurationId, Epoch, Identity, Now, Question, Role, ServiceId, Timestamp, Topic};

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
    /// The configuration of the moment. Absent in what was written before it was kept.
    #[serde(default)]
    configuration: Option<ConfigurationId>,
    #[serde(default)]
    proved: Option<ConfigurationId>,
    #[serde(default)]
    copy: bool,
    #[serde(default)]
    refused: Vec<Refusal>,
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
            proved: None,
            copy: false,
            refused: Vec::new(),
            reconfigured: false,
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
            machine.proved = saved.proved;
            machine.copy = saved.copy;
            machine.refused = saved.refused;
            // Another configuration is another question. Former versions did not keep it.
            machine.reconfigured = saved
                .configuration
                .is_some_and(|before| before != machine.policy.configuration);
            if machine.reconfigured {
                machine.forget();
            }
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
            configuration: Some(self.policy.configuration.clone()),
            proved: self.proved.clone(),
            copy: self.copy,
            refused: self.refused.clone(),
        })
    }

    /// What a person was asked, or said no to, was about something else. The role stays.
    pub(super) fn forget(&mut self) {
        self.refused.clear();
        if let Some(outage) = &mut self.outage {
            outage.declined = false;
        }
        self.question
            .take_if(|question| !matches!(question.topic, Topic::Return | Topic::HandBack));
    }
}
