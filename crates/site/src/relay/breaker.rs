//! Spares a primary that just failed, and the guests their waiting: for a moment nobody tries,
//! then one does, and the others wait for what it finds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::Mono;

/// Nobody tries for so long after a failure.
const REST: Duration = Duration::from_secs(2);
/// An attempt that found nothing out by then is no longer waited for.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Closed while all is well.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Nobody is let through before this moment (nanoseconds since the anchor); 0 is closed.
    until: AtomicU64,
}

impl Breaker {
    /// Whether a request may go to the primary.
    pub(super) fn admit(&self, now: Mono) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        if nanos(now) < until {
            return false;
        }
        // One of those who come now is the attempt; the others see the new moment.
        let next = nanos(now.after(ATTEMPT));
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.until
            .compare_exchange(until, next, success, failure)
            .is_ok()
    }

    /// The primary failed.
    pub(super) fn open(&self, now: Mono) {
        self.until.store(nanos(now.after(REST)), Ordering::Relaxed);
    }

    /// The primary answered.
    pub(super) fn close(&self) {
        if self.until.load(Ordering::Relaxed) != 0 {
            self.until.store(0, Ordering::Relaxed);
        }
    }
}

fn nanos(moment: Mono) -> u64 {
    u64::try_from(moment.since_anchor().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_nobody_tries_then_one_does() {
        let breaker = Breaker::default();
        let at = |millis: u64| Mono::at(Duration::from_millis(10_000 + millis));
        assert!(breaker.admit(at(0)));
        breaker.open(at(0));
        assert!(!breaker.admit(at(0)));
        assert!(!breaker.admit(at(1_999)));
        assert!(breaker.admit(at(2_000)));
        assert!(!breaker.admit(at(2_000)), "one at a time");
        assert!(!breaker.admit(at(4_999)));
        assert!(
            breaker.admit(at(5_000)),
            "an attempt that says nothing is not waited for"
        );
        breaker.close();
        assert!(breaker.admit(at(5_001)));
        assert!(breaker.admit(at(5_001)));
    }
}
