//! What was kept goes back: as it came, once, in order, and only to a primary that is whole.

use std::collections::{BTreeMap, BTreeSet};

use host::HandbackOutcome;
use mail::config::Protocol;
use mail::spool::{Account, Fate};

use crate::guest::{ANNA, Guest, large, message};
use crate::primary::{Primary, Received, Script};
use crate::stage::{Phase, Set, Stage};

/// A part that keeps, before a primary.
pub(crate) async fn dark() -> (Primary, Stage) {
    let primary = Primary::usual().await;
    let stage = Stage::of(primary.address, Phase::Acting).await;
    (primary, stage)
}

pub(crate) async fn keep(stage: &Stage, messages: &[(&str, &[&str])]) {
    let mut guest = Guest::hello(stage.address).await;
    for (subject, to) in messages {
        let said = guest.post("a@client.test", to, &message(subject)).await;
        assert!(said.starts_with("250 2.0.0 Kept as "), "{said}");
    }
}

pub(crate) fn subjects(received: &[Received]) -> Vec<String> {
    received.iter().map(Received::subject).collect()
}

pub(crate) fn accounts(stage: &Stage) -> Vec<Account> {
    let all = stage.handle.accounts(0, 1000).unwrap();
    all.into_iter().map(|(_, account)| account).collect()
}

#[tokio::test]
async fn everything_comes_back_as_it_came() {
    let (primary, mut stage) = dark().await;
    let mut guest = Guest::hello(stage.address).await;
    let bodies = [
        message("small"),
        large("large", 1 << 20),
        large("border", 256 << 10),
        b"Subject: no end".to_vec(),
        b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.a\r\n\r\n".to_vec(),
        b"Subject: zero\r\n\r\n\0\xff\x80\r\n".to_vec(),
    ];
    for body in &bodies {
        let mut whole = body.clone();
        if !whole.ends_with(b"\r\n") {
            whole.extend_from_slice(b"\r\n");
        }
        let said = guest.post("a@client.test", &ANNA, &whole).await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
    }
    assert!(primary.commands("").is_empty());
    stage.stand(Phase::HandingBack).await;
    let received = primary.taken(bodies.len()).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    assert_eq!(stage.handle.tally(), mail::spool::Tally::default());
    assert_eq!(received.len(), bodies.len());
    for (received, body) in received.iter().zip(&bodies) {
        let end = received.data.strip_suffix(b"\r\n").unwrap();
        assert!(received.data.ends_with(body) || end.ends_with(body));
        assert!(received.mail.starts_with("MAIL FROM:<a@client.test> SIZE="));
        assert_eq!(received.recipients, ["RCPT TO:<anna@verein.test>"]);
        let text = String::from_utf8_lossy(&received.data);
        assert_eq!(text.matches("X-Servergate-Id: ").count(), 1);
    }
    for account in accounts(&stage) {
        let line = &account.lines[0];
        assert_eq!((line.fate, line.cut), (Fate::HandedBack, 0));
        assert_eq!(line.reply, "250 2.6.0 Taken by the primary");
    }
}

