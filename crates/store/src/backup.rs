//! A copy of a running store, and the way back.
//!
//! ```text
//! records        "servergate backup 1\n", then items: space (K table, L log), length of the key
//!                and of the value (u32 little-endian each), key, value
//! blobs/ab/ab…   the blobs, as in a store
//! backup         written last: what must be there (counts, BLAKE3 of `records` and of all names)
//! ```
//!
//! The copy shows one moment: the engine's snapshot over both keyspaces. A blob that a key of that
//! moment keeps was put before it, and nothing is swept while the copy is made. The copy lies in
//! clear as far as the store does: what is sealed stays sealed, and its keys go along wrapped, so
//! that the passphrase of that moment opens the restored store.

mod format;
mod restore;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fjall::Readable;
use tokio::sync::oneshot;

use crate::Writer;
use crate::engine::{self, Engine};
use crate::{BackupError, Beside, BlobError, BlobId, Blobs, ReadError, Store, disk};

use format::{Hashing, LOG, MAGIC, Manifest, TABLE, hash_names, io_error, write_item};

pub use restore::restore;

/// What is in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Entries of tables and logs, with the store's own.
    pub items: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of keys, values and blobs.
    pub bytes: u64,
    /// Damaged blobs that no key keeps; they are not in the backup.
    pub left_out: u64,
}

impl Store {
    /// Copies the whole store as it is at one moment into the new directory `to`.
    /// [`restore`] makes a store of it again.
    ///
    /// # Errors
    /// The target is not empty or lies among the data, a blob is damaged or missing, a read or write
    /// failed, or it would take the reserve of the disk that both lie on.
    pub async fn backup(&self, to: &Path) -> Result<BackupReport, BackupError> {
        let Some(turn) = Turn::take(&self.0.backing_up) else {
            return Err(BackupError::Busy);
        };
        refuse_inside(&self.0.dir, to)?;
        let (engine, blobs) = (self.0.engine.clone(), self.0.blobs.clone());
        if !matches!(self.0.writer, Writer::Thread { .. }) {
            return write(&engine, &blobs, to);
        }
        let (reply, answer) = oneshot::channel();
        let target = to.to_path_buf();
        // Goes on to its end even if nobody waits for it any more.
        let copy = move || {
            let done = write(&engine, &blobs, &target);
            drop(turn);
            let _ = reply.send(done);
        };
        thread::Builder::new()
            .name("store-backup".to_owned())
            .spawn(copy)
            .map_err(|source| BackupError::Io {
                path: to.to_path_buf(),
                source,
            })?;
        answer.await.unwrap_or(Err(BackupError::Busy))
    }
}

/// The right to make a backup; one at a time.
struct Turn(Arc<AtomicBool>);

impl Turn {
    fn take(busy: &Arc<AtomicBool>) -> Option<Self> {
        let free = !busy.swap(true, Ordering::AcqRel);
        free.then(|| Self(Arc::clone(busy)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Copies the store into `to`, which must be new or empty.
pub(crate) fn write(
    engine: &Engine,
    blobs: &Blobs,
    to: &Path,
) -> Result<BackupReport, BackupError> {
    make_empty(to)?;
    let _no_sweep = blobs.hold_sweeps();
    let spaces = engine.spaces()?;
    let snapshot = spaces.db.snapshot();
    let mut report = BackupReport::default();

    let path = to.join("records");
    let at = |source| io_error(&path, source);
    let file = File::create_new(&path).and_then(|file| Beside::new(file, blobs));
    let file = file.map_err(at)?;
    let mut out = Hashing {
        inner: BufWriter::new(file),
        hasher: blake3::Hasher::new(),
    };
    out.write_all(MAGIC).map_err(at)?;
    for (space, keyspace) in [(TABLE, &spaces.kv), (LOG, &spaces.log)] {
        for guard in snapshot.iter(keyspace) {
            let (key, value) = guard.into_inner().map_err(ReadError::from)?;
            // A restored store is another one: its identity is its own.
            if space == TABLE && key.as_ref() == engine::OWN_IDENTITY {
                continue;
            }
            write_item(&mut out, space, &key, &value).map_err(at)?;
            report.items += 1;
            report.bytes += (key.len() + value.len()) as u64;
        }
    }
    out.flush().map_err(at)?;
    let records = out.hasher.finalize().to_hex().to_string();
    out.inner
        .into_inner()
        .map_err(|error| at(error.into_error()))?
        .sync_all()
        .map_err(at)?;

    let names = copy_blobs(engine, blobs, &to.join("blobs"), &mut report)?;
    let manifest = Manifest {
        report,
        records,
        names: hash_names(&names),
    };
    let path = to.join("backup");
    disk::write_whole(&path, manifest.to_text().as_bytes())
        .map_err(|source| io_error(&path, source))?;
    Ok(report)
}

fn copy_blobs(
    engine: &Engine,
    blobs: &Blobs,
    to: &Path,
    report: &mut BackupReport,
) -> Result<BTreeSet<BlobId>, BackupError> {
    fs::create_dir_all(to).map_err(|source| io_error(to, source))?;
    let mut names = BTreeSet::new();
    let mut directories = BTreeSet::from([to.to_path_buf()]);
    blobs.for_each(|id, _| {
        let name = id.to_string();
        let directory = to.join(name.get(..2).unwrap_or_default());
        let path = directory.join(&name);
        match copy_blob(blobs, &id, &directory, &path) {
            Ok(length) => {
                report.blobs += 1;
                report.bytes += length;
                names.insert(id);
                directories.insert(directory);
                Ok(())
            }
            // Nobody may need it any more: not a reason to have no backup at all.
            Err(BlobError::Altered { .. }) if !engine.is_linked(&id)? => {
                report.left_out += 1;
                fs::remove_file(&path).map_err(|source| BlobError::Io { path, source })
            }
            Err(error) => Err(error),
        }
    })?;
    for directory in directories {
        disk::sync_dir(&directory).map_err(|source| io_error(&directory, source))?;
    }
    Ok(names)
}

fn copy_blob(blobs: &Blobs, id: &BlobId, directory: &Path, path: &Path) -> Result<u64, BlobError> {
    let at = |source| BlobError::Io {
        path: path.to_path_buf(),
        source,
    };
    fs::create_dir_all(directory).map_err(at)?;
    let file = File::create_new(path).and_then(|file| Beside::new(file, blobs));
    let mut file = file.map_err(at)?;
    let blob = blobs.open(id)?;
    blob.each_chunk(|chunk| file.write_all(chunk).map_err(at))?;
    file.sync_all().map_err(at)?;
    Ok(blob.len())
}

/// A backup among the data would be no backup, and the next opening would meet a foreign file.
fn refuse_inside(data: &Path, to: &Path) -> Result<(), BackupError> {
    // What is not there yet has a parent that is, or fails soon.
    let there = to.ancestors().find_map(|part| fs::canonicalize(part).ok());
    let data = fs::canonicalize(data).map_err(|source| io_error(data, source))?;
    match there.is_some_and(|there| there.starts_with(&data)) {
        true => Err(BackupError::Inside { dir: data }),
        false => Ok(()),
    }
}

fn make_empty(dir: &Path) -> Result<(), BackupError> {
    let at = |source| io_error(dir, source);
    fs::create_dir_all(dir).map_err(at)?;
    if fs::read_dir(dir).map_err(at)?.next().is_some() {
        return Err(BackupError::NotEmpty {
            dir: dir.to_path_buf(),
        });
    }
    Ok(())
}
