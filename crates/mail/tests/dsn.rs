//! Notifications to senders: who gets one, once, and who gets none.

use std::net::SocketAddr;
use std::time::Duration;

use host::Clock;
use mail::config::Notices;
use mail::spool::Fate;
use mail_parser::{MessageParser, MimeHeaders};
use model::Timestamp;

use crate::guest::{Guest, message};
use crate::primary::{Primary, Received, Script, nobody};
use crate::stage::{Phase, Set, Stage, later, until};
use crate::testdns::{Data, TestDns};

const HOUR: Duration = Duration::from_secs(3600);

/// A sender's world: its name server, and the exchanger of its domains.
struct World {
    dns: TestDns,
    exchanger: Primary,
    primary: Primary,
    clock: Clock,
    notices: Notices,
}

impl World {
    /// `client.test` sends from here; `bank.test` and `other.test` do not.
    async fn new() -> Self {
        let exchanger = Primary::usual().await;
        let spf = |text: &str| Data::Txt(format!("v=spf1 {text} -all"));
        let mut names = vec![("mx.client.test", Data::A("127.0.0.1"))];
        for (domain, text) in [
            ("client.test", "ip4:127.0.0.1"),
            ("bank.test", "ip4:192.0.2.1"),
        ] {
            names.push((domain, spf(text)));
            names.push((domain, Data::Mx(10, "mx.client.test.")));
        }
        let primary = Primary::start(Script {
            offers: vec!["PIPELINING", "8BITMIME"],
            // The whole message, and not a notification that returns its header.
            ends: vec![("Subject: spam\r\n\r\nHello", "554 5.7.1 No thanks")],
            ..Script::default()
        })
        .await;
        Self {
            dns: TestDns::serve(&names).await,
            notices: Notices {
                // These exchangers live on this machine.
                private: true,
                failure: Some(Duration::ZERO),
                port: exchanger.address.port(),
                ..Notices::default()
            },
            exchanger,
            primary,
            clock: Clock::simulated(Timestamp::from_millis(1_779_268_443_000)),
        }
    }

    fn set(&self) -> Set {
        Set {
            resolver: Some(self.dns.address),
            notices: self.notices.clone(),
            clock: self.clock.clone(),
            ..Set::new(self.primary.address)
        }
    }

    /// What came to the sender's exchanger, and that it can be read.
    fn notifications(&self) -> Vec<String> {
        let read = |one: &Received| {
            assert_eq!(one.mail.split(" SIZE").next(), Some("MAIL FROM:<>"));
            assert_eq!(one.recipients.len(), 1);
            let parsed = MessageParser::default().parse(&one.data).unwrap();
            let kind = parsed.content_type().unwrap();
            assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
            let to = parsed.to().unwrap().first().unwrap().address().unwrap();
            assert_eq!(one.recipients[0], format!("RCPT TO:<{to}>"));
            format!("{to} {}", parsed.message_id().unwrap())
        };
        self.exchanger.messages().iter().map(read).collect()
    }
}

/// Leaves a message with parameters; it must be kept.
async fn leave(to: SocketAddr, from: &str, parameters: &str, message: &[u8]) {
    let mut guest = Guest::hello(to).await;
    for line in [
        format!("MAIL FROM:<{from}>"),
        format!("RCPT TO:<anna@verein.test>{parameters}"),
        "DATA".to_owned(),
    ] {
        let said = guest.say(&line).await;
        assert!(said.starts_with(['2', '3']), "{line}: {said}");
    }
    guest.send(message).await;
    let said = guest.say(".").await;
    assert!(said.starts_with("250"), "{said}");
}

/// What is said of every message in quarantine: sender, and whether it was told.
fn told(stage: &Stage) -> Vec<(String, String)> {
    let all = stage.handle.quarantine().unwrap().into_iter();
    let one = |message: mail::Summary| (message.sender.unwrap(), message.told.join(" "));
    all.map(one).collect()
}

/// Waits until everything in quarantine is decided, and nothing is on its way.
async fn decided(stage: &Stage, count: usize) -> Vec<(String, String)> {
    let done = || {
        let told = told(stage);
        let open = |words: &str| {
            words.is_empty() || words.contains("decided at") || words.contains("on its way")
        };
        told.len() == count && !told.iter().any(|(_, words)| open(words))
    };
    until("decision", done).await;
    told(stage)
}

/// Keeps one that the primary takes, so that it proves itself, and these that it does not. So many
/// were kept before.
async fn refused(stage: &Stage, before: u64, letters: &[(&str, &str)]) {
    leave(stage.address, "s@client.test", "", &message("fine")).await;
    for (from, parameters) in letters {
        leave(stage.address, from, parameters, &message("spam")).await;
    }
    for number in 1..=1 + letters.len() as u64 {
        stage.checked(before + number).await;
    }
    stage.stand(Phase::HandingBack).await;
}

