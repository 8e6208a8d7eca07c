//! While the primary is dark: only whoever exists, and only what is durable.

use std::collections::BTreeMap;

use crate::guest::{ANNA, Guest, large, message};
use crate::primary::{Primary, nobody};
use crate::stage::{Phase, Set, Stage, until};

/// What is exported of `stage`, by subject.
fn kept(stage: &Stage) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    stage.handle.export(folder.path()).unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap();
    let read = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let subject = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        line.unwrap().to_owned()
    };
    read.map(|bytes| (subject(&bytes), bytes)).collect()
}

#[tokio::test]
async fn the_list_decides() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    guest.say("MAIL FROM:<a@client.test>").await;
    for (recipient, said) in [
        ("anna@verein.test", "250 2.1.5"),
        ("Anna+news@VEREIN.test", "250 2.1.5"),
        ("postmaster@verein.test", "250 2.1.5"),
        ("postmaster", "250 2.1.5"),
        ("nobody@verein.test", "550 5.1.1"),
        ("anna@elsewhere.test", "550 5.7.1"),
    ] {
        let heard = guest.say(&format!("RCPT TO:<{recipient}>")).await;
        assert!(heard.starts_with(said), "{recipient}: {heard}");
    }
    let mut set = Set::new(nobody());
    set.people.clear();
    let stage = Stage::open(set, Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &message("one"))
        .await;
    assert!(said.starts_with("451 4.3.0"), "{said}");
    let mut set = Set::new(nobody());
    set.keep_unknown = true;
    let stage = Stage::open(set, Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    let said = guest
        .post("a@client.test", &["nobody@verein.test"], &message("one"))
        .await;
    assert!(said.starts_with("250 2.0.0 Kept as "), "{said}");
}

#[tokio::test]
async fn small_and_large_are_there_after_reopening() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    let to = ["anna@verein.test", "ben@verein.test"];
    let bodies = [
        message("small"),
        large("large", 1 << 20),
        large("border", 256 << 10),
    ];
    let mut names = Vec::new();
    for body in &bodies {
        let said = guest.post("a@client.test", &to, body).await;
        names.push(said.strip_prefix("250 2.0.0 Kept as ").unwrap().to_owned());
    }
    let empty = guest.post("", &to, b"").await;
    assert!(empty.starts_with("250 2.0.0 Kept as "), "{empty}");
    let before = stage.handle.tally();
    assert_eq!(before.waiting, 4);
    drop(guest);
    let folder = stage.close().await;
    let stage = Stage::reopen(folder, Set::new(nobody()), Phase::Acting).await;
    assert_eq!(stage.handle.tally(), before);
    let summaries = stage.handle.waiting(0, 10).unwrap();
    let there: Vec<_> = summaries.iter().map(|one| one.id.clone()).collect();
    assert_eq!(there[..3], names);
    assert_eq!(summaries[0].sender.as_deref(), Some("a@client.test"));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(stage.handle.export(folder.path()).unwrap(), 4);
    for (summary, body) in summaries.iter().zip(&bodies) {
        let file = folder.path().join(format!("{}.eml", summary.number));
        let bytes = std::fs::read(file).unwrap();
        assert!(bytes.ends_with(body));
        let above = String::from_utf8(bytes[..bytes.len() - body.len()].to_vec()).unwrap();
        assert!(above.starts_with("Received: from client.test"), "{above}");
        assert!(
            above.ends_with(&format!("X-Servergate-Id: {}\r\n", summary.id)),
            "{above}"
        );
    }
}

#[tokio::test]
async fn chunks_and_smtputf8_are_kept() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    assert!(
        guest
            .say("MAIL FROM:<m\u{fc}ller@client.test> SMTPUTF8 BODY=8BITMIME")
            .await
            .starts_with("250")
    );
    assert!(
        guest
            .say("RCPT TO:<anna@verein.test>")
            .await
            .starts_with("250")
    );
    let body = message("chunks");
    let (one, two) = body.split_at(30);
    guest
        .send(format!("BDAT {}\r\n", one.len()).as_bytes())
        .await;
    guest.send(one).await;
    assert!(guest.reply().await.starts_with("250"));
    guest
        .send(&[format!("BDAT {} LAST\r\n", two.len()).as_bytes(), two].concat())
        .await;
    assert!(guest.reply().await.starts_with("250 2.0.0 Kept as "));
    assert!(kept(&stage)["chunks"].ends_with(&body));
}

