//! The rim of the decision: one task that owns the [`Decider`].
//!
//! Everything that anybody wants to tell it arrives here; nothing else changes a standing. What
//! must be durable is committed before what follows from it is shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use host::{Drain, Handback, HandbackOutcome, Hint, Host, OutletReceiver, RunError};
use model::{Fact, Now, Observation, Record, Restored, Saved, ServiceId, Standings, Target};
use store::{Key, Store, Table};
use tokio::sync::{mpsc, oneshot, watch};

use super::record::{self, RECORDS, TRIM_AFTER};
use super::writer::{Promise, Writer};
use super::{Decided, Decider, Told, Wanted};

/// So many observations are decided about in one go.
const TOGETHER: usize = 256;

/// Where the machines' durable parts lie, by organisation and service.
const MACHINES: Table = Table::new("machine");

/// An order or an answer, with a way to say what became of it.
pub(crate) struct Instruction {
    /// What is told.
    pub(crate) told: Told,
    /// Receives what followed.
    pub(crate) done: oneshot::Sender<Followed>,
}

/// What followed from an instruction.
pub(crate) struct Followed {
    pub(crate) standings: Standings,
    /// Why it is not durable, if it is not. An order holds all the same, in memory; a person's word
    /// that was to be published is not.
    pub(crate) undurable: Option<String>,
}

/// The ends of all outlets that lead to the decision.
pub(crate) struct Inlets {
    pub(crate) observations: OutletReceiver<Observation>,
    pub(crate) hints: OutletReceiver<Hint>,
    pub(crate) records: OutletReceiver<Fact>,
    pub(crate) handback: OutletReceiver<Handback>,
    pub(crate) instructions: mpsc::Receiver<Instruction>,
}

/// Where what was decided goes.
pub(crate) struct Outcomes {
    /// To the parts.
    pub(crate) standings: watch::Sender<Standings>,
    /// To `watch`.
    pub(crate) bursts: mpsc::Sender<::watch::Burst>,
    /// What a burst for a service is sent to.
    pub(crate) targets: BTreeMap<ServiceId, Target>,
    /// The last observation of every target, for `status`.
    pub(crate) observed: LastObservations,
}

/// The last observation of every target. Shared with whoever answers `status`.
#[derive(Clone, Default)]
pub(crate) struct LastObservations(Arc<Mutex<BTreeMap<Target, Observation>>>);

impl LastObservations {
    /// All of them.
    pub(crate) fn all(&self) -> Vec<Observation> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    fn keep(&self, observation: &Observation) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert(observation.target.clone(), observation.clone());
    }
}

/// The decision and its surroundings.
pub(crate) struct Task {
    host: Host,
    decider: Decider,
    outcomes: Outcomes,
    writer: Writer,
    /// Records since the oldest were looked at.
    untrimmed: usize,
}

impl Task {
    /// The decider as it was before the restart, and its first standings.
    pub(crate) fn new(
        host: Host,
        services: Vec<Decided>,
        outcomes: Outcomes,
        writer: Writer,
    ) -> Self {
        let now = host.clock.now();
        let restored = |service: &ServiceId| saved_machine(&host.store, service);
        let decider = Decider::new(host.place.clone(), services, restored, now);
        outcomes.standings.send_replace(decider.standings());
        Self {
            host,
            decider,
            outcomes,
            writer,
            untrimmed: 0,
        }
    }

