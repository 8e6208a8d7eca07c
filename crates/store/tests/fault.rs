//! A disk that refuses: no receipt is given any more, reads go on, a restart finds all receipts.
//!
//! The child runs under a limit of 64 MiB on the size of a file (what the engine sets aside for
//! a journal), so that the write of a journal fails in the middle of a batch.

use std::path::PathBuf;
use std::process::Command;

use store::{Batch, CommitError, Key, Position, Store};

use crate::{LOG, TABLE, inline, open, threaded, wait};

const DIR: &str = "SERVERGATE_STORE_FAULT_DIR";
/// Eight of them stay below the size at which the engine changes journals, nine do not fit.
const RECORD: usize = 7_900_000;

#[test]
fn after_a_failed_write_nothing_is_promised_and_nothing_promised_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    // A write beyond the limit shall fail, not kill: the signal is ignored. Unit: 512 bytes.
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 131072; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["fault::child_with_a_limit", "--exact", "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&limited.stdout);
    assert!(
        limited.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&limited.stderr)
    );
    let receipts = said.lines().find_map(|line| line.strip_prefix("receipts "));
    let receipts: usize = receipts.expect(&said).parse().unwrap();
    assert!(receipts >= 8, "{said}");

    let store = open(dir.path());
    let records = store.read(&LOG, Position::START, 100).unwrap();
    let values = store.scan(&Key::table(TABLE), 100).unwrap();
    assert_eq!(records.len(), values.len());
    assert!(records.len() >= receipts);
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record.bytes, vec![index as u8; RECORD]);
    }
    // The restart cured it: the limit is gone.
    let receipt = wait(store.commit(Batch::new().append(&LOG, "on"))).unwrap();
    assert_eq!(receipt.positions()[0].number() as usize, records.len() + 1);
}

/// Not a test by itself: runs under the limit.
#[test]
fn child_with_a_limit() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let store = Store::open(&dir, threaded()).unwrap();
    let mut receipts = 0_u8;
    let refused = loop {
        let key = Key::table(TABLE).with_number(u64::from(receipts));
        let batch = Batch::new()
            .append(&LOG, vec![receipts; RECORD])
            .put(key, [receipts]);
        match wait(store.commit(batch)) {
            Ok(_) => receipts += 1,
            Err(error) => break error,
        }
        assert!(receipts < 50, "the limit was never met");
    };
    assert!(matches!(refused, CommitError::Io(_)), "{refused}");
    assert!(store.stats().poisoned);
    let small = wait(store.commit(Batch::new().append(&LOG, "small")));
    assert!(matches!(small, Err(CommitError::Poisoned)), "{small:?}");
    assert!(matches!(
        wait(store.trim(&LOG, Position::from_number(2))),
        Err(CommitError::Poisoned)
    ));
    // What had a receipt is still read, what had none is not.
    assert_eq!(
        store.read(&LOG, Position::START, 100).unwrap().len(),
        usize::from(receipts)
    );
    // Under whoever holds it the files are opened again: it takes batches, and has what it had.
    let mut watch = store.watch(Key::table(TABLE));
    store.reopen().unwrap();
    let stats = store.stats();
    assert_eq!((stats.poisoned, stats.reopened), (false, 1));
    let before = store.read(&LOG, Position::START, 100).unwrap().len();
    assert!((receipts..=receipts + 1).contains(&u8::try_from(before).unwrap()));
    let small = Batch::new().put(Key::table(TABLE).with_bytes(b"on"), "on");
    wait(store.commit(small)).unwrap();
    let told = wait(watch.next());
    assert!(matches!(told, store::Change::Set { .. }), "{told:?}");
    // Nothing happens where nothing failed.
    store.reopen().unwrap();
    assert_eq!(store.stats().reopened, 1);
    wait(store.commit(Batch::new().delete(Key::table(TABLE).with_bytes(b"on")))).unwrap();
    drop(store);
    // The store can be opened again in the same process under the limit, and read.
    let store = Store::open(&dir, inline()).unwrap();
    assert!(store.read(&LOG, Position::START, 100).unwrap().len() >= usize::from(receipts));
    println!("receipts {receipts}");
}
