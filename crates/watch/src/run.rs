//! The rim of the timetable: wakes when something is due, starts probes, passes on bursts.
//!
//! Called by [`crate::Watch`]. One task owns the timetable; each probe is a task of its own that
//! says when it has ended, also when it panics.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use host::{Drain, Host};
use model::{Identity, Observation, Purpose, Role, ServiceId, Standings, Target};
use store::{Batch, Key};
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;

use crate::Burst;
use crate::known;
use crate::metrics::Counters;
use crate::observe::{Place, Watched};
use crate::schedule::{Due, Timetable, Timing};
use crate::shown::Shown;

/// What the engine needs, made ready.
pub(crate) struct Engine {
    pub(crate) host: Host,
    pub(crate) place: Arc<Place>,
    pub(crate) watched: Vec<Arc<Watched>>,
    pub(crate) bursts: mpsc::Receiver<Burst>,
    pub(crate) most_at_once: usize,
    pub(crate) shown: Shown,
    pub(crate) counters: Counters,
}

/// Says that a probe has ended, however it ended.
struct Ending {
    target: usize,
    purpose: Purpose,
    to: mpsc::Sender<(usize, Purpose)>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // There is room: the channel holds as many as may run.
        let _ = self.to.try_send((self.target, self.purpose));
    }
}

impl Engine {
    /// Probes until the drain begins.
    pub(crate) async fn run(mut self, standings: Receiver<Standings>, drain: &Drain) {
        let timings: Vec<Timing> = self.watched.iter().map(|watched| timing(watched)).collect();
        let seed = seed(self.host.place.as_str());
        let now = self.host.clock.now().mono;
        let mut table = Timetable::new(now, &timings, seed, self.most_at_once);
        let by_target: HashMap<Target, usize> = self
            .watched
            .iter()
            .enumerate()
            .filter(|(_, watched)| watched.config.steering && !watched.config.third_party)
            .map(|(index, watched)| (watched.config.target.clone(), index))
            .collect();
        let (ends, mut ended) = mpsc::channel(self.most_at_once.saturating_mul(2).max(1));
        let mut bursts_open = true;
        loop {
            let clock = &self.host.clock;
            let wakeup = table.next_wakeup();
            let wake = async {
                match wakeup {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // All arms are cancel-safe.
            tokio::select! {
                biased;
                () = drain.begun() => return,
                Some((target, purpose)) = ended.recv() => table.ended(target, purpose),
                burst = self.bursts.recv(), if bursts_open => match burst {
                    Some(burst) => match by_target.get(&burst.target) {
                        Some(index) => table.burst(clock.now().mono, *index, burst.number),
                        None => self.counters.refused_burst(),
                    },
                    None => bursts_open = false,
                },
                () = wake => {}
            }
            let now = self.host.clock.now().mono;
            while let Some(due) = table.take(now) {
                self.start(due, &standings, &ends);
            }
        }
    }

    fn start(
        &self,
        due: Due,
        standings: &Receiver<Standings>,
        ends: &mpsc::Sender<(usize, Purpose)>,
    ) {
        let (target, purpose, late) = match due {
            Due::Skipped { why, slots } => return self.counters.skipped(why, slots),
            Due::Start {
                target,
                purpose,
                late,
            } => (target, purpose, late),
        };
        self.counters.began(late);
        let ending = Ending {
            target,
            purpose,
            to: ends.clone(),
        };
        let Some(watched) = self.watched.get(target).map(Arc::clone) else {
            return;
        };
        if is_vouched_for(&standings.borrow(), &watched.config.target.service) {
            watched.forget();
        }
        let probing = Probing {
            host: self.host.clone(),
            place: Arc::clone(&self.place),
            shown: self.shown.clone(),
            counters: self.counters.clone(),
        };
        self.host.tasks.spawn("probe", async move {
            let _ending = ending;
            probing.probe(&watched, purpose).await;
        });
    }
}

/// What one probe's task holds.
struct Probing {
    host: Host,
    place: Arc<Place>,
    shown: Shown,
    counters: Counters,
}

impl Probing {
    async fn probe(&self, watched: &Watched, purpose: Purpose) {
        let observation = Box::pin(self.place.observe(watched, purpose)).await;
        let kind = watched.config.probe.kind();
        self.counters.probed(kind, &observation.finding);
        let learned = watched.learn(&observation.finding);
        self.pass_on(watched, observation).await;
        if let Some(identity) = learned {
            self.keep(&watched.config.target, &identity).await;
        }
    }

    async fn pass_on(&self, watched: &Watched, observation: Observation) {
        if watched.config.steering {
            self.host.outlets.observations.send(observation).await;
        } else {
            self.shown.put(observation);
        }
    }

    /// Keeps who answered, so that after a restart a foreign key is still known as foreign. If
    /// the store cannot, the next start only knows less.
    async fn keep(&self, target: &Target, identity: &Identity) {
        let (key, value): (Key, Vec<u8>) = known::entry(target, identity);
        if let Err(error) = self.host.store.commit(Batch::new().put(key, value)).await {
            tracing::warn!(%error, "who answered could not be kept");
        }
    }
}

/// Whether a person ordered that the primary has its traffic: a server that was set up anew shows
/// another key, and somebody has looked at it.
fn is_vouched_for(standings: &Standings, service: &ServiceId) -> bool {
    standings
        .get(service)
        .is_some_and(|one| one.held_by.is_some() && one.role == Role::Standby)
}

fn timing(watched: &Watched) -> Timing {
    Timing {
        interval: watched.config.interval,
        spacing: watched.config.burst_spacing,
    }
}

/// A number that differs from place to place, so that places do not ask at the same moment.
fn seed(place: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    hasher.finish()
}
