//! Connections to the primary: bounded, shared among networks, with some that no guest ever has.

use std::time::Duration;

use crate::guest::{ANNA, Guest, message};
use crate::primary::{Primary, Script};
use crate::stage::{Phase, Set, Stage, later};

const MAIL: &str = "MAIL FROM:<a@client.test>";
const RCPT: &str = "RCPT TO:<anna@verein.test>";
const FULL: &str = "451 4.3.2 Too many messages are on their way";

/// So many guests of one network, each in the middle of a message; and what each was told.
async fn crowd(stage: &Stage, network: u8, count: u8) -> (Vec<Guest>, Vec<String>) {
    let (mut guests, mut told) = (Vec::new(), Vec::new());
    for host in 1..=count {
        let mut guest = Guest::hello_from([127, 0, network, host], stage.address).await;
        guest.say(MAIL).await;
        told.push(guest.say(RCPT).await);
        guests.push(guest);
    }
    (guests, told)
}

fn passed(told: &[String]) -> usize {
    let full = told.iter().filter(|said| said.starts_with(FULL)).count();
    let passed = told.iter().filter(|said| said.starts_with("250")).count();
    assert_eq!(full + passed, told.len(), "{told:?}");
    passed
}

#[tokio::test]
async fn one_network_holds_a_share_and_the_standby_keeps_its_own() {
    // It would take no more, and the probe comes on top.
    let primary = Primary::start(Script {
        most: Some(18),
        ..Script::default()
    })
    .await;
    let stage = Stage::of(primary.address, Phase::Standby).await;
    let (flood, told) = crowd(&stage, 1, 60).await;
    assert_eq!(passed(&told), 4);
    assert_eq!(stage.counted("reason=\"Places\""), 56);
    // Others come through, and all guests together leave room.
    let mut others = Vec::new();
    let mut all = 4;
    for network in 2..8 {
        let (guests, told) = crowd(&stage, network, 2).await;
        all += passed(&told);
        others.push(guests);
    }
    assert_eq!(all, 10);
    assert_eq!(primary.connections().now, 10);
    // What the standby brings itself has its places.
    let mut trials = Vec::new();
    for _ in 0..8 {
        trials.push(stage.handle.trial());
    }
    for trial in futures_of(trials).await {
        assert_eq!(trial.unwrap().sender.code(), 250);
    }
    assert!(primary.connections().most <= 18);
    // It was our own bound: nobody is told that the primary seems to fail.
    drop((flood, others));
    stage.alone().await;
    stage.idle().await;
    let mut guest = Guest::hello(stage.address).await;
    let said = guest.post("a@client.test", &ANNA, &message("one")).await;
    assert!(said.starts_with("250"), "{said}");
}

/// All at once.
async fn futures_of<T: Send + 'static>(work: Vec<impl Future<Output = T> + Send>) -> Vec<T> {
    let mut work: Vec<_> = work.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = work.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (one, done) in work.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_crowd_is_no_hint_and_has_nothing_taken_over() {
    let primary = Primary::usual().await;
    let mut stage = Stage::of(primary.address, Phase::Standby).await;
    let (_flood, told) = crowd(&stage, 1, 10).await;
    assert_eq!(passed(&told), 4);
    assert!(stage.hints.try_recv().is_err());
    assert_eq!(stage.handle.tally().waiting, 0);
}

/// A large sender opens many connections at once, and is not put off for that.
#[tokio::test]
async fn a_burst_of_one_sender_has_its_turn() {
    let primary = Primary::usual().await;
    let mut set = Set::new(primary.address);
    set.place = Duration::from_secs(120);
    let stage = Stage::open(set, Phase::Standby).await;
    let address = stage.address;
    let sending = (1..=20).map(|host| async move {
        let mut guest = Guest::hello_from([127, 0, 1, host], address).await;
        guest.post("a@client.test", &ANNA, &message("one")).await
    });
    for said in futures_of(sending.collect()).await {
        assert!(said.starts_with("250"), "{said}");
    }
    assert_eq!(primary.messages().len(), 20);
    assert!(primary.connections().most <= 4);
}

/// Where mail is kept at the least failure, it is kept.
#[tokio::test]
async fn while_the_standby_supports_who_finds_no_place_is_kept() {
    let primary = Primary::usual().await;
    let stage = Stage::of(primary.address, Phase::Supporting).await;
    let (_flood, told) = crowd(&stage, 1, 4).await;
    assert_eq!(passed(&told), 4);
    let mut guest = Guest::hello_from([127, 0, 1, 9], stage.address).await;
    let said = guest.post("a@client.test", &ANNA, &message("one")).await;
    assert!(said.starts_with("250 2.0.0 Kept"), "{said}");
    assert!(primary.messages().is_empty());
}

/// A place is for who uses it: who says nothing while others wait goes, and else may think on.
#[tokio::test]
async fn who_says_nothing_keeps_no_place_that_others_wait_for() {
    let primary = Primary::usual().await;
    let stage = Stage::of(primary.address, Phase::Standby).await;
    let (mut patient, told) = crowd(&stage, 1, 4).await;
    assert_eq!(passed(&told), 4);
    later(Duration::from_secs(16)).await;
    for guest in &mut patient {
        assert!(guest.say("NOOP").await.starts_with("250"));
    }
    let mut others = Vec::new();
    for network in 2..5 {
        others.push(crowd(&stage, network, 2).await);
    }
    assert_eq!(primary.connections().now, 10);
    later(Duration::from_secs(16)).await;
    for guest in &mut patient {
        let said = guest.reply().await;
        assert!(said.starts_with("421 4.4.2"), "{said}");
    }
}
