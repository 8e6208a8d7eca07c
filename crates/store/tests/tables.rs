//! Commits, conditions, reading, watching, trimming.

use store::{
    Batch, BlobId, Change, CommitError, Expect, Key, LogName, OpenError, Options, Position,
    Revision, Store,
};

use crate::{LOG, TABLE, inline, open, threaded, wait};

fn key(name: &str) -> Key {
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

#[test]
fn trimming_removes_the_oldest_and_never_gives_a_position_twice() {
    let dir = tempfile::tempdir().unwrap();
    let other = LogName::named("recorder");
    let store = open(dir.path());
    let mut batch = Batch::new().append(&other, "kept");
    for number in 0..5000_u32 {
        batch = batch.append(&LOG, number.to_be_bytes());
    }
    wait(store.commit(batch)).unwrap();
    wait(store.trim(&LOG, Position::from_number(4999))).unwrap();
    let left: Vec<u64> = positions(&store);
    assert_eq!(left, [4999, 5000]);
    wait(store.trim(&LOG, Position::from_number(9999))).unwrap();
    assert!(positions(&store).is_empty());
    assert!(store.last(&LOG, 3).unwrap().is_empty());
    assert_eq!(store.read(&other, Position::START, 9).unwrap().len(), 1);
    drop(store);

    let store = open(dir.path());
    let receipt = wait(store.commit(Batch::new().append(&LOG, "next"))).unwrap();
    assert_eq!(receipt.positions(), [Position::from_number(5001)]);
    assert_eq!(positions(&store), [5001]);
    wait(store.trim(&LOG, Position::START)).unwrap();
    assert_eq!(store.last(&LOG, 3).unwrap().len(), 1);
}

fn positions(store: &Store) -> Vec<u64> {
    let entries = store.read(&LOG, Position::START, usize::MAX).unwrap();
    entries
        .iter()
        .map(|entry| entry.position.number())
        .collect()
}

#[test]
fn the_last_records_come_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..5_u8 {
        wait(store.commit(Batch::new().append(&LOG, [number]))).unwrap();
    }
    let last: Vec<u8> = store
        .last(&LOG, 2)
        .unwrap()
        .iter()
        .map(|e| e.bytes[0])
        .collect();
    assert_eq!(last, [3, 4]);
    let from: Vec<u8> = store
        .read(&LOG, Position::from_number(2), 2)
        .unwrap()
        .iter()
        .map(|e| e.bytes[0])
        .collect();
    assert_eq!(from, [1, 2]);
}

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
fn a_second_opener_a_newer_format_and_a_foreign_directory_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let second = Store::open(dir.path(), inline()).unwrap_err();
    assert!(matches!(second, OpenError::Locked { .. }));
    assert!(
        second.to_string().contains("in use by another process"),
        "{second}"
    );
    assert!(matches!(
        Store::open_read_only(dir.path()),
        Err(OpenError::Locked { .. })
    ));
    drop(store);

    let format = dir.path().join("format");
    assert_eq!(
        std::fs::read_to_string(&format).unwrap(),
        "servergate store format 1\n"
    );
    std::fs::write(&format, "servergate store format 7\n").unwrap();
    let newer = Store::open(dir.path(), inline()).unwrap_err();
    assert!(matches!(
        newer,
        OpenError::Newer {
            found: 7,
            known: 1,
            ..
        }
    ));
    assert!(newer.to_string().contains("newer version"), "{newer}");

    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("letter.txt"), "dear").unwrap();
    let refused = Store::open(foreign.path(), inline()).unwrap_err();
    assert!(refused.to_string().contains("letter.txt"), "{refused}");
    assert_eq!(std::fs::read_dir(foreign.path()).unwrap().count(), 1);
}

#[test]
fn reading_only_shows_everything_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Store::open_read_only(&dir.path().join("none")),
        Err(OpenError::Missing { .. })
    ));
    assert!(!dir.path().join("none").exists());
    let store = open(dir.path());
    let blob = store.blobs().put(b"body").unwrap();
    wait(store.commit(Batch::new().append(&LOG, "1").put(key("a"), "1"))).unwrap();
    drop(store);
    let store = Store::open_read_only(dir.path()).unwrap();
    assert_eq!(store.read(&LOG, Position::START, 9).unwrap().len(), 1);
    assert_eq!(
        store.blobs().open(&blob).unwrap().read_all().unwrap(),
        b"body"
    );
    let refused = wait(store.commit(Batch::new().append(&LOG, "2")));
    assert!(matches!(refused, Err(CommitError::ReadOnly)));
    assert!(matches!(
        wait(store.trim(&LOG, Position::from_number(2))),
        Err(CommitError::ReadOnly)
    ));
    assert!(store.blobs().put(b"more").is_err());
}

