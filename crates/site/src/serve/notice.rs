//! Answers in our own words: withheld pages (RFC 7725), loops, methods.

use bytes::Bytes;
use host::web::{Body, Response};
use http::StatusCode;
use http::header::{self, HeaderValue};

use crate::withhold::Entry;

/// 451 with the reason, and with who demanded it where that was configured (RFC 7725 §4).
pub(super) fn withheld(entry: &Entry, blocked_by: Option<&HeaderValue>) -> Response {
    let reason = escaped(&entry.reason);
    let page = format!(
        "<!doctype html>\n<html lang=\"de\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <title>Aus rechtlichen Gründen nicht verfügbar · Unavailable for legal reasons</title>\n\
         </head>\n<body>\n<main>\n<h1>Aus rechtlichen Gründen nicht verfügbar</h1>\n\
         <p>Diese Seite wird auf Anordnung zurückgehalten.</p>\n\
         <h2 lang=\"en\">Unavailable for legal reasons</h2>\n\
         <p lang=\"en\">This page is withheld by order.</p>\n<p>{reason}</p>\n\
         </main>\n</body>\n</html>\n"
    );
    let mut response = Response::new(Bytes::from(page).into());
    *response.status_mut() = StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    // It may be lifted at any time.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(link) = blocked_by {
        headers.insert(header::LINK, link.clone());
    }
    response
}

/// The `Link` for the authority at `url`; `None` if that cannot stand in a header.
pub(super) fn blocked_by(url: &str) -> Option<HeaderValue> {
    let fits = !url.contains(['<', '>', '"', ' ']);
    fits.then(|| HeaderValue::try_from(format!("<{url}>; rel=\"blocked-by\"")).ok())?
}

/// What a copy allows: RFC 9110 §9.3.7 for OPTIONS, §15.5.6 for what is not allowed.
pub(super) fn methods(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let allowed = HeaderValue::from_static("GET, HEAD, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// The same page by HTTPS. Temporary, and kept by nobody: the primary may decide otherwise.
pub(super) fn to_https(host: &str, target: &str) -> Response {
    let mut response = plain(
        StatusCode::TEMPORARY_REDIRECT,
        "This site is served by HTTPS.\n",
    );
    if let Ok(location) = HeaderValue::try_from(format!("https://{host}{target}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A plain answer of one line, kept by nobody.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()).into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
