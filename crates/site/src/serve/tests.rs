//! A small site, its copy and its primary; used by the transcripts and by the tests over loopback.

use std::fs;
use std::path::Path;

use host::metrics::Metrics;
use host::net::Net;
use host::web::{Routes, Serving, WebLimits, WebListen, serve};
use host::{Drain, DrainTrigger, OutletReceiver, Tasks, outlet};
use http::header::HeaderName;
use model::{Effect, Epoch, Mode, PlaceId, Role, Standing, StateName, Timestamp};
use store::{Committer, Options, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::front;
use crate::generation::{Page, Stored};
use crate::wire::address::Address;

mod copy;
mod primary;
mod relay;
mod transcripts;

/// 2026-05-20T09:14:03Z.
fn start() -> Timestamp {
    Timestamp::from_millis(1_779_268_443_000)
}
const HOST: &str = "verein.test";

/// One organisation's handler with everything around it.
struct Scene {
    host: Host,
    handler: SiteHandler,
    withhold: Withhold,
    hints: OutletReceiver<Hint>,
    folder: TempDir,
}

impl Scene {
    fn new(primary: Option<(Primary, ClientTls)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            committer: Committer::Inline,
            ..Options::default()
        };
        let (hint, hints) = outlet(16);
        let host = Host {
            place: PlaceId::new("oslo"),
            clock: Clock::simulated(start()),
            net: Net::Real,
            store: Store::open(&folder.path().join("store"), options).unwrap(),
            tasks: Tasks::default(),
            metrics: Metrics::default(),
            outlets: Outlets {
                records: outlet(16).0,
                hints: hint,
                progress: outlet(1).0,
                observations: outlet(1).0,
                handback: outlet(1).0,
                reminders: outlet(1).0,
            },
            routes: Routes::default(),
            outbound: host::outbound::Outbound::default(),
        };
        let organisation = OrganisationId::new(HOST);
        let hosts = vec![HOST.to_owned()];
        let withhold = Withhold::open(host.store.clone(), organisation.clone(), hosts).unwrap();
        let sources = SiteSources {
            organisation,
            primary,
            copy: Arc::new(copy_of(&host.store)),
            withhold: withhold.clone(),
            lead_to_https: false,
            blocked_by: Some("https://gericht.test/".to_owned()),
            bodies: Bodies::new(&host),
            counters: ServeCounters::register(&host.metrics),
        };
        let handler = SiteHandler::new(sources, &host);
        host.routes.register(HOST, Arc::new(handler.clone()));
        Self {
            host,
            handler,
            withhold,
            hints,
            folder,
        }
    }

    fn stand(&self, role: Role, relay: bool, effect: Option<Effect>) {
        let service = ServiceId::new(OrganisationId::new(HOST), Service::Web);
        let standing = Standing {
            service: service.clone(),
            role,
            epoch: Epoch(1),
            since: start(),
            state: StateName::Serving,
            mode: Mode::Act,
            would: None,
            effect,
            relay,
            handback: false,
            doubt: None,
            verdict: None,
            outage: None,
            held_by: None,
            question: None,
        };
        self.handler.follow(&Arc::new([(service, standing)].into()));
    }

    #[track_caller]
    fn counted(&self, line: &str) {
        let text = self.host.metrics.text();
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }

    async fn open(self) -> Open {
        let listen = WebListen {
            http: vec!["127.0.0.1:0".parse().unwrap()],
            limits: WebLimits {
                body_bytes: 1 << 20,
                drain: std::time::Duration::from_millis(200),
                ..WebLimits::default()
            },
            ..WebListen::default()
        };
        let (trigger, drain) = Drain::new();
        let serving = serve(listen, &self.host, None, drain).await.unwrap();
        Open {
            scene: self,
            serving,
            trigger,
        }
    }
}

/// A scene with its listener.
struct Open {
    scene: Scene,
    serving: Serving,
    trigger: DrainTrigger,
}

impl Open {
    /// Says `request`, and hears all until the other end closes.
    async fn say(&self, request: impl AsRef<[u8]>) -> Heard {
        let mut stream = TcpStream::connect(self.serving.http()[0]).await.unwrap();
        let _ = stream.write_all(request.as_ref()).await;
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        let end = all.windows(4).position(|it| it == b"\r\n\r\n").unwrap_or(0);
        Heard {
            head: String::from_utf8_lossy(&all[..end]).to_lowercase(),
            body: all.get(end + 4..).unwrap_or_default().to_vec(),
        }
    }

    async fn get(&self, path: &str) -> Heard {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        self.say(request).await
    }

    async fn end(self) -> Scene {
        self.trigger.begin();
        self.serving.ended().await;
        assert_eq!(self.scene.host.tasks.panicked(), 0);
        self.scene
    }
}

#[derive(Debug)]
struct Heard {
    /// Lower case.
    head: String,
    body: Vec<u8>,
}

impl Heard {
    fn status(&self) -> u16 {
        let word = self.head.split(' ').nth(1);
        word.and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn has(&self, line: &str) -> bool {
        self.head.lines().any(|it| it == line)
    }

    fn is_copy(&self) -> bool {
        self.has("x-servergate: copy; generation=7")
    }
}

/// 2.4 MB that are nowhere the same: too large for the cache, many pieces long.
fn film() -> Vec<u8> {
    (0..600_000u32).flat_map(u32::to_le_bytes).collect()
}

fn copy_of(store: &Store) -> Copy {
    let put = |bytes: &[u8]| -> Stored { (store.blobs().put(bytes).unwrap(), bytes.len() as u64) };
    let page = |status, kind: &'static str, body: &[u8]| Page {
        status,
        headers: vec![(http::header::CONTENT_TYPE, HeaderValue::from_static(kind))],
        body: put(body),
        gzip: None,
        brotli: None,
        etag: HeaderValue::from_static("\"v1\""),
        last_modified: Some(HeaderValue::from_static("Wed, 20 May 2026 08:00:00 GMT")),
        captured: start(),
    };
    let line = |name: &'static str, value: &'static str| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let mut front = page(200, "text/html; charset=iso-8859-1", b"<h1>Verein</h1>\n");
    front.headers.push(line("cache-control", "max-age=300"));
    front.gzip = Some(put(b"(gzip)"));
    front.brotli = Some(put(b"(br)"));
    let mut moved = page(301, "text/html", b"moved\n");
    moved
        .headers
        .push(line("location", "https://www.verein.test/neu"));
    let mut file = page(200, "text/plain", b"0123456789");
    file.headers.push(line("vary", "Cookie"));
    let pages = [
        ("/", front),
        ("/alt", moved),
        ("/datei.txt", file),
        ("/suche?q=a&b=%20", page(200, "text/plain", b"found\n")),
        ("/fehlt", page(404, "text/html", b"nicht gefunden\n")),
        ("/leer", page(200, "text/plain", b"")),
        ("/film.bin", page(200, "application/octet-stream", &film())),
        ("/geheim", page(200, "text/plain", b"geheim\n")),
        ("/geheim/mehr", page(200, "text/plain", b"mehr\n")),
    ];
    let pages = pages.map(|(target, page)| (Address::new(HOST, target), page));
    let generation = Generation::new(7, start(), pages.into());
    let front = front::read(&generation, &[HOST.to_owned()], store.blobs(), 1 << 20);
    let copy = Copy::default();
    copy.switch(Some(Arc::new(generation.with_front(front))));
    copy
}
