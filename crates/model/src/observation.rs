//! One observation: one place, one time, one target, in phases with times.
//!
//! Measured is never mixed with said: [`Observation::measured`] is called by `watch` alone (the
//! house rules check this), so a measured fact cannot be made anywhere else.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{PlaceId, ServiceId, Timestamp};

/// What is probed: one way to reach one service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The service that stands or falls with it.
    pub service: ServiceId,
    /// How people would name it: `https://verein.test/ at 198.51.100.80:443`.
    pub name: Arc<str>,
}

/// Why a probe was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The timetable said so.
    Scheduled,
    /// The detector asked for confirmation; the number counts its bursts.
    Burst(u64),
}

/// A step of a probe. Each has a time of its own in the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// ICMP echo.
    Echo,
    /// TCP handshake.
    Connect,
    /// The server's first words, where it speaks first (SMTP).
    Greeting,
    /// TLS handshake.
    Tls,
    /// A request went out, the first bytes of the answer came.
    Request,
    /// The rest of the answer.
    Body,
    /// A DNS question and its answer.
    Query,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "echo",
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Body => "body",
            Self::Query => "query",
        })
    }
}

/// How long a phase took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// Which.
    pub phase: Phase,
    /// Microseconds.
    pub micros: u64,
}

/// What proves that it is the same server: a fingerprint of its key, not its address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(pub Arc<str>);

/// What is wrong with a TLS answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsFault {
    /// The certificate's time is over.
    Expired,
    /// The certificate can be trusted, and is for another name; whose key it is, is not known, or
    /// it is not the one known from before.
    NameMismatch,
    /// The known key, with a certificate that lacks our name.
    NameMissing,
    /// Not yet valid.
    NotYetValid,
    /// The handshake broke: alert, reset, nonsense.
    Handshake,
    /// Nobody we trust signed it, and the key is not the one known from before.
    Foreign,
    /// Nobody we trust signed it; the key was never known.
    UnknownIssuer,
    /// The protocol begins in clear, and TLS was not offered though it is asked for.
    NotOffered,
}

/// What is wrong with a DNS answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsFault {
    /// REFUSED, NOTAUTH or NOTIMP.
    Refused,
    /// SERVFAIL.
    ServerFailure,
    /// An answer without authority.
    NotAuthoritative,
    /// NXDOMAIN or an empty answer where there was data.
    NoSuchName,
    /// Bytes that are no DNS answer to our question.
    Malformed,
}

/// Why a probe failed. Each variant is what was seen, not what it may mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// Nothing came back within the probe's time.
    Silent {
        /// The phase that waited.
        phase: Phase,
    },
    /// Somebody on the path said that the address cannot be reached.
    Unreachable,
    /// The address answered, and refused.
    Refused,
    /// The connection was cut.
    Reset {
        /// The phase that was cut.
        phase: Phase,
    },
    /// TLS was wrong.
    Tls(TlsFault),
    /// An HTTP status that the right page does not have.
    Status(u16),
    /// The same, with a time after which to ask again (RFC 9110 §10.2.3, `Retry-After`).
    Later {
        /// The status.
        status: u16,
        /// Seconds.
        seconds: u32,
    },
    /// A refusal of the mail server: the code of its SMTP reply.
    Reply(u16),
    /// The page came, and does not bear the organisation's mark.
    MarkMissing {
        /// How many bytes came.
        bytes: u64,
    },
    /// Bytes that the protocol does not allow.
    Malformed {
        /// The phase that brought them.
        phase: Phase,
    },
    /// DNS was wrong.
    Dns(DnsFault),
    /// Our own machine could not send: no route, no socket. Says nothing about the target.
    Local,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { phase } => write!(f, "no answer ({phase})"),
            Self::Unreachable => write!(f, "reported unreachable"),
            Self::Refused => write!(f, "connection refused"),
            Self::Reset { phase } => write!(f, "connection cut ({phase})"),
            Self::Tls(TlsFault::Expired) => write!(f, "certificate expired"),
            Self::Tls(TlsFault::NameMismatch) => write!(f, "certificate is for another name"),
            Self::Tls(TlsFault::NameMissing) => {
                write!(f, "certificate of the known key lacks the name")
            }
            Self::Tls(TlsFault::NotYetValid) => write!(f, "certificate is not yet valid"),
            Self::Tls(TlsFault::Handshake) => write!(f, "TLS handshake failed"),
            Self::Tls(TlsFault::Foreign) => write!(f, "certificate with a foreign key"),
            Self::Tls(TlsFault::UnknownIssuer) => write!(f, "certificate from an unknown issuer"),
            Self::Tls(TlsFault::NotOffered) => write!(f, "TLS not offered"),
            Self::Reply(code) => write!(f, "mail server answers {code}"),
            Self::Later { status, seconds } => {
                write!(f, "HTTP status {status}, to be asked again in {seconds} s")
            }
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::MarkMissing { bytes } => write!(f, "page without its mark ({bytes} bytes)"),
            Self::Malformed { phase } => write!(f, "answer not understood ({phase})"),
            Self::Dns(DnsFault::Refused) => write!(f, "name server refuses"),
            Self::Dns(DnsFault::ServerFailure) => write!(f, "name server reports failure"),
            Self::Dns(DnsFault::NotAuthoritative) => write!(f, "answer without authority"),
            Self::Dns(DnsFault::NoSuchName) => write!(f, "name does not exist"),
            Self::Dns(DnsFault::Malformed) => write!(f, "DNS answer not understood"),
            Self::Local => write!(f, "our own machine could not send"),
        }
    }
}

