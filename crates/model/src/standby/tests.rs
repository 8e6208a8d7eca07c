//! The standby machine against scripted days and random histories.

mod handback;
mod notice;
mod proof;
mod refusal;
mod unstable;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Operator, OrderKind, OrganisationId, Service, StateName};

fn service() -> ServiceId {
    ServiceId::new(OrganisationId::new("verein.test"), Service::Web)
}

fn at(seconds: u64) -> Now {
    Now::default().after(Duration::from_secs(seconds))
}

fn policy(mode: Mode) -> Policy {
    Policy {
        mode,
        ..Policy::default()
    }
}

fn verdict(seconds: u64, condition: Condition, cause: Option<Cause>, key: &str) -> Input {
    let now = at(seconds).wall;
    Input::Verdict(Arc::new(Verdict {
        service: service(),
        condition,
        cause,
        at: now,
        since: now,
        last_good: None,
        identity: Some(Identity(key.into())),
        places: vec![],
        evidence: vec![],
    }))
}

fn order(seconds: u64, kind: OrderKind) -> Input {
    let by = Operator("kim".into());
    Input::Order(Order {
        service: service(),
        kind,
        by,
        at: at(seconds).wall,
    })
}

/// A machine, its history, and what it did.
struct Day {
    machine: Standby,
    actions: Vec<Action>,
}

impl Day {
    fn new(policy: Policy) -> Self {
        let machine = Standby::new(service(), policy, Restored::Fresh, at(0));
        Self {
            machine,
            actions: vec![],
        }
    }

    fn step(&mut self, seconds: u64, input: Input) -> Role {
        self.machine.handle(at(seconds), input, &mut self.actions);
        self.machine.standing().role
    }

    fn dark(&mut self, seconds: u64, cause: Cause) -> Role {
        self.step(
            seconds,
            verdict(seconds, Condition::Dark, Some(cause), "known"),
        )
    }

    fn reachable(&mut self, seconds: u64, key: &str) -> Role {
        self.step(seconds, verdict(seconds, Condition::Reachable, None, key))
    }

    fn answer(&mut self, seconds: u64, yes: bool) -> Role {
        let question = self.machine.standing().question.expect("a question").id;
        let by = Operator("kim".into());
        let (service, at) = (service(), at(seconds).wall);
        self.step(
            seconds,
            Input::Answer(Answer {
                question,
                service,
                yes,
                by,
                at,
            }),
        )
    }
}

#[test]
fn a_short_outage_of_the_same_server_ends_by_itself() {
    let mut day = Day::new(policy(Mode::Act));
    assert_eq!(day.reachable(0, "known"), Role::Standby);
    assert_eq!(day.dark(20, Cause::Silent), Role::Acting);
    assert_eq!(day.reachable(100, "known"), Role::Acting);
    assert_eq!(day.step(279, Input::Tick), Role::Acting);
    assert_eq!(day.step(280, Input::Tick), Role::Returning);
    assert_eq!(day.step(309, Input::Tick), Role::Returning);
    assert_eq!(day.step(310, Input::Tick), Role::Standby);
    assert!(day.machine.standing().outage.is_none());
    assert_eq!(day.machine.standing().state, StateName::Following);
}

#[test]
fn another_server_or_a_long_outage_waits_for_a_person() {
    for (key, length) in [("foreign", 100), ("known", 2000)] {
        let mut day = Day::new(policy(Mode::Act));
        day.reachable(0, "known");
        day.dark(20, Cause::Silent);
        day.reachable(length, key);
        assert_eq!(day.step(length + 1000, Input::Tick), Role::Acting, "{key}");
        assert_eq!(day.machine.standing().relay, key == "known");
        assert_eq!(day.answer(length + 1001, true), Role::Returning);
        assert_eq!(day.step(length + 1031, Input::Tick), Role::Standby);
    }
}

#[test]
fn a_deadline_that_passed_unnoticed_is_still_due() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    day.dark(20, Cause::Silent);
    day.reachable(100, "known");
    // Whoever keeps the time was busy with something else at 280.
    assert_eq!(day.machine.next_wakeup(at(281)), Some(at(280).mono));
    assert_eq!(day.step(281, Input::Tick), Role::Returning);
    assert_eq!(day.machine.next_wakeup(at(300)), Some(at(311).mono));
    assert_eq!(day.machine.next_wakeup(at(320)), Some(at(311).mono));
    assert_eq!(day.step(320, Input::Tick), Role::Standby);
    assert_eq!(day.machine.next_wakeup(at(321)), None);
}

#[test]
fn a_cause_that_people_judge_is_asked_about() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    assert_eq!(day.dark(20, Cause::HoldingPage), Role::Standby);
    assert_eq!(day.answer(30, false), Role::Standby);
    assert_eq!(day.dark(40, Cause::HoldingPage), Role::Standby);
    assert!(day.machine.standing().question.is_none(), "asked twice");
    // The same outage turns into one that needs no judgement.
    assert_eq!(day.dark(50, Cause::Silent), Role::Acting);
}

