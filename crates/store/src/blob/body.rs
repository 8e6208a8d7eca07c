//! One blob: while it is written, and once it is there.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::{BlobId, Blobs, error_at, length_if_there};
use crate::BlobError;

const CHUNK: usize = 64 << 10;

/// A blob being written. Dropped before [`BlobWriter::finish`] it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    written: u64,
    placed: AtomicBool,
}

impl BlobWriter {
    pub(super) fn new(blobs: Blobs, path: PathBuf, file: File) -> Self {
        Self {
            blobs,
            path,
            file,
            hasher: blake3::Hasher::new(),
            written: 0,
            placed: AtomicBool::new(false),
        }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// It became too large, the disk is full, or the write failed.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let length = bytes.len() as u64;
        self.written = self.written.saturating_add(length);
        let limit = self.blobs.0.limits.blob_bytes;
        if self.written > limit {
            return Err(BlobError::TooLarge { limit });
        }
        self.blobs.count(length)?;
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|source| error_at(&self.path, source))
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the blob durable and says its name.
    ///
    /// # Errors
    /// A sync or the rename failed; the blob is not there.
    pub fn finish(self) -> Result<BlobId, BlobError> {
        let id = BlobId::from(self.hasher.finalize());
        let directory = self.blobs.directory_of(&id);
        self.place(id)?;
        self.blobs.sync(&directory)?;
        Ok(id)
    }

    /// Syncs the file and gives it its name; the directory is not synced yet.
    pub(super) fn place(&self, id: BlobId) -> Result<(), BlobError> {
        self.file
            .sync_all()
            .map_err(|source| error_at(&self.path, source))?;
        let directory = self.blobs.directory_of(&id);
        if !directory.exists() {
            fs::create_dir_all(&directory).map_err(|source| error_at(&directory, source))?;
            self.blobs.sync(&self.blobs.0.dir)?;
        }
        let path = self.blobs.path_of(&id);
        let mut gate = self.blobs.gate();
        let replaced = length_if_there(&path)?;
        fs::rename(&self.path, &path).map_err(|source| error_at(&path, source))?;
        self.placed.store(true, Ordering::Relaxed);
        if let Some(total) = gate.as_mut() {
            *total = total.saturating_sub(replaced).saturating_add(self.written);
        }
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.placed.load(Ordering::Relaxed) {
            // What cannot be removed now is removed at the next opening.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// An open blob; stays readable when it is swept meanwhile.
#[derive(Debug)]
pub struct Blob {
    id: BlobId,
    path: PathBuf,
    file: File,
    length: u64,
}

impl Blob {
    pub(super) fn new(id: BlobId, path: PathBuf, file: File, length: u64) -> Self {
        Self {
            id,
            path,
            file,
            length,
        }
    }

    /// Starts its age anew.
    pub(super) fn stamp(&self, now: SystemTime) -> Result<(), BlobError> {
        let times = FileTimes::new().set_modified(now);
        self.file
            .set_times(times)
            .map_err(|source| self.error(source))
    }

    /// Its name.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "an empty blob is a blob")]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Its file, for those who send it with the kernel's help. It may be swept while they do.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads up to `buffer.len()` bytes at `offset`; less only at the end.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, BlobError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.error(source)),
            }
        }
        Ok(filled)
    }

    /// All its bytes, compared with its name.
    ///
    /// # Errors
    /// It is torn or altered, or could not be read.
    pub fn read_all(&self) -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.length).unwrap_or(0));
        self.each_chunk(|chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Compares its bytes with its name.
    ///
    /// # Errors
    /// It is torn or altered, or could not be read.
    pub fn verify(&self) -> Result<(), BlobError> {
        self.each_chunk(|_| Ok(()))
    }

    /// Hands its bytes to `take` in pieces and compares them with its name at the end.
    pub(crate) fn each_chunk(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), BlobError>,
    ) -> Result<(), BlobError> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; CHUNK];
        let mut offset = 0;
        loop {
            let read = self.read_at(offset, &mut buffer)?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
                break;
            };
            hasher.update(chunk);
            take(chunk)?;
            offset += read as u64;
        }
        if BlobId::from(hasher.finalize()) != self.id {
            return Err(BlobError::Altered { id: self.id });
        }
        Ok(())
    }

    fn error(&self, source: io::Error) -> BlobError {
        BlobError::Io {
            path: self.path.clone(),
            source,
        }
    }
}
