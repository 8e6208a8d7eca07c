//! Nothing moves before it was once right: never seen good, another configuration, no copy.

use super::*;
use crate::{ConfigurationId, Doubt};

fn under(configuration: &str) -> Policy {
    Policy {
        configuration: ConfigurationId::new(configuration),
        ..policy(Mode::Act)
    }
}

fn restarted(day: &Day, policy: Policy, seconds: u64) -> Standby {
    let saved = serde_json::to_string(&day.machine.saved()).expect("written");
    let saved = Restored::Saved(Box::new(serde_json::from_str(&saved).expect("read")));
    Standby::new(service(), policy, saved, at(seconds))
}

fn asked(day: &Day) -> Option<Topic> {
    day.machine
        .standing()
        .question
        .map(|question| question.topic)
}

fn questions(day: &Day) -> usize {
    let ask = |action: &&Action| matches!(action, Action::Ask(_));
    day.actions.iter().filter(ask).count()
}

#[test]
fn what_was_never_seen_good_is_not_taken_over_whatever_is_measured() {
    let acts = [
        Cause::Silent,
        Cause::Host,
        Cause::Network,
        Cause::Service,
        Cause::Tls,
        Cause::Application,
        Cause::Overload,
        Cause::Unstable,
    ];
    for cause in acts {
        let mut day = Day::new(under("a"));
        let condition = match cause {
            Cause::Unstable => Condition::Unstable,
            _ => Condition::Dark,
        };
        assert_eq!(day.machine.standing().doubt, Some(Doubt::NeverGood));
        assert_eq!(
            day.step(20, verdict(20, condition, Some(cause), "known")),
            Role::Standby,
            "{cause}"
        );
        assert_eq!(asked(&day), Some(Topic::NeverGood(cause)));
        assert_ne!(day.answer(30, true), Role::Standby, "a person said yes");
    }
}

#[test]
fn what_is_measured_may_change_and_it_is_asked_once() {
    let mut day = Day::new(under("a"));
    for (nth, cause) in [Cause::Silent, Cause::Service, Cause::Silent, Cause::Tls]
        .into_iter()
        .enumerate()
    {
        day.dark(20 + 10 * nth as u64, cause);
    }
    assert_eq!(questions(&day), 1);
    day.answer(70, false);
    day.dark(80, Cause::Tls);
    assert_eq!(asked(&day), None, "the no was said beside this cause");
}

#[test]
fn an_order_needs_no_proof() {
    let mut day = Day::new(under("a"));
    day.dark(20, Cause::Silent);
    assert_eq!(day.step(30, order(30, OrderKind::Failover)), Role::Acting);
    assert_eq!(asked(&day), None);
    // Lifted, the role of the moment is where verdicts go on from.
    assert_eq!(day.step(40, order(40, OrderKind::Auto)), Role::Acting);
}

#[test]
fn one_good_observation_proves_it_and_that_survives_a_restart() {
    let mut day = Day::new(under("a"));
    day.reachable(0, "known");
    assert_eq!(day.machine.standing().doubt, None);
    day.machine = restarted(&day, under("a"), 100);
    assert_eq!(day.dark(120, Cause::Silent), Role::Acting);
}

#[test]
fn a_place_that_saw_it_good_proves_it_where_the_majority_never_did() {
    let mut day = Day::new(under("a"));
    let Input::Verdict(seen) = verdict(10, Condition::BelowQuorum, Some(Cause::Path), "known")
    else {
        unreachable!("a verdict")
    };
    let seen = Verdict {
        last_good: Some(at(5).wall),
        ..Verdict::clone(&seen)
    };
    day.step(10, Input::Verdict(Arc::new(seen)));
    assert_eq!(day.dark(20, Cause::Silent), Role::Acting);
}

#[test]
fn another_configuration_is_proved_anew() {
    let mut day = Day::new(under("a"));
    day.reachable(0, "known");
    day.machine = restarted(&day, under("b"), 100);
    assert!(day.machine.is_reconfigured());
    assert_eq!(day.dark(120, Cause::Silent), Role::Standby);
    assert_eq!(asked(&day), Some(Topic::NeverGood(Cause::Silent)));
    // Put right again, what was seen under it counts.
    day.machine = restarted(&day, under("a"), 200);
    assert_eq!(
        asked(&day),
        None,
        "that question was about another configuration"
    );
    assert_eq!(day.dark(220, Cause::Silent), Role::Acting);
}

