//! A capture: from the primary (or a folder) to a manifest that the guard can judge.
//!
//! `follow` (the part's loop) starts one when it is due; nothing here changes what is served.

mod build;
mod crawl;
mod digest;
mod fetch;
mod folder;
mod frontier;
mod policy;
mod robots;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use host::{Drain, Host};
use model::{Role, Service, ServiceId, Standing, Standings};
use tokio::sync::watch;

use crate::config::{Source, WebConfig};
use crate::guard::{Candidate, Portrait, Sketch, Start};
use crate::metrics::SiteMetrics;
use crate::wire::html;
use crate::wire::manifest::{Manifest, PageSpec};

use build::{Previous, address};
pub(crate) use fetch::AGENT;
use folder::Folder;
pub(crate) use frontier::Refusal;

/// How a capture ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// All that the site leads to was asked for.
    Complete,
    /// A limit of the configuration was reached; the rest is as it was before.
    Limit(Limit),
    /// The primary asked us to wait longer than we would.
    AskedToWait,
    /// The primary failed again and again, or could not be reached.
    Failing(String),
    /// The standing forbids asking the primary now.
    StoodDown,
    /// The program ends.
    Drained,
}

/// A limit of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `capture.pages`
    Pages,
    /// `capture.bytes`
    Bytes,
    /// `capture.time`
    Time,
}

impl Ending {
    /// Whether what was captured may become a generation (if the guard agrees). `first` says that
    /// there is none yet: then a part is better than nothing.
    pub fn is_usable(&self, first: bool) -> bool {
        match self {
            Self::Complete | Self::Limit(_) | Self::AskedToWait => true,
            Self::Failing(_) => first,
            Self::StoodDown | Self::Drained => false,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => write!(f, "complete"),
            Self::Limit(Limit::Pages) => write!(f, "ended by the limit `capture.pages`"),
            Self::Limit(Limit::Bytes) => write!(f, "ended by the limit `capture.bytes`"),
            Self::Limit(Limit::Time) => write!(f, "ended by the limit `capture.time`"),
            Self::AskedToWait => write!(f, "the primary asked us to wait"),
            Self::Failing(why) => write!(f, "the primary fails: {why}"),
            Self::StoodDown => write!(f, "stopped: the primary is not to be asked now"),
            Self::Drained => write!(f, "stopped: the program ends"),
        }
    }
}

/// What a capture brought.
#[derive(Debug)]
pub struct Captured {
    /// The manifest, without a number yet.
    pub manifest: Manifest,
    /// How it ended.
    pub ending: Ending,
    /// What the guard judges.
    pub candidate: Candidate,
    /// Whether it would be served just like the last generation.
    pub unchanged: bool,
    /// Numbers for people.
    pub tally: Tally,
}

/// What was met on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Requests made.
    pub requests: u64,
    /// Pages found unchanged, or still fresh.
    pub reused: u64,
    /// Pages marked as private, not kept.
    pub private: u64,
    /// Pages that robots.txt forbids.
    pub robots: u64,
    /// Links refused: too deep, too many of one kind, excluded.
    pub refused: u64,
    /// Requests that failed: errors, time-outs, broken or too large bodies.
    pub failed: u64,
}

