//! A notification is there with the refusal, after every restart, once.

use model::OrganisationId;

use super::*;
use crate::spool::tests::keep;
use crate::spool::{Account, Fate, Row};
use crate::testing::{options, unlocked_store};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_779_268_443_000).after(std::time::Duration::from_secs(seconds))
}

fn spool(dir: &std::path::Path) -> Spool {
    let store = unlocked_store(dir, options());
    Spool::open(store, OrganisationId::new("verein.test"), None).unwrap()
}

/// The second recipient's copy was refused for its contents.
fn refused(spool: &Spool, position: u64) -> (Row, Account, Notification) {
    let mut row = spool.row(position).unwrap();
    row.fates = vec![Fate::HandedBack, Fate::Quarantined];
    let account = Account::begin(&spool.read(position).unwrap().meta);
    let notification = Notification::new(Kind::Failure, vec![1], at(10));
    (row, account, notification)
}

fn sent(notification: &Notification) -> Notification {
    let to = "s@client.test".to_owned();
    let state = State::Sent {
        to,
        decided: at(11),
        at: at(12),
    };
    Notification {
        state,
        ..notification.clone()
    }
}

#[tokio::test]
async fn it_is_due_after_a_restart_and_not_once_it_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (one, notification) = {
        let spool = spool(dir.path());
        let one = keep(&spool, "a", b"small").await;
        let (row, account, notification) = refused(&spool, one);
        let settled = spool.settle_and_notify(one, &row, &account, Some(&notification));
        settled.await.unwrap();
        (one, notification)
    };
    {
        let spool = spool(dir.path());
        let (decided, _) = spool.load_notifications(at(0)).unwrap();
        assert_eq!(decided, []);
        assert_eq!(spool.next_due(), Some(at(10)));
        assert_eq!(spool.take_due(at(9), 9), []);
        assert_eq!(spool.take_due(at(10), 9), [(one, 1)]);
        spool.notify((one, 1), &sent(&notification)).await.unwrap();
        assert_eq!(spool.next_due(), None);
    }
    let spool = spool(dir.path());
    let (decided, _) = spool.load_notifications(at(0)).unwrap();
    assert_eq!(decided, [(at(11), "s@client.test".to_owned())]);
    assert_eq!(spool.next_due(), None);
    // A second refusal, after a person had it tried again, tells nobody twice.
    let (row, account, again) = refused(&spool, one);
    let settled = spool.settle_and_notify(one, &row, &account, Some(&again));
    settled.await.unwrap();
    assert_eq!(spool.next_due(), None);
    assert_eq!(spool.notifications(one).unwrap(), [sent(&notification)]);
}

#[tokio::test]
async fn what_a_person_stopped_is_decided_anew_when_it_is_refused_again() {
    let dir = tempfile::tempdir().unwrap();
    let spool = spool(dir.path());
    let one = keep(&spool, "a", b"small").await;
    let (row, account, notification) = refused(&spool, one);
    let state = State::NotSent {
        why: Why::Settled,
        at: at(5),
        said: String::new(),
    };
    let stopped = Notification {
        state,
        ..notification.clone()
    };
    spool.notify((one, 1), &stopped).await.unwrap();
    let settled = spool.settle_and_notify(one, &row, &account, Some(&notification));
    settled.await.unwrap();
    assert_eq!(spool.take_due(at(10), 9), [(one, 1)]);
}

#[tokio::test]
async fn what_the_store_did_not_take_is_told_with_the_refusal_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let spool = Spool::open(store.clone(), OrganisationId::new("verein.test"), None).unwrap();
    let one = keep(&spool, "a", b"small").await;
    let (row, account, notification) = refused(&spool, one);
    store.close();
    let settled = spool.settle_and_notify(one, &row, &account, Some(&notification));
    assert!(settled.await.is_err());
    assert_eq!(spool.next_due(), None);
    assert_eq!(spool.notifications(one).unwrap(), []);
    let unsettled = spool.held().unsettled.get(&one).cloned();
    assert_eq!(unsettled, Some((row, account, Some(notification))));
}

#[tokio::test]
async fn it_is_forgotten_with_the_account_of_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let spool = spool(dir.path());
    let one = keep(&spool, "a", b"small").await;
    let (row, account, notification) = refused(&spool, one);
    let settled = spool.settle_and_notify(one, &row, &account, Some(&notification));
    settled.await.unwrap();
    spool.notify((one, 1), &sent(&notification)).await.unwrap();
    spool.notify((999, 0), &sent(&notification)).await.unwrap();
    let (_, old) = spool.load_notifications(at(0)).unwrap();
    spool.forget(old).await.unwrap();
    assert_eq!(spool.notifications(one).unwrap().len(), 1);
    assert_eq!(spool.notifications(999).unwrap(), []);
}

#[tokio::test]
async fn each_message_is_looked_at_for_its_delay_once() {
    let dir = tempfile::tempdir().unwrap();
    let spool = spool(dir.path());
    let one = keep(&spool, "a", b"small").await;
    let delay = Notification::new(Kind::Delay, vec![0], at(3));
    assert_eq!(spool.looked_at().unwrap(), 0);
    let look = [(one, delay.clone())];
    spool.look_at(one, &look).await.unwrap();
    assert_eq!(spool.looked_at().unwrap(), one);
    assert_eq!(spool.take_due(at(3), 9), [(one, u64::MAX)]);
    spool.look_at(one, &look).await.unwrap();
    assert_eq!(spool.take_due(at(3), 9), []);
}
