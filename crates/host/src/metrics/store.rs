//! What the store counts, read when somebody looks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use store::Store;

pub(super) fn register(registry: &mut Registry, store: &Store) {
    registry.register_collector(Box::new(Counts(store.clone())));
}

#[derive(Debug)]
struct Counts(Store);

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let counts = [
            ("commits", "Batches that got a receipt", stats.commits),
            ("syncs", "Groups of batches, one sync each", stats.syncs),
            ("records", "Records appended", stats.records),
            ("refused", "Batches refused", stats.refused),
        ];
        for (name, help, count) in counts {
            one(&mut encoder, name, help, &ConstCounter::new(count))?;
        }
        let behind = ConstCounter::new(stats.behind.as_secs_f64());
        let help = "Time for which commits waited until memory was put away";
        one(&mut encoder, "behind_seconds", help, &behind)?;
        let now = [
            ("waiting", "Batches that wait", whole(stats.waiting)),
            (
                "failed",
                "1 while the disk takes no write: nothing is taken",
                i64::from(stats.poisoned || stats.silent),
            ),
            (
                "disk_bytes",
                "The engine's files, without blobs",
                whole(stats.disk_bytes),
            ),
        ];
        for (name, help, value) in now {
            one(&mut encoder, name, help, &ConstGauge::new(value))?;
        }
        Ok(())
    }
}

fn one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> Result<(), fmt::Error> {
    let into = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
    metric.encode(into)
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn what_the_store_counts_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let store = store::Store::open(dir.path(), store::Options::default()).unwrap();
        let metrics = Metrics::default();
        metrics.show_store(&store);
        let text = metrics.text();
        for line in [
            "servergate_store_commits_total 0",
            "servergate_store_behind_seconds_total 0.0",
            "servergate_store_failed 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
    }
}
