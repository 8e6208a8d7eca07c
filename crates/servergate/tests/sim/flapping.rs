//! A primary that fails and answers in turn: visitors are served, people hear of it once, and it is
//! taken over when it goes dark for good.

use model::{Condition, Fact, Mode, Role, ServiceId, StateName};

use super::web;
use super::world::{Fault, World};

/// How long resolvers keep an answer.
const TTL: u64 = 5;

/// Somebody who asks for a page every second, by name.
#[derive(Default)]
struct Visitor {
    led_here: bool,
    until: u64,
    second: u64,
    /// When pages failed.
    failed: Vec<u64>,
}

impl Visitor {
    /// Lets time pass and asks in every second of it.
    fn browse(&mut self, world: &mut World, service: &ServiceId, seconds: u64) {
        for _ in 0..seconds {
            world.run(1);
            self.second += 1;
            if self.second >= self.until {
                self.led_here = world.standings()[service].role != Role::Standby;
                self.until = self.second + TTL;
            }
            // Here the copy answers where the primary does not.
            if !self.led_here && !world.answers(service) {
                self.failed.push(self.second);
            }
        }
    }
}

fn count(world: &World, wanted: fn(&Fact) -> bool) -> usize {
    let facts = world.records.iter().map(|record| &record.fact);
    facts.filter(|fact| wanted(fact)).count()
}

fn says_unstable(fact: &Fact) -> bool {
    matches!(fact, Fact::Verdict(verdict) if verdict.condition == Condition::Unstable)
}

/// From the shortest period to two minutes. (Where the period divides the interval of these probes,
/// all of them may fall into the same phase.)
const PERIODS: [(u64, u64); 9] = [
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

#[test]
fn nearly_all_pages_of_an_hour_of_flapping_are_served_and_it_is_told_once() {
    let service = web("verein.test");
    let mut world = World::new(Mode::Act, &["verein.test"], &["oslo"]);
    world.run(300);
    world.cause(Fault::Flapping(service.clone(), None, 10, 10));
    let mut visitor = Visitor::default();
    visitor.browse(&mut world, &service, 3_600);
    let failed = visitor.failed.len();
    assert!(failed <= 60, "{failed} of 3600 pages failed");
    // An alert follows what begins, what ends, and what is asked.
    assert_eq!(
        count(&world, |fact| matches!(fact, Fact::OutageBegan { .. })),
        1
    );
    assert_eq!(
        count(&world, |fact| matches!(fact, Fact::OutageEnded { .. })),
        0
    );
    assert_eq!(count(&world, |fact| matches!(fact, Fact::Asked(_))), 0);
    // And it ends by itself, after the clean minutes and not before.
    world.mend(&Fault::Flapping(service.clone(), None, 10, 10));
    world.run(160);
    assert_ne!(world.standings()[&service].role, Role::Standby);
    world.run(3_000);
    let standing = &world.standings()[&service];
    let asked = standing.question.is_some();
    assert!(asked || standing.role == Role::Standby, "{standing:?}");
}

#[test]
fn whatever_the_period_all_pages_are_served_after_three_minutes() {
    for places in [&["oslo"][..], &["bern", "oslo", "wien"][..]] {
        for (up, down) in PERIODS {
            let service = web("verein.test");
            let mut world = World::new(Mode::Act, &["verein.test"], places);
            world.run(200);
            world.cause(Fault::Flapping(service.clone(), None, up, down));
            let mut visitor = Visitor::default();
            visitor.browse(&mut world, &service, 900);
            let late: Vec<_> = visitor.failed.iter().filter(|at| **at > 180).collect();
            assert!(
                late.is_empty(),
                "{up}/{down} from {places:?}: failed at {late:?}"
            );
            let began = count(&world, |fact| matches!(fact, Fact::OutageBegan { .. }));
            assert_eq!(began, 1, "{up}/{down} from {places:?}");
        }
    }
}

#[test]
fn what_goes_dark_for_good_is_taken_over_in_the_usual_time() {
    for (up, down) in PERIODS {
        // Every moment of the period gets its turn.
        for offset in [0, 3, 7] {
            let service = web("verein.test");
            let mut world = World::new(Mode::Act, &["verein.test"], &["oslo"]);
            world.run(200);
            world.cause(Fault::Flapping(service.clone(), None, up, down));
            world.run(300 + offset);
            world.cause(Fault::Dark(service.clone()));
            world.run(23);
            let standing = &world.standings()[&service];
            assert_eq!(standing.role, Role::Acting, "{up}/{down} after {offset} s");
            assert_eq!(standing.condition(), Some(Condition::Dark), "{up}/{down}");
        }
    }
}

#[test]
fn a_blip_and_one_places_path_are_nothing() {
    let service = web("verein.test");
    let mut world = World::new(Mode::Act, &["verein.test"], &["oslo"]);
    world.run(200);
    world.cause(Fault::Dark(service.clone()));
    world.run(7);
    world.mend(&Fault::Dark(service.clone()));
    world.run(600);
    assert_eq!(count(&world, says_unstable), 0);

    let mut world = World::new(Mode::Act, &["verein.test"], &["bern", "oslo", "wien"]);
    world.run(200);
    world.cause(Fault::Flapping(service, Some("bern"), 7, 8));
    world.run(900);
    assert_eq!(count(&world, says_unstable), 0);
    assert_eq!(
        count(&world, |fact| matches!(fact, Fact::OutageBegan { .. })),
        0
    );
}

#[test]
fn an_observer_whose_own_cable_flaps_says_nothing_of_the_primary() {
    let mut world = World::new(Mode::Act, &["verein.test"], &["oslo"]);
    world.run(200);
    for _ in 0..60 {
        world.cause(Fault::Cable("oslo"));
        world.run(10);
        world.mend(&Fault::Cable("oslo"));
        world.run(10);
    }
    assert_eq!(count(&world, says_unstable), 0);
    assert_eq!(
        count(&world, |fact| matches!(fact, Fact::OutageBegan { .. })),
        0
    );
}

#[test]
fn what_flaps_too_briefly_to_be_dark_is_supported() {
    let service = web("verein.test");
    let mut world = World::new(Mode::Act, &["verein.test"], &["oslo"]);
    world.run(200);
    world.cause(Fault::Flapping(service.clone(), None, 4, 3));
    world.run(180);
    let standing = &world.standings()[&service];
    assert_eq!(standing.state, StateName::Supporting);
    assert_eq!(standing.role, Role::Returning);
    assert!(standing.relay);
}
