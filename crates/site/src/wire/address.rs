//! Where a page lives: host name and request target, as the server sees them. RFC 3986, WHATWG URL.
//!
//! The capture resolves links to addresses; serving looks pages up by them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use url::Url;

/// A longer request target is no page of ours.
pub const LONGEST: usize = 2_048;

/// The address of a page. The scheme is not part of it: the copy is one for both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Lower case, no port.
    pub host: Arc<str>,
    /// Path and query as they go on the wire: `/news/?page=2`.
    pub target: Arc<str>,
}

impl Address {
    /// The address of `target` at `host`.
    pub fn new(host: &str, target: &str) -> Self {
        Self {
            host: Arc::from(host),
            target: Arc::from(target),
        }
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        path_of(&self.target)
    }

    /// The query without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// As a URL, for resolving links against it.
    pub fn url(&self) -> Option<Url> {
        Url::parse(&self.to_string()).ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.host, self.target)
    }
}

/// Which hosts belong to the site.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    hosts: BTreeSet<String>,
    port: Option<u16>,
}

/// Where a reference leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leads {
    /// To a page of the site.
    Inside(Address),
    /// To somebody else's host.
    Outside,
    /// Nowhere that can be fetched: `mailto:`, `data:`, nonsense.
    Nowhere,
}

impl Scope {
    /// The site under `hosts`; `port` is one more port (the primary's own) that counts as inside.
    pub fn new(hosts: &[String], port: Option<u16>) -> Self {
        Self {
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            port,
        }
    }

    /// Whether `host` is one of ours.
    pub fn has(&self, host: &str) -> bool {
        self.hosts.contains(host)
    }

    /// Where `reference`, found in a document at `base`, leads.
    pub fn resolve(&self, base: &Url, reference: &str) -> Leads {
        if reference.len() > 4 * LONGEST {
            return Leads::Nowhere;
        }
        match base.join(reference.trim()) {
            Ok(url) => self.leads(&url),
            Err(_) => Leads::Nowhere,
        }
    }

    fn leads(&self, url: &Url) -> Leads {
        if !matches!(url.scheme(), "http" | "https") {
            return Leads::Nowhere;
        }
        let Some(host) = url.host_str() else {
            return Leads::Nowhere;
        };
        // `port()` is `None` for the scheme's default port.
        let ours = url.port().is_none() || url.port() == self.port;
        if !ours || !self.has(host) {
            return Leads::Outside;
        }
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        if target.len() > LONGEST {
            return Leads::Nowhere;
        }
        let target = without_noise(&target).unwrap_or(Cow::Borrowed(&target));
        Leads::Inside(Address::new(host, &target))
    }
}

/// The part of a request target before the query.
pub fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// Query keys that name a visit or a newsletter, not a page.
const NOISE: &[&str] = &[
    "aspsessionid",
    "cfid",
    "cftoken",
    "dclid",
    "fbclid",
    "gbraid",
    "gclid",
    "igshid",
    "jsessionid",
    "mc_cid",
    "mc_eid",
    "msclkid",
    "oscsid",
    "phpsessid",
    "session_id",
    "sessionid",
    "wbraid",
];

fn is_noise(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    NOISE.contains(&key.as_str())
        || key.starts_with("utm_")
        || key.starts_with("pk_")
        || key.starts_with("mtm_")
        || key.starts_with("aspsessionid")
}

/// The target without session ids and campaign marks, if it has any.
///
/// The capture asks for the clean address, and serving falls back to it, so that the link in
/// yesterday's newsletter finds its page.
pub fn without_noise(target: &str) -> Option<Cow<'_, str>> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let bare = without_path_session(path);
    let Some(query) = query else {
        return bare.map(Cow::Owned);
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !is_noise(pair.split('=').next().unwrap_or(pair)))
        .collect();
    if bare.is_none() && kept.len() == query.split('&').count() {
        return None;
    }
    let path = bare.as_deref().unwrap_or(path);
    Some(Cow::Owned(match kept.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", kept.join("&")),
    }))
}

/// `/page;jsessionid=1A2B` → `/page`.
fn without_path_session(path: &str) -> Option<String> {
    const SESSION: &str = ";jsessionid=";
    let mut bare = String::new();
    let mut rest = path;
    while let Some(start) = rest.to_ascii_lowercase().find(SESSION) {
        bare.push_str(rest.get(..start)?);
        let after = rest.get(start + SESSION.len()..)?;
        rest = after
            .find([';', '/'])
            .map_or("", |end| after.get(end..).unwrap_or_default());
    }
    (rest.len() < path.len()).then(|| bare + rest)
}

/// The form of a target that all its RFC 3986 §6.2.2 equivalents share: unreserved characters
/// decoded, hexadecimal digits in capitals, dot segments removed.
pub fn canonical(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut out = remove_dots(&decode_unreserved(path));
    if let Some(query) = query {
        out.push('?');
        out.push_str(&decode_unreserved(query));
    }
    out
}

fn decode_unreserved(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let hex = rest
            .get(at + 1..at + 3)
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            // RFC 3986 §2.3: unreserved characters.
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
                rest = rest.get(at + 3..).unwrap_or_default();
            }
            Some(byte) => {
                out.push_str(&format!("%{byte:02X}"));
                rest = rest.get(at + 3..).unwrap_or_default();
            }
            None => {
                out.push_str("%25");
                rest = rest.get(at + 1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// All of RFC 3986 §2.1 undone once; what is no UTF-8 then is replaced.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let hex = after
            .get(..2)
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// RFC 3986 §5.2.4.
fn remove_dots(path: &str) -> String {
    let dotted = path.split('/').any(|segment| matches!(segment, "." | ".."));
    if !dotted || !path.starts_with('/') {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;
