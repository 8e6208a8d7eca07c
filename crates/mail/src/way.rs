//! Which way a message goes: a function of the standing, and of what we were set to do.

use model::{Condition, Mode, Role, Standing, StateName};

use crate::config::Gate;

/// What is done with a message for an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Taken and kept until the primary is back.
    Keep,
    /// Passed on while the sender waits; the primary's answers are ours.
    Through {
        /// What is done where the primary does not answer.
        otherwise: Otherwise,
    },
    /// `451`: the primary lives, the sender shall go there.
    Gate,
}

/// What is done where the primary should be asked and does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// Taken and kept.
    Keep,
    /// `451`; who comes back after a while is kept (see `escape`).
    Later,
    /// `451`, always: mode observe moves nothing.
    Never,
}

/// The way of this moment.
pub fn way(standing: Option<&Standing>, gate: Gate) -> Way {
    let Some(standing) = standing else {
        return Way::Through {
            otherwise: Otherwise::Later,
        };
    };
    match standing.role {
        Role::Acting if !standing.relay => Way::Keep,
        // Wrong is safe: a primary that can be reached gets its mail, whatever we think.
        Role::Acting | Role::Returning => Way::Through {
            otherwise: Otherwise::Keep,
        },
        Role::Standby if gate == Gate::Later && standing.mode == Mode::Act => Way::Gate,
        Role::Standby => Way::Through {
            otherwise: match standing.mode {
                Mode::Act => Otherwise::Later,
                Mode::Observe => Otherwise::Never,
            },
        },
    }
}

/// Whether what is kept may go back now.
pub fn may_hand_back(standing: Option<&Standing>) -> bool {
    let Some(standing) = standing else {
        return false;
    };
    if standing.mode != Mode::Act || standing.question.is_some() {
        return false;
    }
    let reachable = standing.condition() == Some(Condition::Reachable);
    match standing.state {
        StateName::HandingBack => standing.handback && reachable,
        // What was kept for a sender that came back, without any outage.
        StateName::Following => reachable,
        // A person who gives the service back gives its mail back.
        StateName::Held => standing.handback && standing.role == Role::Standby,
        // It fails and answers in turn: what goes wrong is tried again.
        StateName::Supporting => standing.handback,
        StateName::Suspecting | StateName::Serving | StateName::Returning => false,
    }
}
