//! The one clock. Everything else receives `Now` as an argument.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Mono, Now, Timestamp};
use tokio::time::Instant;

/// Tells the time and wakes sleepers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    anchor: Instant,
    /// Wall time at the anchor, where wall time is simulated as well.
    simulated: Option<Timestamp>,
}

impl Clock {
    /// The machine's own clocks.
    #[allow(clippy::disallowed_methods)] // the one place where the runtime's clock is read
    pub fn system() -> Self {
        Self(Arc::new(Inner {
            anchor: Instant::now(),
            simulated: None,
        }))
    }

    /// Wall time that begins at `start` and moves with the runtime's (paused or simulated) clock.
    #[allow(clippy::disallowed_methods)] // see `system`
    pub fn simulated(start: Timestamp) -> Self {
        Self(Arc::new(Inner {
            anchor: Instant::now(),
            simulated: Some(start),
        }))
    }

    /// The present.
    #[allow(clippy::disallowed_methods)] // see `system`
    pub fn now(&self) -> Now {
        // The anchor lies an hour back, so that deadlines from before a restart can be expressed.
        let elapsed = Instant::now().saturating_duration_since(self.0.anchor);
        let mono = Mono::at(elapsed.saturating_add(BEFORE_ANCHOR));
        let wall = match self.0.simulated {
            Some(start) => start.after(elapsed),
            None => wall(),
        };
        Now { mono, wall }
    }

    /// Returns at `deadline`, at once if it has passed. Cancel-safe.
    pub async fn sleep_until(&self, deadline: Mono) {
        let since = deadline.since_anchor().saturating_sub(BEFORE_ANCHOR);
        tokio::time::sleep_until(self.0.anchor + since).await;
    }

    /// Returns after `duration`. Cancel-safe.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Deadlines restored after a restart may lie before the process began; thirty days suffice.
const BEFORE_ANCHOR: Duration = Duration::from_secs(30 * 24 * 3600);

#[allow(clippy::disallowed_methods)] // see `Clock::system`
fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
