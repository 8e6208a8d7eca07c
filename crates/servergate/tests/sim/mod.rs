//! A whole day in a small pure world: two organisations, three places, one decision.
//!
//! The world says what a probe would find; everything from there on is the product's own code.

mod flapping;
mod handback;
mod mass;
mod whole;
mod world;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use model::{
    Cause, Condition, Doubt, Fact, Mode, OrganisationId, OutageId, Role, Service, ServiceId,
    Standings, Topic, outage,
};
use proptest::prelude::*;
use servergate::decide::replay;
use world::{Fault, World};

fn web(organisation: &str) -> ServiceId {
    ServiceId::new(OrganisationId::new(organisation), Service::Web)
}

fn role(standings: &Standings, organisation: &str) -> Role {
    standings[&web(organisation)].role
}

#[test]
fn one_organisation_goes_dark_and_the_other_is_left_alone() {
    let mut world = World::new(Mode::Act, &["verein.test", "stadt.test"], &["oslo", "bern"]);
    world.run(60);
    world.cause(Fault::Dark(web("verein.test")));
    world.run(30);
    assert_eq!(role(&world.standings(), "verein.test"), Role::Acting);
    assert_eq!(role(&world.standings(), "stadt.test"), Role::Standby);
    world.mend(&Fault::Dark(web("verein.test")));
    world.run(180 + 30 + 15);
    assert_eq!(role(&world.standings(), "verein.test"), Role::Standby);
    let outages = outage::Outages::of(&world.records);
    let [outage] = outages.all() else {
        panic!("one outage, not {:?}", outages.all())
    };
    assert_eq!(outage.service, web("verein.test"));
    let recovery = outage.recovery_time().expect("it acted");
    assert!(recovery.as_secs() <= 22, "took over after {recovery:?}");
    assert!(outage.ended.is_some());
}

#[test]
fn an_isolated_observer_moves_nothing_and_claims_nothing() {
    let mut world = World::new(Mode::Act, &["verein.test"], &["oslo"]);
    world.run(60);
    world.cause(Fault::Cable("oslo"));
    world.run(600);
    let claims = world.records.iter().filter(|record| match &record.fact {
        Fact::Verdict(verdict) => verdict.condition == Condition::Dark,
        Fact::OutageBegan { .. } => true,
        _ => false,
    });
    assert_eq!(claims.count(), 0);
    assert!(
        world
            .shown
            .iter()
            .all(|standings| role(standings, "verein.test") == Role::Standby)
    );
    // The primary goes dark while we are blind; we find out when we see again.
    world.cause(Fault::Dark(web("verein.test")));
    world.mend(&Fault::Cable("oslo"));
    world.run(40);
    assert_eq!(role(&world.standings(), "verein.test"), Role::Acting);
}

#[test]
fn a_minority_of_places_is_said_and_moves_nothing() {
    let mut world = World::new(Mode::Act, &["verein.test"], &["bern", "oslo", "wien"]);
    world.run(30);
    world.cause(Fault::Path("bern", web("verein.test")));
    world.run(120);
    let standing = &world.standings()[&web("verein.test")];
    assert_eq!(
        (standing.role, standing.condition()),
        (Role::Standby, Some(Condition::BelowQuorum))
    );
}

#[test]
fn observe_moves_nothing_and_the_record_says_what_act_would_have_done() {
    let mut world = World::new(Mode::Observe, &["verein.test"], &["oslo"]);
    world.run(30);
    world.cause(Fault::Dark(web("verein.test")));
    world.run(60);
    assert!(
        world
            .shown
            .iter()
            .all(|standings| role(standings, "verein.test") == Role::Standby)
    );
    let would = world.records.iter().any(|record| {
        matches!(
            &record.fact,
            Fact::Would {
                role: Role::Acting,
                ..
            }
        )
    });
    assert!(would, "the record says nothing of what act would have done");
}

