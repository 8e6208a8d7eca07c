//! Journals as a power cut or a rotting disk leaves them.

use std::fs;
use std::path::{Path, PathBuf};

use store::{Batch, Key, OpenError, Options, Position, Store};

use crate::{LOG, TABLE, inline, open, wait};

const RECORDS: usize = 20;

/// A store of twenty records in a directory, closed; says where each batch ends in the journal.
fn filled(dir: &Path) -> (PathBuf, Vec<usize>) {
    let store = open(dir);
    let journal = dir.join("db/0.jnl");
    let mut ends = Vec::new();
    let mut end = 0;
    for number in 0..RECORDS {
        let key = Key::table(TABLE).with_number(number as u64);
        let batch = Batch::new()
            .append(&LOG, vec![number as u8 + 1; 6000])
            .put(key, "x");
        wait(store.commit(batch)).unwrap();
        let written = &fs::read(&journal).unwrap()[end..end + 10_000];
        end += written.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        ends.push(end);
    }
    (journal, ends)
}

fn records(store: &Store) -> usize {
    let entries = store.read(&LOG, Position::START, 100).unwrap();
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry.bytes, vec![index as u8 + 1; 6000]);
    }
    assert_eq!(
        store.scan(&Key::table(TABLE), 100).unwrap().len(),
        entries.len()
    );
    entries.len()
}

#[test]
fn a_last_batch_torn_anywhere_is_set_aside_and_the_rest_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ends) = filled(dir.path());
    let (start, end) = (ends[RECORDS - 2], ends[RECORDS - 1]);
    let mut good = fs::read(&journal).unwrap();
    good.truncate(end + 10_000);
    let page = 1000;
    for hole in (start..end).step_by(777) {
        // Pages that never reached the disk read as zeros, in the middle as well as at the end.
        for upto in [end, (hole + page).min(end)] {
            let mut torn = good.clone();
            torn[hole..upto].fill(0);
            if torn == good || torn[start..].iter().all(|byte| *byte == 0) {
                continue;
            }
            fs::write(&journal, &torn).unwrap();
            let store = Store::open(dir.path(), inline()).unwrap();
            assert_eq!(
                records(&store),
                RECORDS - 1,
                "hole at {hole}..{upto} of {start}..{end}"
            );
            assert!(store.stats().set_aside_bytes > 0);
            let aside = dir.path().join(format!("aside/0.jnl-{start}"));
            assert!(torn[start..].starts_with(&fs::read(aside).unwrap()));
        }
    }
    fs::write(&journal, &good).unwrap();
    let store = open(dir.path());
    assert_eq!(records(&store), RECORDS);
    assert_eq!(store.stats().set_aside_bytes, 0);
}

#[test]
fn damage_before_whole_batches_stops_the_opening_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, ends) = filled(dir.path());
    let mut good = fs::read(&journal).unwrap();
    good.truncate(ends[RECORDS - 1] + 10_000);
    for flip in (ends[3]..ends[12]).step_by(1013) {
        let mut rotten = good.clone();
        rotten[flip] ^= 0x10;
        fs::write(&journal, &rotten).unwrap();
        match Store::open(dir.path(), inline()) {
            Err(OpenError::Damaged { what }) => assert!(what.contains("0.jnl"), "{what}"),
            // What the engine does not protect (the count's upper half) it also does not use.
            Ok(store) => assert_eq!(records(&store), RECORDS, "flip at {flip}"),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(
            fs::read(&journal).unwrap()[..ends[RECORDS - 1]],
            rotten[..ends[RECORDS - 1]]
        );
    }
    // An operator who has no backup can go on without what follows the damage.
    let mut rotten = good.clone();
    rotten[ends[9] + 100] ^= 0x10;
    fs::write(&journal, &rotten).unwrap();
    let store = Store::open(
        dir.path(),
        Options {
            salvage: true,
            ..inline()
        },
    )
    .unwrap();
    assert_eq!(records(&store), 10);
    let lost = ends[RECORDS - 1] - ends[9];
    assert_eq!(store.stats().set_aside_bytes, lost as u64);
}
