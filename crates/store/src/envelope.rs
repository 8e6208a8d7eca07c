//! What every record and every value looks like on disk.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version of this layout, `1` |
//! | 1 | kind: `1` record of a log, `2` value of a table |
//! | 2..6 | key id, big-endian; `0` = the body lies in clear |
//! | 6..22 | the record's own id: BLAKE3 of (store identity, kind, key, revision), first 16 bytes |
//! | 22..30 | revision of the commit that wrote it, big-endian |
//! | 30.. | body; sealed: nonce (24 bytes), ciphertext, tag (16 bytes) |
//!
//! The id is unique over stores (the identity is drawn by the operating system when a store is
//! made or restored) and over time (a revision is given once). A sealed body is XChaCha20-Poly1305
//! under the data key with that id; its associated data are the 30 bytes before it and the key it
//! lies at, so that it opens nowhere else. Both are as stored: they hold in a restored store too,
//! whose identity is another.
//! Checksums are the engine's: one over every block, every large value and every journal batch.

use crate::seal::{DataKey, NONCE, Sealing, TAG};
use crate::{ReadError, SealError};

/// Bytes before the body.
pub(crate) const HEADER: usize = 30;
const VERSION: u8 = 1;
const CLEAR: u32 = 0;

/// What an envelope holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Record = 1,
    Value = 2,
}

/// An envelope whose header was read. Its body may be sealed.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) id: [u8; 16],
    pub(crate) revision: u64,
    key_id: u32,
    header: &'a [u8],
    body: &'a [u8],
}

/// The id of what is written at `key` by the commit `revision`.
pub(crate) fn record_id(identity: [u8; 16], kind: Kind, key: &[u8], revision: u64) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&identity);
    hasher.update(&[kind as u8]);
    hasher.update(&revision.to_be_bytes());
    hasher.update(key);
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    id
}

/// What goes before a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) id: [u8; 16],
    pub(crate) revision: u64,
}

/// Puts `body` into an envelope, in clear.
pub(crate) fn wrap(head: Head, body: &[u8]) -> Vec<u8> {
    let mut bytes = header(head, CLEAR, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// Puts `body` into an envelope, sealed for the place `key`.
pub(crate) fn seal(
    head: Head,
    data_key: &DataKey,
    key: &[u8],
    body: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut bytes = header(head, data_key.id(), NONCE + body.len() + TAG);
    let aad = [&bytes, key].concat();
    data_key.seal_record(&aad, body, &mut bytes)?;
    Ok(bytes)
}

fn header(head: Head, key_id: u32, room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + room);
    bytes.push(VERSION);
    bytes.push(head.kind as u8);
    bytes.extend_from_slice(&key_id.to_be_bytes());
    bytes.extend_from_slice(&head.id);
    bytes.extend_from_slice(&head.revision.to_be_bytes());
    bytes
}

/// Reads the header of an envelope of `kind`.
pub(crate) fn open(kind: Kind, bytes: &[u8]) -> Result<Opened<'_>, ReadError> {
    let (&version, rest) = bytes.split_first().ok_or(ReadError::Envelope)?;
    if version != VERSION {
        return Err(ReadError::NewerRecord { found: version });
    }
    let (&found, rest) = rest.split_first().ok_or(ReadError::Envelope)?;
    let (key_id, rest) = rest.split_first_chunk::<4>().ok_or(ReadError::Envelope)?;
    let (id, rest) = rest.split_first_chunk::<16>().ok_or(ReadError::Envelope)?;
    let (revision, body) = rest.split_first_chunk::<8>().ok_or(ReadError::Envelope)?;
    if found != kind as u8 {
        return Err(ReadError::Envelope);
    }
    Ok(Opened {
        id: *id,
        revision: u64::from_be_bytes(*revision),
        key_id: u32::from_be_bytes(*key_id),
        header: bytes.get(..HEADER).unwrap_or_default(),
        body,
    })
}

