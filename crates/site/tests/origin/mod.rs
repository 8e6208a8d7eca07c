//! A primary of our own on a loopback port, with every answer that a test wants, and a standby
//! that captures it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use host::metrics::Metrics;
use host::net::Net;
use host::web::Routes;
use host::{Clock, Drain, DrainTrigger, Host, OutletReceiver, Outlets, Part, Tasks, outlet};
use http::{HeaderMap, Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::{Fact, OrganisationId, PlaceId, Standings};
use site::config::{CaptureConfig, Primary, Source, WebConfig};
use site::{CaptureOutcome, Site, SiteHandle};
use store::{Options, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the primary sends after the head.
#[derive(Clone, Debug)]
pub(crate) enum Sends {
    /// These bytes.
    Bytes(Bytes),
    /// Bytes without end.
    Endless,
    /// Nothing, and does not end either.
    Nothing,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) sends: Sends,
}

pub(crate) fn page(content_type: &str, body: impl Into<Bytes>) -> Answer {
    Answer {
        status: 200,
        headers: vec![("content-type", content_type.to_owned())],
        sends: Sends::Bytes(body.into()),
    }
}

pub(crate) fn html(body: impl Into<Bytes>) -> Answer {
    page("text/html; charset=utf-8", body)
}

pub(crate) fn status(status: u16, body: &'static str) -> Answer {
    Answer {
        status,
        ..html(body)
    }
}

pub(crate) fn redirect(to: &str) -> Answer {
    status(302, "").with("location", to)
}

impl Answer {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn sends(mut self, sends: Sends) -> Self {
        self.sends = sends;
        self
    }
}

impl Body for Sends {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(
                &[b'x'; 16 * 1024],
            ))))),
            Self::Nothing => Poll::Pending,
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Bytes(bytes) => hyper::body::SizeHint::with_exact(bytes.len() as u64),
            _ => hyper::body::SizeHint::default(),
        }
    }
}

/// A request as the primary saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

type Answering = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// A primary. What it answers can be changed while it runs.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    answering: Arc<Mutex<Answering>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Origin {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answering: Arc<Mutex<Answering>> = Arc::new(Mutex::new(Arc::new(answer)));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let origin = Self {
            address,
            answering: answering.clone(),
            seen: seen.clone(),
        };
        Tasks::default().spawn("origin", async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answering, seen) = (answering.clone(), seen.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let asked = note(&request);
                    seen.lock().unwrap().push(asked.clone());
                    let answer = answering.lock().unwrap().clone()(&asked);
                    async move { Ok::<_, Infallible>(respond(answer)) }
                });
                Tasks::default().spawn("origin connection", async move {
                    // A guest that goes away is its right.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        origin
    }

    /// A primary with these pages at `verein.test`; everything else is 404.
    pub(crate) async fn of(pages: Vec<(&'static str, Answer)>) -> Self {
        let origin = Self::start(|_| status(404, "none")).await;
        origin.now_of(pages);
        origin
    }

    pub(crate) fn now(&self, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Arc::new(answer);
    }

    pub(crate) fn now_of(&self, pages: Vec<(&'static str, Answer)>) {
        let pages: BTreeMap<_, _> = pages.into_iter().collect();
        self.now(move |seen| {
            let found = pages.get(seen.target.as_str()).cloned();
            found.unwrap_or_else(|| status(404, "<p>not here</p>"))
        });
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn note(request: &Request<Incoming>) -> Seen {
    let headers = request.headers().clone();
    let host = headers
        .get("host")
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    Seen {
        host: host.to_owned(),
        target: request.uri().to_string(),
        headers,
    }
}

fn respond(answer: Answer) -> Response<Sends> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(answer.sends).unwrap()
}

/// The configuration for `verein.test` at this primary, as fast as it can be.
pub(crate) fn config(address: SocketAddr) -> WebConfig {
    WebConfig {
        organisation: OrganisationId::new("verein.test"),
        hosts: vec!["verein.test".into()],
        source: Source::Primary(Primary {
            secure: false,
            address,
        }),
        expect: Some("Verein Beispiel".into()),
        certificate: None,
        ca: None,
        // So that only what a test asks for happens after the first capture.
        refresh: Duration::from_secs(24 * 3600),
        capture: CaptureConfig {
            rate: 100_000,
            ..CaptureConfig::default()
        },
        generations: 5,
        blocked_by: None,
    }
}

/// A running part.
pub(crate) struct Standby {
    pub(crate) handle: SiteHandle,
    pub(crate) store: Store,
    pub(crate) standings: watch::Sender<Standings>,
    pub(crate) records: OutletReceiver<Fact>,
    drain: DrainTrigger,
    running: tokio::task::JoinHandle<()>,
}

impl Standby {
    /// Opens the part in `dir` and lets it run.
    pub(crate) async fn start(dir: &Path, config: WebConfig) -> Self {
        let store = Store::open(dir, Options::default()).unwrap();
        let (records, receiver) = outlet(64);
        let outlets = Outlets {
            records,
            hints: outlet(8).0,
            progress: outlet(8).0,
            observations: outlet(8).0,
            handback: outlet(8).0,
            reminders: outlet(8).0,
        };
        let tasks = Tasks::default();
        let host = Host {
            place: PlaceId::new("oslo"),
            clock: Clock::system(),
            net: Net::Real,
            store: store.clone(),
            tasks: tasks.clone(),
            metrics: Metrics::default(),
            outlets,
            routes: Routes::default(),
            outbound: host::outbound::Outbound::default(),
        };
        let site = Site::open(vec![config], host).await.unwrap();
        let handle = site.handles().into_values().next().unwrap();
        let (standings, watched) = watch::channel(Standings::default());
        let (drain, drained) = Drain::new();
        let running = tasks.spawn(
            "site",
            async move { site.run(watched, drained).await.unwrap() },
        );
        Self {
            handle,
            store,
            standings,
            records: receiver,
            drain,
            running,
        }
    }

    /// The first capture is due at once by itself; this one comes after it, or is it.
    pub(crate) async fn first(&self) -> CaptureOutcome {
        self.again().await
    }

    /// Captures once more.
    pub(crate) async fn again(&self) -> CaptureOutcome {
        self.handle.capture_now().await.unwrap()
    }

    /// The body of a page of the copy.
    pub(crate) fn body(&self, target: &str) -> Option<Vec<u8>> {
        let generation = self.handle.copy().current()?;
        let page = generation.page("verein.test", target)?;
        Some(
            self.store
                .blobs()
                .open(&page.body.0)
                .unwrap()
                .read_all()
                .unwrap(),
        )
    }

    /// The status of a page of the copy.
    pub(crate) fn status(&self, target: &str) -> Option<u16> {
        let generation = self.handle.copy().current()?;
        Some(generation.page("verein.test", target)?.status)
    }

    /// The number of the generation that is served.
    pub(crate) fn number(&self) -> Option<u64> {
        self.handle
            .copy()
            .current()
            .map(|generation| generation.number)
    }

    pub(crate) async fn stop(self) {
        self.drain.begin();
        self.running.await.unwrap();
        self.store.close();
    }
}

pub(crate) const START: &str = "<title>Verein Beispiel</title><p>Wir sind ein Verein aus Oslo und treffen \
    uns jeden Dienstag zum Singen im alten Rathaus</p>";

/// The start page with `more` on it.
pub(crate) fn start(more: &str) -> Answer {
    html(format!("{START}{more}"))
}
