//! A detector beside a primary that fails and answers in turn, second by second.

use super::*;

/// A probe that is given up takes so long.
const TIMEOUT: u64 = 3;

/// The conditions that were said, with their seconds.
struct Watched {
    detector: Detector,
    places: Vec<&'static str>,
    second: u64,
    planned: Vec<(u64, Purpose)>,
    flights: Vec<(u64, u64, &'static str, Purpose, bool)>,
    said: Vec<(u64, Condition)>,
}

impl Watched {
    fn from(places: &[&'static str]) -> Self {
        Self {
            detector: detector(places),
            places: places.to_vec(),
            second: 0,
            planned: vec![],
            flights: vec![],
            said: vec![],
        }
    }

    /// Lets `seconds` pass; `up` says whether the primary answers in a second.
    fn pass(&mut self, seconds: u64, up: impl Fn(u64) -> bool) {
        for _ in 0..seconds {
            self.second += 1;
            let second = self.second;
            let now = at(second);
            let bursts = self.planned.extract_if(.., |(due, _)| *due <= second);
            let purposes: Vec<_> = bursts.map(|(_, purpose)| purpose).collect();
            for (nth, place) in self.places.iter().enumerate() {
                let slot = second % 10 == 4 * nth as u64 % 10;
                let due = purposes.iter().copied();
                for purpose in due.chain(slot.then_some(Purpose::Scheduled)) {
                    let good = up(second);
                    let takes = if good { 0 } else { TIMEOUT };
                    self.flights
                        .push((second + takes, second, place, purpose, good));
                }
            }
            let landed: Vec<_> = self
                .flights
                .extract_if(.., |(due, ..)| *due <= second)
                .collect();
            let mut out = Vec::new();
            for (_, sent, place, purpose, ok) in landed {
                let (finding, sees) = match ok {
                    true => (good(), Sees::NotAsked),
                    false => (silent(), Sees::References),
                };
                let DetectorInput::Observation(mut seen) =
                    observed(place, now, purpose, finding, sees)
                else {
                    unreachable!("an observation")
                };
                seen.at = at(sent).wall;
                let input = DetectorInput::Observation(seen);
                self.detector.handle(now, input, &mut out);
            }
            if self
                .detector
                .next_wakeup()
                .is_some_and(|due| due <= now.mono)
            {
                self.detector.handle(now, DetectorInput::Tick, &mut out);
            }
            self.take(second, out);
        }
    }

    fn take(&mut self, second: u64, out: Vec<DetectorAction>) {
        for action in out {
            match action {
                DetectorAction::Burst { number, .. } => {
                    let number = Purpose::Burst(number);
                    self.planned.retain(|(_, purpose)| *purpose == number);
                    self.planned
                        .extend([1, 4, 7].map(|after| (second + after, number)));
                }
                DetectorAction::Verdict(verdict) => self.said.push((second, verdict.condition)),
            }
        }
    }

    fn says(&self) -> Condition {
        self.said.last().expect("it says something").1
    }

    fn first(&self, wanted: Condition) -> Option<u64> {
        let first = self.said.iter().find(|(_, said)| *said == wanted);
        first.map(|(second, _)| *second)
    }
}

fn flapping(up: u64, down: u64) -> impl Fn(u64) -> bool {
    move |second| second % (up + down) < up
}

#[test]
fn every_period_from_four_seconds_to_two_minutes_is_noticed_within_three_minutes() {
    let periods = [
        (2, 2),
        (3, 3),
        (4, 3),
        (8, 4),
        (10, 10),
        (15, 9),
        (20, 20),
        (45, 15),
        (60, 60),
    ];
    for places in [&["oslo"][..], &["bern", "oslo", "wien"][..]] {
        for (up, down) in periods {
            let mut watched = Watched::from(places);
            watched.pass(200, |_| true);
            watched.pass(180, flapping(up, down));
            let found = [Condition::Unstable, Condition::Dark]
                .iter()
                .any(|condition| watched.first(*condition).is_some());
            assert!(found, "{up}/{down} from {places:?}: {:?}", watched.said);
            // It is not called well while it goes on.
            let from = watched.said.len();
            watched.pass(900, flapping(up, down));
            let well = |(_, said): &&(u64, Condition)| *said == Condition::Reachable;
            let well: Vec<_> = watched.said[from..].iter().filter(well).collect();
            assert!(
                down > 30 || well.is_empty(),
                "{up}/{down} from {places:?}: {well:?}"
            );
        }
    }
}

#[test]
fn what_goes_dark_for_good_is_dark_in_the_usual_time() {
    for places in [&["oslo"][..], &["bern", "oslo", "wien"][..]] {
        for (up, down) in [(2, 2), (3, 3), (4, 3), (8, 4), (10, 10), (15, 9), (20, 20)] {
            for moment in 0..(up + down) {
                let mut watched = Watched::from(places);
                watched.pass(200, |_| true);
                watched.pass(300 + moment, flapping(up, down));
                let good = (0..=watched.second)
                    .rev()
                    .find(|second| flapping(up, down)(*second))
                    .expect("it was good once");
                // Interval, time-out, burst and time-out after the last good second.
                watched.pass(good + 23 - watched.second.min(good + 22), |_| false);
                assert_eq!(
                    watched.says(),
                    Condition::Dark,
                    "{up}/{down}+{moment} {places:?}"
                );
            }
        }
    }
}

#[test]
fn it_is_reachable_again_after_the_clean_minutes_and_not_before() {
    let mut watched = Watched::from(&["oslo"]);
    watched.pass(200, |_| true);
    watched.pass(300, flapping(4, 3));
    assert_eq!(watched.says(), Condition::Unstable);
    watched.pass(150, |_| true);
    assert_eq!(watched.says(), Condition::Unstable);
    // A single failure begins the minutes anew.
    let blip = watched.second + 2;
    watched.pass(40, |second| !(blip..blip + 15).contains(&second));
    watched.pass(150, |_| true);
    assert_eq!(watched.says(), Condition::Unstable);
    watched.pass(40, |_| true);
    assert_eq!(watched.says(), Condition::Reachable);
}

#[test]
fn its_verdict_shows_what_failed_and_since_when() {
    let mut watched = Watched::from(&["oslo"]);
    watched.pass(200, |_| true);
    watched.pass(300, flapping(4, 3));
    let verdict = watched.detector.verdict(at(500), Condition::Unstable);
    assert_eq!(verdict.cause, Some(Cause::Unstable));
    assert_eq!(verdict.beneath(), Some(Cause::Silent));
    assert_eq!((verdict.evidence.len(), verdict.failing()), (1, 1));
    let since = verdict.since.since(at(200).wall).as_secs();
    assert!(
        verdict.since > at(200).wall && since < 60,
        "since {since} s"
    );
}

proptest::proptest! {
    /// One blip in the clean minutes, however long below a burst, is not unstable; and one
    /// place's trouble is never everybody's.
    #[test]
    fn a_blip_is_nothing(from in 0_u64..60, long in 1_u64..9) {
        let mut watched = Watched::from(&["oslo"]);
        watched.pass(200, |_| true);
        let began = watched.second + from;
        watched.pass(300, |second| !(began..began + long).contains(&second));
        proptest::prop_assert_eq!(watched.first(Condition::Unstable), None);
        proptest::prop_assert_eq!(watched.says(), Condition::Reachable);
    }
}
