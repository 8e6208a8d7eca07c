//! What is counted: every answer by its outcome, every refusal by its reason.

use std::sync::atomic::AtomicI64;

use host::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::answer::Outcome;
use crate::cookies::Proof;

type Labels = [(&'static str, &'static str); 1];

/// Why something was refused, cut or given up, beside the outcome of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A NOTIFY that is not from the primary, or for no zone of ours.
    Notify,
    /// A signature that is missing where it is needed, or wrong.
    Signature,
    /// A transfer asked for by somebody without the key.
    Transfer,
    /// More transfers out at once than we carry.
    Busy,
    /// A connection over the limits.
    Connection,
    /// A connection cut: too slow, or idle.
    Slow,
    /// A datagram larger than any question.
    Oversized,
    /// An answer that the machine would not send.
    Unsent,
    /// An answer over the limit of its network, sent truncated.
    Truncated,
    /// The same, not sent at all.
    Limited,
}

const REFUSED: [(Refused, &str); 10] = [
    (Refused::Notify, "notify"),
    (Refused::Signature, "signature"),
    (Refused::Transfer, "transfer"),
    (Refused::Busy, "busy"),
    (Refused::Connection, "connection"),
    (Refused::Slow, "slow"),
    (Refused::Oversized, "oversized"),
    (Refused::Unsent, "unsent"),
    (Refused::Truncated, "rate-truncated"),
    (Refused::Limited, "rate-dropped"),
];

const COOKIES: [(Proof, &str); 3] = [
    (Proof::Valid, "valid"),
    (Proof::New, "new"),
    (Proof::Invalid, "invalid"),
];

const OUTCOMES: [(Outcome, &str); 12] = [
    (Outcome::Answered, "answered"),
    (Outcome::Expanded, "expanded"),
    (Outcome::NoData, "no-data"),
    (Outcome::NoName, "no-name"),
    (Outcome::Referral, "referral"),
    (Outcome::Refused, "refused"),
    (Outcome::Unavailable, "unavailable"),
    (Outcome::Malformed, "malformed"),
    (Outcome::Unsupported, "unsupported"),
    (Outcome::TooLong, "too-long"),
    (Outcome::Cookie, "cookie"),
    (Outcome::Dropped, "dropped"),
];

/// The counters of this part.
#[derive(Debug)]
pub(crate) struct Counters {
    outcomes: [Counter; OUTCOMES.len()],
    refused: [Counter; REFUSED.len()],
    cookies: [Counter; COOKIES.len()],
    /// NOTIFY taken.
    pub(crate) notified: Counter,
    /// New versions served.
    pub(crate) transfers_in: Counter,
    /// Attempts that brought nothing.
    pub(crate) transfers_failed: Counter,
    /// Transfers sent whole.
    pub(crate) transfers_out: Counter,
    /// Notices that nobody answered.
    pub(crate) notices_lost: Counter,
    /// Zones that we should serve and cannot.
    pub(crate) unavailable: Gauge<i64, AtomicI64>,
}

impl Counters {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        metrics.register("names", Self::in_registry)
    }

    fn in_registry(registry: &mut Registry) -> Self {
        let answers = Family::<Labels, Counter>::default();
        let refusals = Family::<Labels, Counter>::default();
        let outcomes =
            OUTCOMES.map(|(_, label)| answers.get_or_create(&[("outcome", label)]).clone());
        let refused =
            REFUSED.map(|(_, label)| refusals.get_or_create(&[("reason", label)]).clone());
        let proofs = Family::<Labels, Counter>::default();
        let cookies = COOKIES.map(|(_, label)| proofs.get_or_create(&[("cookie", label)]).clone());
        registry.register("cookies", "Questions with a DNS cookie", proofs);
        registry.register("answers", "Messages by what became of them", answers);
        registry.register("refusals", "What was refused, cut or given up", refusals);
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let (notified, transfers_in, transfers_failed, transfers_out, notices_lost) = (
            counter("notifies", "NOTIFY messages taken from primaries"),
            counter("transfers_in", "New zone versions served"),
            counter("transfers_failed", "Attempts to refresh a zone that failed"),
            counter("transfers_out", "Zones sent to secondaries"),
            counter("notices_lost", "NOTIFY messages that no secondary answered"),
        );
        let unavailable = Gauge::default();
        registry.register(
            "zones_unavailable",
            "Zones that should be served",
            unavailable.clone(),
        );
        Self {
            outcomes,
            refused,
            cookies,
            notified,
            transfers_in,
            transfers_failed,
            transfers_out,
            notices_lost,
            unavailable,
        }
    }

    pub(crate) fn answered(&self, outcome: Outcome) {
        let place = OUTCOMES.iter().position(|(known, _)| *known == outcome);
        if let Some(counter) = place.and_then(|place| self.outcomes.get(place)) {
            counter.inc();
        }
    }

    pub(crate) fn proved(&self, proof: Proof) {
        let place = COOKIES.iter().position(|(known, _)| *known == proof);
        if let Some(counter) = place.and_then(|place| self.cookies.get(place)) {
            counter.inc();
        }
    }

    pub(crate) fn refused(&self, reason: Refused) {
        let place = REFUSED.iter().position(|(known, _)| *known == reason);
        if let Some(counter) = place.and_then(|place| self.refused.get(place)) {
            counter.inc();
        }
    }
}
