//! The nouns of Servergate and the product's own pure machines.
//!
//! Observations flow in, one decision is taken, parts act on it, records flow out. What decides
//! lives here and has no hands: [`Detector`] turns observations into verdicts, [`Standby`] turns
//! verdicts and orders into standings, [`outage`] does the arithmetic. Both machines are functions
//! of (state, now, input), so the same code runs live, in a replay, in a rehearsal and in
//! `explain`. Nothing in this crate knows sockets, clocks or disks.

mod detector;
mod fact;
mod ids;
mod observation;

pub mod outage;
mod person;
mod protocol;
mod standby;

mod standing;
mod time;
mod verdict;

pub use detector::{Detector, DetectorAction, DetectorConfig, DetectorInput};
pub use fact::{Fact, GenerationFact, Record, RecordSpec, Statement, TransferFact, WithheldFact};
pub use ids::{
    ConfigurationId, Epoch, InvalidId, OrganisationId, OutageId, PlaceId, QuestionId, Service,
    ServiceId,
};
pub use observation::{
    Companion, CompanionKind, DnsFault, Failure, Finding, Identity, Observation, Phase, PhaseTime,
    Purpose, Reply, Sees, Target, TlsFault,
};
pub use person::{Answer, Operator, Order, OrderKind, Question, Topic};
pub use protocol::MailProtocol;
pub use standby::{Action, Input, Policy, Restored, ReturnPolicy, Saved, SavedV1, Standby, State};
pub use standing::{Doubt, Mode, Role, Standing, Standings, StateName};
pub use time::{Mono, Now, Timestamp};
pub use verdict::{Cause, Condition, Effect, PlaceView, Verdict};
