//! What the operator's commands go through: status, generations, pin, rollback, diff, export,
//! withhold, and a capture at once.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use host::{Host, OpenError};
use model::{Fact, GenerationFact, OrganisationId, Timestamp};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::capture::Tally;
use crate::config::{Source, WebConfig};
use crate::difference::{Difference, difference};
use crate::export;
use crate::follow::Request;
use crate::front;
use crate::generation::{Copy, Generation};
use crate::metrics::SiteMetrics;
use crate::relay::Relay;
use crate::shelf::{Current, Entry, Pin, Shelf, ShelfError, State};
use crate::trial::{self, Trial};
use crate::wire::manifest::Manifest;
use crate::withhold::{self, Withhold, WithholdError};

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// About generations.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// About what is withheld.
    #[error(transparent)]
    Withhold(#[from] WithholdError),
    /// The export could not be written.
    #[error("writing the export")]
    Export(#[source] std::io::Error),
    /// A capture runs, or the part does not run (any more).
    #[error("no capture can be started now: {0}")]
    Busy(&'static str),
}

/// The last time the site was captured, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// What came of it, in words.
    pub outcome: String,
    /// Whether what is served was renewed or found right.
    pub good: bool,
    /// Numbers, where there was a capture.
    pub tally: Option<Tally>,
}

/// What came of one capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CaptureOutcome {
    /// A new generation; `served` unless another one is pinned.
    New {
        /// The generation.
        entry: Entry,
        /// Whether it is served now.
        served: bool,
    },
    /// The primary is as the generation that is served.
    Unchanged {
        /// The generation.
        entry: Entry,
    },
    /// The guard refused it; it is kept aside.
    Rejected {
        /// The generation.
        entry: Entry,
        /// Why.
        reason: String,
    },
    /// It ended before there was enough.
    Stopped {
        /// Why.
        reason: String,
    },
    /// Our own fault.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How one site's copy is, for `ready` and `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteStatus {
    /// Whose.
    pub organisation: OrganisationId,
    /// Where the copy comes from.
    pub source: String,
    /// The generation that is served; `None`: there is no copy.
    pub serving: Option<Entry>,
    /// How old what is served is: seconds since it was last found right. The RPO of the site.
    pub age_seconds: Option<u64>,
    /// Seconds after which the age is more than the refresh explains.
    pub stale_after_seconds: u64,
    /// Who holds the generation there, if somebody does.
    pub pinned: Option<Pin>,
    /// The latest rejected capture, if it is later than what is served.
    pub last_rejected: Option<Entry>,
    /// The last attempt since the start.
    pub last_attempt: Option<Attempt>,
    /// Whether a capture runs.
    pub capturing: bool,
    /// How many entries are withheld.
    pub withheld: usize,
}

/// Gives orders to the site of one organisation. Cheap to clone.
#[derive(Clone)]
pub struct SiteHandle(Arc<Desk>);

pub(crate) struct Desk {
    pub(crate) config: Arc<WebConfig>,
    pub(crate) host: Host,
    pub(crate) metrics: SiteMetrics,
    pub(crate) shelf: Shelf,
    copy: Arc<Copy>,
    /// For the start pages, in bytes.
    memory: u64,
    withhold: Withhold,
    requests: mpsc::Sender<Request>,
    news: Mutex<News>,
    /// Held from the commit that makes a generation the current one until it is served, so that
    /// what is served last is what the store says.
    pub(crate) turning: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct News {
    capturing: bool,
    last_attempt: Option<Attempt>,
}

/// Opens the shelf and serves what is on it; start pages have so many bytes of `memory`.
pub(crate) async fn open(
    config: Arc<WebConfig>,
    host: &Host,
    metrics: SiteMetrics,
    memory: u64,
) -> Result<(SiteHandle, mpsc::Receiver<Request>), HandleError> {
    let shelf = Shelf::open(
        host.store.clone(),
        host.tasks.clone(),
        config.organisation.clone(),
    )
    .await?;
    let hosts = config.hosts.clone();
    let withhold = Withhold::open(host.store.clone(), config.organisation.clone(), hosts)?;
    let (requests, receiver) = mpsc::channel(1);
    let handle = SiteHandle(Arc::new(Desk {
        host: host.clone(),
        metrics,
        shelf,
        copy: Arc::default(),
        memory,
        withhold,
        requests,
        news: Mutex::default(),
        turning: tokio::sync::Mutex::default(),
        config,
    }));
    handle.serve_what_there_is().await?;
    Ok((handle, receiver))
}

impl SiteHandle {
    pub(crate) fn desk(&self) -> &Desk {
        &self.0
    }

    /// Whose site it is.
    pub fn organisation(&self) -> &OrganisationId {
        &self.0.config.organisation
    }

