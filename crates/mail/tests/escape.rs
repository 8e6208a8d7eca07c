//! Between the two ways: a primary that cannot be reached, a gate, and senders who come back.

use std::time::Duration;

use mail::config::Gate;

use crate::guest::{ANNA, Guest, message};
use crate::primary::{Primary, Script, nobody};
use crate::stage::{Phase, Set, Stage, later};

async fn post(stage: &Stage, from: &str, to: &[&str]) -> String {
    let mut guest = Guest::hello(stage.address).await;
    guest.post(from, to, &message("one")).await
}

#[tokio::test]
async fn who_comes_back_is_kept_though_we_think_the_primary_well() {
    let stage = Stage::of(nobody(), Phase::Standby).await;
    let first = post(&stage, "a@client.test", &ANNA).await;
    assert!(first.starts_with("451 4.4.1"), "{first}");
    later(Duration::from_secs(200)).await;
    let soon = post(&stage, "a@client.test", &ANNA).await;
    assert!(soon.starts_with("451 4.4.1"), "{soon}");
    later(Duration::from_secs(101)).await;
    for (from, to, said) in [
        ("b@client.test", "anna@verein.test", "451 4.4.1"),
        ("a@client.test", "ben@verein.test", "451 4.4.1"),
        ("a@client.test", "anna@verein.test", "250 2.0.0 Kept"),
    ] {
        let heard = post(&stage, from, &[to]).await;
        assert!(heard.starts_with(said), "{from} {to}: {heard}");
    }
    assert_eq!(stage.handle.tally().waiting, 1);
}

#[tokio::test]
async fn who_was_cut_off_in_the_middle_is_kept_when_it_comes_back() {
    let script = Script {
        gone_at: Some("DATA"),
        ..Script::default()
    };
    let primary = Primary::start(script).await;
    let stage = Stage::of(primary.address, Phase::Standby).await;
    assert!(
        post(&stage, "a@client.test", &ANNA)
            .await
            .starts_with("451 4.4.2")
    );
    later(Duration::from_secs(301)).await;
    // It lives as far as RCPT, so it is asked, and the sender hears of it once more.
    assert!(
        post(&stage, "a@client.test", &ANNA)
            .await
            .starts_with("451 4.4.2")
    );
    primary.told(|script| script.gone_at = Some("EHLO"));
    let said = post(&stage, "a@client.test", &ANNA).await;
    assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
}

#[tokio::test]
async fn the_gate_sends_everybody_to_the_primary_and_keeps_who_comes_back() {
    let primary = Primary::usual().await;
    let mut set = Set::new(primary.address);
    set.gate = Gate::Later;
    let stage = Stage::open(set, Phase::Standby).await;
    for number in 0..50 {
        let said = post(&stage, &format!("{number}@client.test"), &ANNA).await;
        assert!(said.starts_with("451 4.3.2"), "{said}");
    }
    assert!(primary.commands("").is_empty());
    later(Duration::from_secs(301)).await;
    let said = post(&stage, "7@client.test", &ANNA).await;
    assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
    // The primary lives, so it goes there at once.
    assert_eq!(primary.taken(1).await[0].subject(), "one");
    stage.waiting(0).await;
}

#[tokio::test]
async fn who_acts_and_may_ask_keeps_what_the_primary_does_not_answer() {
    let stage = Stage::of(nobody(), Phase::Supporting).await;
    let said = post(&stage, "a@client.test", &ANNA).await;
    assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
    for gone_at in ["EHLO", "MAIL", "RCPT"] {
        let script = Script {
            gone_at: Some(gone_at),
            ..Script::default()
        };
        let primary = Primary::start(script).await;
        let stage = Stage::of(primary.address, Phase::Supporting).await;
        let said = post(
            &stage,
            "a@client.test",
            &["anna@verein.test", "ben@verein.test"],
        )
        .await;
        assert!(said.starts_with("250 2.0.0 Kept"), "{gone_at}: {said}");
        assert_eq!(stage.handle.waiting(0, 1).unwrap()[0].recipients.len(), 2);
        assert!(primary.messages().is_empty());
    }
    let primary = Primary::start(Script {
        cuts: 1,
        ..Script::default()
    })
    .await;
    let stage = Stage::of(primary.address, Phase::Supporting).await;
    let said = post(&stage, "a@client.test", &ANNA).await;
    assert!(said.starts_with("451 4.4.2"), "{said}");
    assert_eq!(stage.handle.tally().waiting, 0);
    // A primary that answers gets it, whatever we think.
    let said = post(&stage, "a@client.test", &ANNA).await;
    assert_eq!(said, "250 2.6.0 Taken by the primary");
}
