//! What the web listeners count.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::EncodeLabelValue;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::Metrics;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Outcome {
    /// A handler answered.
    Answered,
    /// The notice answered with 503.
    Unavailable,
    /// 400: it does not say whom it is for.
    Ambiguous,
    /// 421: for nobody here.
    Misdirected,
    /// 400: its length can be read in two ways.
    Framing,
    /// 501: a transfer coding that nobody here speaks.
    Coding,
    /// 431: more header fields than are taken.
    Head,
    /// 405: a tunnel was asked for.
    Tunnel,
    /// 413: the body is too large.
    Large,
    /// 503: too many in work.
    Busy,
    /// 204: `OPTIONS *`.
    Server,
}

/// Why a connection was refused or ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Refusal {
    /// Too many connections.
    Connections,
    /// Too many connections from one network.
    Network,
    /// A trusted proxy did not say whom it brings.
    ProxyHeader,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// No whole request in time, or nothing more to say.
    Idle,
    /// The guest takes what it asked for too slowly.
    SlowReader,
    /// The guest sends the body it announced too slowly.
    SlowWriter,
    /// The body grew beyond the bound.
    Large,
    /// Requests were given up as fast as they were made (CVE-2023-44487).
    RapidReset,
    /// The head of a request is too large.
    Head,
    /// Not HTTP.
    Protocol,
    /// The drain ended it.
    Drain,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: Refusal,
}

/// The counters. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    answered: Counter,
    requests: Family<ByOutcome, Counter>,
    refusals: Family<ByReason, Counter>,
    pub(super) connections: Gauge,
}

impl Counters {
    /// Registers under `servergate_<part>_…`.
    pub(super) fn register(metrics: &Metrics, part: &'static str) -> Self {
        let requests = Family::<ByOutcome, Counter>::default();
        let outcome = Outcome::Answered;
        let counters = Self {
            // The hot path has its counter at hand.
            answered: requests.get_or_create_owned(&ByOutcome { outcome }),
            requests,
            refusals: Family::default(),
            connections: Gauge::default(),
        };
        metrics.register(part, |registry| {
            registry.register(
                "requests",
                "Requests by what became of them",
                counters.requests.clone(),
            );
            registry.register(
                "refusals",
                "Connections refused or ended by us, by reason",
                counters.refusals.clone(),
            );
            registry.register(
                "connections",
                "Connections that are open now",
                counters.connections.clone(),
            );
        });
        counters
    }

    pub(super) fn request(&self, outcome: Outcome) {
        if outcome == Outcome::Answered {
            self.answered.inc();
        } else {
            self.requests.get_or_create(&ByOutcome { outcome }).inc();
        }
    }

    pub(super) fn refuse(&self, reason: Refusal) {
        self.refusals.get_or_create(&ByReason { reason }).inc();
    }
}
