//! How often tasks broke and were begun again, read when somebody looks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;

use crate::Tasks;

pub(super) fn register(registry: &mut Registry, tasks: &Tasks) {
    registry.register_collector(Box::new(Counts(tasks.clone())));
}

#[derive(Debug)]
struct Counts(Tasks);

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let restarted = self.0.restarts().iter().map(|one| one.times).sum();
        let counts = [
            ("panicked", "Tasks that broke", self.0.panicked()),
            (
                "restarted",
                "Tasks that broke and were begun again",
                restarted,
            ),
        ];
        for (name, help, count) in counts {
            let metric: ConstCounter<u64> = ConstCounter::new(count);
            let into = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(into)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::Tasks;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn what_broke_is_counted() {
        let (metrics, tasks) = (Metrics::default(), Tasks::default());
        metrics.show_tasks(&tasks);
        let broken = tasks.spawn("work", async { panic!("for the test") }).await;
        assert!(broken.is_err_and(|error| error.is_panic()));
        let text = metrics.text();
        for line in [
            "servergate_tasks_panicked_total 1",
            "servergate_tasks_restarted_total 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
