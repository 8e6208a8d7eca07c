//! Handing back that does not go smoothly: interrupted, limited, distrusted, refused.

use std::collections::BTreeSet;
use std::time::Duration;

use host::HandbackOutcome;

use crate::back::{accounts, dark, keep, subjects};
use crate::guest::{ANNA, Guest, message};
use crate::primary::{Primary, Script};
use crate::stage::{Phase, Set, Stage, later, within};

async fn keep_many(stage: &Stage, count: usize) -> Vec<String> {
    let all: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let messages: Vec<(&str, &[&str])> = all.iter().map(|one| (one.as_str(), &ANNA[..])).collect();
    keep(stage, &messages).await;
    all
}

#[tokio::test]
async fn a_restart_in_the_middle_sends_nothing_twice() {
    let (primary, stage) = dark().await;
    let all = keep_many(&stage, 150).await;
    stage.stand(Phase::HandingBack).await;
    primary.taken(40).await;
    let folder = stage.close().await;
    let before = primary.messages().len();
    assert!(before < 150, "it was over before it was interrupted");
    let stage = Stage::reopen(folder, Set::new(primary.address), Phase::Acting).await;
    stage.stand(Phase::HandingBack).await;
    stage.waiting(0).await;
    assert_eq!(subjects(&primary.messages()), all);
}

#[tokio::test]
async fn a_change_of_mind_in_the_middle_sends_nothing_twice() {
    let (primary, stage) = dark().await;
    let all = keep_many(&stage, 150).await;
    for enough in [10, 40, 41, 90] {
        stage.stand(Phase::HandingBack).await;
        primary.taken(enough).await;
        stage.stand(Phase::Acting).await;
        stage.idle().await;
    }
    stage.stand(Phase::HandingBack).await;
    stage.waiting(0).await;
    assert_eq!(subjects(&primary.messages()), all);
}

#[tokio::test]
async fn a_primary_that_takes_few_a_connection_gets_all_in_order() {
    for most in [1, 3] {
        let (primary, stage) = dark().await;
        primary.told(|script| script.per_connection = Some(most));
        let all = keep_many(&stage, 30).await;
        stage.stand(Phase::HandingBack).await;
        stage.waiting(0).await;
        assert_eq!(subjects(&primary.messages()), all);
        let cuts = accounts(&stage);
        assert!(cuts.iter().all(|account| account.lines[0].cut == 0));
    }
}

#[tokio::test]
async fn a_primary_that_distrusts_us_gets_all_without_xclient() {
    let primary = Primary::start(Script {
        offers: vec!["PIPELINING", "XCLIENT NAME ADDR PORT PROTO HELO"],
        distrusts: true,
        ..Script::default()
    })
    .await;
    let stage = Stage::of(primary.address, Phase::Acting).await;
    for subject in ["one", "two", "three"] {
        keep(&stage, &[(subject, &ANNA)]).await;
    }
    stage.stand(Phase::HandingBack).await;
    stage.waiting(0).await;
    assert_eq!(subjects(&primary.messages()), ["one", "two", "three"]);
}

#[tokio::test]
async fn many_refusals_in_a_row_are_looked_at_by_a_person() {
    let (primary, mut stage) = dark().await;
    keep(&stage, &[("first", &ANNA)]).await;
    let mut guest = Guest::hello(stage.address).await;
    for number in 0..60 {
        let from = format!("s{}@client.test", number % 5);
        let said = guest.post(&from, &ANNA, &message("more")).await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
    }
    primary.told(|script| {
        script.ends.push(("Subject: first", "250 2.6.0 Good"));
        script.ends.push(("", "554 5.7.1 I do not trust you"));
    });
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Paused);
    stage.stand(Phase::Asked).await;
    let tally = stage.handle.tally();
    assert_eq!(tally.waiting + tally.quarantined, 60);
    assert!((20..23).contains(&tally.quarantined), "{tally:?}");
}

#[tokio::test]
async fn somebody_known_who_is_gone_stops_nobody() {
    let (primary, mut stage) = dark().await;
    primary.told(|script| script.recipients.push(("ben@", "550 5.1.1 No Ben")));
    let messages = [
        ("for ben", &["ben@verein.test"][..]),
        ("one", &ANNA),
        ("for ben too", &["ben@verein.test"]),
        ("two", &ANNA),
    ];
    keep(&stage, &messages).await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(subjects(&primary.taken(2).await), ["one", "two"]);
    // The first was said before anything was taken, so it is tried once more.
    stage.handle.hand_back();
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    let quarantine = stage.handle.quarantine().unwrap();
    assert_eq!(quarantine.len(), 2);
    for one in quarantine {
        assert_eq!(one.recipients[0].2, "550 5.1.1 No Ben");
    }
}

#[tokio::test]
async fn a_primary_that_is_away_again_loses_nothing() {
    let (primary, mut stage) = dark().await;
    keep(&stage, &[("one", &ANNA), ("two", &ANNA)]).await;
    primary.told(|script| script.gone_at = Some("EHLO"));
    stage.stand(Phase::HandingBack).await;
    // Whoever watches hears of it.
    assert!(within(stage.hints.recv()).await.is_some());
    assert_eq!(stage.handle.tally().waiting, 2);
    stage.stand(Phase::Acting).await;
    stage.idle().await;
    primary.told(|script| script.gone_at = None);
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    assert_eq!(subjects(&primary.messages()), ["one", "two"]);
}

