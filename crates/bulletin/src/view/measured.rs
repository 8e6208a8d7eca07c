//! What was measured, in sentences: made from a verdict and from nothing else.
//!
//! A [`Measured`] has no other constructor than [`of`], which takes a standing; no statement can
//! become one.

use model::{Cause, Condition, Failure, Observation, Sees, Service, Standing, TlsFault, Verdict};

use super::Ground;
use super::headline::subject;
use super::standing::order;
use crate::language::Words;
use crate::moment::Moments;
use crate::sentence::Sentence;

/// A measured sentence.
pub(crate) struct Measured {
    sentence: Sentence,
    last_good: Option<Sentence>,
}

impl Measured {
    pub(crate) fn sentence(&self) -> &Sentence {
        &self.sentence
    }

    pub(crate) fn last_good(&self) -> Option<&Sentence> {
        self.last_good.as_ref()
    }
}

/// One for each service; what is not well comes first.
pub(crate) fn all(ground: &Ground<'_>) -> Vec<Measured> {
    let mut standings: Vec<&Standing> = ground.standings.iter().collect();
    standings.sort_by_key(|standing| {
        let well = standing.condition() == Some(Condition::Reachable);
        (well, order(standing.service.service))
    });
    standings
        .into_iter()
        .map(|standing| of(ground, standing))
        .collect()
}

/// What was measured of one service.
pub(crate) fn of(ground: &Ground<'_>, standing: &Standing) -> Measured {
    told(ground.words, ground.moments(), standing)
}

/// The same where there is no page around it.
pub(crate) fn told(words: &Words, moments: Moments<'_>, standing: &Standing) -> Measured {
    let service = standing.service.service;
    let (subject, of) = (words.get(subject(service)), words.get(genitive(service)));
    let (object, dative) = (words.get(object(service)), words.get(dative(service)));
    let mut values = vec![
        ("subject", (&subject).into()),
        ("of", (&of).into()),
        ("object", (&object).into()),
        ("dative", (&dative).into()),
    ];
    let Some(verdict) = standing.verdict.as_deref() else {
        return Measured {
            sentence: Sentence::new(&words.with("measured-nothing", &values)),
            last_good: None,
        };
    };
    let since = moments.day_clock(verdict.since).to_string();
    let from = from(words, verdict);
    values.push(("since", (&since).into()));
    values.push(("from", (&from).into()));
    values.push(("code", usize::from(error_code(verdict)).into()));
    Measured {
        sentence: Sentence::new(&words.with(message(service, verdict), &values)),
        last_good: last_good(words, moments, verdict),
    }
}

/// What the server answered with where that says that something is wrong, else 0.
fn error_code(verdict: &Verdict) -> u16 {
    verdict.code().filter(|code| *code >= 400).unwrap_or(0)
}

/// From how many places it was seen so: those that reach it, or those that do not.
fn from(words: &Words, verdict: &Verdict) -> String {
    let seen = if verdict.condition == Condition::Reachable {
        verdict.voting().saturating_sub(verdict.failing())
    } else {
        verdict.failing()
    };
    let values = [("seen", seen.into()), ("voting", verdict.voting().into())];
    words.with("from", &values)
}

fn last_good(words: &Words, moments: Moments<'_>, verdict: &Verdict) -> Option<Sentence> {
    if verdict.condition == Condition::Reachable {
        return None;
    }
    let when = moments.day_clock(verdict.last_good?).to_string();
    let values = [("when", (&when).into())];
    Some(Sentence::new(&words.with("measured-last-good", &values)))
}

fn message(service: Service, verdict: &Verdict) -> &'static str {
    match verdict.condition {
        Condition::Reachable => match service {
            Service::Chat => "measured-good-chat",
            Service::Mail => "measured-good-mail",
            Service::Names => "measured-good-names",
            Service::Web => "measured-good-web",
        },
        Condition::Suspect => "measured-suspect",
        // Who is alone (or without references) knows nothing of others.
        Condition::BelowQuorum if verdict.failing() >= verdict.voting() => "measured-alone",
        Condition::BelowQuorum => "measured-below-quorum",
        // No cut cable: it has nobody to ask whether it is cut off.
        Condition::Blind if is_unaided(verdict) => "measured-alone",
        Condition::Blind => cause_message(verdict.cause.unwrap_or(Cause::Observer)),
        Condition::Dark | Condition::Unstable => seen_message(verdict),
    }
}

fn is_unaided(verdict: &Verdict) -> bool {
    let unaided = |one: &Observation| one.sees == Sees::NotConfigured;
    !verdict.evidence.is_empty() && verdict.evidence.iter().all(unaided)
}

/// Where one cause has looks that a citizen can tell apart, the one that was seen.
fn seen_message(verdict: &Verdict) -> &'static str {
    let cause = verdict.cause.unwrap_or(Cause::Unknown);
    match (cause, verdict.failure()) {
        (Cause::DnsServer, Some(Failure::Dns(_))) => "measured-dns-server-wrong",
        (Cause::ForeignCertificate, Some(Failure::Tls(TlsFault::NameMismatch))) => {
            "measured-foreign-name"
        }
        (
            Cause::Tls,
            Some(Failure::Tls(
                TlsFault::Expired
                | TlsFault::NotYetValid
                | TlsFault::UnknownIssuer
                | TlsFault::NameMissing,
            )),
        ) => "measured-tls-certificate",
        _ => cause_message(cause),
    }
}

/// The table of causes: what was seen, never what it may mean.
fn cause_message(cause: Cause) -> &'static str {
    match cause {
        Cause::Application => "measured-application",
        Cause::BelowQuorum => "measured-below-quorum",
        Cause::Block => "measured-block",
        Cause::Denied => "measured-denied",
        Cause::DnsData => "measured-dns-data",
        Cause::DnsDelegation => "measured-dns-delegation",
        Cause::DnsServer => "measured-dns-server",
        Cause::ForeignCertificate => "measured-foreign-certificate",
        Cause::HoldingPage => "measured-holding-page",
        Cause::Host => "measured-host",
        Cause::Network => "measured-network",
        Cause::NotMeasured => "measured-not-measured",
        Cause::Observer => "measured-blind",
        Cause::Overload => "measured-overload",
        Cause::Path => "measured-path",
        Cause::Service => "measured-service",
        Cause::Silent => "measured-silent",
        Cause::Tls => "measured-tls",
        Cause::Unknown => "measured-unknown",
        Cause::Unstable => "measured-unstable",
    }
}

fn genitive(service: Service) -> &'static str {
    match service {
        Service::Chat => "of-chat",
        Service::Mail => "of-mail",
        Service::Names => "of-names",
        Service::Web => "of-web",
    }
}

fn object(service: Service) -> &'static str {
    match service {
        Service::Chat => "object-chat",
        Service::Mail => "object-mail",
        Service::Names => "object-names",
        Service::Web => "object-web",
    }
}

fn dative(service: Service) -> &'static str {
    match service {
        Service::Chat => "dative-chat",
        Service::Mail => "dative-mail",
        Service::Names => "dative-names",
        Service::Web => "dative-web",
    }
}
