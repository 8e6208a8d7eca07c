//! From evidence to cause: what one place's failed observation allows to say.
//!
//! `host` is close to a political statement: it is said only where the last router itself says
//! that the machine is gone while its neighbours live. Everything else about a silent address is
//! `silent`, and what fits no rule is `unknown`.

use std::collections::BTreeMap;

use crate::{
    Cause, CompanionKind, DnsFault, Failure, Finding, Observation, Phase, Reply, Service, TlsFault,
};

/// The cause that more than half of the failed observations agree on, or `unknown`.
pub(crate) fn agreed<'o>(failed: impl Iterator<Item = &'o Observation>) -> Cause {
    let mut votes: BTreeMap<Cause, usize> = BTreeMap::new();
    let mut all = 0;
    for observation in failed {
        *votes.entry(of(observation)).or_default() += 1;
        all += 1;
    }
    votes
        .into_iter()
        .find(|(_, count)| count * 2 > all)
        .map_or(Cause::Unknown, |(cause, _)| cause)
}

/// What one observation speaks for.
pub(super) fn of(observation: &Observation) -> Cause {
    let Finding::Failed(failure) = &observation.finding else {
        return Cause::Unknown;
    };
    if observation.target.service.service == Service::Names {
        return of_names(failure, observation);
    }
    match failure {
        Failure::Silent { phase } if had_no_time(*phase, observation) => {
            of_address(failure, observation)
        }
        Failure::Silent {
            phase: Phase::Connect | Phase::Echo | Phase::Query,
        }
        | Failure::Unreachable => of_address(failure, observation),
        // A machine whose kernel refuses lives; its service does not.
        Failure::Refused
        | Failure::Reset {
            phase: Phase::Connect,
        } => Cause::Service,
        // The kernel took the connection, and the program behind it says nothing.
        Failure::Silent {
            phase: Phase::Tls | Phase::Greeting,
        } => Cause::Service,
        Failure::Reset { phase: Phase::Tls } | Failure::Malformed { phase: Phase::Tls } => {
            Cause::Tls
        }
        Failure::Tls(TlsFault::Foreign) => Cause::ForeignCertificate,
        Failure::Tls(_) => Cause::Tls,
        // 429 and 503 mean "later", not "gone".
        Failure::Status(429 | 503) => Cause::Overload,
        // It answers, and turns us away: whether everybody, and why, a person has to judge.
        Failure::Status(401 | 403 | 451) => Cause::Denied,
        Failure::Status(_) => Cause::Application,
        // RFC 5321 §4.2.1: a reply that begins with 4 means "later" too.
        Failure::Reply(400..=499) => Cause::Overload,
        Failure::Reply(_) => Cause::Application,
        // An empty page is a broken application; a full one without the mark is somebody else's.
        Failure::MarkMissing { bytes } if *bytes < EMPTY => Cause::Application,
        Failure::MarkMissing { .. } => Cause::HoldingPage,
        Failure::Silent { .. } | Failure::Reset { .. } | Failure::Malformed { .. } => {
            Cause::Application
        }
        Failure::Dns(_) => Cause::DnsData,
        Failure::Local => Cause::NotMeasured,
    }
}

/// A handshake that succeeds in the last moment (the kernel tries again after one and after three
/// seconds) leaves the next phase no time: its silence says nothing.
fn had_no_time(phase: Phase, observation: &Observation) -> bool {
    let waited = observation.phases.iter().find(|time| time.phase == phase);
    let next = matches!(phase, Phase::Tls | Phase::Greeting | Phase::Request);
    next && waited.is_some_and(|time| time.micros < BRIEF)
}

/// Microseconds that are too short for an answer from far away.
const BRIEF: u64 = 250_000;

/// Fewer bytes than this are no page of anybody.
const EMPTY: u64 = 64;

fn of_address(failure: &Failure, observation: &Observation) -> Cause {
    let own = |kind| matches!(kind, CompanionKind::Echo | CompanionKind::Port(_));
    let alive = |wanted: fn(CompanionKind) -> bool| {
        observation
            .companions
            .iter()
            .any(|companion| wanted(companion.kind) && companion.reply.shows_life())
    };
    let asked = |wanted: fn(CompanionKind) -> bool| {
        observation
            .companions
            .iter()
            .any(|companion| wanted(companion.kind) && companion.reply != Reply::NotAsked)
    };
    let neighbour = |kind| matches!(kind, CompanionKind::Neighbour(_));
    let router = |kind| matches!(kind, CompanionKind::Router(_));
    if alive(own) {
        return Cause::Service;
    }
    // Routers limit how often they say so: one of several probes may have been told.
    let told =
        |companion: &crate::Companion| own(companion.kind) && companion.reply == Reply::Unreachable;
    let unreachable = *failure == Failure::Unreachable || observation.companions.iter().any(told);
    match failure {
        _ if unreachable && alive(neighbour) && alive(router) => Cause::Host,
        _ if asked(neighbour) && asked(router) && !alive(neighbour) && !alive(router) => {
            Cause::Network
        }
        _ => Cause::Silent,
    }
}

fn of_names(failure: &Failure, observation: &Observation) -> Cause {
    match failure {
        Failure::Dns(DnsFault::NoSuchName) => Cause::DnsData,
        Failure::Local => Cause::NotMeasured,
        // Whether the machine or its program is gone: for names both are "no name server".
        Failure::Unreachable => match of_address(failure, observation) {
            Cause::Host => Cause::Host,
            Cause::Network => Cause::Network,
            _ => Cause::DnsServer,
        },
        _ => Cause::DnsServer,
    }
}