    /// What is served.
    pub fn copy(&self) -> &Arc<Copy> {
        &self.0.copy
    }

    /// What is withheld.
    pub fn withheld(&self) -> &Withhold {
        &self.0.withhold
    }

    /// Whether the primary bears what is relayed: asks it 24 times for its start page. `None` for a
    /// folder. Takes 20 s at the most.
    ///
    /// # Errors
    /// The authorities for its certificate cannot be read.
    pub async fn trial(&self) -> Result<Option<Trial>, OpenError> {
        let desk = &*self.0;
        let (Some((primary, tls)), Some(host)) =
            (crate::primary(&desk.config)?, desk.config.hosts.first())
        else {
            return Ok(None);
        };
        let relay = Relay::new(primary, &tls, &desk.host);
        Ok(Some(trial::run(&relay, host).await))
    }

    /// How the copy is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn status(&self) -> Result<SiteStatus, HandleError> {
        let desk = &*self.0;
        let now = desk.host.clock.now().wall;
        let entries = desk.shelf.entries()?;
        let served = desk.copy.current().map(|generation| generation.number);
        let serving = entries
            .iter()
            .find(|entry| Some(entry.number) == served)
            .cloned();
        let rejected = |entry: &&Entry| entry.state != State::Kept && Some(entry.number) > served;
        let news = desk.news.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(SiteStatus {
            organisation: self.organisation().clone(),
            source: match &desk.config.source {
                Source::Primary(primary) => primary.to_string(),
                Source::Folder(folder) => folder.display().to_string(),
            },
            age_seconds: serving
                .as_ref()
                .map(|entry| now.since(entry.verified).as_secs()),
            stale_after_seconds: desk.config.stale_after().as_secs(),
            last_rejected: entries.iter().rfind(rejected).cloned(),
            serving,
            pinned: desk.shelf.current()?.and_then(|current| current.pinned),
            last_attempt: news.last_attempt.clone(),
            capturing: news.capturing,
            withheld: desk.withhold.entries().len(),
        })
    }

