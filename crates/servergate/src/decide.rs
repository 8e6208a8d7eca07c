//! The one decision: observations in, standings and records out.
//!
//! [`Decider`] owns all detectors and standby machines and is as pure as they are; the simulation
//! and the replay drive it too. `task` is its rim: the one task that hands it the time, makes
//! durable what it wants durable, and shows the standings to the parts.

mod piece;
pub(crate) mod record;
pub(crate) mod task;
mod unwritten;
pub(crate) mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    Action, Answer, Detector, DetectorAction, DetectorConfig, DetectorInput, Fact, Input, Mono,
    Now, Observation, Order, PlaceId, Policy, Record, Restored, Saved, Service, ServiceId, Standby,
    Standing, Standings, StateName,
};

/// One service to decide about.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Which.
    pub service: ServiceId,
    /// How observations are judged; `None` where nothing is probed and only orders count.
    pub detector: Option<DetectorConfig>,
    /// How verdicts are acted upon.
    pub policy: Policy,
}

/// What the decider is told.
#[derive(Clone, Debug)]
pub enum Told {
    /// A place observed.
    Observation(Box<Observation>),
    /// A part noticed a failure.
    Hint(ServiceId),
    /// A person gave an order.
    Order(Order),
    /// A person answered.
    Answer(Answer),
    /// What belongs into the record: a person's word that moves nothing, or what a part did. Of
    /// these, that there is a copy counts.
    Fact(Fact),
    /// A part has handed everything back.
    HandedBack(ServiceId),
    /// A part stopped handing back: the primary refuses what it should take.
    HandbackPaused(ServiceId),
    /// Time passed.
    Tick,
}

/// What the decider wants done, in order; `Persist` is a barrier.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// All places shall probe a service in a burst.
    Burst {
        /// The burst's number.
        number: u64,
        /// Of which service.
        service: ServiceId,
    },
    /// Make durable before anything that follows.
    Persist(ServiceId, Saved),
    /// Append to the record.
    Record(Record),
    /// Show the standings to the parts.
    Publish(Standings),
    /// A part shall hand back what it holds, or stop doing so.
    Handback(ServiceId, bool),
}

struct Machines {
    detector: Option<Detector>,
    standby: Standby,
}

/// All detectors and standby machines of this standby.
pub struct Decider {
    place: PlaceId,
    machines: BTreeMap<ServiceId, Machines>,
    standings: Standings,
}

impl Decider {
    /// Machines for all services, as they were before the restart where something was saved.
    pub fn new(
        place: PlaceId,
        services: Vec<Decided>,
        mut restored: impl FnMut(&ServiceId) -> Restored,
        now: Now,
    ) -> Self {
        let mut machines = BTreeMap::new();
        for Decided {
            service,
            detector,
            policy,
        } in services
        {
            let detector = detector.map(|config| Detector::new(service.clone(), config));
            let standby = Standby::new(service.clone(), policy, restored(&service), now);
            machines.insert(service, Machines { detector, standby });
        }
        let standings = machines
            .iter()
            .map(|(id, m)| (id.clone(), m.standby.standing()))
            .collect();
        Self {
            place,
            machines,
            standings: Arc::new(standings),
        }
    }

    /// The standings of this moment.
    pub fn standings(&self) -> Standings {
        Arc::clone(&self.standings)
    }

    /// Whether a service is one of those decided about.
    pub fn decides(&self, service: &ServiceId) -> bool {
        self.machines.contains_key(service)
    }

    /// When a `Tick` is due, if nothing happens before.
    pub fn next_wakeup(&self, now: Now) -> Option<Mono> {
        let wakeups = self.machines.values().flat_map(|machines| {
            let detector = machines.detector.as_ref().and_then(Detector::next_wakeup);
            [detector, machines.standby.next_wakeup(now)]
        });
        wakeups.flatten().min()
    }

