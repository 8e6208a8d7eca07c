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
pub(crate) fn of(observation: &Observation) -> Cause {
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
            phase: Phase::Tls | Phase::Greeting | Phase::Request,
        }
        | Failure::Reset {
            phase: Phase::Greeting | Phase::Request,
        } => Cause::Service,
        Failure::Reset { phase: Phase::Tls } | Failure::Malformed { phase: Phase::Tls } => {
            Cause::Tls
        }
        // Whoever answers with another name's certificate, be it valid, is somebody else: a
        // hoster's default host answers for every name that left it.
        Failure::Tls(TlsFault::Foreign | TlsFault::NameMismatch) => Cause::ForeignCertificate,
        Failure::Tls(_) => Cause::Tls,
        Failure::Status(status) | Failure::Later { status, .. } => of_status(*status),
        Failure::Reply(code) => of_reply(*code),
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

/// What an HTTP status speaks for (RFC 9110 §15).
fn of_status(status: u16) -> Cause {
    match status {
        // It answers, and turns us away on purpose: whether everybody, and why, a person has to
        // judge. 402 is how some hosters suspend a site, 407 how a box on the way asks who we
        // are, 410 says that it was taken away for good.
        401 | 402 | 403 | 407 | 410 | 451 => Cause::Denied,
        // "Later", not "gone". Beside RFC 6585 and RFC 9110: 508 and 509 (a hoster's limits), 522
        // and 524 (a network in front of it waited in vain), 529 (too busy).
        429 | 503 | 508 | 509 | 522 | 524 | 529 => Cause::Overload,
        _ => Cause::Application,
    }
}

/// What a mail server's reply to a greeting or an EHLO speaks for (RFC 5321 §4.2).
fn of_reply(code: u16) -> Cause {
    match code {
        // §4.2.1: a reply that begins with 4 means "later".
        400..=499 => Cause::Overload,
        // §4.2.2: it did not understand a command that every mail server knows.
        500..=504 => Cause::Application,
        // §3.1: before any mail a permanent refusal is one of the client, not of a message: 554,
        // or 550 and 571 where a list names its address, 521 (RFC 7504) of everybody.
        505..=599 => Cause::Denied,
        _ => Cause::Application,
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

/// Companions of the target's own address.
fn own(kind: CompanionKind) -> bool {
    matches!(kind, CompanionKind::Echo | CompanionKind::Port(_))
}

fn asked(observation: &Observation, wanted: fn(CompanionKind) -> bool) -> bool {
    observation
        .companions
        .iter()
        .any(|companion| wanted(companion.kind) && companion.reply != Reply::NotAsked)
}

fn alive(observation: &Observation, wanted: fn(CompanionKind) -> bool) -> bool {
    observation
        .companions
        .iter()
        .any(|companion| wanted(companion.kind) && companion.reply.shows_life())
}

fn of_address(failure: &Failure, observation: &Observation) -> Cause {
    let neighbour = |kind| matches!(kind, CompanionKind::Neighbour(_));
    let router = |kind| matches!(kind, CompanionKind::Router(_));
    if alive(observation, own) {
        return Cause::Service;
    }
    // Routers limit how often they say so: one of several probes may have been told.
    let told =
        |companion: &crate::Companion| own(companion.kind) && companion.reply == Reply::Unreachable;
    let unreachable = *failure == Failure::Unreachable || observation.companions.iter().any(told);
    let (near, way) = (alive(observation, neighbour), alive(observation, router));
    if unreachable && near && way {
        return Cause::Host;
    }
    let all_asked = asked(observation, neighbour) && asked(observation, router);
    if all_asked && !near && !way {
        return Cause::Network;
    }
    Cause::Silent
}

/// One address that answers nothing is one outage with one cause, whatever was asked of it: only
/// where the address lives, or nothing else was asked of it, is it the name server alone.
fn of_names(failure: &Failure, observation: &Observation) -> Cause {
    match failure {
        Failure::Dns(DnsFault::NoSuchName) => Cause::DnsData,
        Failure::Local => Cause::NotMeasured,
        Failure::Silent { .. } if !asked(observation, own) => Cause::DnsServer,
        Failure::Silent { .. } | Failure::Unreachable => match of_address(failure, observation) {
            Cause::Service => Cause::DnsServer,
            cause => cause,
        },
        _ => Cause::DnsServer,
    }
}
