//! What alerts say of mail, which is not served but taken and kept.

use host::Reminder;

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

fn remind(world: &mut World, at: u64, due: u64, messages: u64) {
    world.run_to(at);
    let reminder = Reminder {
        service: service("verein.test", Service::Mail),
        at: now(due).wall,
        messages,
        oldest: now(0).wall,
    };
    let mut out = Vec::new();
    world.desk.remind(now(at), reminder, &mut out);
    world.take(at, out);
}

#[test]
fn a_reminder_is_told_once_however_often_it_is_said() {
    let mut world = World::new();
    world.door = false;
    remind(&mut world, 10, 10, 3);
    world.run_to(20);
    world.door = true;
    for at in [30, 3630, 7230] {
        remind(&mut world, at, 10, 4);
    }
    remind(&mut world, 9000, 8990, 5);
    world.run_to(9100);
    assert_eq!(world.transcript(), ["615 !4", "9005 !5"]);
    let message = &world.sent.last().unwrap().1;
    let written = words::write(message, world.desk.standings(), &Phrasebook::default());
    assert_eq!(written.kind, "reminder");
    assert_eq!(written.subject, "verein.test: mail is kept for long");
    assert!(
        written.text.contains("5 messages are kept"),
        "{}",
        written.text
    );
    assert!(written.json.contains(r#""messages":5"#), "{}", written.json);
}

#[test]
fn a_reminder_told_before_a_restart_is_not_told_again() {
    let id = service("verein.test", Service::Mail);
    let mut world = World::new();
    let before = Before {
        reminders: vec![(id, now(10).wall)],
        ..Before::default()
    };
    world.desk = Desk::new(before, TOGETHER);
    remind(&mut world, 20, 10, 3);
    remind(&mut world, 30, 30, 3);
    world.run_to(100);
    assert_eq!(world.transcript(), ["35 !3"]);
}
