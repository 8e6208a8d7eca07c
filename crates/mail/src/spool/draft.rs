//! A message while it comes in: in memory while it is small, on its way to the disk when it grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store::{BlobId, SealedWriter};

use super::{KeepError, Spool};

/// A message while it comes in.
#[derive(Debug)]
pub struct Draft {
    body: Body,
    claim: Claim,
}

#[derive(Debug)]
pub(super) enum Body {
    /// Small so far.
    Inline(Vec<u8>),
    /// Large: on its way to the disk.
    Blob(Box<SealedWriter>),
}

/// What an unfinished message takes of its organisation's quota, until it is kept or given up.
#[derive(Debug)]
pub(super) struct Claim {
    bytes: u64,
    all: Arc<AtomicU64>,
}

impl Claim {
    /// What all unfinished messages take, this one having grown by `bytes`.
    fn grow(&mut self, all: &Arc<AtomicU64>, bytes: u64) -> u64 {
        if !Arc::ptr_eq(&self.all, all) {
            self.all = Arc::clone(all);
            self.all.fetch_add(self.bytes, Ordering::Relaxed);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        let before = self.all.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Draft {
    /// A message that begins with these bytes.
    pub fn new(head: Vec<u8>) -> Self {
        let claim = Claim {
            bytes: head.len() as u64,
            all: Arc::new(AtomicU64::new(head.len() as u64)),
        };
        let body = Body::Inline(head);
        Self { body, claim }
    }

    /// How much of it is in memory.
    pub fn in_memory(&self) -> usize {
        match &self.body {
            Body::Inline(small) => small.len(),
            // What waits until it is sealed.
            Body::Blob(_) => 64 << 10,
        }
    }

    /// Its bytes so far.
    pub fn length(&self) -> u64 {
        match &self.body {
            Body::Inline(small) => small.len() as u64,
            Body::Blob(writer) => writer.written(),
        }
    }

    pub(super) fn into_parts(self) -> (Body, Claim) {
        (self.body, self.claim)
    }
}

impl Spool {
    /// Adds bytes to a draft; what grows larger than `inline` goes to the disk on the way.
    ///
    /// # Errors
    /// The disk is full, a write failed, or all drafts together grow beyond the quota.
    pub fn add(&self, draft: &mut Draft, bytes: &[u8], inline: usize) -> Result<(), KeepError> {
        let drafts = draft.claim.grow(&self.0.drafts, bytes.len() as u64);
        let within = |quota: u64| self.tally().bytes.saturating_add(drafts) <= quota;
        if !self.0.quota.is_none_or(within) {
            return Err(KeepError::NoRoom);
        }
        match &mut draft.body {
            Body::Inline(small) if small.len() + bytes.len() <= inline => {
                small.extend_from_slice(bytes);
            }
            Body::Inline(small) => {
                let mut writer = self.0.store.blobs().sealed_writer()?;
                writer.write(small)?;
                writer.write(bytes)?;
                draft.body = Body::Blob(Box::new(writer));
            }
            Body::Blob(writer) => writer.write(bytes)?,
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
