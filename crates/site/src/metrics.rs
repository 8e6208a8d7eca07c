//! Counters of the capture and the shelf.

use host::metrics::Metrics;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::capture::Refusal;

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Fate {
    Kept,
    Reused,
    Private,
    Robots,
    Wait,
    Failed,
}

/// What became of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    New,
    Unchanged,
    Rejected,
    Stopped,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FateLabel {
    fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    reason: Refusal,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrganisationLabel {
    organisation: String,
}

/// Counters of the capture, shared by all organisations.
#[derive(Clone, Debug, Default)]
pub(crate) struct SiteMetrics {
    pub(crate) requests: Counter,
    pages: Family<FateLabel, Counter>,
    captures: Family<OutcomeLabel, Counter>,
    links: Family<RefusalLabel, Counter>,
    captured: Family<OrganisationLabel, Gauge>,
}

impl SiteMetrics {
    /// Registers the counters.
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let site = Self::default();
        metrics.register("site", |registry| {
            let requests = site.requests.clone();
            registry.register("capture_requests", "Requests made to primaries", requests);
            let pages = site.pages.clone();
            registry.register("capture_pages", "Pages met by captures, by fate", pages);
            let captures = site.captures.clone();
            registry.register("captures", "Captures, by outcome", captures);
            let links = site.links.clone();
            registry.register(
                "capture_links_refused",
                "Links not followed, by reason",
                links,
            );
            let captured = site.captured.clone();
            let help = "When the copy was last found right, in seconds since 1970";
            registry.register("copy_verified_timestamp_seconds", help, captured);
        });
        site
    }

    pub(crate) fn page(&self, fate: Fate) {
        self.pages.get_or_create(&FateLabel { fate }).inc();
    }

    pub(crate) fn capture(&self, outcome: Outcome) {
        self.captures.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn refused(&self, reason: Refusal, count: u64) {
        self.links
            .get_or_create(&RefusalLabel { reason })
            .inc_by(count);
    }

    pub(crate) fn verified(&self, organisation: &str, at: model::Timestamp) {
        let organisation = organisation.to_owned();
        let label = OrganisationLabel { organisation };
        self.captured.get_or_create(&label).set(at.millis() / 1000);
    }
}
