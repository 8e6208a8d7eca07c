//! One request to the primary, bounded in time and size; the body decoded, the headers as sent.
//!
//! RFC 9112 over the host's network and its TLS. One connection a host, one request at a time.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzDecoder;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use model::Mono;
use store::{BlobError, BlobId, BlobWriter, Blobs};
use tokio::io::{AsyncRead, AsyncWrite};

use host::tls::ClientTls;
use host::{Host, Tasks, net};

use super::policy::{self, Fate};
use crate::config::{CaptureConfig, Primary};
use crate::wire::address::Address;

/// Who asks, in the primary's log.
pub(crate) const AGENT: &str = concat!(
    "Servergate/",
    env!("CARGO_PKG_VERSION"),
    " (+standby copy of this site)"
);

/// To connect and to shake hands, each.
const CONNECT: Duration = Duration::from_secs(10);
/// Bytes a second that a body must bring after the first patience.
const LEAST_RATE: u64 = 1024;
/// However large it is, one body takes no longer.
const LONGEST_BODY: Duration = Duration::from_secs(10 * 60);
/// Larger bodies go to disk piece by piece; links are looked for in so much of them.
pub(crate) const IN_MEMORY: usize = 4 * 1024 * 1024;
/// A page with more bytes of headers is not kept: they are held in memory for every page.
const MOST_HEADERS: usize = 16 * 1024;
/// A piece of coded body that is decoded at once: it can become a thousand times as much.
const CODED_PIECE: usize = 4 * 1024;

/// What we have, so that the primary need not send it again (RFC 9110 §13.1).
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// A page to be kept.
    Page {
        status: StatusCode,
        headers: HeaderMap,
        body: Content,
    },
    /// What we have is still right.
    Unchanged,
    /// Not to be kept.
    Private,
    /// Leave me alone for a while.
    Wait(StatusCode, Option<Duration>),
    /// An error status.
    Failed(StatusCode),
}

