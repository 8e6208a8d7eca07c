//! The listeners over loopback: guests as they should be, and guests as they come.

use std::sync::atomic::{AtomicU32, Ordering};

use model::{OrganisationId, PlaceId, Timestamp};
use store::{Committer, Options, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::{Clock, DrainTrigger, Outlets, outlet};

mod floods;
mod guests;
mod versions;

/// A standby's web listener with one organisation behind it.
struct Scene {
    host: Host,
    serving: Serving,
    trigger: DrainTrigger,
    _folder: TempDir,
}

/// Answers by path.
struct Organisation {
    asked: AtomicU32,
}

impl Handler for Organisation {
    fn handle<'a>(&'a self, host: &'a str, request: Request) -> Handling<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(answer(host, request))
    }
}

async fn answer(host: &str, request: Request) -> Outcome {
    use http_body_util::BodyExt;

    let text = |text: String| Outcome::Answer(Response::new(Bytes::from(text).into()));
    let guest = request.extensions().get::<super::super::Guest>().copied();
    match request.uri().path() {
        "/who" => {
            let guest = guest.expect("every request has a guest");
            text(format!("{} {}", guest.address.ip(), guest.secure))
        }
        "/large" => text("x".repeat(16 * 1024 * 1024)),
        "/never" => std::future::pending().await,
        "/dark" => Outcome::Unavailable {
            organisation: OrganisationId::new(host),
            retry_after: 120,
        },
        "/upload" => match request.into_body().collect().await {
            Ok(body) => text(body.to_bytes().len().to_string()),
            Err(error) => text(error.to_string()),
        },
        path => text(format!("{host}{path}")),
    }
}

fn quick() -> WebLimits {
    WebLimits {
        drain: Duration::from_millis(200),
        ..WebLimits::default()
    }
}

impl Scene {
    async fn with(limits: WebLimits) -> Self {
        Self::of(WebListen {
            limits,
            ..WebListen::default()
        })
        .await
    }

    async fn of(mut listen: WebListen) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            committer: Committer::Inline,
            ..Options::default()
        };
        let host = Host {
            place: PlaceId::new("oslo"),
            clock: Clock::simulated(Timestamp::from_millis(1_779_268_443_000)),
            net: crate::net::Net::Real,
            store: Store::open(folder.path(), options).unwrap(),
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
            routes: super::super::Routes::default(),
            outbound: crate::outbound::Outbound::default(),
        };
        let organisation = Organisation {
            asked: AtomicU32::new(0),
        };
        host.routes.register("verein.test", Arc::new(organisation));
        listen.http = vec!["127.0.0.1:0".parse().unwrap()];
        let (trigger, drain) = Drain::new();
        let serving = serve(listen, &host, None, drain).await.unwrap();
        Self {
            host,
            serving,
            trigger,
            _folder: folder,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.serving.http()[0]).await.unwrap()
    }

    /// Sends `bytes`, says no more, and reads until the other end closes.
    async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // A server that has heard enough may close before all is said.
        let _ = stream.write_all(bytes.as_ref()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One request that closes the connection.
    async fn get(&self, path: &str) -> String {
        self.say(format!(
            "GET {path} HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n\r\n"
        ))
        .await
    }

    #[track_caller]
    fn counted(&self, line: &str) {
        let text = self.host.metrics.text();
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }

    async fn end(self) {
        self.trigger.begin();
        self.serving.ended().await;
        assert_eq!(self.host.tasks.panicked(), 0);
    }
}

#[tokio::test]
async fn the_drain_ends_idle_guests_at_once_and_others_after_their_time() {
    let scene = Scene::with(quick()).await;
    let mut idle = scene.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: verein.test\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 16];
    assert!(idle.read(&mut some).await.unwrap() > 0);
    let mut waiting = scene.connect().await;
    waiting
        .write_all(b"GET /never HTTP/1.1\r\nHost: verein.test\r\n\r\n")
        .await
        .unwrap();
    while scene
        .host
        .metrics
        .text()
        .contains("servergate_web_connections 1")
    {
        tokio::task::yield_now().await;
    }
    let metrics = scene.host.metrics.clone();
    scene.end().await;
    assert_eq!(waiting.read(&mut some).await.unwrap_or(0), 0);
    let text = metrics.text();
    assert!(
        text.contains(r#"servergate_web_refusals_total{reason="Drain"} 1"#),
        "{text}"
    );
}

#[tokio::test]
async fn the_metrics_page_has_its_own_listener() {
    let scene = Scene::with(quick()).await;
    scene.get("/").await;
    let (trigger, drain) = Drain::new();
    let at = "127.0.0.1:0".parse().unwrap();
    let metrics = serve_metrics(at, &scene.host, drain).await.unwrap();
    for (path, status, has) in [
        ("/metrics", "200 OK", "servergate_web_requests_total"),
        ("/", "404 Not Found", ""),
    ] {
        let mut stream = TcpStream::connect(metrics.http()[0]).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert!(answer.contains(has), "{answer}");
    }
    trigger.begin();
    metrics.ended().await;
    scene.end().await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error_in_words() {
    let scene = Scene::with(quick()).await;
    let listen = WebListen {
        http: scene.serving.http().to_vec(),
        ..WebListen::default()
    };
    let (_trigger, drain) = Drain::new();
    let error = serve(listen, &scene.host, None, drain).await.unwrap_err();
    assert!(error.to_string().contains("cannot be bound"), "{error}");
    scene.end().await;
}
