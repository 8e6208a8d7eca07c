//! Random batches against a plain map: the store does what the map does, also after reopening.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use store::{Batch, CommitError, Expect, Key, LogName, Position, Store};

use crate::{TABLE, inline, wait};

const LOGS: [LogName; 2] = [LogName::new("a"), LogName::new("ab")];

#[derive(Clone, Debug)]
enum Step {
    Append(usize, Vec<u8>),
    Put(u8, Vec<u8>),
    PutIf(u8, Vec<u8>, Guess),
    Delete(u8),
    DeleteIf(u8, Guess),
}

/// What a condition expects: right, wrong by one, or absent.
#[derive(Clone, Copy, Debug)]
enum Guess {
    Right,
    Stale,
    Absent,
}

#[derive(Clone, Debug)]
enum Act {
    Commit(Vec<Step>),
    Trim(usize, u64),
    Reopen,
}

fn guess() -> impl Strategy<Value = Guess> {
    prop_oneof![4 => Just(Guess::Right), 1 => Just(Guess::Stale), 1 => Just(Guess::Absent)]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 3000..3100)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2_usize, bytes()).prop_map(|(log, bytes)| Step::Append(log, bytes)),
        (0..6_u8, bytes()).prop_map(|(key, bytes)| Step::Put(key, bytes)),
        (0..6_u8, bytes(), guess()).prop_map(|(key, bytes, guess)| Step::PutIf(key, bytes, guess)),
        (0..6_u8).prop_map(Step::Delete),
        (0..6_u8, guess()).prop_map(|(key, guess)| Step::DeleteIf(key, guess)),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => vec(step(), 0..6).prop_map(Act::Commit),
        2 => (0..2_usize, 0..30_u64).prop_map(|(log, below)| Act::Trim(log, below)),
        1 => Just(Act::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    revision: u64,
    values: BTreeMap<u8, (Vec<u8>, u64)>,
    logs: [BTreeMap<u64, Vec<u8>>; 2],
    next: [u64; 2],
}

impl Model {
    fn expectation(&self, key: u8, guess: Guess) -> (Expect, bool) {
        let now = self.values.get(&key).map(|value| value.1);
        match (guess, now) {
            (Guess::Absent, now) => (Expect::Absent, now.is_none()),
            (Guess::Right, None) => (Expect::Absent, true),
            (Guess::Right, Some(revision)) => (revision_is(revision), true),
            (Guess::Stale, now) => (revision_is(now.unwrap_or(1) + 1), false),
        }
    }

    /// Builds the batch; says whether it must succeed.
    fn batch(&self, steps: &[Step]) -> (Batch, bool) {
        let mut batch = Batch::new();
        let mut holds = true;
        for step in steps {
            batch = match step.clone() {
                Step::Append(log, bytes) => batch.append(&LOGS[log], bytes),
                Step::Put(at, bytes) => batch.put(key(at), bytes),
                Step::Delete(at) => batch.delete(key(at)),
                Step::PutIf(at, bytes, guess) => {
                    let (expect, right) = self.expectation(at, guess);
                    holds &= right;
                    batch.put_if(key(at), bytes, expect)
                }
                Step::DeleteIf(at, guess) => {
                    let (expect, right) = self.expectation(at, guess);
                    holds &= right;
                    batch.delete_if(key(at), expect)
                }
            };
        }
        (batch, holds)
    }

    fn apply(&mut self, steps: &[Step]) {
        self.revision += 1;
        for step in steps {
            match step.clone() {
                Step::Append(log, bytes) => {
                    self.next[log] += 1;
                    self.logs[log].insert(self.next[log], bytes);
                }
                Step::Put(at, bytes) | Step::PutIf(at, bytes, _) => {
                    self.values.insert(at, (bytes, self.revision));
                }
                Step::Delete(at) | Step::DeleteIf(at, _) => {
                    self.values.remove(&at);
                }
            }
        }
    }

    fn compare(&self, store: &Store) {
        let found = store.scan(&Key::table(TABLE), 100).unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|(key, v)| (key, v.value, v.revision.number()))
            .collect();
        let expected: Vec<_> = self
            .values
            .iter()
            .map(|(at, (bytes, rev))| (key(*at), bytes.clone(), *rev))
            .collect();
        assert_eq!(found, expected);
        for (log, expected) in LOGS.iter().zip(&self.logs) {
            let found = store.read(log, Position::START, 1000).unwrap();
            let found: BTreeMap<u64, Vec<u8>> = found
                .into_iter()
                .map(|entry| (entry.position.number(), entry.bytes))
                .collect();
            assert_eq!(&found, expected);
        }
    }
}

fn revision_is(number: u64) -> Expect {
    Expect::Revision(store::Revision::from_number(number))
}

fn key(at: u8) -> Key {
    Key::table(TABLE).with_bytes(&[at, 0])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_store_does_what_the_map_does(acts in vec(act(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), inline()).unwrap();
        let mut model = Model::default();
        for act in acts {
            match act {
                Act::Commit(steps) => {
                    let (batch, must_succeed) = model.batch(&steps);
                    match wait(store.commit(batch)) {
                        Ok(receipt) => {
                            prop_assert!(must_succeed);
                            model.apply(&steps);
                            prop_assert_eq!(receipt.revision().number(), model.revision);
                        }
                        Err(CommitError::Precondition { .. }) => prop_assert!(!must_succeed),
                        Err(error) => panic!("{error}"),
                    }
                }
                Act::Trim(log, below) => {
                    wait(store.trim(&LOGS[log], Position::from_number(below))).unwrap();
                    model.logs[log].retain(|position, _| *position >= below);
                }
                Act::Reopen => {
                    drop(store);
                    store = Store::open(dir.path(), inline()).unwrap();
                }
            }
            model.compare(&store);
        }
    }
}
