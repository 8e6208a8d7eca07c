//! How many connections this standby holds to each of an organisation's own servers, over all parts.
//!
//! A server limits how many connections one client may have, and what the standby passes on for
//! others all comes from its own address. Without a bound of ours a few guests who take their time
//! reach that limit, and then the probe is refused as well: a healthy server would look ill, by our
//! own doing. So `mail` takes a [`Permit`] for each connection, and `watch` asks how many there are
//! ([`Outbound::held`]) before it believes a "too many connections".
//!
//! Of `most` connections some are never taken, so that the probe finds a place; some are kept for
//! what the standby brings by itself; guests share the rest, and no network gets more than a third
//! of that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Counts connections by address and refuses those over the bound. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Outbound(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    servers: Mutex<HashMap<IpAddr, Server>>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Server {
    shares: Option<Shares>,
    own: usize,
    guests: usize,
    networks: HashMap<u64, usize>,
}

/// For whom a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// A guest at this address, whose message is passed on.
    Guest(IpAddr),
    /// The standby: what it hands back, or tries out.
    Own,
}

/// How the connections to one server are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// All that are ever taken; the probe's come on top.
    pub all: usize,
    /// Of these, for guests.
    pub guests: usize,
    /// Of these, for the guests of one network.
    pub network: usize,
}

impl Shares {
    /// The shares of at most `most` connections, of which the standby wants `own` for itself.
    pub fn of(most: usize, own: usize) -> Self {
        let probes = if most < 8 { 1 } else { 2 };
        let all = most.saturating_sub(probes).max(2);
        let own = own.clamp(1, all / 2);
        let guests = all - own;
        Self {
            all,
            guests,
            network: guests.div_ceil(3),
        }
    }

    /// How many are kept for the standby itself.
    pub fn own(self) -> usize {
        self.all - self.guests
    }

    /// The smaller shares of two who have the same server.
    fn least(self, other: Self) -> Self {
        Self {
            all: self.all.min(other.all),
            guests: self.guests.min(other.guests),
            network: self.network.min(other.network),
        }
    }
}

/// A place among the connections; dropping it frees it.
#[derive(Debug)]
pub struct Permit {
    of: Outbound,
    server: IpAddr,
    whom: For,
}

impl Outbound {
    /// Bounds the connections to `server`. Where several say so, the smallest shares hold.
    pub fn bound(&self, server: IpAddr, shares: Shares) {
        let mut servers = self.lock();
        let server = servers.entry(server.to_canonical()).or_default();
        server.shares = Some(server.shares.map_or(shares, |other| other.least(shares)));
    }

    /// A place for another connection to `server`, if there is one now.
    pub fn take(&self, server: IpAddr, whom: For) -> Option<Permit> {
        let address = server.to_canonical();
        let mut servers = self.lock();
        let server = servers.entry(address).or_default();
        let taken = server.take(whom);
        drop(servers);
        taken.then(|| Permit {
            of: self.clone(),
            server: address,
            whom,
        })
    }

    /// The same, waiting for `patience` at the most. Cancel-safe.
    pub async fn wait(&self, server: IpAddr, whom: For, patience: Duration) -> Option<Permit> {
        let waiting = async {
            loop {
                let left = self.0.left.notified();
                tokio::pin!(left);
                // Before looking, so that nobody leaves unnoticed in between.
                left.as_mut().enable();
                if let Some(permit) = self.take(server, whom) {
                    return permit;
                }
                left.await;
            }
        };
        tokio::time::timeout(patience, waiting).await.ok()
    }

    /// How many connections to `server` there are, beside those of the probe.
    pub fn held(&self, server: IpAddr) -> usize {
        let servers = self.lock();
        let server = servers.get(&server.to_canonical());
        server.map_or(0, |server| server.own + server.guests)
    }

