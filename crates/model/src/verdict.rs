//! The verdict: what many places together say of a service, and what a cause does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::detector::cause;
use crate::{Failure, Finding, Identity, Observation, PlaceId, Service, ServiceId, Timestamp};

/// Why a service is dark, named only where evidence allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The service answers, wrongly: 5xx, empty, nonsense.
    Application,
    /// Fewer places than a majority see it failing.
    BelowQuorum,
    /// Places disagree by network or country: somebody blocks it.
    Block,
    /// The server lives and turns visitors (or this standby) away: 401, 403, 451, a ban.
    Denied,
    /// The authoritative data is wrong.
    DnsData,
    /// The parent's delegation changed.
    DnsDelegation,
    /// The primary's name servers do not answer.
    DnsServer,
    /// A certificate whose key is not the known one.
    ForeignCertificate,
    /// Somebody else's page under the organisation's name.
    HoldingPage,
    /// The machine is off: proved by its last router, neighbours alive.
    Host,
    /// The network around the machine is gone.
    Network,
    /// No place probed it in time, or could: too busy, or out of means of its own.
    NotMeasured,
    /// We ourselves are blind.
    Observer,
    /// It lives and cannot cope.
    Overload,
    /// Some places reach it, some do not.
    Path,
    /// The machine lives, the service does not.
    Service,
    /// The address answers nothing.
    Silent,
    /// TLS is broken: expired, handshake fails.
    Tls,
    /// Anything else. An honest answer.
    Unknown,
    /// It fails and answers in turn.
    Unstable,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Application => "application",
            Self::BelowQuorum => "below-quorum",
            Self::Block => "block",
            Self::Denied => "denied",
            Self::DnsData => "dns-data",
            Self::DnsDelegation => "dns-delegation",
            Self::DnsServer => "dns-server",
            Self::ForeignCertificate => "foreign-certificate",
            Self::HoldingPage => "holding-page",
            Self::Host => "host",
            Self::Network => "network",
            Self::NotMeasured => "not-measured",
            Self::Observer => "observer",
            Self::Overload => "overload",
            Self::Path => "path",
            Self::Service => "service",
            Self::Silent => "silent",
            Self::Tls => "tls",
            Self::Unknown => "unknown",
            Self::Unstable => "unstable",
        })
    }
}

/// What a cause does to a service: the design's table "What a cause does".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The standby takes over.
    TakeOver,
    /// The standby helps in front of a primary that lives: copy first, relay only what it lacks.
    Support,
    /// The standby stands in front of a primary that fails and answers in turn: the primary is
    /// asked first, and the copy or the spool stands in where it fails.
    RelayFirst,
    /// Zones are served on, past EXPIRE too, while the verdict lasts.
    ServeOn,
    /// A person is asked first.
    Ask,
    /// A person is asked first, and until then the primary alone answers: what it says is shown,
    /// and no copy stands in for it.
    Withhold,
    /// It is said, and nothing moves.
    Say,
}

impl Cause {
    /// The table "What a cause does".
    pub fn effect(self, service: Service) -> Effect {
        match (self, service) {
            (
                Self::Silent
                | Self::Host
                | Self::Network
                | Self::Service
                | Self::Tls
                | Self::Application,
                Service::Web | Service::Mail | Service::Chat,
            ) => Effect::TakeOver,
            (Self::Overload, Service::Web | Service::Mail) => Effect::Support,
            (Self::Unstable, Service::Web | Service::Mail) => Effect::RelayFirst,
            (
                Self::DnsServer
                | Self::DnsData
                | Self::Silent
                | Self::Host
                | Self::Network
                | Self::Service,
                Service::Names,
            ) => Effect::ServeOn,
            (
                Self::DnsDelegation
                | Self::Block
                | Self::Denied
                | Self::HoldingPage
                | Self::ForeignCertificate,
                _,
            ) => Effect::Ask,
            _ => Effect::Say,
        }
    }
}

/// The state of a service as the places see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// A majority of the voting places reaches it.
    Reachable,
    /// A failure was seen and is being confirmed.
    Suspect,
    /// Some places fail all of the confirmation, but not a majority: below quorum.
    BelowQuorum,
    /// A majority failed all of the confirmation.
    Dark,
    /// No place can judge: the observers themselves are cut off.
    Blind,
    /// A majority sees it fail and answer in turn, and none of its failures lasts for long enough
    /// to be confirmed.
    Unstable,
}

impl Condition {
    /// Whether the primary is not to be relied upon, so that an outage runs.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Dark | Self::Unstable)
    }
}

/// What one place contributed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceView {
    /// Which.
    pub place: PlaceId,
    /// Whether its voice counts: it is heard and not blind.
    pub votes: bool,
    /// Its last finding.
    pub finding: Option<Finding>,
    /// When it was made.
    pub at: Option<Timestamp>,
}

/// What many places together say of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Of which.
    pub service: ServiceId,
    /// The state.
    pub condition: Condition,
    /// Why, where it is not reachable.
    pub cause: Option<Cause>,
    /// When this was decided.
    pub at: Timestamp,
    /// The first observation that belongs to this condition.
    pub since: Timestamp,
    /// The last good observation.
    pub last_good: Option<Timestamp>,
    /// Who answered last, where the protocol proves it.
    pub identity: Option<Identity>,
    /// Every place's last word.
    pub places: Vec<PlaceView>,
    /// The observations that speak for it: the last one of each place that failed; of what is
    /// unstable the last failed one of each place that finds it so.
    pub evidence: Vec<Observation>,
}

impl Verdict {
    /// What the failures speak for of something that fails and answers in turn.
    pub fn beneath(&self) -> Option<Cause> {
        let unstable = self.condition == Condition::Unstable && !self.evidence.is_empty();
        unstable.then(|| cause::agreed(self.evidence.iter()))
    }

    /// How many places have a vote.
    pub fn voting(&self) -> usize {
        self.places.iter().filter(|view| view.votes).count()
    }

    /// What was seen: the failure that most of the evidence for this cause shows.
    pub fn failure(&self) -> Option<&Failure> {
        let named = self.beneath().or(self.cause);
        let speaks = |observation: &&Observation| Some(cause::of(observation)) == named;
        let seen: Vec<&Failure> = self
            .evidence
            .iter()
            .filter(speaks)
            .filter_map(|observation| match &observation.finding {
                Finding::Failed(failure) => Some(failure),
                Finding::Good { .. } => None,
            })
            .collect();
        let count = |failure: &Failure| seen.iter().filter(|other| **other == failure).count();
        seen.iter()
            .rev()
            .copied()
            .max_by_key(|failure| count(failure))
    }

    /// The number with which the server answered, where it answered with one.
    pub fn code(&self) -> Option<u16> {
        match self.failure()? {
            Failure::Status(code) | Failure::Reply(code) | Failure::Later { status: code, .. } => {
                Some(*code)
            }
            _ => None,
        }
    }

    /// Whether the primary itself says that it may not serve (RFC 7725: 451), as any place hears.
    pub fn is_legal_notice(&self) -> bool {
        let notice = |observation: &Observation| {
            observation.finding == Finding::Failed(Failure::Status(451))
        };
        self.condition.is_outage() && self.evidence.iter().any(notice)
    }

    /// How many voting places see it failing, or failing and answering in turn.
    pub fn failing(&self) -> usize {
        if self.condition == Condition::Unstable {
            return self.evidence.len();
        }
        let failing = |view: &&PlaceView| {
            view.votes
                && view
                    .finding
                    .as_ref()
                    .is_some_and(|finding| !finding.is_good())
        };
        self.places.iter().filter(failing).count()
    }
}
