//! What is there after a restart, also after one in the middle of an import.

use std::future::Future;

use store::Options;

use super::*;
use crate::recipients::address::Address;
use crate::recipients::import::{Format, Scope, read};
use crate::recipients::{DomainRules, Known, Source};
use crate::testing::{options, unlocked_store};

const RANDOM: [u8; 32] = [9; 32];

fn day(days: i64) -> Timestamp {
    Timestamp::from_millis(1_779_000_000_000 + days * 86_400_000)
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn kept(store: &Store, organisation: &str) -> Kept {
    let key = wait(Kept::book_key(store, RANDOM)).unwrap();
    Kept::new(store.clone(), OrganisationId::new(organisation), key)
}

fn settings() -> Settings {
    Settings::new([("verein.test", DomainRules::default())])
}

/// A list of the addresses `name0` to `name<count - 1>`.
fn imported(name: &str, count: usize) -> Imported {
    let text: String = (0..count)
        .map(|number| format!("{name}{number}@verein.test\n"))
        .collect();
    let scope = Scope::new(["verein.test"], Case::Fold);
    read(Format::Plain, &text, &scope)
}

fn load(kept: &Kept) -> Book {
    kept.load(settings(), day(1)).unwrap()
}

fn is_listed(book: &Book, local: &str) -> bool {
    let source = Source::List;
    book.look(local, "verein.test", day(1)) == Known::Valid { source }
}

fn chunks(store: &Store) -> usize {
    let all = Key::new(form::RECIPIENTS, &["verein.test", "list"]);
    store.scan(&all, usize::MAX).unwrap().len()
}

#[test]
fn the_book_key_is_drawn_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let first = wait(Kept::book_key(&store, [1; 32])).unwrap();
    drop(store);
    let store = unlocked_store(dir.path(), options());
    let second = wait(Kept::book_key(&store, [2; 32])).unwrap();
    let hash = |key: BookKey| key.hash("anna", "verein.test", Case::Fold);
    assert_eq!(hash(first), hash(second));
    assert_ne!(hash(first), hash(BookKey::new([2; 32])));
}

fn mailboxes(text: &str) -> Imported {
    let scope = Scope::new(["verein.test"], Case::Fold);
    read(Format::Passwd, text, &scope)
}

#[test]
fn mailboxes_are_kept_beside_the_list_and_refuse_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let here = kept(&store, "verein.test");
    let many: String = (0..3000)
        .map(|n| format!("m{n}@verein.test:$6$s$h{n}\n"))
        .collect();
    let first = wait(here.import_mailboxes(&mailboxes(&many), day(0))).unwrap();
    assert_eq!(first.len(), 3000);
    // Nobody knows the aliases: what is not a mailbox may exist.
    let unknown = Known::Unknown { fresh: false };
    assert_eq!(load(&here).look("alias", "verein.test", day(1)), unknown);
    assert!(is_listed(&load(&here), "m2999"));

    wait(here.import(&imported("p", 10), day(0))).unwrap();
    let second = "anna@verein.test:{SSHA}abc\nbert@verein.test\n";
    wait(here.import_mailboxes(&mailboxes(second), day(1))).unwrap();
    drop((store, here));

    let store = unlocked_store(dir.path(), options());
    let here = kept(&store, "verein.test");
    let book = load(&here);
    let counts = book.counts();
    assert_eq!((counts.listed, counts.mailboxes), (10, 2));
    assert!(is_listed(&book, "anna") && is_listed(&book, "p9"));
    // The list is whole and covers the domain.
    let refused = Known::Unknown { fresh: true };
    assert_eq!(book.look("m0", "verein.test", day(1)), refused);
    let mailbox = |local: &str| {
        let address = Address::new(local, "verein.test", Case::Fold);
        here.mailbox(&address).unwrap()
    };
    let anna = mailbox("Anna").unwrap();
    assert_eq!(anna.address.local(), "anna");
    assert_eq!(anna.password.as_deref(), Some("{SSHA}abc"));
    assert_eq!(mailbox("bert").unwrap().password, None);
    assert_eq!(mailbox("m0"), None);
    let all = Key::new(form::MAILBOXES, &["verein.test"]);
    assert_eq!(store.scan(&all, usize::MAX).unwrap().len(), 2, "swept");
}

#[test]
fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let here = kept(&store, "verein.test");
    let list = wait(here.import(&imported("p", 10_000), day(0))).unwrap();
    assert_eq!(list.len(), 10_000);
    let mut book = load(&here);
    let changes: Vec<Change> = [
        ("anna", true),
        ("bert", true),
        ("bert", false),
        ("carl", false),
    ]
    .into_iter()
    .filter_map(|(local, valid)| book.learn(local, "verein.test", valid, day(0)))
    .collect();
    assert_eq!(changes.len(), 4);
    wait(here.note(&changes)).unwrap();
    drop((store, here));

    let store = unlocked_store(dir.path(), options());
    let again = load(&kept(&store, "verein.test"));
    assert_eq!(again.counts(), book.counts());
    for local in ["anna", "bert", "carl", "p0", "p9999", "p10000"] {
        let looked = again.look(local, "verein.test", day(1));
        assert_eq!(looked, book.look(local, "verein.test", day(1)), "{local}");
    }
    let list = again.list().unwrap();
    assert_eq!(list.imported_at(), day(0));
    assert_eq!(list.covered().collect::<Vec<_>>(), ["verein.test"]);
    // Another organisation in the same store knows nothing of it.
    let other = load(&kept(&store, "stadt.test"));
    assert_eq!(other.counts(), crate::recipients::Counts::default());
}

