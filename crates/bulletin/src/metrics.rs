//! What the bulletin counts; nothing about who asked.

use host::metrics::Metrics as Registry;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Answer {
    /// 200.
    Served,
    /// 304.
    NotModified,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 503, on another host name.
    Unavailable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Labels {
    answer: Answer,
}

/// The counters of the part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    requests: Family<Labels, Counter>,
    pub(crate) renderings: Counter,
    pub(crate) rendering_failures: Counter,
    pub(crate) records: Counter,
    pub(crate) unreadable_records: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        registry.register("bulletin", |into| {
            into.register(
                "requests",
                "Requests to the page and requests answered with its 503",
                metrics.requests.clone(),
            );
            into.register(
                "renderings",
                "Organisations whose pages were written anew",
                metrics.renderings.clone(),
            );
            into.register(
                "rendering_failures",
                "Pages that could not be written; the ones before stay",
                metrics.rendering_failures.clone(),
            );
            into.register("records", "Records taken in", metrics.records.clone());
            into.register(
                "unreadable_records",
                "Records of the log that this version cannot read",
                metrics.unreadable_records.clone(),
            );
        });
        metrics
    }

    pub(crate) fn answered(&self, answer: Answer) {
        self.requests.get_or_create(&Labels { answer }).inc();
    }
}