#[test]
fn closing_finishes_what_waits_and_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), threaded()).unwrap();
    let other = store.clone();
    wait(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..20_u8 {
            let store = store.clone();
            tasks.spawn(async move { store.commit(Batch::new().append(&LOG, [number])).await });
        }
        tokio::task::yield_now().await;
        store.close();
        for answer in tasks.join_all().await {
            assert!(
                matches!(answer, Ok(_) | Err(CommitError::Closed)),
                "{answer:?}"
            );
        }
        let refused = other.commit(Batch::new().append(&LOG, "late")).await;
        assert!(matches!(refused, Err(CommitError::Closed)));
    });
    assert_eq!(
        other.stats().commits,
        other.read(&LOG, Position::START, 99).unwrap().len() as u64
    );
    assert!(matches!(
        Store::open(dir.path(), inline()),
        Err(OpenError::Locked { .. })
    ));
    drop(other);
    open(dir.path());
}

#[test]
fn making_that_was_cut_short_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    std::fs::create_dir_all(db.join("keyspaces")).unwrap();
    std::fs::write(db.join("0.jnl"), [0; 64]).unwrap();
    std::fs::write(db.join("version"), "FJ").unwrap();
    let store = open(dir.path());
    wait(store.commit(Batch::new().append(&LOG, "1"))).unwrap();
}

#[test]
fn engine_files_that_vanished_are_not_replaced_by_empty_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    wait(store.commit(Batch::new().append(&LOG, "1"))).unwrap();
    drop(store);
    let db = dir.path().join("db");
    let away = dir.path().join("aside");
    std::fs::rename(&db, &away).unwrap();
    let refused = Store::open(dir.path(), inline()).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    std::fs::rename(&away, &db).unwrap();
    std::fs::rename(db.join("version"), db.join("version.old")).unwrap();
    let refused = Store::open(dir.path(), inline()).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    std::fs::rename(db.join("version.old"), db.join("version")).unwrap();
    assert_eq!(
        open(dir.path())
            .read(&LOG, Position::START, 9)
            .unwrap()
            .len(),
        1
    );
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
fn one_record_is_read_and_erased_and_its_position_never_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let at = Position::from_number;
    let batch = (1..=6_u8).fold(Batch::new(), |batch, n| batch.append(&LOG, [n]));
    wait(store.commit(batch)).unwrap();
    let one = |store: &Store, number| store.read_one(&LOG, at(number)).unwrap();
    assert_eq!(one(&store, 3).unwrap().bytes, [3]);
    assert_eq!(one(&store, 7), None);

    // In the middle, at the end, one that never was and one of a log that never was.
    let erase = Batch::new()
        .erase(&LOG, at(3))
        .erase(&LOG, at(6))
        .erase(&LOG, at(7))
        .erase(&LogName::new("never"), at(1))
        .append(&LOG, [7]);
    let receipt = wait(store.commit(erase)).unwrap();
    assert_eq!(receipt.positions(), [at(7)]);
    let numbers = |store: &Store| {
        let entries = store.read(&LOG, Position::START, 99).unwrap();
        let numbers = entries.iter().map(|entry| entry.position.number());
        numbers.collect::<Vec<u64>>()
    };
    assert_eq!(numbers(&store), [1, 2, 4, 5, 7]);
    assert_eq!(one(&store, 3), None);
    wait(store.trim(&LOG, at(3))).unwrap();
    wait(store.commit(Batch::new().erase(&LOG, at(7)))).unwrap();
    wait(store.commit(Batch::new().erase(&LOG, at(7)))).unwrap();
    drop(store);

    let store = open(dir.path());
    assert_eq!(numbers(&store), [4, 5]);
    let receipt = wait(store.commit(Batch::new().append(&LOG, [8]))).unwrap();
    assert_eq!(receipt.positions(), [at(8)]);
    let all = [4, 5, 8].into_iter();
    wait(store.commit(all.fold(Batch::new(), |batch, n| batch.erase(&LOG, at(n))))).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(numbers(&store), [0_u64; 0]);
    let receipt = wait(store.commit(Batch::new().append(&LOG, [9]))).unwrap();
    assert_eq!(receipt.positions(), [at(9)]);
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
