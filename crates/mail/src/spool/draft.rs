//! A message while it comes in: in memory while it is small, on its way to the disk when it grows.

use store::{BlobId, SealedWriter};

use super::{KeepError, Spool};

/// A message while it comes in.
#[derive(Debug)]
pub enum Draft {
    /// Small so far.
    Inline(Vec<u8>),
    /// Large: on its way to the disk.
    Blob(Box<SealedWriter>),
}

impl Draft {
    /// How much of it is in memory.
    pub fn in_memory(&self) -> usize {
        match self {
            Self::Inline(small) => small.len(),
            // What waits until it is sealed.
            Self::Blob(_) => 64 << 10,
        }
    }

    /// Its bytes so far.
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline(small) => small.len() as u64,
            Self::Blob(writer) => writer.written(),
        }
    }
}

impl Spool {
    /// Adds bytes to a draft; what grows larger than `inline` goes to the disk on the way.
    ///
    /// # Errors
    /// The disk is full, or a write failed.
    pub fn add(&self, draft: &mut Draft, bytes: &[u8], inline: usize) -> Result<(), KeepError> {
        match draft {
            Draft::Inline(small) if small.len() + bytes.len() <= inline => {
                small.extend_from_slice(bytes);
            }
            Draft::Inline(small) => {
                let mut writer = self.0.store.blobs().sealed_writer()?;
                writer.write(small)?;
                writer.write(bytes)?;
                *draft = Draft::Blob(Box::new(writer));
            }
            Draft::Blob(writer) => writer.write(bytes)?,
        }
        Ok(())
    }
}

/// The sync of a large body blocks for as long as the disk takes.
pub(super) async fn finish(writer: SealedWriter) -> Result<BlobId, KeepError> {
    #[allow(clippy::disallowed_methods)] // a sync that no task list needs to know
    let finishing = tokio::task::spawn_blocking(move || writer.finish());
    match finishing.await {
        Ok(finished) => Ok(finished?),
        Err(_) => Err(KeepError::NoRoom),
    }
}
