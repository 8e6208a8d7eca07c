//! Work that must go on: begun again when it panicked, after a wait, and counted.
//!
//! Whatever runs as long as the program is run with it, but for the parts themselves and the decision,
//! whose end is the program's.

use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use super::{Drain, Tasks};
use crate::Clock;

/// Before the first new beginning; each further wait is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(300);
/// What ran for so long begins with the first wait again.
const STEADY: Duration = Duration::from_secs(3600);

/// What kept work holds over all its beginnings, such as the far end of a queue.
pub type Held<T> = OwnedMutexGuard<T>;

/// How often a task was begun again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// The task's name.
    pub name: &'static str,
    /// How often.
    pub times: u64,
}

impl Tasks {
    /// Runs what `begin` gives as a task called `name` until it ends by itself, or the drain
    /// begins. When it panics it is begun again, after a wait that grows to five minutes: what it
    /// chokes on may still be there.
    pub fn keep<B, F>(
        &self,
        name: &'static str,
        clock: Clock,
        drain: Drain,
        mut begin: B,
    ) -> JoinHandle<()>
    where
        B: FnMut() -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let tasks = self.clone();
        self.note_kept(name);
        self.spawn("keeper", async move {
            let mut wait = FIRST;
            loop {
                let began = clock.now().mono;
                let ended = tasks.spawn(name, begin()).await;
                if !ended.is_err_and(|error| error.is_panic()) {
                    return;
                }
                if clock.now().mono.since(began) >= STEADY {
                    wait = FIRST;
                }
                tracing::error!(task = name, ?wait, "it is begun again after a wait");
                // Both arms are cancel-safe.
                tokio::select! {
                    () = drain.begun() => return,
                    () = clock.sleep(wait) => {}
                }
                wait = wait.saturating_mul(2).min(LONGEST);
                tasks.count_restart(name);
            }
        })
    }

    /// Like [`Self::keep`], for work that holds something: whoever panics lets go of it, and the next
    /// beginning finds it as it was left.
    pub fn keep_with<T, B, F>(
        &self,
        name: &'static str,
        clock: Clock,
        drain: Drain,
        held: T,
        begin: B,
    ) -> JoinHandle<()>
    where
        T: Send + 'static,
        B: Fn(Held<T>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let held = Arc::new((Arc::new(Mutex::new(held)), begin));
        self.keep(name, clock, drain, move || {
            let shared = Arc::clone(&held);
            async move {
                let (held, begin) = &*shared;
                begin(Arc::clone(held).lock_owned().await).await;
            }
        })
    }

    /// The names of all that is begun again if it panics.
    pub fn kept(&self) -> Vec<&'static str> {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().copied().collect()
    }

    fn note_kept(&self, name: &'static str) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(name);
    }

    /// What was begun again since the start, by name.
    pub fn restarts(&self) -> Vec<Restarts> {
        let restarts = self.0.restarts.lock();
        restarts
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(name, times)| Restarts {
                name,
                times: *times,
            })
            .collect()
    }

    fn count_restart(&self, name: &'static str) {
        let restarts = self.0.restarts.lock();
        *restarts
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name)
            .or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_is_begun_again_after_a_bounded_wait_and_counted() {
        let (_trigger, drain) = Drain::new();
        let tasks = Tasks::default();
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        let started = tokio::time::Instant::now();
        let kept = tasks.keep("hand back", Clock::system(), drain, move || {
            let nth = counted.fetch_add(1, Ordering::Relaxed);
            async move { assert!(nth == 12, "for the test") }
        });
        kept.await.expect("it ends when the work ends by itself");
        assert_eq!(begun.load(Ordering::Relaxed), 13);
        let times = 12;
        assert_eq!(
            tasks.restarts(),
            [Restarts {
                name: "hand back",
                times
            }]
        );
        assert_eq!(tasks.panicked(), times);
        // 1 + 2 + … + 256, and three times the longest.
        assert_eq!(started.elapsed().as_secs(), 511 + 3 * 300);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_queue_is_held_over_a_panic() {
        let (_trigger, drain) = Drain::new();
        let tasks = Tasks::default();
        let (sender, receiver) = tokio::sync::mpsc::channel::<u32>(8);
        let (told, mut heard) = tokio::sync::mpsc::channel(8);
        let work = move |mut held: Held<tokio::sync::mpsc::Receiver<u32>>| {
            let told = told.clone();
            async move {
                while let Some(number) = held.recv().await {
                    assert_ne!(number, 2, "for the test");
                    told.send(number).await.expect("somebody listens");
                }
            }
        };
        let kept = tasks.keep_with("queue", Clock::system(), drain, receiver, work);
        for number in 1..=4 {
            sender.send(number).await.expect("it is begun again");
        }
        drop(sender);
        kept.await.expect("it ends when the work ends by itself");
        let mut all = Vec::new();
        while let Ok(number) = heard.try_recv() {
            all.push(number);
        }
        // What it choked on is gone with it, and nothing else.
        assert_eq!(all, [1, 3, 4]);
        let times = 1;
        assert_eq!(
            tasks.restarts(),
            [Restarts {
                name: "queue",
                times
            }]
        );
        assert_eq!(tasks.kept(), ["queue"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_ends_the_waiting() {
        let (trigger, drain) = Drain::new();
        let tasks = Tasks::default();
        let kept = tasks.keep("work", Clock::system(), drain, || async {
            panic!("for the test")
        });
        trigger.begin();
        kept.await.expect("it ends");
        assert_eq!(tasks.restarts(), []);
    }
}