/// The result of one probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// As it should be.
    Good {
        /// Who answered, where the protocol proves it.
        identity: Option<Identity>,
    },
    /// Not as it should be.
    Failed(Failure),
}

impl Finding {
    /// Whether the target was as it should be.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Good { .. })
    }
}

/// What a place saw of its own references while it probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sees {
    /// At least one reference answered: the place itself is connected.
    References,
    /// None answered: the place is blind and does not vote.
    Nothing,
    /// It has no references configured.
    NotConfigured,
    /// Not asked this time (only where the target was good).
    NotAsked,
}

/// What else was asked beside a failed probe, to tell the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompanionKind {
    /// ICMP echo to the target's own address.
    Echo,
    /// TCP to another port of the target's own address.
    Port(u16),
    /// ICMP echo to a configured neighbour.
    Neighbour(IpAddr),
    /// ICMP echo to a configured router before the target.
    Router(IpAddr),
}

/// What a companion got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// An answer.
    Answered,
    /// A refusal: somebody is there.
    Refused,
    /// Nothing.
    Silent,
    /// Somebody on the path said unreachable.
    Unreachable,
    /// We could not ask (no permission for ICMP, no route).
    NotAsked,
}

impl Reply {
    /// Whether the address itself showed that it lives.
    pub fn shows_life(self) -> bool {
        matches!(self, Self::Answered | Self::Refused)
    }
}

/// One companion and its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Companion {
    /// What was asked.
    pub kind: CompanionKind,
    /// What came.
    pub reply: Reply,
}

/// One place, one time, one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Observation {
    /// Where from.
    pub place: PlaceId,
    /// What.
    pub target: Target,
    /// When the probe began.
    pub at: Timestamp,
    /// Why.
    pub purpose: Purpose,
    /// The phases that were completed, and the one that failed, in order.
    pub phases: Vec<PhaseTime>,
    /// The result.
    pub finding: Finding,
    /// What the place saw of its references.
    pub sees: Sees,
    /// What else was asked, if the probe failed.
    pub companions: Vec<Companion>,
}

impl Observation {
    /// A measured fact. Only `watch` calls this: only what was probed is measured.
    #[allow(clippy::too_many_arguments)] // a fact is whole or it is none: no builder, no defaults
    pub fn measured(
        place: PlaceId,
        target: Target,
        at: Timestamp,
        purpose: Purpose,
        phases: Vec<PhaseTime>,
        finding: Finding,
        sees: Sees,
        companions: Vec<Companion>,
    ) -> Self {
        Self {
            place,
            target,
            at,
            purpose,
            phases,
            finding,
            sees,
            companions,
        }
    }
}
