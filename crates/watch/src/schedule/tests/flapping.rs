//! A target that fails and answers in step with its probes, as the timetable and the detector see
//! it together; and what the strides that find it must not change.

use model::{
    Condition, Detector, DetectorAction, DetectorConfig, DetectorInput, Failure, Finding, Now,
    Observation, OrganisationId, Phase, PlaceId, Sees, Service, ServiceId, Target, Timestamp,
};

use super::*;

const STRIDING: Timing = Timing {
    exact: false,
    ..TIMING
};
/// So long it was well before.
const WELL: u64 = 200_000;

/// Seconds as milliseconds.
const fn seconds(seconds: u64) -> u64 {
    seconds * 1_000
}

/// A primary that answers for `up` and then fails for `down`, after it was well for a while.
#[derive(Clone, Copy, Debug)]
struct Primary {
    up: u64,
    down: u64,
    /// How far into its period it is when it begins.
    into: u64,
    /// How long a failed probe takes.
    patience: u64,
}

impl Primary {
    fn answers(&self, millis: u64) -> bool {
        let since = millis.checked_sub(WELL);
        since.is_none_or(|since| (since + self.into) % (self.up + self.down) < self.up)
    }
}

/// One place beside one primary.
struct Place {
    table: Timetable,
    detector: Detector,
    service: ServiceId,
    /// What is under way, with when it ends.
    flights: BTreeSet<(u64, u64)>,
    asked: HashMap<u64, (u64, Purpose)>,
}

impl Place {
    fn new(timing: Timing, seed: u64) -> Self {
        let service = ServiceId::new(OrganisationId::new("verein.test"), Service::Web);
        let config = DetectorConfig::new(vec![PlaceId::new("oslo")]);
        Self {
            table: Timetable::new(at(0), &[timing], seed, 256),
            detector: Detector::new(service.clone(), config),
            service,
            flights: BTreeSet::new(),
            asked: HashMap::new(),
        }
    }

    /// How long it takes until the primary is called unstable or dark, if that is within `patience`.
    fn notices(&mut self, primary: &Primary, patience: u64) -> Option<u64> {
        loop {
            let due = self.table.next_wakeup().map(millis);
            let tick = self.detector.next_wakeup().map(millis);
            let end = self.flights.first().map(|(end, _)| *end);
            let moment = [due, tick, end].into_iter().flatten().min()?;
            if moment > WELL + patience {
                return None;
            }
            let mut out = Vec::new();
            while let Some((end, probe)) = self.flights.first().copied() {
                if end > moment {
                    break;
                }
                self.flights.pop_first();
                self.land(moment, probe, primary, &mut out);
            }
            if tick.is_some_and(|tick| tick <= moment) {
                let input = DetectorInput::Tick;
                self.detector.handle(now(moment), input, &mut out);
            }
            for action in out {
                match action {
                    DetectorAction::Burst { number, .. } => self.table.burst(at(moment), 0, number),
                    DetectorAction::Verdict(verdict) => match verdict.condition {
                        Condition::Unstable | Condition::Dark => return Some(moment - WELL),
                        _ => {}
                    },
                }
            }
            while let Some(due) = self.table.take(at(moment)) {
                if let Due::Start { probe, purpose, .. } = due {
                    let takes = match primary.answers(moment) {
                        true => 0,
                        false => primary.patience,
                    };
                    self.flights.insert((moment + takes, probe.0));
                    self.asked.insert(probe.0, (moment, purpose));
                }
            }
        }
    }

    fn land(&mut self, moment: u64, probe: u64, primary: &Primary, out: &mut Vec<DetectorAction>) {
        let (sent, purpose) = self.asked.remove(&probe).unwrap();
        self.table.ended(at(moment), ProbeId(probe), false);
        let (finding, sees) = match primary.answers(sent) {
            true => (Finding::Good { identity: None }, Sees::NotAsked),
            false => {
                let phase = Phase::Connect;
                (Finding::Failed(Failure::Silent { phase }), Sees::References)
            }
        };
        let target = Target {
            service: self.service.clone(),
            name: "https://verein.test/".into(),
        };
        let place = PlaceId::new("oslo");
        let sent = now(sent).wall;
        let seen =
            Observation::measured(place, target, sent, purpose, vec![], finding, sees, vec![]);
        let input = DetectorInput::Observation(Box::new(seen));
        self.detector.handle(now(moment), input, out);
    }
}

