//! Guests who want something that they should not have, over real sockets, in both ways.

use host::HandbackOutcome;

use crate::guest::{ANNA, Guest, message};
use crate::primary::{Primary, nobody};
use crate::stage::{Phase, Set, Stage, until};

/// One that keeps, and one that passes on to a primary.
async fn both() -> [(Stage, Primary); 2] {
    let (idle, asked) = (Primary::usual().await, Primary::usual().await);
    [
        (Stage::of(nobody(), Phase::Acting).await, idle),
        (Stage::of(asked.address, Phase::Standby).await, asked),
    ]
}

const ENDINGS: [&[u8]; 14] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\n",
    b"\r\n\n.\r\n",
    b"\n\n.\r\n",
    b"\r\n\r.\r\n",
    b"\r\n.\n\r\n",
];

#[tokio::test]
async fn no_message_hides_in_another() {
    let hidden = "MAIL FROM:<b@client.test>\r\nRCPT TO:<anna@verein.test>\r\nDATA\r\n\
                  Subject: hidden\r\n\r\nhidden\r\n.\r\n";
    for (stage, primary) in both().await {
        for ending in ENDINGS {
            for cut in [0, 1, 2] {
                let mut guest = Guest::hello(stage.address).await;
                let begun = guest.begin("a@client.test", &["anna@verein.test"]).await;
                assert!(begun.starts_with("354"), "{begun}");
                let all = [b"Subject: outer\r\n\r\nouter", ending, hidden.as_bytes()].concat();
                let (first, second) = all.split_at(23 + cut);
                guest.send(first).await;
                guest.send(second).await;
                let rest = guest.rest().await;
                let name = String::from_utf8_lossy(ending).into_owned();
                assert!(rest.starts_with("550 5.5.2"), "{name:?}: {rest}");
                assert_eq!(rest.lines().count(), 1, "{name:?}: {rest}");
            }
        }
        assert_eq!(stage.handle.tally().waiting, 0);
        assert!(primary.messages().is_empty());
        stage.close().await;
    }
}

#[tokio::test]
async fn what_only_looks_like_an_end_is_part_of_the_message() {
    let (stage, primary) = both().await.into_iter().nth(1).unwrap();
    let mut guest = Guest::hello(stage.address).await;
    let body = b"Subject: dots\r\n\r\n\0.\r\n.\0\r\n. \r\n..\r\n.";
    let body = [&body[..], b"\r\nMAIL FROM:<b@client.test>\r\n"].concat();
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &body)
        .await;
    assert!(said.starts_with("250"), "{said}");
    assert!(primary.messages()[0].data.ends_with(&body));
    assert_eq!(primary.messages().len(), 1);
}

#[tokio::test]
async fn chunks_hide_nothing() {
    for (stage, primary) in both().await {
        for body in [&b"a\n.\nb\r\n"[..], b"a\rb\r\n", b"a\r\n.\n", b"a\n"] {
            let mut guest = Guest::hello(stage.address).await;
            guest.say("MAIL FROM:<a@client.test>").await;
            assert!(
                guest
                    .say("RCPT TO:<anna@verein.test>")
                    .await
                    .starts_with("250")
            );
            guest
                .send(&[format!("BDAT {} LAST\r\n", body.len()).as_bytes(), body].concat())
                .await;
            let said = guest.reply().await;
            assert!(said.starts_with("550 5.5.2"), "{body:?}: {said}");
            assert!(guest.say("NOOP").await.starts_with("250"));
        }
        assert_eq!(stage.handle.tally().waiting, 0);
        assert!(primary.messages().is_empty());
    }
}

const RELAYS: [&str; 24] = [
    "<a@other.test>",
    "<a%other.test@verein.test>",
    "<other.test!a@verein.test>",
    "<\"a@other.test\"@verein.test>",
    "<a@other.test@verein.test>",
    "<a@verein.test@other.test>",
    "<@verein.test:a@other.test>",
    "<@other.test:anna@verein.test>",
    "<a@[127.0.0.1]>",
    "<a@[192.0.2.1]>",
    "<a@sub.verein.test>",
    "<a@verein.test.other.test>",
    "<a@verein.test\t@other.test>",
    "<a%other.test>",
    "<a>",
    "a@other.test",
    "a%other.test@verein.test",
    "@other.test:anna@verein.test",
    "<@other.test:@verein.test>",
    "<a@other.test.>",
    "<\"a\"@other.test@verein.test>",
    "<\"a@other.test\".b@verein.test>",
    "<other.test::a@verein.test>",
    "other.test!a@verein.test.",
];

