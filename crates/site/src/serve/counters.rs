//! What serving counts.

use host::metrics::Metrics;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Where an answer came from, or why there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum From {
    /// The primary.
    Primary,
    /// The copy, as ordered.
    Copy,
    /// The copy, because the primary failed just now.
    Fallback,
    /// 307 to HTTPS.
    Https,
    /// 451.
    Withheld,
    /// 508.
    Loop,
    /// 404: an authority's question that only the primary could answer, and it may not be asked.
    Challenge,
    /// The notice: never captured.
    NotInCopy,
    /// The notice: the method changes something, which a copy cannot.
    Method,
    /// The notice: the body could not be read.
    Store,
    /// The notice: too much at once.
    Busy,
}

/// How the primary failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Failure {
    /// No connection, or no handshake.
    Connect,
    /// No answer in time.
    Late,
    /// It broke off, or what it says is not HTTP.
    Broken,
    /// 5xx.
    Status,
    /// It failed a moment ago and was not asked.
    Spared,
    /// Too many requests are on their way to it.
    Busy,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFrom {
    from: From,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFailure {
    reason: Failure,
}

/// The counters of all organisations together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServeCounters {
    copy: Counter,
    answers: Family<ByFrom, Counter>,
    failures: Family<ByFailure, Counter>,
}

impl ServeCounters {
    /// Registers `servergate_site_answers_total` and `servergate_site_relay_failures_total`.
    pub fn register(metrics: &Metrics) -> Self {
        let answers = Family::<ByFrom, Counter>::default();
        let counters = Self {
            // The hot path has its counter at hand.
            copy: answers.get_or_create_owned(&ByFrom { from: From::Copy }),
            answers,
            failures: Family::default(),
        };
        metrics.register("site", |registry| {
            registry.register(
                "answers",
                "Requests for the site by where the answer came from",
                counters.answers.clone(),
            );
            registry.register(
                "relay_failures",
                "Requests that the primary did not answer well, by reason",
                counters.failures.clone(),
            );
        });
        counters
    }

    pub(crate) fn answer(&self, from: From) {
        if from == From::Copy {
            self.copy.inc();
        } else {
            self.answers.get_or_create(&ByFrom { from }).inc();
        }
    }

    pub(crate) fn failure(&self, reason: Failure) {
        self.failures.get_or_create(&ByFailure { reason }).inc();
    }
}