    /// Decides until the drain begins.
    pub(crate) async fn run(mut self, mut inlets: Inlets, drain: Drain) -> Result<(), RunError> {
        self.keep_the_record_within_bounds();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let mut begins = vec![Fact::Started { version }];
        begins.extend(self.decider.reconfigured());
        self.take_down(begins).await;
        loop {
            let now = self.host.clock.now();
            let again = self.writer.next();
            let wakeup = self.decider.next_wakeup(now).into_iter().chain(again).min();
            let mut done = None;
            // Every arm is cancel-safe: receiving and sleeping lose nothing.
            let told = tokio::select! {
                biased;
                () = drain.begun() => break,
                written = self.writer.answer() => {
                    self.writer.answered(written);
                    Told::Tick
                }
                Some(instruction) = inlets.instructions.recv() => {
                    done = Some(instruction.done);
                    instruction.told
                }
                Some(observation) = inlets.observations.recv() => {
                    self.outcomes.observed.keep(&observation);
                    if !self.decider.decides(&observation.target.service) {
                        continue;
                    }
                    Told::Observation(Box::new(observation))
                }
                Some(hint) = inlets.hints.recv() => Told::Hint(hint.service),
                Some(Handback { service, outcome }) = inlets.handback.recv() => match outcome {
                    HandbackOutcome::Done => Told::HandedBack(service),
                    HandbackOutcome::Paused => Told::HandbackPaused(service),
                },
                Some(fact) = inlets.records.recv() => {
                    let facts = drain_facts(fact, &mut inlets.records);
                    self.note(facts).await;
                    continue;
                }
                () = wait(&self.host, wakeup) => Told::Tick,
            };
            // A person's word is published with a receipt, or not at all.
            if matches!(told, Told::Fact(_)) {
                if let Some(done) = done {
                    self.publish(told, done).await;
                }
                continue;
            }
            let mut out = Vec::new();
            let now = self.host.clock.now();
            let more = matches!(told, Told::Observation(_));
            self.decider.handle(now, told, &mut out);
            if more {
                self.decide_what_waits(now, &mut inlets.observations, &mut out);
            }
            self.carry_out(out, None).await;
            if let Some(done) = done {
                let standings = self.decider.standings();
                let undurable = self.writer.trouble();
                // Whoever asked may have gone; the order stands all the same.
                let _ = done.send(Followed {
                    standings,
                    undurable,
                });
            }
        }
        self.take_down(vec![Fact::Stopped]).await;
        Ok(())
    }

    /// Takes in what a person wants said, if the disk takes it.
    async fn publish(&mut self, told: Told, done: oneshot::Sender<Followed>) {
        self.writer.write(&self.decider.standings(), None).await;
        if let Some(why) = self.writer.trouble() {
            let standings = self.decider.standings();
            let undurable = Some(why);
            let _ = done.send(Followed {
                standings,
                undurable,
            });
            return;
        }
        let mut out = Vec::new();
        self.decider.handle(self.host.clock.now(), told, &mut out);
        self.carry_out(out, Some(done)).await;
    }

    /// The record is bounded: the oldest go, a year and more of quiet days or of many outages.
    /// Beside everything else, for it takes its time.
    fn keep_the_record_within_bounds(&mut self) {
        self.untrimmed = 0;
        let store = self.host.store.clone();
        self.host.tasks.spawn("record", async move {
            if let Err(error) = record::trim(&store, RECORDS).await {
                tracing::warn!(error, "the record was not trimmed");
            }
        });
    }

    /// Does what is wanted: what is to be durable is committed, all at once, before anybody can
    /// see what follows from it; a disk that takes nothing lifts that ([`super::unwritten`]). Of
    /// several snapshots only the last is shown. `promise` hears of it once it is durable, or not.
    async fn carry_out(&mut self, wanted: Vec<Wanted>, promise: Option<oneshot::Sender<Followed>>) {
        let (mut machines, mut records, mut shown) = (Vec::new(), Vec::new(), None);
        for wanted in wanted {
            match wanted {
                Wanted::Persist(service, saved) => machines.push((service, saved)),
                Wanted::Record(record) => {
                    say(&record);
                    records.push(record);
                }
                Wanted::Publish(standings) => shown = Some(standings),
                Wanted::Burst { number, service } => {
                    // A burst that does not fit is asked for again at its deadline.
                    if let Some(target) = self.outcomes.targets.get(&service).cloned() {
                        let _ = self
                            .outcomes
                            .bursts
                            .try_send(::watch::Burst { number, target });
                    }
                }
                // Parts read it in the standing, which also survives a restart.
                Wanted::Handback(..) => {}
            }
        }
        let promise = promise.map(|done| Promise {
            done,
            records: records.len(),
        });
        self.untrimmed += records.len();
        if self.untrimmed >= TRIM_AFTER {
            self.keep_the_record_within_bounds();
        }
        self.writer.add(machines, records);
        self.writer.write(&self.decider.standings(), promise).await;
        if let Some(standings) = shown {
            self.outcomes.standings.send_replace(standings);
        }
    }

