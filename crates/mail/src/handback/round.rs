//! One round: a canary if the primary has not proved itself, then everything that waits, over
//! more and more connections.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host::{Drain, Progress};
use model::Timestamp;
use tokio::sync::{Semaphore, mpsc};

use super::job::Job;
use super::lane::{Lane, Report};
use super::{Conditions, Ended, Memory};
use crate::office::Office;
use crate::post::Post;
use crate::spool::SpoolError;

/// Messages read from the disk in one go.
const BATCH: usize = 64;
/// Messages under way at once, over all connections.
const UNDER_WAY: u32 = 256;
/// So many are sent alone, one after the other, while the primary only wants them later.
const CANARIES: u32 = 5;
/// After so many messages over the connections there are, there are twice as many.
const RAMP: u64 = 50;

/// What the lanes of one round share.
pub(super) struct Shared {
    pub(super) post: Arc<Post>,
    pub(super) office: Arc<Office>,
    pub(super) drain: Drain,
    /// What is known over all messages of this hand-back.
    conditions: Arc<Mutex<Conditions>>,
    pub(super) delivered: AtomicU64,
    pub(super) deferred: AtomicBool,
    pub(super) paused: AtomicBool,
    pub(super) broken: AtomicBool,
    /// The primary refused a connection while others stood.
    crowded: AtomicBool,
    /// Connections that stand.
    connections: AtomicUsize,
    /// It was decided otherwise, or the program ends. What was left out for that stays left out,
    /// even if it is decided back before the round is over.
    stopped: AtomicBool,
}

impl Shared {
    /// What is known over all messages.
    pub(super) fn conditions(&self) -> MutexGuard<'_, Conditions> {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another message may go out.
    pub(super) fn goes_on(&self) -> bool {
        self.is_stopped();
        [&self.paused, &self.broken, &self.stopped, &self.crowded]
            .iter()
            .all(|end| !end.load(Ordering::Relaxed))
    }

    fn is_stopped(&self) -> bool {
        if self.drain.has_begun() || !self.office.may_hand_back() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.stopped.load(Ordering::Relaxed)
    }

    /// The primary refused another connection: whether that is because of those that stand. Then it
    /// gets no more than these.
    pub(super) fn is_crowded(&self) -> bool {
        let standing = self.connections.load(Ordering::Relaxed);
        if standing > 0 {
            self.conditions().connections = Some(standing);
            self.crowded.store(true, Ordering::Relaxed);
        }
        standing > 0
    }

    /// Whether this message had better wait with others (`pace`).
    pub(super) fn puts_off(&self, job: &Job) -> bool {
        let now = self.post.host.clock.now().mono;
        self.conditions().puts_off(job, now)
    }

    fn ended(&self) -> Ended {
        if self.paused.load(Ordering::Relaxed) {
            Ended::Paused
        } else if self.broken.load(Ordering::Relaxed) {
            Ended::Broken
        } else if self.is_stopped() {
            Ended::Stopped
        } else if self.office.spool.tally().waiting == 0 {
            Ended::Emptied
        } else if self.crowded.load(Ordering::Relaxed) {
            Ended::Crowded
        } else {
            Ended::Deferred
        }
    }
}

/// A connection stands as long as this lives.
pub(super) struct Stands(Arc<Shared>);

