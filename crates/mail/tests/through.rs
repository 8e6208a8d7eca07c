//! While the primary lives: its words are ours, and nothing is kept.

use crate::guest::{ANNA, Guest, large, message};
use crate::primary::{Primary, Script, nobody};
use crate::stage::{Phase, Stage};

async fn both(script: Script) -> (Primary, Stage) {
    let primary = Primary::start(script).await;
    let stage = Stage::of(primary.address, Phase::Standby).await;
    (primary, stage)
}

#[tokio::test]
async fn the_primarys_own_words_come_back() {
    let primary = Primary::usual().await;
    primary.told(|script| {
        script.recipients.push(("ben", "550 5.1.1 Ben has left us"));
        script
            .recipients
            .push(("cem", "452 4.2.2 Cem's box is full"));
        script.ends.push(("casino", "554 5.7.1 No games here"));
    });
    let stage = Stage::of(primary.address, Phase::Standby).await;
    let mut guest = Guest::hello(stage.address).await;
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &message("one"))
        .await;
    assert_eq!(said, "250 2.6.0 Taken by the primary");
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &message("casino"))
        .await;
    assert_eq!(said, "554 5.7.1 No games here");
    assert!(
        guest
            .say("MAIL FROM:<a@client.test>")
            .await
            .starts_with("250")
    );
    assert_eq!(
        guest.say("RCPT TO:<ben@verein.test>").await,
        "550 5.1.1 Ben has left us"
    );
    assert_eq!(
        guest.say("RCPT TO:<cem@verein.test>").await,
        "452 4.2.2 Cem's box is full"
    );
    assert!(guest.say("DATA").await.starts_with("554"));
    let received = primary.taken(1).await;
    assert_eq!(received.len(), 1);
    assert!(received[0].data.starts_with(b"Received: from client.test"));
    assert!(received[0].data.ends_with(&message("one")));
    assert_eq!(received[0].xclient, None);
    assert_eq!(stage.handle.tally().waiting, 0);
}

#[tokio::test]
async fn bytes_pass_through_as_they_are() {
    let (primary, stage) = both(Script::default()).await;
    let mut guest = Guest::hello(stage.address).await;
    let body = large("large", 1 << 20);
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &body)
        .await;
    assert!(said.starts_with("250"), "{said}");
    assert!(primary.messages()[0].data.ends_with(&body));
}

#[tokio::test]
async fn the_primary_is_told_the_true_client() {
    let offers = vec!["PIPELINING", "XCLIENT NAME ADDR PORT PROTO HELO"];
    let (primary, stage) = both(Script {
        offers,
        ..Script::default()
    })
    .await;
    let mut guest = Guest::hello(stage.address).await;
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &message("one"))
        .await;
    assert!(said.starts_with("250"), "{said}");
    let line = primary.messages()[0].xclient.clone().unwrap();
    let port = guest.port();
    let meant = format!("ADDR=127.0.0.1 PORT={port} HELO=client.test PROTO=ESMTP");
    assert_eq!(line, format!("XCLIENT NAME=[UNAVAILABLE] {meant}"));
}

#[tokio::test]
async fn a_primary_that_breaks_off_is_451_and_nothing_is_kept() {
    for gone_at in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let (primary, stage) = both(Script {
            gone_at: Some(gone_at),
            ..Script::default()
        })
        .await;
        let mut guest = Guest::hello(stage.address).await;
        let said = guest
            .post("a@client.test", &["anna@verein.test"], &message("one"))
            .await;
        assert!(said.starts_with("451 4.4."), "{gone_at}: {said}");
        assert!(guest.say("NOOP").await.starts_with("250"), "{gone_at}");
        assert!(primary.messages().is_empty());
        assert_eq!(
            stage.handle.tally(),
            mail::spool::Tally::default(),
            "{gone_at}"
        );
    }
    for in_body in [true, false] {
        let cuts = usize::from(!in_body);
        let (_primary, mut stage) = both(Script {
            gone_in_body: in_body,
            cuts,
            ..Script::default()
        })
        .await;
        let mut guest = Guest::hello(stage.address).await;
        let said = guest
            .post("a@client.test", &["anna@verein.test"], &message("one"))
            .await;
        assert!(said.starts_with("451 4.4.2"), "{said}");
        assert_eq!(stage.handle.tally(), mail::spool::Tally::default());
        // Whoever watches hears of it.
        assert!(stage.hints.try_recv().is_ok());
    }
}