    /// What came together is decided in one go and made durable in one: a mass outage is hundreds
    /// of observations in a moment, and each sync takes its time.
    fn decide_what_waits(
        &mut self,
        now: Now,
        observations: &mut OutletReceiver<Observation>,
        out: &mut Vec<Wanted>,
    ) {
        for _ in 0..TOGETHER {
            let Ok(observation) = observations.try_recv() else {
                return;
            };
            self.outcomes.observed.keep(&observation);
            if self.decider.decides(&observation.target.service) {
                let told = Told::Observation(Box::new(observation));
                self.decider.handle(now, told, out);
            }
        }
    }

    /// Takes in what parts say; some of it counts for what may be moved.
    async fn note(&mut self, facts: Vec<Fact>) {
        let now = self.host.clock.now();
        let mut out = Vec::new();
        for fact in facts {
            self.decider.handle(now, Told::Fact(fact), &mut out);
        }
        self.carry_out(out, None).await;
    }

    /// Appends facts of our own to the record.
    async fn take_down(&mut self, facts: Vec<Fact>) {
        let Now { wall: at, .. } = self.host.clock.now();
        let place = &self.host.place;
        let record = |fact| {
            Wanted::Record(Record {
                at,
                place: place.clone(),
                fact,
            })
        };
        let wanted = facts.into_iter().map(record).collect();
        self.carry_out(wanted, None).await;
    }
}

async fn wait(host: &Host, until: Option<model::Mono>) {
    match until {
        Some(until) => host.clock.sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Facts that came together are made durable together.
fn drain_facts(first: Fact, more: &mut OutletReceiver<Fact>) -> Vec<Fact> {
    let mut facts = vec![first];
    while facts.len() < 64 {
        let Ok(fact) = more.try_recv() else { break };
        facts.push(fact);
    }
    facts
}

pub(super) fn machine_key(service: &ServiceId) -> Key {
    Key::new(
        MACHINES,
        &[service.organisation.as_str(), &service.service.to_string()],
    )
}

fn saved_machine(store: &Store, service: &ServiceId) -> Restored {
    let saved = match store.get(&machine_key(service)) {
        Ok(Some(saved)) => saved,
        Ok(None) => return Restored::Fresh,
        Err(error) => {
            tracing::error!(%service, %error, "the saved standing cannot be read; begins anew");
            return Restored::Fresh;
        }
    };
    match serde_json::from_slice::<Saved>(&saved.value) {
        Ok(saved) => Restored::Saved(Box::new(saved)),
        Err(error) => {
            tracing::error!(%service, %error, "the saved standing is not understood; begins anew");
            Restored::Fresh
        }
    }
}

/// Texts, numbers and maps with text keys: this cannot fail.
pub(super) fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The log says what an operator must know: standings, outages, start and stop. No more.
#[allow(clippy::cognitive_complexity)] // one line a fact; the macros count as branches
fn say(record: &Record) {
    match &record.fact {
        Fact::Standing(standing) => tracing::info!(
            service = %standing.service,
            role = %standing.role,
            state = ?standing.state,
            "standing"
        ),
        Fact::OutageBegan { outage, .. } => tracing::info!(%outage, "outage began"),
        Fact::OutageEnded { outage, .. } => tracing::info!(%outage, "outage ended"),
        Fact::Would { service, role } => {
            tracing::info!(%service, %role, "observing: would take this role");
        }
        Fact::HandedBack { service } => tracing::info!(%service, "all is handed back"),
        Fact::HandbackPaused { service } => {
            tracing::warn!(%service, "the hand-back is paused and waits for an answer");
        }
        Fact::KeptLong {
            service,
            messages,
            oldest,
        } => {
            tracing::warn!(%service, messages, %oldest, "mail is kept for long; a person should look");
        }
        Fact::Started { version } => tracing::info!(version, "started"),
        Fact::Stopped => tracing::info!("stopped"),
        _ => {}
    }
}
