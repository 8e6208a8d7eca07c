//! Going on after a failed write.
//!
//! The engine takes nothing more once a write or sync failed, and is right: the kernel forgets what
//! the disk did not get, and shows it to readers all the same. What is read of the journals then is
//! therefore written anew, into tables, before anything is added, and the old journals go. What had
//! a receipt was on the disk before; what had none may be there or not.

use std::os::unix::fs::MetadataExt as _;
use std::sync::PoisonError;
use std::thread::sleep;
use std::time::Duration;

use crate::commit::Core;
use crate::engine;
use crate::memory::MemoryCopy;
use crate::open::{self, engine_error};
use crate::{EngineError, OpenError, ReopenError, disk, journal};

/// How long the old journals are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

impl Core {
    /// Opens the engine's files again, if a write failed and the disk takes one now.
    pub(crate) fn reopen(&mut self) -> Result<(), ReopenError> {
        if !self.counters.is_poisoned() {
            return Ok(());
        }
        disk::try_out(&self.dir).map_err(|source| ReopenError::Disk {
            dir: self.dir.clone(),
            source,
        })?;
        self.lock_again()?;
        if !self.engine.close() {
            return Err(ReopenError::Busy);
        }
        if let Err(error) = self.open_files() {
            self.read_through_memory();
            return Err(error);
        }
        self.wait_for_one_journal()?;
        self.learn_anew().map_err(OpenError::from)?;
        self.room.forget_the_journal();
        self.room.see_to_the_journal(self.reserve);
        self.counters.heal();
        tracing::warn!("the files of the store were opened again; writes are accepted");
        Ok(())
    }

    fn open_files(&self) -> Result<(), ReopenError> {
        journal::inspect(self.engine.dir(), &self.dir.join("aside"), false)?;
        let opened = self.engine.open_again();
        opened.map_err(|error| engine_error(&self.dir, &error))?;
        Ok(())
    }

    /// The files could be closed and not opened: what can be read is, until the next try.
    fn read_through_memory(&self) {
        if self.engine.spaces().is_ok() {
            return;
        }
        let copy = MemoryCopy::of(self.engine.dir());
        let opened = copy.map_err(fjall::Error::from);
        if let Err(error) = opened.and_then(|copy| self.engine.open_copy(copy)) {
            tracing::warn!(%error, "the tables cannot be read through memory");
        }
    }

    /// The directory may be another one by now: a disk that was mounted anew.
    fn lock_again(&self) -> Result<(), ReopenError> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let there = std::fs::metadata(self.dir.join("lock"));
        let same = there.ok().zip(held.metadata().ok());
        let same = same.is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()));
        if !same {
            *held = open::lock(&self.dir)?;
        }
        Ok(())
    }

    /// Older journals hold what is in tables now, perhaps not as the disk has it.
    fn wait_for_one_journal(&self) -> Result<(), ReopenError> {
        let dir = self.engine.dir();
        let mut waited = Duration::ZERO;
        loop {
            let count = journal::count(dir).map_err(|source| OpenError::Io {
                path: dir.to_path_buf(),
                source,
            })?;
            if count <= 1 {
                return Ok(());
            }
            if waited > PATIENCE {
                let words = fjall::Error::Poisoned;
                return Err(ReopenError::Engine(EngineError::of(&words)));
            }
            sleep(PAUSE);
            waited += PAUSE;
        }
    }

    fn learn_anew(&mut self) -> Result<(), crate::ReadError> {
        let revision = self.engine.own_number(&engine::OWN_REVISION)?;
        self.revision = revision.unwrap_or(0);
        self.next.clear();
        for (log, first) in self.engine.trimmed_logs()? {
            self.firsts.set(log, first);
        }
        Ok(())
    }
}
