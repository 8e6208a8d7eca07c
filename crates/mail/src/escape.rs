//! The escape for asymmetric faults: whoever was told `451` because the primary did not answer,
//! and comes back after a while with the same message, is kept.
//!
//! The same message is the same network (/24 or /56), sender and recipient, as greylisting does it: some
//! senders reach us and not the primary, while we still believe the primary well.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use host::limits::network;
use model::Mono;

/// How long the sender must have waited.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// After so long it is a new message.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// How many are remembered.
const MOST: usize = 100_000;

/// What was deferred, and since when. Only hashes: nothing about people is in it.
#[derive(Debug, Default)]
pub struct Escape {
    seen: HashMap<u64, Mono>,
    order: VecDeque<(Mono, u64)>,
    key: RandomState,
}

impl Escape {
    /// Notes a deferral; `true` if the same was deferred long enough ago to be kept now.
    pub fn came_back(&mut self, now: Mono, client: IpAddr, sender: &str, recipient: &str) -> bool {
        self.forget(now);
        let key = self.key.hash_one((network(client), sender, recipient));
        if let Some(first) = self.seen.get(&key) {
            return now.since(*first) >= PATIENCE;
        }
        if self.seen.len() >= MOST
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(key, now);
        self.order.push_back((now, key));
        false
    }

    fn forget(&mut self, now: Mono) {
        while let Some((at, key)) = self.order.front().copied()
            && now.since(at) > MEMORY
        {
            self.order.pop_front();
            self.seen.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::at(Duration::from_secs(seconds))
    }

    #[test]
    fn whoever_comes_back_after_five_minutes_is_kept() {
        let mut escape = Escape::default();
        let (here, near) = ([192, 0, 2, 1].into(), [192, 0, 2, 77].into());
        assert!(!escape.came_back(at(0), here, "a@b.test", "c@verein.test"));
        assert!(!escape.came_back(at(299), here, "a@b.test", "c@verein.test"));
        assert!(escape.came_back(at(300), near, "a@b.test", "c@verein.test"));
        assert!(!escape.came_back(at(300), here, "x@b.test", "c@verein.test"));
        let far = [198, 51, 100, 1].into();
        assert!(!escape.came_back(at(300), far, "a@b.test", "c@verein.test"));
    }

    #[test]
    fn it_is_forgotten_after_a_day_and_never_grows_beyond_its_bound() {
        let mut escape = Escape::default();
        let here = [192, 0, 2, 1].into();
        assert!(!escape.came_back(at(0), here, "a@b.test", "c@verein.test"));
        assert!(!escape.came_back(at(86_401), here, "a@b.test", "c@verein.test"));
        for number in 0..MOST + 10 {
            escape.came_back(at(86_402), here, &number.to_string(), "c@verein.test");
        }
        assert_eq!(escape.seen.len(), MOST);
        assert_eq!(escape.order.len(), MOST);
    }
}
