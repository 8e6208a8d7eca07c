//! What fails and answers in turn is supported until it is clean, and taken over when it goes dark.

use super::*;

fn unstable(day: &mut Day, seconds: u64) -> Role {
    let cause = Some(Cause::Unstable);
    day.step(
        seconds,
        verdict(seconds, Condition::Unstable, cause, "known"),
    )
}

fn acting(hands_back: bool) -> Day {
    let mut day = Day::new(Policy {
        hands_back,
        ..policy(Mode::Act)
    });
    day.reachable(0, "known");
    day
}

#[test]
fn it_is_supported_until_it_is_clean_and_nobody_is_asked() {
    let mut day = acting(false);
    assert_eq!(unstable(&mut day, 60), Role::Returning);
    let standing = day.machine.standing();
    assert_eq!(standing.state, StateName::Supporting);
    assert!(standing.relay && standing.outage.is_some());
    assert_eq!(standing.effect, Some(Effect::RelayFirst));
    assert_eq!(day.step(4000, Input::Tick), Role::Returning);
    // The detector says so only after the clean minutes: they are not waited for twice.
    assert_eq!(day.reachable(5000, "known"), Role::Returning);
    assert_eq!(day.machine.standing().state, StateName::Returning);
    assert_eq!(day.step(5030, Input::Tick), Role::Standby);
    assert!(day.machine.standing().outage.is_none());
    let asked = day
        .actions
        .iter()
        .any(|action| matches!(action, Action::Ask(_)));
    assert!(!asked, "it had its traffic all the time");
}

#[test]
fn it_is_taken_over_when_it_goes_dark_and_the_role_does_not_flap() {
    let mut day = acting(false);
    unstable(&mut day, 60);
    assert_eq!(day.dark(80, Cause::Silent), Role::Acting);
    let epoch = day.machine.standing().epoch;
    for turn in 0..20 {
        assert_eq!(unstable(&mut day, 100 + 20 * turn), Role::Acting);
        assert!(day.machine.standing().relay, "it answers, and is the same");
        assert_eq!(day.dark(110 + 20 * turn, Cause::Silent), Role::Acting);
    }
    assert_eq!(day.machine.standing().epoch, epoch);
    let outages = day
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Record(Fact::OutageBegan { .. })));
    assert_eq!(outages.count(), 1);
}

#[test]
fn a_stranger_who_fails_and_answers_in_turn_is_not_relayed_to() {
    let mut day = acting(false);
    day.dark(20, Cause::Silent);
    let stranger = verdict(60, Condition::Unstable, Some(Cause::Unstable), "other");
    assert_eq!(day.step(60, stranger), Role::Acting);
    assert!(!day.machine.standing().relay);
}

#[test]
fn a_restart_takes_no_minute_off_the_clean_ones() {
    let mut day = acting(false);
    unstable(&mut day, 60);
    let saved = Restored::Saved(Box::new(day.machine.saved()));
    day.machine = Standby::new(service(), policy(Mode::Act), saved, at(70));
    assert_eq!(day.machine.standing().role, Role::Returning);
    // A detector that begins anew knows nothing of what failed before.
    day.reachable(75, "known");
    assert_eq!(day.step(254, Input::Tick), Role::Returning);
    assert_eq!(day.machine.standing().state, StateName::Supporting);
    day.step(255, Input::Tick);
    assert_eq!(day.machine.standing().state, StateName::Returning);
}

#[test]
fn mail_goes_back_while_it_answers_and_stops_where_it_is_refused() {
    let mut day = acting(true);
    unstable(&mut day, 60);
    assert!(day.machine.standing().handback);
    day.step(70, Input::HandbackPaused);
    let standing = day.machine.standing();
    assert!(!standing.handback);
    assert_eq!(
        standing.question.map(|question| question.topic),
        Some(Topic::HandBack)
    );
    day.answer(80, true);
    assert!(day.machine.standing().handback);
    // That nothing waits at the moment ends nothing.
    day.step(90, Input::HandedBack);
    assert_eq!(day.machine.standing().state, StateName::Supporting);
    day.step(
        100,
        verdict(100, Condition::Blind, Some(Cause::Observer), "known"),
    );
    assert!(!day.machine.standing().handback);
    assert_eq!(day.dark(120, Cause::Silent), Role::Acting);
    assert!(day.actions.contains(&Action::StopHandback));
    assert!(!day.machine.standing().handback);
}

#[test]
fn what_turns_unstable_while_mail_is_handed_back_is_supported() {
    let mut day = acting(true);
    day.dark(20, Cause::Silent);
    day.reachable(100, "known");
    day.step(280, Input::Tick);
    day.step(310, Input::Tick);
    assert_eq!(day.machine.standing().state, StateName::HandingBack);
    assert_eq!(unstable(&mut day, 320), Role::Returning);
    assert!(day.machine.standing().handback);
    day.reachable(600, "known");
    day.step(630, Input::Tick);
    assert_eq!(day.machine.standing().state, StateName::HandingBack);
}

#[test]
fn what_people_judge_is_asked_about_also_when_it_comes_and_goes() {
    let page = crate::Observation::measured(
        crate::PlaceId::new("oslo"),
        crate::Target {
            service: service(),
            name: "https://verein.test/".into(),
        },
        at(60).wall,
        crate::Purpose::Scheduled,
        vec![],
        crate::Finding::Failed(crate::Failure::MarkMissing { bytes: 9000 }),
        crate::Sees::References,
        vec![],
    );
    let mut day = acting(false);
    let Input::Verdict(verdict) = verdict(60, Condition::Unstable, Some(Cause::Unstable), "known")
    else {
        unreachable!("a verdict")
    };
    let verdict = Verdict {
        evidence: vec![page],
        ..Verdict::clone(&verdict)
    };
    assert_eq!(
        day.step(60, Input::Verdict(Arc::new(verdict))),
        Role::Standby
    );
    assert_eq!(day.machine.standing().effect, Some(Effect::Ask));
    assert!(day.machine.standing().question.is_some());
}

#[test]
fn chat_and_names_stay() {
    for service in [Service::Chat, Service::Names] {
        assert_eq!(Cause::Unstable.effect(service), Effect::Say, "{service}");
    }
}

#[test]
fn a_question_about_handing_back_that_another_one_displaced_is_asked_again() {
    let mut day = acting(true);
    unstable(&mut day, 60);
    day.step(70, Input::HandbackPaused);
    let topic = |day: &Day| {
        let question = day.machine.standing().question;
        question.map(|question| question.topic)
    };
    assert_eq!(topic(&day), Some(Topic::HandBack));
    let cause = Cause::ForeignCertificate;
    day.dark(80, cause);
    assert_eq!(topic(&day), Some(Topic::TakeOver(cause)));
    unstable(&mut day, 90);
    assert_eq!(topic(&day), None);
    // The part tries again, and meets the same.
    assert!(day.machine.standing().handback);
    day.step(100, Input::HandbackPaused);
    assert_eq!(topic(&day), Some(Topic::HandBack));
}
