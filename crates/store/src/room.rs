//! Room that is set aside on the disk, so that a full one takes nothing from us that we need.
//!
//! The engine's journal is a file of a fixed length without blocks: on a disk that others filled
//! the next write into it fails, and after that no decision can be made durable. So its blocks are
//! set aside as soon as it is there. For the next journal, and for tables that must be written
//! before it, there is a ballast: a file that is given up when a write fails, and made again when
//! there is room.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};

use crate::disk;
use crate::journal;

/// The length of a journal, as the engine makes it.
const JOURNAL: u64 = 64 << 20;
const BALLAST: &str = "ballast";

/// What is set aside for one store.
#[derive(Debug)]
pub(crate) struct Room {
    engine: PathBuf,
    ballast: PathBuf,
    ballast_bytes: u64,
    /// The journal whose blocks are set aside.
    journal: Option<u64>,
}

impl Room {
    /// Nothing yet. `ballast`: bytes; 0 for none at all, journals included.
    pub(crate) fn new(dir: &Path, engine: &Path, ballast: u64) -> Self {
        Self {
            engine: engine.to_path_buf(),
            ballast: dir.join(BALLAST),
            ballast_bytes: ballast,
            journal: None,
        }
    }

    /// Sets the newest journal's blocks aside if that was not tried, and makes the ballast beside the
    /// `reserve`. To be called when the engine was opened, and after each write: a look at one name.
    pub(crate) fn see_to_the_journal(&mut self, reserve: u64) {
        if self.ballast_bytes == 0 {
            return;
        }
        let newest = match self.journal {
            Some(journal) if !self.path(journal + 1).exists() => return,
            Some(journal) => journal + 1,
            None => match journal::newest(&self.engine) {
                Some(journal) => journal,
                None => return,
            },
        };
        let set_aside = set_aside(&self.path(newest), JOURNAL);
        if let Err(error) = &set_aside {
            tracing::debug!(%error, "no room is set aside for the journal");
        }
        // Where it cannot be done it is not tried again; where there is no room it is.
        let full = |error: io::Error| error.kind() == io::ErrorKind::StorageFull;
        if !set_aside.is_err_and(full) {
            self.journal = Some(newest);
            self.take_ballast(reserve);
        }
    }

    /// The engine was opened again: its journal is another one, or was cut.
    pub(crate) fn forget_the_journal(&mut self) {
        self.journal = None;
    }

    /// Makes the ballast if it is not there and `reserve` is left beside it.
    fn take_ballast(&self, reserve: u64) {
        let missing = self.ballast_bytes.saturating_sub(self.ballast_held());
        let left = disk::available(&self.engine);
        let fits = left.is_none_or(|left| left >= reserve.saturating_add(missing));
        if missing == 0 || !fits {
            return;
        }
        let made =
            File::create(&self.ballast).and_then(|_| set_aside(&self.ballast, self.ballast_bytes));
        if let Err(error) = made {
            tracing::debug!(%error, "no ballast is set aside");
            self.drop_ballast();
        }
    }

    /// Gives the ballast up.
    pub(crate) fn drop_ballast(&self) {
        remove(&self.ballast);
    }

    fn ballast_held(&self) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(&self.ballast).map_or(0, |found| found.blocks() * 512)
    }

    fn path(&self, journal: u64) -> PathBuf {
        self.engine.join(format!("{journal}.jnl"))
    }
}

/// Gives up what a store in `dir` has; whether there was anything.
pub(crate) fn give_up_ballast(dir: &Path) -> bool {
    remove(&dir.join(BALLAST))
}

fn remove(ballast: &Path) -> bool {
    match fs::remove_file(ballast) {
        Ok(()) => {
            tracing::warn!("a write failed: the ballast is given up");
            return true;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "the ballast cannot be given up"),
    }
    false
}

/// Gives a file its blocks up to `length`, and leaves its length as it is.
fn set_aside(path: &Path, length: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn what_is_set_aside_has_blocks_and_no_length_and_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut room = Room::new(dir.path(), dir.path(), 1 << 20);
        for journal in [3, 4] {
            let path = dir.path().join(format!("{journal}.jnl"));
            File::create(&path).unwrap();
            room.see_to_the_journal(u64::MAX);
            let found = fs::metadata(&path).unwrap();
            assert_eq!((found.len(), found.blocks() * 512), (0, JOURNAL));
        }
        assert_eq!(room.ballast_held(), 0, "there is the reserve before it");
        room.take_ballast(0);
        assert!(room.ballast_held() >= 1 << 20);
        room.drop_ballast();
        assert_eq!(room.ballast_held(), 0);
    }
}
