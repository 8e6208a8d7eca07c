//! What TOML may say about the website of one organisation → what is true.
//!
//! The configuration reader of the binary hands over the table `[organisation.web]`; it reads the
//! key `return` itself, from the same table.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use host::config::Fields;
use model::OrganisationId;
use url::{Host, Url};

/// The website of one organisation.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// Whose.
    pub organisation: OrganisationId,
    /// The host names, lower case, at least one. The first is the one whose start page is judged.
    pub hosts: Vec<String>,
    /// Where the copy comes from.
    pub source: Source,
    /// A mark that a right start page bears.
    pub expect: Option<String>,
    /// The certificate for the hosts.
    pub certificate: Option<Certificate>,
    /// One more file of certificate authorities, for the primary alone.
    pub ca: Option<PathBuf>,
    /// How often the copy is renewed.
    pub refresh: Duration,
    /// What a capture may cost.
    pub capture: CaptureConfig,
    /// How many generations are kept.
    pub generations: usize,
    /// Who demands what is withheld, as a URL for `Link: rel="blocked-by"` (RFC 7725 §4).
    pub blocked_by: Option<String>,
}

/// Where the copy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The running site.
    Primary(Primary),
    /// Files on this machine.
    Folder(PathBuf),
}

/// Where the primary web server is connected: an address, never a name that could be steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primary {
    /// Whether by HTTPS.
    pub secure: bool,
    /// Address and port.
    pub address: SocketAddr,
}

impl Primary {
    /// Reads `https://198.51.100.80[:port]`.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let bare = matches!(url.path(), "" | "/") && url.query().is_none();
        let port = url.port_or_known_default()?;
        let ip: IpAddr = match url.host()? {
            Host::Ipv4(ip) => ip.into(),
            Host::Ipv6(ip) => ip.into(),
            Host::Domain(_) => return None,
        };
        (bare && url.username().is_empty()).then_some(Self {
            secure,
            address: SocketAddr::new(ip, port),
        })
    }
}

impl std::fmt::Display for Primary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// A certificate by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, PEM.
    pub chain: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// What a capture may cost, the primary and us.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptureConfig {
    /// At most so many requests a second.
    pub rate: u32,
    /// At most so many pages and files.
    pub pages: usize,
    /// At most so many bytes of bodies, before coding.
    pub bytes: u64,
    /// A larger file is left out.
    pub file: u64,
    /// Links are followed so far from the start page.
    pub depth: u16,
    /// A capture ends after so long.
    pub time: Duration,
    /// So long an answer, or the next piece of it, is waited for.
    pub patience: Duration,
    /// Whether robots.txt binds us. An organisation may lift it for its own copy.
    pub robots: bool,
    /// Path prefixes that are left out, beside what is left out anyway.
    pub exclude: Vec<String>,
    /// Whether pages are kept that the primary marks as private to their reader. The capture
    /// carries no cookies and no login: what it sees, anybody sees.
    pub marked_private: bool,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self {
            rate: 5,
            pages: 20_000,
            bytes: 2 << 30,
            file: 100 << 20,
            depth: 64,
            time: Duration::from_secs(30 * 60),
            patience: Duration::from_secs(20),
            robots: true,
            exclude: Vec::new(),
            marked_private: false,
        }
    }
}

/// The copy is renewed so often unless said otherwise.
const REFRESH: Duration = Duration::from_secs(15 * 60);
/// So many generations are kept unless said otherwise.
const GENERATIONS: u64 = 5;

impl WebConfig {
    /// Reads the table `[organisation.web]`. Every mistake is noted in `fields`; `None` if what is
    /// left makes no sense.
    pub fn read(fields: &Fields<'_>, organisation: OrganisationId) -> Option<Self> {
        let hosts = hosts(fields);
        let source = source(fields);
        let expect = fields.string("expect");
        if expect.as_deref().is_some_and(|mark| mark.trim().is_empty()) {
            fields.problem(
                "expect",
                "an empty mark is on every page; write some words of the page",
            );
        }
        let primary = matches!(source, Some(Source::Primary(_)));
        if primary && expect.is_none() {
            fields.warning(
                "expect",
                "without a mark, somebody else's page under your name is only told by how unlike \
                 it is; write some words that every right page bears",
            );
        }
        // Everything is read before anything is given up, so that every mistake is named.
        let capture = fields.table("capture").map(|fields| capture(&fields));
        let certificate = certificate(fields);
        let ca = fields.file("ca");
        let refresh = refresh(fields);
        let blocked_by = fields.parse("blocked_by", "a URL", |text| {
            Url::parse(text).ok().map(String::from)
        });
        let generations = fields.integer("generations", 1, 20).unwrap_or(GENERATIONS);
        Some(Self {
            organisation,
            hosts: hosts?,
            source: source?,
            expect: expect.filter(|mark| !mark.trim().is_empty()),
            certificate,
            ca,
            refresh,
            capture: capture.unwrap_or_default(),
            generations: generations.try_into().unwrap_or(1),
            blocked_by,
        })
    }
}

