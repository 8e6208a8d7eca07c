//! Sealed blobs: every length, reading in the middle, and every way to tamper with a file.

use std::fs;
use std::path::PathBuf;

use store::{BlobError, BlobId, ReadError, Store};

use crate::{WORDS, open};

const CHUNK: usize = 64 << 10;
const STORED: usize = CHUNK + 16;
const HEADER: usize = 24;

fn set_up(dir: &std::path::Path) -> Store {
    let store = open(dir);
    store.seal().set_up(WORDS).unwrap();
    store
}

/// Bytes that differ from piece to piece.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn put(store: &Store, body: &[u8], step: usize) -> BlobId {
    let mut writer = store.blobs().sealed_writer().unwrap();
    for piece in body.chunks(step) {
        writer.write(piece).unwrap();
    }
    assert_eq!(writer.written(), body.len() as u64);
    writer.finish().unwrap()
}

fn file(store: &Store, id: &BlobId) -> PathBuf {
    store.blobs().open(id).unwrap().path().to_owned()
}

#[test]
fn a_sealed_blob_comes_back_whole_and_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    let (one, two) = (CHUNK, 2 * CHUNK);
    for length in [0, 1, 100, one - 1, one, one + 1, two, two + 77, 5 * CHUNK] {
        let body = body(length);
        let id = put(&store, &body, 10_007);
        let pieces = length.div_ceil(CHUNK).max(1);
        let stored = fs::metadata(file(&store, &id)).unwrap().len() as usize;
        assert_eq!(stored, HEADER + length + 16 * pieces);
        store.blobs().open(&id).unwrap().verify().unwrap();
        let blob = store.blobs().open_sealed(&id).unwrap();
        assert_eq!((blob.len(), blob.id()), (length as u64, id));
        assert_eq!(blob.read_all().unwrap(), body);
        for offset in [0, 1, CHUNK - 1, CHUNK, CHUNK + 5, length, length + 9] {
            let mut buffer = vec![0; CHUNK + 3];
            let read = blob.read_at(offset as u64, &mut buffer).unwrap();
            let expected = body.get(offset..).unwrap_or_default();
            let expected = &expected[..expected.len().min(buffer.len())];
            assert_eq!(&buffer[..read], expected, "{length} at {offset}");
        }
    }
    assert_ne!(put(&store, b"same", 9), put(&store, b"same", 9));
}

#[test]
fn whatever_is_done_to_the_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    let body = body(2 * CHUNK + 1000);
    let id = put(&store, &body, CHUNK);
    let path = file(&store, &id);
    let good = fs::read(&path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let read = store.blobs().open_sealed(&id);
        let read = read.and_then(|blob| blob.read_all());
        assert!(read.is_err(), "{what}");
    };
    for at in [0, 1, 4, 5, 23, 24, STORED, STORED + 50, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        refused(&bad, &format!("byte {at}"));
    }
    // Cut short, at a whole piece too.
    for left in [
        0,
        10,
        HEADER,
        HEADER + 15,
        HEADER + STORED,
        HEADER + 2 * STORED,
    ] {
        refused(&good[..left], &format!("cut to {left}"));
    }
    refused(&good[..good.len() - 1], "one byte less");
    let (header, pieces) = good.split_at(HEADER);
    let (first, rest) = pieces.split_at(STORED);
    let (second, last) = rest.split_at(STORED);
    refused(&[header, second, first, last].concat(), "exchanged");
    refused(&[header, first, last].concat(), "left out");
    refused(&[header, first, second, second, last].concat(), "twice");
    refused(&[&good[..], b"x"].concat(), "longer");
    // A piece of another blob of the same key, at the same place.
    let other = put(&store, &[1; 2 * CHUNK + 1000], CHUNK);
    let foreign = fs::read(file(&store, &other)).unwrap();
    let mixed = [header, &foreign[HEADER..HEADER + STORED], second, last].concat();
    refused(&mixed, "a foreign piece");
    // What is untouched is still read in the middle.
    let blob = store.blobs().open_sealed(&id).unwrap();
    let mut buffer = [0; 10];
    assert!(blob.read_at(0, &mut buffer).is_err());
    assert_eq!(buffer, [0; 10]);
    assert_eq!(blob.read_at(CHUNK as u64, &mut buffer).unwrap(), 10);
    assert_eq!(buffer, body[CHUNK..CHUNK + 10]);
}

#[test]
fn locked_old_ones_stay_shut_and_new_ones_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = set_up(dir.path());
    let old = put(&store, b"old", 9);
    drop(store);
    let store = open(dir.path());
    let new = put(&store, b"new", 9);
    let shut = store.blobs().open_sealed(&old);
    assert!(matches!(
        shut,
        Err(BlobError::Read(ReadError::Sealed { key_id: 1 }))
    ));
    let read = |id| store.blobs().open_sealed(id).unwrap().read_all().unwrap();
    assert_eq!(read(&new), b"new");
    store.seal().unlock(WORDS).unwrap();
    assert_eq!(read(&old), b"old");
    let clear = store.blobs().put(&[9; 100]).unwrap();
    assert!(matches!(
        store.blobs().open_sealed(&clear),
        Err(BlobError::NotSealed { .. })
    ));
}
