//! A primary with bad manners: it refuses in every way there is, believes in transactions of which
//! nobody knows, and one message never stops, mixes up or doubles another.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use host::HandbackOutcome;

use crate::back::{accounts, subjects};
use crate::guest::{ANNA, Guest, message};
use crate::primary::Received;
use crate::rude::{Manners, Rude};
use crate::stage::{Phase, Set, Stage, later};

const PIPELINED: [&str; 5] = ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN"];
const PEOPLE: [&str; 5] = [
    "anna@verein.test",
    "ben@verein.test",
    "cem@verein.test",
    "dora@verein.test",
    "emil@verein.test",
];

/// A part that keeps, before a primary with this manners.
async fn before(manners: Manners) -> (Rude, Stage) {
    let primary = Rude::start(manners).await;
    let mut set = Set::new(primary.address);
    set.people = PEOPLE.to_vec();
    let stage = Stage::open(set, Phase::Acting).await;
    (primary, stage)
}

/// The same before one that is polite but for what it is told.
async fn before_a_polite_one() -> (Rude, Stage) {
    before(Manners {
        offers: PIPELINED.to_vec(),
        ..Manners::default()
    })
    .await
}

/// Keeps a message each of so many senders.
async fn keep_of_many(stage: &Stage, senders: usize) {
    let mut guest = Guest::hello(stage.address).await;
    for number in 0..senders {
        keep(&mut guest, &format!("s{number}"), &["anna"], "fine").await;
    }
}

