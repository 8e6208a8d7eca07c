//! What every record and every value looks like on disk.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version of this layout, `1` |
//! | 1 | kind: `1` record of a log, `2` value of a table |
//! | 2..6 | key id, big-endian; `0` = the body lies in clear |
//! | 6..22 | the record's own id: BLAKE3 of (store identity, kind, key, revision), first 16 bytes |
//! | 22..30 | revision of the commit that wrote it, big-endian |
//! | 30.. | body |
//!
//! The id is unique over stores (the identity is drawn by the operating system when a store is
//! made or restored) and over time (a revision is given once), so sealing can bind a body to its
//! place with the first 30 bytes as associated data, without a new format.
//! Checksums are the engine's: one over every block, every large value and every journal batch.

use crate::ReadError;

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

/// An opened envelope.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) id: [u8; 16],
    pub(crate) revision: u64,
    pub(crate) body: &'a [u8],
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

/// Puts `body` into an envelope.
pub(crate) fn wrap(kind: Kind, id: [u8; 16], revision: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.push(VERSION);
    bytes.push(kind as u8);
    bytes.extend_from_slice(&CLEAR.to_be_bytes());
    bytes.extend_from_slice(&id);
    bytes.extend_from_slice(&revision.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Opens an envelope of `kind`.
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
    let key_id = u32::from_be_bytes(*key_id);
    if key_id != CLEAR {
        return Err(ReadError::Sealed { key_id });
    }
    Ok(Opened {
        id: *id,
        revision: u64::from_be_bytes(*revision),
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = wrap(Kind::Value, [7; 16], 0x0102, b"body");
        let mut expected = vec![1, 2, 0, 0, 0, 0];
        expected.extend_from_slice(&[7; 16]);
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1, 2]);
        expected.extend_from_slice(b"body");
        assert_eq!(bytes, expected);
        let opened = open(Kind::Value, &bytes).unwrap();
        assert_eq!(
            (opened.id, opened.revision, opened.body),
            ([7; 16], 0x0102, &b"body"[..])
        );
    }

    #[test]
    fn newer_sealed_short_and_foreign_envelopes_are_told_apart() {
        let good = wrap(Kind::Record, [0; 16], 1, b"");
        let mut newer = good.clone();
        newer[0] = 2;
        assert!(matches!(
            open(Kind::Record, &newer),
            Err(ReadError::NewerRecord { found: 2 })
        ));
        let mut sealed = good.clone();
        sealed[5] = 9;
        assert!(matches!(
            open(Kind::Record, &sealed),
            Err(ReadError::Sealed { key_id: 9 })
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
}
