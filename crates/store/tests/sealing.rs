//! Sealing: set up, locked, unlocked; what a locked store can do; what a thief of the disk finds.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::pin::pin;

use store::{
    Batch, BlobId, Change, CommitError, Entry, Expect, Key, LogName, PassphraseCost, Position,
    ReadError, SealError, SealState, Store, Table, restore,
};

use crate::{LETTERS, PEOPLE, WORDS, inline, open, threaded, wait};

fn person(name: &str) -> Key {
    Key::new(PEOPLE, &[name])
}

fn letter(store: &Store, text: &str) -> Position {
    let receipt = wait(store.commit(Batch::new().append(&LETTERS, text))).unwrap();
    receipt.positions()[0]
}

fn texts(entries: &[Entry]) -> Vec<String> {
    let texts = entries.iter().map(|entry| entry.bytes.clone());
    texts.map(|text| String::from_utf8(text).unwrap()).collect()
}

fn all(store: &Store) -> Result<Vec<Entry>, ReadError> {
    store.read(&LETTERS, Position::START, 1000)
}

fn set_up(dir: &Path) -> Store {
    let store = open(dir);
    store.seal().set_up(WORDS).unwrap();
    store
}

#[test]
fn nothing_about_people_is_taken_before_a_passphrase_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let seal = store.seal();
    assert_eq!(seal.state(), SealState::NotSetUp);
    for batch in [
        Batch::new().append(&LETTERS, "dear"),
        Batch::new().put(person("a"), "x"),
    ] {
        let refused = wait(store.commit(batch)).unwrap_err();
        assert!(matches!(refused, CommitError::NotSealed), "{refused}");
        assert!(
            refused.to_string().contains("servergate unlock"),
            "{refused}"
        );
    }
    assert!(store.blobs().sealed_writer().is_err());
    assert!(matches!(seal.unlock(WORDS), Err(SealError::NotSetUp)));
    let short = seal.set_up(b"7 chars").unwrap_err();
    assert!(short.to_string().contains("at least 8"), "{short}");
    seal.lock();
    assert_eq!(seal.state(), SealState::NotSetUp);
    // What only removes, and what is in clear, is taken.
    wait(store.commit(Batch::new().delete(person("a")))).unwrap();

    seal.set_up(WORDS).unwrap();
    assert_eq!(seal.state(), SealState::Unlocked);
    assert!(matches!(seal.set_up(WORDS), Err(SealError::AlreadySetUp)));
    letter(&store, "dear");
    assert_eq!(texts(&all(&store).unwrap()), ["dear"]);
}

#[test]
fn locked_it_takes_everything_and_reads_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    letter(&store, "old");
    wait(store.commit(Batch::new().put(person("a"), "1"))).unwrap();
    drop(store);

    let store = open(dir.path());
    let seal = store.seal();
    assert_eq!(seal.state(), SealState::Locked);
    letter(&store, "taken");
    let mut watch = store.watch(Key::table(PEOPLE));
    wait(store.commit(Batch::new().put(person("b"), "2"))).unwrap();
    let told = wait(watch.next());
    assert!(matches!(told, Change::Set { value: Some(value), .. } if value == b"2"));
    assert_eq!(texts(&store.last(&LETTERS, 1).unwrap()), ["taken"]);
    assert_eq!(store.get(&person("b")).unwrap().unwrap().value, b"2");
    // The old is there and shut; conditions on it hold all the same.
    assert!(matches!(all(&store), Err(ReadError::Sealed { key_id: 1 })));
    assert!(matches!(
        store.get(&person("a")),
        Err(ReadError::Sealed { .. })
    ));
    let again = Batch::new().put_if(person("a"), "3", Expect::Absent);
    assert!(matches!(
        wait(store.commit(again)),
        Err(CommitError::Precondition { .. })
    ));
    let wrong = seal.unlock(b"not the passphrase");
    assert!(
        matches!(wrong, Err(SealError::WrongPassphrase)),
        "{wrong:?}"
    );
    assert_eq!(seal.state(), SealState::Locked);

    seal.unlock(WORDS).unwrap();
    assert_eq!(texts(&all(&store).unwrap()), ["old", "taken"]);
    let people = store.scan(&Key::table(PEOPLE), 9).unwrap();
    assert_eq!(people.len(), 2);
    // What was found under the table is sealed again when it is written again.
    assert!(people.iter().all(|(key, _)| key.is_sealed()));
    let rest = store.scan_after(&Key::table(PEOPLE), &people[0].0, 9);
    assert_eq!(rest.unwrap(), people[1..]);

    seal.lock();
    assert_eq!(seal.state(), SealState::Locked);
    assert!(matches!(all(&store), Err(ReadError::Sealed { key_id: 1 })));
    assert_eq!(texts(&store.last(&LETTERS, 1).unwrap()), ["taken"]);
}

