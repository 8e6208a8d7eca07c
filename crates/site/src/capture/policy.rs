//! What becomes of an answer: kept, left out, taken for a failure, or a wish to be left alone. Pure.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A page: content, a redirect, or an honest error.
    Page,
    /// What we have is still right (304).
    Unchanged,
    /// Marked as private to its reader, or behind a login: never kept.
    Private,
    /// The primary asks us to wait, for so long if it says so.
    Wait(Option<Duration>),
    /// An error of the primary.
    Failed,
}

/// The fate of an answer. `marked_private` keeps what the primary marks as private.
pub(crate) fn fate(status: StatusCode, headers: &HeaderMap, marked_private: bool) -> Fate {
    match status.as_u16() {
        304 => return Fate::Unchanged,
        // RFC 6585 §4, RFC 9110 §15.6.4.
        429 | 503 => return Fate::Wait(retry_after(headers)),
        // We ask for no ranges and carry no login.
        206 | 401 | 407 => return Fate::Private,
        // RFC 7725: it stays what it is.
        451 => return Fate::Page,
        200..=299 | 400..=499 => {}
        300..=399 if headers.contains_key(header::LOCATION) => {}
        _ => return Fate::Failed,
    }
    let control = Control::of(headers);
    let visit = headers.contains_key(header::SET_COOKIE);
    // RFC 9111 §5.2.2.5 and §5.2.2.7.
    if !marked_private && (control.private || control.no_store && visit) {
        return Fate::Private;
    }
    Fate::Page
}

/// For how long an answer says of itself that it is fresh (RFC 9111 §4.2.1), if it does.
/// Never trusted for longer than a day, so that a mistake of the primary heals.
pub(crate) fn fresh_for(cache_control: &str, age: Option<&str>) -> Option<Duration> {
    let mut control = Control::default();
    control.read(cache_control);
    if control.no_cache || control.no_store {
        return None;
    }
    let age = age.and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    let seconds = control.shared.or(control.max_age)?.checked_sub(age)?;
    Some(Duration::from_secs(seconds.min(24 * 3600)))
}

#[derive(Debug, Default)]
struct Control {
    private: bool,
    no_store: bool,
    no_cache: bool,
    max_age: Option<u64>,
    shared: Option<u64>,
}

impl Control {
    fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for value in headers.get_all(header::CACHE_CONTROL) {
            control.read(&String::from_utf8_lossy(value.as_bytes()));
        }
        control
    }

    fn read(&mut self, value: &str) {
        for directive in value.split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            let number = || argument.trim().trim_matches('"').parse().ok();
            match name.trim().to_ascii_lowercase().as_str() {
                // `private="field"` speaks of a field only, which we do not keep apart: the whole.
                "private" => self.private = true,
                "no-store" => self.no_store = true,
                "no-cache" => self.no_cache = true,
                "max-age" => self.max_age = number(),
                "s-maxage" => self.shared = number(),
                _ => {}
            }
        }
    }
}

/// RFC 9110 §10.2.3, in seconds; a date says nothing to us but that we shall wait.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// What a body is, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// HTML, with links and words.
    Html,
    /// A style sheet.
    Css,
    /// A sitemap or a feed.
    Xml,
    /// A web application manifest.
    WebManifest,
    /// Anything else that is text, and worth compressing.
    Text,
    /// Images, films, archives.
    Binary,
}

/// What a body of this content type is.
pub(crate) fn form(content_type: &str) -> Form {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "text/html" | "application/xhtml+xml" => Form::Html,
        "text/css" => Form::Css,
        "application/manifest+json" => Form::WebManifest,
        "application/xml"
        | "text/xml"
        | "application/rss+xml"
        | "application/atom+xml"
        | "application/rdf+xml" => Form::Xml,
        "application/javascript"
        | "application/json"
        | "application/x-javascript"
        | "application/ld+json"
        | "application/wasm"
        | "application/vnd.ms-fontobject"
        | "image/svg+xml"
        | "image/x-icon"
        | "image/vnd.microsoft.icon"
        | "font/ttf"
        | "font/otf"
        | "image/bmp" => Form::Text,
        text if text.starts_with("text/") => Form::Text,
        other if other.ends_with("+xml") || other.ends_with("+json") => Form::Text,
        _ => Form::Binary,
    }
}

/// The images that a web application manifest names (W3C Web Application Manifest §1.6).
pub(crate) fn web_manifest_links(bytes: &[u8]) -> Vec<String> {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return Vec::new();
    };
    let lists = ["icons", "screenshots"]
        .into_iter()
        .filter_map(|key| value.get(key)?.as_array());
    let sources = lists
        .flatten()
        .filter_map(|image| image.get("src")?.as_str());
    let start = value.get("start_url").and_then(|url| url.as_str());
    sources.chain(start).take(100).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