/// Keeps a message whose subject says what its envelope is.
async fn keep(guest: &mut Guest, from: &str, to: &[&str], about: &str) {
    let to: Vec<String> = to.iter().map(|one| format!("{one}@verein.test")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let from = format!("{from}@client.test");
    let subject = format!("{about} {from} {}", to.join(" "));
    let said = guest.post(&from, &to, &message(&subject)).await;
    assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
}

/// Everything that was taken stands under the envelope that it came with.
fn under_its_own_envelope(all: &[Received]) {
    for one in all {
        let subject = one.subject();
        let mut words = subject.split(' ').skip(1);
        let from = words.next().unwrap();
        let named: BTreeSet<&str> = words.collect();
        assert!(one.mail.contains(&format!("<{from}>")), "{one:?}");
        for line in &one.recipients {
            let to = line.split(['<', '>']).nth(1).unwrap();
            assert!(named.contains(to), "{one:?}");
        }
    }
}

fn by_about(all: &[Received]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for one in all {
        let about = one.subject().split(' ').next().unwrap().to_owned();
        *counted.entry(about).or_default() += 1;
    }
    counted
}

/// Kinds of messages: who sends them, to whom, what stands in them.
const KINDS: [(&str, &[&str], &str); 8] = [
    ("zen", &["dora"], "blocked"),
    ("good", &["anna"], "fine"),
    ("grey", &["ben"], "greylisted"),
    ("good", &["cem"], "gone"),
    ("evil", &["anna"], "sender"),
    ("good", &["anna"], "spam"),
    ("good", &["anna"], "full"),
    ("more", &["anna", "ben", "cem"], "mixed"),
];

fn refusing(manners: &mut Manners) {
    manners.recipients = vec![
        (
            "dora@".to_owned(),
            "554 5.7.1 Service unavailable; Client host blocked using zen",
        ),
        ("ben@".to_owned(), "450 4.2.0 Greylisted, come again"),
        ("cem@".to_owned(), "550 5.1.1 User unknown"),
    ];
    manners.mails = vec![("evil@".to_owned(), "550 5.7.1 Not from him")];
    manners.ends = vec![
        ("Subject: spam".to_owned(), "554 5.7.1 Spam"),
        ("Subject: full".to_owned(), "552 5.2.2 Her mailbox is full"),
    ];
}

#[tokio::test]
async fn refusals_of_every_kind_stop_nobody_and_mix_nothing_up() {
    let nobody = [
        None,
        Some("554 5.5.1 No valid recipients"),
        Some("354 Go on"),
        Some("354 That is a lie"),
    ];
    for (round, nobody) in nobody.into_iter().enumerate() {
        let mut manners = Manners {
            offers: if round == 1 {
                vec![]
            } else {
                PIPELINED.to_vec()
            },
            nobody,
            keeps_open: round == 0,
            splits: round >= 2,
            ..Manners::default()
        };
        refusing(&mut manners);
        let (primary, stage) = before(manners).await;
        let mut guest = Guest::hello(stage.address).await;
        const EACH: usize = 6;
        for _ in 0..EACH {
            for (from, to, about) in KINDS {
                keep(&mut guest, from, to, about).await;
            }
        }
        stage.stand(Phase::HandingBack).await;
        // Whoever is good gets everything, whatever is said of the others.
        primary
            .until(
                || by_about(&primary.taken()).get("fine") == Some(&EACH),
                "good ones",
            )
            .await;
        stage.waiting(3 * EACH).await;
        stage.idle().await;
        let received = primary.taken();
        under_its_own_envelope(&received);
        let expected = [("fine", EACH), ("mixed", EACH)];
        let expected = expected.map(|(about, count)| (about.to_owned(), count));
        assert_eq!(by_about(&received), BTreeMap::from(expected));
        let tally = stage.handle.tally();
        // Blocked, gone, sender and spam wait for a person; greylisted, full and mixed for Ben.
        assert_eq!((tally.waiting, tally.quarantined), (3 * EACH, 4 * EACH));
        for one in stage.handle.waiting(0, 100).unwrap() {
            assert!(
                one.recipients
                    .iter()
                    .any(|(_, _, words)| words.starts_with("450") || words.starts_with("552")),
                "{one:?}"
            );
        }
        // What waited goes as soon as it may.
        primary.told(|manners| {
            manners.recipients.retain(|(who, _)| who != "ben@");
            manners.ends.pop();
        });
        stage.handle.hand_back();
        stage.waiting(0).await;
        let received = primary.taken();
        under_its_own_envelope(&received);
        let counted = by_about(&received);
        assert_eq!(counted["full"], EACH);
        // Anna had hers, and Ben has his.
        assert_eq!((counted["greylisted"], counted["mixed"]), (EACH, 2 * EACH));
    }
}

#[tokio::test]
async fn the_first_message_decides_nothing_whatever_is_said_of_it() {
    type Change = fn(&mut Manners);
    let ways: [(&str, Change, bool); 8] = [
        (
            "blocked",
            |now| {
                now.recipients
                    .push(("ben@".to_owned(), "554 5.7.1 blocked using zen"))
            },
            true,
        ),
        (
            "sender",
            |now| now.mails.push(("odd@".to_owned(), "550 5.7.1 Not you")),
            true,
        ),
        (
            "spam",
            |now| {
                now.ends
                    .push(("Subject: first".to_owned(), "554 5.7.1 Spam"))
            },
            true,
        ),
        (
            "syntax",
            |now| now.mails.push(("odd@".to_owned(), "501 5.1.7 Bad sender")),
            false,
        ),
        (
            "order",
            |now| {
                now.recipients
                    .push(("ben@".to_owned(), "503 5.5.1 Not now"))
            },
            false,
        ),
        (
            "full",
            |now| {
                now.ends
                    .push(("Subject: first".to_owned(), "552 5.2.2 Full"))
            },
            false,
        ),
        (
            "leaving",
            |now| {
                now.recipients
                    .push(("ben@".to_owned(), "421 4.7.0 Too many errors"))
            },
            false,
        ),
        (
            "gone",
            |now| now.recipients.push(("ben@".to_owned(), "550 5.1.1 Nobody")),
            false,
        ),
    ];
    for (way, change, quarantined) in ways {
        let (primary, stage) = before_a_polite_one().await;
        primary.told(change);
        let mut guest = Guest::hello(stage.address).await;
        keep(&mut guest, "odd", &["ben"], "first").await;
        for from in ["a", "b", "a"] {
            keep(&mut guest, from, &["anna"], "fine").await;
        }
        stage.stand(Phase::HandingBack).await;
        primary.until(|| primary.taken().len() == 3, way).await;
        stage.waiting(usize::from(!quarantined)).await;
        let tally = stage.handle.tally();
        assert_eq!(tally.quarantined, usize::from(quarantined), "{way}");
        under_its_own_envelope(&primary.taken());
    }
}

#[tokio::test]
async fn what_is_never_understood_is_left_to_a_person_in_the_end() {
    let (primary, mut stage) = before(Manners::default()).await;
    primary.told(|manners| {
        manners
            .mails
            .push(("odd@".to_owned(), "501 5.1.7 Bad sender address syntax"))
    });
    let mut guest = Guest::hello(stage.address).await;
    keep(&mut guest, "odd", &["anna"], "odd").await;
    stage.stand(Phase::HandingBack).await;
    for tries in 1..8 {
        primary
            .until(|| primary.commands("MAIL").len() >= tries, "try")
            .await;
        stage.idle().await;
        later(Duration::from_secs(601)).await;
    }
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    assert_eq!(primary.commands("MAIL").len(), 8);
    let quarantine = stage.handle.quarantine().unwrap();
    let words = &quarantine[0].recipients[0].2;
    assert_eq!(words, "501 5.1.7 Bad sender address syntax (tried 8 times)");
}

#[tokio::test]
async fn somebodys_odd_parameters_are_left_out() {
    let (primary, mut stage) = before_a_polite_one().await;
    primary.told(|manners| {
        manners
            .recipients
            .push(("ORCPT=".to_owned(), "501 5.5.4 Bad ORCPT"))
    });
    let mut guest = Guest::hello(stage.address).await;
    for line in [
        "MAIL FROM:<a@client.test>",
        "RCPT TO:<anna@verein.test> ORCPT=rfc822;anna@verein.test",
        "RCPT TO:<ben@verein.test>",
    ] {
        assert!(guest.say(line).await.starts_with("250"), "{line}");
    }
    assert!(guest.say("DATA").await.starts_with("354"));
    let said = guest
        .say("Subject: one a@client.test anna@verein.test ben@verein.test\r\n\r\n.")
        .await;
    assert!(said.starts_with("250"), "{said}");
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    let mut named: Vec<String> = Vec::new();
    for one in primary.taken() {
        named.extend(one.recipients);
    }
    assert_eq!(
        named,
        ["RCPT TO:<ben@verein.test>", "RCPT TO:<anna@verein.test>"]
    );
    assert_eq!(stage.handle.tally().quarantined, 0);
}

#[tokio::test]
async fn a_client_who_is_not_wanted_stops_nobody_elses_mail() {
    let (primary, mut stage) = before(Manners {
        offers: vec!["PIPELINING", "XCLIENT NAME ADDR PORT PROTO HELO"],
        ..Manners::default()
    })
    .await;
    let mut ports = Vec::new();
    for about in ["m0", "m1", "m2", "m3", "m4"] {
        let mut guest = Guest::hello(stage.address).await;
        ports.push(format!(" PORT={} ", guest.port()));
        keep(&mut guest, "a", &["anna"], about).await;
    }
    primary.told(|manners| {
        manners
            .clients
            .push((ports[1].clone(), "554 5.7.1 Client host blocked"));
        manners
            .hellos
            .push((ports[3].clone(), "554 5.7.1 Your network is not wanted"));
    });
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    let received = primary.taken();
    let order: Vec<_> = received
        .iter()
        .map(|one| one.subject()[..2].to_owned())
        .collect();
    assert_eq!(order, ["m0", "m1", "m2", "m3", "m4"]);
    for (number, one) in received.iter().enumerate() {
        let told = one
            .xclient
            .as_ref()
            .is_some_and(|line| line.contains(&ports[number]));
        // They go without, and never under another client's name.
        assert_eq!(told, ![1, 3].contains(&number), "{one:?}");
        assert_eq!(one.xclient.is_some(), told, "{one:?}");
    }
}

#[tokio::test]
async fn one_client_who_is_put_off_waits_alone() {
    let (primary, stage) = before(Manners {
        offers: vec!["PIPELINING", "XCLIENT NAME ADDR PORT PROTO HELO"],
        ..Manners::default()
    })
    .await;
    for (client, about) in [(2, "m0"), (2, "m1"), (3, "m2"), (4, "m3")] {
        let mut guest = Guest::hello_from([127, 0, 0, client], stage.address).await;
        keep(&mut guest, "a", &["anna"], about).await;
    }
    let reply = "421 4.7.0 Too many connections from you";
    primary.told(|manners| manners.clients.push((" ADDR=127.0.0.2 ".to_owned(), reply)));
    stage.stand(Phase::HandingBack).await;
    stage.waiting(2).await;
    stage.idle().await;
    let waits = stage.handle.waiting(0, 9).unwrap();
    assert_eq!(waits[0].recipients[0].2, reply);
    assert_eq!(primary.taken().len(), 2);
    // The second of his was not tried for that.
    assert_eq!(primary.commands("XCLIENT").len(), 3);
    primary.told(|manners| manners.clients.clear());
    later(Duration::from_secs(6)).await;
    stage.waiting(0).await;
}

#[tokio::test]
async fn a_thousand_recipients_take_as_many_transactions_as_the_primary_wants() {
    for (limit, count) in [(100, 1000), (7, 60)] {
        let primary = Rude::start(Manners {
            offers: PIPELINED.to_vec(),
            limit: Some(limit),
            ..Manners::default()
        })
        .await;
        let mut set = Set::new(primary.address);
        set.keep_unknown = true;
        let mut stage = Stage::open(set, Phase::Acting).await;
        let all: Vec<String> = (0..count).map(|n| format!("p{n}@verein.test")).collect();
        let named: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut guest = Guest::hello(stage.address).await;
        let said = guest.post("a@client.test", &named, &message("many")).await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
        assert!(
            guest
                .post("b@client.test", &ANNA, &message("next"))
                .await
                .starts_with("250")
        );
        stage.stand(Phase::HandingBack).await;
        assert_eq!(stage.ended().await, HandbackOutcome::Done);
        let received = primary.taken();
        assert!(subjects(&received).contains(&"next".to_owned()));
        let to_many = received.iter().filter(|one| one.subject() == "many");
        let lines: Vec<&String> = to_many.flat_map(|one| &one.recipients).collect();
        let once: BTreeSet<&String> = lines.iter().copied().collect();
        assert_eq!((lines.len(), once.len()), (count, count));
        let account = &accounts(&stage)[0];
        assert!(
            account
                .lines
                .iter()
                .all(|line| line.fate == mail::spool::Fate::HandedBack)
        );
        assert_eq!(stage.handle.tally(), mail::spool::Tally::default());
    }
}

#[tokio::test]
async fn what_a_primary_takes_no_more_of_waits_together_and_goes_on_together() {
    const ALL: usize = 60;
    const WINDOW: usize = 10;
    let (primary, mut stage) = before_a_polite_one().await;
    keep_of_many(&stage, ALL).await;
    primary.told(|manners| manners.mail = Some(WINDOW));
    stage.stand(Phase::HandingBack).await;
    let mut windows = 0;
    while primary.taken().len() < ALL {
        windows += 1;
        assert!(windows <= ALL / WINDOW, "not all of a window is used");
        let enough = (WINDOW * windows).min(ALL);
        primary
            .until(|| primary.taken().len() >= enough, "window")
            .await;
        stage.idle().await;
        primary.told(|manners| manners.mail = Some(WINDOW));
        // Others of them would wait for minutes by now.
        later(Duration::from_secs(6)).await;
    }
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    under_its_own_envelope(&primary.taken());
    // A window costs a few refusals, and not one of each that waits.
    let mails = primary.commands("MAIL").len();
    assert!(mails <= ALL + windows * 5, "{mails} in {windows} windows");
}

#[tokio::test]
async fn one_sender_who_is_limited_keeps_back_nobody_else() {
    let (primary, mut stage) = before_a_polite_one().await;
    primary.told(|manners| {
        let reply = "450 4.7.1 Sender rate limit exceeded";
        manners.mails.push(("news@".to_owned(), reply));
    });
    let mut guest = Guest::hello(stage.address).await;
    for number in 0..8 {
        keep(&mut guest, "news", &["anna"], "news").await;
        keep(&mut guest, &format!("s{number}"), &["anna"], "fine").await;
    }
    stage.stand(Phase::HandingBack).await;
    primary
        .until(|| primary.taken().len() == 8, "others'")
        .await;
    stage.idle().await;
    assert!(primary.commands("MAIL FROM:<news@").len() <= 5);
    primary.told(|manners| manners.mails.clear());
    later(Duration::from_secs(11)).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    assert_eq!(primary.taken().len(), 16);
}

#[tokio::test]
async fn a_primary_that_takes_few_connections_gets_no_more() {
    const ALL: usize = 200;
    let (primary, mut stage) = before_a_polite_one().await;
    keep_of_many(&stage, ALL).await;
    primary.told(|manners| manners.connections = Some(1));
    stage.stand(Phase::HandingBack).await;
    // More of them are tried after some, and refused.
    primary.until(|| primary.refused() > 0, "refusal").await;
    stage.idle().await;
    later(Duration::from_secs(6)).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    assert_eq!(primary.taken().len(), ALL);
    under_its_own_envelope(&primary.taken());
    // One that was refused is enough to know.
    assert!(primary.refused() <= 2, "{}", primary.refused());
}