#[test]
fn after_a_renewal_a_locked_store_reads_a_day_less() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    store.seal().lock();
    let yesterday = letter(&store, "yesterday");
    assert!(store.read_one(&LETTERS, yesterday).unwrap().is_some());
    store.seal().renew();
    assert!(matches!(
        store.read_one(&LETTERS, yesterday),
        Err(ReadError::Sealed { .. })
    ));
    let today = letter(&store, "today");
    assert!(store.read_one(&LETTERS, today).unwrap().is_some());
    store.seal().unlock(WORDS).unwrap();
    assert_eq!(texts(&all(&store).unwrap()), ["yesterday", "today"]);
    store.seal().renew();
    letter(&store, "tomorrow");
    assert_eq!(all(&store).unwrap().len(), 3);
}

#[test]
fn a_changed_passphrase_replaces_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    letter(&store, "dear");
    let seal = store.seal();
    let change = |old: &[u8], new: &[u8]| seal.change_passphrase(old, new);
    assert!(matches!(
        change(b"wrong words", b"other words"),
        Err(SealError::WrongPassphrase)
    ));
    assert!(matches!(
        change(WORDS, b"short"),
        Err(SealError::ShortPassphrase { least: 8 })
    ));
    change(WORDS, b"other words").unwrap();
    assert_eq!(seal.state(), SealState::Unlocked);
    drop((store, seal));

    let store = open(dir.path());
    assert!(store.seal().unlock(WORDS).is_err());
    store.seal().unlock(b"other words").unwrap();
    assert_eq!(texts(&all(&store).unwrap()), ["dear"]);
}

#[test]
fn the_default_cost_is_kept_beside_the_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let options = store::Options {
        passphrase_cost: PassphraseCost::default(),
        ..inline()
    };
    let store = Store::open(dir.path(), options).unwrap();
    store.seal().set_up(WORDS).unwrap();
    drop(store);
    open(dir.path()).seal().unlock(WORDS).unwrap();
}

#[test]
fn who_waits_for_the_unlocking_is_woken() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    let seal = store.seal();
    wait(seal.unlocked());
    seal.lock();
    wait(async {
        let waiter = seal.clone();
        {
            // Given up, and nothing is lost by it.
            let mut waiting = pin!(waiter.unlocked());
            tokio::select! {
                biased;
                () = &mut waiting => panic!("it is locked"),
                () = std::future::ready(()) => {}
            }
        }
        let unlock = async { seal.unlock(WORDS).unwrap() };
        tokio::join!(waiter.unlocked(), unlock);
    });
    assert_eq!(seal.state(), SealState::Unlocked);
}

#[test]
fn opened_for_reading_it_is_unlocked_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    letter(&store, "dear");
    drop(store);
    let store = Store::open_read_only(dir.path()).unwrap();
    assert!(all(&store).is_err());
    store.seal().unlock(WORDS).unwrap();
    assert_eq!(texts(&all(&store).unwrap()), ["dear"]);
    let change = store.seal().change_passphrase(WORDS, b"other words");
    assert!(matches!(change, Err(SealError::ReadOnly)), "{change:?}");
    drop(store);
    let empty = tempfile::tempdir().unwrap();
    drop(open(empty.path()));
    let store = Store::open_read_only(empty.path()).unwrap();
    assert!(matches!(
        store.seal().set_up(WORDS),
        Err(SealError::ReadOnly)
    ));
    assert_eq!(store.seal().state(), SealState::NotSetUp);
}

#[test]
fn what_was_written_in_clear_is_read_in_a_table_that_is_sealed_now() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    let clear = Key::new(Table::new("people"), &["a"]);
    wait(store.commit(Batch::new().put(clear.clone(), "in clear"))).unwrap();
    let clear_log = LogName::named("letters");
    wait(store.commit(Batch::new().append(&clear_log, "in clear"))).unwrap();
    letter(&store, "sealed");
    assert_eq!(texts(&all(&store).unwrap()), ["in clear", "sealed"]);
    assert_eq!(store.read(&clear_log, Position::START, 9).unwrap().len(), 2);
    assert_eq!(store.get(&person("a")).unwrap().unwrap().value, b"in clear");
    wait(store.commit(Batch::new().put(person("a"), "sealed"))).unwrap();
    assert_eq!(store.get(&clear).unwrap().unwrap().value, b"sealed");
}

