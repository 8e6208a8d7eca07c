//! Large bodies: files named by the BLAKE3 hash of their content.
//!
//! `site` keeps captures here, `mail` keeps bodies (sealed, see `sealed`). A blob is written to a temporary file,
//! synced, renamed to its name and its directory synced, so that a name that exists has its whole
//! content. Fan-out: `blobs/ab/ab12…`. Which blobs are still needed the store knows from links
//! (see [`crate::Batch::link`]) and from the `live` set given to [`Blobs::sweep`].

mod body;
mod id;
mod sealed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::BlobError;
use crate::disk;
use crate::engine::Engine;
use crate::seal::Sealing;

/// After so many bytes of all writers it is looked again whether the disk has room.
const LOOK_EVERY: u64 = 4 << 20;

pub use body::{Blob, BlobWriter};
pub use id::{BlobId, InvalidBlobId};
pub use sealed::{SealedBlob, SealedWriter};

/// All blobs of a store. A cheap handle; its calls block on the disk.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

pub(crate) struct Limits {
    pub(crate) blob_bytes: u64,
    pub(crate) grace: Duration,
    pub(crate) reserve: u64,
    pub(crate) read_only: bool,
    /// Whether what was left half written is removed at opening.
    pub(crate) tidied: bool,
}

struct Inner {
    dir: PathBuf,
    temporary: PathBuf,
    limits: Limits,
    engine: Engine,
    sealing: Arc<Sealing>,
    next_temporary: AtomicU64,
    /// Bytes written since it was looked whether the disk has room.
    unlooked: AtomicU64,
    #[cfg(test)]
    looks: AtomicU64,
    /// Held while a blob gets its name, is linked or is removed, so that none is removed between
    /// being looked for and being linked. Holds the bytes in all blobs, once they were counted.
    gate: Mutex<Option<u64>>,
    /// Held by a sweep, and by a backup so that nothing it is about to copy is swept.
    sweeping: Mutex<()>,
    /// Since when somebody holds what is put.
    holds: Mutex<BTreeMap<u64, SystemTime>>,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs removed.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Blobs kept.
    pub kept: u64,
}

/// See [`Blobs::hold`].
#[derive(Debug)]
pub struct Hold {
    blobs: Blobs,
    number: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.blobs.holds().remove(&self.number);
    }
}

impl Blobs {
    /// Opens the directory, which the caller has locked, and removes what was left half written.
    pub(crate) fn at(
        dir: PathBuf,
        limits: Limits,
        engine: Engine,
        sealing: Arc<Sealing>,
    ) -> io::Result<Self> {
        let temporary = dir.join("tmp");
        if limits.tidied {
            fs::create_dir_all(&temporary)?;
            for left_over in fs::read_dir(&temporary)? {
                fs::remove_file(left_over?.path())?;
            }
            disk::sync_dir(&dir)?;
        }
        Ok(Self(Arc::new(Inner {
            dir,
            temporary,
            limits,
            engine,
            sealing,
            next_temporary: AtomicU64::new(0),
            unlooked: AtomicU64::new(0),
            #[cfg(test)]
            looks: AtomicU64::new(0),
            gate: Mutex::new(None),
            sweeping: Mutex::new(()),
            holds: Mutex::default(),
        })))
    }

