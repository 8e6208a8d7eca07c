//! What an import would change, and when a person is asked first.

use std::future::Future;

use model::OrganisationId;
use store::{Batch, Store};

use super::*;
use crate::recipients::Case;
use crate::recipients::import::{Format, Scope, read};
use crate::testing::{options, unlocked_store};

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_779_000_000_000)
}

fn list(text: &str) -> Imported {
    let scope = Scope::new(["verein.test", "stadt.test"], Case::Fold);
    read(Format::Plain, text, &scope)
}

fn numbered(count: usize) -> Imported {
    let lines = (0..count).map(|number| format!("name{number}@verein.test\n"));
    list(&lines.collect::<String>())
}

fn kept(store: &Store) -> Kept {
    let key = wait(Kept::book_key(store, [9; 32])).unwrap();
    Kept::new(store.clone(), OrganisationId::new("verein.test"), key)
}

#[test]
fn a_list_that_lost_most_of_its_people_wants_a_yes() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let kept = kept(&store);
    let change = |imported: &Imported| kept.would_change(imported, now()).unwrap();
    // The first one replaces nothing.
    assert_eq!(change(&numbered(100)), None);
    wait(kept.import(&numbered(100), now())).unwrap();

    let same = change(&numbered(100)).unwrap();
    assert_eq!((same.added, same.removed, same.doubt()), (0, 0, None));
    let half = change(&numbered(50)).unwrap();
    assert_eq!((half.before, half.after, half.removed), (100, 50, 50));
    assert_eq!(half.doubt(), None);
    let doubt = change(&numbered(49)).unwrap().doubt().unwrap();
    assert!(doubt.starts_with("51 of the 100 addresses"), "{doubt}");
    assert!(doubt.contains("which has 49"), "{doubt}");
    // As many others in their place are no better.
    let others: String = (0..200)
        .map(|number| format!("other{number}@verein.test\n"))
        .collect();
    let others = change(&list(&others)).unwrap();
    assert_eq!((others.added, others.removed), (200, 100));
    assert!(others.doubt().is_some());
}

#[test]
fn a_domain_that_shrinks_or_is_narrowed_is_not_hidden_by_a_larger_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let kept = kept(&store);
    let large: String = (0..90)
        .map(|number| format!("name{number}@verein.test\n"))
        .collect();
    let small = "a@stadt.test\nb@stadt.test\nc@stadt.test\n";
    wait(kept.import(&list(&format!("{large}{small}")), now())).unwrap();
    let doubt = |text: &str| {
        kept.would_change(&list(text), now())
            .unwrap()
            .unwrap()
            .doubt()
    };
    assert_eq!(doubt(&format!("{large}{small}")), None);
    assert_eq!(
        doubt(&format!("{large}a@stadt.test\n")).unwrap(),
        "stadt.test had 3 addresses and has 1 now"
    );
    // Nothing is said of it any more, so nobody there is refused; and a catch-all refuses nobody.
    assert_eq!(doubt(&large), None);
    assert_eq!(doubt(&format!("{large}@stadt.test\n")), None);

    wait(kept.import(&list(&format!("{large}@stadt.test\n")), now())).unwrap();
    let words = doubt(&format!("{large}{small}")).unwrap();
    assert!(
        words.contains("every address of stadt.test was valid"),
        "{words}"
    );
}

#[test]
fn lists_of_the_former_version_and_damaged_ones_are_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let store = unlocked_store(dir.path(), options());
    let kept = kept(&store);
    wait(kept.import(&numbered(10), now())).unwrap();
    let key = list_key(&OrganisationId::new("verein.test"));
    let record = store.get(&key).unwrap().unwrap().value;
    let mut record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    record.as_object_mut().unwrap().remove("by_domain").unwrap();
    let former = serde_json::to_vec(&record).unwrap();
    wait(store.commit(Batch::new().put(key.clone(), former))).unwrap();
    let change = kept.would_change(&numbered(4), now()).unwrap().unwrap();
    assert_eq!((change.removed, change.shrunk.len()), (6, 0));
    assert!(change.doubt().is_some());

    wait(store.commit(Batch::new().put(key, b"{}".to_vec()))).unwrap();
    assert_eq!(kept.would_change(&numbered(4), now()).unwrap(), None);
}
