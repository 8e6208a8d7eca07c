//! Counters of the part: probes by kind and result, slots without a probe, lateness, alerts.

use std::time::Duration;

use host::metrics::Metrics;
use model::{Failure, Finding};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::schedule::Skip;
use crate::target::ProbeKind;

/// The counters. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    probes: Family<ProbeLabels, Counter>,
    skipped: Family<SkipLabels, Counter>,
    late: Histogram,
    refused_bursts: Counter,
    waiting: Gauge,
    shared: Counter,
    alerts: Family<AlertLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProbeLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SkipLabels {
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabels {
    result: &'static str,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AlertResult {
    /// It went out.
    Sent,
    /// A try failed.
    Failed,
    /// All tries failed.
    GivenUp,
}

impl Counters {
    /// Registers them under `servergate_watch_…`.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        metrics.register("watch", |registry| {
            // From a tenth of a millisecond to about half a minute.
            let buckets = prometheus_client::metrics::histogram::exponential_buckets(1e-4, 4.0, 10);
            let counters = Self {
                probes: Family::default(),
                skipped: Family::default(),
                late: Histogram::new(buckets),
                refused_bursts: Counter::default(),
                waiting: Gauge::default(),
                shared: Counter::default(),
                alerts: Family::default(),
            };
            registry.register(
                "probes",
                "Probes by kind and result",
                counters.probes.clone(),
            );
            registry.register(
                "slots_skipped",
                "Slots that passed without a probe, which is no failure",
                counters.skipped.clone(),
            );
            registry.register(
                "late_seconds",
                "How much later than planned a probe began",
                counters.late.clone(),
            );
            registry.register(
                "bursts_refused",
                "Bursts asked for targets that we do not have",
                counters.refused_bursts.clone(),
            );
            registry.register(
                "probes_waiting",
                "Probes that are due and wait for a place",
                counters.waiting.clone(),
            );
            registry.register(
                "findings_shared",
                "Findings of a silent address that were shared with others on it",
                counters.shared.clone(),
            );
            registry.register("alerts", "Alerts by result", counters.alerts.clone());
            counters
        })
    }

    pub(crate) fn probed(&self, kind: ProbeKind, finding: &Finding) {
        let labels = ProbeLabels {
            kind: kind_label(kind),
            result: result_label(finding),
        };
        self.probes.get_or_create(&labels).inc();
    }

    pub(crate) fn began(&self, late: Duration) {
        self.late.observe(late.as_secs_f64());
    }

    pub(crate) fn skipped(&self, why: Skip, slots: u64) {
        let why = match why {
            Skip::Busy => "busy",
            Skip::Crowded => "crowded",
            Skip::Late => "late",
            Skip::Shared => "shared",
        };
        self.skipped
            .get_or_create(&SkipLabels { why })
            .inc_by(slots);
    }

    pub(crate) fn refused_burst(&self) {
        self.refused_bursts.inc();
    }

    pub(crate) fn waiting(&self, probes: usize) {
        self.waiting.set(i64::try_from(probes).unwrap_or(i64::MAX));
    }

    pub(crate) fn shared(&self, findings: usize) {
        self.shared
            .inc_by(u64::try_from(findings).unwrap_or(u64::MAX));
    }

    pub(crate) fn alert(&self, result: AlertResult) {
        let result = match result {
            AlertResult::Sent => "sent",
            AlertResult::Failed => "failed",
            AlertResult::GivenUp => "given_up",
        };
        self.alerts.get_or_create(&AlertLabels { result }).inc();
    }
}

fn kind_label(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Http => "http",
        ProbeKind::Tcp => "tcp",
        ProbeKind::Tls => "tls",
        ProbeKind::Smtp => "smtp",
        ProbeKind::Dns => "dns",
        ProbeKind::Icmp => "icmp",
    }
}

fn result_label(finding: &Finding) -> &'static str {
    let failure = match finding {
        Finding::Good { .. } => return "good",
        Finding::Failed(failure) => failure,
    };
    match failure {
        Failure::Silent { .. } => "silent",
        Failure::Unreachable => "unreachable",
        Failure::Refused => "refused",
        Failure::Reset { .. } => "reset",
        Failure::Tls(_) => "tls",
        Failure::Status(_) | Failure::Later { .. } => "status",
        Failure::Reply(_) => "reply",
        Failure::MarkMissing { .. } => "mark_missing",
        Failure::Malformed { .. } => "malformed",
        Failure::Dns(_) => "dns",
        Failure::Local => "local",
    }
}
