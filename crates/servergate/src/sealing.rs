//! What is about people rests sealed: set up and unlocked at the start from a credential file, or
//! later at the admin socket.

use std::path::Path;

use anyhow::{Context, Result, bail};
use store::{SealState, Store};

use crate::config::Config;

/// A longer passphrase is a file by mistake.
const LONGEST: u64 = 4096;

/// Unlocks the store with the passphrase file, and sets it up the first time. Without a file, or
/// with mail that nobody asked for, everything stays as it is: a locked standby takes mail, and
/// serves names, the site and the page.
pub(crate) async fn open(config: &Config, store: &Store) -> Result<()> {
    let Some(file) = &config.standby.passphrase_file else {
        return Ok(());
    };
    let passphrase = read(file)?;
    unlock(store, passphrase)
        .await
        .with_context(|| format!("with the passphrase in {}", file.display()))
}

/// Unlocks the store, or sets it up the first time.
pub(crate) async fn unlock(store: &Store, passphrase: Vec<u8>) -> Result<()> {
    let seal = store.seal();
    let work = move || match seal.state() {
        SealState::NotSetUp => seal.set_up(&passphrase),
        SealState::Locked => seal.unlock(&passphrase),
        SealState::Unlocked => Ok(()),
    };
    // It computes for a while on purpose, and takes memory on purpose.
    tokio::task::spawn_blocking(work).await??;
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
