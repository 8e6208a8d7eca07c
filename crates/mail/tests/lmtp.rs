//! A primary that speaks LMTP: its own words, and one answer for each recipient.

use mail::config::Protocol;

use crate::guest::{ANNA, Guest, large, message};
use crate::primary::{Primary, Script};
use crate::stage::{Phase, Set, Stage};

async fn both(phase: Phase) -> (Primary, Stage) {
    let primary = Primary::start(Script {
        lmtp: true,
        ..Script::default()
    })
    .await;
    let mut set = Set::new(primary.address);
    set.protocol = Protocol::Lmtp;
    let stage = Stage::open(set, phase).await;
    (primary, stage)
}

const TWO: [&str; 2] = ["anna@verein.test", "ben@verein.test"];

/// How often the primary took something for this recipient.
fn copies(primary: &Primary, of: &str) -> usize {
    let messages = primary.messages().into_iter();
    let taken = messages.map(|one| {
        let said = one.said.unwrap_or_default();
        let said: Vec<_> = said.split("; ").map(str::to_owned).collect();
        let mut each = one.recipients.iter().zip(said);
        usize::from(each.any(|(to, said)| to.contains(of) && said.starts_with('2')))
    });
    taken.sum()
}

#[tokio::test]
async fn it_is_spoken_to_in_its_own_words() {
    let (primary, stage) = both(Phase::Standby).await;
    let mut guest = Guest::hello(stage.address).await;
    for (to, said) in [(&ANNA[..], "250 2.6.0"), (&TWO, "250 2.6.0")] {
        let heard = guest.post("a@client.test", to, &message("one")).await;
        assert!(heard.starts_with(said), "{heard}");
    }
    let trial = stage.handle.trial().await.unwrap();
    assert_eq!(trial.postmaster.unwrap().code(), 250);
    assert!(trial.relay.is_none());
    assert!(primary.commands("EHLO").is_empty() && !primary.commands("LHLO").is_empty());
    assert_eq!(stage.handle.tally().waiting, 0);
}

#[tokio::test]
async fn what_nobody_gets_is_the_senders_to_send_again_or_to_give_up() {
    let (primary, stage) = both(Phase::Standby).await;
    for (ben, said) in [
        ("452 4.2.2 Full", "452 4.2.2 Full"),
        ("554 5.7.1 No", "550 5.7.1 None"),
    ] {
        primary.told(|script| {
            script.ends = vec![("anna@", "550 5.7.1 None"), ("ben@", ben)];
        });
        let mut guest = Guest::hello(stage.address).await;
        let heard = guest.post("a@client.test", &TWO, &message("one")).await;
        assert_eq!(heard, said);
    }
    assert_eq!(stage.handle.tally(), mail::spool::Tally::default());
}

/// The sender hears one answer: it must neither send again to who has it, nor lose it for others.
#[tokio::test]
async fn what_only_some_get_is_kept_for_the_others_and_handed_back_to_them_alone() {
    for body in [message("small"), large("large", 1 << 20)] {
        let (primary, stage) = both(Phase::Standby).await;
        primary.told(|script| script.ends.push(("ben@", "452 4.2.2 Full")));
        let mut guest = Guest::hello(stage.address).await;
        let heard = guest.post("a@client.test", &TWO, &body).await;
        assert!(heard.starts_with("250 2.0.0 Kept as "), "{heard}");
        primary.told(|script| script.ends.clear());
        stage.handle.hand_back();
        stage.waiting(0).await;
        assert_eq!(copies(&primary, "anna@"), 1);
        assert_eq!(copies(&primary, "ben@"), 1);
        let last = primary.messages().pop().unwrap();
        assert!(last.data.ends_with(&body));
        assert_eq!(last.recipients, ["RCPT TO:<ben@verein.test>"]);
        stage.close().await;
    }
}

#[tokio::test]
async fn who_got_an_answer_before_it_broke_off_gets_no_second_copy() {
    let (primary, stage) = both(Phase::Standby).await;
    primary.told(|script| script.answers = Some(1));
    let mut guest = Guest::hello(stage.address).await;
    let heard = guest.post("a@client.test", &TWO, &message("one")).await;
    assert!(heard.starts_with("250 2.0.0 Kept as "), "{heard}");
    primary.told(|script| script.answers = None);
    stage.handle.hand_back();
    stage.waiting(0).await;
    assert_eq!(copies(&primary, "anna@"), 1);
    let last = primary.messages().pop().unwrap();
    assert_eq!(last.recipients, ["RCPT TO:<ben@verein.test>"]);
}

/// Where nothing is kept there is one recipient a message, and so one answer.
#[tokio::test]
async fn an_observer_takes_one_recipient_a_message() {
    let (primary, stage) = both(Phase::Observing).await;
    primary.told(|script| script.ends.push(("ben@", "452 4.2.2 Full")));
    let mut guest = Guest::hello(stage.address).await;
    guest.say("MAIL FROM:<a@client.test>").await;
    assert!(
        guest
            .say("RCPT TO:<anna@verein.test>")
            .await
            .starts_with("250")
    );
    let second = guest.say("RCPT TO:<ben@verein.test>").await;
    assert!(second.starts_with("452 4.5.3"), "{second}");
    assert!(guest.say("DATA").await.starts_with("354"));
    guest.send(&message("one")).await;
    assert!(guest.say(".").await.starts_with("250 2.6.0"));
    let heard = guest
        .post("a@client.test", &TWO[1..], &message("one"))
        .await;
    assert_eq!(heard, "452 4.2.2 Full");
    assert_eq!(stage.handle.tally().waiting, 0);
}