#[tokio::test]
async fn a_large_body_that_the_primary_does_not_read_is_451() {
    let (_primary, stage) = both(Script {
        gone_in_body: true,
        ..Script::default()
    })
    .await;
    let mut guest = Guest::hello(stage.address).await;
    let to = ["anna@verein.test"];
    let said = guest
        .post("a@client.test", &to, &large("one", 4 << 20))
        .await;
    assert!(said.starts_with("451 4.4.2"), "{said}");
    assert_eq!(stage.handle.tally(), mail::spool::Tally::default());
}

#[tokio::test]
async fn without_a_primary_a_standby_says_451() {
    let stage = Stage::of(nobody(), Phase::Standby).await;
    let mut guest = Guest::hello(stage.address).await;
    for _ in 0..2 {
        let said = guest
            .post("a@client.test", &["anna@verein.test"], &message("one"))
            .await;
        assert!(said.starts_with("451 4.4.1"), "{said}");
        guest.say("RSET").await;
    }
    assert_eq!(stage.handle.tally(), mail::spool::Tally::default());
}

#[tokio::test]
async fn a_guest_that_breaks_off_leaves_nothing_with_the_primary() {
    let (primary, stage) = both(Script::default()).await;
    let mut guest = Guest::hello(stage.address).await;
    assert!(
        guest
            .begin("a@client.test", &["anna@verein.test"])
            .await
            .starts_with("354")
    );
    assert!(guest.send(&b"half of it\r\n".repeat(30_000)).await);
    drop(guest);
    let mut guest = Guest::hello(stage.address).await;
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &message("whole"))
        .await;
    assert!(said.starts_with("250"), "{said}");
    let received = primary.messages();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].subject(), "whole");
    stage.close().await;
}

#[tokio::test]
async fn what_the_primary_said_of_people_is_learned() {
    let primary = Primary::usual().await;
    primary.told(|script| {
        script
            .recipients
            .push(("nobody", "550 5.1.1 <nobody@verein.test>: No such user"));
        script.ends.push(("casino", "554 5.7.1 No games here"));
    });
    let mut set = crate::stage::Set::new(primary.address);
    set.people.clear();
    let stage = Stage::open(set, Phase::Standby).await;
    let mut guest = Guest::hello(stage.address).await;
    let mut post = async |to: &str, body: &str| {
        guest.say("RSET").await;
        guest.post("a@client.test", &[to], &message(body)).await
    };
    assert!(post("dora@verein.test", "one").await.starts_with("250"));
    assert!(
        post("nobody@verein.test", "one")
            .await
            .starts_with("550 5.1.1")
    );
    // A yes to RCPT alone says nothing, nor that of a message that was refused.
    assert!(post("emil@verein.test", "casino").await.starts_with("554"));
    stage.stand(Phase::Acting).await;
    for (to, meant) in [
        ("dora@verein.test", "250 2.0.0 Kept"),
        ("nobody@verein.test", "450 4.2.0"),
        ("emil@verein.test", "451 4.3.0"),
    ] {
        let said = post(to, "two").await;
        assert!(said.starts_with(meant), "{to}: {said}");
    }
}

/// Answers to RCPT that say nothing about the recipient: a stranger brings them about for anybody.
const NOT_ABOUT_HER: [&str; 8] = [
    "550 5.1.0 <x@client.test>: Sender address rejected: User unknown in virtual mailbox table",
    "550 5.1.7 Sender not verified",
    "550 5.1.8 Sender's domain not found",
    "554 5.7.1 Service unavailable; Client host blocked using zen",
    "550 5.7.1 Recipient rejected by policy",
    "450 4.2.0 Greylisted, see http://postgrey.test/",
    "550 Sender verify failed: no such user",
    "451 4.7.1 Too many unknown recipients from you",
];