#[tokio::test]
async fn each_once_and_each_senders_in_order() {
    let (primary, mut stage) = dark().await;
    let mut guest = Guest::hello(stage.address).await;
    for number in 0..300 {
        let said = guest
            .post(
                &format!("s{}@client.test", number % 7),
                &ANNA,
                &message(&format!("{number}")),
            )
            .await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
    }
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    in_order(&primary.taken(300).await, 300);
    assert_eq!(stage.handle.tally(), mail::spool::Tally::default());
    let folder = stage.close().await;
    // Nor after a restart.
    let mut stage = Stage::reopen(folder, Set::new(primary.address), Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    assert_eq!(primary.messages().len(), 300);
}

fn in_order(received: &[Received], count: usize) {
    assert_eq!(received.len(), count);
    let all: BTreeSet<String> = subjects(received).into_iter().collect();
    assert_eq!(all.len(), count);
    let mut last: BTreeMap<&str, u32> = BTreeMap::new();
    for one in received {
        let number = one.subject().parse().unwrap();
        let sender = one.mail.split(['<', '>']).nth(1).unwrap();
        let before = last.insert(sender, number);
        assert!(
            before.is_none_or(|before| before < number),
            "{sender}: {before:?}, {number}"
        );
    }
}

#[tokio::test]
async fn every_message_brings_its_own_client() {
    let offers = vec!["PIPELINING", "XCLIENT NAME ADDR PORT PROTO HELO"];
    let primary = Primary::start(Script {
        offers,
        ..Script::default()
    })
    .await;
    let stage = Stage::of(primary.address, Phase::Acting).await;
    let mut ports = Vec::new();
    for number in 0..6 {
        let mut guest = Guest::hello(stage.address).await;
        ports.push(guest.port());
        for half in ["a", "b"] {
            let body = message(&format!("{number}{half}"));
            assert!(
                guest
                    .post("a@client.test", &ANNA, &body)
                    .await
                    .starts_with("250")
            );
        }
    }
    stage.stand(Phase::HandingBack).await;
    for one in primary.taken(12).await {
        let number: usize = one.subject()[..1].parse().unwrap();
        let port = format!(" PORT={} ", ports[number]);
        assert!(one.xclient.as_ref().unwrap().contains(&port), "{one:?}");
    }
}

#[tokio::test]
async fn an_empty_primary_is_asked_for_different_people_and_no_more() {
    let (primary, mut stage) = dark().await;
    primary.told(|script| {
        script
            .recipients
            .push(("", "550 5.1.1 Nobody of that name"))
    });
    keep(
        &stage,
        &[
            ("one", &ANNA),
            ("two", &ANNA),
            ("three", &["ben@verein.test"]),
        ],
    )
    .await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Paused);
    stage.stand(Phase::Asked).await;
    // Two are all for whom something waits.
    let asked = primary.commands("RCPT");
    assert_eq!(
        asked,
        ["RCPT TO:<anna@verein.test>", "RCPT TO:<ben@verein.test>"]
    );
    assert!(primary.messages().is_empty());
    let tally = stage.handle.tally();
    assert_eq!((tally.waiting, tally.quarantined), (3, 0));
    // Somebody has put the people back and says yes.
    primary.told(|script| script.recipients.clear());
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    assert_eq!(subjects(&primary.taken(3).await), ["one", "two", "three"]);
}

#[tokio::test]
async fn contents_that_are_refused_wait_for_a_person() {
    let (primary, mut stage) = dark().await;
    primary.told(|script| script.ends.push(("casino", "554 5.7.1 No games here")));
    keep(&stage, &[("one", &ANNA), ("casino", &ANNA), ("two", &ANNA)]).await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    let taken = primary.taken(2).await;
    assert_eq!(subjects(&taken), ["one", "two"]);
    let quarantine = stage.handle.quarantine().unwrap();
    assert_eq!(quarantine.len(), 1);
    let (recipient, fate, reply) = &quarantine[0].recipients[0];
    assert_eq!(
        (recipient.as_str(), *fate),
        ("anna@verein.test", Fate::Quarantined)
    );
    assert_eq!(reply, "554 5.7.1 No games here");
    let folder = stage.close().await;
    let stage = Stage::reopen(folder, Set::new(primary.address), Phase::HandingBack).await;
    assert_eq!(stage.handle.tally().quarantined, 1);
    primary.told(|script| script.ends.clear());
    let number = stage.handle.quarantine().unwrap()[0].number;
    stage.handle.decide(number, Fate::Waiting).await.unwrap();
    assert_eq!(subjects(&primary.taken(3).await), ["one", "two", "casino"]);
    stage.waiting(0).await;
    assert_eq!(stage.handle.tally().quarantined, 0);
}

