//! The detector against scripted observations and against random histories.

mod address;
mod flapping;
mod mail;

use super::*;
use crate::{Companion, CompanionKind, OrganisationId, Phase, Reply, Service, Target};

fn service() -> ServiceId {
    ServiceId::new(OrganisationId::new("verein.test"), Service::Web)
}

fn at(seconds: u64) -> Now {
    Now::default().after(Duration::from_secs(seconds))
}

fn detector(places: &[&str]) -> Detector {
    let places = places.iter().map(|name| PlaceId::new(*name)).collect();
    Detector::new(service(), DetectorConfig::new(places))
}

fn observed(
    place: &str,
    now: Now,
    purpose: Purpose,
    finding: Finding,
    sees: Sees,
) -> DetectorInput {
    DetectorInput::Observation(Box::new(Observation::measured(
        PlaceId::new(place),
        Target {
            service: service(),
            name: "https://verein.test/".into(),
        },
        now.wall,
        purpose,
        vec![],
        finding,
        sees,
        vec![],
    )))
}

fn good() -> Finding {
    Finding::Good { identity: None }
}

fn silent() -> Finding {
    Finding::Failed(Failure::Silent {
        phase: Phase::Connect,
    })
}

/// Feeds one observation and gives the conditions that were reached, and whether a burst began.
fn feed(
    detector: &mut Detector,
    seconds: u64,
    place: &str,
    purpose: Purpose,
    finding: Finding,
    sees: Sees,
) -> (Vec<Condition>, Option<u64>) {
    let now = at(seconds);
    let mut out = Vec::new();
    detector.handle(now, observed(place, now, purpose, finding, sees), &mut out);
    let mut burst = None;
    let mut conditions = Vec::new();
    for action in out {
        match action {
            DetectorAction::Burst { number, .. } => burst = Some(number),
            DetectorAction::Verdict(verdict) => conditions.push(verdict.condition),
        }
    }
    (conditions, burst)
}

