//! How alerts fare, and a test of them: what `status`, `ready` and `servergate alert test` ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use host::Clock;
use host::net::Net;
use model::{PlaceId, Timestamp};

use super::deliver::Door;
use super::words;

/// How delivering fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertState {
    /// When a message was delivered last.
    pub delivered: Option<Timestamp>,
    /// Since when every try fails.
    pub failing_since: Option<Timestamp>,
    /// Why the last one did, in words.
    pub error: Option<String>,
    /// So many tries failed since the start.
    pub failed: u64,
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The way it went: `the command /usr/local/bin/tell-us`.
    pub way: String,
    /// How long it took.
    pub took: Duration,
    /// Why it was not delivered, in words.
    pub error: Option<String>,
}

/// Asks the alerts while they run. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Alerts {
    pub(super) place: PlaceId,
    pub(super) clock: Clock,
    pub(super) net: Net,
    pub(super) door: Door,
    state: Arc<Mutex<AlertState>>,
}

impl Alerts {
    pub(super) fn new(place: PlaceId, clock: Clock, net: Net, door: Door) -> Self {
        let state = Arc::default();
        Self {
            place,
            clock,
            net,
            door,
            state,
        }
    }

    /// How delivering fares.
    pub fn state(&self) -> AlertState {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    /// Sends a message that says it is a test, once, the way that alerts go.
    pub async fn test(&self) -> Tested {
        let began = self.clock.now();
        let written = words::test(&self.place, began.wall);
        let result = self.door.deliver(self.net, &written).await;
        let error = result.err().map(|error| error.to_string());
        self.tried(error.clone());
        Tested {
            way: self.door.name(),
            took: self.clock.now().mono.since(began.mono),
            error,
        }
    }

    /// Takes note of one try.
    pub(super) fn tried(&self, error: Option<String>) {
        let now = self.clock.now().wall;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if error.is_some() {
            state.failed += 1;
            state.failing_since.get_or_insert(now);
        } else {
            state.failing_since = None;
            state.delivered = Some(now);
        }
        state.error = error;
    }
}