#[tokio::test]
async fn what_is_deferred_stays() {
    for deferred in ["recipient", "end"] {
        let (primary, stage) = dark().await;
        primary.told(|script| match deferred {
            "recipient" => script.recipients.push(("ben@", "451 4.3.0 Later")),
            _ => script.ends.push(("two", "451 4.3.0 Later")),
        });
        keep(
            &stage,
            &[
                ("one", &ANNA),
                ("two", &["ben@verein.test"]),
                ("three", &ANNA),
            ],
        )
        .await;
        stage.stand(Phase::HandingBack).await;
        assert_eq!(subjects(&primary.taken(2).await), ["one", "three"]);
        stage.waiting(1).await;
        // An operator sees why.
        stage.idle().await;
        let waits = stage.handle.waiting(0, 9).unwrap();
        assert_eq!(waits[0].recipients[0].1, Fate::Waiting);
        assert_eq!(waits[0].recipients[0].2, "451 4.3.0 Later");
        primary.told(|script| (script.recipients, script.ends) = Default::default());
        stage.stand(Phase::Acting).await;
        stage.stand(Phase::HandingBack).await;
        assert_eq!(subjects(&primary.taken(3).await), ["one", "three", "two"]);
        stage.waiting(0).await;
    }
}

#[tokio::test]
async fn a_cut_gives_one_copy_more_and_is_counted() {
    let (primary, stage) = dark().await;
    keep(&stage, &[("first", &ANNA)]).await;
    stage.stand(Phase::HandingBack).await;
    stage.waiting(0).await;
    // The role changes and nothing went in vain; the next that is sent is the one that is cut.
    stage.stand(Phase::Acting).await;
    keep(&stage, &[("one", &ANNA), ("two", &ANNA), ("three", &ANNA)]).await;
    primary.told(|script| script.cut_of = Some("two"));
    stage.stand(Phase::HandingBack).await;
    stage.waiting(0).await;
    let received = primary.messages();
    let expected = ["first", "one", "two", "two", "three"];
    assert_eq!(subjects(&received), expected);
    let cuts: Vec<u32> = accounts(&stage)
        .iter()
        .map(|account| account.lines[0].cut)
        .collect();
    assert_eq!(cuts, [0, 0, 1, 0]);
    assert_eq!(stage.counted("messages_total{fate=\"Cut\"}"), 1);
}

#[tokio::test]
async fn cuts_in_the_stream_are_counted_one_by_one() {
    let (primary, stage) = dark().await;
    let all: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    let messages: Vec<(&str, &[&str])> = all.iter().map(|one| (one.as_str(), &ANNA[..])).collect();
    keep(&stage, &messages).await;
    stage.stand(Phase::HandingBack).await;
    primary.taken(1).await;
    primary.told(|script| script.cuts = 3);
    stage.waiting(0).await;
    let received = primary.messages();
    let cut: Vec<_> = received.iter().filter(|one| one.said.is_none()).collect();
    assert_eq!(received.len(), 60 + cut.len());
    let answered: Vec<_> = received
        .iter()
        .filter(|one| one.said.is_some())
        .cloned()
        .collect();
    in_order(&answered, 60);
    let counted: u32 = accounts(&stage)
        .iter()
        .map(|account| account.lines[0].cut)
        .sum();
    assert_eq!(counted as usize, cut.len());
}

