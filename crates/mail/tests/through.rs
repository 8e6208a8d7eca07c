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
    let (primary, stage) = both(Script::default()).await;
    primary.told(|script| script.recipients.push(("nobody", "550 5.1.1 No such user")));
    let mut guest = Guest::hello(stage.address).await;
    let said = guest
        .post("a@client.test", &["dora@verein.test"], &message("one"))
        .await;
    assert!(said.starts_with("250"), "{said}");
    stage.stand(Phase::Acting).await;
    let said = guest
        .post("a@client.test", &["dora@verein.test"], &message("two"))
        .await;
    assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
}

#[tokio::test]
async fn lmtp_gives_the_sender_the_worst_answer() {
    let primary = Primary::start(Script {
        lmtp: true,
        ..Script::default()
    })
    .await;
    let mut set = crate::stage::Set::new(primary.address);
    set.protocol = mail::config::Protocol::Lmtp;
    let stage = Stage::open(set, Phase::Standby).await;
    primary.told(|script| script.ends.push(("ben@", "452 4.2.2 Full")));
    let mut guest = Guest::hello(stage.address).await;
    let said = guest
        .post(
            "a@client.test",
            &["anna@verein.test", "ben@verein.test"],
            &message("one"),
        )
        .await;
    assert_eq!(said, "452 4.2.2 Full");
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &message("two"))
        .await;
    assert_eq!(said, "250 2.6.0 Taken by the primary");
    assert!(primary.commands("EHLO").is_empty() && !primary.commands("LHLO").is_empty());
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

#[tokio::test]
async fn results_forged_under_our_name_do_not_pass_through() {
    let primary = Primary::usual().await;
    let stage = Stage::of(primary.address, Phase::Standby).await;
    let mut guest = Guest::hello(stage.address).await;
    let forged = b"Authentication-Results: mx2.verein.test; dkim=pass header.d=bank.test\r\n";
    let body = [&forged[..], &message("one")].concat();
    let said = guest.post("a@client.test", &ANNA, &body).await;
    assert!(said.starts_with("250"), "{said}");
    let data = String::from_utf8(primary.messages()[0].data.clone()).unwrap();
    assert!(!data.contains("bank.test"), "{data}");
}
