//! A no holds until what was asked about changes, also over a restart.

use super::*;
use crate::ConfigurationId;

fn restart(day: &mut Day, configuration: &str, seconds: u64) {
    let saved = serde_json::to_string(&day.machine.saved()).expect("written");
    let saved = Restored::Saved(Box::new(serde_json::from_str(&saved).expect("read")));
    let policy = Policy {
        configuration: ConfigurationId::new(configuration),
        ..policy(Mode::Act)
    };
    day.machine = Standby::new(service(), policy, saved, at(seconds));
}

fn asked(day: &Day) -> Option<Topic> {
    day.machine
        .standing()
        .question
        .map(|question| question.topic)
}

/// A holding page, and somebody said that we shall not take over, at 30.
fn declined() -> Day {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    day.dark(20, Cause::HoldingPage);
    day.answer(30, false);
    day
}

#[test]
fn a_no_to_taking_over_holds_through_doubt_blindness_and_restarts() {
    let mut day = declined();
    for (seconds, condition) in [(40, Condition::Suspect), (50, Condition::Blind)] {
        day.step(seconds, verdict(seconds, condition, None, "known"));
        day.dark(seconds + 5, Cause::HoldingPage);
        assert_eq!(asked(&day), None, "{condition:?}");
    }
    // A detector that begins anew finds what was found before.
    restart(&mut day, "", 100);
    day.step(101, verdict(101, Condition::Suspect, None, "known"));
    day.dark(110, Cause::HoldingPage);
    assert_eq!(asked(&day), None);
}

#[test]
fn another_cause_a_recovery_or_another_configuration_is_another_question() {
    let mut day = declined();
    day.dark(40, Cause::Block);
    assert_eq!(asked(&day), Some(Topic::TakeOver(Cause::Block)));
    day.answer(50, false);
    day.dark(60, Cause::HoldingPage);
    assert_eq!(asked(&day), None, "both were answered");

    let mut day = declined();
    day.reachable(40, "known");
    day.dark(60, Cause::HoldingPage);
    assert_eq!(asked(&day), Some(Topic::TakeOver(Cause::HoldingPage)));

    let mut day = declined();
    restart(&mut day, "another", 100);
    day.dark(110, Cause::HoldingPage);
    assert_eq!(asked(&day), Some(Topic::TakeOver(Cause::HoldingPage)));
}

/// Back after a long outage, and somebody said that it shall not have its traffic yet, at 2500.
fn not_yet() -> Day {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    day.dark(20, Cause::Silent);
    day.reachable(2000, "known");
    day.step(2180, Input::Tick);
    assert_eq!(asked(&day), Some(Topic::Return));
    assert_eq!(day.answer(2500, false), Role::Acting);
    day
}

#[test]
fn a_no_to_the_return_is_not_asked_again_by_the_next_tick_or_the_next_start() {
    let mut day = not_yet();
    assert_eq!(asked(&day), None, "asked again in the same moment");
    day.step(3000, Input::Tick);
    day.step(3010, verdict(3010, Condition::Suspect, None, "known"));
    day.reachable(3020, "known");
    day.step(3500, Input::Tick);
    assert_eq!(asked(&day), None);
    restart(&mut day, "", 4000);
    day.reachable(4010, "known");
    assert_eq!(day.step(4500, Input::Tick), Role::Acting);
    assert_eq!(asked(&day), None);
}

#[test]
fn a_return_is_asked_about_again_after_it_was_dark_or_when_somebody_else_answers() {
    let mut day = not_yet();
    day.dark(3000, Cause::Silent);
    day.reachable(3100, "known");
    day.step(3280, Input::Tick);
    assert_eq!(asked(&day), Some(Topic::Return));

    let mut day = not_yet();
    day.reachable(3000, "other");
    day.step(3500, Input::Tick);
    assert_eq!(asked(&day), Some(Topic::Return));
}

#[test]
fn a_no_that_the_former_version_kept_holds() {
    let written = r#"{"version":"V1","state":"following","outage":{"id":"verein.test/web/x",
        "since":1000,"declined":true,"released":false},"question":null,"questions":1,
        "identity":null,"epoch":0,"role":"standby","since":1000,"paused":false}"#;
    let saved = Restored::Saved(Box::new(serde_json::from_str(written).expect("read")));
    let mut day = Day::new(policy(Mode::Act));
    day.machine = Standby::new(service(), policy(Mode::Act), saved, at(100));
    day.dark(110, Cause::HoldingPage);
    assert_eq!(asked(&day), None);
}

proptest! {
    /// However often the same is seen again, a no is followed by no question about the same
    /// thing before it was reachable, dark again (for a return), or another cause.
    #[test]
    fn refused_questions_are_bounded(history in history()) {
        let mut day = Day::new(policy(Mode::Act));
        play(&mut day, &history, |_, _, _| {});
        let saved = serde_json::to_string(&day.machine.saved()).expect("written");
        prop_assert!(saved.len() < 8_000, "{} bytes", saved.len());
    }
}
