//! What one alert is about, before it is put into words.

use std::collections::BTreeSet;

use host::Reminder;
use model::{OrganisationId, OutageId, QuestionId, ServiceId, Timestamp};

use super::disk;

/// Whom a message is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// This standby itself.
    Ourselves,
    /// An organisation.
    Organisation(OrganisationId),
    /// More organisations at once than anybody reads one by one.
    Several,
}

/// What happened to one outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) outage: OutageId,
    pub(crate) service: ServiceId,
    /// It is over.
    pub(crate) over: bool,
    /// Its beginning was told in an earlier message.
    pub(crate) begin_told: bool,
}

/// One message to be put into words and delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) about: About,
    pub(crate) at: Timestamp,
    /// Whose news it holds; all of these wait until it is delivered.
    pub(crate) holds: BTreeSet<About>,
    /// The outages it tells of.
    pub(crate) outages: Vec<Told>,
    /// Outages that came and went and are only counted.
    pub(crate) uncounted: u64,
    /// The questions it asks.
    pub(crate) questions: Vec<(QuestionId, ServiceId)>,
    /// When we were blind: from, to, how often.
    pub(crate) blind: Option<Blindness>,
    /// Of our own disk.
    pub(crate) disk: Option<disk::Disk>,
    /// What it reminds of.
    pub(crate) reminders: Vec<Reminder>,
}

/// A time without sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blindness {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) times: u64,
    /// Whether there are references that could have answered.
    pub(crate) references: bool,
}
