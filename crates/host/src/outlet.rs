//! Typed outlets: the only ways in which something leaves a part.
//!
//! Records flow to the log, hints start a confirmation burst, progress is shown to whoever looks,
//! the end of a hand-back goes to the decision, reminders go to a person.
//! All are bounded; what does not fit is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{Fact, Observation, ServiceId, Timestamp};
use tokio::sync::mpsc;

/// One way out of a part.
#[derive(Debug)]
pub struct Outlet<T> {
    sender: mpsc::Sender<T>,
    refused: Arc<AtomicU64>,
}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            refused: Arc::clone(&self.refused),
        }
    }
}

/// The other end of an [`Outlet`].
pub type OutletReceiver<T> = mpsc::Receiver<T>;

/// An outlet that holds at most `capacity` items.
pub fn outlet<T>(capacity: usize) -> (Outlet<T>, OutletReceiver<T>) {
    let (sender, receiver) = mpsc::channel(capacity);
    (
        Outlet {
            sender,
            refused: Arc::default(),
        },
        receiver,
    )
}

impl<T> Outlet<T> {
    /// Waits for room and sends. Lost (and counted) only when the receiver is gone.
    pub async fn send(&self, item: T) {
        if self.sender.send(item).await.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends if there is room; what does not fit is counted and dropped.
    pub fn offer(&self, item: T) {
        if self.sender.try_send(item).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many items did not fit.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// What a part noticed by itself (a relay failing). It starts a burst; it is never an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The service that seems to fail.
    pub service: ServiceId,
    /// When.
    pub at: Timestamp,
}

/// How far a long work has come, for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whose work.
    pub service: ServiceId,
    /// What is done: `capture`, `transfer`, `hand back`.
    pub work: &'static str,
    /// How much is done.
    pub done: u64,
    /// How much there is, once that is known.
    pub total: Option<u64>,
}

/// How a hand-back that a standing allowed has ended, for the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handback {
    /// What was handed back.
    pub service: ServiceId,
    /// How it ended.
    pub outcome: HandbackOutcome,
}

/// The end of a hand-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandbackOutcome {
    /// The primary has taken all of it, or nothing was held.
    Done,
    /// The part stopped: the primary refuses what it should take, and a person has to look.
    Paused,
}

/// Something that a person should look at, though nothing failed. Said again and again while it is
/// so; the same `at` is the same reminder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// What it is about.
    pub service: ServiceId,
    /// When it became due.
    pub at: Timestamp,
    /// How many messages are kept.
    pub messages: u64,
    /// Since when the oldest of them is.
    pub oldest: Timestamp,
}

/// All ways out of a part.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// Facts for the record.
    pub records: Outlet<Fact>,
    /// Hints for the detector.
    pub hints: Outlet<Hint>,
    /// Progress of long work.
    pub progress: Outlet<Progress>,
    /// Observations; only `watch` has any to send.
    pub observations: Outlet<Observation>,
    /// How a hand-back ended; lost words would leave it open, so they are waited for.
    pub handback: Outlet<Handback>,
    /// Reminders for a person, said again while they hold.
    pub reminders: Outlet<Reminder>,
}