    /// Takes one thing in. `out` receives what is to be done, in order.
    pub fn handle(&mut self, now: Now, told: Told, out: &mut Vec<Wanted>) {
        match told {
            Told::Observation(observation) => {
                let service = observation.target.service.clone();
                self.detect(now, &service, DetectorInput::Observation(observation), out);
            }
            Told::Hint(service) => self.detect(now, &service, DetectorInput::Hint, out),
            Told::Order(order) => {
                self.record(now, Fact::Order(order.clone()), out);
                self.decide(now, &order.service.clone(), Input::Order(order), out);
            }
            Told::Answer(answer) => {
                self.record(now, Fact::Answered(answer.clone()), out);
                self.decide(now, &answer.service.clone(), Input::Answer(answer), out);
            }
            Told::Fact(fact) => self.note(now, fact, out),
            Told::HandedBack(service) if self.hands_back(&service) => {
                let fact = Fact::HandedBack {
                    service: service.clone(),
                };
                self.record(now, fact, out);
                self.decide(now, &service, Input::HandedBack, out);
            }
            Told::HandbackPaused(service) if self.may_pause(&service) => {
                let fact = Fact::HandbackPaused {
                    service: service.clone(),
                };
                self.record(now, fact, out);
                self.decide(now, &service, Input::HandbackPaused, out);
            }
            // It was overtaken: the primary is dark again, or a person ordered something else.
            Told::HandedBack(_) | Told::HandbackPaused(_) => {}
            Told::Tick => {
                let services: Vec<_> = self.machines.keys().cloned().collect();
                for service in services {
                    self.detect(now, &service, DetectorInput::Tick, out);
                    self.decide(now, &service, Input::Tick, out);
                }
            }
        }
    }

    fn hands_back(&self, service: &ServiceId) -> bool {
        let standing = self.standings.get(service);
        standing.is_some_and(|standing| standing.state == StateName::HandingBack)
    }

    /// What goes wrong while the primary is only supported is a reason to pause as well.
    fn may_pause(&self, service: &ServiceId) -> bool {
        let standing = self.standings.get(service);
        self.hands_back(service) || standing.is_some_and(|standing| standing.handback)
    }

    fn note(&mut self, now: Now, fact: Fact, out: &mut Vec<Wanted>) {
        let held = copy_held(&fact);
        // That there is a copy is news once, and not at every start.
        let news = match (&fact, &held) {
            (Fact::Copy { .. }, Some((service, held))) => self.is_news(service, *held),
            _ => true,
        };
        if news {
            self.record(now, fact, out);
        }
        if let Some((service, held)) = held {
            self.decide(now, &service, Input::Copy(held), out);
        }
    }

    fn is_news(&self, service: &ServiceId, held: bool) -> bool {
        self.machines
            .get(service)
            .is_some_and(|machines| machines.standby.has_copy() != held)
    }

    /// What of what was saved was saved under another configuration: it belongs into the record.
    pub fn reconfigured(&self) -> Vec<Fact> {
        let changed = self
            .machines
            .iter()
            .filter(|(_, machines)| machines.standby.is_reconfigured());
        changed
            .map(|(service, _)| Fact::Reconfigured {
                service: service.clone(),
            })
            .collect()
    }

    fn detect(
        &mut self,
        now: Now,
        service: &ServiceId,
        input: DetectorInput,
        out: &mut Vec<Wanted>,
    ) {
        let Some(machines) = self.machines.get_mut(service) else {
            return;
        };
        let Some(detector) = &mut machines.detector else {
            return;
        };
        let mut actions = Vec::new();
        detector.handle(now, input, &mut actions);
        for action in actions {
            match action {
                DetectorAction::Burst { number, service } => {
                    out.push(Wanted::Burst { number, service });
                }
                DetectorAction::Verdict(verdict) => {
                    self.record(now, Fact::Verdict(Arc::clone(&verdict)), out);
                    self.decide(now, service, Input::Verdict(verdict), out);
                }
            }
        }
    }

    fn decide(&mut self, now: Now, service: &ServiceId, input: Input, out: &mut Vec<Wanted>) {
        let Some(machines) = self.machines.get_mut(service) else {
            return;
        };
        let mut actions = Vec::new();
        machines.standby.handle(now, input, &mut actions);
        for action in actions {
            match action {
                Action::Persist(saved) => out.push(Wanted::Persist(service.clone(), saved)),
                Action::Record(fact) => self.record(now, fact, out),
                Action::Publish(standing) => self.publish(standing, out),
                // The question stands in the standing and in the record; people look there.
                Action::Ask(_) => {}
                Action::StartHandback => out.push(Wanted::Handback(service.clone(), true)),
                Action::StopHandback => out.push(Wanted::Handback(service.clone(), false)),
            }
        }
    }

