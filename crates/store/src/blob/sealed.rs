//! Sealed blobs: large bodies in pieces, each sealed by itself, in the manner of STREAM.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version of this layout, `1` |
//! | 1..5 | key id, big-endian |
//! | 5..24 | prefix of the nonces, random |
//! | then | pieces: 64 KiB of the body and a tag (16 bytes); the last has 0 to 64 KiB |
//!
//! A piece is XChaCha20-Poly1305 with the nonce (prefix, number of the piece as 4 bytes big-endian,
//! `1` for the last and `0` for all others) and the 24 bytes of the header as associated data. A
//! piece left out, put elsewhere or added does not open, and neither does a body cut short after a
//! whole piece (Hoang, Reyhanitabar, Rogaway, Vizár: "Online authenticated-encryption and its
//! nonce-reuse misuse-resistance", 2015). The blob's name is the hash of the sealed bytes, so that
//! who has no key can verify, copy and sweep it; two blobs of one body have two names.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Blob, BlobId, BlobWriter, Blobs};
use crate::seal::{DataKey, NONCE, TAG, random};
use crate::{BlobError, SealError};

/// Bytes of the body in each piece but the last.
const CHUNK: usize = 64 << 10;
/// The same as stored.
const STORED: u64 = (CHUNK + TAG) as u64;
const HEADER: usize = 24;
const PREFIX: usize = 19;
const VERSION: u8 = 1;

impl Blobs {
    /// A blob written piece by piece and sealed.
    ///
    /// # Errors
    /// The store is not set up for sealing, the disk is full, or a write failed.
    pub fn sealed_writer(&self) -> Result<SealedWriter, BlobError> {
        let mut writer = self.writer()?;
        let key = self.0.sealing.current()?;
        let mut header = [0; HEADER];
        let (begin, prefix) = header.split_at_mut(HEADER - PREFIX);
        begin.copy_from_slice(&[&[VERSION][..], &key.id().to_be_bytes()].concat());
        prefix.copy_from_slice(&random::<PREFIX>()?);
        writer.write(&header)?;
        Ok(SealedWriter {
            writer,
            key,
            header,
            piece: Zeroizing::new(Vec::with_capacity(CHUNK + TAG)),
            number: 0,
            written: 0,
        })
    }

    /// Opens a sealed blob.
    ///
    /// # Errors
    /// It is not there, was not sealed, or its key is not here because the store is locked.
    pub fn open_sealed(&self, id: &BlobId) -> Result<SealedBlob, BlobError> {
        let blob = self.open(id)?;
        let mut header = [0; HEADER];
        let whole = blob.read_at(0, &mut header)? == HEADER;
        let [VERSION, a, b, c, d, ..] = header else {
            return Err(BlobError::NotSealed { id: *id });
        };
        let pieces = blob.len().saturating_sub(HEADER as u64);
        let count = pieces.div_ceil(STORED);
        let last = pieces.saturating_sub(count.saturating_sub(1) * STORED);
        // A last piece of a tag alone is that of an empty body.
        let least = if count > 1 { TAG + 1 } else { TAG } as u64;
        let count = u32::try_from(count).unwrap_or(0);
        if !whole || count == 0 || last < least {
            return Err(BlobError::Altered { id: *id });
        }
        let key = self.0.sealing.key(u32::from_be_bytes([a, b, c, d]))?;
        Ok(SealedBlob {
            length: pieces - u64::from(count) * TAG as u64,
            blob,
            key,
            header,
            count,
        })
    }
}

/// A sealed blob being written. Dropped before [`SealedWriter::finish`] it leaves nothing.
pub struct SealedWriter {
    writer: BlobWriter,
    key: Arc<DataKey>,
    header: [u8; HEADER],
    /// What waits until it is known whether it is the last piece.
    piece: Zeroizing<Vec<u8>>,
    number: u32,
    written: u64,
}