#[tokio::test]
async fn a_proved_sender_is_told_and_nobody_else() {
    let world = World::new().await;
    let stage = Stage::open(world.set(), Phase::Acting).await;
    let machine = b"Auto-Submitted: auto-generated\r\nSubject: spam\r\n\r\nHello\r\n";
    leave(stage.address, "s@client.test", "", &message("fine")).await;
    leave(stage.address, "machine@client.test", "", machine).await;
    let letters = [
        ("s@client.test", ""),
        ("president@bank.test", ""),
        ("anybody@other.test", " NOTIFY=FAILURE"),
        ("", ""),
        ("quiet@client.test", " NOTIFY=NEVER"),
        ("late@client.test", " NOTIFY=SUCCESS,DELAY"),
    ];
    for (from, parameters) in letters {
        leave(stage.address, from, parameters, &message("spam")).await;
    }
    for number in 1..=8 {
        stage.checked(number).await;
    }
    stage.stand(Phase::HandingBack).await;
    let all = decided(&stage, 7).await;
    let said: Vec<_> = all
        .iter()
        .map(|(sender, words)| (sender.as_str(), words.split(" at ").next().unwrap()))
        .collect();
    let proved = "failed: dsn not sent: neither SPF nor DKIM passed for the sender";
    assert_eq!(
        said,
        [
            (
                "machine@client.test",
                "failed: dsn not sent: sent by a machine or to a list"
            ),
            ("s@client.test", "failed: dsn sent"),
            ("president@bank.test", proved),
            ("anybody@other.test", proved),
            ("", "failed: dsn not sent: null sender"),
            ("quiet@client.test", "failed: dsn not sent: not asked for"),
            ("late@client.test", "failed: dsn not sent: not asked for"),
        ]
    );
    let sent = world.notifications();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].starts_with("s@client.test "), "{sent:?}");
    let text = String::from_utf8(world.exchanger.messages()[0].data.clone()).unwrap();
    let words = "Diagnostic-Code: smtp; 554 5.7.1 No thanks";
    assert!(text.contains(words), "{text}");
    assert_eq!(stage.counted("notifications_total{became=\"Sent\"}"), 1);
    assert_eq!(
        stage.counted("notifications_total{became=\"NotProved\"}"),
        2
    );
    stage.close().await;
}

#[tokio::test]
async fn a_restart_neither_forgets_nor_repeats() {
    let world = World::new().await;
    world
        .exchanger
        .told(|script| script.recipients = vec![("s@client.test", "451 4.7.1 Later")]);
    let stage = Stage::open(world.set(), Phase::Acting).await;
    refused(&stage, 0, &[("s@client.test", "")]).await;
    let deferred = || {
        told(&stage)
            .iter()
            .any(|(_, words)| words.contains("451 4.7.1"))
    };
    until("a try in vain", deferred).await;
    let folder = stage.close().await;

    world.exchanger.told(|script| script.recipients.clear());
    let stage = Stage::reopen(folder, world.set(), Phase::HandingBack).await;
    assert!(world.notifications().is_empty());
    later(HOUR).await;
    world.exchanger.taken(1).await;
    decided(&stage, 1).await;
    let folder = stage.close().await;

    // Another one is sent, and the first not once more.
    let stage = Stage::reopen(folder, world.set(), Phase::Acting).await;
    refused(&stage, 2, &[("other@client.test", "")]).await;
    decided(&stage, 2).await;
    later(30 * HOUR).await;
    let sent = world.notifications();
    let to: Vec<_> = sent
        .iter()
        .map(|one| one.split(' ').next().unwrap())
        .collect();
    assert_eq!(to, ["s@client.test", "other@client.test"]);
    stage.close().await;
}

#[tokio::test]
async fn a_cut_connection_may_bring_it_twice_under_one_name() {
    let world = World::new().await;
    world.exchanger.told(|script| script.cuts = 1);
    let stage = Stage::open(world.set(), Phase::Acting).await;
    refused(&stage, 0, &[("s@client.test", "")]).await;
    let deferred = || {
        told(&stage)
            .iter()
            .any(|(_, words)| words.contains("on its way: "))
    };
    until("the cut", deferred).await;
    later(HOUR).await;
    decided(&stage, 1).await;
    let sent = world.notifications();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    stage.close().await;
}

#[tokio::test]
async fn a_sender_whose_server_refuses_it_is_left_alone() {
    let world = World::new().await;
    world
        .exchanger
        .told(|script| script.recipients = vec![("s@client.test", "550 5.1.1 Gone")]);
    let stage = Stage::open(world.set(), Phase::Acting).await;
    refused(&stage, 0, &[("s@client.test", "")]).await;
    let all = decided(&stage, 1).await;
    let words = "failed: dsn not sent: the sender's server refused it: 550 5.1.1 Gone";
    assert_eq!(all[0].1, words);
    later(30 * HOUR).await;
    stage.close().await;
    assert_eq!(world.exchanger.commands("RCPT").len(), 1);
}

