//! How many notifications leave in a day: for one sender, and in all. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use model::Timestamp;

/// To one sender in a day.
pub(super) const PER_SENDER: usize = 5;
/// To all senders in a day.
pub(super) const IN_ALL: usize = 200;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What was decided to be sent in the last day, in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Quota(VecDeque<(Timestamp, String)>);

impl Quota {
    /// What was decided before a restart, in any order.
    pub(crate) fn of(mut decided: Vec<(Timestamp, String)>) -> Self {
        decided.sort_unstable();
        Self(decided.into())
    }

    /// Spends one for this sender; `false` if there is none left.
    pub(crate) fn spend(&mut self, now: Timestamp, to: &str) -> bool {
        while self.0.front().is_some_and(|(at, _)| now.since(*at) >= DAY) {
            self.0.pop_front();
        }
        // A domain's own people may differ in case; nobody gets more by that.
        let same = |one: &&(Timestamp, String)| one.1.eq_ignore_ascii_case(to);
        let left = self.0.len() < IN_ALL && self.0.iter().filter(same).count() < PER_SENDER;
        if left {
            self.0.push_back((now, to.to_owned()));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u64) -> Timestamp {
        Timestamp::from_millis(1_750_000_000_000).after(Duration::from_secs(hour * 3600))
    }

    #[test]
    fn one_sender_gets_few_and_all_of_them_not_many() {
        let mut quota = Quota::default();
        let few = (0..100).filter(|_| quota.spend(at(0), "A@b.test")).count();
        assert_eq!(few, PER_SENDER);
        assert!(!quota.spend(at(23), "a@b.test"));
        let many = (0..1000).filter(|n| quota.spend(at(1), &format!("{n}@b.test")));
        assert_eq!(many.count(), IN_ALL - PER_SENDER);
        assert!(quota.spend(at(24), "a@b.test"), "a day later");
    }

    #[test]
    fn a_restart_gives_nobody_more() {
        let decided = (0..5).map(|hour| (at(4 - hour), "a@b.test".to_owned()));
        let mut quota = Quota::of(decided.collect());
        assert!(!quota.spend(at(5), "a@b.test"));
        assert!(quota.spend(at(24), "a@b.test"));
        assert!(!quota.spend(at(24), "a@b.test"));
    }
}