#[tokio::test]
async fn what_does_not_name_the_recipient_is_not_learned() {
    for answer in NOT_ABOUT_HER {
        let (primary, stage) = both(Script::default()).await;
        primary.told(|script| script.recipients.push(("anna", answer)));
        let mut guest = Guest::hello(stage.address).await;
        let said = guest.post("x@client.test", &ANNA, &message("one")).await;
        assert_eq!(said, answer);
        stage.stand(Phase::Acting).await;
        guest.say("RSET").await;
        let said = guest.post("b@client.test", &ANNA, &message("two")).await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{answer}: {said}");
    }
}

#[tokio::test]
async fn one_network_teaches_only_so_much() {
    let primary = Primary::usual().await;
    let mut set = crate::stage::Set::new(primary.address);
    set.people.clear();
    let stage = Stage::open(set, Phase::Standby).await;
    let mut guest = Guest::hello(stage.address).await;
    guest.say("MAIL FROM:<a@client.test>").await;
    for number in 0..600 {
        let said = guest.say(&format!("RCPT TO:<p{number}@verein.test>")).await;
        assert!(said.starts_with("250"), "{said}");
    }
    guest.say("DATA").await;
    guest.send(&message("one")).await;
    assert!(guest.say(".").await.starts_with("250"));
    assert_eq!(stage.handle.people().unwrap().learned, 500);
    assert_eq!(stage.counted("reason=\"Lesson\""), 100);
}

#[tokio::test]
async fn chunks_reach_a_primary_that_knows_only_data() {
    let (primary, stage) = both(Script::default()).await;
    primary.told(|script| script.ends.push(("casino", "554 5.7.1 No games here")));
    for (subject, said) in [("one", "250 2.6.0"), ("casino", "554 5.7.1")] {
        let mut guest = Guest::hello(stage.address).await;
        guest.say("MAIL FROM:<a@client.test>").await;
        guest.say("RCPT TO:<anna@verein.test>").await;
        let body = [message(subject), b".\r\n..\r\n".to_vec()].concat();
        let (one, two) = body.split_at(20);
        guest
            .send(format!("BDAT {}\r\n", one.len()).as_bytes())
            .await;
        guest.send(one).await;
        assert!(guest.reply().await.starts_with("250"));
        guest
            .send(format!("BDAT {} LAST\r\n", two.len()).as_bytes())
            .await;
        guest.send(two).await;
        let heard = guest.reply().await;
        assert!(heard.starts_with(said), "{heard}");
        assert!(primary.messages().last().unwrap().data.ends_with(&body));
    }
}

/// Fields in our name, and what stands before them in the header: behind it they were overlooked.
const FORGED: [&str; 4] = [
    "Authentication-Results: mx2.verein.test; dkim=pass header.d=bank.test\r\n",
    "authentication-RESULTS :\r\n (a;\r\n b) \"MX2.verein.\\test\" 1;\r\n\tdkim=pass header.d=bank.test\r\n",
    "Authentication-Results: (x) mx2.verein.test\r\n ; dkim=pass (bank.test)\r\n",
    "X-Servergate-Id: oslo-bank.test\r\n",
];

