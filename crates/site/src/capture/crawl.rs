//! The crawl: one request after the other, as polite as the primary wishes, until nothing is left.

mod begin;
mod page;
mod sum;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use host::{Host, Progress};
use http::{HeaderMap, StatusCode};
use model::{Mono, Timestamp};

use super::build::{Builder, Previous};
use super::fetch::{FetchError, Fetched, Fetcher, Known};
use super::frontier::{Frontier, Limits, Origin, Task};
use super::policy::{self, Form};
use super::robots::Robots;
use super::{CaptureError, Captured, Ending, Limit, Stop, Tally};
use crate::config::{Primary, Source, WebConfig};
use crate::metrics::{Fate, SiteMetrics};
use crate::wire::address::{Address, Leads, Scope};
use crate::wire::manifest::Manifest;

/// So many failures in a row mean that the primary is not well.
const FAILURES: u32 = 5;
/// So many wishes to wait in a row, and we leave.
const WAITS: u32 = 3;
/// We wait for so long at most; a primary that asks for more is left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// The wait where the primary does not say how long.
const WAIT: Duration = Duration::from_secs(10);
/// After so many links others may have the processor.
const A_WHILE: usize = 1024;
/// Addresses that are known but not pages yet, for each page that is allowed.
const ADDRESSES_A_PAGE: usize = 4;

/// The hosts, and the port, that belong to the site.
pub(crate) fn scope(config: &WebConfig) -> Scope {
    let port = match &config.source {
        Source::Primary(primary) => Some(primary.address.port()),
        Source::Folder(_) => None,
    };
    Scope::new(&config.hosts, port)
}

/// Captures the site from its primary.
pub(crate) async fn crawl(
    config: &WebConfig,
    primary: Primary,
    host: &Host,
    metrics: &SiteMetrics,
    last: Option<Arc<Manifest>>,
    stop: Stop,
) -> Result<Captured, CaptureError> {
    let tls = match primary.secure {
        true => Some(host::tls::ClientTls::new(config.ca.as_deref())?),
        false => None,
    };
    let now = host.clock.now();
    let limits = &config.capture;
    let indexing = move || Previous::new(last);
    let previous = host.tasks.blocking("site reading", indexing).await?;
    let mut crawl = Crawl {
        config,
        host,
        metrics,
        scope: Arc::new(scope(config)),
        fetcher: Fetcher::new(host.clone(), primary, tls, limits),
        frontier: Frontier::new(Limits {
            depth: limits.depth,
            addresses: limits.pages.saturating_mul(ADDRESSES_A_PAGE),
            exclude: limits.exclude.clone(),
        }),
        previous: Arc::new(previous),
        builder: Builder::default(),
        robots: HashMap::new(),
        sitemaps: HashSet::new(),
        failed: HashMap::new(),
        began: now.mono,
        next_request: now.mono,
        failures: 0,
        last_failure: String::new(),
        waits: 0,
        wasted: 0,
        holds_links: true,
        asked_again: 0,
        lost: 0,
        unknown: Vec::new(),
        tally: Tally::default(),
    };
    // Cancel-safe: a request that is cut off leaves nothing but a temporary file, which its
    // writer removes. What was put before is kept and judged by the ending.
    let ending = tokio::select! {
        biased;
        reason = stop.reached() => Ok(reason),
        ending = crawl.run() => ending,
    }?;
    crawl.finish(primary, ending).await
}

struct Crawl<'a> {
    config: &'a WebConfig,
    host: &'a Host,
    metrics: &'a SiteMetrics,
    scope: Arc<Scope>,
    fetcher: Fetcher,
    frontier: Frontier,
    previous: Arc<Previous>,
    builder: Builder,
    robots: HashMap<Arc<str>, Robots>,
    sitemaps: HashSet<Address>,
    /// What could not be had, with the status where there was one.
    failed: HashMap<Address, Option<StatusCode>>,
    began: Mono,
    next_request: Mono,
    failures: u32,
    /// The words of the last one.
    last_failure: String,
    waits: u32,
    /// Bytes of bodies that were given up: they cost the primary as much.
    wasted: u64,
    /// Until every robots.txt is read, links are not followed.
    holds_links: bool,
    asked_again: u64,
    lost: u64,
    unknown: Vec<(Arc<str>, u16)>,
    tally: Tally,
}

