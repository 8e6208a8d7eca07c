//! Handing back that does not go smoothly: interrupted, limited, distrusted, refused.

use host::HandbackOutcome;

use crate::back::{ANNA, accounts, dark, keep, subjects};
use crate::primary::{Primary, Script};
use crate::stage::{Phase, Set, Stage, within};

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
    keep_many(&stage, 60).await;
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
async fn somebody_known_who_is_refused_stops_the_rest() {
    let (primary, mut stage) = dark().await;
    primary.told(|script| script.recipients.push(("ben@", "550 5.1.1 No Ben")));
    keep(&stage, &[("one", &ANNA), ("two", &["ben@verein.test"])]).await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Paused);
    stage.stand(Phase::Asked).await;
    let tally = stage.handle.tally();
    assert_eq!((tally.waiting, tally.quarantined), (1, 0));
    // A person says yes: then it is Ben's message alone that waits, in quarantine.
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    let tally = stage.handle.tally();
    assert_eq!((tally.waiting, tally.quarantined), (0, 1));
    assert_eq!(subjects(&primary.messages()), ["one"]);
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