#[tokio::test]
async fn what_is_forged_in_our_name_does_not_pass_wherever_it_stands() {
    let (primary, stage) = both(Script::default()).await;
    let mut guest = Guest::hello(stage.address).await;
    for (number, padding) in [0, 18 << 10, 310 << 10].into_iter().enumerate() {
        let line = "X-Padding: 0123456789012345678901234567890123456789\r\n";
        let padding = line.repeat(padding / line.len());
        let others = "Authentication-Results: mx.other.example; spf=pass\r\n";
        let head = format!("{padding}{others}{}", FORGED.concat());
        let body = [head.as_bytes(), &message("one")].concat();
        let said = guest.post("a@client.test", &ANNA, &body).await;
        assert!(said.starts_with("250"), "{said}");
        let data = String::from_utf8(primary.messages()[number].data.clone()).unwrap();
        assert!(!data.contains("bank.test"), "{data:.500}");
        let rest = format!(
            "{padding}{others}{}",
            String::from_utf8(message("one")).unwrap()
        );
        assert!(data.ends_with(&rest), "{data:.500}");
    }
    assert_eq!(stage.counted("mail_forged_fields_total"), 12);
}

#[tokio::test]
async fn a_header_that_cannot_be_looked_at_is_refused_and_nothing_arrives() {
    let (primary, stage) = both(Script::default()).await;
    let keeping = Stage::of(nobody(), Phase::Acting).await;
    let hidden = format!("Authentication-Results: ({}) x;\r\n", "y ".repeat(100_000));
    let hops = "Received: from a by b\r\n".repeat(101);
    for stage in [&stage, &keeping] {
        for (head, said) in [(&hidden, "552 5.3.4"), (&hops, "554 5.4.6")] {
            let mut guest = Guest::hello(stage.address).await;
            let body = [head.as_bytes(), &large("one", 1 << 20)].concat();
            let heard = guest.post("a@client.test", &ANNA, &body).await;
            assert!(heard.starts_with(said), "{heard}");
            // Only this message is refused, and its sender heard of it.
            assert!(guest.say("NOOP").await.starts_with("250"));
        }
        assert_eq!(stage.counted("reason=\"Header\""), 1);
        assert_eq!(stage.handle.tally().waiting, 0);
    }
    assert!(primary.messages().is_empty());
}

#[tokio::test]
async fn a_message_that_begins_with_a_space_folds_into_no_field_of_ours() {
    let (primary, stage) = both(Script::default()).await;
    let mut guest = Guest::hello(stage.address).await;
    let body = b" folds\r\nSubject: into ours\r\n\r\nHello.\r\n";
    let said = guest.post("a@client.test", &ANNA, body).await;
    assert!(said.starts_with("250"), "{said}");
    let data = &primary.messages()[0].data;
    assert!(data.starts_with(b"Received: from client.test"));
    // RFC 5322 section 2.1: what is no field is body, behind the empty line.
    let body = [b"\r\n\r\n", &body[..]].concat();
    assert!(data.ends_with(&body), "{}", String::from_utf8_lossy(data));
}

/// What we would say of it ourselves is no matter: the primary is asked, in the guest's own words.
const ODD: [(&str, &str); 9] = [
    ("MAIL FROM:<a@client.test>", "RCPT TO:<a..b@verein.test>"),
    ("MAIL FROM:<a@client.test>", "RCPT TO:<.a.@verein.test>"),
    (
        "MAIL FROM:<a@client.test>",
        "RCPT TO:<\"a..b\"@verein.test>",
    ),
    ("MAIL FROM:<a@client.test>", "RCPT TO:<anna@verein.test.>"),
    (
        "MAIL FROM:<a@client.test>",
        "RCPT TO:<m\u{fc}ller@verein.test>",
    ),
    (
        "MAIL FROM:<user> XYZ=1",
        "RCPT TO:<anna@verein.test> RRVS=x;y",
    ),
    ("MAIL FROM:<a@b@client.test>", "RCPT TO:<anna@verein.test>"),
    ("MAIL FROM:<a,b:c\\d@client.test>", "RCPT TO:<@verein.test>"),
    ("MAIL FROM:<@a.test:>", "RCPT TO:<anna@verein.test>"),
];

