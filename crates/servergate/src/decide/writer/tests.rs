//! What is held of a disk that answers, refuses, hangs and breaks.

use std::sync::atomic::{AtomicUsize, Ordering};

use host::metrics::Metrics;
use host::net::Net;
use host::web::Routes;
use host::{Clock, Outlets, Tasks, outlet};
use model::{Fact, PlaceId, RecordSpec, Timestamp};
use store::{Committer, Options, Position, Store};
use tokio::time::Instant;

use super::super::record::record_log;
use super::*;

struct Scene {
    writer: Writer,
    host: Host,
    heard: mpsc::Receiver<Record>,
    _folder: tempfile::TempDir,
}

fn record(number: i64) -> Record {
    Record {
        at: Timestamp::from_millis(number),
        place: PlaceId::new("oslo"),
        fact: Fact::Stopped,
    }
}

impl Scene {
    fn new(committed: fn(Host, Batch) -> Committing) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options {
            committer: Committer::Inline,
            ballast_bytes: 0,
            ..Options::default()
        };
        let host = Host {
            place: PlaceId::new("oslo"),
            clock: Clock::simulated(Timestamp::from_millis(0)),
            net: Net::Real,
            store: Store::open(folder.path(), options).expect("a store"),
            tasks: Tasks::default(),
            metrics: Metrics::default(),
            outlets: Outlets {
                records: outlet(1).0,
                hints: outlet(1).0,
                progress: outlet(1).0,
                observations: outlet(1).0,
                handback: outlet(1).0,
                reminders: outlet(1).0,
            },
            routes: Routes::default(),
            outbound: host::outbound::Outbound::default(),
        };
        let (records, heard) = mpsc::channel(16);
        let mut writer = Writer::new(host.clone(), Undurable::default(), records);
        writer.committed = committed;
        Self {
            writer,
            host,
            heard,
            _folder: folder,
        }
    }

    fn decide(&self, number: i64) {
        self.writer.add(Vec::new(), vec![record(number)]);
    }

    async fn write(&mut self) {
        self.writer.write(&Standings::default(), None).await;
    }

    /// As the decision does whenever the disk answers.
    async fn hear(&mut self) -> bool {
        let answer = self.writer.answer().await;
        self.writer.answered(answer)
    }

    fn kept(&self) -> Vec<i64> {
        let kept = self.host.store.read(&record_log(), Position::START, 100);
        let at = |bytes: &[u8]| {
            let RecordSpec::V1(record) = serde_json::from_slice(bytes).expect("a record");
            record.at.millis()
        };
        let kept = kept.expect("read");
        kept.iter().map(|entry| at(&entry.bytes)).collect()
    }
}

fn real(host: Host, batch: Batch) -> Committing {
    Box::pin(committed(host, batch))
}

/// Five minutes pass before the disk answers.
fn slow(host: Host, batch: Batch) -> Committing {
    Box::pin(async move {
        host.clock.sleep(Duration::from_secs(300)).await;
        committed(host, batch).await
    })
}

/// As [`slow`], and then the disk fails.
fn slow_and_broken(host: Host, _: Batch) -> Committing {
    Box::pin(async move {
        host.clock.sleep(Duration::from_secs(300)).await;
        Err("input/output error".to_owned())
    })
}

fn promise(records: usize) -> (Promise, oneshot::Receiver<Followed>) {
    let (done, heard) = oneshot::channel();
    (Promise { done, records }, heard)
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_answers_is_waited_for() {
    let mut scene = Scene::new(real);
    scene.decide(1);
    scene.write().await;
    assert!(scene.writer.trouble().is_none());
    assert_eq!(scene.kept(), [1]);
    assert_eq!(scene.heard.recv().await, Some(record(1)));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_waited_for_once_and_what_it_has_is_not_written_twice() {
    let mut scene = Scene::new(slow);
    let begun = Instant::now();
    for number in 1..=5 {
        scene.decide(number);
        scene.write().await;
    }
    assert_eq!(begun.elapsed(), PATIENCE, "the first alone is waited for");
    assert_eq!(scene.writer.trouble().as_deref(), Some(SILENT));
    assert!(scene.hear().await);
    scene.writer.committed = real;
    scene.write().await;
    assert_eq!(scene.kept(), [1, 2, 3, 4, 5]);
    assert!(scene.writer.trouble().is_none());
    assert!(scene.writer.undurable.held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_promised_is_answered_when_it_is_known() {
    let mut scene = Scene::new(slow);
    scene.decide(1);
    let (kept, mut heard) = promise(1);
    scene.writer.write(&Standings::default(), Some(kept)).await;
    assert!(heard.try_recv().is_err(), "nobody knows yet");
    assert!(scene.hear().await);
    assert_eq!(heard.await.expect("an answer").undurable, None);
    assert_eq!(scene.kept(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_promise_is_said_and_never_written_later() {
    let mut scene = Scene::new(slow_and_broken);
    scene.decide(1);
    let (broken, heard) = promise(1);
    scene
        .writer
        .write(&Standings::default(), Some(broken))
        .await;
    // Decided while the disk was silent; it is no promise.
    scene.decide(2);
    assert!(!scene.hear().await);
    let followed = heard.await.expect("an answer");
    assert_eq!(followed.undurable.as_deref(), Some("input/output error"));
    scene.writer.committed = real;
    scene.write().await;
    assert_eq!(scene.kept(), [0_i64; 0], "it is not time yet");
    tokio::time::advance(Duration::from_secs(1)).await;
    scene.write().await;
    assert_eq!(scene.kept(), [2]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_is_one_that_failed() {
    static TRIED: AtomicUsize = AtomicUsize::new(0);
    fn breaks(host: Host, batch: Batch) -> Committing {
        Box::pin(async move {
            assert!(TRIED.fetch_add(1, Ordering::Relaxed) > 0, "for this test");
            committed(host, batch).await
        })
    }
    let mut scene = Scene::new(breaks);
    scene.decide(1);
    scene.write().await;
    assert!(
        scene
            .writer
            .trouble()
            .is_some_and(|why| why.contains("panicked"))
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    scene.write().await;
    assert_eq!(scene.kept(), [1]);
}
