//! A store read through memory: what it shows, what it leaves alone, how it is used again.

use std::collections::BTreeMap;

use super::*;
use crate::open::{self, Access};
use crate::{Batch, CommitError, Committer, Key, LogName, Options, Position, Store, Table};

const TABLE: Table = Table::new("memory");

/// Tables and a journal, with values that lie apart from the index.
const RECORDS: u8 = 40;
const RECORD: usize = 700_000;

fn log() -> LogName {
    LogName::new("memory")
}

fn options() -> Options {
    Options {
        committer: Committer::Inline,
        reserve_bytes: 0,
        ballast_bytes: 0,
        ..Options::default()
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.build().unwrap().block_on(future)
}

fn filled(dir: &Path) {
    let store = Store::open(dir, options()).unwrap();
    for number in 0..RECORDS {
        let key = Key::table(TABLE).with_number(u64::from(number));
        let batch = Batch::new().append(&log(), vec![number; RECORD]);
        wait(store.commit(batch.put(key, [number]))).unwrap();
    }
}

fn holds_everything(store: &Store) {
    let records = store.read(&log(), Position::START, 100).unwrap();
    assert_eq!(records.len(), usize::from(RECORDS));
    for (number, record) in (0..RECORDS).zip(&records) {
        assert_eq!(record.bytes, vec![number; RECORD]);
    }
    let values = store.scan(&Key::table(TABLE), 100).unwrap();
    assert_eq!(values.len(), usize::from(RECORDS));
}

/// Names and contents of all files below `dir`.
fn files(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

#[test]
fn what_takes_no_write_is_read_and_left_as_it_is_until_it_takes_one() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    files(dir.path(), &mut before);
    assert!(
        before
            .keys()
            .any(|path| fs::metadata(path).unwrap().len() > SMALL)
    );

    let opened = open::open(dir.path(), &options(), Access::WriteLater).unwrap();
    let store = Store::start(opened, options(), Access::WriteLater, dir.path()).unwrap();
    holds_everything(&store);
    assert!(store.is_poisoned());
    let refused = wait(store.commit(Batch::new().append(&log(), "more")));
    assert!(matches!(refused, Err(CommitError::Poisoned)), "{refused:?}");
    files(dir.path(), &mut after);
    assert!(before == after, "reading changed something on the disk");
    let second = Store::open(dir.path(), options());
    assert!(second.is_err(), "it is locked all the same");

    store.reopen().unwrap();
    assert!(!store.is_poisoned());
    holds_everything(&store);
    let receipt = wait(store.commit(Batch::new().append(&log(), "more"))).unwrap();
    let position = receipt.positions()[0].number();
    assert_eq!(position, u64::from(RECORDS) + 1);
    drop(store);
    let store = Store::open(dir.path(), options()).unwrap();
    let last = store.last(&log(), 1).unwrap();
    assert_eq!(last[0].bytes, b"more");
}

#[test]
fn reading_only_goes_through_memory_as_well() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let opened = open::open(dir.path(), &options(), Access::ReadCopy).unwrap();
    let store = Store::start(opened, options(), Access::ReadCopy, dir.path()).unwrap();
    holds_everything(&store);
    let refused = wait(store.commit(Batch::new().append(&log(), "more")));
    assert!(matches!(refused, Err(CommitError::ReadOnly)), "{refused:?}");
}

#[test]
fn the_copy_goes_with_its_store_and_after_a_kill_with_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("3.jnl"), [7; 1000]).unwrap();
    let first = MemoryCopy::of(dir.path()).unwrap();
    let place = first.dir().to_path_buf();
    assert!(is_in_memory(&place));
    std::mem::forget(first);
    let second = MemoryCopy::of(dir.path()).unwrap();
    assert!(!place.exists(), "what a killed program left");
    let place = second.dir().to_path_buf();
    drop(second);
    assert!(!place.exists());
}

#[test]
fn journals_are_copied_without_their_zeros_and_within_a_bound() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let journal = from.path().join("1.jnl");
    let mut bytes = vec![1; 3 * CHUNK];
    bytes.resize(64 * CHUNK, 0);
    fs::write(&journal, &bytes).unwrap();
    fs::write(from.path().join("table"), vec![2; 2 * CHUNK]).unwrap();
    let mut left = 4 * CHUNK as u64;
    copy_folder(from.path(), to.path(), &mut left).unwrap();
    assert_eq!(left, CHUNK as u64, "zeros cost nothing");
    assert!(fs::read(to.path().join("1.jnl")).unwrap() == bytes);
    assert!(
        fs::symlink_metadata(to.path().join("table"))
            .unwrap()
            .is_symlink()
    );

    let refused = copy_file(&journal, &to.path().join("2.jnl"), &mut left);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("would be copied into memory"), "{refused}");
}
