//! What alerts say of mail, which is not served but taken and kept.

use super::*;

fn words(adjust: impl FnOnce(&mut Standing)) -> String {
    let mail = service("verein.test", Service::Mail);
    let mut world = World::new();
    let mut dark = standing(&mail, 10, Condition::Dark, Some(10));
    adjust(&mut dark);
    world.set(10, dark);
    world.run_to(60);
    let (_, message) = world.sent.first().expect("a message");
    words::write(message, world.desk.standings(), &Phrasebook::default()).text
}

#[test]
fn mail_is_taken_and_kept() {
    let text = words(|_| {});
    assert!(text.contains("verein.test: mail dark (silent)"), "{text}");
    assert!(text.contains("takes mail and keeps it since"), "{text}");
    assert!(text.contains("delivered later"), "{text}");
    assert!(!text.contains("serves it"), "{text}");
}

#[test]
fn a_mail_server_that_cannot_cope_is_helped() {
    let text = words(|standing| standing.effect = Some(Effect::Support));
    assert!(text.contains("keeps what it does not take"), "{text}");
}

#[test]
fn new_mail_is_passed_on_first() {
    let text = words(|standing| standing.role = Role::Returning);
    assert!(text.contains("what was kept follows"), "{text}");
}

#[test]
fn a_hand_back_that_is_refused_is_asked_about() {
    let mail = service("verein.test", Service::Mail);
    let mut world = World::new();
    world.set(10, standing(&mail, 10, Condition::Dark, Some(10)));
    let mut paused = standing(&mail, 300, Condition::Reachable, Some(10));
    paused.state = StateName::HandingBack;
    paused.question = Some(Question {
        id: QuestionId::new("mail-1"),
        service: mail,
        topic: Topic::HandBack,
        asked: now(300).wall,
    });
    world.set(300, paused);
    world.run_to(400);
    assert_eq!(world.transcript().last().unwrap(), "305 ?mail-1");
    let message = &world.sent.last().unwrap().1;
    let text = words::write(message, world.desk.standings(), &Phrasebook::default()).text;
    assert!(text.contains("refuses recipients it knew"), "{text}");
    assert!(text.contains("Nothing is lost"), "{text}");
    assert!(text.contains("servergate answer mail-1 yes|no"), "{text}");
}