    fn publish(&mut self, standing: Standing, out: &mut Vec<Wanted>) {
        let mut standings = BTreeMap::clone(&self.standings);
        standings.insert(standing.service.clone(), standing);
        self.standings = Arc::new(standings);
        out.push(Wanted::Publish(self.standings()));
    }

    fn record(&self, now: Now, fact: Fact, out: &mut Vec<Wanted>) {
        out.push(Wanted::Record(Record {
            at: now.wall,
            place: self.place.clone(),
            fact,
        }));
    }
}

/// Plays the inputs that a record holds through fresh machines and gives the standings they lead
/// to. Timers fire when they are due, as they did live.
pub fn replay<'r>(
    services: Vec<Decided>,
    records: impl IntoIterator<Item = &'r Record>,
) -> Vec<Record> {
    let mut replayed = Vec::new();
    let mut now = Now::default();
    let mut decider: Option<Decider> = None;
    let mut services = Some(services);
    for record in records {
        let decider = decider.get_or_insert_with(|| {
            now.wall = record.at;
            let services = services.take().unwrap_or_default();
            Decider::new(record.place.clone(), services, |_| Restored::Fresh, now)
        });
        catch_up(decider, &mut now, record, &mut replayed);
        let mut out = Vec::new();
        match &record.fact {
            Fact::Verdict(verdict) => {
                let input = Input::Verdict(Arc::clone(verdict));
                decider.decide(now, &verdict.service.clone(), input, &mut out);
            }
            Fact::Order(order) => {
                decider.decide(
                    now,
                    &order.service.clone(),
                    Input::Order(order.clone()),
                    &mut out,
                );
            }
            Fact::Answered(answer) => {
                let input = Input::Answer(answer.clone());
                decider.decide(now, &answer.service.clone(), input, &mut out);
            }
            Fact::HandedBack { service } => {
                decider.decide(now, service, Input::HandedBack, &mut out);
            }
            Fact::HandbackPaused { service } => {
                decider.decide(now, service, Input::HandbackPaused, &mut out);
            }
            Fact::Reconfigured { service } => {
                decider.decide(now, service, Input::Reconfigured, &mut out);
            }
            fact => {
                if let Some((service, held)) = copy_held(fact) {
                    decider.decide(now, &service, Input::Copy(held), &mut out);
                }
            }
        }
        keep_records(out, &mut replayed);
    }
    replayed
}

/// What a fact says of the copy of a website.
fn copy_held(fact: &Fact) -> Option<(ServiceId, bool)> {
    match fact {
        Fact::Copy { service, held } => Some((service.clone(), *held)),
        Fact::Generation(generation) => {
            let organisation = generation.organisation.clone();
            Some((ServiceId::new(organisation, Service::Web), true))
        }
        _ => None,
    }
}

/// Lets the timers fire that were due before `record`.
fn catch_up(decider: &mut Decider, now: &mut Now, record: &Record, replayed: &mut Vec<Record>) {
    let until = now.after(record.at.since(now.wall));
    while let Some(due) = standby_wakeup(decider, *now).filter(|due| *due <= until.mono) {
        *now = now.after(due.since(now.mono));
        let services: Vec<_> = decider.machines.keys().cloned().collect();
        let mut out = Vec::new();
        for service in services {
            decider.decide(*now, &service, Input::Tick, &mut out);
        }
        keep_records(out, replayed);
    }
    *now = until;
}

/// Detectors do not run in a replay: their verdicts are in the record.
fn standby_wakeup(decider: &Decider, now: Now) -> Option<Mono> {
    decider
        .machines
        .values()
        .filter_map(|machines| machines.standby.next_wakeup(now))
        .min()
}

fn keep_records(out: Vec<Wanted>, replayed: &mut Vec<Record>) {
    replayed.extend(out.into_iter().filter_map(|wanted| match wanted {
        Wanted::Record(record) => Some(record),
        _ => None,
    }));
}