#[tokio::test]
async fn lmtp_answers_for_each() {
    let primary = Primary::start(Script {
        lmtp: true,
        offers: vec!["PIPELINING"],
        ..Script::default()
    })
    .await;
    let mut set = Set::new(primary.address);
    set.protocol = Protocol::Lmtp;
    let stage = Stage::open(set, Phase::Acting).await;
    primary.told(|script| {
        script.ends.push(("ben@", "452 4.2.2 His box is full"));
        script.ends.push(("cem@", "554 5.7.1 Not for him"));
    });
    let three = ["anna@verein.test", "ben@verein.test", "cem@verein.test"];
    keep(&stage, &[("one", &ANNA), ("two", &three), ("three", &ANNA)]).await;
    stage.stand(Phase::HandingBack).await;
    primary.taken(3).await;
    stage.waiting(1).await;
    let fates = |stage: &Stage| -> Vec<Fate> {
        let account = accounts(stage)
            .into_iter()
            .find(|account| account.lines.len() == 3);
        account
            .unwrap()
            .lines
            .iter()
            .map(|line| line.fate)
            .collect()
    };
    assert_eq!(
        fates(&stage),
        [Fate::HandedBack, Fate::Waiting, Fate::Quarantined]
    );
    primary.told(|script| script.ends.clear());
    stage.stand(Phase::Acting).await;
    stage.stand(Phase::HandingBack).await;
    let again = primary.taken(4).await;
    assert_eq!(again[3].recipients, ["RCPT TO:<ben@verein.test>"]);
    stage.waiting(0).await;
    assert_eq!(
        fates(&stage),
        [Fate::HandedBack, Fate::HandedBack, Fate::Quarantined]
    );
    assert_eq!(stage.handle.tally().quarantined, 1);
}

#[tokio::test]
async fn whom_the_primary_took_gets_no_second_copy() {
    let (primary, stage) = dark().await;
    primary.told(|script| script.recipients.push(("ben@", "451 4.3.0 Later")));
    keep(
        &stage,
        &[
            ("one", &ANNA),
            ("two", &["anna@verein.test", "ben@verein.test"]),
        ],
    )
    .await;
    stage.stand(Phase::HandingBack).await;
    primary.taken(2).await;
    stage.waiting(1).await;
    primary.told(|script| script.recipients.clear());
    // Also over a restart.
    let folder = stage.close().await;
    let stage = Stage::reopen(folder, Set::new(primary.address), Phase::HandingBack).await;
    let received = primary.taken(3).await;
    assert_eq!(received[1].recipients, ["RCPT TO:<anna@verein.test>"]);
    assert_eq!(received[2].recipients, ["RCPT TO:<ben@verein.test>"]);
    stage.waiting(0).await;
}

#[tokio::test]
async fn a_primary_without_extensions_gets_everything_too() {
    let primary = Primary::start(Script::default()).await;
    let stage = Stage::of(primary.address, Phase::Acting).await;
    keep(&stage, &[("one", &ANNA), ("two", &ANNA), ("three", &ANNA)]).await;
    stage.stand(Phase::HandingBack).await;
    let received = primary.taken(3).await;
    assert_eq!(subjects(&received), ["one", "two", "three"]);
    assert!(
        received
            .iter()
            .all(|one| one.mail == "MAIL FROM:<a@client.test>")
    );
    stage.waiting(0).await;
}

#[tokio::test]
async fn nothing_goes_out_while_it_may_not() {
    let (primary, stage) = dark().await;
    keep(&stage, &[("one", &ANNA)]).await;
    for phase in [Phase::Acting, Phase::Asked] {
        stage.stand(phase).await;
        stage.handle.hand_back();
        assert!(!stage.handle.may_hand_back());
    }
    let folder = stage.close().await;
    assert!(primary.commands("").is_empty());
    drop(folder);
}

#[tokio::test]
async fn a_cut_of_the_canary_is_counted() {
    let (primary, stage) = dark().await;
    keep(&stage, &[("one", &ANNA), ("two", &ANNA)]).await;
    primary.told(|script| script.cut_of = Some("one"));
    stage.stand(Phase::HandingBack).await;
    stage.waiting(0).await;
    assert_eq!(subjects(&primary.messages()), ["one", "one", "two"]);
    let cuts: Vec<u32> = accounts(&stage)
        .iter()
        .map(|account| account.lines[0].cut)
        .collect();
    assert_eq!(cuts, [1, 0]);
}
