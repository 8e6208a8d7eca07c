//! Limits on guests: how many connections altogether and per network.
//!
//! A network is a /24 (IPv4) or a /56 (IPv6): one guest cannot take the place of all others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts guests and refuses those over the limit. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guests(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_per_network: usize,
    present: Mutex<Present>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Present {
    all: usize,
    networks: HashMap<u64, usize>,
}

/// A guest's place; leaving frees it.
#[derive(Debug)]
pub struct Seat {
    guests: Guests,
    network: u64,
}

impl Guests {
    /// At most `most` at once, of whom at most `most_per_network` from one network.
    pub fn new(most: usize, most_per_network: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            most_per_network,
            present: Mutex::default(),
            refused: AtomicU64::new(0),
        }))
    }

    /// A seat for a guest from `address`, or a counted refusal.
    pub fn admit(&self, address: IpAddr) -> Option<Seat> {
        let network = network(address);
        let mut present = self
            .0
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let here = present.networks.get(&network).copied().unwrap_or(0);
        if present.all >= self.0.most || here >= self.0.most_per_network {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        present.all += 1;
        present.networks.insert(network, here + 1);
        drop(present);
        Some(Seat {
            guests: self.clone(),
            network,
        })
    }

    /// How many are here.
    pub fn present(&self) -> usize {
        self.0
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .all
    }

    /// How many were refused since the start.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut present = self
            .guests
            .0
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        present.all = present.all.saturating_sub(1);
        let left = present
            .networks
            .get(&self.network)
            .copied()
            .unwrap_or(0)
            .saturating_sub(1);
        if left == 0 {
            present.networks.remove(&self.network);
        } else {
            present.networks.insert(self.network, left);
        }
    }
}

/// The /24 or /56 an address lies in; the two families never share a number.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
        IpAddr::V6(v6) => {
            let top = (v6.to_bits() >> 72) as u64;
            top | (1 << 63)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_cannot_take_all_seats() {
        let guests = Guests::new(10, 2);
        let flood: Vec<_> = (0..5)
            .map(|n| guests.admit(IpAddr::from([192, 0, 2, n])))
            .collect();
        assert_eq!(flood.iter().flatten().count(), 2);
        assert!(guests.admit(IpAddr::from([198, 51, 100, 1])).is_some());
        assert_eq!(guests.refused(), 3);
        drop(flood);
        assert!(guests.admit(IpAddr::from([192, 0, 2, 9])).is_some());
        assert_eq!(guests.present(), 0);
    }
}