#[test]
fn a_crash_at_any_step_leaves_one_list_whole() {
    let former = imported("former", 5_000);
    let next = imported("next", 70_000);
    let steps = {
        let dir = tempfile::tempdir().unwrap();
        let store = unlocked_store(dir.path(), options());
        kept(&store, "verein.test")
            .plan(&next, day(1))
            .unwrap()
            .batches
            .len()
    };
    assert!(steps > 4, "{steps}");
    for done in 0..=steps {
        let dir = tempfile::tempdir().unwrap();
        let store = unlocked_store(dir.path(), options());
        let here = kept(&store, "verein.test");
        wait(here.import(&former, day(0))).unwrap();
        let plan = here.plan(&next, day(1)).unwrap();
        for batch in plan.batches.into_iter().take(done) {
            wait(store.commit(batch)).unwrap();
        }
        drop((store, here));

        let store = unlocked_store(dir.path(), options());
        let here = kept(&store, "verein.test");
        let book = load(&here);
        let switched = done == steps;
        let expected = if switched { 70_000 } else { 5_000 };
        assert_eq!(book.counts().listed, expected, "after {done} of {steps}");
        assert_eq!(is_listed(&book, "former4999"), !switched);
        assert_eq!(is_listed(&book, "next69999"), switched);
        // The next import is whole as well, and leaves nothing of the others.
        wait(here.import(&imported("last", 3), day(1))).unwrap();
        let book = load(&here);
        assert_eq!(book.counts().listed, 3);
        assert!(is_listed(&book, "last2") && !is_listed(&book, "next0"));
        assert_eq!(chunks(&store), 1);
    }
}

#[test]
fn of_two_imports_at_once_one_is_told_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let here = kept(&store, "verein.test");
    // The slow one has written all but its switch.
    let slow = here.plan(&imported("slow", 10), day(0)).unwrap();
    let mut batches = slow.batches.into_iter();
    for batch in batches.by_ref().take(2) {
        wait(store.commit(batch)).unwrap();
    }
    wait(here.import(&imported("fast", 10), day(0))).unwrap();
    let switch = wait(store.commit(batches.next().unwrap()));
    assert!(matches!(switch, Err(CommitError::Precondition { .. })));
    let book = load(&here);
    assert!(is_listed(&book, "fast9") && !is_listed(&book, "slow9"));
}

#[test]
fn batches_stay_small() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_batch_bytes: 1 << 20,
        ..options()
    };
    let store = unlocked_store(dir.path(), options);
    let here = kept(&store, "verein.test");
    wait(here.import(&imported("p", 100_000), day(0))).unwrap();
    let mut book = Book::new(here.key, settings());
    let changes: Vec<Change> = (0..5_000)
        .filter_map(|number| book.learn(&format!("l{number}"), "verein.test", true, day(0)))
        .collect();
    wait(here.note(&changes)).unwrap();
    let book = load(&here);
    assert_eq!(
        (book.counts().listed, book.counts().valid),
        (100_000, 5_000)
    );
}

#[test]
fn learned_answers_are_swept_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let here = kept(&store, "verein.test");
    let mut book = load(&here);
    let learn = |book: &mut Book, local: &str, valid| {
        let change = book.learn(local, "verein.test", valid, day(0)).unwrap();
        wait(here.note(&[change])).unwrap();
    };
    learn(&mut book, "anna", true);
    learn(&mut book, "bert", false);
    learn(&mut book, "carl", false);
    let gone = Change {
        hash: here.key.hash("carl", "verein.test", Case::Fold),
        learned: crate::recipients::book::Learned::default(),
    };
    wait(here.note(&[gone])).unwrap();
    assert_eq!(load(&here).counts().invalid, 1);
    assert_eq!(wait(here.sweep(day(3))).unwrap(), 0);
    assert_eq!(wait(here.sweep(day(4))).unwrap(), 1);
    assert_eq!(load(&here).counts().valid, 1);
    assert_eq!(wait(here.sweep(day(40))).unwrap(), 1);
    let left = store.scan(&Key::table(form::RECIPIENTS), 10).unwrap();
    assert!(left.is_empty());
}

#[test]
fn no_name_reaches_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let here = kept(&store, "verein.test");
    wait(here.import(&imported("annabeispiel", 3), day(0))).unwrap();
    for table in [form::RECIPIENTS, form::LISTS] {
        for (key, kept) in store.scan(&Key::table(table), 100).unwrap() {
            let text = format!("{key:?}{}", String::from_utf8_lossy(&kept.value));
            assert!(!text.contains("annabeispiel"), "{text}");
        }
    }
}

#[test]
fn damage_and_newer_forms_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let here = kept(&store, "verein.test");
    wait(here.import(&imported("p", 3), day(0))).unwrap();
    let chunk = form::generation(&here.organisation, 1).with_number(0);
    let put = |key: &Key, value: Vec<u8>| {
        wait(store.commit(Batch::new().put(key.clone(), value))).unwrap();
        here.load(settings(), day(0))
    };
    assert!(matches!(put(&chunk, vec![2]), Err(KeptError::Newer)));
    assert!(matches!(put(&chunk, vec![1, 2]), Err(KeptError::Damaged)));
    assert!(matches!(put(&chunk, vec![1]), Err(KeptError::Damaged)));
    let list = form::list_key(&here.organisation);
    let newer = br#"{"version":"V2"}"#.to_vec();
    assert!(matches!(put(&list, newer), Err(KeptError::Newer)));
    assert!(matches!(
        put(&list, b"{}".to_vec()),
        Err(KeptError::Damaged)
    ));
    let key = form::key_key();
    let _ = put(&key, vec![1, 2, 3]);
    assert!(matches!(
        wait(Kept::book_key(&store, RANDOM)),
        Err(KeptError::Damaged)
    ));
}
