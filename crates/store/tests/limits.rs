//! What is refused: too large, too many, a disk at its reserve; and what is taken in groups.

use store::{Batch, BlobId, CommitError, Options, Position, Store};

use crate::tables::key;
use crate::{LOG, inline, open, threaded, wait};

#[test]
fn what_is_too_large_or_lacks_its_blob_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(
        dir.path(),
        Options {
            max_batch_bytes: 1000,
            ..inline()
        },
    )
    .unwrap();
    let large = Batch::new().append(&LOG, vec![0; 1000]);
    assert!(matches!(
        wait(store.commit(large)),
        Err(CommitError::TooLarge { limit: 1000, .. })
    ));
    let long = Batch::new().put(key(&"k".repeat(5000)), "");
    assert!(matches!(
        wait(store.commit(long)),
        Err(CommitError::TooLarge { limit: 4096, .. })
    ));
    let id = BlobId::of(b"never put");
    let lacking = Batch::new().put(key("a"), "1").link(id, key("a"));
    let refused = wait(store.commit(lacking)).unwrap_err();
    assert!(matches!(refused, CommitError::MissingBlob { id: found } if found == id));
    assert_eq!(store.get(&key("a")).unwrap(), None);
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_queue: 2,
        max_queue_bytes: 4096,
        ..threaded()
    };
    let store = Store::open(dir.path(), options).unwrap();
    let answers = wait(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200_u8 {
            let store = store.clone();
            let batch = Batch::new().append(&LOG, vec![number; 500]);
            tasks.spawn(async move { store.commit(batch).await });
        }
        tasks.join_all().await
    });
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(CommitError::Full)))
        .count();
    let receipts = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(refused > 0, "200 at once should not fit into a queue of 2");
    assert_eq!(receipts + refused, 200);
    assert_eq!(
        store.read(&LOG, Position::START, 1000).unwrap().len(),
        receipts
    );
    let stats = store.stats();
    assert_eq!(
        (stats.commits, stats.refused),
        (receipts as u64, refused as u64)
    );
    assert_eq!(stats.waiting, 0);
    assert!(stats.syncs <= stats.commits);
    let after = wait(store.commit(Batch::new().append(&LOG, "after")));
    assert!(after.is_ok(), "the budget of refused batches is given back");
}

#[test]
fn with_the_disk_reserve_reached_only_deletions_and_what_may_use_it_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    wait(store.commit(Batch::new().put(key("a"), "1").append(&LOG, "1"))).unwrap();
    drop(store);
    let store = Store::open(
        dir.path(),
        Options {
            reserve_bytes: u64::MAX,
            ..inline()
        },
    )
    .unwrap();
    let refused = wait(store.commit(Batch::new().put(key("b"), "1"))).unwrap_err();
    assert!(matches!(refused, CommitError::NoSpace { .. }));
    assert!(matches!(
        store.blobs().put(b"x"),
        Err(store::BlobError::NoSpace { .. })
    ));
    let urgent = Batch::new().from_the_reserve().put(key("c"), "1");
    wait(store.commit(urgent)).unwrap();
    assert!(store.get(&key("c")).unwrap().is_some());
    wait(store.commit(Batch::new().delete(key("a")))).unwrap();
    wait(store.trim(&LOG, Position::from_number(2))).unwrap();
    assert_eq!(store.get(&key("a")).unwrap(), None);
}

#[test]
fn batches_that_do_not_fit_one_group_are_taken_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_group_bytes: 1000,
        max_group: 3,
        ..threaded()
    };
    let store = Store::open(dir.path(), options).unwrap();
    wait(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..30_u8 {
            let store = store.clone();
            let batch = Batch::new().append(&LOG, vec![number; 600]);
            tasks.spawn(async move { store.commit(batch).await.unwrap() });
        }
        tasks.join_all().await;
    });
    let entries = store.read(&LOG, Position::START, 99).unwrap();
    let order: Vec<u8> = entries.iter().map(|entry| entry.bytes[0]).collect();
    assert_eq!(order, (0..30).collect::<Vec<u8>>());
    assert_eq!(store.stats().syncs, 30, "two of them do not fit together");
}

#[test]
fn whether_there_is_room_is_said_before_a_batch_comes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    wait(store.commit(Batch::new().append(&LOG, "one"))).unwrap();
    store.has_room().unwrap();
    assert!(!store.is_poisoned());
    let other = store.clone();
    store.close();
    assert!(matches!(other.has_room(), Err(CommitError::Closed)));
    drop(other);
    let store = Store::open_read_only(dir.path()).unwrap();
    assert!(matches!(store.has_room(), Err(CommitError::ReadOnly)));
    drop(store);
    let full = Options {
        reserve_bytes: u64::MAX,
        ..inline()
    };
    let store = Store::open(dir.path(), full).unwrap();
    assert!(matches!(store.has_room(), Err(CommitError::NoSpace { .. })));
    let erase = Batch::new().erase(&LOG, Position::from_number(1));
    wait(store.commit(erase)).unwrap();
    assert!(store.read(&LOG, Position::START, 9).unwrap().is_empty());
}