#[tokio::test]
async fn a_locked_store_takes_mail_and_a_later_unlock_hands_it_back() {
    let folder = Stage::of(nobody(), Phase::Acting).await.close().await;
    let primary = Primary::usual().await;
    let mut set = Set::new(primary.address);
    set.locked = true;
    let stage = Stage::reopen(folder, set, Phase::Acting).await;
    assert_eq!(stage.handle.people(), None);
    let mut guest = Guest::hello(stage.address).await;
    for body in [message("small"), large("large", 1 << 20)] {
        let said = guest
            .post("a@client.test", &["anna@verein.test"], &body)
            .await;
        assert!(said.starts_with("250 2.0.0 Kept as "), "{said}");
    }
    assert_eq!(stage.handle.tally().waiting, 2);
    drop(guest);
    // What was sealed before the restart cannot be read after it.
    let mut set = Set::new(primary.address);
    set.locked = true;
    let stage = Stage::reopen(stage.close().await, set, Phase::HandingBack).await;
    assert_eq!(stage.handle.waiting(0, 9).unwrap()[0].sender, None);
    assert!(primary.messages().is_empty());
    stage.store.seal().unlock(crate::stage::WORDS).unwrap();
    assert_eq!(primary.taken(2).await.len(), 2);
    stage.waiting(0).await;
}

#[tokio::test]
async fn a_full_disk_is_452_before_data() {
    let folder = Stage::of(nobody(), Phase::Acting).await.close().await;
    let mut set = Set::new(nobody());
    set.reserve = u64::MAX / 2;
    let stage = Stage::reopen(folder, set, Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    guest.say("MAIL FROM:<a@client.test>").await;
    let said = guest.say("RCPT TO:<anna@verein.test>").await;
    assert!(said.starts_with("452 4.3.1"), "{said}");
    assert!(guest.say("DATA").await.starts_with("554"));
    assert_eq!(stage.handle.tally().waiting, 0);
}

#[tokio::test]
async fn a_guest_that_breaks_off_leaves_nothing() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    for lines in [10, 100_000] {
        let mut guest = Guest::hello(stage.address).await;
        assert!(
            guest
                .begin("a@client.test", &["anna@verein.test"])
                .await
                .starts_with("354")
        );
        assert!(guest.send(&b"half of it\r\n".repeat(lines)).await);
    }
    let mut guest = Guest::hello(stage.address).await;
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &message("whole"))
        .await;
    assert!(said.starts_with("250"), "{said}");
    assert_eq!(kept(&stage).into_keys().collect::<Vec<_>>(), ["whole"]);
    drop(guest);
    stage.close().await;
}

#[tokio::test]
async fn a_message_that_goes_in_circles_is_refused() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    let hops = "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n".repeat(101);
    let body = [hops.as_bytes(), &message("loop")].concat();
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &body)
        .await;
    assert!(said.starts_with("554 5.4.6"), "{said}");
    assert_eq!(stage.handle.tally().waiting, 0);
}

#[tokio::test]
async fn a_drain_finishes_the_message_that_is_under_way() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    assert!(
        guest
            .begin("a@client.test", &["anna@verein.test"])
            .await
            .starts_with("354")
    );
    let ending = async {
        let folder = stage.close().await;
        Stage::reopen(folder, Set::new(nobody()), Phase::Acting).await
    };
    let posting = async {
        guest.send(&message("last")).await;
        guest.send(b".\r\n").await;
        let said = guest.reply().await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
        guest.rest().await
    };
    let (stage, rest) = tokio::join!(ending, posting);
    assert!(rest.starts_with("421 4.3.2"), "{rest}");
    until("message", || stage.handle.tally().waiting == 1).await;
}

#[tokio::test]
async fn a_large_message_that_goes_in_circles_is_refused() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    let hops = "Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n".repeat(101);
    let body = [hops.as_bytes(), &large("loop", 300 << 10)].concat();
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &body)
        .await;
    assert!(said.starts_with("554 5.4.6"), "{said}");
}

#[tokio::test]
async fn the_quota_holds_for_messages_without_a_size() {
    let mut set = Set::new(nobody());
    set.quota = Some(10_000);
    let stage = Stage::open(set, Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    guest.say("MAIL FROM:<a@client.test> SIZE=20000").await;
    assert!(
        guest
            .say("RCPT TO:<anna@verein.test>")
            .await
            .starts_with("452")
    );
    guest.say("RSET").await;
    let said = guest
        .post("a@client.test", &ANNA, &large("large", 1 << 20))
        .await;
    assert!(said.starts_with("452"), "{said}");
}

#[tokio::test]
async fn what_a_guest_left_behind_is_counted() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    for number in 0..60 {
        let guest = Guest::hello(stage.address).await;
        let body = message(&number.to_string());
        guest.post_and_leave("a@client.test", &ANNA, &body).await;
    }
    stage.alone().await;
    let counted = stage.handle.tally();
    assert!(counted.waiting > 0);
    let folder = stage.close().await;
    let stage = Stage::reopen(folder, Set::new(nobody()), Phase::Acting).await;
    assert_eq!(stage.handle.tally(), counted);
}