/// A decoded body.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of it.
    Memory(Vec<u8>),
    /// In the store already, with its first part.
    Blob {
        id: BlobId,
        length: u64,
        head: Vec<u8>,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FetchError {
    #[error("no connection to the primary")]
    Connect(#[source] io::Error),
    #[error("the conversation broke off")]
    Http(#[from] hyper::Error),
    #[error("the request could not be written")]
    Request(#[from] http::Error),
    #[error("too slow")]
    Slow,
    #[error("larger than allowed")]
    TooLarge,
    #[error("headers larger than allowed")]
    Headers,
    #[error("a coding that was not asked for, or a broken one")]
    Coding,
    /// Our own fault: the disk.
    #[error("the body could not be kept")]
    Local(#[from] BlobError),
}

/// Asks the primary.
pub(crate) struct Fetcher {
    host: Host,
    primary: Primary,
    tls: Option<ClientTls>,
    open: HashMap<String, SendRequest<Empty<Bytes>>>,
    largest: u64,
    marked_private: bool,
    /// From the request to the head of the answer, and between two pieces of a body.
    patience: Duration,
}

impl Fetcher {
    /// `tls` is needed where the primary is asked by HTTPS.
    pub(crate) fn new(
        host: Host,
        primary: Primary,
        tls: Option<ClientTls>,
        limits: &CaptureConfig,
    ) -> Self {
        Self {
            host,
            primary,
            tls: tls.map(|tls| tls.offering(&[b"http/1.1"])),
            open: HashMap::new(),
            largest: limits.file,
            marked_private: limits.marked_private,
            patience: limits.patience,
        }
    }

    /// Asks for `address`.
    pub(crate) async fn fetch(
        &mut self,
        address: &Address,
        known: &Known,
    ) -> Result<Fetched, FetchError> {
        let response = self.ask(address, known).await?;
        let (head, body) = response.into_parts();
        let fate = policy::fate(head.status, &head.headers, self.marked_private);
        let header_bytes = head
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        if header_bytes.sum::<usize>() > MOST_HEADERS {
            self.open.remove(&*address.host);
            return Err(FetchError::Headers);
        }
        if fate == Fate::Page {
            let body = self.read(body, &head.headers).await.inspect_err(|_| {
                // What is left of the answer would be taken for the next one.
                self.open.remove(&*address.host);
            })?;
            let (status, headers) = (head.status, head.headers);
            return Ok(Fetched::Page {
                status,
                headers,
                body,
            });
        }
        if fate != Fate::Unchanged {
            self.open.remove(&*address.host);
        }
        Ok(match fate {
            Fate::Unchanged => Fetched::Unchanged,
            Fate::Private => Fetched::Private,
            Fate::Wait(span) => Fetched::Wait(head.status, span),
            Fate::Page | Fate::Failed => Fetched::Failed(head.status),
        })
    }

    /// A request on the open connection, or on a new one. A connection that the primary closed
    /// meanwhile is its right (RFC 9112 §9.5): the request is made once more.
    async fn ask(
        &mut self,
        address: &Address,
        known: &Known,
    ) -> Result<Response<Incoming>, FetchError> {
        if let Some(sender) = self.open.remove(&*address.host)
            && let Ok(response) = self.ask_on(sender, address, known).await
        {
            return Ok(response);
        }
        let sender = net::within(2 * CONNECT, self.connect(&address.host))
            .await
            .map_err(FetchError::Connect)?;
        self.ask_on(sender, address, known).await
    }

    async fn ask_on(
        &mut self,
        mut sender: SendRequest<Empty<Bytes>>,
        address: &Address,
        known: &Known,
    ) -> Result<Response<Incoming>, FetchError> {
        let request = request(address, known)?;
        let asking = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        let response = tokio::time::timeout(self.patience, asking)
            .await
            .map_err(|_| FetchError::Slow)??;
        self.open.insert(address.host.to_string(), sender);
        Ok(response)
    }

    async fn connect(&self, host: &str) -> io::Result<SendRequest<Empty<Bytes>>> {
        let stream = self.host.net.connect(self.primary.address).await?;
        match &self.tls {
            Some(tls) => self.shake(tls.connect(host, stream).await?).await,
            None => self.shake(stream).await,
        }
    }

    async fn shake<S>(&self, stream: S) -> io::Result<SendRequest<Empty<Bytes>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .max_buf_size(64 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // The connection ends when its sender is dropped; what goes wrong the sender hears.
        self.host.tasks.spawn("capture connection", async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn read(&self, mut body: Incoming, headers: &HeaderMap) -> Result<Content, FetchError> {
        let mut sink = Sink::new(self.host.store.blobs().clone(), self.largest);
        let mut decoder = match coding(headers)? {
            Coding::Identity => None,
            Coding::Gzip => Some(GzDecoder::new(Vec::new())),
        };
        let began = self.host.clock.now().mono;
        let mut received: u64 = 0;
        loop {
            let frame = tokio::time::timeout(self.patience, body.frame());
            let Some(frame) = frame.await.map_err(|_| FetchError::Slow)? else {
                break;
            };
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            received = received.saturating_add(data.len() as u64);
            self.in_time(began, received)?;
            match &mut decoder {
                None => sink.take(&data)?,
                Some(decoder) => decode(decoder, &data, &mut sink)?,
            }
        }
        if let Some(decoder) = decoder {
            let rest = decoder.finish().map_err(|_| FetchError::Coding)?;
            sink.take(&rest)?;
        }
        sink.finish(&self.host.tasks).await
    }

    fn in_time(&self, began: Mono, received: u64) -> Result<(), FetchError> {
        let spent = self.host.clock.now().mono.since(began);
        match spent > allowed_for(self.patience, received) {
            true => Err(FetchError::Slow),
            false => Ok(()),
        }
    }
}

/// How long it may have taken to receive so many bytes.
fn allowed_for(patience: Duration, received: u64) -> Duration {
    let at_least_rate = Duration::from_secs(received / LEAST_RATE);
    patience.saturating_add(at_least_rate).min(LONGEST_BODY)
}

fn request(address: &Address, known: &Known) -> Result<Request<Empty<Bytes>>, http::Error> {
    let mut request = Request::get(&*address.target)
        .header(header::HOST, &*address.host)
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
        .header(header::ACCEPT_ENCODING, "gzip");
    if let Some(etag) = &known.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(date) = &known.last_modified {
        request = request.header(header::IF_MODIFIED_SINCE, date);
    }
    request.body(Empty::new())
}

enum Coding {
    Identity,
    Gzip,
}

/// RFC 9110 §8.4: we asked for gzip at most.
fn coding(headers: &HeaderMap) -> Result<Coding, FetchError> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = codings
        .next()
        .map(|value| value.as_bytes().to_ascii_lowercase());
    match coding.as_deref() {
        _ if codings.next().is_some() => Err(FetchError::Coding),
        None | Some(b"" | b"identity") => Ok(Coding::Identity),
        Some(b"gzip" | b"x-gzip") => Ok(Coding::Gzip),
        Some(_) => Err(FetchError::Coding),
    }
}

fn decode(
    decoder: &mut GzDecoder<Vec<u8>>,
    data: &[u8],
    sink: &mut Sink,
) -> Result<(), FetchError> {
    for piece in data.chunks(CODED_PIECE) {
        decoder.write_all(piece).map_err(|_| FetchError::Coding)?;
        let decoded = std::mem::take(decoder.get_mut());
        sink.take(&decoded)?;
    }
    Ok(())
}

/// Collects a body: in memory while it is small, in a blob when it is not.
struct Sink {
    blobs: Blobs,
    largest: u64,
    length: u64,
    memory: Vec<u8>,
    writer: Option<BlobWriter>,
}

impl Sink {
    fn new(blobs: Blobs, largest: u64) -> Self {
        let (memory, writer) = (Vec::new(), None);
        Self {
            blobs,
            largest,
            length: 0,
            memory,
            writer,
        }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), FetchError> {
        self.length = self.length.saturating_add(data.len() as u64);
        if self.length > self.largest {
            return Err(FetchError::TooLarge);
        }
        if let Some(writer) = &mut self.writer {
            writer.write(data)?;
            return Ok(());
        }
        self.memory.extend_from_slice(data);
        if self.memory.len() > IN_MEMORY {
            let mut writer = self.blobs.writer()?;
            writer.write(&self.memory)?;
            self.writer = Some(writer);
        }
        Ok(())
    }

    async fn finish(self, tasks: &Tasks) -> Result<Content, FetchError> {
        let Some(writer) = self.writer else {
            return Ok(Content::Memory(self.memory));
        };
        let finished = tasks
            .blocking("site reading", move || writer.finish())
            .await;
        let id = finished.map_err(|_| FetchError::Slow)??;
        Ok(Content::Blob {
            id,
            length: self.length,
            head: self.memory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dripping_body_is_given_up() {
        let patience = Duration::from_secs(20);
        let allowed = |received| allowed_for(patience, received).as_secs();
        assert_eq!(allowed(0), 20);
        assert_eq!(allowed(100 * 1024), 120);
        assert_eq!(allowed(u64::MAX), LONGEST_BODY.as_secs());
    }

    #[test]
    fn only_the_coding_that_was_asked_for_is_taken() {
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
            }
            headers
        };
        assert!(matches!(coding(&headers(&[])), Ok(Coding::Identity)));
        assert!(matches!(coding(&headers(&["GZIP"])), Ok(Coding::Gzip)));
        for wrong in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"]] {
            assert!(
                matches!(coding(&headers(wrong)), Err(FetchError::Coding)),
                "{wrong:?}"
            );
        }
    }
}
