//! What is told to senders and to the administrator.

use std::time::Duration;

use host::Clock;
use model::Timestamp;

use crate::guest::{ANNA, Guest, message};
use crate::primary::nobody;
use crate::stage::{Phase, Set, Stage, later, within};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A clock that moves with the runtime's.
fn clock() -> Clock {
    Clock::simulated(Timestamp::from_millis(1_779_268_443_000))
}

#[tokio::test]
async fn a_person_is_reminded_of_what_is_kept_for_thirty_days_also_after_a_restart() {
    let clock = clock();
    let set = || {
        let clock = clock.clone();
        Set {
            clock,
            ..Set::new(nobody())
        }
    };
    let mut stage = Stage::open(set(), Phase::Acting).await;
    let mut guest = Guest::hello(stage.address).await;
    let kept = guest.post("s@client.test", &ANNA, &message("a")).await;
    assert!(kept.starts_with("250"), "{kept}");
    drop(guest);
    assert!(
        !stage
            .handle
            .is_long(stage.handle.oldest().unwrap().unwrap())
    );
    later(29 * DAY).await;
    assert!(stage.reminders.try_recv().is_err());
    later(2 * DAY).await;
    let first = within(stage.reminders.recv()).await.unwrap();
    assert_eq!(first.messages, 1);
    assert!(stage.handle.is_long(first.oldest));

    let folder = stage.close().await;
    let mut stage = Stage::reopen(folder, set(), Phase::Acting).await;
    let again = within(stage.reminders.recv()).await.unwrap();
    assert_eq!(again, first, "the same, which is told once");
    later(31 * DAY).await;
    let second = within(stage.reminders.recv()).await.unwrap();
    assert!(second.at.since(first.at) >= 30 * DAY);
    assert_eq!(second.oldest, first.oldest);
}
