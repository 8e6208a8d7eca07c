//! What is about people rests sealed: set up and unlocked from a credential file beside everything
//! else at the start, or later at the admin socket.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use host::Tasks;
use store::{SealState, Store};

/// A longer passphrase is a file by mistake.
const LONGEST: u64 = 4096;

/// Unlocks the store with the passphrase file, and sets it up the first time. A passphrase that is
/// wrong is no outage: a locked standby takes mail, and serves names, the site and the page.
pub(crate) async fn open(file: PathBuf, store: Store, tasks: Tasks) {
    let opened = match read(&file) {
        Ok(passphrase) => unlock(&store, &tasks, passphrase).await,
        Err(error) => Err(error),
    };
    if let Err(error) = opened {
        let file = file.display();
        tracing::error!(
            "what is about people stays locked: {error:#}; mend {file}, or run `servergate unlock`"
        );
    }
}

/// Unlocks the store, or sets it up the first time.
pub(crate) async fn unlock(store: &Store, tasks: &Tasks, passphrase: Vec<u8>) -> Result<()> {
    let seal = store.seal();
    let work = move || match seal.state() {
        SealState::NotSetUp => seal.set_up(&passphrase),
        SealState::Locked => seal.unlock(&passphrase),
        SealState::Unlocked => Ok(()),
    };
    // It computes for a while on purpose, and takes memory on purpose.
    tasks.blocking("unlock", work).await??;
    Ok(())
}

/// The first line of the file.
fn read(file: &Path) -> Result<Vec<u8>> {
    let reading = || format!("the passphrase file {}", file.display());
    if std::fs::metadata(file).with_context(reading)?.len() > LONGEST {
        bail!("{} is too long for a passphrase", file.display());
    }
    let text = std::fs::read(file).with_context(reading)?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
}
