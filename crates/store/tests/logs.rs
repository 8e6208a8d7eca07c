//! Records: trimmed, read from the end, one by one, erased.

use store::{Batch, LogName, Position, Store};

use crate::{LOG, open, wait};

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
