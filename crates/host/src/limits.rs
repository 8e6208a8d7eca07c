//! Limits on guests: how many connections altogether and per network.
//!
//! A network is a /24 (IPv4) or a /56 (IPv6): one guest cannot take the place of all others. While
//! seats are short ([`Pressure::Tight`]) whoever serves has less patience with those who are slow,
//! so that a few thousand who say nothing do not keep out those who want something.

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
    /// Not known while a proxy has not said whom it brings.
    network: Option<u64>,
}

/// How short seats are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// There are enough.
    Easy,
    /// More than four in five are taken: have less patience.
    Tight,
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
        let mut seat = self.admit_unnamed()?;
        seat.name(address).then_some(seat)
    }

    /// A seat for somebody whom a trusted proxy will name ([`Seat::name`]), or a counted refusal.
    pub fn admit_unnamed(&self) -> Option<Seat> {
        let mut present = self.lock();
        if present.all >= self.0.most {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        present.all += 1;
        drop(present);
        Some(Seat {
            guests: self.clone(),
            network: None,
        })
    }

    /// How many are here.
    pub fn present(&self) -> usize {
        self.lock().all
    }

    /// Whether seats are short.
    pub fn pressure(&self) -> Pressure {
        // In fifths, so that a limit of `usize::MAX` does not overflow.
        let plenty = self.0.most - self.0.most / 5;
        match self.present() > plenty {
            true => Pressure::Tight,
            false => Pressure::Easy,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Present> {
        self.0
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were refused since the start.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl Seat {
    /// Says whose seat it is; `false` is a counted refusal, for there are too many from there.
    #[must_use]
    pub fn name(&mut self, address: IpAddr) -> bool {
        let network = network(address);
        let mut present = self.guests.lock();
        present.leave(self.network.take());
        let here = present.networks.get(&network).copied().unwrap_or(0);
        if here >= self.guests.0.most_per_network {
            drop(present);
            self.guests.0.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        present.networks.insert(network, here + 1);
        self.network = Some(network);
        true
    }
}

impl Present {
    fn leave(&mut self, network: Option<u64>) {
        let Some(network) = network else { return };
        let here = self.networks.get(&network).copied().unwrap_or(0);
        match here.saturating_sub(1) {
            0 => self.networks.remove(&network),
            left => self.networks.insert(network, left),
        };
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut present = self.guests.lock();
        present.all = present.all.saturating_sub(1);
        present.leave(self.network);
    }
}

/// The /24 or /56 an address lies in, as a number; the two families never share one.
pub fn network(address: IpAddr) -> u64 {
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

    #[test]
    fn seats_are_short_above_four_in_five() {
        let guests = Guests::new(10, 10);
        let mut seats = Vec::new();
        for _ in 0..8 {
            seats.push(guests.admit(IpAddr::from([192, 0, 2, 1])).unwrap());
        }
        assert_eq!(guests.pressure(), Pressure::Easy);
        seats.push(guests.admit_unnamed().unwrap());
        assert_eq!(guests.pressure(), Pressure::Tight);
        drop(seats);
        assert_eq!(guests.pressure(), Pressure::Easy);
        assert_eq!(Guests::new(usize::MAX, 1).pressure(), Pressure::Easy);
    }

    #[test]
    fn whom_a_proxy_brings_counts_for_the_own_network() {
        let guests = Guests::new(3, 1);
        let mut first = guests.admit_unnamed().unwrap();
        let mut second = guests.admit_unnamed().unwrap();
        assert!(first.name(IpAddr::from([192, 0, 2, 1])));
        assert!(!second.name(IpAddr::from([192, 0, 2, 2])));
        drop(first);
        assert!(second.name(IpAddr::from([192, 0, 2, 2])));
        assert_eq!((guests.present(), guests.refused()), (1, 1));
    }
}
