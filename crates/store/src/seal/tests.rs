//! What only the store itself can do to its bytes: move them, alter them, lose a key.

use std::path::Path;

use crate::engine;
use crate::options::PassphraseCost;
use crate::{
    Batch, Committer, Key, LogName, Options, Position, ReadError, Revision, SealError, Store, Table,
};

const TABLE: Table = Table::sealed("people");
const LOG: LogName = LogName::sealed("letters");
const WORDS: &[u8] = b"five or six random words";

fn open(dir: &Path) -> Store {
    let options = Options {
        committer: Committer::Inline,
        reserve_bytes: 0,
        passphrase_cost: PassphraseCost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        },
        ..Options::default()
    };
    Store::open(dir, options).unwrap()
}

fn commit(store: &Store, batch: Batch) -> Revision {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(store.commit(batch))
        .unwrap()
        .revision()
}

fn key(name: &str) -> Key {
    Key::new(TABLE, &[name])
}

fn filled(dir: &Path) -> Store {
    let store = open(dir);
    store.seal().set_up(WORDS).unwrap();
    let batch = Batch::new()
        .put(key("a"), "of a")
        .put(key("b"), "of b")
        .append(&LOG, "first")
        .append(&LOG, "second");
    commit(&store, batch);
    store
}

#[test]
fn what_lies_at_another_place_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let spaces = store.0.engine.spaces().unwrap();
    let (kv, log) = (&spaces.kv, &spaces.log);
    let of_a = kv.get(key("a").bytes()).unwrap().unwrap();
    kv.insert(key("b").bytes(), of_a.as_ref()).unwrap();
    assert!(matches!(store.get(&key("b")), Err(ReadError::Altered)));
    assert_eq!(store.get(&key("a")).unwrap().unwrap().value, b"of a");
    assert!(matches!(
        store.scan(&Key::table(TABLE), 9),
        Err(ReadError::Altered)
    ));

    let first = log.get(LOG.at(1)).unwrap().unwrap();
    log.insert(LOG.at(2), first.as_ref()).unwrap();
    let moved = store.read_one(&LOG, Position::from_number(2));
    assert!(matches!(moved, Err(ReadError::Altered)), "{moved:?}");
    let elsewhere = LogName::sealed("other");
    log.insert(elsewhere.at(1), first.as_ref()).unwrap();
    assert!(store.last(&elsewhere, 1).is_err());
    assert_eq!(
        store.read(&LOG, Position::START, 1).unwrap()[0].bytes,
        b"first"
    );
}

#[test]
fn what_is_altered_in_any_byte_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let kv = &store.0.engine.spaces().unwrap().kv;
    let good = kv.get(key("a").bytes()).unwrap().unwrap();
    for index in 0..good.len() {
        let mut bad = good.to_vec();
        bad[index] ^= 0x80;
        kv.insert(key("a").bytes(), bad).unwrap();
        assert!(store.get(&key("a")).is_err(), "byte {index}");
    }
    kv.insert(key("a").bytes(), &good[..good.len() - 1])
        .unwrap();
    assert!(store.get(&key("a")).is_err());
}

#[test]
fn each_opening_and_renewal_has_a_key_of_its_own_stored_before_use() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let ids = |store: &Store| {
        let own = store.0.engine.spaces().unwrap().kv.prefix(b"\0\0SK");
        let ids = own.map(|guard| guard.key().unwrap()[4..].to_vec());
        ids.map(|id| u32::from_be_bytes(id.try_into().unwrap()))
            .collect::<Vec<u32>>()
    };
    assert_eq!(ids(&store), [1]);
    let stored = |store: &Store| {
        let bytes = store
            .0
            .engine
            .spaces()
            .unwrap()
            .kv
            .get(key("a").bytes())
            .unwrap()
            .unwrap();
        u32::from_be_bytes(bytes[2..6].try_into().unwrap())
    };
    assert_eq!(stored(&store), 1);
    store.seal().renew();
    commit(&store, Batch::new().put(key("a"), "again"));
    drop(store);

    let store = open(dir.path());
    assert_eq!(stored(&store), 2);
    // Nothing to seal, no key.
    commit(&store, Batch::new().delete(key("b")));
    assert_eq!(ids(&store), [1, 2]);
    commit(&store, Batch::new().put(key("a"), "third"));
    assert_eq!((ids(&store), stored(&store)), (vec![1, 2, 3], 3));
    assert_eq!(store.get(&key("a")).unwrap().unwrap().value, b"third");
}

#[test]
fn a_lost_or_foreign_key_is_told_from_a_locked_store() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let store = open(dir.path());
    let first = || store.get(&key("a"));
    assert!(matches!(first(), Err(ReadError::Sealed { key_id: 1 })));
    store.seal().unlock(WORDS).unwrap();
    let kv = &store.0.engine.spaces().unwrap().kv;
    let wrapped = kv.get(engine::seal_key(1)).unwrap().unwrap();
    let mut bad = wrapped.to_vec();
    bad[500] ^= 1;
    kv.insert(engine::seal_key(1), bad).unwrap();
    assert!(matches!(first(), Err(ReadError::KeyLost { key_id: 1 })));
    kv.remove(engine::seal_key(1)).unwrap();
    assert!(matches!(first(), Err(ReadError::KeyLost { key_id: 1 })));
    kv.insert(engine::seal_key(1), wrapped.as_ref()).unwrap();
    assert_eq!(first().unwrap().unwrap().value, b"of a");
}

#[test]
fn damaged_keys_of_the_store_are_refused_and_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let kv = &store.0.engine.spaces().unwrap().kv;
    let pair = kv.get(engine::OWN_SEAL_PAIR).unwrap().unwrap();
    // Another public half: data keys wrapped to it would be lost.
    let (other, _) = super::Pair::draw(&super::slots::draw_root().unwrap()).unwrap();
    let mut exchanged = other.to_bytes();
    exchanged[1 + super::key::PUBLIC..].copy_from_slice(&pair[1 + super::key::PUBLIC..]);
    kv.insert(engine::OWN_SEAL_PAIR, exchanged).unwrap();
    assert!(store.seal().unlock(WORDS).is_err());
    kv.insert(engine::OWN_SEAL_PAIR, pair.as_ref()).unwrap();
    kv.remove(engine::OWN_SEAL_SLOTS).unwrap();
    let refused = store.seal().unlock(WORDS);
    assert!(matches!(refused, Err(SealError::Damaged(_))), "{refused:?}");
    let again = store.seal().set_up(WORDS);
    assert!(matches!(again, Err(SealError::AlreadySetUp)), "{again:?}");
}