#[test]
fn one_place_with_references_confirms_by_a_burst() {
    let mut one = detector(&["oslo"]);
    let yes = Sees::References;
    let first = feed(
        &mut one,
        0,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    assert_eq!(first, (vec![Condition::Reachable], None));
    let suspect = feed(&mut one, 13, "oslo", Purpose::Scheduled, silent(), yes);
    assert_eq!(suspect, (vec![Condition::Suspect], Some(1)));
    for second in [16, 19] {
        let none = feed(&mut one, second, "oslo", Purpose::Burst(1), silent(), yes);
        assert_eq!(none, (vec![], None));
    }
    let dark = feed(&mut one, 22, "oslo", Purpose::Burst(1), silent(), yes);
    assert_eq!(dark, (vec![Condition::Dark], None));
    let back = feed(
        &mut one,
        40,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    assert_eq!(back, (vec![Condition::Reachable], None));
}

#[test]
fn a_blip_shorter_than_the_burst_is_no_outage() {
    let mut one = detector(&["oslo"]);
    feed(
        &mut one,
        0,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    feed(
        &mut one,
        10,
        "oslo",
        Purpose::Scheduled,
        silent(),
        Sees::References,
    );
    feed(
        &mut one,
        10,
        "oslo",
        Purpose::Burst(1),
        silent(),
        Sees::References,
    );
    let (conditions, _) = feed(
        &mut one,
        13,
        "oslo",
        Purpose::Burst(1),
        good(),
        Sees::NotAsked,
    );
    assert_eq!(conditions, [Condition::Reachable]);
}

#[test]
fn an_isolated_place_claims_nothing() {
    let mut one = detector(&["oslo"]);
    feed(
        &mut one,
        0,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    let cut = feed(
        &mut one,
        10,
        "oslo",
        Purpose::Scheduled,
        silent(),
        Sees::Nothing,
    );
    assert_eq!(cut, (vec![Condition::Blind], None));
    for second in 11..100 {
        let none = feed(
            &mut one,
            second,
            "oslo",
            Purpose::Scheduled,
            silent(),
            Sees::Nothing,
        );
        assert_eq!(none, (vec![], None));
    }
    let back = feed(
        &mut one,
        100,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    assert_eq!(back.0, [Condition::Reachable]);
}

#[test]
fn one_place_without_references_withholds_the_verdict() {
    let mut one = detector(&["oslo"]);
    feed(
        &mut one,
        0,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    for second in [10, 13, 16, 19, 22, 30] {
        let (conditions, burst) = feed(
            &mut one,
            second,
            "oslo",
            Purpose::Scheduled,
            silent(),
            Sees::NotConfigured,
        );
        assert!(!conditions.contains(&Condition::Dark), "at {second}");
        assert_eq!(burst, None);
    }
}

#[test]
fn two_of_three_places_decide_and_a_blind_one_has_no_vote() {
    let mut three = detector(&["bern", "oslo", "wien"]);
    for place in ["bern", "oslo", "wien"] {
        feed(
            &mut three,
            0,
            place,
            Purpose::Scheduled,
            good(),
            Sees::NotAsked,
        );
    }
    let (_, burst) = feed(
        &mut three,
        10,
        "bern",
        Purpose::Scheduled,
        silent(),
        Sees::References,
    );
    assert_eq!(burst, Some(1));
    for second in [10, 13, 16] {
        feed(
            &mut three,
            second,
            "bern",
            Purpose::Burst(1),
            silent(),
            Sees::References,
        );
        feed(
            &mut three,
            second,
            "wien",
            Purpose::Burst(1),
            silent(),
            Sees::Nothing,
        );
    }
    // Bern confirms, Wien is blind, Oslo still has its say.
    let (conditions, _) = feed(
        &mut three,
        17,
        "oslo",
        Purpose::Burst(1),
        good(),
        Sees::NotAsked,
    );
    assert_eq!(conditions, [Condition::BelowQuorum]);
    let mut out = Vec::new();
    three.handle(at(18), DetectorInput::Tick, &mut out);
    assert_eq!(out, []);
}

#[test]
fn a_hint_makes_us_look_and_nothing_more() {
    let mut one = detector(&["oslo"]);
    feed(
        &mut one,
        0,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    let mut out = Vec::new();
    one.handle(at(5), DetectorInput::Hint, &mut out);
    assert!(
        matches!(out.as_slice(), [DetectorAction::Burst { number: 1, .. }]),
        "{out:?}"
    );
    let quiet = feed(
        &mut one,
        6,
        "oslo",
        Purpose::Burst(1),
        good(),
        Sees::NotAsked,
    );
    assert_eq!(quiet, (vec![], None));
}

#[test]
fn a_burst_that_nobody_answers_is_repeated_and_claims_nothing() {
    let mut two = detector(&["bern", "oslo"]);
    feed(
        &mut two,
        0,
        "bern",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    feed(
        &mut two,
        0,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    feed(
        &mut two,
        10,
        "bern",
        Purpose::Scheduled,
        silent(),
        Sees::NotConfigured,
    );
    let mut out = Vec::new();
    two.handle(at(22), DetectorInput::Tick, &mut out);
    assert!(
        matches!(out.as_slice(), [DetectorAction::Burst { number: 2, .. }]),
        "{out:?}"
    );
}

#[test]
fn a_phase_that_had_no_time_says_nothing() {
    let cause = |micros| {
        let time = |phase, micros| crate::PhaseTime { phase, micros };
        cause::of(&Observation::measured(
            PlaceId::new("oslo"),
            Target {
                service: service(),
                name: "x".into(),
            },
            Timestamp::default(),
            Purpose::Scheduled,
            vec![
                time(Phase::Connect, 3_000_000 - micros),
                time(Phase::Tls, micros),
            ],
            Finding::Failed(Failure::Silent { phase: Phase::Tls }),
            Sees::References,
            vec![],
        ))
    };
    assert_eq!(cause(400), Cause::Silent);
    assert_eq!(cause(2_900_000), Cause::Service);
}

#[test]
fn causes_are_named_only_where_evidence_allows() {
    let cause = |failure: Failure, companions: &[(CompanionKind, Reply)]| {
        let companions = companions
            .iter()
            .map(|&(kind, reply)| Companion { kind, reply })
            .collect();
        cause::of(&Observation::measured(
            PlaceId::new("oslo"),
            Target {
                service: service(),
                name: "x".into(),
            },
            Timestamp::default(),
            Purpose::Scheduled,
            vec![],
            Finding::Failed(failure),
            Sees::References,
            companions,
        ))
    };
    let near = CompanionKind::Neighbour([192, 0, 2, 1].into());
    let router = CompanionKind::Router([192, 0, 2, 254].into());
    let quiet = Failure::Silent {
        phase: Phase::Connect,
    };
    assert_eq!(cause(quiet.clone(), &[]), Cause::Silent);
    assert_eq!(
        cause(quiet.clone(), &[(CompanionKind::Echo, Reply::Answered)]),
        Cause::Service
    );
    assert_eq!(
        cause(quiet.clone(), &[(CompanionKind::Port(22), Reply::Refused)]),
        Cause::Service
    );
    assert_eq!(cause(Failure::Unreachable, &[]), Cause::Silent);
    let proved = [(near, Reply::Answered), (router, Reply::Answered)];
    assert_eq!(cause(Failure::Unreachable, &proved), Cause::Host);
    assert_eq!(cause(quiet.clone(), &proved), Cause::Silent);
    let gone = [(near, Reply::Silent), (router, Reply::Silent)];
    assert_eq!(cause(quiet, &gone), Cause::Network);
    assert_eq!(cause(Failure::Refused, &[]), Cause::Service);
    assert_eq!(cause(Failure::Status(502), &[]), Cause::Application);
    for denied in [401, 403, 451] {
        assert_eq!(cause(Failure::Status(denied), &[]), Cause::Denied);
    }
    for later in [429, 503] {
        assert_eq!(cause(Failure::Status(later), &[]), Cause::Overload);
    }
    assert_eq!(
        cause(Failure::MarkMissing { bytes: 0 }, &[]),
        Cause::Application
    );
    assert_eq!(
        cause(Failure::MarkMissing { bytes: 9000 }, &[]),
        Cause::HoldingPage
    );
}

proptest::proptest! {
    /// Whatever an isolated observer reports, it never says dark and never asks for a burst.
    #[test]
    fn an_isolated_observer_never_says_dark(steps in proptest::collection::vec((1_u64..20, 0_u8..4), 1..200)) {
        let mut one = detector(&["oslo"]);
        let mut second = 0;
        for (pause, kind) in steps {
            second += pause;
            let (finding, sees) = match kind {
                0 => (silent(), Sees::Nothing),
                1 => (Finding::Failed(Failure::Local), Sees::References),
                2 => (Finding::Failed(Failure::Refused), Sees::Nothing),
                _ => (silent(), Sees::NotConfigured),
            };
            let (conditions, burst) = feed(&mut one, second, "oslo", Purpose::Scheduled, finding, sees);
            proptest::prop_assert!(!conditions.contains(&Condition::Dark));
            proptest::prop_assert_eq!(burst, None);
        }
    }

    /// Dark is only said after a full burst failed: never by fewer than burst + 1 failures.
    #[test]
    fn dark_needs_a_full_burst(findings in proptest::collection::vec(proptest::bool::ANY, 1..100)) {
        let mut one = detector(&["oslo"]);
        let (mut streak, mut running) = (0, 0);
        let mut was_dark = false;
        for (index, ok) in findings.iter().enumerate() {
            let purpose = if running > 0 { Purpose::Burst(running) } else { Purpose::Scheduled };
            let finding = if *ok { good() } else { silent() };
            streak = if *ok { 0 } else { streak + 1 };
            let (conditions, burst) =
                feed(&mut one, 3 * index as u64, "oslo", purpose, finding, Sees::References);
            running = burst.unwrap_or(running);
            if conditions.contains(&Condition::Dark) && !was_dark {
                proptest::prop_assert!(streak >= 4, "dark after {streak} failures");
            }
            was_dark = conditions.last().map_or(was_dark, |last| *last == Condition::Dark);
        }
    }
}

#[test]
fn a_burst_that_goes_on_is_waited_for_and_one_that_stands_still_is_asked_anew() {
    let yes = Sees::References;
    let mut one = detector(&["oslo"]);
    feed(
        &mut one,
        0,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    let (_, first) = feed(&mut one, 13, "oslo", Purpose::Scheduled, silent(), yes);
    assert_eq!(first, Some(1));
    // A mass outage: its probes have to wait for places, and come late.
    feed(&mut one, 22, "oslo", Purpose::Burst(1), silent(), yes);
    let mut out = Vec::new();
    one.handle(at(25), DetectorInput::Tick, &mut out);
    assert_eq!(out, [], "it goes on");
    feed(&mut one, 31, "oslo", Purpose::Burst(1), silent(), yes);
    one.handle(at(37), DetectorInput::Tick, &mut out);
    assert_eq!(out, [], "it goes on");
    // The third one is lost, as by a panic: nothing more comes of this burst.
    one.handle(at(49), DetectorInput::Tick, &mut out);
    let [DetectorAction::Burst { number: 2, .. }] = out[..] else {
        panic!("{out:?}");
    };
    for second in [50, 53, 56] {
        feed(&mut one, second, "oslo", Purpose::Burst(2), silent(), yes);
    }
    assert_eq!(one.condition, Some(Condition::Dark));
    assert_eq!(
        one.since,
        at(13).wall,
        "the first failure, whatever the bursts did"
    );
}

#[test]
fn since_is_the_first_failure_also_after_a_time_without_measurements() {
    let yes = Sees::References;
    let mut one = detector(&["oslo"]);
    feed(
        &mut one,
        0,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    feed(&mut one, 13, "oslo", Purpose::Scheduled, silent(), yes);
    one.handle(at(90), DetectorInput::Tick, &mut Vec::new());
    assert_eq!(one.condition, Some(Condition::Blind));
    let (_, burst) = feed(&mut one, 95, "oslo", Purpose::Scheduled, silent(), yes);
    for second in [98, 101, 104] {
        let purpose = Purpose::Burst(burst.expect("it is looked at again"));
        feed(&mut one, second, "oslo", purpose, silent(), yes);
    }
    assert_eq!(one.condition, Some(Condition::Dark));
    assert_eq!(one.since, at(13).wall);
    // It was good in between: another outage.
    feed(
        &mut one,
        120,
        "oslo",
        Purpose::Scheduled,
        good(),
        Sees::NotAsked,
    );
    feed(&mut one, 130, "oslo", Purpose::Scheduled, silent(), yes);
    assert_eq!(one.since, at(130).wall);
}

#[test]
fn who_did_not_probe_in_time_is_not_called_cut_off() {
    let causes = |inputs: &[(u64, Option<(Finding, Sees)>)]| {
        let mut one = detector(&["oslo"]);
        let mut out = Vec::new();
        for (second, observation) in inputs {
            let now = at(*second);
            let input = match observation.clone() {
                Some((finding, sees)) => observed("oslo", now, Purpose::Scheduled, finding, sees),
                None => DetectorInput::Tick,
            };
            one.handle(now, input, &mut out);
        }
        assert_eq!(one.condition, Some(Condition::Blind));
        one.cause
    };
    let good = Some((good(), Sees::NotAsked));
    let local = Finding::Failed(Failure::Local);
    let table = [
        // Too busy to ask.
        (vec![(0, good.clone()), (40, None)], Cause::NotMeasured),
        // Out of sockets.
        (
            vec![(0, good.clone()), (10, Some((local, Sees::NotAsked)))],
            Cause::NotMeasured,
        ),
        // Cut off; and nothing to tell by that it is not.
        (
            vec![(0, good.clone()), (10, Some((silent(), Sees::Nothing)))],
            Cause::Observer,
        ),
        (
            vec![(0, good), (10, Some((silent(), Sees::NotConfigured)))],
            Cause::Observer,
        ),
    ];
    for (inputs, cause) in table {
        assert_eq!(causes(&inputs), Some(cause), "{inputs:?}");
    }
}
