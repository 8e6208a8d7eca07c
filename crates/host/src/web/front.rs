//! One request: whom it is for, who answers, and what is said when nobody can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::{Body as HttpBody, Incoming};
use model::OrganisationId;

use super::activity::InWork;
use super::counters::{Counters, Outcome as Became, Refusal};
use super::framing::{self, Unfit};
use super::listen::{Network, WebLimits};
use super::metered::{Metered, Upload};
use super::proxied;
use super::target::{self, Ambiguous, Target};
use super::{Body, Guest, Handler, Outcome, Request, Response, Routes};

/// Who answers.
pub(super) enum Desk {
    /// Whoever is registered for the host.
    ByHost(Routes),
    /// Always the same.
    One(Arc<dyn Handler>),
}

/// What all connections of a set of listeners share.
pub(super) struct Front {
    pub(super) desk: Desk,
    pub(super) limits: WebLimits,
    pub(super) trusted: Vec<Network>,
    pub(super) counters: Counters,
    pub(super) in_work: AtomicUsize,
}

/// How a connection came.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) address: SocketAddr,
    pub(super) secure: bool,
    /// Whether the peer is a proxy of ours that speaks for others in X-Forwarded-For.
    pub(super) speaks_for_others: bool,
}

/// One more request in work over all connections.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Front {
    /// Answers one request.
    pub(super) async fn answer(
        &self,
        arrival: Arrival,
        request: http::Request<Incoming>,
        work: InWork,
    ) -> http::Response<Metered> {
        let is_head = request.method() == Method::HEAD;
        let (became, mut response) = self.decide(arrival, request).await;
        self.counters.request(became);
        if is_head {
            empty(&mut response);
        }
        response.map(|body| Metered::new(body, work))
    }

    async fn decide(
        &self,
        arrival: Arrival,
        request: http::Request<Incoming>,
    ) -> (Became, Response) {
        let taken = self.in_work.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.in_work);
        if taken >= self.limits.requests {
            return (
                Became::Busy,
                retry(plain(StatusCode::SERVICE_UNAVAILABLE, BUSY), 5),
            );
        }
        let (head, body) = request.into_parts();
        if let Err(unfit) = framing::checked(&head, self.limits.headers) {
            return refused(unfit);
        }
        let host = match target::target(&head) {
            Ok(Target::Page(host)) => host,
            Ok(Target::Server) => return (Became::Server, methods(StatusCode::NO_CONTENT)),
            Ok(Target::Tunnel) => {
                return (Became::Tunnel, methods(StatusCode::METHOD_NOT_ALLOWED));
            }
            Err(Ambiguous) => {
                return (Became::Ambiguous, plain(StatusCode::BAD_REQUEST, AMBIGUOUS));
            }
        };
        if body.size_hint().lower() > self.limits.body_bytes {
            self.counters.refuse(Refusal::Large);
            return (Became::Large, plain(StatusCode::PAYLOAD_TOO_LARGE, LARGE));
        }
        let request = self.introduce(arrival, head, body);
        match &self.desk {
            Desk::One(handler) => self.ask(handler.as_ref(), host.as_str(), request).await,
            Desk::ByHost(routes) => match routes.handler(host.as_str()) {
                Some(handler) => self.ask(handler.as_ref(), host.as_str(), request).await,
                // RFC 9110 §15.5.20.
                None => {
                    let response = plain(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED);
                    (Became::Misdirected, response)
                }
            },
        }
    }

    /// Says who the guest is, and puts bounds around what it sends.
    fn introduce(&self, arrival: Arrival, mut head: Parts, body: Incoming) -> Request {
        let mut guest = Guest {
            address: arrival.address,
            secure: arrival.secure,
        };
        if arrival.speaks_for_others {
            if let Some(address) = proxied::forwarded_for(&head.headers, &self.trusted) {
                guest.address = SocketAddr::new(address, 0);
            }
            if let Some(secure) = proxied::forwarded_secure(&head.headers) {
                guest.secure = secure;
            }
        }
        head.extensions.insert(guest);
        let body = match body.is_end_stream() {
            true => Body::empty(),
            false => Body::stream(Upload::new(body, &self.limits, self.counters.clone())),
        };
        Request::from_parts(head, body)
    }

    async fn ask(&self, handler: &dyn Handler, host: &str, request: Request) -> (Became, Response) {
        // The notice needs the head of a request that the handler consumes.
        let shadow = Shadow::of(&request);
        match handler.handle(host, request).await {
            Outcome::Answer(response) => (Became::Answered, response),
            Outcome::Unavailable {
                organisation,
                retry_after,
            } => {
                let response = self.unavailable(&organisation, retry_after, shadow);
                (Became::Unavailable, response)
            }
        }
    }

    fn unavailable(
        &self,
        organisation: &OrganisationId,
        retry_after: u32,
        shadow: Shadow,
    ) -> Response {
        let notice = match &self.desk {
            Desk::ByHost(routes) => routes.notice(),
            Desk::One(_) => None,
        };
        let response = match (notice, shadow.into_head()) {
            (Some(notice), Some(head)) => notice.unavailable(organisation, retry_after, &head),
            _ => fallback(),
        };
        retry(response, retry_after)
    }
}

