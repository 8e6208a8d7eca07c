//! Commits, conditions, scans, watching.

use store::{Batch, Change, CommitError, Expect, Key, Options, Position, Revision, Store};

use crate::{LOG, TABLE, inline, open, threaded, wait};

pub(crate) fn key(name: &str) -> Key {
    Key::new(TABLE, &[name])
}

#[test]
fn a_batch_is_there_after_reopening_with_positions_from_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let batch = Batch::new()
        .append(&LOG, "first")
        .append(&LOG, "second")
        .put(key("a"), "x");
    let receipt = wait(store.commit(batch)).unwrap();
    assert_eq!(receipt.revision(), Revision::from_number(1));
    assert_eq!(
        receipt.positions(),
        [Position::from_number(1), Position::from_number(2)]
    );
    drop(store);

    let store = open(dir.path());
    let value = store.get(&key("a")).unwrap().unwrap();
    assert_eq!(
        (value.value.as_slice(), value.revision.number()),
        (&b"x"[..], 1)
    );
    let entries = store.read(&LOG, Position::START, 10).unwrap();
    let bytes: Vec<&[u8]> = entries.iter().map(|entry| entry.bytes.as_slice()).collect();
    assert_eq!(bytes, [&b"first"[..], b"second"]);
    let receipt = wait(store.commit(Batch::new().append(&LOG, "third"))).unwrap();
    assert_eq!(receipt.positions(), [Position::from_number(3)]);
    assert_eq!(receipt.revision().number(), 2);
}

#[test]
fn conditions_hold_or_nothing_happens() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = Batch::new().put_if(key("a"), "1", Expect::Absent);
    let first = wait(store.commit(first)).unwrap().revision();

    let again = Batch::new()
        .append(&LOG, "no")
        .put_if(key("a"), "2", Expect::Absent);
    let refused = wait(store.commit(again)).unwrap_err();
    assert!(matches!(refused, CommitError::Precondition { key: found } if found == key("a")));
    assert!(store.read(&LOG, Position::START, 1).unwrap().is_empty());

    let second = Batch::new().put_if(key("a"), "2", Expect::Revision(first));
    let second = wait(store.commit(second)).unwrap().revision();
    let stale = Batch::new().delete_if(key("a"), Expect::Revision(first));
    assert!(wait(store.commit(stale)).is_err());
    let delete = Batch::new().delete_if(key("a"), Expect::Revision(second));
    wait(store.commit(delete)).unwrap();
    assert_eq!(store.get(&key("a")).unwrap(), None);
    assert_eq!(store.stats().refused, 2);
}

#[test]
fn of_many_that_expect_the_same_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), threaded()).unwrap();
    let winners = wait(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..64_u8 {
            let store = store.clone();
            let batch =
                Batch::new()
                    .append(&LOG, [number])
                    .put_if(key("lease"), [number], Expect::Absent);
            tasks.spawn(async move { (number, store.commit(batch).await.is_ok()) });
        }
        tasks.join_all().await
    });
    let winners: Vec<u8> = winners
        .into_iter()
        .filter(|won| won.1)
        .map(|won| won.0)
        .collect();
    let holder = store.get(&key("lease")).unwrap().unwrap().value;
    assert_eq!(winners, holder);
    let entries = store.read(&LOG, Position::START, 100).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].bytes, holder);
}

#[test]
fn the_last_change_of_a_key_in_a_batch_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let batch = Batch::new()
        .put(key("a"), "1")
        .delete(key("a"))
        .put(key("a"), "2");
    wait(store.commit(batch)).unwrap();
    assert_eq!(store.get(&key("a")).unwrap().unwrap().value, b"2");
    wait(store.commit(Batch::new().put(key("a"), "3").delete(key("a")))).unwrap();
    assert_eq!(store.get(&key("a")).unwrap(), None);
}

#[test]
fn a_scan_ends_at_its_prefix_and_can_be_continued() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batch = Batch::new().put(Key::new(TABLE, &["ab", "x"]), "other");
    for name in ["1", "2", "3"] {
        batch = batch.put(Key::new(TABLE, &["a", name]), name);
    }
    wait(store.commit(batch)).unwrap();
    let prefix = key("a");
    let all = store.scan(&prefix, 10).unwrap();
    let names: Vec<String> = all.iter().filter_map(|(key, _)| key.text(1)).collect();
    assert_eq!(names, ["1", "2", "3"]);
    assert_eq!(store.scan(&prefix, 2).unwrap(), all[..2]);
    assert_eq!(store.scan_after(&prefix, &all[0].0, 10).unwrap(), all[1..]);
    assert_eq!(store.scan_after(&prefix, &all[2].0, 10).unwrap(), []);
}

#[test]
fn watchers_see_changes_in_order_and_are_told_when_they_missed_some() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(
        dir.path(),
        Options {
            watch_capacity: 3,
            ..inline()
        },
    )
    .unwrap();
    let mut watch = store.watch(key("a"));
    wait(async {
        let batch = Batch::new()
            .put(key("a"), "1")
            .put(key("b"), "unseen")
            .delete(key("a"));
        store.commit(batch).await.unwrap();
        let revision = Revision::from_number(1);
        let set = Change::Set {
            key: key("a"),
            value: Some(b"1".to_vec()),
            revision,
        };
        assert_eq!(watch.next().await, set);
        assert_eq!(
            watch.next().await,
            Change::Set {
                key: key("a"),
                value: None,
                revision
            }
        );
        for number in 0..4_u8 {
            store
                .commit(Batch::new().put(key("a"), [number]))
                .await
                .unwrap();
        }
        assert_eq!(watch.next().await, Change::Lagged);
        store
            .commit(Batch::new().put(key("a"), "new"))
            .await
            .unwrap();
        assert!(
            matches!(watch.next().await, Change::Set { value: Some(value), .. } if value == b"new")
        );
        store.close();
        assert_eq!(watch.next().await, Change::Closed);
    });
}

#[test]
fn a_waiting_watcher_is_woken() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), threaded()).unwrap();
    let mut watch = store.watch(Key::table(TABLE));
    wait(async {
        let (change, receipt) =
            tokio::join!(watch.next(), store.commit(Batch::new().put(key("a"), "1")));
        assert!(matches!(change, Change::Set { .. }));
        receipt.unwrap();
    });
}