#[tokio::test]
async fn what_is_forged_in_our_name_is_not_kept_wherever_it_stands() {
    let primary = Primary::usual().await;
    let mut stage = Stage::of(primary.address, Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    for padding in [0, 310 << 10] {
        let line = "X-Padding: 0123456789012345678901234567890123456789\r\n";
        let forged = "Authentication-Results: (a;b)\r\n MX2.verein.test; dkim=pass header.d=bank.test\r\n\
                      X-Servergate-Id: oslo-bank.test\r\n";
        let head = format!("{}{forged}", line.repeat(padding / line.len()));
        let body = [head.as_bytes(), &message("one")].concat();
        let said = guest.post("a@client.test", &ANNA, &body).await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
    }
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, host::HandbackOutcome::Done);
    for received in primary.messages() {
        let data = String::from_utf8(received.data).unwrap();
        assert!(!data.contains("bank.test"), "{data:.500}");
        assert_eq!(data.matches("X-Servergate-Id: ").count(), 1);
        assert!(data.ends_with(std::str::from_utf8(&message("one")).unwrap()));
    }
}

#[tokio::test]
async fn what_postfix_takes_by_default_is_kept_and_handed_back_as_it_was_said() {
    let primary = Primary::usual().await;
    let mut set = Set::new(primary.address);
    set.people = vec!["anna@verein.test", "a..b@verein.test", "ben.@verein.test"];
    let mut stage = Stage::open(set, Phase::Acting).await;
    let mut guest = Guest::connect(stage.address).await;
    assert!(guest.say("EHLO a(b) <c>").await.starts_with("250"));
    for (mail, rcpt) in [
        (
            "MAIL FROM:a@client.test SIZE=100",
            "RCPT TO:anna@verein.test",
        ),
        ("MAIL FROM:<a@client.test.>", "RCPT TO:<Anna@verein.test.>"),
        ("MAIL FROM:<a@b@client.test>", "RCPT TO:<a..b@verein.test>"),
        ("MAIL FROM:<user>", "RCPT TO:<ben.@verein.test>"),
    ] {
        guest.say(mail).await;
        let said = guest.say(rcpt).await;
        assert!(said.starts_with("250"), "{rcpt}: {said}");
        guest.say("DATA").await;
        guest.send(&message(rcpt)).await;
        let said = guest.say(".").await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{mail}: {said}");
    }
    // Nobody here knows these.
    guest.say("MAIL FROM:<a@client.test> XYZ=1").await;
    assert!(
        guest
            .say("RCPT TO:<anna@verein.test>")
            .await
            .starts_with("555 5.5.4")
    );
    guest.say("RSET").await;
    guest.say("MAIL FROM:<a@client.test>").await;
    for (rcpt, meant) in [
        ("<anna@verein.test> XYZ", "555 5.5.4"),
        ("<@verein.test>", "501 5.1.3"),
        ("<anna@verein.test>", "250"),
    ] {
        let said = guest.say(&format!("RCPT TO:{rcpt}")).await;
        assert!(said.starts_with(meant), "{rcpt}: {said}");
    }
    drop(guest);
    let stage_folder = stage.close().await;
    stage = Stage::reopen(stage_folder, Set::new(primary.address), Phase::HandingBack).await;
    assert_eq!(stage.ended().await, host::HandbackOutcome::Done);
    let mut said: Vec<_> = primary
        .messages()
        .into_iter()
        .map(|one| {
            let sender = one.mail.split(' ').nth(1).unwrap().to_owned();
            (sender, one.recipients.concat())
        })
        .collect();
    said.sort();
    let meant = [
        ("FROM:<a@b@client.test>", "RCPT TO:<a..b@verein.test>"),
        ("FROM:<a@client.test>", "RCPT TO:<Anna@verein.test>"),
        ("FROM:<a@client.test>", "RCPT TO:<anna@verein.test>"),
        ("FROM:<user>", "RCPT TO:<ben.@verein.test>"),
    ];
    assert_eq!(
        said,
        meant.map(|(from, to)| (from.to_owned(), to.to_owned()))
    );
}
