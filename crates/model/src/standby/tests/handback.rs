//! Handing back: paused where the primary refuses, resumed by a person, stopped by the dark.

use super::*;

/// A service that hands back, in the middle of it at 310.
fn handing_back(mode: Mode) -> Day {
    let mut day = Day::new(Policy {
        hands_back: true,
        ..policy(mode)
    });
    day.reachable(0, "known");
    day.dark(20, Cause::Silent);
    day.reachable(100, "known");
    day.step(280, Input::Tick);
    assert_eq!(day.step(310, Input::Tick), Role::Standby);
    assert_eq!(day.actions.last(), Some(&Action::StartHandback));
    assert!(day.machine.standing().handback);
    day.actions.clear();
    day
}

/// Paused at 320.
fn paused() -> Day {
    let mut day = handing_back(Mode::Act);
    assert_eq!(day.step(320, Input::HandbackPaused), Role::Standby);
    day
}

fn state(day: &Day) -> (StateName, bool, Option<Topic>) {
    let standing = day.machine.standing();
    let topic = standing.question.map(|question| question.topic);
    (standing.state, standing.handback, topic)
}

fn starts(day: &Day) -> usize {
    let start = |action: &&Action| **action == Action::StartHandback;
    day.actions.iter().filter(start).count()
}

fn restarted(day: &mut Day, seconds: u64) {
    let saved = serde_json::to_string(&day.machine.saved()).expect("written");
    let saved = Restored::Saved(Box::new(serde_json::from_str(&saved).expect("read")));
    day.machine = Standby::new(service(), day.machine.policy.clone(), saved, at(seconds));
}

#[test]
fn it_stops_when_the_primary_is_dark_again() {
    let mut day = handing_back(Mode::Act);
    assert_eq!(day.dark(320, Cause::Silent), Role::Acting);
    assert!(day.actions.contains(&Action::StopHandback));
    assert!(!day.machine.standing().handback);
}

#[test]
fn it_ends_when_the_part_is_done() {
    let mut day = handing_back(Mode::Act);
    day.step(330, Input::HandedBack);
    assert_eq!(state(&day), (StateName::Following, false, None));
    assert!(day.machine.standing().outage.is_none());
}

#[test]
fn a_pause_asks_once_and_is_durable_before_it_is_shown() {
    let mut day = paused();
    let asked = (StateName::HandingBack, false, Some(Topic::HandBack));
    assert_eq!(state(&day), asked);
    let place = |wanted: fn(&Action) -> bool| day.actions.iter().position(wanted);
    let persisted = place(|action| matches!(action, Action::Persist(_)));
    let published = place(|action| matches!(action, Action::Publish(_)));
    assert!(persisted.is_some() && persisted < published);
    let questions = |day: &Day| {
        let ask = |action: &&Action| matches!(action, Action::Ask(_));
        day.actions.iter().filter(ask).count()
    };
    assert_eq!(questions(&day), 1);
    day.step(330, Input::HandbackPaused);
    day.reachable(340, "known");
    day.step(2000, Input::Tick);
    assert_eq!((questions(&day), state(&day)), (1, asked));
    restarted(&mut day, 3000);
    assert_eq!(state(&day), asked);
}

#[test]
fn yes_goes_on() {
    let mut day = paused();
    day.answer(400, true);
    assert_eq!(state(&day), (StateName::HandingBack, true, None));
    assert_eq!(starts(&day), 1);
    // What is refused again is asked about again.
    day.step(410, Input::HandbackPaused);
    let asked = (StateName::HandingBack, false, Some(Topic::HandBack));
    assert_eq!(state(&day), asked);
}

#[test]
fn no_keeps_it_until_an_order_lifts_it() {
    let mut day = paused();
    day.answer(400, false);
    let kept = (StateName::HandingBack, false, None);
    assert_eq!(state(&day), kept);
    restarted(&mut day, 410);
    day.reachable(420, "known");
    day.step(430, Input::HandbackPaused);
    assert_eq!((state(&day), starts(&day)), (kept, 0));
    day.step(500, order(500, OrderKind::Auto));
    assert_eq!(state(&day), (StateName::HandingBack, true, None));
    assert_eq!(starts(&day), 1);
}

