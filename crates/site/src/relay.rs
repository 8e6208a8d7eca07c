//! Passing a request on to the primary, and its answer back: a reverse proxy with bounds.
//!
//! `serve` calls it. The primary is connected at its configured address, never at a name that
//! could be steered, and asked under the host name that the guest used, which its certificate
//! must bear. HTTP/1.1 towards the primary (RFC 9112); bodies are streamed both ways.

mod breaker;
mod fields;
mod paced;
mod pool;
mod shares;

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use host::net::{Stream, within};
use host::tls::ClientTls;
use host::web::{Body, Guest, Response, UploadError};
use host::{Clock, Host, Tasks, limits};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::Primary;
use crate::serve::Failure;
use breaker::Breaker;
use paced::Paced;
use pool::Pool;
use shares::{Share, Shares};

pub(crate) use fields::is_loop;

/// For the connection and the TLS handshake together.
const CONNECT: Duration = Duration::from_millis(2500);
/// For the head of an answer, where the copy can stand in.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same, where it cannot.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// The same, for requests with a body, whose pace is bounded by itself.
const UPLOAD: Duration = Duration::from_secs(600);
/// After so long without an answer somebody looks whether the primary is there at all.
const DOUBT: Duration = Duration::from_secs(1);
/// For a turn, when too many requests are on their way.
const TURN: Duration = Duration::from_secs(1);
/// Requests that wait for one primary, in fair shares.
const AT_ONCE: usize = 128;
/// Answers of one primary on their way to guests. More, so that guests who read slowly do not
/// stand in the way of others' questions.
const ANSWERS: usize = 512;
/// Bytes of the head of an answer.
const HEAD: usize = 64 * 1024;
/// Header fields of an answer.
const FIELDS: usize = 200;

/// The way to one organisation's primary. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Relay(Arc<Inner>);

pub(super) struct Inner {
    primary: Primary,
    tls: ClientTls,
    net: host::net::Net,
    clock: Clock,
    tasks: Tasks,
    pool: Pool,
    turns: Arc<Shares>,
    answers: Arc<Shares>,
    breaker: Breaker,
}

/// A request that the primary did not answer.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// How it failed.
    pub(crate) failure: Failure,
    /// It was the guest's fault.
    pub(crate) upload: Option<UploadError>,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            upload: None,
        }
    }
}

/// How much a request is worth waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// The copy can stand in: a primary that just failed is spared.
    CopyStandsIn,
    /// Nothing can stand in, but a primary that just failed is spared as well.
    NothingStandsIn,
    /// Always tried.
    Always,
}

impl Relay {
    pub(crate) fn new(primary: Primary, tls: &ClientTls, host: &Host) -> Self {
        Self(Arc::new(Inner {
            primary,
            tls: tls.offering(&[b"http/1.1"]),
            net: host.net,
            clock: host.clock.clone(),
            tasks: host.tasks.clone(),
            pool: Pool::default(),
            turns: Shares::new(AT_ONCE),
            answers: Shares::new(ANSWERS),
            breaker: Breaker::default(),
        }))
    }

    /// Passes a request on. `host` is the routed name, `head` is left as it is for the copy.
    pub(crate) async fn pass(
        &self,
        host: &str,
        head: &Parts,
        body: Body,
        urgency: Urgency,
    ) -> Result<Response, Trouble> {
        let inner = &self.0;
        if urgency != Urgency::Always && !inner.breaker.admit(inner.clock.now().mono) {
            return Err(Failure::Spared.into());
        }
        let network = network(head)?;
        let Some(answer) = inner.answers.try_take(network) else {
            return Err(Failure::Busy.into());
        };
        let Some(_turn) = inner.turns.take(network, TURN).await else {
            return Err(Failure::Busy.into());
        };
        let limit = match urgency {
            _ if !body.is_end_stream() => UPLOAD,
            Urgency::CopyStandsIn => PATIENCE,
            Urgency::NothingStandsIn | Urgency::Always => LONG_PATIENCE,
        };
        let passed = match tokio::time::timeout(limit, inner.exchange(host, head, body)).await {
            Ok(passed) => passed,
            Err(_) => Err(Failure::Late.into()),
        };
        let now = inner.clock.now().mono;
        match passed {
            Ok((sender, response)) => {
                inner.breaker.close();
                Ok(self.answer(host, head, sender, response, answer))
            }
            Err(trouble) => {
                if matches!(trouble.failure, Failure::Connect | Failure::Late) {
                    inner.breaker.open(now);
                }
                Err(trouble)
            }
        }
    }

