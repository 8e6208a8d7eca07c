//! The engine's files on a disk that takes no write, read through a folder in memory.
//!
//! The engine cannot open without writing: it locks, it tidies, it goes on in its journal. On a
//! disk that was mounted read only, or has not one block or inode left, a start would therefore
//! fail in the middle of an outage, for the sake of what nobody wants to write. So what the engine
//! changes (journals, its small files) is copied into a folder of a file system in memory, and what
//! it only reads (tables, bodies) is linked there.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::disk;

/// Memory for what is copied: journals have 64 MiB each at the most, and seldom more than two are
/// there.
const MOST: u64 = 192 << 20;
/// Larger files are only read, as long as they are no journals.
const SMALL: u64 = 64 << 10;
const CHUNK: usize = 64 << 10;
/// Where file systems in memory are found when the service manager names none.
const SHARED_MEMORY: &str = "/dev/shm";
const NAME: &str = "servergate-tables-";

/// A folder in memory that stands for the engine's. Gone with this value.
#[derive(Debug)]
pub(crate) struct MemoryCopy {
    dir: PathBuf,
}

impl MemoryCopy {
    /// Of the engine's files in `source`, whose store the caller has locked.
    ///
    /// # Errors
    /// There is no file system in memory, there is more to copy than may be, or the disk cannot be
    /// read.
    pub(crate) fn of(source: &Path) -> io::Result<Self> {
        let source = fs::canonicalize(source)?;
        let name = name_of(&source);
        let mut refused = io::Error::other("there is no file system in memory here");
        for place in places() {
            remove_left_over(&place, &name);
            match Self::in_place(&place, &name, &source) {
                Ok(copy) => return Ok(copy),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn in_place(place: &Path, name: &str, source: &Path) -> io::Result<Self> {
        let random = disk::random()?;
        let dir = place.join(format!("{name}{:032x}", u128::from_be_bytes(random)));
        DirBuilder::new().mode(0o700).create(&dir)?;
        let copy = Self { dir };
        let mut left = MOST;
        copy_folder(source, &copy.dir, &mut left)?;
        Ok(copy)
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for MemoryCopy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::debug!(%error, "the copy of the tables stays in memory");
        }
    }
}

/// Folders in memory: what the service manager made for us, then what every machine has.
fn places() -> impl Iterator<Item = PathBuf> {
    let runtime = std::env::var_os("RUNTIME_DIRECTORY");
    let runtime = runtime.iter().flat_map(std::env::split_paths);
    let all: Vec<_> = runtime.chain([PathBuf::from(SHARED_MEMORY)]).collect();
    all.into_iter().filter(|place| is_in_memory(place))
}

fn is_in_memory(place: &Path) -> bool {
    statfs(place).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

/// What names of copies of one store begin with.
fn name_of(source: &Path) -> String {
    let hash = xxhash_rust::xxh3::xxh3_64(source.as_os_str().as_encoded_bytes());
    format!("{NAME}{hash:016x}-")
}

/// A killed program leaves its copy. Nobody else has one of this store: it is locked.
fn remove_left_over(place: &Path, name: &str) {
    let Ok(entries) = fs::read_dir(place) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(name) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn copy_folder(from: &Path, to: &Path, left: &mut u64) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            DirBuilder::new().mode(0o700).create(&copy)?;
            copy_folder(&path, &copy, left)?;
            continue;
        }
        let is_journal = path.extension().is_some_and(|extension| extension == "jnl");
        if is_journal || entry.metadata()?.len() <= SMALL {
            copy_file(&path, &copy, left)?;
        } else {
            symlink(&path, &copy)?;
        }
    }
    Ok(())
}

/// Copies a file without the zeros that most of a journal is, and says what is `left` of the bound.
fn copy_file(from: &Path, to: &Path, left: &mut u64) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut copy = File::create_new(to)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = source.read(&mut buffer)?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else {
            break;
        };
        if read.iter().all(|&byte| byte == 0) {
            copy.seek(SeekFrom::Current(i64::try_from(length).unwrap_or(0)))?;
            continue;
        }
        *left = left.checked_sub(length as u64).ok_or_else(|| {
            io::Error::other(format!(
                "more than {MOST} bytes would be copied into memory"
            ))
        })?;
        copy.write_all(read)?;
    }
    let end = copy.stream_position()?;
    copy.set_len(end)
}

#[cfg(test)]
mod tests;