#[test]
fn an_order_answers_for_the_question() {
    let mut day = paused();
    day.step(400, order(400, OrderKind::Auto));
    assert_eq!(state(&day), (StateName::HandingBack, true, None));
    assert_eq!(starts(&day), 1);
    // Nothing is paused: nothing begins a second time.
    day.step(410, order(410, OrderKind::Auto));
    assert_eq!(starts(&day), 1);
}

#[test]
fn what_an_order_interrupts_is_handed_back_when_it_is_lifted() {
    for interrupt in [OrderKind::Hold, OrderKind::Failback] {
        let mut day = handing_back(Mode::Act);
        day.step(400, order(400, interrupt));
        // Who gives the service back gives back what is held for it.
        assert_eq!(state(&day), (StateName::Held, true, None));
        day.step(500, order(500, OrderKind::Auto));
        assert_eq!(state(&day), (StateName::HandingBack, true, None));
        assert_eq!(starts(&day), 1);
    }
}

#[test]
fn no_order_to_stand_by_hides_the_question() {
    for interrupt in [OrderKind::Hold, OrderKind::Failback] {
        for lifted in [false, true] {
            let mut day = paused();
            let asked = day.machine.standing().question;
            day.step(400, order(400, interrupt));
            let held = (StateName::Held, false, Some(Topic::HandBack));
            assert_eq!(state(&day), held);
            // Nor does the end of the outage, nor a restart.
            day.reachable(500, "known");
            day.step(2_000, Input::Tick);
            assert!(day.machine.standing().outage.is_none());
            restarted(&mut day, 3_000);
            assert_eq!(state(&day), held);
            if lifted {
                day.step(3_100, order(3_100, OrderKind::Auto));
                let open = (StateName::HandingBack, false, Some(Topic::HandBack));
                assert_eq!(state(&day), open);
            }
            assert_eq!(day.machine.standing().question, asked);
            assert_eq!(starts(&day), 0);
            day.answer(3_200, true);
            let (_, running, question) = state(&day);
            assert_eq!((running, question, starts(&day)), (true, None, 1));
        }
    }
}

#[test]
fn what_is_refused_while_a_service_is_given_back_by_hand_is_asked_about() {
    let mut day = handing_back(Mode::Act);
    day.step(400, order(400, OrderKind::Failback));
    day.step(410, Input::HandbackPaused);
    let held = (StateName::Held, false, Some(Topic::HandBack));
    assert_eq!(state(&day), held);
    // A no is kept while it is held, and lifted as everywhere.
    day.answer(420, false);
    assert_eq!(state(&day), (StateName::Held, false, None));
    day.step(425, order(425, OrderKind::Hold));
    assert_eq!(state(&day), (StateName::Held, false, None));
    for lift in [OrderKind::Failback, OrderKind::Auto] {
        let mut day = Day {
            machine: day.machine.clone(),
            actions: vec![],
        };
        day.step(430, order(430, lift));
        let (_, running, question) = state(&day);
        assert_eq!((running, question), (true, None), "{lift:?}");
    }
}

#[test]
fn whoever_acts_by_order_hands_nothing_back_and_asks_nothing_of_it() {
    let mut day = paused();
    day.step(400, order(400, OrderKind::Failover));
    assert_eq!(state(&day), (StateName::Held, false, None));
    day.step(410, Input::HandbackPaused);
    assert_eq!(state(&day), (StateName::Held, false, None));
}

#[test]
fn nothing_is_handed_back_to_the_dark_by_order() {
    let mut day = paused();
    day.answer(330, true);
    day.step(400, order(400, OrderKind::Failback));
    day.dark(410, Cause::Silent);
    assert_eq!(state(&day), (StateName::Held, false, None));
    day.reachable(420, "known");
    assert_eq!(state(&day), (StateName::Held, true, None));
}

