//! Large bodies: durable under their name, found damaged when damaged, swept when nobody needs them.

use std::fs;
use std::time::Duration;

use store::{Batch, BlobError, BlobId, Key, Options, Store};

use crate::{TABLE, inline, open, wait};

fn without_grace() -> Options {
    Options {
        blob_grace: Duration::ZERO,
        ..inline()
    }
}

#[test]
fn a_blob_comes_back_whole_and_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = store.blobs().writer().unwrap();
    for piece in content.chunks(7777) {
        writer.write(piece).unwrap();
    }
    let id = writer.finish().unwrap();
    assert_eq!(id, BlobId::of(&content));
    assert_eq!(store.blobs().put(&content).unwrap(), id);
    drop(store);

    let store = open(dir.path());
    let blob = store.blobs().open(&id).unwrap();
    assert_eq!(blob.len(), content.len() as u64);
    assert_eq!(blob.read_all().unwrap(), content);
    let mut piece = [0; 100];
    assert_eq!(blob.read_at(199_950, &mut piece).unwrap(), 50);
    assert_eq!(piece[..50], content[199_950..]);
    assert_eq!(store.blobs().total_bytes().unwrap(), 200_000);
    assert_eq!(fs::read(blob.path()).unwrap(), content);
}

#[test]
fn many_are_put_at_once_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.blobs().total_bytes().unwrap(), 0);
    let ids = store
        .blobs()
        .put_many(&[&b"one"[..], b"three", b"one", b""])
        .unwrap();
    assert_eq!(ids[0], ids[2]);
    assert_eq!(store.blobs().total_bytes().unwrap(), 8);
    for id in &ids {
        store.blobs().open(id).unwrap().verify().unwrap();
    }
}

#[test]
fn what_is_too_large_or_given_up_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(
        dir.path(),
        Options {
            max_blob_bytes: 10,
            ..inline()
        },
    )
    .unwrap();
    assert!(matches!(
        store.blobs().put(&[0; 11]),
        Err(BlobError::TooLarge { limit: 10 })
    ));
    let mut writer = store.blobs().writer().unwrap();
    writer.write(b"half").unwrap();
    drop(writer);
    assert_eq!(
        fs::read_dir(dir.path().join("blobs/tmp")).unwrap().count(),
        0
    );
    fs::write(dir.path().join("blobs/tmp/77"), "left by a crash").unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(
        fs::read_dir(dir.path().join("blobs/tmp")).unwrap().count(),
        0
    );
    assert!(matches!(
        store.blobs().open(&BlobId::of(b"half")),
        Err(BlobError::Missing { .. })
    ));
}

#[test]
fn a_damaged_blob_is_found_and_healed_by_putting_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.blobs().put(b"the content").unwrap();
    let path = store.blobs().open(&id).unwrap().path().to_path_buf();
    for damage in [&b"the c0ntent"[..], b"the cont", b""] {
        fs::write(&path, damage).unwrap();
        let blob = store.blobs().open(&id).unwrap();
        assert!(matches!(blob.verify(), Err(BlobError::Altered { id: found }) if found == id));
        assert!(blob.read_all().is_err());
        assert_eq!(store.blobs().put(b"the content").unwrap(), id);
        assert_eq!(
            store.blobs().open(&id).unwrap().read_all().unwrap(),
            b"the content"
        );
    }
}

#[test]
fn a_sweep_leaves_what_is_held_linked_or_young() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), without_grace()).unwrap();
    let [linked, unlinked, loose, again] = ["linked", "unlinked", "loose", "again"]
        .map(|name| store.blobs().put(name.as_bytes()).unwrap());
    for id in [unlinked, loose, again] {
        let file = fs::File::open(store.blobs().open(&id).unwrap().path()).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let hold = store.blobs().hold();
    let held = store.blobs().put(b"held").unwrap();
    store.blobs().put(b"again").unwrap();
    let holder = Key::new(TABLE, &["holder"]);
    let below = Key::new(TABLE, &["holder", "below"]);
    let batch = Batch::new()
        .put(holder.clone(), "1")
        .link(linked, holder.clone())
        .link(linked, below.clone())
        .link(unlinked, holder.clone());
    wait(store.commit(batch)).unwrap();
    wait(
        store.commit(
            Batch::new()
                .unlink(unlinked, holder.clone())
                .put(holder.clone(), "2"),
        ),
    )
    .unwrap();

    let swept = store.blobs().sweep().unwrap();
    assert_eq!((swept.removed, swept.kept, swept.removed_bytes), (2, 3, 13));
    assert!(store.blobs().has(&held) && store.blobs().has(&again));
    assert!(store.blobs().has(&linked));
    assert!(!store.blobs().has(&unlinked) && !store.blobs().has(&loose));
    drop(hold);
    assert_eq!(store.blobs().sweep().unwrap().removed, 2);

    // One of the two keys that keep it goes, then the other.
    wait(store.commit(Batch::new().delete(holder))).unwrap();
    store.blobs().sweep().unwrap();
    assert!(store.blobs().has(&linked));
    wait(store.commit(Batch::new().delete(below))).unwrap();
    store.blobs().sweep().unwrap();
    assert!(!store.blobs().has(&linked));
}

#[test]
fn a_young_blob_is_not_swept_and_putting_it_again_makes_it_young() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let young = store.blobs().put(b"young").unwrap();
    let old = store.blobs().put(b"old").unwrap();
    let again = store.blobs().put(b"again").unwrap();
    for id in [old, again] {
        let file = fs::File::open(store.blobs().open(&id).unwrap().path()).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    store.blobs().put(b"again").unwrap();
    let swept = store.blobs().sweep().unwrap();
    assert_eq!((swept.removed, swept.kept), (1, 2));
    assert!(store.blobs().has(&young) && store.blobs().has(&again));
}

#[test]
fn names_are_text_for_serde() {
    let id = BlobId::of(b"x");
    let text = format!("\"{id}\"");
    assert_eq!(serde_json::to_string(&id).unwrap(), text);
    assert_eq!(serde_json::from_str::<BlobId>(&text).unwrap(), id);
    assert_eq!(
        serde_json::from_slice::<BlobId>(text.as_bytes()).unwrap(),
        id
    );
    assert!(serde_json::from_str::<BlobId>("\"zz\"").is_err());
}