#[tokio::test]
async fn what_is_odd_is_for_the_primary_to_judge() {
    for (mail, rcpt) in ODD {
        let (primary, stage) = both(Script::default()).await;
        primary.told(|script| script.recipients.push(("\"a..b", "553 5.1.3 Not here")));
        let mut guest = Guest::connect(stage.address).await;
        let hello = guest.say("EHLO \"my printer\" (3rd floor)").await;
        assert!(hello.starts_with("250"), "{hello}");
        guest.say(mail).await;
        let said = guest.say(rcpt).await;
        let refused = rcpt.contains('"');
        let meant = if refused {
            "553 5.1.3 Not here"
        } else {
            "250 2.1.5 Known"
        };
        assert_eq!(said, meant, "{mail} {rcpt}");
        assert_eq!(primary.commands("MAIL"), [mail]);
        assert_eq!(primary.commands("RCPT"), [rcpt]);
    }
    // Without brackets as well; what goes on has them.
    let (primary, stage) = both(Script::default()).await;
    let mut guest = Guest::hello(stage.address).await;
    guest.say("MAIL FROM:a@client.test SIZE=5").await;
    assert!(
        guest
            .say("RCPT TO: anna@verein.test")
            .await
            .starts_with("250")
    );
    assert_eq!(primary.commands("MAIL"), ["MAIL FROM:<a@client.test>"]);
    assert_eq!(primary.commands("RCPT"), ["RCPT TO:<anna@verein.test>"]);
}

#[tokio::test]
async fn a_sender_whom_the_primary_refuses_is_asked_about_once() {
    let (primary, stage) = both(Script::default()).await;
    primary.told(|script| script.senders.push(("spam", "550 5.7.1 Not from there")));
    let mut guest = Guest::hello(stage.address).await;
    guest.say("MAIL FROM:<spam@client.test>").await;
    for _ in 0..3 {
        let said = guest.say("RCPT TO:<anna@verein.test>").await;
        assert_eq!(said, "550 5.7.1 Not from there");
    }
    assert_eq!(primary.commands("MAIL").len(), 1);
}

#[tokio::test]
async fn smtputf8_is_needed_by_what_is_said_and_not_by_the_flag() {
    let (primary, stage) = both(Script::default()).await;
    let utf8 = b"Subject: m\xc3\xbcde\r\n\r\nHello.\r\n".to_vec();
    for (mail, body, meant) in [
        ("<a@client.test> SMTPUTF8", message("one"), "250 2.6.0"),
        ("<a@client.test> SMTPUTF8", utf8, "553 5.6.7"),
        (
            "<m\u{fc}ller@client.test> SMTPUTF8",
            message("two"),
            "553 5.6.7",
        ),
    ] {
        let mut guest = Guest::hello(stage.address).await;
        guest.say(&format!("MAIL FROM:{mail}")).await;
        let mut said = guest.say("RCPT TO:<anna@verein.test>").await;
        if said.starts_with("250") {
            guest.say("DATA").await;
            guest.send(&body).await;
            said = guest.say(".").await;
        }
        assert!(said.starts_with(meant), "{mail}: {said}");
    }
    assert_eq!(primary.messages().len(), 1);
}

/// A primary that wants the sender to come back, and whose words come byte by byte.
#[tokio::test]
async fn greylisting_in_pieces_is_the_primarys_own_word() {
    let (primary, stage) = both(Script {
        dribbles: true,
        offers: vec!["PIPELINING", "SIZE 1000000"],
        ..Script::default()
    })
    .await;
    let grey = "450 4.2.0 <anna@verein.test>: Greylisted, see http://postgrey.test/";
    primary.told(|script| script.recipients.push(("anna", grey)));
    let mut guest = Guest::hello(stage.address).await;
    let said = guest.post("a@client.test", &ANNA, &message("one")).await;
    assert_eq!(said, grey);
    guest.say("RSET").await;
    primary.told(|script| script.recipients.clear());
    let said = guest.post("a@client.test", &ANNA, &message("one")).await;
    assert_eq!(said, "250 2.6.0 Taken by the primary");
    assert_eq!(primary.messages().len(), 1);
    // Another message, another connection, perhaps before the former is gone.
    assert!(primary.connections().most <= 2);
}