    fn answer(
        &self,
        host: &str,
        head: &Parts,
        sender: SendRequest<Body>,
        response: http::Response<Incoming>,
        place: Share,
    ) -> Response {
        let (mut parts, body) = response.into_parts();
        parts.version = http::Version::HTTP_11;
        parts.headers = fields::answer(parts.headers);
        // RFC 9112 §6.3: where the length was not what counted, it says nothing.
        if body.size_hint().exact().is_none() {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        let ended = body.is_end_stream() || head.method == Method::HEAD;
        let body = match ended {
            true => {
                self.0.pool.give_back(host, sender, self.0.clock.now().mono);
                Body::empty()
            }
            false => Body::stream(Paced::new(body, self.clone(), host, sender, place)),
        };
        Response::from_parts(parts, body)
    }

    pub(super) fn give_back(&self, host: &str, sender: SendRequest<Body>) {
        self.0.pool.give_back(host, sender, self.0.clock.now().mono);
    }
}

type Exchanged = (SendRequest<Body>, http::Response<Incoming>);

/// With an error comes the request back if nothing of it was sent.
type Sent = Result<Exchanged, (Trouble, Option<http::Request<Body>>)>;

impl Inner {
    async fn exchange(&self, host: &str, head: &Parts, body: Body) -> Result<Exchanged, Trouble> {
        let repeatable = body.is_end_stream()
            && matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let mut request = self.request(head, body)?;
        // A connection that lay idle may have been closed at the other end just now. What was not
        // sent is sent again over a new one; what may have been sent only if that does no harm.
        if let Some(sender) = self.pool.take(host, self.clock.now().mono).await {
            match self.send(sender, request).await {
                Ok(exchanged) => return checked(exchanged),
                Err((trouble, None)) if trouble.failure == Failure::Connect => return Err(trouble),
                Err((_, Some(unsent))) => request = unsent,
                Err((_, None)) if repeatable => request = self.request(head, Body::empty())?,
                Err((trouble, None)) => return Err(trouble),
            }
        }
        let sender = self.connect(host).await?;
        match self.send(sender, request).await {
            Ok(exchanged) => checked(exchanged),
            Err((trouble, _)) => Err(trouble),
        }
    }

    /// Sends over an open connection. One that leads nowhere any more is as silent as a primary
    /// that thinks; a knock at its door tells them apart, and nobody waits for the dead.
    async fn send(&self, sender: SendRequest<Body>, request: http::Request<Body>) -> Sent {
        let mut sending = pin!(send(sender, request));
        if let Ok(sent) = tokio::time::timeout(DOUBT, sending.as_mut()).await {
            return sent;
        }
        let knock = within(CONNECT, self.net.connect(self.primary.address));
        // Cancel-safe: what was sent goes on in its place, a knock is only a knock.
        let knocked = tokio::select! {
            biased;
            sent = sending.as_mut() => return sent,
            knocked = knock => knocked,
        };
        match knocked {
            Ok(_) => sending.await,
            Err(_) => Err((Failure::Connect.into(), None)),
        }
    }

    fn request(&self, head: &Parts, body: Body) -> Result<http::Request<Body>, Trouble> {
        let authority = authority(head).ok_or(Failure::Broken)?;
        let guest = guest(head)?;
        let empty = body.is_end_stream();
        let mut request = http::Request::new(body);
        *request.method_mut() = head.method.clone();
        // RFC 9112 §3.2.1: origin form; Host says the rest.
        let target = head.uri.path_and_query().cloned();
        *request.uri_mut() = Uri::from(target.unwrap_or(PathAndQuery::from_static("/")));
        *request.headers_mut() = fields::request(&head.headers, authority, guest);
        if empty && head.headers.contains_key(header::CONTENT_LENGTH) {
            // RFC 9110 §8.6: a method that has content says so when there is none.
            request
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from(0));
        }
        Ok(request)
    }

    async fn connect(&self, host: &str) -> Result<SendRequest<Body>, Trouble> {
        let connected = within(CONNECT, async {
            let stream = self.net.connect(self.primary.address).await?;
            self.shake(host, stream).await
        });
        connected.await.map_err(|error| {
            tracing::debug!("the primary: {error}");
            Failure::Connect.into()
        })
    }

    async fn shake(&self, host: &str, stream: Stream) -> std::io::Result<SendRequest<Body>> {
        if !self.primary.secure {
            return self.speak(stream).await;
        }
        let stream = self.tls.connect(host, stream).await?;
        self.speak(stream).await
    }

    async fn speak<S>(&self, stream: S) -> std::io::Result<SendRequest<Body>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEAD).max_headers(FIELDS);
        let shaken = builder.handshake::<_, Body>(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(std::io::Error::other)?;
        self.tasks.spawn("web relay", async move {
            // What matters of an error reaches the request that suffers from it.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// Sends; with an error comes the request back if nothing of it was sent.
async fn send(mut sender: SendRequest<Body>, request: http::Request<Body>) -> Sent {
    match sender.try_send_request(request).await {
        Ok(response) => Ok((sender, response)),
        Err(mut error) => {
            let unsent = error.take_message();
            let upload = find_upload_error(error.error());
            let failure = Failure::Broken;
            Err((Trouble { failure, upload }, unsent))
        }
    }
}

/// A tunnel was not asked for (`Upgrade` is not passed on), so none can be granted.
fn checked(exchanged: Exchanged) -> Result<Exchanged, Trouble> {
    match exchanged.1.status() {
        StatusCode::SWITCHING_PROTOCOLS => Err(Failure::Broken.into()),
        _ => Ok(exchanged),
    }
}

/// Who asks; the listener says so of every request.
fn guest(head: &Parts) -> Result<Guest, Trouble> {
    let guest = head.extensions.get::<Guest>().copied();
    guest.ok_or_else(|| Failure::Broken.into())
}

/// The network that shares are counted for.
fn network(head: &Parts) -> Result<u64, Trouble> {
    guest(head).map(|guest| limits::network(guest.address.ip()))
}

/// The authority that the guest asked for; the listener has made sure that there is just one.
pub(crate) fn authority(head: &Parts) -> Option<HeaderValue> {
    match head.uri.authority() {
        Some(authority) => HeaderValue::try_from(authority.as_str()).ok(),
        None => head.headers.get(header::HOST).cloned(),
    }
}

fn find_upload_error(error: &hyper::Error) -> Option<UploadError> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<UploadError>() {
            return Some(*found);
        }
        next = error.source();
    }
    None
}
