//! What a scenario says while it runs, and where it keeps what its programs wrote.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Handed to each scenario: its directory, and its voice on the terminal.
#[derive(Debug)]
pub struct Report {
    dir: PathBuf,
    begun: Instant,
}

impl Report {
    /// A report of the scenario `name` under `root`; what an earlier run left there goes.
    pub fn new(root: &Path, name: &str) -> Result<Self> {
        let dir = root.join(name);
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("clear {}", dir.display()));
            }
            _ => std::fs::create_dir_all(&dir)?,
        }
        Ok(Self {
            dir,
            begun: Instant::now(),
        })
    }

    /// The scenario's directory, kept after the run.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Time since the scenario began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// One line: what has just been seen to be so, with its figure.
    pub fn note(&mut self, what: impl std::fmt::Display) {
        println!("    {:7.2} s  {what}", self.elapsed().as_secs_f32());
    }
}
