//! A primary that says 451: its own notice is shown, and the copy stays off until a named person
//! confirms that serving is permitted.

use super::*;
use crate::{Failure, Finding, Observation, PlaceId, Purpose, Sees, StateName, Target};

fn answers(seconds: u64, status: u16, cause: Cause) -> Input {
    let Input::Verdict(verdict) = verdict(seconds, Condition::Dark, Some(cause), "known") else {
        unreachable!("a verdict was made");
    };
    let mut verdict = Verdict::clone(&verdict);
    verdict.evidence.push(Observation::measured(
        PlaceId::new("oslo"),
        Target {
            service: service(),
            name: "https://verein.test/ at 198.51.100.80:443".into(),
        },
        at(seconds).wall,
        Purpose::Scheduled,
        vec![],
        Finding::Failed(Failure::Status(status)),
        Sees::References,
        vec![],
    ));
    Input::Verdict(Arc::new(verdict))
}

impl Day {
    fn shows(&self) -> (StateName, Option<Effect>, Option<Topic>) {
        let standing = self.machine.standing();
        let topic = standing.question.map(|question| question.topic);
        (standing.state, standing.effect, topic)
    }
}

const WITHHELD: (StateName, Option<Effect>, Option<Topic>) = (
    StateName::Following,
    Some(Effect::Withhold),
    Some(Topic::Permission),
);

#[test]
fn denied_asks_and_moves_nothing() {
    for status in [401, 403] {
        let mut day = Day::new(policy(Mode::Act));
        day.reachable(0, "known");
        assert_eq!(
            day.step(20, answers(20, status, Cause::Denied)),
            Role::Standby
        );
        let want = Some(Topic::TakeOver(Cause::Denied));
        assert_eq!(day.shows(), (StateName::Following, Some(Effect::Ask), want));
        assert_eq!(day.answer(30, true), Role::Acting);
    }
}

#[test]
fn a_legal_notice_keeps_the_copy_off_also_when_it_falls_silent_until_a_person_permits_it() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    assert_eq!(day.step(20, answers(20, 451, Cause::Denied)), Role::Standby);
    assert_eq!(day.shows(), WITHHELD);
    assert_eq!(day.dark(60, Cause::Silent), Role::Standby);
    assert_eq!(day.shows(), WITHHELD);
    // It outlives a restart.
    let saved = Restored::Saved(Box::new(day.machine.saved()));
    day.machine = Standby::new(service(), policy(Mode::Act), saved, at(70));
    assert_eq!(day.dark(80, Cause::Silent), Role::Standby);
    assert_eq!(day.shows(), WITHHELD);
    assert_eq!(day.answer(90, true), Role::Acting);
    assert_eq!(day.dark(100, Cause::Silent), Role::Acting);
    assert_eq!(
        day.step(110, answers(110, 451, Cause::Denied)),
        Role::Acting
    );
}

#[test]
fn a_copy_that_is_served_goes_off_when_the_primary_says_451() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    assert_eq!(day.dark(20, Cause::Silent), Role::Acting);
    assert_eq!(day.step(90, answers(90, 451, Cause::Denied)), Role::Standby);
    assert_eq!(day.shows(), WITHHELD);
    // Whoever says no is not asked again, and the copy stays off.
    assert_eq!(day.answer(100, false), Role::Standby);
    assert_eq!(day.dark(120, Cause::Silent), Role::Standby);
    assert_eq!(day.shows().2, None);
    // A named person's order is a word too.
    assert_eq!(day.step(130, order(130, OrderKind::Failover)), Role::Acting);
    assert_eq!(day.machine.standing().effect, Some(Effect::TakeOver));
}

#[test]
fn a_no_before_the_notice_was_seen_is_no_answer_to_it() {
    let mut day = Day::new(policy(Mode::Act));
    day.step(20, answers(20, 403, Cause::Denied));
    day.answer(30, false);
    day.step(40, answers(40, 451, Cause::Denied));
    assert_eq!(day.shows(), WITHHELD);
    let question = day.machine.standing().question.expect("a question");
    assert!(
        question
            .to_string()
            .contains("the copy stays off until a named person")
    );
}