/// What of a request's head a notice may look at. Cheap: header values are shared, not copied.
struct Shadow {
    method: Method,
    uri: http::Uri,
    language: Option<HeaderValue>,
    accept: Option<HeaderValue>,
}

impl Shadow {
    fn of(request: &Request) -> Self {
        let field = |name| request.headers().get(name).cloned();
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            language: field(header::ACCEPT_LANGUAGE),
            accept: field(header::ACCEPT),
        }
    }

    fn into_head(self) -> Option<Parts> {
        let request = http::Request::builder().method(self.method).uri(self.uri);
        let (mut head, ()) = request.body(()).ok()?.into_parts();
        let fields = [
            (header::ACCEPT_LANGUAGE, self.language),
            (header::ACCEPT, self.accept),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                head.headers.insert(name, value);
            }
        }
        Some(head)
    }
}

const BUSY: &str = "Too many requests at once. Please try again.\n";
const AMBIGUOUS: &str = "The request does not say clearly which host it is for.\n";
const FRAMING: &str = "Where the body of the request ends cannot be told.\n";
const CODING: &str = "Transfer codings other than chunked are not taken.\n";
const FIELDS: &str = "The request has too many header fields.\n";
const LARGE: &str = "The body is too large.\n";
const MISDIRECTED: &str = "This server does not answer for this host.\n";
const FALLBACK: &str = include_str!("unavailable.html");

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()).into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    not_kept(&mut response);
    response
}

/// What is not read to its end ends the connection: nobody knows where the next request begins.
fn refused(unfit: Unfit) -> (Became, Response) {
    let (became, status, text) = match unfit {
        Unfit::Framing => (Became::Framing, StatusCode::BAD_REQUEST, FRAMING),
        Unfit::Coding => (Became::Coding, StatusCode::NOT_IMPLEMENTED, CODING),
        Unfit::Head => {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            (Became::Head, status, FIELDS)
        }
    };
    let mut response = plain(status, text);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    (became, response)
}

fn methods(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let allowed = HeaderValue::from_static("GET, HEAD, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// The page in two languages that stands in where nobody renders a better one.
fn fallback() -> Response {
    let mut response = Response::new(Bytes::from_static(FALLBACK.as_bytes()).into());
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// RFC 9110 §15.6.4, §10.2.3: always 503, always with a time to come back, never kept.
fn retry(mut response: Response, seconds: u32) -> Response {
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    not_kept(&mut response);
    response
}

fn not_kept(response: &mut Response) {
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
}

/// RFC 9110 §9.3.2: the same fields, no content.
fn empty(response: &mut Response) {
    let length = response.body().size_hint().exact();
    let announced = response.headers().contains_key(header::CONTENT_LENGTH);
    if let (Some(length), false) = (length, announced)
        && !response.body().is_end_stream()
    {
        let length = HeaderValue::from(length);
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
    }
    *response.body_mut() = Body::empty();
}
