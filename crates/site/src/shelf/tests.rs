//! What stays on the shelf, and what a crash leaves.

use std::time::Duration;

use store::Options;

use super::*;
use crate::wire::manifest::{LineTable, PageSpec};

const HOUR: u64 = 3600;

fn open_store(dir: &std::path::Path) -> Store {
    let options = Options {
        blob_grace: Duration::ZERO,
        ..Options::default()
    };
    Store::open(dir, options).unwrap()
}

async fn shelf(store: &Store) -> Shelf {
    Shelf::open(
        store.clone(),
        Tasks::default(),
        OrganisationId::new("verein.test"),
    )
    .await
    .unwrap()
}

fn manifest(store: &Store, body: &str) -> Manifest {
    let id = store.blobs().put(body.as_bytes()).unwrap();
    Manifest {
        hosts: vec!["verein.test".into()],
        lines: LineTable::default().into_lines(),
        pages: vec![PageSpec {
            host: 0,
            target: "/".into(),
            status: 200,
            lines: Vec::new(),
            body: (id, body.len() as u64),
            gzip: None,
            brotli: None,
            captured: Timestamp::default(),
            linked: Timestamp::default(),
        }],
        ended: Timestamp::from_millis(1000),
        ..Manifest::default()
    }
}

#[tokio::test]
async fn a_kept_generation_is_served_and_outlasts_a_restart_and_a_sweep() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open_store(dir.path());
        let shelf = shelf(&store).await;
        let Added { entry, served, .. } = shelf
            .add(manifest(&store, "one"), State::Kept)
            .await
            .unwrap();
        assert_eq!(
            (entry.number, entry.pages, entry.bytes, served),
            (1, 1, 3, true)
        );
        store.close();
    }
    let store = open_store(dir.path());
    let shelf = shelf(&store).await;
    store.blobs().put(b"nobody's").unwrap();
    assert_eq!(store.blobs().sweep().unwrap().removed, 1);
    assert_eq!(shelf.current().unwrap().unwrap().number, 1);
    let loaded = shelf.load(1).await.unwrap();
    let page = loaded.pages.first().unwrap();
    assert_eq!(
        store
            .blobs()
            .open(&page.body.0)
            .unwrap()
            .read_all()
            .unwrap(),
        b"one"
    );
}

#[tokio::test]
async fn a_rejected_one_is_kept_aside_and_can_be_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path());
    let shelf = shelf(&store).await;
    shelf
        .add(manifest(&store, "one"), State::Kept)
        .await
        .unwrap();
    let rejected = State::Rejected {
        reason: "unlike".into(),
    };
    let Added { entry, served, .. } = shelf
        .add(manifest(&store, "two"), rejected.clone())
        .await
        .unwrap();
    assert!(!served);
    assert_eq!(shelf.current().unwrap().unwrap().number, 1);
    assert_eq!(shelf.entry(entry.number).unwrap().unwrap().state, rejected);
    shelf.accept(entry.number, None).await.unwrap();
    assert_eq!(
        shelf.current().unwrap().unwrap(),
        Current {
            number: 2,
            pinned: None
        }
    );
    assert_eq!(shelf.entry(2).unwrap().unwrap().state, State::Kept);
    assert!(matches!(
        shelf.accept(9, None).await,
        Err(ShelfError::Unknown(9))
    ));
}

#[tokio::test]
async fn a_pinned_one_stays_until_it_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path());
    let shelf = shelf(&store).await;
    shelf
        .add(manifest(&store, "one"), State::Kept)
        .await
        .unwrap();
    shelf
        .add(manifest(&store, "two"), State::Kept)
        .await
        .unwrap();
    assert_eq!(shelf.older().unwrap(), 1);
    let pin = Pin {
        by: "ana".into(),
        at: Timestamp::from_millis(5),
    };
    shelf.accept(1, Some(pin.clone())).await.unwrap();
    let Added { served, .. } = shelf
        .add(manifest(&store, "three"), State::Kept)
        .await
        .unwrap();
    assert!(!served);
    assert_eq!(
        shelf.current().unwrap().unwrap(),
        Current {
            number: 1,
            pinned: Some(pin)
        }
    );
    assert!(matches!(shelf.older(), Err(ShelfError::NoOlder)));
    assert_eq!(shelf.unpin().await.unwrap(), Some(3));
    assert_eq!(
        shelf.current().unwrap().unwrap(),
        Current {
            number: 3,
            pinned: None
        }
    );
}