/// The first whole millisecond at which `moment` is there.
fn millis(moment: Mono) -> u64 {
    u64::try_from(moment.since(at(0)).as_nanos().div_ceil(1_000_000)).unwrap()
}

fn now(millis: u64) -> Now {
    let start = Now {
        wall: Timestamp::from_millis(1_779_268_443_000),
        ..Now::default()
    };
    start.after(Duration::from_millis(1_000_000 + millis))
}

/// Periods that divide the interval, whole multiples of it, and those that divide the shortest
/// and the middle stride; and a few that have nothing to do with it.
const PERIODS: [(u64, u64); 11] = [
    (5_000, 5_000),
    (6_000, 4_000),
    (2_500, 2_500),
    (1_000, 1_000),
    (10_000, 10_000),
    (20_000, 20_000),
    (3_750, 3_750),
    (4_375, 4_375),
    (4_000, 3_000),
    (8_000, 4_000),
    (15_000, 9_000),
];

fn all() -> impl Iterator<Item = (Primary, u64)> {
    PERIODS.into_iter().flat_map(|(up, down)| {
        let phases = (0..6).map(move |sixth| (up + down) * sixth / 6);
        phases.flat_map(move |into| {
            let primary = move |patience| Primary {
                up,
                down,
                into,
                patience,
            };
            // One that is silent, and one that refuses at once.
            [primary(3_000), primary(0)]
                .into_iter()
                .flat_map(|primary| [1 << 40, 0xFEED_F00D].map(|seed| (primary, seed)))
        })
    })
}

#[test]
fn who_fails_and_answers_in_step_with_the_probes_is_noticed() {
    let (mut late, mut count) = (0, 0);
    for (primary, seed) in all() {
        let noticed = Place::new(STRIDING, seed).notices(&primary, seconds(600));
        assert!(noticed.is_some(), "{primary:?} seen with {seed}");
        count += 1;
        late += u32::from(noticed > Some(seconds(180)));
    }
    // Nearly always it takes no longer than three minutes.
    assert!(late * 20 < count, "{late} of {count} after three minutes");
}

#[test]
fn at_equal_distances_it_would_not_be() {
    let missed = all()
        .filter(|(primary, seed)| {
            let noticed = Place::new(TIMING, *seed).notices(primary, seconds(600));
            noticed.is_none()
        })
        .count();
    assert!(missed > 10, "{missed} were missed");
}

proptest! {
    #[test]
    fn no_stride_is_longer_than_the_interval_and_none_shorter_than_three_quarters_of_it(
        seed: u64,
        delay in 0_u64..400,
    ) {
        let delay = Duration::from_millis(delay);
        let times = |delay| -> Vec<Mono> {
            let mut table = Timetable::new(at(0), &[STRIDING], seed, 256);
            let started = run(&mut table, at(600_000), Duration::from_millis(50), delay);
            started.into_iter().map(|(when, ..)| when).collect()
        };
        let planned = times(Duration::ZERO);
        for pair in planned.windows(2) {
            let stride = pair[1].since(pair[0]);
            prop_assert!(stride <= INTERVAL && stride >= INTERVAL * 3 / 4, "{stride:?}");
        }
        // Who wakes late does not fall behind.
        for (planned, late) in planned.iter().zip(times(delay)) {
            prop_assert_eq!(late.since(*planned), delay);
        }
    }

    #[test]
    fn striding_targets_stay_spread(count in 2_usize..60, seed: u64) {
        let mut table = Timetable::new(at(0), &vec![STRIDING; count], seed, 256);
        let started = run(&mut table, at(150_000), Duration::ZERO, Duration::ZERO);
        // In the time of the shortest stride nobody has a second turn.
        let window = INTERVAL * 3 / 4;
        for (nth, (when, target, _)) in started.iter().enumerate() {
            let again = started[nth + 1..].iter().find(|(_, other, _)| other == target);
            if let Some((next, ..)) = again {
                prop_assert!(next.since(*when) >= window);
            }
        }
        // And in no moment there is a crowd: two turns overlap at the most.
        let moment = INTERVAL / 10;
        for (nth, (when, ..)) in started.iter().enumerate() {
            let crowd = started[nth..].iter().take_while(|(other, ..)| other.since(*when) < moment);
            prop_assert!(crowd.count() <= 2 * (count / 10 + 2));
        }
    }
}