impl WebConfig {
    /// After so long without a good capture the copy is older than the refresh explains.
    pub fn stale_after(&self) -> Duration {
        self.refresh
            .saturating_mul(3)
            .saturating_add(self.capture.time)
    }
}

fn hosts(fields: &Fields<'_>) -> Option<Vec<String>> {
    if !fields.has("hosts") {
        fields.missing("hosts", "[\"verein.test\", \"www.verein.test\"]");
        return None;
    }
    let mut hosts = fields.each("hosts", "a host name like \"www.verein.test\"", host_name);
    let mut seen = std::collections::BTreeSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    if hosts.is_empty() {
        fields.problem("hosts", "name at least one host");
        return None;
    }
    Some(hosts)
}

/// A host name in the form in which it goes on the wire (RFC 3986 §3.2.2, IDNA).
fn host_name(text: &str) -> Option<String> {
    match Host::parse(text).ok()? {
        Host::Domain(name) if name.contains('.') => Some(name.trim_end_matches('.').to_owned()),
        _ => None,
    }
}

fn source(fields: &Fields<'_>) -> Option<Source> {
    const WANT: &str = "an address like \"https://198.51.100.80\" or \"http://[2001:db8::80]:8080\", \
        without a path; a name could be steered to ourselves";
    let primary = fields.parse("primary", WANT, Primary::parse);
    let folder = fields.path("folder");
    match (fields.has("primary"), folder) {
        (true, Some(_)) => {
            fields.problem("folder", "name a primary or a folder, not both");
            None
        }
        (true, None) => primary.map(Source::Primary),
        (false, Some(folder)) if folder.is_dir() => Some(Source::Folder(folder)),
        (false, Some(folder)) => {
            let shown = folder.display();
            fields.problem(
                "folder",
                format_args!("{shown} is not a folder that can be read"),
            );
            None
        }
        (false, None) if fields.has("folder") => None,
        (false, None) => {
            fields.missing("primary", "\"https://198.51.100.80\"");
            None
        }
    }
}

fn certificate(fields: &Fields<'_>) -> Option<Certificate> {
    let fields = fields.table("certificate")?;
    for (key, example) in [("chain", "\"fullchain.pem\""), ("key", "\"privkey.pem\"")] {
        if !fields.has(key) {
            fields.missing(key, example);
        }
    }
    let (chain, key) = (fields.file("chain"), fields.secret("key"));
    Some(Certificate {
        chain: chain?,
        key: key?,
    })
}

fn refresh(fields: &Fields<'_>) -> Duration {
    let refresh = fields.duration("refresh").unwrap_or(REFRESH);
    if refresh < Duration::from_secs(10) {
        fields.problem(
            "refresh",
            "more often than every 10s helps nobody; write \"15m\"",
        );
        return REFRESH;
    }
    refresh
}

fn capture(fields: &Fields<'_>) -> CaptureConfig {
    let default = CaptureConfig::default();
    let rate = fields.integer("rate", 1, 100);
    let pages = fields.integer("pages", 1, 200_000);
    let depth = fields.integer("depth", 1, 1_000);
    let bytes = |key| fields.parse(key, "a size like \"500MB\" or \"2GB\"", size);
    CaptureConfig {
        rate: rate
            .and_then(|it| it.try_into().ok())
            .unwrap_or(default.rate),
        pages: pages
            .and_then(|it| it.try_into().ok())
            .unwrap_or(default.pages),
        bytes: bytes("bytes").unwrap_or(default.bytes),
        file: bytes("file").unwrap_or(default.file),
        depth: depth
            .and_then(|it| it.try_into().ok())
            .unwrap_or(default.depth),
        time: bounded(fields, "time", default.time, LONGEST_CAPTURE),
        patience: bounded(fields, "patience", default.patience, LONGEST_PATIENCE),
        robots: fields.boolean("robots").unwrap_or(default.robots),
        exclude: fields.each("exclude", "a path prefix like \"/internal/\"", |text| {
            text.starts_with('/').then(|| text.to_owned())
        }),
        marked_private: fields
            .boolean("marked_private")
            .unwrap_or(default.marked_private),
    }
}

/// What a capture put is safe from being swept for an hour; it must have ended by then.
const LONGEST_CAPTURE: Duration = Duration::from_secs(45 * 60);
const LONGEST_PATIENCE: Duration = Duration::from_secs(5 * 60);

fn bounded(fields: &Fields<'_>, key: &'static str, default: Duration, most: Duration) -> Duration {
    let Some(span) = fields.duration(key) else {
        return default;
    };
    if span.is_zero() || span > most {
        let most = most.as_secs() / 60;
        fields.problem(
            key,
            format_args!("should be more than nothing and at most {most}m"),
        );
        return default;
    }
    span
}

/// `"500MB"`, `"2GB"`, `"64kB"`: powers of 1024.
fn size(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(at);
    let shift = match unit.trim() {
        "kB" | "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        _ => return None,
    };
    let size = count.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    (size > 0).then_some(size)
}

#[cfg(test)]
mod tests;
