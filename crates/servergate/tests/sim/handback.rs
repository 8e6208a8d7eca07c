//! Mail is handed back, paused, resumed: what parts tell reaches the record, and a replay of it
//! leads to the same standings.

use model::{
    Answer, Fact, Mode, Operator, Order, OrderKind, OrganisationId, Service, ServiceId, StateName,
    Timestamp, Topic,
};
use proptest::prelude::*;
use servergate::decide::{Told, replay};

use super::world::{Fault, World};

fn mail() -> ServiceId {
    ServiceId::new(OrganisationId::new("verein.test"), Service::Mail)
}

/// What a record says of the hand-back.
fn handbacks<'r>(
    records: impl IntoIterator<Item = &'r model::Record>,
) -> Vec<(StateName, bool, bool)> {
    let standing = |record: &model::Record| match &record.fact {
        Fact::Standing(standing) => Some((
            standing.state,
            standing.handback,
            standing.question.is_some(),
        )),
        _ => None,
    };
    records.into_iter().filter_map(standing).collect()
}

/// Back from an outage, and handing back.
fn handing_back() -> World {
    let mut world = World::of(Mode::Act, vec![mail()], &["oslo"]);
    world.run(30);
    world.cause(Fault::Dark(mail()));
    world.run(60);
    world.mend(&Fault::Dark(mail()));
    world.run(180 + 30 + 15);
    assert!(world.standings()[&mail()].handback);
    world
}

fn answer(world: &World, yes: bool) -> Option<Told> {
    let question = world.standings()[&mail()].question.clone()?;
    Some(Told::Answer(Answer {
        question: question.id,
        service: mail(),
        yes,
        by: Operator("kim".into()),
        at: question.asked,
    }))
}

#[test]
fn what_parts_tell_is_in_the_record_and_counts_only_while_mail_is_handed_back() {
    let mut world = handing_back();
    world.tell(Told::HandbackPaused(mail()));
    assert!(!world.standings()[&mail()].handback);
    let yes = answer(&world, true).expect("a question");
    world.tell(yes);
    assert!(world.standings()[&mail()].handback);
    world.tell(Told::HandedBack(mail()));
    assert_eq!(world.standings()[&mail()].state, StateName::Following);
    // Words that come too late are nobody's news.
    world.tell(Told::HandbackPaused(mail()));
    world.tell(Told::HandedBack(mail()));
    let told = |wanted: fn(&Fact) -> bool| {
        let facts = world.records.iter().map(|record| &record.fact);
        facts.filter(|fact| wanted(fact)).count()
    };
    assert_eq!(told(|fact| matches!(fact, Fact::HandbackPaused { .. })), 1);
    assert_eq!(told(|fact| matches!(fact, Fact::HandedBack { .. })), 1);
    assert_eq!(told(|fact| matches!(fact, Fact::OutageEnded { .. })), 1);
}

fn order(world: &mut World, kind: OrderKind) {
    world.tell(Told::Order(Order {
        service: mail(),
        kind,
        by: Operator("kim".into()),
        at: Timestamp::default(),
    }));
}

#[test]
fn an_order_to_stand_by_neither_hides_the_question_nor_keeps_it_from_being_asked() {
    let mut world = handing_back();
    world.tell(Told::HandbackPaused(mail()));
    let asked = world.standings()[&mail()].question.clone();
    order(&mut world, OrderKind::Failback);
    world.run(600);
    let standing = world.standings()[&mail()].clone();
    assert_eq!(standing.state, StateName::Held);
    assert!(asked.is_some() && standing.question == asked && !standing.handback);

    // Where the refusal comes after the order.
    let mut world = handing_back();
    order(&mut world, OrderKind::Failback);
    world.run(600);
    assert!(world.standings()[&mail()].handback);
    world.tell(Told::HandbackPaused(mail()));
    let standing = &world.standings()[&mail()];
    let topic = standing.question.as_ref().map(|question| question.topic);
    assert_eq!((topic, standing.handback), (Some(Topic::HandBack), false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_replay_hands_back_the_same(steps in prop::collection::vec((1_u64..120, 0_u8..9), 1..30)) {
        let mut world = handing_back();
        for (seconds, step) in steps {
            match step {
                0 => world.tell(Told::HandbackPaused(mail())),
                1 => world.tell(Told::HandedBack(mail())),
                2 => world.cause(Fault::Dark(mail())),
                3 => world.mend(&Fault::Dark(mail())),
                6 => order(&mut world, OrderKind::Failback),
                7 => order(&mut world, OrderKind::Auto),
                8 => order(&mut world, OrderKind::Hold),
                _ => if let Some(told) = answer(&world, step == 4) {
                    world.tell(told);
                },
            }
            world.run(seconds);
        }
        let replayed = replay(world.services(), &world.records);
        prop_assert_eq!(handbacks(&replayed), handbacks(&world.records));
    }
}
