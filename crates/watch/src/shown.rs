//! What is only shown: the last observation of each target that never steers.
//!
//! Kept apart from the observations that the detector gets, so that a third party's server can
//! by no mistake move ours. Read by whoever shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::{Observation, Target};

/// The last observations of the targets that are only shown. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<Mutex<BTreeMap<Target, Observation>>>);

impl Shown {
    /// The last observation of each, in order of service and name.
    pub fn last(&self) -> Vec<Observation> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.values().cloned().collect()
    }

    /// Bounded by the number of targets in the configuration.
    pub(crate) fn put(&self, observation: Observation) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.insert(observation.target.clone(), observation);
    }
}
