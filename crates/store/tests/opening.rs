//! Opening and closing: one at a time, read only, after being cut short, with files gone.

use store::{Batch, CommitError, OpenError, Position, Store};

use crate::tables::key;
use crate::{LOG, inline, open, threaded, wait};

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
fn the_data_is_for_its_owner_alone_also_where_it_was_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let mode = || std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777;
    drop(open(&dir));
    assert_eq!(mode(), 0o700);
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(open(&dir));
    assert_eq!(mode(), 0o700);
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