#[tokio::test]
async fn a_person_may_decide_before_the_sender_is_told() {
    let mut world = World::new().await;
    world.notices.failure = Some(HOUR);
    let stage = Stage::open(world.set(), Phase::Acting).await;
    let letters = [
        ("a@client.test", ""),
        ("b@client.test", ""),
        ("c@client.test", ""),
    ];
    refused(&stage, 0, &letters).await;
    until("quarantine", || stage.handle.tally().quarantined == 3).await;
    let numbers: Vec<_> = stage
        .handle
        .quarantine()
        .unwrap()
        .iter()
        .map(|one| one.number)
        .collect();
    assert!(told(&stage)[0].1.contains("dsn decided at"));
    // One is given up, one is taken after all.
    stage
        .handle
        .decide(numbers[0], Fate::Dropped)
        .await
        .unwrap();
    world.primary.told(|script| script.ends.clear());
    stage
        .handle
        .decide(numbers[1], Fate::Waiting)
        .await
        .unwrap();
    until("hand-back", || stage.handle.tally().waiting == 0).await;
    later(2 * HOUR).await;
    decided(&stage, 1).await;
    let settled = |number: u64| {
        let told = stage.handle.told(number, 1).unwrap();
        told[0] == "failed: dsn not sent: it was decided otherwise before"
    };
    until("the end of both", || {
        settled(numbers[0]) && settled(numbers[1])
    })
    .await;
    let sent = world.notifications();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("c@client.test "), "{sent:?}");
    stage.close().await;
}

#[tokio::test]
async fn who_asked_for_it_hears_of_a_delay_once() {
    let mut world = World::new().await;
    world.notices.delay = Some(4 * HOUR);
    let set = || Set {
        primary: nobody(),
        ..world.set()
    };
    let stage = Stage::open(set(), Phase::Acting).await;
    for (from, parameters) in [
        ("s@client.test", " NOTIFY=FAILURE,DELAY"),
        ("quiet@client.test", ""),
        ("president@bank.test", " NOTIFY=DELAY"),
    ] {
        leave(stage.address, from, parameters, &message("x")).await;
    }
    stage.checked(1).await;
    stage.checked(3).await;
    later(3 * HOUR).await;
    assert!(world.notifications().is_empty());
    later(2 * HOUR).await;
    world.exchanger.taken(1).await;
    later(30 * HOUR).await;
    let folder = stage.close().await;

    let stage = Stage::reopen(folder, set(), Phase::Acting).await;
    leave(
        stage.address,
        "t@client.test",
        " NOTIFY=DELAY",
        &message("y"),
    )
    .await;
    stage.checked(4).await;
    later(5 * HOUR).await;
    world.exchanger.taken(2).await;
    let sent = world.notifications();
    let to: Vec<_> = sent
        .iter()
        .map(|one| one.split(' ').next().unwrap())
        .collect();
    assert_eq!(to, ["s@client.test", "t@client.test"]);
    let text = String::from_utf8(world.exchanger.messages()[0].data.clone()).unwrap();
    assert!(text.contains("Action: delayed"), "{text}");
    stage.close().await;
}

#[tokio::test]
async fn a_relay_takes_it_instead_of_the_exchangers() {
    let mut world = World::new().await;
    let relay = Primary::usual().await;
    world.notices.relay = Some(relay.address);
    let stage = Stage::open(world.set(), Phase::Acting).await;
    refused(&stage, 0, &[("s@client.test", "")]).await;
    let all = decided(&stage, 1).await;
    assert!(all[0].1.starts_with("failed: dsn sent"), "{all:?}");
    assert_eq!(relay.commands("RCPT"), ["RCPT TO:<s@client.test>"]);
    assert!(world.notifications().is_empty());
    stage.close().await;
}

#[tokio::test]
async fn what_is_for_our_own_people_goes_to_the_primary() {
    let world = World::new().await;
    let here = Data::Txt("v=spf1 ip4:127.0.0.1 -all".to_owned());
    world.dns.add("verein.test", here);
    let stage = Stage::open(world.set(), Phase::Acting).await;
    refused(&stage, 0, &[("ben@verein.test", "")]).await;
    let all = decided(&stage, 1).await;
    assert!(all[0].1.starts_with("failed: dsn sent"), "{all:?}");
    let own = world.primary.messages().pop().unwrap();
    assert!(own.mail.starts_with("MAIL FROM:<>"), "{own:?}");
    assert_eq!(own.recipients, ["RCPT TO:<ben@verein.test>"]);
    stage.close().await;
}