    /// Keeps `bytes` durably and says their name.
    ///
    /// If the blob is there already its content is compared and its age starts anew.
    ///
    /// # Errors
    /// It is too large, the disk is full, or a write failed.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobId, BlobError> {
        let id = BlobId::of(bytes);
        let directory = self.stage(bytes, id)?;
        self.sync(&directory)?;
        Ok(id)
    }

    /// As [`Blobs::put`] for many: each directory is synced once for all of them.
    ///
    /// # Errors
    /// As [`Blobs::put`]; then some may be there and some not.
    pub fn put_many(&self, contents: &[&[u8]]) -> Result<Vec<BlobId>, BlobError> {
        let mut ids = Vec::with_capacity(contents.len());
        let mut directories = BTreeSet::new();
        for content in contents {
            let id = BlobId::of(content);
            directories.insert(self.stage(content, id)?);
            ids.push(id);
        }
        for directory in directories {
            self.sync(&directory)?;
        }
        Ok(ids)
    }

    /// Makes sure that the blob has its name, and says which directory is to be synced.
    fn stage(&self, content: &[u8], id: BlobId) -> Result<PathBuf, BlobError> {
        if !self.refresh(&id)? {
            let mut writer = self.writer()?;
            writer.write(content)?;
            writer.place(id)?;
        }
        Ok(self.directory_of(&id))
    }

    #[cfg(test)]
    pub(crate) fn looks(&self) -> u64 {
        self.0.looks.load(Ordering::Relaxed)
    }

    /// A blob written piece by piece.
    ///
    /// # Errors
    /// The disk is full, or the temporary file could not be made.
    pub fn writer(&self) -> Result<BlobWriter, BlobError> {
        if self.0.limits.read_only {
            return Err(BlobError::ReadOnly);
        }
        self.look_for_room()?;
        let (path, file) = self.temporary_file()?;
        Ok(BlobWriter::new(self.clone(), path, file))
    }

    /// Opens a blob. Its bytes are compared with its name only on [`Blob::verify`] and
    /// [`Blob::read_all`].
    ///
    /// # Errors
    /// It is not there, or cannot be opened.
    pub fn open(&self, id: &BlobId) -> Result<Blob, BlobError> {
        let path = self.path_of(id);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BlobError::Missing { id: *id });
            }
            Err(source) => return Err(BlobError::Io { path, source }),
        };
        let length = file
            .metadata()
            .map_err(|source| error_at(&path, source))?
            .len();
        Ok(Blob::new(*id, path, file, length))
    }

    /// Whether the blob is there.
    pub fn has(&self, id: &BlobId) -> bool {
        self.path_of(id).is_file()
    }

    /// The bytes in all blobs; counted on the disk the first time.
    ///
    /// # Errors
    /// The directory could not be read.
    pub fn total_bytes(&self) -> Result<u64, BlobError> {
        let mut gate = self.gate();
        if let Some(bytes) = *gate {
            return Ok(bytes);
        }
        let mut total = 0;
        self.for_each(|_, path| {
            total += length_if_there(path)?;
            Ok(())
        })?;
        *gate = Some(total);
        Ok(total)
    }

    /// Keeps every blob that is put or put again from now on, until the value is dropped: for work that
    /// takes longer than the grace before a key keeps them.
    #[must_use]
    pub fn hold(&self) -> Hold {
        // Whoever cannot tell the time holds everything.
        let since = self.file_system_time().unwrap_or(SystemTime::UNIX_EPOCH);
        let number = self.0.next_temporary.fetch_add(1, Ordering::Relaxed);
        self.holds().insert(number, since);
        Hold {
            blobs: self.clone(),
            number,
        }
    }

    fn holds(&self) -> MutexGuard<'_, BTreeMap<u64, SystemTime>> {
        self.0.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the blobs that no key keeps and nobody holds ([`Blobs::hold`]), and that are older than
    /// the grace since they were put or put again.
    ///
    /// # Errors
    /// A directory or the links could not be read; what was removed until then stays removed.
    pub fn sweep(&self) -> Result<Swept, BlobError> {
        if self.0.limits.read_only {
            return Err(BlobError::ReadOnly);
        }
        let _sweeping = self.hold_sweeps();
        let now = self.file_system_time()?;
        let mut swept = Swept::default();
        self.for_each(|id, path| {
            match self.remove_unneeded(now, id, path)? {
                None => swept.kept += 1,
                Some(bytes) => {
                    swept.removed += 1;
                    swept.removed_bytes += bytes;
                }
            }
            Ok(())
        })?;
        Ok(swept)
    }

    /// Removes the blob unless it is needed; says how many bytes went.
    fn remove_unneeded(
        &self,
        now: SystemTime,
        id: BlobId,
        path: &Path,
    ) -> Result<Option<u64>, BlobError> {
        let mut gate = self.gate();
        let metadata = fs::metadata(path).map_err(|source| error_at(path, source))?;
        let put_at = metadata
            .modified()
            .map_err(|source| error_at(path, source))?;
        let age = now.duration_since(put_at).unwrap_or_default();
        let is_held = self.holds().values().any(|since| put_at >= *since);
        if is_held || age < self.0.limits.grace || self.0.engine.is_linked(&id)? {
            return Ok(None);
        }
        fs::remove_file(path).map_err(|source| error_at(path, source))?;
        if let Some(total) = gate.as_mut() {
            *total = total.saturating_sub(metadata.len());
        }
        Ok(Some(metadata.len()))
    }

    /// Keeps sweeps away while the guard lives.
    pub(crate) fn hold_sweeps(&self) -> MutexGuard<'_, ()> {
        self.0
            .sweeping
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps blobs from being removed while the guard lives.
    pub(crate) fn gate(&self) -> MutexGuard<'_, Option<u64>> {
        self.0.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `visit` with each blob's name and file, in no order.
    pub(crate) fn for_each(
        &self,
        mut visit: impl FnMut(BlobId, &Path) -> Result<(), BlobError>,
    ) -> Result<(), BlobError> {
        let dir = &self.0.dir;
        if !dir.exists() {
            return Ok(());
        }
        let read = |path: &Path| fs::read_dir(path).map_err(|source| error_at(path, source));
        for directory in read(dir)? {
            let directory = directory.map_err(|source| error_at(dir, source))?.path();
            if directory == self.0.temporary || !directory.is_dir() {
                continue;
            }
            for file in read(&directory)? {
                let path = file.map_err(|source| error_at(&directory, source))?.path();
                let name = path.file_name().and_then(|name| name.to_str());
                if let Some(id) = name.and_then(|name| name.parse().ok()) {
                    visit(id, &path)?;
                }
            }
        }
        Ok(())
    }

    /// If the blob is there and whole, starts its age anew and says so.
    fn refresh(&self, id: &BlobId) -> Result<bool, BlobError> {
        if self.0.limits.read_only {
            return Err(BlobError::ReadOnly);
        }
        if !self.has(id) {
            return Ok(false);
        }
        let now = self.file_system_time()?;
        let blob = {
            let _gate = self.gate();
            let Ok(blob) = self.open(id) else {
                return Ok(false);
            };
            blob.stamp(now)?;
            blob
        };
        // A torn or altered blob is written again over the old one.
        Ok(blob.verify().is_ok())
    }

    /// The time by the clock that stamps the blobs: that of a file made now.
    fn file_system_time(&self) -> Result<SystemTime, BlobError> {
        let (path, file) = self.temporary_file()?;
        let time = file.metadata().and_then(|metadata| metadata.modified());
        fs::remove_file(&path).map_err(|source| error_at(&path, source))?;
        time.map_err(|source| error_at(&path, source))
    }

    fn temporary_file(&self) -> Result<(PathBuf, File), BlobError> {
        let number = self.0.next_temporary.fetch_add(1, Ordering::Relaxed);
        let path = self.0.temporary.join(number.to_string());
        match File::create_new(&path) {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(BlobError::Io { path, source }),
        }
    }

    /// So many bytes are about to be written: after some megabytes, of all writers together, it is
    /// looked again whether the disk has room. Many small ones are as large as one.
    pub(crate) fn count(&self, bytes: u64) -> Result<(), BlobError> {
        let unlooked = &self.0.unlooked;
        let before = unlooked.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) < LOOK_EVERY {
            return Ok(());
        }
        unlooked.store(0, Ordering::Relaxed);
        self.look_for_room()
    }

    /// The file system that they lie on, if it says so.
    pub(crate) fn device(&self) -> Option<u64> {
        fs::metadata(&self.0.dir).ok().map(|found| found.dev())
    }

    pub(crate) fn look_for_room(&self) -> Result<(), BlobError> {
        #[cfg(test)]
        self.0.looks.fetch_add(1, Ordering::Relaxed);
        match disk::available(&self.0.dir) {
            Some(available) if available < self.0.limits.reserve => {
                Err(BlobError::NoSpace { available })
            }
            _ => Ok(()),
        }
    }

    fn directory_of(&self, id: &BlobId) -> PathBuf {
        let name = id.to_string();
        self.0.dir.join(name.get(..2).unwrap_or_default())
    }

    fn path_of(&self, id: &BlobId) -> PathBuf {
        self.directory_of(id).join(id.to_string())
    }

    fn sync(&self, directory: &Path) -> Result<(), BlobError> {
        disk::sync_dir(directory).map_err(|source| error_at(directory, source))
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blobs").field(&self.0.dir).finish()
    }
}

fn error_at(path: &Path, source: io::Error) -> BlobError {
    BlobError::Io {
        path: path.to_path_buf(),
        source,
    }
}

fn length_if_there(path: &Path) -> Result<u64, BlobError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(error_at(path, source)),
    }
}