impl Stands {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Stands {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does a round.
pub(super) async fn round(
    post: &Arc<Post>,
    office: &Arc<Office>,
    memory: &mut Memory,
    drain: &Drain,
) -> Ended {
    let shared = Arc::new(Shared {
        post: Arc::clone(post),
        office: Arc::clone(office),
        drain: drain.clone(),
        conditions: Arc::clone(&memory.conditions),
        delivered: AtomicU64::new(0),
        deferred: AtomicBool::new(false),
        paused: AtomicBool::new(false),
        broken: AtomicBool::new(false),
        crowded: AtomicBool::new(false),
        connections: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
    });
    if !memory.proved {
        memory.proved = canary(&shared).await;
    }
    if memory.proved {
        bulk(&shared).await;
    }
    shared.ended()
}

/// How a search for a canary ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// One was taken.
    Taken,
    /// Nothing more goes out in this round.
    Over,
    /// There are no others, and none was taken.
    InVain,
}

/// Whether one message was taken that went alone.
async fn canary(shared: &Arc<Shared>) -> bool {
    let mut lane = Lane::new(Arc::clone(shared));
    let mut tried = BTreeSet::new();
    let mut search = search(shared, &mut lane, false, &mut tried).await;
    let all_missing = || {
        let deferred = shared.deferred.load(Ordering::Relaxed);
        shared.conditions().evidence.is_all_missing() && !deferred
    };
    if search == Search::InVain && (tried.is_empty() || all_missing()) {
        // Those that were in vain before show it as well.
        search = self::search(shared, &mut lane, true, &mut tried).await;
    }
    if search == Search::InVain && !tried.is_empty() && all_missing() {
        // Fewer than several, but there is nobody else whom the primary could know.
        shared.paused.store(true, Ordering::Relaxed);
    }
    lane.end().await;
    search == Search::Taken
}

/// Sends messages alone until one is taken. What is said of one does not decide about the others:
/// the next one is tried.
async fn search(
    shared: &Arc<Shared>,
    lane: &mut Lane,
    stuck: bool,
    tried: &mut BTreeSet<u64>,
) -> Search {
    let (mut after, mut deferred) = (0, 0);
    loop {
        let mut jobs = jobs(shared, after, false).await;
        let Some(last) = jobs.last() else {
            return Search::InVain;
        };
        after = last.position;
        jobs.retain(|job| job.is_stuck() == stuck && !tried.contains(&job.position));
        while !jobs.is_empty() {
            let job = jobs.remove(choice(&jobs));
            // One that waits with others is the canary only if there are no others.
            let waits = !stuck && shared.puts_off(&job);
            if waits || !shared.conditions().evidence.would_show(&job.about()) {
                continue;
            }
            tried.insert(job.position);
            match lane.canary(job).await {
                Report::Taken => return Search::Taken,
                Report::Stopped => return Search::Over,
                Report::Deferred => deferred += 1,
                Report::Other => {}
            }
            if deferred == CANARIES || !shared.goes_on() {
                return Search::Over;
            }
        }
    }
}

/// Which of them is the canary: the oldest of its sender, for somebody known if there is one.
fn choice(jobs: &[Job]) -> usize {
    let oldest = |at: usize, job: &Job| jobs.iter().take(at).all(|one| one.sender != job.sender);
    let fit = |(at, job): (usize, &Job)| job.is_for_somebody_known() && oldest(at, job);
    jobs.iter().enumerate().position(fit).unwrap_or(0)
}

/// Everything that waits.
async fn bulk(shared: &Arc<Shared>) {
    let mut after = 0;
    let under_way = Arc::new(Semaphore::new(UNDER_WAY as usize));
    let most = shared.office.config.lanes.max(1);
    let taken = shared.conditions().connections;
    let most = taken.map_or(most, |taken| taken.min(most));
    let mut lanes = Lanes::default();
    let mut wanted = 1;
    loop {
        if !shared.goes_on() {
            break;
        }
        let jobs = jobs(shared, after, true).await;
        let Some(last) = jobs.last() else { break };
        after = last.position;
        let delivered = shared.delivered.load(Ordering::Relaxed);
        if wanted < most && delivered >= RAMP * wanted as u64 {
            // Another number of lanes sends senders over others: what is under way ends first, so
            // that the order of each sender stays.
            wanted = (wanted * 2).min(most);
            let all = under_way.acquire_many(UNDER_WAY).await;
            drop(all);
        }
        lanes.at_least(wanted, shared);
        for job in jobs {
            if !shared.goes_on() {
                break;
            }
            let Ok(permit) = Arc::clone(&under_way).acquire_owned().await else {
                break;
            };
            lanes.send(job, permit, wanted).await;
        }
        tell_progress(shared);
    }
    lanes.end().await;
}

fn tell_progress(shared: &Shared) {
    let done = shared.delivered.load(Ordering::Relaxed);
    let waiting = shared.office.spool.tally().waiting as u64;
    shared.post.host.outlets.progress.offer(Progress {
        service: shared.office.service.clone(),
        work: "hand back",
        done,
        total: Some(done + waiting),
    });
}

/// Reads the next messages beside the runtime; none are left if it gives none.
/// `due`: only those whose next attempt is due.
async fn jobs(shared: &Arc<Shared>, after: u64, due: bool) -> Vec<Job> {
    let (office, conditions) = (Arc::clone(&shared.office), Arc::clone(shared));
    let now = shared.post.host.clock.now();
    let reading = move || {
        let mut after = after;
        loop {
            let mut numbers = office.spool.waiting(after, BATCH);
            let Some(last) = numbers.last().copied() else {
                return Vec::new();
            };
            after = last;
            if due {
                let conditions = conditions.conditions();
                numbers.retain(|number| conditions.is_due(*number, now.mono));
            }
            let mut jobs = read(&office, &numbers, now.wall);
            if due {
                let mut conditions = conditions.conditions();
                jobs.retain(|job| !conditions.puts_off(job, now.mono));
            }
            if !jobs.is_empty() {
                return jobs;
            }
        }
    };
    let reading = shared.post.host.tasks.blocking("mail reading", reading);
    // If it panicked, which is counted, the next round tries again.
    reading.await.unwrap_or_default()
}

/// Those of them that can be read. One that is damaged must not keep back those behind it, and
/// stays kept.
fn read(office: &Office, numbers: &[u64], now: Timestamp) -> Vec<Job> {
    let mut jobs = Vec::with_capacity(numbers.len());
    for position in numbers {
        match Job::read(&office.spool, *position) {
            Ok(mut job) => {
                job.learn_who_is_known(office, now);
                jobs.push(job);
            }
            // Settled meanwhile.
            Err(SpoolError::Gone(_)) => {}
            Err(error) => tracing::error!(%error, position, "a kept message cannot be read"),
        }
    }
    jobs
}

/// The connections of a round.
#[derive(Default)]
struct Lanes {
    senders: Vec<mpsc::Sender<(Job, tokio::sync::OwnedSemaphorePermit)>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Lanes {
    fn at_least(&mut self, wanted: usize, shared: &Arc<Shared>) {
        while self.senders.len() < wanted {
            let (sender, jobs) = mpsc::channel(BATCH);
            let lane = Lane::new(Arc::clone(shared));
            self.tasks
                .push(shared.post.host.tasks.spawn("mail lane", lane.run(jobs)));
            self.senders.push(sender);
        }
    }

    /// One sender, one lane.
    async fn send(&self, job: Job, permit: tokio::sync::OwnedSemaphorePermit, wanted: usize) {
        let hash = blake3::hash(job.sender.as_bytes());
        let number = hash.as_bytes().first().copied().unwrap_or(0);
        if let Some(lane) = self.senders.get(usize::from(number) % wanted) {
            let _ = lane.send((job, permit)).await;
        }
    }

    async fn end(self) {
        drop(self.senders);
        for task in self.tasks {
            // A lane that panicked was counted; what it had stays kept.
            let _ = task.await;
        }
    }
}