    /// All generations, oldest first, and which one is current.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn generations(&self) -> Result<(Vec<Entry>, Option<Current>), HandleError> {
        Ok((self.0.shelf.entries()?, self.0.shelf.current()?))
    }

    /// Captures now, or after the capture that runs, as the standing allows, and says what came
    /// of it.
    ///
    /// # Errors
    /// Somebody else waits for one already, or the part does not run.
    pub async fn capture_now(&self) -> Result<CaptureOutcome, HandleError> {
        let (reply, answer) = oneshot::channel();
        let asked = self.0.requests.try_send(Request { reply });
        asked.map_err(|_| HandleError::Busy("one is waiting, or the part does not run"))?;
        answer
            .await
            .map_err(|_| HandleError::Busy("the program ends"))
    }

    /// Serves just this generation until [`Self::unpin`]; a rejected one too.
    ///
    /// # Errors
    /// It is not there, or could not be written.
    pub async fn pin(&self, number: u64, by: &str) -> Result<Entry, HandleError> {
        let _turn = self.0.turning.lock().await;
        self.turn_to(number, Some(self.pin_by(by))).await
    }

    fn pin_by(&self, by: &str) -> Pin {
        Pin {
            by: by.to_owned(),
            at: self.0.host.clock.now().wall,
        }
    }

    /// Serves this generation, also one that was rejected, and goes on renewing from there.
    ///
    /// # Errors
    /// It is not there, or could not be written.
    pub async fn accept(&self, number: u64) -> Result<Entry, HandleError> {
        let _turn = self.0.turning.lock().await;
        self.turn_to(number, None).await
    }

    /// Goes back to the good generation before the one that is served, pins it, and sets the one
    /// that was served aside as rejected.
    ///
    /// # Errors
    /// There is none, or it could not be written.
    pub async fn rollback(&self, by: &str) -> Result<Entry, HandleError> {
        let _turn = self.0.turning.lock().await;
        let left = self.0.shelf.current()?.map(|current| current.number);
        let older = self.0.shelf.older()?;
        let entry = self.turn_to(older, Some(self.pin_by(by))).await?;
        if let Some(left) = left {
            self.0
                .shelf
                .reject(left, format!("rolled back by {by}"))
                .await?;
        }
        Ok(entry)
    }

    /// Lets newer generations take the place of a pinned one again; the newest good one at once.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn unpin(&self) -> Result<Option<Entry>, HandleError> {
        let _turn = self.0.turning.lock().await;
        let Some(number) = self.0.shelf.unpin().await? else {
            return Ok(None);
        };
        let manifest = self.0.shelf.load(number).await?;
        self.show(&manifest).await;
        Ok(self.0.shelf.entry(number)?)
    }

    /// What is different in generation `second`.
    ///
    /// # Errors
    /// One of them is not there or damaged.
    pub async fn diff(&self, first: u64, second: u64) -> Result<Difference, HandleError> {
        let first = self.0.shelf.load(first).await?;
        let second = self.0.shelf.load(second).await?;
        Ok(difference(&first, &second))
    }

    /// Writes a generation as WARC 1.1 (`.warc.gz`), and says how many pages that were.
    ///
    /// # Errors
    /// It is not there or damaged, or `to` cannot be written.
    pub async fn export(
        &self,
        number: u64,
        mut to: impl Write + Send + 'static,
    ) -> Result<u64, HandleError> {
        let manifest = self.0.shelf.load(number).await?;
        let blobs = self.0.host.store.blobs().clone();
        let writing = self.0.host.tasks.blocking("site export", move || {
            let written = export::warc(&manifest, &blobs, &mut to)?;
            to.flush()?;
            Ok(written)
        });
        writing
            .await
            .map_err(ShelfError::from)?
            .map_err(HandleError::Export)
    }

    /// Withholds a host or a path prefix (`verein.test/page`) from now on: 451, and a record.
    ///
    /// # Errors
    /// It is not ours, or could not be written.
    pub async fn withhold(
        &self,
        what: &str,
        reason: &str,
        by: &str,
    ) -> Result<withhold::Entry, HandleError> {
        let now = self.0.host.clock.now().wall;
        let outlets = &self.0.host.outlets;
        Ok(self
            .0
            .withhold
            .withhold(what, reason, by, now, outlets)
            .await?)
    }

    /// Serves what was withheld again, and records it.
    ///
    /// # Errors
    /// It was not withheld, or could not be written.
    pub async fn lift(&self, what: &str, by: &str) -> Result<withhold::Entry, HandleError> {
        Ok(self.0.withhold.lift(what, by, &self.0.host.outlets).await?)
    }

    async fn turn_to(&self, number: u64, pin: Option<Pin>) -> Result<Entry, HandleError> {
        // Read before it is written: what cannot be read is never made the current one.
        let manifest = self.0.shelf.load(number).await?;
        let entry = self.0.shelf.accept(number, pin).await?;
        self.show(&manifest).await;
        Ok(entry)
    }

    /// Serves `manifest`, which is the current one in the store, and records it. The caller holds
    /// `turning` since the commit.
    pub(crate) async fn show(&self, manifest: &Arc<Manifest>) {
        self.switch(manifest).await;
        let fact = GenerationFact {
            organisation: self.organisation().clone(),
            number: manifest.number,
            pages: manifest.pages.len() as u64,
            bytes: manifest.bytes(),
        };
        self.0
            .host
            .outlets
            .records
            .send(Fact::Generation(fact))
            .await;
    }

    async fn switch(&self, manifest: &Arc<Manifest>) {
        let whole = Arc::clone(manifest);
        let blobs = self.0.host.store.blobs().clone();
        let (hosts, memory) = (self.0.config.hosts.clone(), self.0.memory);
        // Thousands of pages are work; others may have the processor meanwhile.
        let build = move || {
            let generation = Generation::from_manifest(&whole);
            let front = front::read(&generation, &hosts, &blobs, memory);
            generation.with_front(front)
        };
        let building = self.0.host.tasks.blocking("site reading", build);
        let generation = building
            .await
            .unwrap_or_else(|_| Generation::from_manifest(manifest));
        self.0.copy.switch(Some(Arc::new(generation)));
    }

    /// At the start: the current generation, or the newest good one that is whole.
    async fn serve_what_there_is(&self) -> Result<(), HandleError> {
        let shelf = &self.0.shelf;
        let current = shelf.current()?.map(|current| current.number);
        let kept = shelf
            .entries()?
            .into_iter()
            .rev()
            .filter(|entry| entry.state == State::Kept);
        let others = kept
            .map(|entry| entry.number)
            .filter(|number| Some(*number) != current);
        for number in current.into_iter().chain(others.collect::<Vec<_>>()) {
            match shelf.load(number).await {
                Ok(manifest) => {
                    self.switch(&manifest).await;
                    if let Some(entry) = shelf.entry(number)? {
                        self.0
                            .metrics
                            .verified(self.organisation().as_str(), entry.verified);
                    }
                    return Ok(());
                }
                Err(error) => {
                    let why = crate::chain(&error);
                    tracing::error!(number, why, "a generation of the copy is damaged");
                }
            }
        }
        Ok(())
    }

    pub(crate) fn begins(&self) {
        self.news().capturing = true;
    }

    pub(crate) fn ended(&self, attempt: Attempt) {
        let mut news = self.news();
        news.capturing = false;
        news.last_attempt = Some(attempt);
    }

    fn news(&self) -> std::sync::MutexGuard<'_, News> {
        self.0.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