/// The primary wants everything later, until the next try is further away than `taken` waits.
async fn put_off(primary: &Primary, stage: &Stage) {
    primary.told(|script| script.recipients.push(("", "451 4.3.0 Later")));
    stage.stand(Phase::HandingBack).await;
    for (tries, wait) in [5, 10, 20, 0].into_iter().enumerate() {
        let over = || primary.commands("QUIT").len() > tries;
        primary.until(over, "end of a try").await;
        stage.idle().await;
        later(Duration::from_secs(wait)).await;
    }
    assert!(primary.messages().is_empty());
    primary.told(|script| script.recipients.clear());
}

#[tokio::test]
async fn a_person_can_have_it_tried_again_at_once() {
    let (primary, stage) = dark().await;
    keep(&stage, &[("one", &ANNA)]).await;
    put_off(&primary, &stage).await;
    stage.handle.hand_back();
    primary.taken(1).await;
}

#[tokio::test]
async fn one_that_is_always_deferred_keeps_back_no_other() {
    let (primary, stage) = dark().await;
    primary.told(|script| {
        script
            .recipients
            .push(("anna@", "452 4.2.2 Her box is full"))
    });
    keep(&stage, &[("one", &ANNA), ("two", &["ben@verein.test"])]).await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(subjects(&primary.taken(1).await), ["two"]);
}

#[tokio::test]
async fn what_is_addressed_in_utf8_is_never_said_without_smtputf8() {
    let primary = Primary::start(Script {
        offers: vec!["PIPELINING", "8BITMIME"],
        ..Script::default()
    })
    .await;
    let mut stage = Stage::of(primary.address, Phase::Acting).await;
    keep(&stage, &[("one", &ANNA)]).await;
    let mut guest = Guest::hello(stage.address).await;
    for line in [
        "MAIL FROM:<m\u{fc}ller@client.test> SMTPUTF8",
        "RCPT TO:<anna@verein.test>",
    ] {
        assert!(guest.say(line).await.starts_with("250"));
    }
    assert!(guest.say("DATA").await.starts_with("354"));
    assert!(guest.say("Subject: two\r\n\r\n.").await.starts_with("250"));
    keep(&stage, &[("three", &ANNA)]).await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    assert_eq!(subjects(&primary.messages()), ["one", "three"]);
    assert_eq!(stage.handle.tally().quarantined, 1);
    let said: BTreeSet<String> = primary.commands("MAIL").into_iter().collect();
    assert!(said.iter().all(|line| line.is_ascii()), "{said:?}");
}

#[tokio::test]
async fn a_round_that_was_stopped_waits_for_nothing() {
    let (primary, stage) = dark().await;
    let all = keep_many(&stage, 150).await;
    put_off(&primary, &stage).await;
    later(Duration::from_secs(40)).await;
    primary.taken(10).await;
    // Decided otherwise, and back again, before the round is over.
    stage.stand(Phase::Acting).await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(primary.taken(150).await.len(), all.len());
}

#[tokio::test]
async fn after_a_restart_the_list_is_read_before_anything_goes_back() {
    let (primary, stage) = dark().await;
    let messages = [
        ("one", &ANNA[..]),
        ("two", &["ben@verein.test"]),
        ("three", &["cem@verein.test"]),
        ("four", &ANNA),
    ];
    keep(&stage, &messages).await;
    let folder = stage.close().await;
    primary.told(|script| script.recipients.push(("", "550 5.1.1 Nobody")));
    let mut stage = Stage::reopen(folder, Set::new(primary.address), Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Paused);
    // Of strangers of one sender one alone would have been asked for.
    assert_eq!(primary.commands("RCPT").len(), 3);
    let tally = stage.handle.tally();
    assert_eq!((tally.waiting, tally.quarantined), (4, 0));
}

#[tokio::test]
async fn smtputf8_is_asked_for_where_it_is_needed_only() {
    for (offers, taken) in [
        (vec![], vec!["ascii"]),
        (vec!["SMTPUTF8"], vec!["ascii", "\u{fc}"]),
    ] {
        let primary = Primary::start(Script {
            offers,
            ..Script::default()
        })
        .await;
        let mut stage = Stage::of(primary.address, Phase::Acting).await;
        let mut guest = Guest::hello(stage.address).await;
        for subject in ["ascii", "\u{fc}"] {
            for line in [
                "MAIL FROM:<a@client.test> SMTPUTF8",
                "RCPT TO:<anna@verein.test>",
            ] {
                assert!(guest.say(line).await.starts_with("250"));
            }
            assert!(guest.say("DATA").await.starts_with("354"));
            let body = format!("Subject: {subject}\r\n\r\nm\u{fc}ller\r\n.");
            assert!(guest.say(&body).await.starts_with("250"));
        }
        stage.stand(Phase::HandingBack).await;
        assert_eq!(stage.ended().await, HandbackOutcome::Done);
        assert_eq!(subjects(&primary.messages()), taken);
        assert_eq!(stage.handle.tally().quarantined, 2 - taken.len());
        let said = primary.commands("MAIL");
        assert!(!said[0].contains("SMTPUTF8"), "{said:?}");
        assert!(
            said.iter().skip(1).all(|line| line.ends_with(" SMTPUTF8")),
            "{said:?}"
        );
    }
}
