//! The bytes of bodies: small ones from a bounded cache in memory, large ones streamed from the
//! store piece by piece.
//!
//! Reads block, so they run on the runtime's blocking threads, one piece at a time: a guest who
//! reads slowly holds a piece of memory, never a thread. A disk that does not answer holds a few
//! threads, and no guest for longer than [`PATIENCE`]; until it answers nobody waits for it.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use host::web::{Body, BodyError};
use host::{Clock, Host, Tasks};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use store::{Blob, BlobError, BlobId, Blobs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::generation::{Generation, Stored};

/// All cached bodies together, in bytes.
const CACHED: u64 = 32 << 20;
/// A larger body is streamed.
const SMALL: u64 = 512 << 10;
/// A streamed body comes in pieces of this size.
const PIECE: u64 = 64 << 10;
/// So many bodies are streamed at once.
const STREAMS: usize = 256;
/// So many reads are asked of the disk at once.
const READS: usize = 64;
/// So long a guest waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where bodies come from. Cheap to clone; one for all organisations.
#[derive(Clone)]
pub struct Bodies(Arc<Inner>);

struct Inner {
    blobs: Blobs,
    cache: Cache<BlobId, Bytes, Size>,
    streams: Arc<Semaphore>,
    disk: Disk,
}

#[derive(Clone)]
struct Size;

impl Weighter<BlobId, Bytes> for Size {
    fn weight(&self, _: &BlobId, bytes: &Bytes) -> u64 {
        // An entry of the cache itself takes room too.
        bytes.len() as u64 + 128
    }
}

/// Why there are no bytes.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyTrouble {
    /// So many large bodies are on their way that another one would be too many.
    #[error("too many large bodies at once")]
    Busy,
    /// The store does not give it.
    #[error("reading a body")]
    Store(#[from] BlobError),
    /// The disk does not answer.
    #[error("the disk does not answer")]
    Late,
    /// A task of ours ended early, as at the end of the program.
    #[error("reading a body was given up")]
    GivenUp,
}

impl Bodies {
    /// The bodies that lie in this store.
    pub fn new(host: &Host) -> Self {
        Self(Arc::new(Inner {
            blobs: host.store.blobs().clone(),
            cache: Cache::with_weighter(1024, CACHED, Size),
            streams: Arc::new(Semaphore::new(STREAMS)),
            disk: Disk {
                tasks: host.tasks.clone(),
                clock: host.clock.clone(),
                reads: Arc::new(Semaphore::new(READS)),
                silent: Arc::default(),
            },
        }))
    }

    /// The bytes, if they are in memory.
    pub(super) fn at_hand(
        &self,
        generation: &Generation,
        stored: &Stored,
        part: &Range<u64>,
    ) -> Option<Bytes> {
        if stored.1 == 0 {
            return Some(Bytes::new());
        }
        if let Some(held) = generation.held(&stored.0) {
            return slice(held, part);
        }
        if stored.1 > SMALL {
            return None;
        }
        slice(&self.0.cache.get(&stored.0)?, part)
    }

    /// The bytes, from memory or from the disk.
    pub(super) async fn get(&self, stored: Stored, part: Range<u64>) -> Result<Body, BodyTrouble> {
        let (id, length) = stored;
        if length > SMALL {
            return self.stream(id, part).await;
        }
        // Many guests who ask for the same cold page cause one read.
        let reading = self.0.cache.get_or_insert_async(&id, self.read(id));
        let bytes = self.0.disk.in_time(reading).await??;
        let bytes = slice(&bytes, &part).ok_or(BodyTrouble::GivenUp)?;
        Ok(bytes.into())
    }

    async fn read(&self, id: BlobId) -> Result<Bytes, BodyTrouble> {
        let blobs = self.0.blobs.clone();
        // A small body is compared with its name: a disk that lies is found out here.
        let read = move || blobs.open(&id)?.read_all();
        Ok(self.0.disk.ask(read).await??.into())
    }

    async fn stream(&self, id: BlobId, part: Range<u64>) -> Result<Body, BodyTrouble> {
        let place = Arc::clone(&self.0.streams).try_acquire_owned();
        let place = place.map_err(|_| BodyTrouble::Busy)?;
        let blobs = self.0.blobs.clone();
        let disk = self.0.disk.clone();
        let opening = disk.ask(move || blobs.open(&id));
        let blob = disk.in_time(opening).await???;
        Ok(Body::stream(Pieces {
            blob: Arc::new(blob),
            disk,
            next: part.start,
            end: part.end,
            reading: None,
            _place: place,
        }))
    }
}

/// The disk, which may not answer.
#[derive(Clone)]
struct Disk {
    tasks: Tasks,
    clock: Clock,
    reads: Arc<Semaphore>,
    /// A guest waited in vain, and no read has come back since.
    silent: Arc<AtomicBool>,
}

impl Disk {
    /// Reads beside the runtime. A read that does not come back keeps its place among the `READS`.
    async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BodyTrouble> {
        let place = Arc::clone(&self.reads).acquire_owned().await;
        let place = place.map_err(|_| BodyTrouble::GivenUp)?;
        let silent = Arc::clone(&self.silent);
        let reading = self.tasks.blocking("site body", move || {
            let read = read();
            silent.store(false, Ordering::Relaxed);
            drop(place);
            read
        });
        reading.await.map_err(|_| BodyTrouble::GivenUp)
    }

    /// What comes of `reading`, if the disk answers in time.
    async fn in_time<T>(&self, reading: impl Future<Output = T>) -> Result<T, BodyTrouble> {
        if self.silent.load(Ordering::Relaxed) {
            return Err(BodyTrouble::Late);
        }
        tokio::select! {
            biased;
            read = reading => Ok(read),
            () = self.clock.sleep(PATIENCE) => {
                self.silent.store(true, Ordering::Relaxed);
                Err(BodyTrouble::Late)
            }
        }
    }
}

fn slice(bytes: &Bytes, part: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(part.start).ok()?;
    let to = usize::try_from(part.end).ok()?;
    (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, BodyError>> + Send>>;

/// A large body on its way: at most one piece is read ahead.
struct Pieces {
    blob: Arc<Blob>,
    disk: Disk,
    next: u64,
    end: u64,
    reading: Option<Reading>,
    _place: OwnedSemaphorePermit,
}

impl Pieces {
    fn read(&self) -> Reading {
        let blob = Arc::clone(&self.blob);
        let offset = self.next;
        let length = (self.end - self.next).min(PIECE);
        let read = move || -> Result<Bytes, BodyError> {
            let mut piece = vec![0; usize::try_from(length)?];
            let read = blob.read_at(offset, &mut piece)?;
            if read < piece.len() {
                // Shorter than its length was: the connection breaks off rather than lie.
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            Ok(piece.into())
        };
        let disk = self.disk.clone();
        Box::pin(async move { disk.in_time(disk.ask(read)).await?? })
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.next >= this.end {
            return Poll::Ready(None);
        }
        let mut reading = match this.reading.take() {
            Some(reading) => reading,
            None => this.read(),
        };
        let Poll::Ready(read) = reading.as_mut().poll(context) else {
            this.reading = Some(reading);
            return Poll::Pending;
        };
        let piece = match read {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        this.next += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.next))
    }
}
