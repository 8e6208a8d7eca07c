//! What drivers and their listeners count.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::Ended;
use crate::metrics::Metrics;

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum How {
    BySession,
    ByPeer,
    Stalled,
    Broken,
    Handshake,
    Overfull,
}

/// Why a guest was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Refusal {
    /// Too many connections, altogether or from one network.
    Seats,
    /// A trusted proxy did not say whom it brings.
    ProxyHeader,
    /// The machine could not accept.
    Accept,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByHow {
    how: How,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: Refusal,
}

/// Counters of one protocol. Cheap to clone; the default counts where nobody looks.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    ends: Family<ByHow, Counter>,
    refusals: Family<ByReason, Counter>,
    before_tls: Counter,
    connections: Gauge,
}

impl Counters {
    /// Registers under `servergate_<part>_…`.
    pub fn register(metrics: &Metrics, part: &'static str) -> Self {
        let counters = Self::default();
        metrics.register(part, |registry| {
            registry.register(
                "conversations",
                "Conversations that ended, by how",
                counters.ends.clone(),
            );
            registry.register(
                "refusals",
                "Guests not let in, by reason",
                counters.refusals.clone(),
            );
            registry.register(
                "plain_before_tls_bytes",
                "Bytes thrown away because they were sent in clear behind the command for TLS",
                counters.before_tls.clone(),
            );
            registry.register(
                "connections",
                "Conversations that are open now",
                counters.connections.clone(),
            );
        });
        counters
    }

    /// One conversation more, until it is dropped.
    pub(super) fn open(&self) -> Open<'_> {
        self.connections.inc();
        Open(self)
    }

    pub(super) fn ended(&self, ended: &Ended) {
        let how = match ended {
            Ended::BySession => How::BySession,
            Ended::ByPeer => How::ByPeer,
            Ended::Stalled => How::Stalled,
            Ended::Broken(_) => How::Broken,
            Ended::Handshake(_) => How::Handshake,
            Ended::Overfull => How::Overfull,
        };
        self.ends.get_or_create(&ByHow { how }).inc();
    }

    pub(super) fn refuse(&self, reason: Refusal) {
        self.refusals.get_or_create(&ByReason { reason }).inc();
    }

    pub(super) fn thrown_away(&self, bytes: usize) {
        self.before_tls.inc_by(bytes as u64);
    }

    /// Bytes thrown away because they were sent in clear behind the command for TLS.
    pub fn plain_before_tls(&self) -> u64 {
        self.before_tls.get()
    }
}

/// A conversation that is open.
pub(super) struct Open<'a>(&'a Counters);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}
