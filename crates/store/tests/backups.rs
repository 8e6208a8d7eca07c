//! A backup of a running store, and a store made of it.

use std::fs;
use std::path::{Path, PathBuf};

use store::{BackupError, Batch, BlobId, Key, Position, Store, restore};

use crate::{LOG, TABLE, content, inline, open, threaded, wait};

fn filled(dir: &Path) -> (Store, BlobId) {
    let store = Store::open(dir, threaded()).unwrap();
    let blob = store.blobs().put(&[7; 100_000]).unwrap();
    store.blobs().put(b"not linked").unwrap();
    for number in 0..50_u8 {
        let key = Key::new(TABLE, &["k"]).with_number(u64::from(number));
        let batch = Batch::new()
            .append(&LOG, vec![number; 5000])
            .put(key.clone(), [number])
            .link(blob, key);
        wait(store.commit(batch)).unwrap();
    }
    wait(store.trim(&LOG, Position::from_number(11))).unwrap();
    (store, blob)
}

#[test]
fn a_backup_of_a_running_store_restores_to_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (store, blob) = filled(&dir.path().join("store"));
    let (backup, report) = wait(async {
        let to = dir.path().join("backup");
        let writers = async {
            for number in 0..50_u8 {
                let key = Key::new(TABLE, &["during"]).with_number(u64::from(number));
                let batch = Batch::new().append(&LOG, [number]).put(key, [number]);
                store.commit(batch).await.unwrap();
            }
        };
        let (report, ()) = tokio::join!(store.backup(&to), writers);
        (to, report.unwrap())
    });
    assert_eq!(report.blobs, 2);

    let restored = dir.path().join("restored");
    assert_eq!(restore(&backup, &restored).unwrap(), report);
    let copy = open(&restored);
    let during = copy.scan(&Key::new(TABLE, &["during"]), 100).unwrap().len();
    let records = copy.read(&LOG, Position::START, 1000).unwrap();
    assert_eq!(
        records.len(),
        40 + during,
        "log and table show the same moment"
    );
    let all = content(&store, &[LOG]);
    for line in content(&copy, &[LOG]) {
        assert!(all.contains(&line), "{line}");
    }
    copy.blobs().open(&blob).unwrap().verify().unwrap();
    // The copy goes on where the original was, and has an identity of its own.
    let receipt = wait(copy.commit(Batch::new().append(&LOG, "on"))).unwrap();
    assert_eq!(
        receipt.positions()[0].number(),
        records.last().unwrap().position.number() + 1
    );
}

#[test]
fn at_rest_the_copy_equals_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = filled(&dir.path().join("store"));
    wait(store.backup(&dir.path().join("backup"))).unwrap();
    restore(&dir.path().join("backup"), &dir.path().join("copy")).unwrap();
    let copy = open(&dir.path().join("copy"));
    assert_eq!(content(&copy, &[LOG]), content(&store, &[LOG]));
    let again = wait(copy.backup(&dir.path().join("again"))).unwrap();
    assert_eq!(
        again.items,
        wait(store.backup(&dir.path().join("third"))).unwrap().items
    );
}

#[test]
fn every_damage_is_found_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, blob) = filled(&dir.path().join("store"));
    let backup = dir.path().join("backup");
    wait(store.backup(&backup)).unwrap();
    let name = blob.to_string();
    let blob_file = PathBuf::from("blobs").join(&name[..2]).join(&name);
    let target = dir.path().join("target");
    for file in [Path::new("records"), &blob_file, Path::new("backup")] {
        let path = backup.join(file);
        let good = fs::read(&path).unwrap();
        for index in (0..good.len()).step_by(good.len() / 10 + 1) {
            let mut bad = good.clone();
            bad[index] ^= 1;
            fs::write(&path, &bad).unwrap();
            let refused = restore(&backup, &target);
            assert!(refused.is_err(), "{} byte {index}", file.display());
            fs::write(&path, &good[..index]).unwrap();
            assert!(restore(&backup, &target).is_err());
        }
        fs::remove_file(&path).unwrap();
        assert!(restore(&backup, &target).is_err());
        assert!(!target.exists());
        fs::write(&path, &good).unwrap();
    }
    let text = fs::read_to_string(backup.join("backup")).unwrap();
    fs::write(backup.join("backup"), text.replace("format 1", "format 2")).unwrap();
    assert!(matches!(
        restore(&backup, &target),
        Err(BackupError::Newer { found: 2, known: 1 })
    ));
    fs::write(backup.join("backup"), text).unwrap();
    restore(&backup, &target).unwrap();
}

#[test]
fn a_damaged_blob_stops_the_backup_only_if_a_key_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, blob) = filled(&dir.path().join("store"));
    let loose = BlobId::of(b"not linked");
    fs::write(store.blobs().open(&loose).unwrap().path(), "damaged").unwrap();
    let report = wait(store.backup(&dir.path().join("first"))).unwrap();
    assert_eq!((report.blobs, report.left_out), (1, 1));
    let restored = restore(&dir.path().join("first"), &dir.path().join("copy")).unwrap();
    assert_eq!(restored.items, report.items);
    fs::write(store.blobs().open(&blob).unwrap().path(), "damaged").unwrap();
    let refused = wait(store.backup(&dir.path().join("second")));
    assert!(matches!(refused, Err(BackupError::Blob(_))), "{refused:?}");
    assert!(restore(&dir.path().join("second"), &dir.path().join("none")).is_err());
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), inline()).unwrap();
    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("letter"), "dear").unwrap();
    assert!(matches!(
        wait(store.backup(&full)),
        Err(BackupError::NotEmpty { .. })
    ));
    wait(store.backup(&dir.path().join("backup"))).unwrap();
    let refused = restore(&dir.path().join("backup"), &full);
    assert!(matches!(refused, Err(BackupError::NotEmpty { .. })));
    assert_eq!(fs::read(full.join("letter")).unwrap(), b"dear");
}