/// What a step says about the whole.
type Step = Result<Option<Ending>, CaptureError>;

impl Crawl<'_> {
    async fn run(&mut self) -> Result<Ending, CaptureError> {
        if let Some(ending) = self.begin().await? {
            return Ok(ending);
        }
        loop {
            // Before a task is taken: what was not taken stays as it was.
            if let Some(limit) = self.limit() {
                return Ok(Ending::Limit(limit));
            }
            let Some(task) = self.frontier.next() else {
                break;
            };
            if let Some(ending) = self.visit(&task).await? {
                return Ok(ending);
            }
            self.report();
        }
        self.probe_unknown().await;
        Ok(Ending::Complete)
    }

    fn limit(&self) -> Option<Limit> {
        let limits = &self.config.capture;
        if self.builder.len() >= limits.pages {
            return Some(Limit::Pages);
        }
        if self.builder.bytes().saturating_add(self.wasted) >= limits.bytes {
            return Some(Limit::Bytes);
        }
        let spent = self.host.clock.now().mono.since(self.began);
        (spent >= limits.time).then_some(Limit::Time)
    }

    fn offer(&mut self, address: Address, origin: Origin, parent: Option<&Task>) {
        let page = self.previous.page(&address);
        let captured = page.map_or(Timestamp::default(), |page| page.captured);
        self.frontier.offer(address, origin, parent, captured);
    }

    /// Asks for one address, unless we have it fresh or may not.
    async fn visit(&mut self, task: &Task) -> Step {
        let robots = self.robots.get(&task.address.host);
        if self.config.capture.robots && robots.is_some_and(|it| !it.allows(&task.address)) {
            self.tally.robots += 1;
            self.metrics.page(Fate::Robots);
            return Ok(None);
        }
        if self.is_fresh(&task.address) {
            self.tally.reused += 1;
            self.metrics.page(Fate::Reused);
            let captured = self.previous.page(&task.address).map(|page| page.captured);
            self.reuse(task, captured.unwrap_or_default()).await?;
            return Ok(None);
        }
        loop {
            self.pace(&task.address.host).await;
            self.tally.requests += 1;
            self.metrics.requests.inc();
            let known = self.known(&task.address);
            let fetched = self.fetcher.fetch(&task.address, &known).await;
            let wait = match &fetched {
                Ok(Fetched::Wait(status, span)) => (*status, span.unwrap_or(WAIT)),
                _ => return self.take(task, fetched).await,
            };
            if let Some(ending) = self.wait(task, wait).await {
                return Ok(Some(ending));
            }
        }
    }

    /// Waits as the primary asked, or says that we leave.
    async fn wait(
        &mut self,
        task: &Task,
        (status, span): (StatusCode, Duration),
    ) -> Option<Ending> {
        self.waits += 1;
        self.metrics.page(Fate::Wait);
        if self.waits >= WAITS || span > LONGEST_WAIT {
            self.failed.insert(task.address.clone(), Some(status));
            return Some(match status {
                StatusCode::TOO_MANY_REQUESTS => Ending::AskedToWait,
                other => Ending::Failing(other.to_string()),
            });
        }
        self.host.clock.sleep(span).await;
        None
    }

    async fn take(&mut self, task: &Task, fetched: Result<Fetched, FetchError>) -> Step {
        let was_good = self
            .previous
            .page(&task.address)
            .is_some_and(|page| page.status == 200);
        if was_good {
            self.asked_again += 1;
        }
        match fetched {
            Ok(Fetched::Page {
                status,
                headers,
                body,
            }) => {
                self.well();
                let good = status == StatusCode::OK || self.stays_inside(&task.address, &headers);
                self.lost += u64::from(was_good && !good);
                self.metrics.page(Fate::Kept);
                self.keep(task, status, &headers, body).await?;
            }
            Ok(Fetched::Unchanged) => {
                self.well();
                self.tally.reused += 1;
                self.metrics.page(Fate::Reused);
                let now = self.host.clock.now().wall;
                self.reuse(task, now).await?;
            }
            Ok(Fetched::Private) => {
                self.well();
                self.lost += u64::from(was_good);
                self.tally.private += 1;
                self.metrics.page(Fate::Private);
            }
            Ok(Fetched::Failed(status) | Fetched::Wait(status, _)) => {
                self.lost += u64::from(was_good);
                return Ok(self.fail(task, Some(status), &status.to_string()));
            }
            Err(FetchError::Local(error)) => return Err(error.into()),
            Err(
                error @ (FetchError::TooLarge
                | FetchError::Headers
                | FetchError::Coding
                | FetchError::Request(_)),
            ) => {
                // The primary is well; it is this one file that we cannot have.
                self.well();
                self.wasted = self.wasted.saturating_add(match error {
                    FetchError::TooLarge => self.config.capture.file,
                    _ => 0,
                });
                self.lost += u64::from(was_good);
                return Ok(self.fail(task, None, &error.to_string()));
            }
            Err(error) => {
                self.lost += u64::from(was_good);
                let source = std::error::Error::source(&error).map(ToString::to_string);
                let why = format!("{error}: {}", source.unwrap_or_default());
                return Ok(self.fail(task, None, &why));
            }
        }
        Ok(None)
    }

    fn well(&mut self) {
        self.failures = 0;
        self.waits = 0;
    }

    /// Notes a failure; what we had of the page stays.
    fn fail(&mut self, task: &Task, status: Option<StatusCode>, why: &str) -> Option<Ending> {
        tracing::debug!(
            target = &*task.address.target,
            why,
            "a page could not be captured"
        );
        self.tally.failed += 1;
        self.metrics.page(Fate::Failed);
        self.failed.insert(task.address.clone(), status);
        self.failures += 1;
        why.clone_into(&mut self.last_failure);
        (self.failures >= FAILURES).then(|| Ending::Failing(why.to_owned()))
    }

    /// Whether a redirect keeps the reader on the site.
    fn stays_inside(&self, from: &Address, headers: &HeaderMap) -> bool {
        let location = headers
            .get(http::header::LOCATION)
            .and_then(|it| it.to_str().ok());
        let Some((location, base)) = location.zip(from.url()) else {
            return false;
        };
        matches!(self.scope.resolve(&base, location), Leads::Inside(_))
    }

    fn linked(&self, task: &Task) -> Timestamp {
        let before = self.previous.page(&task.address).map(|page| page.linked);
        match task.linked || self.frontier.is_linked(&task.address) {
            true => self.host.clock.now().wall,
            false => before.unwrap_or_default(),
        }
    }

    /// A requisite that says of itself that it is still fresh need not be asked for
    /// (RFC 9111 §4.2). Documents are always asked for: they are what changes.
    fn is_fresh(&self, address: &Address) -> bool {
        let Some(page) = self
            .previous
            .page(address)
            .filter(|page| page.status == 200)
        else {
            return false;
        };
        let header = |name| self.previous.header(page, name);
        let form = policy::form(header("content-type").unwrap_or_default());
        if matches!(form, Form::Html | Form::Xml) || self.sitemaps.contains(address) {
            return false;
        }
        let control = header("cache-control").unwrap_or_default();
        let age = self.host.clock.now().wall.since(page.captured);
        policy::fresh_for(control, header("age")).is_some_and(|fresh| age < fresh)
    }

    fn known(&self, address: &Address) -> Known {
        let Some(page) = self
            .previous
            .page(address)
            .filter(|page| page.status == 200)
        else {
            return Known::default();
        };
        let header = |name| self.previous.header(page, name).map(str::to_owned);
        Known {
            etag: header("etag"),
            last_modified: header("last-modified"),
        }
    }

    /// Never faster than configured, nor than robots.txt asks.
    async fn pace(&mut self, host: &str) {
        self.host.clock.sleep_until(self.next_request).await;
        let own = Duration::from_secs(1) / self.config.capture.rate.max(1);
        let asked = self.robots.get(host).and_then(|robots| robots.delay);
        let asked = asked
            .filter(|_| self.config.capture.robots)
            .unwrap_or_default();
        self.next_request = self.host.clock.now().mono.after(own.max(asked));
    }

    fn report(&self) {
        if self.builder.len().is_multiple_of(16) {
            let organisation = self.config.organisation.clone();
            self.host.outlets.progress.offer(Progress {
                service: model::ServiceId::new(organisation, model::Service::Web),
                work: "capture",
                done: self.builder.len() as u64,
                total: Some(self.frontier.known() as u64),
            });
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(value.as_bytes().iter().copied().map(char::from).collect())
}
