//! The organisation's own web server: a few pages by HTTPS, as a stranger would have written it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use host::Tasks;
use host::net::{Listener, Net};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsAcceptor;

use super::papers::Papers;

/// What every right start page bears.
pub(super) const MARK: &str = "Verein Beispiel e. V.";
/// The name under which it is asked.
pub(super) const HOST: &str = "www.verein.test";

/// All pages of the site, by path. They lead to each other from the start page.
#[derive(Clone, Debug)]
pub(super) struct Pages(Arc<BTreeMap<&'static str, (&'static str, Bytes)>>);

impl Pages {
    pub(super) fn new() -> Self {
        let html = "text/html; charset=utf-8";
        let start = format!(
            "<!doctype html><title>{MARK}</title><link rel=stylesheet href=/stil.css>\
             <h1>{MARK}</h1><img src=/bild.svg><a href=/programm>Programm</a> \
             <a href=/protokolle>Protokolle</a>"
        );
        let program = format!("<!doctype html><title>Programm</title><p>{MARK}</p><a href=/>x</a>");
        let long: String = (0..9_000)
            .map(|line| format!("{line}: beschlossen\n"))
            .collect();
        let picture = "<svg xmlns=\"http://www.w3.org/2000/svg\"><circle r=\"9\"/></svg>";
        let pages = [
            ("/", (html, start.into())),
            ("/programm", (html, program.into())),
            ("/protokolle", ("text/plain; charset=utf-8", long.into())),
            ("/stil.css", ("text/css", "h1 { color: #123 }".into())),
            ("/bild.svg", ("image/svg+xml", picture.into())),
        ];
        Self(Arc::new(pages.into()))
    }

    /// What somebody else puts there, who knows the mark.
    pub(super) fn of_somebody_else() -> Self {
        let start = format!("<!doctype html><title>{MARK}</title><h1>Under new management</h1>");
        let start = ("text/html; charset=utf-8", start.into());
        Self(Arc::new([("/", start)].into()))
    }

    pub(super) fn paths(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    pub(super) fn body(&self, path: &str) -> Option<&Bytes> {
        self.0.get(path).map(|(_, body)| body)
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let Some((kind, body)) = self.0.get(request.uri().path()) else {
            let mut missing = Response::new(Full::from("not here\n"));
            *missing.status_mut() = StatusCode::NOT_FOUND;
            return missing;
        };
        let tag = format!("\"{:x}\"", body.len());
        let mut response = Response::new(Full::from(body.clone()));
        if request.headers().get(header::IF_NONE_MATCH) == HeaderValue::from_str(&tag).ok().as_ref()
        {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Full::default();
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.extend(HeaderValue::try_from(tag).map(|tag| (header::ETAG, tag)));
        response
    }
}

/// Serves the pages for as long as the machine runs.
pub(super) async fn serve(pages: Pages, papers: Papers) -> turmoil::Result {
    let tasks = Tasks::simulated();
    let tls = TlsAcceptor::from(papers.server()?);
    let listener = listen(443).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (pages, tls) = (pages.clone(), tls.clone());
        tasks.spawn("primary guest", async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let answer = service_fn(move |request| {
                let response = pages.answer(&request);
                async move { Ok::<_, std::convert::Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            // The real date has no business here.
            http.auto_date_header(false);
            // A guest that breaks off only ends its own conversation.
            let _ = http.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// Somebody else's well-known server: it is there, and that is all we ask of it.
pub(super) async fn be_there(port: u16) -> turmoil::Result {
    let listener = listen(port).await?;
    loop {
        drop(listener.accept().await?);
    }
}

async fn listen(port: u16) -> std::io::Result<Listener> {
    let at = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port);
    Net::Simulated.listen(at).await
}
