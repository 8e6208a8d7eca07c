//! Primaries, places and cables: says what a probe finds, and when its answer is there.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{
    DetectorConfig, Failure, Finding, Identity, Mode, Now, Observation, OrganisationId, Phase,
    PlaceId, Policy, Purpose, Record, Restored, Sees, Service, ServiceId, Standings, Target,
    Timestamp,
};
use servergate::decide::{Decided, Decider, Told, Wanted};

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A primary answers nobody.
    Dark(ServiceId),
    /// A place is cut off from everything.
    Cable(&'static str),
    /// One place cannot reach one primary.
    Path(&'static str, ServiceId),
    /// A primary answers for some seconds, and then nobody for some; or not that one place.
    Flapping(ServiceId, Option<&'static str>, u64, u64),
}

/// A probe under way.
struct Flight {
    due: u64,
    place: PlaceId,
    service: ServiceId,
    purpose: Purpose,
    sent: u64,
    /// Its place was cut off when it was sent, and looked for its references in vain.
    cut: bool,
}

/// The world, its clock in whole seconds, and the decision in it.
pub(super) struct World {
    second: u64,
    mode: Mode,
    services: Vec<ServiceId>,
    places: Vec<PlaceId>,
    faults: Vec<Fault>,
    flights: Vec<Flight>,
    planned: BTreeMap<u64, Vec<(ServiceId, Purpose)>>,
    decider: Decider,
    pub(super) records: Vec<Record>,
    pub(super) shown: Vec<Standings>,
}

/// Probes are sent every ten seconds, each service at each place at its own moment.
const INTERVAL: u64 = 10;
/// What does not answer is given up after so long.
const TIMEOUT: u64 = 3;

impl World {
    pub(super) fn new(mode: Mode, organisations: &[&str], places: &[&'static str]) -> Self {
        let web = |name: &&str| ServiceId::new(OrganisationId::new(*name), Service::Web);
        Self::of(mode, organisations.iter().map(web).collect(), places)
    }

    pub(super) fn of(mode: Mode, services: Vec<ServiceId>, places: &[&'static str]) -> Self {
        let places: Vec<_> = places.iter().map(|name| PlaceId::new(*name)).collect();
        let decided = decided(mode, &services, &places);
        let now = at(0);
        let decider = Decider::new(PlaceId::new("oslo"), decided, |_| Restored::Fresh, now);
        Self {
            second: 0,
            mode,
            services,
            places,
            faults: vec![],
            flights: vec![],
            planned: BTreeMap::new(),
            decider,
            records: vec![],
            shown: vec![],
        }
    }

    pub(super) fn services(&self) -> Vec<Decided> {
        decided(self.mode, &self.services, &self.places)
    }

    pub(super) fn standings(&self) -> Standings {
        self.decider.standings()
    }

    pub(super) fn cause(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn mend(&mut self, fault: &Fault) {
        self.faults.retain(|other| other != fault);
    }

    /// Whether a primary answers in this second who asks it from anywhere else.
    pub(super) fn answers(&self, service: &ServiceId) -> bool {
        !self.faults.iter().any(|fault| match fault {
            Fault::Dark(dark) => dark == service,
            Fault::Flapping(flapping, None, up, down) => {
                flapping == service && self.second % (up + down) >= *up
            }
            _ => false,
        })
    }

    pub(super) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.second += 1;
            self.send_probes();
            self.land_probes();
            let now = at(self.second);
            if self
                .decider
                .next_wakeup(now)
                .is_some_and(|due| due <= now.mono)
                || timer_due(self)
            {
                self.tell(Told::Tick);
            }
        }
    }

    fn send_probes(&mut self) {
        let mut sends = Vec::new();
        for (index, service) in self.services.iter().enumerate() {
            for (offset, place) in self.places.iter().enumerate() {
                let phase = (3 * index + 4 * offset) as u64 % INTERVAL;
                if self.second % INTERVAL == phase {
                    sends.push((place.clone(), service.clone(), Purpose::Scheduled));
                }
            }
        }
        for (service, purpose) in self.planned.remove(&self.second).unwrap_or_default() {
            for place in &self.places {
                sends.push((place.clone(), service.clone(), purpose));
            }
        }
        for (place, service, purpose) in sends {
            let takes = if self.finds(&place, &service).is_good() {
                0
            } else {
                TIMEOUT
            };
            let due = self.second + takes;
            let cut = self.is_cut_off(&place);
            self.flights.push(Flight {
                due,
                place,
                service,
                purpose,
                sent: self.second,
                cut,
            });
        }
    }

    fn land_probes(&mut self) {
        let (landed, flying) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|flight| flight.due <= self.second);
        self.flights = flying;
        let landed: Vec<Flight> = landed;
        for flight in landed {
            let observation = self.observation(flight);
            self.tell(Told::Observation(Box::new(observation)));
        }
    }

    fn observation(&self, flight: Flight) -> Observation {
        // What a probe found was settled by how long it took.
        let finding = if flight.due == flight.sent {
            Finding::Good {
                identity: Some(Identity("spki:known".into())),
            }
        } else {
            Finding::Failed(Failure::Silent {
                phase: Phase::Connect,
            })
        };
        let sees = match (
            finding.is_good(),
            flight.cut || self.is_cut_off(&flight.place),
        ) {
            (true, _) => Sees::NotAsked,
            (false, true) => Sees::Nothing,
            (false, false) => Sees::References,
        };
        let name = format!("https://{}/", flight.service.organisation).into();
        let target = Target {
            service: flight.service,
            name,
        };
        let sent = at(flight.sent).wall;
        Observation::measured(
            flight.place,
            target,
            sent,
            flight.purpose,
            vec![],
            finding,
            sees,
            vec![],
        )
    }

    fn finds(&self, place: &PlaceId, service: &ServiceId) -> Finding {
        let path = self.faults.iter().any(|fault| match fault {
            Fault::Path(from, to) => *from == place.as_str() && to == service,
            Fault::Flapping(to, Some(from), up, down) => {
                *from == place.as_str() && to == service && self.second % (up + down) >= *up
            }
            _ => false,
        });
        if !self.answers(service) || path || self.is_cut_off(place) {
            Finding::Failed(Failure::Silent {
                phase: Phase::Connect,
            })
        } else {
            Finding::Good { identity: None }
        }
    }

    fn is_cut_off(&self, place: &PlaceId) -> bool {
        self.faults
            .iter()
            .any(|fault| matches!(fault, Fault::Cable(cut) if *cut == place.as_str()))
    }

    pub(super) fn tell(&mut self, told: Told) {
        let mut out = Vec::new();
        self.decider.handle(at(self.second), told, &mut out);
        for wanted in out {
            match wanted {
                Wanted::Burst { number, service } => {
                    for second in [1, 4, 7] {
                        let plan = self.planned.entry(self.second + second).or_default();
                        plan.push((service.clone(), Purpose::Burst(number)));
                    }
                }
                Wanted::Record(record) => self.records.push(record),
                Wanted::Publish(standings) => self.shown.push(standings),
                Wanted::Persist(..) | Wanted::Handback(..) => {}
            }
        }
    }
}

/// Standby timers are due to the second: the wakeup that lies behind us is told now.
fn timer_due(world: &World) -> bool {
    let before = at(world.second - 1);
    let now = at(world.second);
    world
        .decider
        .next_wakeup(before)
        .is_some_and(|due| due <= now.mono)
}

fn at(second: u64) -> Now {
    let start = Now {
        wall: Timestamp::from_millis(1_779_268_443_000),
        ..Now::default()
    };
    start.after(Duration::from_secs(1_000_000 + second))
}

fn decided(mode: Mode, services: &[ServiceId], places: &[PlaceId]) -> Vec<Decided> {
    let decide = |service: &ServiceId| Decided {
        service: service.clone(),
        detector: Some(DetectorConfig::new(places.to_vec())),
        policy: Policy {
            mode,
            hands_back: service.service == Service::Mail,
            ..Policy::default()
        },
    };
    services.iter().map(decide).collect()
}