#[test]
fn another_configuration_while_acting_keeps_the_role() {
    let mut day = Day::new(under("a"));
    day.reachable(0, "known");
    day.dark(20, Cause::Silent);
    day.machine = restarted(&day, under("b"), 100);
    assert_eq!(day.machine.standing().role, Role::Acting);
    assert_eq!(day.dark(120, Cause::Silent), Role::Acting);
    assert_eq!(asked(&day), None);
}

#[test]
fn what_the_former_version_left_keeps_its_role_and_is_proved_by_the_next_good_answer() {
    // As 0.1 wrote it, without a configuration, a copy or what was refused.
    let written = |state: &str, role: &str, outage: &str| {
        format!(
            r#"{{"version":"V1","state":"{state}","outage":{outage},"question":null,"questions":0,
            "identity":"known","epoch":1,"role":"{role}","since":1000}}"#
        )
    };
    let outage = r#"{"id":"verein.test/web/x","since":1000,"declined":false,"released":false}"#;
    let restored = |text: String| {
        let saved = serde_json::from_str(&text).expect("the former version's data");
        Standby::new(
            service(),
            under("a"),
            Restored::Saved(Box::new(saved)),
            at(100),
        )
    };
    let mut day = Day::new(under("a"));
    day.machine = restored(written("serving", "acting", outage));
    assert_eq!(day.machine.standing().role, Role::Acting);
    assert_eq!(day.dark(110, Cause::Silent), Role::Acting);
    assert!(!day.machine.is_reconfigured());
    // Nobody knows under which configuration it was good.
    day.machine = restored(written("following", "standby", "null"));
    assert_eq!(day.dark(120, Cause::Silent), Role::Standby);
    assert_eq!(asked(&day), Some(Topic::NeverGood(Cause::Silent)));
    day.reachable(130, "known");
    assert_eq!(day.dark(150, Cause::Silent), Role::Acting);
}

#[test]
fn without_a_copy_nobody_is_led_to_a_notice_unasked() {
    let mut day = Day::new(Policy {
        needs_copy: true,
        ..under("a")
    });
    day.reachable(0, "known");
    assert_eq!(day.machine.standing().doubt, Some(Doubt::NoCopy));
    assert_eq!(day.dark(20, Cause::Silent), Role::Standby);
    assert_eq!(asked(&day), Some(Topic::NoCopy(Cause::Silent)));
    // A copy that comes (from a folder, a backup) settles it.
    assert_eq!(day.step(30, Input::Copy(true)), Role::Acting);
    assert_eq!(asked(&day), None);
    day.machine = restarted(
        &day,
        Policy {
            needs_copy: true,
            ..under("a")
        },
        40,
    );
    assert_eq!(day.machine.standing().doubt, None);
}

#[test]
fn zones_are_served_on_without_proof_for_nothing_moves() {
    let mut machine = Standby::new(
        ServiceId::new(OrganisationId::new("verein.test"), Service::Names),
        under("a"),
        Restored::Fresh,
        at(0),
    );
    assert_eq!(machine.standing().doubt, None);
    let mut out = Vec::new();
    let dark = verdict(20, Condition::Dark, Some(Cause::DnsServer), "known");
    machine.handle(at(20), dark, &mut out);
    assert_eq!(machine.standing().effect, Some(Effect::ServeOn));
    assert_eq!(machine.standing().question, None);
}

#[test]
fn an_observer_is_asked_the_same() {
    let mut day = Day::new(Policy {
        mode: Mode::Observe,
        ..under("a")
    });
    day.dark(20, Cause::Tls);
    let standing = day.machine.standing();
    assert_eq!(standing.doubt, Some(Doubt::NeverGood));
    assert_eq!((standing.role, standing.would), (Role::Standby, None));
    assert_eq!(asked(&day), Some(Topic::NeverGood(Cause::Tls)));
}

proptest! {
    #[test]
    fn nothing_moves_by_itself_before_it_was_once_right(history in history()) {
        let mut day = Day::new(under("a"));
        let mut proved = false;
        let history: Vec<_> = history
            .into_iter()
            .filter(|(_, happening)| {
                !matches!(happening, Happening::Orders(_) | Happening::Answers(true))
            })
            .collect();
        play(&mut day, &history, |_, input, day| {
            if let Input::Verdict(verdict) = input {
                proved |= verdict.condition == Condition::Reachable;
            }
            assert!(proved || day.machine.standing().role == Role::Standby);
        });
    }
}
