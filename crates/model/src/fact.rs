//! The record: what happened, in the order in which it happened.
//!
//! A [`Record`] is what goes to the log. Its on-disk form is versioned ([`RecordSpec`]).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Answer, Order, OrganisationId, OutageId, PlaceId, Question, Role, ServiceId, Standing,
    Timestamp, Verdict,
};

/// What the organisation says. Never mixed with what was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Whose.
    pub organisation: OrganisationId,
    /// A stable name of its own, for feeds.
    pub id: String,
    /// The words, plain text; a blank line parts paragraphs.
    pub text: String,
    /// The language of the words: `de`, `en`.
    pub language: Option<String>,
    /// In what capacity it is said: `press office`. Shown to the public.
    pub by: Option<String>,
    /// Whether it says the reason of a running outage.
    pub reason: bool,
}

/// A generation of the site's copy was completed and is served from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationFact {
    /// Whose.
    pub organisation: OrganisationId,
    /// Its number.
    pub number: u64,
    /// How many pages and files.
    pub pages: u64,
    /// Bytes, before compression.
    pub bytes: u64,
}

/// A zone was transferred and is served from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFact {
    /// Whose.
    pub organisation: OrganisationId,
    /// The zone's name.
    pub zone: String,
    /// Its serial.
    pub serial: u32,
}

/// A page or a whole site was taken down, or put back, by order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithheldFact {
    /// Whose.
    pub organisation: OrganisationId,
    /// Host and path prefix: `verein.test/page`.
    pub what: String,
    /// Withheld, or lifted.
    pub withheld: bool,
    /// The reason shown with the 451.
    pub reason: String,
    /// Who did it.
    pub by: String,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fact {
    /// The program started; machines were restored from what was saved.
    Started {
        /// The version that started.
        version: String,
    },
    /// The program ended in order.
    Stopped,
    /// The detector reached another verdict.
    Verdict(Arc<Verdict>),
    /// A standing changed.
    Standing(Standing),
    /// In mode observe: the role that would have been taken.
    Would {
        /// Of which service.
        service: ServiceId,
        /// The role.
        role: Role,
    },
    /// A person gave an order.
    Order(Order),
    /// A person was asked.
    Asked(Question),
    /// A person answered.
    Answered(Answer),
    /// An outage began.
    OutageBegan {
        /// Its name.
        outage: OutageId,
        /// Of which service.
        service: ServiceId,
    },
    /// An outage ended.
    OutageEnded {
        /// Its name.
        outage: OutageId,
        /// Of which service.
        service: ServiceId,
    },
    /// A part has handed back all that it held.
    HandedBack {
        /// Of which service.
        service: ServiceId,
    },
    /// A part stopped handing back: the primary refuses what it should take.
    HandbackPaused {
        /// Of which service.
        service: ServiceId,
    },
    /// Messages are kept for so long that a person should look.
    KeptLong {
        /// Of which service.
        service: ServiceId,
        /// How many there are.
        messages: u64,
        /// Since when the oldest of them is kept.
        oldest: Timestamp,
    },
    /// A service is probed under another configuration than before.
    Reconfigured {
        /// Which.
        service: ServiceId,
    },
    /// There is a copy that could be served, or none any more.
    Copy {
        /// Of which service.
        service: ServiceId,
        /// There is one.
        held: bool,
    },
    /// An alert about an outage went out.
    Alerted {
        /// Which outage.
        outage: OutageId,
        /// Began, or recovered.
        recovered: bool,
    },
    /// A new generation of the copy.
    Generation(GenerationFact),
    /// A new version of a zone.
    Transfer(TransferFact),
    /// A page taken down or put back.
    Withheld(WithheldFact),
    /// The organisation spoke.
    Statement(Statement),
}

/// One thing that happened, when and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// At which standby.
    pub place: PlaceId,
    /// What.
    pub fact: Fact,
}

/// The on-disk form of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum RecordSpec {
    /// The first.
    V1(Record),
}
