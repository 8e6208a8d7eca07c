//! How many messages one network may leave in an hour. Pure; bounded in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use model::Mono;

/// Networks that are remembered.
const MOST: usize = 20_000;

/// Counts messages by network in windows of fixed length.
#[derive(Debug)]
pub(crate) struct Budget {
    most: u64,
    window: Duration,
    began: Option<Mono>,
    spent: HashMap<u64, u64>,
}

impl Budget {
    /// At most `most` messages of one network in each `window`.
    pub(crate) fn new(most: u64, window: Duration) -> Self {
        Self {
            most,
            window,
            began: None,
            spent: HashMap::new(),
        }
    }

    /// Spends one message of the network of `client`; `false` if it has none left.
    pub(crate) fn spend(&mut self, now: Mono, client: IpAddr) -> bool {
        let over = |began: Mono| now.since(began) >= self.window;
        if self.began.is_none_or(over) {
            self.began = Some(now);
            self.spent.clear();
        }
        // More networks than that are a flood from everywhere; those we know go on.
        let network = network(client);
        if self.spent.len() >= MOST && !self.spent.contains_key(&network) {
            return false;
        }
        let spent = self.spent.entry(network).or_default();
        if *spent >= self.most {
            return false;
        }
        *spent += 1;
        true
    }
}

/// The /24 (IPv4) or /56 (IPv6) an address lies in.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
        IpAddr::V6(v6) => (v6.to_bits() >> 72) as u64 | (1 << 63),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_budget_and_gets_another_in_the_next_window() {
        let at = |seconds| Mono::at(Duration::from_secs(seconds));
        let mut budget = Budget::new(2, Duration::from_secs(60));
        let (here, near, far) = (
            [192, 0, 2, 1].into(),
            [192, 0, 2, 2].into(),
            [198, 51, 100, 1].into(),
        );
        assert!(budget.spend(at(0), here));
        assert!(budget.spend(at(1), near));
        assert!(!budget.spend(at(2), here));
        assert!(budget.spend(at(3), far));
        assert!(budget.spend(at(60), here));
    }

    #[test]
    fn it_never_remembers_more_networks_than_it_may() {
        let mut budget = Budget::new(1, Duration::from_secs(60));
        for number in 0..MOST as u32 + 50 {
            budget.spend(
                Mono::default(),
                std::net::Ipv4Addr::from_bits(number << 8).into(),
            );
        }
        assert_eq!(budget.spent.len(), MOST);
    }
}