/// Why there is no capture: our own fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// TLS cannot be set up.
    #[error("TLS to the primary")]
    Tls(#[from] host::tls::TlsError),
    /// The disk.
    #[error("keeping a body")]
    Keep(#[from] store::BlobError),
    /// The folder.
    #[error("reading the folder: {0}")]
    Folder(String),
    /// Work beside the runtime was lost.
    #[error("work was lost")]
    Lost(#[from] tokio::task::JoinError),
}

/// When a capture is to stop early.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) service: ServiceId,
    pub(crate) standings: watch::Receiver<Standings>,
    pub(crate) drain: Drain,
    /// A folder can be read whatever the standing.
    pub(crate) folder: bool,
}

impl Stop {
    pub(crate) fn new(
        config: &WebConfig,
        standings: watch::Receiver<Standings>,
        drain: Drain,
    ) -> Self {
        let service = ServiceId::new(config.organisation.clone(), Service::Web);
        let folder = matches!(config.source, Source::Folder(_));
        Self {
            service,
            standings,
            drain,
            folder,
        }
    }

    /// Why to stop now, if so.
    pub(crate) fn reason(&self) -> Option<Ending> {
        if self.drain.has_begun() {
            return Some(Ending::Drained);
        }
        let permitted = self.permits(&self.standings.borrow());
        (!permitted).then_some(Ending::StoodDown)
    }

    fn permits(&self, standings: &Standings) -> bool {
        self.folder || may_ask(standings.get(&self.service))
    }

    /// Returns when the standing permits a capture. Cancel-safe.
    pub(crate) async fn allowed(&self) {
        let mut standings = self.standings.clone();
        if standings
            .wait_for(|standings| self.permits(standings))
            .await
            .is_err()
        {
            // Nobody decides any more.
            self.drain.begun().await;
        }
    }

    /// Returns when there is a reason. Cancel-safe.
    pub(crate) async fn reached(&self) -> Ending {
        let mut standings = self.standings.clone();
        loop {
            standings.mark_unchanged();
            if let Some(reason) = self.reason() {
                return reason;
            }
            // Both arms are cancel-safe.
            tokio::select! {
                () = self.drain.begun() => {}
                changed = standings.changed() => if changed.is_err() {
                    self.drain.begun().await;
                },
            }
        }
    }
}

/// Whether the primary may be asked: it is not dark, it is ours, and it is not overloaded.
pub(crate) fn may_ask(standing: Option<&Standing>) -> bool {
    let Some(standing) = standing else {
        // Nobody watches this service: then nobody said that it is dark.
        return true;
    };
    standing.role == Role::Standby && standing.relay && standing.effect.is_none()
}

/// Captures the site once. `last` is the generation that is served now.
///
/// # Errors
/// Our own faults; the primary's are an [`Ending`].
pub(crate) async fn capture(
    config: &WebConfig,
    host: &Host,
    metrics: &SiteMetrics,
    last: Option<Arc<Manifest>>,
    stop: Stop,
) -> Result<Captured, CaptureError> {
    let began = host.clock.now().wall;
    let mut captured = match &config.source {
        Source::Primary(primary) => {
            crawl::crawl(config, *primary, host, metrics, last.clone(), stop).await?
        }
        Source::Folder(root) => from_folder(config, root.clone(), host, last.clone()).await?,
    };
    captured.manifest.began = began;
    captured.manifest.ended = host.clock.now().wall;
    captured.manifest.ending = captured.ending.to_string();
    let Some(last) = last else {
        return Ok(captured);
    };
    let comparing = host.tasks.blocking("site reading", move || {
        captured.unchanged = build::same(&last, &captured.manifest);
        captured
    });
    Ok(comparing.await?)
}

async fn from_folder(
    config: &WebConfig,
    root: std::path::PathBuf,
    host: &Host,
    last: Option<Arc<Manifest>>,
) -> Result<Captured, CaptureError> {
    let (limits, hosts) = (config.capture.clone(), config.hosts.clone());
    let (blobs, now) = (host.store.blobs().clone(), host.clock.now().wall);
    let source = root.display().to_string();
    let reading = host.tasks.blocking("site reading", move || {
        let folder = Folder {
            root: &root,
            hosts: &hosts,
            config: &limits,
            now,
        };
        folder.read(&blobs, &Previous::new(last))
    });
    let mut manifest = reading.await?.map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        CaptureError::Folder(format!("{error}: {}", source.unwrap_or_default()))
    })?;
    manifest.source = source;
    let start = start_of(config, host, &mut manifest).await?;
    let portrait = Portrait::of(&manifest);
    Ok(Captured {
        candidate: Candidate {
            start,
            portrait,
            asked_again: 0,
            lost: 0,
        },
        manifest,
        ending: Ending::Complete,
        unchanged: false,
        tally: Tally::default(),
    })
}

/// Redirects of the start page are followed so far.
const HOPS: usize = 5;

/// Finds the start page of the first host, through redirects, and takes its words.
async fn start_of(
    config: &WebConfig,
    host: &Host,
    manifest: &mut Manifest,
) -> Result<Start, CaptureError> {
    let scope = crawl::scope(config);
    let Some(first) = config.hosts.first() else {
        return Ok(Start::Absent);
    };
    let mut at = crate::wire::address::Address::new(first, "/");
    for _ in 0..=HOPS {
        let page = manifest
            .pages
            .iter()
            .find(|page| address(manifest, page) == at);
        let Some(page) = page else {
            return Ok(Start::Absent);
        };
        match page.status {
            200 => break,
            300..=399 => {}
            status => return Ok(Start::Status(status)),
        }
        let location = manifest.header(page, "location").zip(at.url());
        let led = location.map(|(location, base)| scope.resolve(&base, location));
        let Some(crate::wire::address::Leads::Inside(next)) = led else {
            return Ok(Start::Astray);
        };
        at = next;
    }
    let page = manifest
        .pages
        .iter()
        .find(|page| address(manifest, page) == at);
    let Some(page) = page.filter(|page| page.status == 200).cloned() else {
        return Ok(Start::Astray);
    };
    let charset = manifest
        .header(&page, "content-type")
        .and_then(html::charset_of);
    let charset = charset.map(str::to_owned);
    let words = words_of(host, &page, charset).await?;
    let mark = config.expect.as_deref().map(|mark| words.bear(mark));
    manifest.sketch = Sketch::of(&words.text).hashes();
    Ok(Start::Good { mark })
}

struct Words {
    source: String,
    text: String,
}

impl Words {
    /// Whether the mark is on the page, as it is written or as it is read.
    fn bear(&self, mark: &str) -> bool {
        let folded = mark.split_whitespace().collect::<Vec<_>>().join(" ");
        self.source.contains(mark) || self.text.contains(&folded)
    }
}

async fn words_of(
    host: &Host,
    page: &PageSpec,
    charset: Option<String>,
) -> Result<Words, CaptureError> {
    let (blobs, id) = (host.store.blobs().clone(), page.body.0);
    let reading = host.tasks.blocking("site reading", move || {
        let blob = blobs.open(&id)?;
        let length = usize::try_from(blob.len())
            .unwrap_or(usize::MAX)
            .min(fetch::IN_MEMORY);
        let mut bytes = vec![0; length];
        let read = blob.read_at(0, &mut bytes)?;
        bytes.truncate(read);
        let source = html::decode(&bytes, charset.as_deref()).into_owned();
        let text = html::read(&bytes, charset.as_deref()).text;
        Ok(Words { source, text })
    });
    reading.await?
}

/// After a failed capture the next one waits five seconds, then twice as long each time, at most
/// as long as the refresh says: a standby without a copy is none, and the primary may only have
/// been starting.
pub(crate) fn pause_after(failures: u32, refresh: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    if failures == 0 {
        refresh
    } else {
        (Duration::from_secs(5) * (1 << doublings)).min(refresh)
    }
}