impl Opened<'_> {
    /// The body in clear, of the envelope that was found at `key`.
    pub(crate) fn plain(&self, key: &[u8], sealing: &Sealing) -> Result<Vec<u8>, ReadError> {
        if self.key_id == CLEAR {
            return Ok(self.body.to_vec());
        }
        self.unseal(key, &*sealing.key(self.key_id)?)
    }

    fn unseal(&self, key: &[u8], data_key: &DataKey) -> Result<Vec<u8>, ReadError> {
        let aad = [self.header, key].concat();
        data_key
            .open_record(&aad, self.body)
            .ok_or(ReadError::Altered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::test_key;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn head(kind: Kind, id: u8, revision: u64) -> Head {
        let id = [id; 16];
        Head { kind, id, revision }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = wrap(head(Kind::Value, 7, 0x0102), b"body");
        let mut expected = vec![1, 2, 0, 0, 0, 0];
        expected.extend_from_slice(&[7; 16]);
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1, 2]);
        expected.extend_from_slice(b"body");
        assert_eq!(bytes, expected);
        let opened = open(Kind::Value, &bytes).unwrap();
        assert_eq!(
            (opened.id, opened.revision, opened.key_id, opened.body),
            ([7; 16], 0x0102, 0, &b"body"[..])
        );
        let sealed = seal(head(Kind::Value, 7, 0x0102), &test_key(9), b"at", b"body").unwrap();
        assert_eq!(sealed[..6], [1, 2, 0, 0, 0, 9]);
        assert_eq!(sealed[6..HEADER], expected[6..HEADER]);
        assert_eq!(sealed.len(), HEADER + NONCE + 4 + TAG);
    }

    #[test]
    fn newer_short_and_foreign_envelopes_are_told_apart() {
        let good = wrap(head(Kind::Record, 0, 1), b"");
        let mut newer = good.clone();
        newer[0] = 2;
        assert!(matches!(
            open(Kind::Record, &newer),
            Err(ReadError::NewerRecord { found: 2 })
        ));
        assert!(matches!(open(Kind::Value, &good), Err(ReadError::Envelope)));
        for length in 0..HEADER {
            assert!(open(Kind::Record, &good[..length]).is_err());
        }
    }

    #[test]
    fn ids_differ_by_store_kind_key_and_revision() {
        let base = record_id([1; 16], Kind::Record, b"k", 1);
        assert_ne!(base, record_id([2; 16], Kind::Record, b"k", 1));
        assert_ne!(base, record_id([1; 16], Kind::Value, b"k", 1));
        assert_ne!(base, record_id([1; 16], Kind::Record, b"l", 1));
        assert_ne!(base, record_id([1; 16], Kind::Record, b"k", 2));
    }

    proptest! {
        /// Opens at its own place with its own key; with any bit of it flipped, cut short, with
        /// another key or at another place it does not, and gives nothing.
        #[test]
        fn a_sealed_envelope_opens_in_its_place_and_nowhere_else(
            body in vec(any::<u8>(), 0..300),
            place in vec(any::<u8>(), 0..40),
            other in vec(any::<u8>(), 0..40),
            (id, revision, bit) in (any::<u8>(), any::<u64>(), any::<prop::sample::Index>()),
        ) {
            let key = test_key(3);
            let sealed = seal(head(Kind::Record, id, revision), &key, &place, &body).unwrap();
            let opened = open(Kind::Record, &sealed).unwrap();
            prop_assert_eq!(opened.key_id, 3);
            prop_assert_eq!(opened.unseal(&place, &key).unwrap(), body);
            prop_assert!(opened.unseal(&place, &test_key(4)).is_err());
            if other != place {
                prop_assert!(opened.unseal(&other, &key).is_err());
            }
            let bit = bit.index(8 * sealed.len());
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(opened) = open(Kind::Record, &bad) {
                prop_assert!(opened.unseal(&place, &key).is_err());
            }
            let cut = &sealed[..HEADER + bit / 8 % (sealed.len() - HEADER)];
            prop_assert!(open(Kind::Record, cut).unwrap().unseal(&place, &key).is_err());
        }
    }
}