#[tokio::test]
async fn nothing_is_passed_on_to_elsewhere() {
    let mut set = Set::new(nobody());
    set.keep_unknown = true;
    let keeping = Stage::open(set, Phase::Acting).await;
    let primary = Primary::usual().await;
    let passing = Stage::of(primary.address, Phase::Standby).await;
    for stage in [&keeping, &passing] {
        for relay in RELAYS {
            let mut guest = Guest::hello(stage.address).await;
            guest.say("MAIL FROM:<a@client.test>").await;
            let said = guest.say(&format!("RCPT TO:{relay}")).await;
            assert!(
                said.starts_with("55") || said.starts_with("50"),
                "{relay}: {said}"
            );
            let data = guest.say("DATA").await;
            assert!(data.starts_with('5'), "{relay}: {data}");
        }
    }
    assert!(primary.commands("RCPT").is_empty());
}

#[tokio::test]
async fn what_comes_too_early_ends_the_conversation() {
    for (stage, primary) in both().await {
        let mut guest = Guest::connect(stage.address).await;
        guest
            .send(b"EHLO client.test\r\nMAIL FROM:<a@client.test>\r\n")
            .await;
        let rest = guest.rest().await;
        assert!(rest.starts_with("503 5.5.0"), "{rest}");
        let mut guest = Guest::hello(stage.address).await;
        guest
            .send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<anna@verein.test>\r\nDATA\r\nSubject: early\r\n\r\n.\r\n")
            .await;
        let rest = guest.rest().await;
        assert_eq!(
            rest.lines().last().unwrap().get(..9),
            Some("503 5.5.0"),
            "{rest}"
        );
        assert_eq!(stage.handle.tally().waiting, 0);
        assert!(primary.messages().is_empty());
        // In order it is taken.
        let mut guest = Guest::hello(stage.address).await;
        guest
            .send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<anna@verein.test>\r\nDATA\r\n")
            .await;
        for code in ["250", "250", "354"] {
            assert!(guest.reply().await.starts_with(code));
        }
        guest
            .send(b"Subject: one\r\n\r\n.\r\nMAIL FROM:<b@client.test>\r\nRSET\r\nQUIT\r\n")
            .await;
        for code in ["250", "250", "250", "221"] {
            assert!(guest.reply().await.starts_with(code));
        }
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_not_waited_for() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    for line in [&b"A"[..], b"MAIL FROM:<", b"\0", b"\xff"] {
        let mut guest = Guest::hello(stage.address).await;
        guest.send(&line.repeat((64 << 10) / line.len())).await;
        let rest = guest.rest().await;
        assert!(rest.is_empty() || rest.starts_with("500 5.5.2"), "{rest}");
    }
    for line in ["MAIL FROM:<a@client.test>\n", "NOOP\rRSET\r\n"] {
        let mut guest = Guest::hello(stage.address).await;
        guest.send(line.as_bytes()).await;
        assert!(guest.rest().await.starts_with("550 5.5.2"));
    }
    assert_eq!(stage.handle.tally().waiting, 0);
    stage.close().await;
}

#[tokio::test]
async fn many_who_say_nothing_keep_nobody_out() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    let mut idle = Vec::new();
    for number in 0..500 {
        let mut guest = Guest::connect(stage.address).await;
        match number % 4 {
            0 => assert!(guest.say("EHLO idle.test").await.starts_with("250")),
            1 => assert!(guest.send(b"EHLO half").await),
            2 => {
                guest.say("EHLO idle.test").await;
                let begun = guest.begin("a@idle.test", &["anna@verein.test"]).await;
                assert!(begun.starts_with("354"), "{begun}");
            }
            _ => {}
        }
        idle.push(guest);
    }
    let mut guest = Guest::hello(stage.address).await;
    for number in 0..20 {
        let body = message(&format!("number {number}"));
        let said = guest
            .post("a@client.test", &["anna@verein.test"], &body)
            .await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
    }
    assert_eq!(stage.handle.tally().waiting, 20);
    drop((idle, guest));
    until("leaving", || stage.guests() == 0).await;
}

