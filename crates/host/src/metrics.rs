//! Metrics in Prometheus text. Each part registers its own struct; every refusal moves a counter.

mod store;
mod tasks;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The registry of the whole program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix("servergate"))))
    }
}

impl Metrics {
    /// Lets a part register its counters under `servergate_<part>_…`.
    pub fn register<T>(&self, part: &'static str, into: impl FnOnce(&mut Registry) -> T) -> T {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        into(registry.sub_registry_with_prefix(part))
    }

    /// Shows what `store` counts, under `servergate_store_…`.
    pub fn show_store(&self, store: &::store::Store) {
        self.register("store", |registry| store::register(registry, store));
    }

    /// Shows which tasks panicked and were begun again, under `servergate_tasks_…`.
    pub fn show_tasks(&self, tasks: &crate::Tasks) {
        self.register("tasks", |registry| tasks::register(registry, tasks));
    }

    /// All metrics as text (content type `application/openmetrics-text`).
    pub fn text(&self) -> String {
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if encode(&mut text, &registry).is_err() {
            text.clear();
        }
        text
    }
}
