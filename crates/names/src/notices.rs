//! Tells secondaries of ours about new versions, a bounded number at a time.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use domain::tsig::Key;
use host::{Clock, Drain, Tasks};

use crate::desk::Desk;
use crate::transfer::notify;
use crate::wire::Name;
use crate::zone::Zone;

/// Whom to tell about the zones of one organisation. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Notices {
    pub(crate) to: Arc<[SocketAddr]>,
    /// From which of our addresses.
    pub(crate) from: Option<IpAddr>,
    pub(crate) key: Option<Arc<Key>>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
    pub(crate) drain: Drain,
    /// The newest version that is being told, by zone and secondary: a newer one takes its place.
    pub(crate) running: Arc<Mutex<HashMap<(Name, SocketAddr), u32>>>,
}

/// Lets a secondary be told of the next version where telling it of this one broke: else a task
/// would be taken to run for ever.
struct Broken(Notices, (Name, SocketAddr));

impl Drop for Broken {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().remove(&self.1);
        }
    }
}

impl Notices {
    /// Tells everybody about `zone`. One task for each zone and secondary at most.
    pub(crate) fn tell(&self, apex: &Name, zone: Arc<Zone>) {
        for to in self.to.iter().copied() {
            let key = (apex.clone(), to);
            let serial = zone.soa().serial;
            let running = self.lock().insert(key.clone(), serial).is_some();
            if running {
                // The task that runs sends the serial that it began with; whoever hears it asks
                // and finds the newer one. It is told again when that task ends.
                continue;
            }
            let (notices, zone) = (self.clone(), Arc::clone(&zone));
            let broken = Broken(self.clone(), key.clone());
            self.tasks.spawn("names-notify", async move {
                let _broken = broken;
                notices.work(key, zone).await;
            });
        }
    }

    async fn work(self, key: (Name, SocketAddr), mut zone: Arc<Zone>) {
        loop {
            let told = tokio::select! {
                () = self.drain.begun() => return,
                told = notify(&self.clock, self.from, key.1, &zone, self.key.as_ref()) => told,
            };
            if !told {
                self.desk.counters.notices_lost.inc();
            }
            let newest = {
                let mut running = self.lock();
                match running.get(&key) {
                    Some(serial) if *serial != zone.soa().serial => {}
                    _ => {
                        running.remove(&key);
                        return;
                    }
                }
                self.desk.published.version(&key.0)
            };
            let Some(newest) = newest else { return };
            zone = newest.zone;
            self.lock().insert(key.clone(), zone.soa().serial);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Name, SocketAddr), u32>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
