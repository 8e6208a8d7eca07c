//! Makes durable what was decided, without ever standing still for it.
//!
//! A commit is nearly always a matter of milliseconds, and is waited for. A disk that takes nothing
//! says so; one that hangs says nothing, and the decision goes on without it after [`PATIENCE`].
//! What was handed to it is under way until it answers, however long that takes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::{Host, chain};
use model::{Mono, Record, Saved, ServiceId, Standings};
use store::Batch;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use super::piece::Piece;
use super::task::Followed;
use super::unwritten::Unwritten;

/// So long a decision waits for the disk.
const PATIENCE: Duration = Duration::from_secs(3);
const SILENT: &str = "the disk does not answer";

/// What was decided and is not durable. Shared with whoever answers `status`.
#[derive(Clone, Default)]
pub(crate) struct Undurable(Arc<Mutex<Unwritten>>);

impl Undurable {
    pub(crate) fn held(&self) -> MutexGuard<'_, Unwritten> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever waits to hear that it is durable: of the last `records` of what is handed over.
pub(super) struct Promise {
    pub(super) done: oneshot::Sender<Followed>,
    pub(super) records: usize,
}

/// What came of a commit.
pub(super) type Answer = Result<Result<(), String>, JoinError>;

struct Commit {
    running: JoinHandle<Result<(), String>>,
    promise: Option<(Promise, Standings)>,
    /// It was waited for in vain.
    late: bool,
}

type Committing = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The way to the disk.
pub(crate) struct Writer {
    host: Host,
    committed: fn(Host, Batch) -> Committing,
    undurable: Undurable,
    /// Every record once it is durable, for `bulletin`.
    records: mpsc::Sender<Record>,
    commit: Option<Commit>,
}

impl Writer {
    /// Nothing is decided yet. Records go to `records` once they are durable.
    pub(crate) fn new(host: Host, undurable: Undurable, records: mpsc::Sender<Record>) -> Self {
        Self {
            host,
            committed: |host, batch| Box::pin(committed(host, batch)),
            undurable,
            records,
            commit: None,
        }
    }

    /// When the disk is to be tried again.
    pub(super) fn next(&self) -> Option<Mono> {
        self.undurable.held().next()
    }

    /// Why what was decided is not durable, if it is not.
    pub(super) fn trouble(&self) -> Option<String> {
        let unwritten = self.undurable.held();
        unwritten.since()?;
        Some(unwritten.why().to_owned())
    }

    /// Adds what is to be durable.
    pub(super) fn add(&self, machines: Vec<(ServiceId, Saved)>, records: Vec<Record>) {
        self.undurable.held().add(machines, records);
    }

    /// Makes durable what is not, or finds out why not. A `promise` is kept or broken by the commit
    /// that this begins; there is one only while nothing else waits.
    pub(super) async fn write(&mut self, standings: &Standings, promise: Option<Promise>) {
        let mut promise = promise.map(|promise| (promise, Arc::clone(standings)));
        loop {
            if self.commit.is_none() && !self.begin(promise.take()) {
                return;
            }
            // What was waited for once is not waited for again.
            if self.commit.as_ref().is_some_and(|commit| commit.late) {
                return;
            }
            let patience = self.host.clock.clone();
            let answer = tokio::select! {
                biased;
                answer = self.answer() => answer,
                () = patience.sleep(PATIENCE) => return self.is_silent(),
            };
            if !self.answered(answer) {
                return;
            }
        }
    }

    /// Hands the first of what waits to the disk, if it is time to; `false`: it is not.
    fn begin(&mut self, promise: Option<(Promise, Standings)>) -> bool {
        let batch = {
            let mut unwritten = self.undurable.held();
            let now = self.host.clock.now();
            if unwritten.is_handed_over() || !unwritten.is_due(now) {
                return false;
            }
            let piece = Piece::of(&unwritten);
            unwritten.hand_over(piece.machines, piece.records);
            piece.batch
        };
        let committing = (self.committed)(self.host.clone(), batch);
        self.commit = Some(Commit {
            running: self.host.tasks.spawn("store", committing),
            promise,
            late: false,
        });
        true
    }

    /// What came of the commit that is under way; never, if none is. Cancel-safe.
    pub(super) async fn answer(&mut self) -> Answer {
        match &mut self.commit {
            Some(commit) => (&mut commit.running).await,
            None => std::future::pending().await,
        }
    }

    /// Takes in what came of it; whether the disk took it.
    pub(super) fn answered(&mut self, answer: Answer) -> bool {
        let answer = answer.unwrap_or_else(|_| Err("the attempt panicked".to_owned()));
        let promise = self.commit.take().and_then(|commit| commit.promise);
        match &answer {
            Ok(()) => self.is_written(),
            Err(why) => {
                let taken_back = promise.as_ref().map_or(0, |(promise, _)| promise.records);
                self.is_not_written(why, taken_back);
            }
        }
        let written = answer.is_ok();
        if let Some((promise, standings)) = promise {
            // Whoever asked may have gone.
            let _ = promise.done.send(Followed {
                standings,
                undurable: answer.err(),
            });
        }
        written
    }

    fn is_silent(&mut self) {
        if let Some(commit) = &mut self.commit {
            commit.late = true;
        }
        tracing::error!("the disk does not answer; what is decided holds all the same, in memory");
        let now = self.host.clock.now();
        self.undurable.held().late(now, SILENT);
    }

    fn is_written(&self) {
        let mut unwritten = self.undurable.held();
        let since = unwritten.since();
        for record in unwritten.written() {
            // It is only a wake-up: the page reads the log. At the end nobody listens any more.
            if let Err(mpsc::error::TrySendError::Full(_)) = self.records.try_send(record) {
                tracing::debug!("the public page is behind with the record");
            }
        }
        if let Some(since) = since.filter(|_| unwritten.is_empty()) {
            tracing::warn!(%since, "the disk takes again what is decided; all of it is written");
        }
    }

    fn is_not_written(&self, why: &str, taken_back: usize) {
        let mut unwritten = self.undurable.held();
        if unwritten.since().is_none() {
            tracing::error!(
                why,
                "the disk takes nothing; what is decided holds all the same, in memory"
            );
        }
        if unwritten.why() != why {
            tracing::warn!(why, "what was decided is not written");
        }
        unwritten.failed(self.host.clock.now(), why, taken_back);
    }
}

/// Commits; after a failed write the store's files are opened again first, beside the runtime.
async fn committed(host: Host, batch: Batch) -> Result<(), String> {
    if host.store.is_poisoned() {
        let store = host.store.clone();
        let opening = host.tasks.blocking("store", move || store.reopen());
        let opened = opening.await.map_err(|_| "the attempt panicked")?;
        opened.map_err(|error| chain(&error))?;
    }
    let committed = host.store.commit(batch).await;
    committed.map(drop).map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests;