#[test]
fn a_path_problem_moves_nothing() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    day.step(
        10,
        verdict(10, Condition::BelowQuorum, Some(Cause::Path), "known"),
    );
    day.step(
        20,
        verdict(20, Condition::Blind, Some(Cause::Observer), "known"),
    );
    assert_eq!(day.dark(30, Cause::Unknown), Role::Standby);
    assert!(
        !day.actions
            .iter()
            .any(|action| matches!(action, Action::Publish(s) if s.role != Role::Standby))
    );
}

#[test]
fn orders_hold_until_they_are_lifted_and_survive_a_restart() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    assert_eq!(day.step(5, order(5, OrderKind::Failover)), Role::Acting);
    assert_eq!(day.reachable(6, "known"), Role::Acting);
    let saved = Restored::Saved(Box::new(day.machine.saved()));
    day.machine = Standby::new(service(), policy(Mode::Act), saved, at(10));
    assert_eq!(day.machine.standing().role, Role::Acting);
    assert!(day.machine.standing().held_by.is_some());
    assert_eq!(day.step(11, order(11, OrderKind::Failback)), Role::Standby);
    assert_eq!(day.dark(20, Cause::Silent), Role::Standby);
    assert_eq!(day.step(30, order(30, OrderKind::Auto)), Role::Acting);
}

#[test]
fn after_a_restart_the_old_role_stays_until_there_is_a_verdict() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    day.dark(20, Cause::Silent);
    let saved = Restored::Saved(Box::new(day.machine.saved()));
    day.machine = Standby::new(service(), policy(Mode::Act), saved, at(30));
    assert_eq!(day.step(60, Input::Tick), Role::Acting);
    day.step(
        61,
        verdict(61, Condition::Blind, Some(Cause::Observer), "known"),
    );
    assert_eq!(day.step(500, Input::Tick), Role::Acting);
    assert_eq!(day.reachable(501, "known"), Role::Acting);
    assert_eq!(day.step(681, Input::Tick), Role::Returning);
}

#[test]
fn what_must_be_durable_comes_before_what_is_shown() {
    let mut day = Day::new(policy(Mode::Act));
    day.reachable(0, "known");
    day.actions.clear();
    day.dark(20, Cause::Silent);
    let place = |wanted: fn(&Action) -> bool| day.actions.iter().position(wanted);
    let persisted = place(|action| matches!(action, Action::Persist(_)));
    let published = place(|action| matches!(action, Action::Publish(_)));
    assert!(
        persisted.is_some() && persisted < published,
        "{:?}",
        day.actions
    );
}

#[derive(Clone, Debug)]
enum Happening {
    Sees(Condition, Cause, bool),
    Orders(OrderKind),
    Answers(bool),
    Waits,
}

fn happening() -> impl Strategy<Value = Happening> {
    let condition = prop_oneof![
        3 => Just(Condition::Reachable),
        1 => Just(Condition::Suspect),
        1 => Just(Condition::BelowQuorum),
        3 => Just(Condition::Dark),
        1 => Just(Condition::Blind),
        2 => Just(Condition::Unstable),
    ];
    let cause = prop_oneof![
        4 => Just(Cause::Silent),
        1 => Just(Cause::Tls),
        1 => Just(Cause::HoldingPage),
        1 => Just(Cause::Unknown),
    ];
    let kind = prop_oneof![
        Just(OrderKind::Failover),
        Just(OrderKind::Failback),
        Just(OrderKind::Hold),
        Just(OrderKind::Auto)
    ];
    prop_oneof![
        8 => (condition, cause, any::<bool>()).prop_map(|(a, b, c)| Happening::Sees(a, b, c)),
        1 => kind.prop_map(Happening::Orders),
        1 => any::<bool>().prop_map(Happening::Answers),
        4 => Just(Happening::Waits),
    ]
}

/// Plays a history and gives every input with its time, so that it can be played again.
fn play(day: &mut Day, history: &[(u64, Happening)], mut each: impl FnMut(Now, &Input, &Day)) {
    let mut now = at(0);
    for (pause, happening) in history {
        let until = now.after(Duration::from_secs(*pause));
        // Timers fire on time, as they do live.
        while let Some(due) = day.machine.next_wakeup(now).filter(|due| *due < until.mono) {
            now = now.after(due.since(now.mono));
            day.machine.handle(now, Input::Tick, &mut day.actions);
            each(now, &Input::Tick, day);
        }
        now = until;
        let seconds = now.mono.since_anchor().as_secs();
        let input = match happening {
            Happening::Sees(condition, cause, known) => {
                let dark = match condition {
                    Condition::Dark => Some(*cause),
                    Condition::Unstable => Some(Cause::Unstable),
                    _ => None,
                };
                verdict(
                    seconds,
                    *condition,
                    dark,
                    if *known { "known" } else { "other" },
                )
            }
            Happening::Orders(kind) => order(seconds, *kind),
            Happening::Answers(yes) => match day.machine.standing().question {
                Some(question) => Input::Answer(Answer {
                    question: question.id,
                    service: service(),
                    yes: *yes,
                    by: Operator("kim".into()),
                    at: now.wall,
                }),
                None => Input::Tick,
            },
            Happening::Waits => Input::Tick,
        };
        day.machine.handle(now, input.clone(), &mut day.actions);
        each(now, &input, day);
    }
}

