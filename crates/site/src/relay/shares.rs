//! Fair shares of what is bounded: no network holds so much that others find nothing.
//!
//! Who comes from a network may have as many places as are still free for everybody. So one
//! network alone gets half of all, a second one half of the rest, and the next always finds some.
//! `relay` counts questions to the primary and answers on their way with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Places, and who has how many.
pub(super) struct Shares {
    most: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    all: usize,
    networks: HashMap<u64, usize>,
}

/// One place; dropping it frees it.
pub(super) struct Share {
    shares: Arc<Shares>,
    network: u64,
}

impl Shares {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A place for `network` ([`host::limits::network`]), if its share is not used up.
    pub(super) fn try_take(self: &Arc<Self>, network: u64) -> Option<Share> {
        let mut taken = self.lock();
        let free = self.most.saturating_sub(taken.all);
        let here = taken.networks.get(&network).copied().unwrap_or(0);
        if here >= free {
            return None;
        }
        taken.all += 1;
        taken.networks.insert(network, here + 1);
        Some(Share {
            shares: Arc::clone(self),
            network,
        })
    }

    /// The same, waiting for it so long at the most.
    pub(super) async fn take(self: &Arc<Self>, network: u64, patience: Duration) -> Option<Share> {
        let taking = async {
            loop {
                let mut freed = std::pin::pin!(self.freed.notified());
                // What is freed from here on wakes us: nothing falls between looking and waiting.
                freed.as_mut().enable();
                if let Some(share) = self.try_take(network) {
                    return share;
                }
                freed.await;
            }
        };
        tokio::time::timeout(patience, taking).await.ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        taken.all = taken.all.saturating_sub(1);
        let here = taken.networks.get(&self.network).copied().unwrap_or(0);
        match here.saturating_sub(1) {
            0 => taken.networks.remove(&self.network),
            left => taken.networks.insert(self.network, left),
        };
        drop(taken);
        self.shares.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[test]
    fn one_network_gets_half_and_the_next_half_of_the_rest() {
        let shares = Shares::new(16);
        let fill = |network| {
            let mut held = Vec::new();
            while let Some(share) = shares.try_take(network) {
                held.push(share);
            }
            held
        };
        let held: Vec<_> = (1..=4).map(fill).collect();
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [8, 4, 2, 1]);
        let last = shares.try_take(5);
        assert!(last.is_some(), "whoever comes next finds a place");
        assert!(shares.try_take(6).is_none(), "and all together are bounded");
        drop((held, last));
        assert_eq!(fill(1).len(), 8);
        assert!(shares.lock().networks.is_empty() && shares.lock().all == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_what_is_freed_or_is_told_in_time() {
        let shares = Shares::new(2);
        let first = shares.take(1, PATIENCE).await;
        assert!(first.is_some());
        assert!(shares.take(1, PATIENCE).await.is_none());
        let (second, ()) = tokio::join!(shares.take(1, PATIENCE), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_some());
    }
}