#[test]
fn the_dark_ends_a_pause_and_its_question() {
    for no in [false, true] {
        let mut day = paused();
        if no {
            day.answer(330, false);
        }
        assert_eq!(day.dark(400, Cause::Silent), Role::Acting);
        assert_eq!(state(&day), (StateName::Serving, false, None));
        day.reachable(410, "known");
        day.step(590, Input::Tick);
        day.step(620, Input::Tick);
        assert_eq!(state(&day), (StateName::HandingBack, true, None));
    }
}

#[test]
fn a_pause_elsewhere_says_nothing() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    day.step(10, Input::HandbackPaused);
    assert_eq!(state(&day), (StateName::Following, false, None));
}

#[test]
fn a_service_without_an_outage_is_asked_about_too() {
    let mut day = Day::new(Policy {
        hands_back: true,
        ..policy(Mode::Act)
    });
    day.reachable(0, "known");
    day.step(5, order(5, OrderKind::Failover));
    day.step(6, order(6, OrderKind::Auto));
    day.step(36, Input::Tick);
    day.step(40, Input::HandbackPaused);
    let asked = (StateName::HandingBack, false, Some(Topic::HandBack));
    assert_eq!(state(&day), asked);
    day.answer(50, true);
    assert_eq!(state(&day), (StateName::HandingBack, true, None));
}

#[test]
fn what_was_saved_before_there_were_pauses_is_read() {
    let day = handing_back(Mode::Act);
    let mut saved = serde_json::to_value(day.machine.saved()).expect("written");
    let removed = saved
        .as_object_mut()
        .and_then(|saved| saved.remove("paused"));
    assert_eq!(removed, Some(false.into()));
    let saved: Saved = serde_json::from_value(saved).expect("read");
    assert_eq!(saved, day.machine.saved());
    let mut standing = serde_json::to_value(day.machine.standing()).expect("written");
    standing
        .as_object_mut()
        .and_then(|standing| standing.remove("handback"));
    let standing: Standing = serde_json::from_value(standing).expect("read");
    assert!(!standing.handback);
}

#[derive(Clone, Debug)]
enum Part {
    World(Happening),
    Pauses,
    Done,
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        6 => happening().prop_map(Part::World),
        1 => Just(Part::Pauses),
        1 => Just(Part::Done),
    ]
}

proptest! {
    #[test]
    fn a_part_hands_back_only_to_a_primary_that_is_not_dark_and_is_not_stopped(
        history in prop::collection::vec((1_u64..200, part()), 1..120)
    ) {
        let mut day = Day::new(Policy { hands_back: true, ..policy(Mode::Act) });
        for (pause, part) in history {
            let now = day.machine.handled.after(Duration::from_secs(pause));
            match part {
                Part::World(happening) => {
                    play(&mut day, &[(now.mono.since_anchor().as_secs(), happening)], |_, _, _| {});
                }
                Part::Pauses => {
                    let running = day.machine.standing().handback;
                    day.machine.handle(now, Input::HandbackPaused, &mut day.actions);
                    prop_assert!(!running || !day.machine.standing().handback);
                }
                Part::Done => day.machine.handle(now, Input::HandedBack, &mut day.actions),
            }
            let standing = day.machine.standing();
            if standing.handback {
                let role = match standing.state {
                    StateName::HandingBack | StateName::Held => Role::Standby,
                    StateName::Supporting => Role::Returning,
                    other => return Err(TestCaseError::fail(format!("{other:?}"))),
                };
                prop_assert_eq!(standing.role, role);
                prop_assert!(standing.condition() != Some(Condition::Dark));
                prop_assert!(standing.question.is_none());
            }
            let asked = standing.question.is_some_and(|question| question.topic == Topic::HandBack);
            let may_be = [StateName::HandingBack, StateName::Supporting, StateName::Held];
            prop_assert!(!asked || may_be.contains(&standing.state));
        }
    }
}
