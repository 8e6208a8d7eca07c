//! What was measured, in sentences: made from a verdict and from nothing else.
//!
//! A [`Measured`] has no other constructor than [`of`], which takes a standing; no statement can
//! become one.

use model::{Cause, Condition, Service, Standing, Verdict};

use super::Ground;
use super::headline::subject;
use super::standing::order;
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
    let service = standing.service.service;
    let words = ground.words;
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
    let since = ground.moments().day_clock(verdict.since).to_string();
    let from = from(ground, verdict);
    values.push(("since", (&since).into()));
    values.push(("from", (&from).into()));
    Measured {
        sentence: Sentence::new(&words.with(message(service, verdict), &values)),
        last_good: last_good(ground, verdict),
    }
}

/// From how many places it was seen so: those that reach it, or those that do not.
fn from(ground: &Ground<'_>, verdict: &Verdict) -> String {
    let seen = if verdict.condition == Condition::Reachable {
        verdict.voting().saturating_sub(verdict.failing())
    } else {
        verdict.failing()
    };
    let values = [("seen", seen.into()), ("voting", verdict.voting().into())];
    ground.words.with("from", &values)
}

fn last_good(ground: &Ground<'_>, verdict: &Verdict) -> Option<Sentence> {
    if verdict.condition == Condition::Reachable {
        return None;
    }
    let when = ground.moments().day_clock(verdict.last_good?).to_string();
    let values = [("when", (&when).into())];
    Some(Sentence::new(
        &ground.words.with("measured-last-good", &values),
    ))
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
        Condition::BelowQuorum => "measured-below-quorum",
        Condition::Blind => cause_message(verdict.cause.unwrap_or(Cause::Observer)),
        Condition::Dark | Condition::Unstable => {
            cause_message(verdict.cause.unwrap_or(Cause::Unknown))
        }
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
