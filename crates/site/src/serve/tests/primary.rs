//! A small primary web server, from hyper, that says what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::*;

/// What a primary has seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicU32,
    pub(super) requests: Mutex<Vec<String>>,
    /// Someone asked for `/haengt`.
    pub(super) hangs: Notify,
}

/// A primary that runs.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Seen>,
}

impl Server {
    pub(super) async fn start(tasks: &Tasks, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (inside, spawner) = (Arc::clone(&seen), tasks.clone());
        tasks.spawn("primary", async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                inside.connections.fetch_add(1, Ordering::Relaxed);
                let (seen, tls) = (Arc::clone(&inside), tls.clone());
                spawner.spawn("primary guest", async move {
                    match tls {
                        None => talk(stream, seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub(super) fn plain(&self) -> Option<(Primary, ClientTls)> {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        Some((
            Primary {
                secure: false,
                address: self.address,
            },
            authority.client(folder.path()),
        ))
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().clone()
    }
}

async fn talk<S>(stream: S, seen: Arc<Seen>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

type Answer = Result<http::Response<Full<Bytes>>, Infallible>;

async fn answer(request: http::Request<Incoming>, seen: Arc<Seen>) -> Answer {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mut lines: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    if path == "/haengt" {
        seen.hangs.notify_one();
        std::future::pending::<()>().await;
    }
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let said = format!(
        "{} {}\n{}\n{}",
        head.method,
        head.uri,
        lines.join("\n"),
        body.len()
    );
    seen.requests.lock().unwrap().push(said.clone());
    let response = http::Response::builder()
        .header("set-cookie", "a=b")
        .header("alt-svc", "h3=\":443\"")
        .header("x-hop", "1");
    let response = match path.as_str() {
        "/" | "/datei.txt" | "/film.bin" => response.header("etag", "\"live\""),
        "/gesperrt" => response.status(451),
        "/kaputt" | "/fehlt" | "/suche" => response.status(502),
        "/.well-known/acme-challenge/abc" => response,
        "/schliesst" => response.header("connection", "close, x-hop"),
        _ => response.status(404),
    };
    Ok(response.body(Full::new(said.into())).unwrap())
}

/// An authority of our own.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(super) fn client(&self, folder: &Path) -> ClientTls {
        let roots = folder.join("roots.pem");
        fs::write(&roots, &self.pem).unwrap();
        ClientTls::new(Some(&roots)).unwrap()
    }

    pub(super) fn acceptor(&self, folder: &Path, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = host::tls::CertificateFiles {
            organisation: OrganisationId::new(name),
            chain: folder.join("chain.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&files.chain, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        let shown = host::tls::Certificates::open(vec![files], &Metrics::default()).unwrap();
        TlsAcceptor::from(shown.server_config())
    }
}