#[tokio::test]
async fn what_a_crash_left_half_put_is_let_go_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path());
    let orphan = {
        let shelf = shelf(&store).await;
        shelf
            .add(manifest(&store, "one"), State::Kept)
            .await
            .unwrap();
        // As `add` does up to the last commit, where the crash comes.
        let orphan = store.blobs().put(b"half").unwrap();
        let batch = Batch::new()
            .put(shelf.key("unborn"), 2u64.to_be_bytes())
            .put(shelf.key("last"), 2u64.to_be_bytes())
            .link(orphan, shelf.entry_key(2));
        let _receipt = store.commit(batch).await.unwrap();
        orphan
    };
    assert_eq!(store.blobs().sweep().unwrap().removed, 0);
    let shelf = shelf(&store).await;
    assert_eq!(shelf.entries().unwrap().len(), 1);
    assert_eq!(shelf.current().unwrap().unwrap().number, 1);
    assert_eq!(store.blobs().sweep().unwrap().removed, 1);
    assert!(!store.blobs().has(&orphan));
    let Added { entry, .. } = shelf
        .add(manifest(&store, "two"), State::Kept)
        .await
        .unwrap();
    assert_eq!(entry.number, 3);
}

#[tokio::test]
async fn thinning_lets_go_of_entries_and_their_blobs_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path());
    let shelf = shelf(&store).await;
    for body in ["one", "two", "three", "four"] {
        shelf
            .add(manifest(&store, body), State::Kept)
            .await
            .unwrap();
    }
    assert_eq!(
        shelf.thin(2, Timestamp::from_millis(2000)).await.unwrap(),
        2
    );
    let numbers: Vec<_> = shelf
        .entries()
        .unwrap()
        .iter()
        .map(|entry| entry.number)
        .collect();
    assert_eq!(numbers, [1, 4]);
    store.blobs().sweep().unwrap();
    assert!(store.blobs().has(&BlobId::of(b"one")) && store.blobs().has(&BlobId::of(b"four")));
    assert!(!store.blobs().has(&BlobId::of(b"two")));
    for number in numbers {
        shelf.load(number).await.unwrap();
    }
}

fn entry(number: u64, hours: u64, state: State) -> Entry {
    Entry {
        number,
        manifest: BlobId::of(b""),
        captured: Timestamp::default().after(Duration::from_secs(hours * HOUR)),
        verified: Timestamp::default(),
        pages: 1,
        good: 1,
        bytes: 1,
        source: String::new(),
        ending: String::new(),
        state,
    }
}

#[test]
fn old_ages_stay_represented() {
    // A month of a new generation every hour, thinned every hour.
    let mut entries = Vec::new();
    for hour in 0..30 * 24 {
        let number = hour + 1;
        entries.push(entry(number, hour, State::Kept));
        let now = Timestamp::default().after(Duration::from_secs(hour * HOUR + 60));
        let stay = staying(&entries, Some(number), 5, now);
        entries.retain(|entry| stay.contains(&entry.number));
        assert!(entries.len() <= 5, "{}", entries.len());
        if hour > 24 {
            let oldest = entries.first().unwrap();
            let age = now.since(oldest.captured).as_secs() / HOUR;
            assert!(age >= 12, "hour {hour}: the oldest is {age} hours old");
        }
    }
    let ages: Vec<_> = entries.iter().map(|entry| 30 * 24 - entry.number).collect();
    assert!(ages.first().unwrap() > &(3 * 24), "{ages:?}");
}

#[test]
fn the_current_the_newest_and_one_rejected_always_stay() {
    let rejected = || State::Rejected {
        reason: String::new(),
    };
    let entries = [
        entry(1, 0, State::Kept),
        entry(2, 1, rejected()),
        entry(3, 2, State::Kept),
        entry(4, 3, rejected()),
        entry(5, 4, State::Kept),
    ];
    let now = Timestamp::default().after(Duration::from_secs(5 * HOUR));
    let stay = |keep| {
        let mut stay: Vec<_> = staying(&entries, Some(1), keep, now).into_iter().collect();
        stay.sort_unstable();
        stay
    };
    assert_eq!(stay(1), [1, 4]);
    assert_eq!(stay(2), [1, 4, 5]);
    assert_eq!(stay(9), [1, 3, 4, 5]);
}
