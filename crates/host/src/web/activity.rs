//! What happens on one connection, and whether it may go on. Counters only: neither a clock nor
//! an allocation is spent on a request for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::listen::WebLimits;

/// Shared by a connection's socket, its requests and its judge.
#[derive(Debug, Default)]
pub(super) struct Activity {
    in_work: AtomicU32,
    ended: AtomicU64,
    given_up: AtomicU64,
    written: AtomicU64,
    socket_blocked: AtomicBool,
    bodies_waiting: AtomicU32,
}

/// A request in work; dropping it ends it.
#[derive(Debug)]
pub(super) struct InWork {
    activity: Arc<Activity>,
    completed: bool,
}

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> InWork {
        self.in_work.fetch_add(1, Ordering::Relaxed);
        InWork {
            activity: Arc::clone(self),
            completed: false,
        }
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.socket_blocked.store(false, Ordering::Relaxed);
    }

    pub(super) fn blocked(&self) {
        self.socket_blocked.store(true, Ordering::Relaxed);
    }

    /// Whether requests are given up as fast as they are made: more than 100, and more than are
    /// answered (h2 bounds those that it never handed over itself).
    pub(super) fn is_rapid_reset(&self) -> bool {
        let given_up = self.given_up.load(Ordering::Relaxed);
        given_up > 100 && given_up > self.ended.load(Ordering::Relaxed) / 2
    }
}

impl InWork {
    /// The answer was handed over whole.
    pub(super) fn complete(&mut self) {
        self.completed = true;
    }

    /// The guest has to take something before the answer can go on.
    pub(super) fn wait(&self) {
        self.activity.bodies_waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// The guest took it.
    pub(super) fn go_on(&self) {
        self.activity.bodies_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        if !self.completed {
            self.activity.given_up.fetch_add(1, Ordering::Relaxed);
        }
        self.activity.ended.fetch_add(1, Ordering::Relaxed);
        self.activity.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a look at the activity says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Something is going on: look again after this time.
    Wait(Duration),
    /// Nothing is going on any more: look again after this time, or sooner if seats are short.
    Rest(Duration),
    /// Nothing in work, nothing moved since the last look.
    Idle,
    /// The guest does not take what it asked for.
    SlowReader,
}

/// What the last look saw.
#[derive(Debug, Default)]
pub(super) struct Judge {
    ended: u64,
    written: u64,
    waiting: bool,
}

impl Judge {
    /// Looks, at the times that the last look asked for.
    pub(super) fn look(&mut self, activity: &Activity, limits: &WebLimits) -> Judgement {
        let ended = activity.ended.load(Ordering::Relaxed);
        let written = activity.written.load(Ordering::Relaxed);
        let in_work = activity.in_work.load(Ordering::Relaxed) > 0;
        let blocked = activity.socket_blocked.load(Ordering::Relaxed);
        let waiting = blocked || activity.bodies_waiting.load(Ordering::Relaxed) > 0;
        let moved = written.saturating_sub(self.written) >= limits.stall_bytes;
        let answered = ended > self.ended;
        let waited = std::mem::replace(&mut self.waiting, waiting);
        self.ended = ended;
        self.written = written;
        if waiting && waited && !moved {
            return Judgement::SlowReader;
        }
        // A large answer that lies in the buffers of HTTP/2 is no longer in work, but moves.
        if in_work || waiting || moved {
            return Judgement::Wait(limits.stall);
        }
        match answered {
            true => Judgement::Rest(limits.idle),
            false => Judgement::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: WebLimits = WebLimits {
        connections: 0,
        connections_per_network: 0,
        requests: 0,
        streams: 0,
        header_bytes: 0,
        headers: 0,
        body_bytes: 0,
        handshake: Duration::ZERO,
        first_request: Duration::ZERO,
        idle: Duration::from_secs(30),
        stall: Duration::from_secs(20),
        stall_bytes: 1000,
        drain: Duration::ZERO,
    };
    const STALL: Judgement = Judgement::Wait(LIMITS.stall);
    const IDLE: Judgement = Judgement::Rest(LIMITS.idle);

    #[test]
    fn who_never_asks_is_idle_at_the_first_look() {
        let activity = Arc::new(Activity::default());
        assert_eq!(Judge::default().look(&activity, &LIMITS), Judgement::Idle);
    }

    #[test]
    fn who_asked_has_one_more_span() {
        let activity = Arc::new(Activity::default());
        let mut judge = Judge::default();
        let work = activity.begin();
        assert_eq!(judge.look(&activity, &LIMITS), STALL);
        assert_eq!(
            judge.look(&activity, &LIMITS),
            STALL,
            "slow handlers are not the guest's"
        );
        drop(work);
        assert_eq!(judge.look(&activity, &LIMITS), IDLE);
        assert_eq!(judge.look(&activity, &LIMITS), Judgement::Idle);
    }

    #[test]
    fn who_takes_too_little_for_a_whole_span_is_a_slow_reader() {
        let activity = Arc::new(Activity::default());
        let mut judge = Judge::default();
        let work = activity.begin();
        work.wait();
        assert_eq!(judge.look(&activity, &LIMITS), STALL);
        activity.wrote(1000);
        assert_eq!(judge.look(&activity, &LIMITS), STALL);
        activity.wrote(999);
        activity.blocked();
        assert_eq!(judge.look(&activity, &LIMITS), Judgement::SlowReader);
    }

    #[test]
    fn giving_up_as_fast_as_asking_is_a_rapid_reset() {
        let activity = Arc::new(Activity::default());
        for _ in 0..300 {
            activity.begin().complete();
        }
        assert!(!activity.is_rapid_reset());
        for _ in 0..301 {
            drop(activity.begin());
        }
        assert!(activity.is_rapid_reset());
    }
}