#[test]
fn what_was_never_right_is_asked_about_and_taken_over_once_it_was() {
    for mode in [Mode::Act, Mode::Observe] {
        let mut world = World::new(mode, &["verein.test"], &["oslo"]);
        // A mistyped address: the standby never sees a page.
        world.cause(Fault::Dark(web("verein.test")));
        world.run(600);
        let standing = world.standings()[&web("verein.test")].clone();
        assert_eq!(standing.doubt, Some(Doubt::NeverGood));
        let topic = standing.question.map(|question| question.topic);
        assert_eq!(topic, Some(Topic::NeverGood(Cause::Silent)));
        let moved = |world: &World| {
            let facts = world.records.iter().map(|record| &record.fact);
            let would = facts
                .filter(|fact| matches!(fact, Fact::Would { .. }))
                .count();
            let acted = role(&world.standings(), "verein.test") != Role::Standby;
            acted || would > 0
        };
        assert!(!moved(&world), "{mode:?}");
        world.mend(&Fault::Dark(web("verein.test")));
        world.run(200);
        assert_eq!(world.standings()[&web("verein.test")].doubt, None);
        world.cause(Fault::Dark(web("verein.test")));
        world.run(30);
        assert!(moved(&world), "{mode:?}");
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Dark(web("verein.test"))),
        Just(Fault::Dark(web("stadt.test"))),
        Just(Fault::Cable("oslo")),
        Just(Fault::Cable("bern")),
        Just(Fault::Path("oslo", web("verein.test"))),
        Just(Fault::Flapping(web("stadt.test"), None, 10, 10)),
        Just(Fault::Flapping(web("verein.test"), Some("bern"), 7, 5)),
    ]
}

fn day() -> impl Strategy<Value = Vec<(u64, Fault, bool)>> {
    prop::collection::vec((1_u64..300, fault(), any::<bool>()), 1..12)
}

fn play(mode: Mode, day: &[(u64, Fault, bool)]) -> World {
    let mut world = World::new(mode, &["verein.test", "stadt.test"], &["oslo", "bern"]);
    world.run(20);
    for (seconds, fault, begins) in day {
        if *begins {
            world.cause(fault.clone());
        } else {
            world.mend(fault);
        }
        world.run(*seconds);
    }
    world
}

fn hash(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    for record in &world.records {
        serde_json::to_string(record)
            .expect("a record is JSON")
            .hash(&mut hasher);
    }
    hasher.finish()
}

/// What a record says of standings, without the verdicts' evidence.
fn standings_of<'r>(
    records: impl Iterator<Item = &'r model::Record>,
) -> Vec<(ServiceId, Role, Option<OutageId>)> {
    let standing = |record: &model::Record| match &record.fact {
        Fact::Standing(standing) => Some((
            standing.service.clone(),
            standing.role,
            standing.outage.clone(),
        )),
        _ => None,
    };
    records.filter_map(standing).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_day_leaves_the_same_record(day in day()) {
        prop_assert_eq!(hash(&play(Mode::Act, &day)), hash(&play(Mode::Act, &day)));
    }

    #[test]
    fn the_record_replayed_gives_the_same_standings(day in day()) {
        let world = play(Mode::Act, &day);
        let replayed = replay(world.services(), &world.records);
        prop_assert_eq!(standings_of(replayed.iter()), standings_of(world.records.iter()));
    }

    #[test]
    fn nobody_acts_for_a_primary_that_never_was_dark(day in day()) {
        let day: Vec<_> = day
            .into_iter()
            .filter(|(_, fault, _)| {
                // A path that comes and goes is as below.
                !matches!(fault, Fault::Dark(_) | Fault::Flapping(..))
            })
            .collect();
        // One place's path alone is no majority of two, and a cut cable takes the vote away;
        // but both together leave one place that cannot reach it and sees its references.
        prop_assume!(!day.iter().any(|(_, fault, _)| matches!(fault, Fault::Path(..))));
        let world = play(Mode::Act, &day);
        for standings in &world.shown {
            for standing in standings.values() {
                prop_assert_eq!(standing.role, Role::Standby);
            }
        }
    }
}
