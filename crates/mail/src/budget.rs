//! How many messages one network may leave in an hour. Pure; bounded in memory, and no flood of
//! addresses pushes anybody out: networks that share a place in the table share its budget.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use host::limits::network;
use model::Mono;

/// Places in the table: 256 KiB.
const PLACES: usize = 1 << 16;

/// Counts messages by network in windows of fixed length.
#[derive(Debug)]
pub(crate) struct Budget {
    most: u32,
    window: Duration,
    began: Option<Mono>,
    spent: Box<[u32]>,
    /// So that nobody can choose addresses that share a place with somebody else's.
    key: RandomState,
}

impl Budget {
    /// At most `most` messages of one network in each `window`.
    pub(crate) fn new(most: u64, window: Duration) -> Self {
        Self {
            most: u32::try_from(most).unwrap_or(u32::MAX),
            window,
            began: None,
            spent: vec![0; PLACES].into(),
            key: RandomState::new(),
        }
    }

    /// Spends one message of the network of `client`; `false` if it has none left.
    pub(crate) fn spend(&mut self, now: Mono, client: IpAddr) -> bool {
        let over = |began: Mono| now.since(began) >= self.window;
        if self.began.is_none_or(over) {
            self.began = Some(now);
            self.spent.fill(0);
        }
        let place = self.key.hash_one(network(client)) as usize % PLACES;
        match self.spent.get_mut(place) {
            Some(spent) if *spent < self.most => {
                *spent += 1;
                true
            }
            _ => false,
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
    fn a_network_has_its_budget_and_gets_another_in_the_next_window() {
        let mut budget = Budget::new(2, Duration::from_secs(60));
        let (here, near) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        assert!(budget.spend(at(0), here));
        assert!(budget.spend(at(1), near));
        assert!(!budget.spend(at(2), here));
        assert!(budget.spend(at(60), here));
    }

    #[test]
    fn a_flood_from_everywhere_does_not_keep_others_out() {
        let mut budget = Budget::new(100, Duration::from_secs(60));
        for number in 0..200_000_u32 {
            budget.spend(at(0), std::net::Ipv4Addr::from_bits(number << 8).into());
        }
        let others = (0..100_u128).map(|number| {
            std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) | (number << 72)).into()
        });
        let taken = others
            .filter(|other: &IpAddr| budget.spend(at(1), *other))
            .count();
        assert_eq!(taken, 100);
    }
}
