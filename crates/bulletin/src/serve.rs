//! Answers requests for the page's host name from what lies ready on the shelf (RFC 9110).

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use host::web::{Body, Handler, Handling, Outcome, Request, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};

use crate::language::Language;
use crate::metrics::{Answer, Metrics};
use crate::page::POLICY;
use crate::shelf::{Document, Shelf, Stand};
use crate::wire::{self, Path};

/// Long enough to spare us a flood, short enough that nobody reads old news for long.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=10");

/// Serves what lies on the shelf; registered for every host name of a page, and as the notice.
pub(crate) struct Desk {
    shelf: Arc<ArcSwap<Shelf>>,
    metrics: Metrics,
}

impl Desk {
    pub(crate) fn new(shelf: Arc<ArcSwap<Shelf>>, metrics: Metrics) -> Self {
        Self { shelf, metrics }
    }

    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        self.shelf.load_full()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn answer(&self, host: &str, request: &Request) -> Response {
        let shelf = self.shelf();
        let Some(stand) = shelf.at(host) else {
            self.metrics.answered(Answer::NotFound);
            return plain(StatusCode::NOT_FOUND);
        };
        if request.method() != Method::GET && request.method() != Method::HEAD {
            self.metrics.answered(Answer::MethodNotAllowed);
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
            // RFC 9110 §15.5.6: a 405 names what is allowed.
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allowed);
            return response;
        }
        let response = match find(stand, request) {
            Some((document, chosen)) => self.found(document, chosen, request),
            None => self.missing(stand, request),
        };
        without_body_for_head(request.method(), response)
    }

    fn found(&self, document: &Document, chosen: Chosen, request: &Request) -> Response {
        let headers = request.headers();
        let small = document.gzip.as_ref().filter(|_| wire::takes_gzip(headers));
        let form = small.unwrap_or(&document.plain);
        let known = form
            .etag
            .to_str()
            .is_ok_and(|etag| wire::has_version(headers, etag));
        let mut response = if known {
            self.metrics.answered(Answer::NotModified);
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            self.metrics.answered(Answer::Served);
            let mut response = Response::new(Body::Bytes(form.bytes.clone()));
            describe(response.headers_mut(), document);
            if small.is_some() {
                let gzip = HeaderValue::from_static("gzip");
                response.headers_mut().insert(CONTENT_ENCODING, gzip);
            }
            response
        };
        // RFC 9110 §15.4.5: a 304 repeats what a cache may need.
        let headers = response.headers_mut();
        headers.insert(ETAG, form.etag.clone());
        headers.insert(CACHE_CONTROL, CACHED);
        let vary = match chosen {
            Chosen::ByPath => "accept-encoding",
            Chosen::ByVisitor => "accept-encoding, accept-language",
        };
        headers.insert(VARY, HeaderValue::from_static(vary));
        response
    }

    fn missing(&self, stand: &Stand, request: &Request) -> Response {
        self.metrics.answered(Answer::NotFound);
        let language = visitors_language(stand, request);
        let Some(document) = stand.missing.get(&language) else {
            return plain(StatusCode::NOT_FOUND);
        };
        let mut response = Response::new(Body::Bytes(document.plain.bytes.clone()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        let headers = response.headers_mut();
        describe(headers, document);
        headers.insert(CACHE_CONTROL, CACHED);
        headers.insert(VARY, HeaderValue::from_static("accept-language"));
        response
    }
}

impl Handler for Desk {
    fn handle<'a>(&'a self, host: &'a str, request: Request) -> Handling<'a> {
        let response = self.answer(host, &request);
        Box::pin(std::future::ready(Outcome::Answer(response)))
    }
}

/// Who chose the language of what was found.
#[derive(Clone, Copy)]
enum Chosen {
    ByPath,
    ByVisitor,
}

fn find<'s>(stand: &'s Stand, request: &Request) -> Option<(&'s Document, Chosen)> {
    let in_language = |shelf: &'s BTreeMap<Language, Document>, language| {
        let document = shelf.get(&language)?;
        Some((document, Chosen::ByPath))
    };
    let for_visitor = |shelf: &'s BTreeMap<Language, Document>| {
        let document = shelf.get(&visitors_language(stand, request))?;
        Some((document, Chosen::ByVisitor))
    };
    match Path::of(request.uri().path()) {
        Path::Home => for_visitor(&stand.pages),
        Path::Page(language) => in_language(&stand.pages, language),
        Path::Statements(language) => in_language(&stand.statements, language),
        Path::Feed(None) => for_visitor(&stand.feeds),
        Path::Feed(Some(language)) => in_language(&stand.feeds, language),
        Path::Status => Some((&stand.status, Chosen::ByPath)),
        Path::Unknown => None,
    }
}

fn visitors_language(stand: &Stand, request: &Request) -> Language {
    let organisation = &stand.organisation;
    wire::language(request.headers(), &organisation.languages)
        .unwrap_or_else(|| organisation.first_language())
}

fn describe(headers: &mut HeaderMap, document: &Document) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(document.kind));
    match document.language {
        Some(language) => {
            let language = HeaderValue::from_static(language.tag());
            headers.insert(CONTENT_LANGUAGE, language);
        }
        // Standings for machines may be read by anybody's page; there is nothing secret in them.
        None => {
            let anybody = HeaderValue::from_static("*");
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
        }
    }
    guard(headers);
}

/// What every answer bears: no foreign content, no guessing of types, no trace in other sites' logs.
pub(crate) fn guard(headers: &mut HeaderMap) {
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    guard(response.headers_mut());
    response
}

/// RFC 9110 §9.3.2: HEAD is answered as GET, without the body. The length stays known.
pub(crate) fn without_body_for_head(method: &Method, mut response: Response) -> Response {
    if *method != Method::HEAD {
        return response;
    }
    if let Body::Bytes(bytes) = response.body() {
        let length = HeaderValue::from(bytes.len());
        if response.status() != StatusCode::NOT_MODIFIED {
            response
                .headers_mut()
                .insert(http::header::CONTENT_LENGTH, length);
        }
    }
    *response.body_mut() = Body::empty();
    response
}