#[tokio::test]
async fn strangers_and_mistakes_end_the_conversation() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    for line in ["RCPT TO:<nobody@verein.test>", "FOO"] {
        let mut guest = Guest::hello(stage.address).await;
        guest.say("MAIL FROM:<a@client.test>").await;
        let mut last = String::new();
        for _ in 0..21 {
            last = guest.say(line).await;
        }
        assert!(last.starts_with("421 4.7.0"), "{line}: {last}");
        assert_eq!(guest.rest().await, "");
    }
}

#[tokio::test]
async fn nobody_passes_for_another_client() {
    let stage = Stage::of(nobody(), Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    for line in [
        "XCLIENT ADDR=192.0.2.1",
        "XFORWARD ADDR=192.0.2.1",
        "AUTH PLAIN AAAA",
        "LHLO a.test",
    ] {
        let said = guest.say(line).await;
        assert!(said.starts_with("50"), "{line}: {said}");
    }
    let said = guest
        .post("a@client.test", &["anna@verein.test"], &message("one"))
        .await;
    assert!(said.starts_with("250"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    stage.handle.export(folder.path()).unwrap();
    let text = std::fs::read_to_string(folder.path().join("1.eml")).unwrap();
    assert!(
        text.starts_with("Received: from client.test ([127.0.0.1])"),
        "{text}"
    );
}

/// Contents that no parser of MIME likes.
fn malformed() -> Vec<Vec<u8>> {
    let any: Vec<u8> = (0..=255).filter(|byte| !b"\r\n".contains(byte)).collect();
    let nested: String = (0..3000)
        .map(|level| {
            format!("Content-Type: multipart/mixed; boundary={level}\r\n\r\n--{level}\r\n")
        })
        .collect();
    let signed = "DKIM-Signature: v=1; a=rsa-sha256; d=;; b=\r\n".repeat(500);
    let folded = format!("Subject: x{}\r\n\r\n", "\r\n y".repeat(5000));
    let texts = [
        "",
        "\r\n",
        "no field at all\r\n",
        ": a field without a name\r\n\r\nbody\r\n",
        " begins with a fold\r\nFrom: a@b.test\r\n\r\n",
        "From: a@b.test\r\nFrom: c@d.test, e@f.test\r\nFrom: <<>>\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n----\r\n",
        "Content-Type: multipart/mixed; boundary=\"never closed\r\n\r\n--never\r\n",
        "Content-Transfer-Encoding: base64\r\n\r\n=?=?=\r\n%%%%\r\n",
        "Subject: =?utf-8?q?=ZZ?= =?x?b?\r\nContent-Length: -1\r\n\r\n",
        &nested,
        &folded,
        &format!("{signed}From: a@b.test\r\n\r\nbody\r\n"),
    ];
    let mut all: Vec<Vec<u8>> = texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    all.push([&any[..], b": ", &any, b"\r\n\r\n", &any, b"\r\n"].concat());
    all
}

/// What is in a message is not ours to judge: it is kept as it is, checked without harm, and
/// handed back byte by byte.
#[tokio::test]
async fn malformed_contents_are_kept_as_they_are() {
    let primary = Primary::usual().await;
    let mut stage = Stage::of(primary.address, Phase::Acting).await;
    let contents = malformed();
    let mut guest = Guest::hello(stage.address).await;
    for (number, content) in (1..).zip(&contents) {
        let said = guest.post("a@client.test", &ANNA, content).await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{number}: {said}");
        stage.checked(number).await;
    }
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    let received = primary.messages();
    assert_eq!(received.len(), contents.len());
    for (number, (one, content)) in (1..).zip(received.iter().zip(&contents)) {
        assert!(one.data.ends_with(content), "{number}");
        // One that begins with a fold is body, and folds into no field of ours.
        let body = [b"\r\n\r\n", &content[..]].concat();
        let folds = content.starts_with(b" ");
        assert!(!folds || one.data.ends_with(&body), "{number}");
        let head = one.data.len() - content.len();
        let ours = String::from_utf8_lossy(&one.data[..head]).into_owned();
        assert!(
            ours.contains("X-Servergate-Id: ") && ours.ends_with("\r\n"),
            "{ours}"
        );
    }
    // No check died of it.
    stage.close().await;
}
