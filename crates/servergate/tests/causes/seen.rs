//! Rows that no simulated network carries: what each place's probe would have seen, through the
//! pure machines.

use std::time::Duration;

use model::{
    Companion, CompanionKind, Failure, Finding, Identity, Observation, Phase, PlaceId, Purpose,
    Reply, Restored, Sees, ServiceId, Standing, Target,
};
use servergate::decide::{Decider, Told, Wanted};

use super::{at, decided};

/// What one probe finds.
#[derive(Clone)]
pub(crate) struct Seen {
    failure: Option<Failure>,
    beside: Vec<Companion>,
    sees: Sees,
}

/// What a place sees so many seconds after the fault began; nothing where it does not report.
pub(crate) type Script = Box<dyn Fn(u64) -> Option<Seen>>;

impl Seen {
    pub(crate) fn good() -> Self {
        Self {
            failure: None,
            beside: Vec::new(),
            sees: Sees::NotAsked,
        }
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            beside: Vec::new(),
            sees: Sees::References,
        }
    }

    /// The address says nothing.
    pub(crate) fn silent() -> Self {
        Self::failed(Failure::Silent {
            phase: Phase::Connect,
        })
    }

    pub(crate) fn beside(mut self, replies: &[(CompanionKind, Reply)]) -> Self {
        let companion = |&(kind, reply): &(CompanionKind, Reply)| Companion { kind, reply };
        self.beside = replies.iter().map(companion).collect();
        self
    }

    pub(crate) fn seeing(mut self, sees: Sees) -> Self {
        self.sees = sees;
        self
    }

    /// From now on and always.
    pub(crate) fn always(self) -> Script {
        Box::new(move |_| Some(self.clone()))
    }
}

/// What was before the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// All was well for a minute.
    Good,
    /// It was never seen as it should be.
    NeverGood,
    /// All was well, and no copy was made of it.
    NoCopy,
}

/// A minute before the fault, and then so long what the scripts say.
const GOOD: u64 = 60;
const LONG: u64 = 180;

struct Played<'a> {
    service: &'a ServiceId,
    decider: Decider,
    planned: Vec<(u64, Purpose)>,
}

pub(crate) fn play(service: &ServiceId, before: Before, scripts: &[Script]) -> Standing {
    let places: Vec<PlaceId> = ["oslo", "riga", "wien"]
        .iter()
        .take(scripts.len())
        .map(|name| PlaceId::new(*name))
        .collect();
    let mut decided = vec![decided(service.clone(), &places)];
    for decided in &mut decided {
        decided.policy.needs_copy = before == Before::NoCopy;
    }
    let decider = Decider::new(
        PlaceId::new("oslo"),
        decided,
        |_| Restored::Fresh,
        at(Duration::ZERO),
    );
    let mut played = Played {
        service,
        decider,
        planned: Vec::new(),
    };
    for second in 0..GOOD + LONG {
        let due = played.planned.iter().filter(|(due, _)| *due == second);
        let mut purposes: Vec<Purpose> = due.map(|(_, purpose)| *purpose).collect();
        if second.is_multiple_of(10) {
            purposes.push(Purpose::Scheduled);
        }
        for purpose in purposes {
            for (place, script) in places.iter().zip(scripts) {
                let seen = match second.checked_sub(GOOD) {
                    None if before == Before::NeverGood => None,
                    None => Some(Seen::good()),
                    Some(elapsed) => script(elapsed),
                };
                if let Some(seen) = seen {
                    played.report(second, place, purpose, seen);
                }
            }
        }
        played.tell(second, Told::Tick);
    }
    let standings = played.decider.standings();
    standings.get(service).expect("it is decided").clone()
}

impl Played<'_> {
    fn report(&mut self, second: u64, place: &PlaceId, purpose: Purpose, seen: Seen) {
        let finding = match seen.failure {
            Some(failure) => Finding::Failed(failure),
            None => Finding::Good {
                identity: Some(Identity("spki:known".into())),
            },
        };
        let observation = Observation::measured(
            place.clone(),
            Target {
                service: self.service.clone(),
                name: "its primary".into(),
            },
            at(Duration::from_secs(second)).wall,
            purpose,
            vec![],
            finding,
            seen.sees,
            seen.beside,
        );
        self.tell(second, Told::Observation(Box::new(observation)));
    }

    fn tell(&mut self, second: u64, told: Told) {
        let mut out = Vec::new();
        let now = at(Duration::from_secs(second));
        self.decider.handle(now, told, &mut out);
        for wanted in out {
            if let Wanted::Burst { number, .. } = wanted {
                let probes = [1, 4, 7].map(|later| (second + later, Purpose::Burst(number)));
                self.planned.extend(probes);
            }
        }
    }
}