    /// Whether guests have taken all that is theirs.
    pub fn is_short(&self, server: IpAddr) -> bool {
        let servers = self.lock();
        let server = servers.get(&server.to_canonical());
        server.is_some_and(|server| {
            let shares = server.shares;
            shares.is_some_and(|shares| server.guests >= shares.guests)
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Server>> {
        self.0
            .servers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    fn take(&mut self, whom: For) -> bool {
        let shares = self.shares.unwrap_or(Shares {
            all: usize::MAX,
            guests: usize::MAX,
            network: usize::MAX,
        });
        if self.own + self.guests >= shares.all {
            return false;
        }
        match whom {
            For::Own => self.own += 1,
            For::Guest(guest) => {
                let network = network(guest);
                let here = self.networks.get(&network).copied().unwrap_or(0);
                if self.guests >= shares.guests || here >= shares.network {
                    return false;
                }
                self.networks.insert(network, here + 1);
                self.guests += 1;
            }
        }
        true
    }

    fn leave(&mut self, whom: For) {
        match whom {
            For::Own => self.own = self.own.saturating_sub(1),
            For::Guest(guest) => {
                self.guests = self.guests.saturating_sub(1);
                let network = network(guest);
                let here = self.networks.get(&network).copied().unwrap_or(0);
                match here.saturating_sub(1) {
                    0 => self.networks.remove(&network),
                    left => self.networks.insert(network, left),
                };
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(server) = self.of.lock().get_mut(&self.server) {
            server.leave(self.whom);
        }
        self.of.0.left.notify_waiters();
    }
}

/// The /24 or /48 an address lies in: what one party is given at the most, which a /56 is not.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
        IpAddr::V6(v6) => {
            let top = (v6.to_bits() >> 80) as u64;
            top | (1 << 63)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 25));

    fn bounded(most: usize, own: usize) -> Outbound {
        let outbound = Outbound::default();
        outbound.bound(SERVER, Shares::of(most, own));
        outbound
    }

    fn guest(network: u8, host: u8) -> For {
        For::Guest([192, 0, network, host].into())
    }

    #[test]
    fn no_network_takes_all_places_and_guests_never_those_of_others() {
        let outbound = bounded(20, 8);
        let flood: Vec<_> = (0..60)
            .filter_map(|host| outbound.take(SERVER, guest(2, host)))
            .collect();
        assert_eq!(flood.len(), 4);
        let others: Vec<_> = (10..60)
            .filter_map(|network| outbound.take(SERVER, guest(network, 1)))
            .collect();
        assert_eq!(flood.len() + others.len(), 10);
        assert!(outbound.is_short(SERVER));
        let own: Vec<_> = (0..20)
            .filter_map(|_| outbound.take(SERVER, For::Own))
            .collect();
        assert_eq!((own.len(), outbound.held(SERVER)), (8, 18));
        // Another server has nothing to do with it.
        assert!(
            outbound
                .take([198, 51, 100, 26].into(), guest(2, 1))
                .is_some()
        );
        drop((flood, others, own));
        assert_eq!(outbound.held(SERVER), 0);
        assert!(outbound.take(SERVER, guest(2, 1)).is_some());
    }

    #[test]
    fn a_48_is_one_network() {
        let outbound = bounded(20, 8);
        let at = |text: &str| For::Guest(text.parse().unwrap());
        let flood: Vec<_> = (0..10)
            .filter_map(|n| outbound.take(SERVER, at(&format!("2001:db8:1:{n}00::1"))))
            .collect();
        assert_eq!(flood.len(), 4);
        assert!(outbound.take(SERVER, at("2001:db8:2::1")).is_some());
    }

    #[test]
    fn the_smallest_bound_holds_for_a_server_of_several() {
        let outbound = bounded(20, 8);
        outbound.bound(SERVER, Shares::of(6, 8));
        let taken: Vec<_> = (0..20)
            .filter_map(|_| outbound.take(SERVER, For::Own))
            .collect();
        assert_eq!(taken.len(), 5);
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_of_who_leaves_and_is_not_kept_for_ever() {
        let outbound = bounded(4, 1);
        let mut all: Vec<_> = (0..3)
            .filter_map(|_| outbound.take(SERVER, For::Own))
            .collect();
        let brief = Duration::from_millis(1);
        assert!(outbound.wait(SERVER, For::Own, brief).await.is_none());
        let long = Duration::from_secs(30);
        let (got, ()) = tokio::join!(outbound.wait(SERVER, For::Own, long), async {
            all.pop();
        });
        assert!(got.is_some());
    }

    proptest! {
        #[test]
        fn shares_leave_a_place_for_the_probe_and_one_for_everybody(most in 4_usize..1000, own in 0_usize..100) {
            let shares = Shares::of(most, own);
            prop_assert!(shares.all < most);
            prop_assert!(shares.own() >= 1 && shares.own() <= own.max(1));
            prop_assert!(shares.network >= 1 && shares.network <= shares.guests);
            prop_assert!(shares.guests < 2 || shares.network < shares.guests);
        }
    }
}