impl SealedWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// It became too large, the disk is full, or the write failed.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        while !bytes.is_empty() {
            if self.piece.len() == CHUNK {
                self.put_piece(false)?;
                self.number = self.number.checked_add(1).ok_or(SealError::TooLong)?;
            }
            let room = (CHUNK - self.piece.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.piece.extend_from_slice(now);
            self.written += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Bytes of the body written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the blob durable and says its name.
    ///
    /// # Errors
    /// A write, a sync or the rename failed; the blob is not there.
    pub fn finish(mut self) -> Result<BlobId, BlobError> {
        self.put_piece(true)?;
        self.writer.finish()
    }

    fn put_piece(&mut self, last: bool) -> Result<(), BlobError> {
        let nonce = nonce(&self.header, self.number, last);
        self.key.seal_chunk(&nonce, &self.header, &mut self.piece)?;
        self.writer.write(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

impl std::fmt::Debug for SealedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SealedWriter").field(&self.written).finish()
    }
}

/// An open sealed blob; stays readable when it is swept, or the store is locked, meanwhile.
pub struct SealedBlob {
    blob: Blob,
    key: Arc<DataKey>,
    header: [u8; HEADER],
    count: u32,
    length: u64,
}

impl SealedBlob {
    /// Its name.
    pub fn id(&self) -> BlobId {
        self.blob.id()
    }

    /// The length of its body in bytes. Certain once the last piece was read.
    #[expect(clippy::len_without_is_empty, reason = "an empty blob is a blob")]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Reads up to `buffer.len()` bytes of the body at `offset`; less only at the end. A piece of
    /// 64 KiB is opened for each that is touched.
    ///
    /// # Errors
    /// A piece is altered, or the file could not be read.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, BlobError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(filled as u64);
            if at >= self.length {
                break;
            }
            let number = u32::try_from(at / CHUNK as u64).unwrap_or(u32::MAX);
            let piece = self.piece(number)?;
            let within = usize::try_from(at % CHUNK as u64).unwrap_or(CHUNK);
            let found = piece.get(within..).unwrap_or_default();
            let taken = found.len().min(rest.len());
            for (to, from) in rest.iter_mut().zip(found) {
                *to = *from;
            }
            if taken == 0 {
                break;
            }
            filled += taken;
        }
        Ok(filled)
    }

    /// All of the body.
    ///
    /// # Errors
    /// A piece is altered or missing, or the file could not be read.
    pub fn read_all(&self) -> Result<Vec<u8>, BlobError> {
        let mut body = Vec::with_capacity(usize::try_from(self.length).unwrap_or(0));
        for number in 0..self.count {
            body.extend_from_slice(&self.piece(number)?);
        }
        Ok(body)
    }

    /// Opens one piece.
    fn piece(&self, number: u32) -> Result<Zeroizing<Vec<u8>>, BlobError> {
        let mut piece = Zeroizing::new(vec![0; CHUNK + TAG]);
        let offset = HEADER as u64 + u64::from(number) * STORED;
        let read = self.blob.read_at(offset, &mut piece)?;
        piece.truncate(read);
        let nonce = nonce(&self.header, number, number + 1 == self.count);
        if !self.key.open_chunk(&nonce, &self.header, &mut piece) {
            return Err(BlobError::Altered { id: self.id() });
        }
        Ok(piece)
    }
}

impl std::fmt::Debug for SealedBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SealedBlob").field(&self.blob.id()).finish()
    }
}

fn nonce(header: &[u8; HEADER], number: u32, last: bool) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    let prefix = header.iter().skip(HEADER - PREFIX);
    let rest = number.to_be_bytes();
    for (to, from) in nonce.iter_mut().zip(prefix.chain(&rest)) {
        *to = *from;
    }
    nonce[NONCE - 1] = u8::from(last);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_prefix_number_and_mark() {
        let mut header = [9; HEADER];
        header[..5].fill(0);
        let nonce = nonce(&header, 0x0102_0304, true);
        assert_eq!(nonce[..PREFIX], [9; PREFIX]);
        assert_eq!(nonce[PREFIX..], [1, 2, 3, 4, 1]);
    }
}
