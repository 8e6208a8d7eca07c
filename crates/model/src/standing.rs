//! The standing of a service: the one immutable snapshot that all parts act on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Cause, Condition, Effect, Epoch, Operator, OutageId, Question, ServiceId, Timestamp, Verdict,
};

/// Whether decisions move anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decide everything, move nothing, say what would have been done.
    #[default]
    Observe,
    /// Move.
    Act,
}

/// What we are to a service at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The primary serves; we relay to it for whoever reaches us.
    Standby,
    /// We serve.
    Acting,
    /// The primary is back: we relay first, our copy is the fallback, names still lead here.
    Returning,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standby => "standby",
            Self::Acting => "acting",
            Self::Returning => "returning",
        })
    }
}

/// The name of the standby machine's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the states are documented at `State`
pub enum StateName {
    Following,
    Suspecting,
    Serving,
    Supporting,
    Returning,
    HandingBack,
    Held,
}

/// Why a service would not be taken over without a person's yes, whatever is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// It was never seen as it should be under its present configuration.
    NeverGood,
    /// There is no copy that could be served.
    NoCopy,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverGood => "never seen as it should be under its present configuration",
            Self::NoCopy => "no copy that could be served",
        })
    }
}

/// The standing of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Of which.
    pub service: ServiceId,
    /// What parts do now. Always `Standby` in mode observe.
    pub role: Role,
    /// Counts the changes of role.
    pub epoch: Epoch,
    /// Since when the role holds.
    pub since: Timestamp,
    /// The machine's state.
    pub state: StateName,
    /// Observe or act.
    pub mode: Mode,
    /// In mode observe: the role that act would have now, if it is another one.
    pub would: Option<Role>,
    /// What the cause asks of the part, while one is known.
    pub effect: Option<Effect>,
    /// Whether requests may be passed on to the primary: it is reachable and proved to be ours,
    /// or nobody has said otherwise yet.
    pub relay: bool,
    /// Whether the part may hand back now what it holds for the primary: the machine is handing
    /// back, and nothing has paused it.
    #[serde(default)] // records and pages of earlier versions do not have it
    pub handback: bool,
    /// Why a person would be asked before it is taken over, whatever is measured.
    #[serde(default)] // as above
    pub doubt: Option<Doubt>,
    /// What was measured last, with evidence.
    pub verdict: Option<Arc<Verdict>>,
    /// The outage that runs.
    pub outage: Option<OutageId>,
    /// Who ordered the role, if somebody did.
    pub held_by: Option<(Operator, Timestamp)>,
    /// The question that waits for a person.
    pub question: Option<Question>,
}

impl Standing {
    /// What the places say; `None` before the first verdict.
    pub fn condition(&self) -> Option<Condition> {
        self.verdict.as_ref().map(|verdict| verdict.condition)
    }

    /// Why it is not reachable, where evidence allows to say so.
    pub fn cause(&self) -> Option<Cause> {
        self.verdict.as_ref().and_then(|verdict| verdict.cause)
    }
}

/// The standings of all services of all organisations, as parts receive them.
pub type Standings = Arc<BTreeMap<ServiceId, Standing>>;