fn history() -> impl Strategy<Value = Vec<(u64, Happening)>> {
    prop::collection::vec((0_u64..200, happening()), 1..120)
}

fn published(day: &Day) -> impl Iterator<Item = &Standing> {
    day.actions.iter().filter_map(|action| match action {
        Action::Publish(standing) => Some(standing),
        _ => None,
    })
}

proptest! {
    #[test]
    fn an_epoch_never_has_two_roles(history in history()) {
        let mut day = Day::new(policy(Mode::Act));
        play(&mut day, &history, |_, _, _| {});
        let mut roles = BTreeMap::new();
        for standing in published(&day) {
            let role = roles.entry(standing.epoch).or_insert(standing.role);
            prop_assert_eq!(*role, standing.role);
        }
    }

    #[test]
    fn observe_moves_nothing_and_says_what_act_would_have_done(history in history()) {
        let mut observing = Day::new(policy(Mode::Observe));
        let mut acting = Day::new(policy(Mode::Act));
        let mut would = Vec::new();
        play(&mut observing, &history, |_, _, day| {
            let standing = day.machine.standing();
            would.push(standing.would.unwrap_or(standing.role));
        });
        let mut did = Vec::new();
        play(&mut acting, &history, |_, _, day| did.push(day.machine.standing().role));
        prop_assert_eq!(would, did);
        for standing in published(&observing) {
            prop_assert_eq!(standing.role, Role::Standby);
            prop_assert_eq!(standing.epoch, Epoch::default());
        }
    }

    #[test]
    fn without_orders_the_primary_is_clean_for_long_enough_before_it_gets_its_traffic(
        history in history()
    ) {
        let mut day = Day::new(policy(Mode::Act));
        let history: Vec<_> = history
            .into_iter()
            .filter(|(_, happening)| !matches!(happening, Happening::Orders(_)))
            .collect();
        let (mut good_since, mut before, mut before_it) = (None, Role::Standby, None);
        let mut flaps = Vec::new();
        play(&mut day, &history, |now, input, day| {
            if let Input::Verdict(verdict) = input {
                // What failed and answered in turn is only called reachable when it is clean.
                let clean = match before_it {
                    Some(Condition::Unstable) => {
                        let from = now.mono.since_anchor().saturating_sub(Policy::default().clean);
                        Mono::at(from)
                    }
                    _ => now.mono,
                };
                good_since = (verdict.condition == Condition::Reachable)
                    .then(|| good_since.unwrap_or(clean));
                before_it = Some(verdict.condition);
            }
            let role = day.machine.standing().role;
            if before == Role::Acting && role == Role::Returning {
                let clean = good_since.map_or(Duration::ZERO, |since| now.mono.since(since));
                flaps.push(clean);
            }
            assert!(!(before == Role::Acting && role == Role::Standby), "left without returning");
            before = role;
        });
        for clean in flaps {
            prop_assert!(clean >= Policy::default().clean, "returned after {clean:?}");
        }
    }

    #[test]
    fn a_replay_of_the_inputs_yields_the_same_standings(history in history()) {
        let mut day = Day::new(policy(Mode::Act));
        let mut inputs = Vec::new();
        let mut standings = Vec::new();
        play(&mut day, &history, |now, input, day| {
            inputs.push((now, input.clone()));
            standings.push(day.machine.standing());
        });
        let mut again = Day::new(policy(Mode::Act));
        for ((now, input), standing) in inputs.into_iter().zip(standings) {
            // Ticks need not be recorded: timers tell when they are due.
            again.machine.handle(now, input, &mut again.actions);
            prop_assert_eq!(again.machine.standing(), standing);
        }
    }

    #[test]
    fn a_restart_anywhere_changes_no_role(history in history(), cut in 0_usize..120) {
        let mut day = Day::new(policy(Mode::Act));
        let cut = cut.min(history.len());
        play(&mut day, &history[..cut], |_, _, _| {});
        let now = at(100_000);
        let saved = serde_json::to_string(&day.machine.saved()).expect("written");
        let saved = serde_json::from_str(&saved).expect("read");
        let restored =
            Standby::new(service(), policy(Mode::Act), Restored::Saved(Box::new(saved)), now);
        prop_assert_eq!(restored.standing().role, day.machine.standing().role);
        prop_assert_eq!(restored.standing().epoch, day.machine.standing().epoch);
    }
}