#[test]
fn a_restored_store_opens_with_the_same_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), threaded()).unwrap();
    store.seal().set_up(WORDS).unwrap();
    letter(&store, "dear");
    let mut writer = store.blobs().sealed_writer().unwrap();
    writer.write(&[7; 100_000]).unwrap();
    let blob = writer.finish().unwrap();
    let batch = Batch::new()
        .put(person("a"), blob.to_string())
        .link(blob, person("a"));
    wait(store.commit(batch)).unwrap();
    store.seal().lock();
    wait(store.backup(&dir.path().join("backup"))).unwrap();
    restore(&dir.path().join("backup"), &dir.path().join("copy")).unwrap();

    let copy = open(&dir.path().join("copy"));
    assert_eq!(copy.seal().state(), SealState::Locked);
    assert!(all(&copy).is_err());
    letter(&copy, "taken by the copy");
    copy.seal().unlock(WORDS).unwrap();
    let letters = all(&copy).unwrap();
    assert_eq!(texts(&letters), ["dear", "taken by the copy"]);
    assert_eq!(letters[0], all(&store).unwrap()[0]);
    // Another store, as the ids of what it writes itself say.
    letter(&store, "taken by the copy");
    assert_ne!(letters[1].id, all(&store).unwrap()[1].id);
    let value = copy.get(&person("a")).unwrap().unwrap().value;
    assert_eq!(value, blob.to_string().as_bytes());
    let body = copy.blobs().open_sealed(&blob).unwrap().read_all().unwrap();
    assert_eq!(body, [7; 100_000]);
}

/// Strings that occur nowhere by chance, as addresses and as words.
fn canaries() -> Vec<String> {
    let random = |number: u32| BlobId::of(&number.to_le_bytes()).to_string()[..24].to_owned();
    let addresses = (0..20).map(|number| format!("{}@verein.test", random(number)));
    addresses.chain((20..220).map(random)).collect()
}

/// The beginnings of canaries found in any file below `dir`, read raw.
fn found_below(dir: &Path, beginnings: &HashSet<Vec<u8>>, found: &mut HashSet<Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found_below(&path, beginnings, found);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for piece in bytes.split(|byte| *byte == 0) {
            let windows = piece.windows(12).filter(|&w| beginnings.contains(w));
            found.extend(windows.map(<[u8]>::to_vec));
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!beginnings.iter().any(|b| name.as_bytes().starts_with(b)));
    }
}

#[test]
fn a_thief_of_the_disk_finds_nothing_about_people() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("store");
    let store = Store::open(&at, threaded()).unwrap();
    store.seal().set_up(WORDS).unwrap();
    let canaries = canaries();
    let mut writer = store.blobs().sealed_writer().unwrap();
    for (number, canary) in canaries.iter().enumerate() {
        let number = number as u64;
        writer.write(canary.repeat(100).as_bytes()).unwrap();
        let batch = Batch::new()
            .append(&LETTERS, canary.repeat(1 + number as usize % 300))
            .put(Key::table(PEOPLE).with_number(number), canary.as_str())
            .put(Key::new(PEOPLE, &["last"]), canary.as_str());
        let receipt = wait(store.commit(batch)).unwrap();
        if number % 10 == 3 {
            // Removed things leave bytes behind as well.
            let gone = Batch::new()
                .erase(&LETTERS, receipt.positions()[0])
                .delete(Key::table(PEOPLE).with_number(number));
            wait(store.commit(gone)).unwrap();
        }
        if number == 100 {
            store.seal().lock();
        }
    }
    // One that is given up on the way.
    let mut given_up = store.blobs().sealed_writer().unwrap();
    given_up.write(canaries[0].repeat(9000).as_bytes()).unwrap();
    let blob = writer.finish().unwrap();
    wait(store.commit(Batch::new().link(blob, Key::new(PEOPLE, &["last"])))).unwrap();
    wait(store.backup(&dir.path().join("backup"))).unwrap();

    let words = std::str::from_utf8(WORDS).unwrap().to_owned();
    let secrets = canaries.iter().chain([&words]);
    let beginnings = secrets.map(|secret| secret.as_bytes()[..12].to_vec());
    let beginnings: HashSet<Vec<u8>> = beginnings.collect();
    let mut found = HashSet::new();
    found_below(dir.path(), &beginnings, &mut found);
    drop((given_up, store));
    let store = open(&at);
    found_below(dir.path(), &beginnings, &mut found);
    assert_eq!(found, HashSet::new());

    // The search finds what is there to be found.
    let clear = Batch::new().append(&crate::LOG, canaries[7].as_str());
    wait(store.commit(clear)).unwrap();
    found_below(dir.path(), &beginnings, &mut found);
    assert_eq!(
        found,
        HashSet::from([canaries[7].as_bytes()[..12].to_vec()])
    );
    // And everything is there, for who has the passphrase.
    store.seal().unlock(WORDS).unwrap();
    let last = store.last(&LETTERS, 1).unwrap();
    assert!(last[0].bytes.starts_with(canaries[219].as_bytes()));
    assert_eq!(all(&store).unwrap().len(), 220 - 22);
    let body = store.blobs().open_sealed(&blob).unwrap();
    assert!(body.read_all().unwrap().starts_with(canaries[0].as_bytes()));
}
