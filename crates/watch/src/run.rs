//! The rim of the timetable: wakes when something is due, starts probes, passes on bursts.
//!
//! Called by [`crate::Watch`]. One task owns the timetable; each probe is a task of its own that
//! says when it is connected and when it has ended, also when it panics.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host::{Drain, Host};
use model::{Identity, Observation, Purpose, Role, ServiceId, Standings, Target};
use store::{Batch, Key};
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;

use crate::Burst;
use crate::known;
use crate::metrics::Counters;
use crate::observe::{self, Place, Watched};
use crate::schedule::{Due, ProbeId, Timetable, Timing};
use crate::shown::Shown;
use crate::target::Companions;

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

/// What the task of a probe says.
enum Event {
    /// The address answered: what is still asked is about this target alone.
    Connected(ProbeId),
    /// It is over; with the finding if nothing was heard of the address.
    Ended(ProbeId, Option<Box<Observation>>),
}

/// Says that a probe has ended, however it ended.
struct Ending {
    probe: ProbeId,
    silence: Option<Box<Observation>>,
    to: mpsc::Sender<Event>,
}

impl Ending {
    fn with(mut self, silence: Option<Box<Observation>>) {
        self.silence = silence;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // There is room: the channel holds two for each that may run.
        let _ = self
            .to
            .try_send(Event::Ended(self.probe, self.silence.take()));
    }
}

impl Engine {
    /// Probes until the drain begins.
    pub(crate) async fn run(mut self, standings: Receiver<Standings>, drain: &Drain) {
        let timings = timings(&self.watched);
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
        let (says, mut said) = mpsc::channel(self.most_at_once.saturating_mul(4).max(1));
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
                Some(event) = said.recv() => self.hear(event, &mut table),
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
                self.start(due, &standings, &says);
            }
            self.counters.waiting(table.waiting());
        }
    }

    fn hear(&self, event: Event, table: &mut Timetable) {
        let now = self.host.clock.now().mono;
        match event {
            Event::Connected(probe) => table.connected(now, probe),
            Event::Ended(probe, silence) => {
                let shared = table.ended(now, probe, silence.is_some());
                if let Some(silence) = silence.filter(|_| !shared.is_empty()) {
                    self.share(&silence, shared);
                }
            }
        }
    }

    /// What was found of an address is true for all who ask it.
    fn share(&self, silence: &Observation, with: Vec<(usize, Purpose)>) {
        self.counters.shared(with.len());
        let share = |(index, purpose): (usize, Purpose)| {
            let watched = self.watched.get(index).map(Arc::clone)?;
            let observation = observe::shared(silence, &watched, purpose);
            Some((watched, observation))
        };
        let findings: Vec<_> = with.into_iter().filter_map(share).collect();
        let probing = self.probing();
        self.host.tasks.spawn("shared finding", async move {
            for (watched, observation) in findings {
                probing.pass_on(&watched, observation).await;
            }
        });
    }

    fn start(&self, due: Due, standings: &Receiver<Standings>, says: &mpsc::Sender<Event>) {
        let (probe, target, purpose, late) = match due {
            Due::Skipped { why, slots } => return self.counters.skipped(why, slots),
            Due::Start {
                probe,
                target,
                purpose,
                late,
            } => (probe, target, purpose, late),
        };
        self.counters.began(late);
        let ending = Ending {
            probe,
            silence: None,
            to: says.clone(),
        };
        let Some(watched) = self.watched.get(target).map(Arc::clone) else {
            return;
        };
        if is_vouched_for(&standings.borrow(), &watched.config.target.service) {
            watched.forget();
        }
        let probing = self.probing();
        self.host.tasks.spawn("probe", async move {
            let says = ending.to.clone();
            let connected = move || {
                // See `Ending`.
                let _ = says.try_send(Event::Connected(probe));
            };
            let silence = probing.probe(&watched, purpose, &connected).await;
            ending.with(silence);
        });
    }

    fn probing(&self) -> Probing {
        Probing {
            host: self.host.clone(),
            place: Arc::clone(&self.place),
            shown: self.shown.clone(),
            counters: self.counters.clone(),
        }
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
    /// Gives the finding if nothing was heard of the address.
    async fn probe(
        &self,
        watched: &Watched,
        purpose: Purpose,
        connected: &(dyn Fn() + Send + Sync),
    ) -> Option<Box<Observation>> {
        let observation = Box::pin(self.place.observe(watched, purpose, connected)).await;
        let kind = watched.config.probe.kind();
        self.counters.probed(kind, &observation.finding);
        let learned = watched.learn(&observation.finding);
        let silence = observe::is_of_the_address(&observation).then(|| observation.clone());
        self.pass_on(watched, observation).await;
        if let Some(identity) = learned {
            self.keep(&watched.config.target, &identity).await;
        }
        silence.map(Box::new)
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

/// The times of all targets. Who asks the same address and port with the same patience and the
/// same companions is in one group: what is found of the address is found for all of them.
fn timings(watched: &[Arc<Watched>]) -> Vec<Timing> {
    type Alike<'a> = (SocketAddr, Duration, &'a Companions);
    let mut groups: HashMap<Alike<'_>, usize> = HashMap::new();
    let mut timings = Vec::with_capacity(watched.len());
    for watched in watched {
        let config = &watched.config;
        let ours = config.steering && !config.third_party;
        let address = config.probe.connects_to().filter(|_| ours);
        let group = address.map(|address| {
            let next = groups.len();
            let alike = (address, config.timeout, &config.companions);
            *groups.entry(alike).or_insert(next)
        });
        timings.push(Timing {
            interval: config.interval,
            // Others are promised that they are not asked more often.
            exact: config.third_party,
            spacing: config.burst_spacing,
            group,
        });
    }
    timings
}

/// A number that differs from place to place, so that places do not ask at the same moment.
fn seed(place: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    hasher.finish()
}
