//! Named tasks and the drain: every spawn is listed, counted and ended in order.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;

mod keep;

pub use keep::{Held, Restarts};

/// Spawns and lists tasks. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    running: Mutex<BTreeMap<&'static str, u64>>,
    panicked: AtomicU64,
    /// What was begun again after a panic.
    restarts: Mutex<BTreeMap<&'static str, u64>>,
    /// What would be begun again after one.
    kept: Mutex<BTreeSet<&'static str>>,
    /// Whether work that blocks runs on the runtime itself.
    simulated: bool,
}

/// One line of the list of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskReport {
    /// The task's name.
    pub name: &'static str,
    /// How many of that name run.
    pub running: u64,
}

/// Takes a task off the list, also when it panics.
struct Listed(Tasks, &'static str);

impl Drop for Listed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.0.panicked.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                task = self.1,
                "a task panicked and was ended; the process goes on"
            );
        }
        let mut running = self
            .0
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(self.1) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Tasks {
    /// The tasks of a simulation: no threads, so that everything comes in the same order each
    /// time.
    pub fn simulated() -> Self {
        Self(Arc::new(Inner {
            simulated: true,
            ..Inner::default()
        }))
    }

    /// Runs `work` as a task called `name`. A panic ends the task, never the process.
    #[allow(clippy::disallowed_methods)] // the one place that spawns
    pub fn spawn<F>(&self, name: &'static str, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let listed = self.listed(name);
        tokio::spawn(async move {
            let _listed = listed;
            work.await
        })
    }

    /// Runs `work`, which reads the disk or computes for long, as a task called `name` beside the
    /// runtime. A panic ends the task, never the process.
    #[allow(clippy::disallowed_methods)] // see `spawn`
    pub fn blocking<W, T>(&self, name: &'static str, work: W) -> JoinHandle<T>
    where
        W: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let listed = self.listed(name);
        let work = move || {
            let _listed = listed;
            work()
        };
        if self.0.simulated {
            return tokio::spawn(async move { work() });
        }
        tokio::task::spawn_blocking(work)
    }

    fn listed(&self, name: &'static str) -> Listed {
        let mut running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *running.entry(name).or_default() += 1;
        Listed(self.clone(), name)
    }

    /// What runs now, by name.
    pub fn list(&self) -> Vec<TaskReport> {
        let running = self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        running
            .iter()
            .map(|(name, count)| TaskReport {
                name,
                running: *count,
            })
            .collect()
    }

    /// How many tasks ended by a panic since the start.
    pub fn panicked(&self) -> u64 {
        self.0.panicked.load(Ordering::Relaxed)
    }
}

/// Tells a part that the program is about to end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain(watch::Receiver<bool>);

/// Begins the drain.
#[derive(Debug)]
pub struct DrainTrigger(watch::Sender<bool>);

impl Drain {
    /// A drain and what begins it.
    pub fn new() -> (DrainTrigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (DrainTrigger(sender), Self(receiver))
    }

    /// Whether the drain has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the drain begins, or when nobody can begin it any more. Cancel-safe.
    pub async fn begun(&self) {
        let mut receiver = self.0.clone();
        let _ = receiver.wait_for(|begun| *begun).await;
    }
}

impl DrainTrigger {
    /// Begins the drain.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_blocks_is_listed_and_has_no_thread_in_a_simulation() {
        let here = std::thread::current().id();
        for (tasks, stays) in [(Tasks::default(), false), (Tasks::simulated(), true)] {
            let watched = tasks.clone();
            let work = move || (std::thread::current().id(), watched.list());
            let (there, listed) = tasks.blocking("work", work).await.unwrap();
            assert_eq!(here == there, stays);
            let work = |running| TaskReport {
                name: "work",
                running,
            };
            assert_eq!((listed, tasks.list()), (vec![work(1)], vec![work(0)]));
        }
    }

    #[tokio::test]
    async fn a_panic_ends_only_what_panicked() {
        for tasks in [Tasks::default(), Tasks::simulated()] {
            let broken = tasks.blocking("work", || panic!("for the test")).await;
            assert!(broken.is_err_and(|error| error.is_panic()));
            assert_eq!(tasks.panicked(), 1);
        }
    }
}
