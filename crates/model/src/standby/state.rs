//! Where the machine stands, the outage that runs, and what a person said no to. All of it is saved.

use serde::{Deserialize, Serialize};

use crate::{Identity, Operator, OutageId, Role, StateName, Timestamp, Topic};

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
    /// The primary fails and answers in turn; we stand in front of it.
    Supporting,
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
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Following | Self::Suspecting | Self::HandingBack => Role::Standby,
            Self::Serving => Role::Acting,
            Self::Supporting | Self::Returning { .. } => Role::Returning,
            Self::Held { role, .. } => *role,
        }
    }

    pub(super) fn name(&self) -> StateName {
        match self {
            Self::Following => StateName::Following,
            Self::Suspecting => StateName::Suspecting,
            Self::Serving => StateName::Serving,
            Self::Supporting => StateName::Supporting,
            Self::Returning { .. } => StateName::Returning,
            Self::HandingBack => StateName::HandingBack,
            Self::Held { .. } => StateName::Held,
        }
    }
}

/// An outage that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Running {
    pub(super) id: OutageId,
    pub(super) since: Timestamp,
    /// A person said no to taking over. Written by former versions only: see [`Refusal`].
    pub(super) declined: bool,
    /// A person said yes to the return.
    pub(super) released: bool,
    #[serde(default)] // what was saved before it was heeded does not have it
    pub(super) notice: Notice,
}

/// What is known of a notice of the primary that it may not serve (451).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Notice {
    /// None was seen in this outage.
    #[default]
    None,
    /// One was: whatever else happens, the copy stays off.
    Seen,
    /// A person confirmed that serving is permitted.
    Permitted,
}

/// A person's no. It holds until what was asked about changes: another cause, another server,
/// reachable again, another configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) topic: Topic,
    /// Who answered when the return was refused.
    pub(super) identity: Option<Identity>,
}
