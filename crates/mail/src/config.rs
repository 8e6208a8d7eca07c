//! What TOML may say about the mail of one organisation → what is true.
//!
//! The configuration reader of the binary hands over the table `[organisation.mail]`; it reads the
//! keys `return`, `clean` and `stage` itself, from the same table.

mod notices;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use host::config::Fields;
use host::outbound::Shares;
use host::tls::SpkiHash;
use model::OrganisationId;

use crate::recipients::DomainRules;

pub use crate::client::Protocol;
pub use notices::Notices;

/// Everything the part works with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where guests are heard.
    pub listen: Vec<SocketAddr>,
    /// Our name: in the greeting, in trace fields, in results of checks.
    pub name: String,
    /// What holds for all organisations.
    pub general: General,
    /// Who answers DNS questions; the machine's resolver if nothing is said.
    pub resolver: Option<SocketAddr>,
    /// Every organisation that has mail.
    pub organisations: Vec<MailConfig>,
}

/// `[mail]`: what holds for all organisations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct General {
    /// Bounds on guests.
    pub limits: Limits,
    /// The spam filter that is asked about what is kept.
    pub rspamd: Option<SocketAddr>,
}

/// Bounds on guests, the same for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub guests: usize,
    /// Connections at once from one network.
    pub guests_per_network: usize,
    /// Messages that one network may leave in an hour.
    pub messages_per_network: u64,
    /// A larger message is refused, in bytes.
    pub message: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            guests: 6000,
            guests_per_network: 100,
            messages_per_network: 10_000,
            message: 50 << 20,
        }
    }
}

/// The mail of one organisation.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Whose.
    pub organisation: OrganisationId,
    /// The domains whose mail is taken, lower case.
    pub domains: Vec<String>,
    /// The name under which the standby stands in the MX records.
    pub mx: Option<String>,
    /// The primary.
    pub primary: NextHop,
    /// What senders hear while the primary lives.
    pub gate: Gate,
    /// Who exists.
    pub people: People,
    /// At most so many bytes are kept; `None`: as many as the disk holds above its reserve.
    pub quota: Option<u64>,
    /// Connections over which is handed back, at the most.
    pub lanes: usize,
    /// Connections to the primary at once, at the most, with those of the probe.
    pub connections: usize,
    /// How long a guest waits for one of them before hearing that there is none.
    pub place: Duration,
    /// The certificate that guests are shown, for the MX name.
    pub certificate: Option<Certificate>,
    /// What is told to senders, and when a person is reminded.
    pub notices: Notices,
}

/// Where mail is passed on and handed back to: an address, never a name that could be steered.
#[derive(Clone, Debug, PartialEq)]
pub struct NextHop {
    /// Address and port.
    pub address: SocketAddr,
    /// The name in its certificate, and how people call it.
    pub name: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// How its certificate is looked at.
    pub trust: Trust,
    /// One more file of certificate authorities, for the primary alone.
    pub ca: Option<PathBuf>,
    /// Whether it is told the true client where it offers that (XCLIENT).
    pub xclient: bool,
}

/// How a next hop's certificate is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's will do, and clear text where TLS is not offered (RFC 7435).
    Opportunistic,
    /// It bears the name and leads to an authority.
    Verified,
    /// Its key is one of these.
    Pinned(Vec<SpkiHash>),
}

/// What senders hear while the primary lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// What the primary says: cut-through.
    #[default]
    Through,
    /// `451`: go to the primary.
    Later,
}

/// Who exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// Rules of each domain.
    pub domains: BTreeMap<String, DomainRules>,
    /// So long a list is believed to be whole.
    pub fresh: Duration,
    /// Whether mail for unknown recipients is kept rather than refused or deferred.
    pub keep_unknown: bool,
}

/// A certificate by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, PEM.
    pub chain: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// How long an imported list is believed to be whole.
const FRESH: Duration = Duration::from_secs(30 * 24 * 3600);

impl General {
    /// Reads `[mail]`.
    pub fn read(fields: Option<&Fields<'_>>) -> Self {
        let Some(fields) = fields else {
            return Self::default();
        };
        let want = "an address like \"127.0.0.1\" or \"127.0.0.1:11333\", never a name";
        Self {
            limits: Limits::read(fields),
            rspamd: fields.parse("rspamd", want, |text| address(text, RSPAMD)),
        }
    }
}

/// The port of rspamd's normal worker.
const RSPAMD: u16 = 11333;
/// A message passes in well under a second, so whoever sends many at once has its turn within this.
/// A sender waits minutes for the answer to RCPT (RFC 5321 §4.5.3.2.3).
const PLACE: Duration = Duration::from_secs(15);

/// `198.51.100.25`, or with another port than the usual one.
fn address(text: &str, port: u16) -> Option<SocketAddr> {
    let alone = |ip: IpAddr| SocketAddr::new(ip, port);
    text.parse().ok().or_else(|| text.parse().ok().map(alone))
}

impl Limits {
    fn read(fields: &Fields<'_>) -> Self {
        let mut limits = Self::default();
        let count = |key, from| fields.integer(key, from, 1_000_000);
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(most) = count("guests", 10) {
            limits.guests = whole(most);
        }
        if let Some(most) = count("guests_per_network", 1) {
            limits.guests_per_network = whole(most);
        }
        if let Some(most) = fields.integer("messages_per_network", 1, 1_000_000_000) {
            limits.messages_per_network = most;
        }
        if let Some(size) = fields.parse("message", SIZE, size) {
            limits.message = size;
        }
        limits
    }
}

const SIZE: &str = "a size like \"50 MB\" or \"10 GB\"";

/// `50 MB`, `10 GB`, `65536`.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: u64 = digits.parse().ok()?;
    let factor = match text.get(digits.len()..)?.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor).filter(|size| *size > 0)
}

impl MailConfig {
    /// Reads `[organisation.mail]` of the organisation with these domains; mistakes are noted.
    pub fn read(fields: &Fields<'_>, organisation: OrganisationId, own: &[String]) -> Option<Self> {
        let primary = NextHop::read(fields, own);
        let named = fields.each("domains", "a domain like \"verein.test\"", |text| {
            host_name(text).then(|| text.to_ascii_lowercase())
        });
        let domains = if named.is_empty() {
            own.to_vec()
        } else {
            named
        };
        let mx = fields.parse("mx", "a host name like \"mx2.verein.test\"", |text| {
            host_name(text).then(|| text.to_ascii_lowercase())
        });
        let gates = [("through", Gate::Through), ("451", Gate::Later)];
        let gate = fields.choice("gate", &gates).unwrap_or_default();
        let people = People::read(fields, &domains);
        let quota = fields.parse("quota", SIZE, size);
        let (connections, lanes) = connections(fields);
        let certificate = fields.table("certificate").and_then(|table| {
            let (chain, key) = (table.file("chain"), table.secret("key"));
            for name in ["chain", "key"] {
                if !table.has(name) {
                    table.missing(name, &format!("\"{name}.pem\""));
                }
            }
            Some(Certificate {
                chain: chain?,
                key: key?,
            })
        });
        Some(Self {
            organisation,
            domains,
            mx,
            primary: primary?,
            gate,
            people,
            quota,
            lanes,
            connections,
            place: PLACE,
            certificate,
            notices: Notices::read(fields),
        })
    }
}

/// Connections to the primary, and those of them over which is handed back.
fn connections(fields: &Fields<'_>) -> (usize, usize) {
    let count = |key, from, to, usual| {
        let number = fields.integer(key, from, to).unwrap_or(usual);
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    let all = count("primary_connections", 4, 1000, 20);
    let lanes = count("connections", 1, 64, 8);
    let kept = Shares::of(all, lanes).own();
    if kept < lanes && fields.has("connections") {
        let words =
            format_args!("of `primary_connections = {all}` only {kept} are for handing back");
        fields.warning("connections", words);
    }
    (all, lanes.min(kept))
}

impl NextHop {
    fn read(fields: &Fields<'_>, own: &[String]) -> Option<Self> {
        let want = "an address like \"198.51.100.25\" or \"198.51.100.25:25\", never a name";
        if !fields.has("primary") {
            fields.missing("primary", "\"198.51.100.25\"");
        }
        let protocols = [Protocol::Smtp, Protocol::Lmtp].map(|one| (one.name(), one));
        let protocol = fields.choice("protocol", &protocols).unwrap_or_default();
        let usual = protocol.usual_port();
        let address = fields.parse("primary", want, |text| address(text, usual));
        if address.is_some_and(|address| !protocol.fits(address.port())) {
            // RFC 2033 §5.
            let words =
                "LMTP is never spoken on port 25: name its own port, or `protocol = \"smtp\"`";
            fields.problem("primary", words);
        }
        let name = fields.parse("name", "a host name like \"mail.verein.test\"", |text| {
            host_name(text).then(|| text.to_ascii_lowercase())
        });
        let otherwise = || own.first().map(|domain| format!("mail.{domain}"));
        let ca = fields.file("ca");
        let kinds = "\"opportunistic\", \"verify\" or \"pin:SHA256\" (hexadecimal, of the key)";
        let trust = fields.parse("tls", kinds, |text| match text {
            "opportunistic" => Some(Trust::Opportunistic),
            "verify" => Some(Trust::Verified),
            _ => pins(text.strip_prefix("pin:")?).map(Trust::Pinned),
        });
        Some(Self {
            address: address?,
            name: name.or_else(otherwise).unwrap_or_default(),
            protocol,
            trust: trust.unwrap_or(Trust::Opportunistic),
            ca,
            xclient: fields.boolean("xclient").unwrap_or(true),
        })
    }
}

/// One or more fingerprints, separated by commas.
fn pins(text: &str) -> Option<Vec<SpkiHash>> {
    text.split(',').map(|pin| fingerprint(pin.trim())).collect()
}

/// 64 hexadecimal digits.
fn fingerprint(text: &str) -> Option<SpkiHash> {
    let mut hash = [0; 32];
    let whole = text.len() == 64 && text.is_ascii();
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    whole.then_some(SpkiHash(hash))
}

impl People {
    fn read(fields: &Fields<'_>, domains: &[String]) -> Self {
        let catch_all = fields.each("catch_all", "a domain like \"verein.test\"", |text| {
            let domain = text.to_ascii_lowercase();
            domains.contains(&domain).then_some(domain)
        });
        let delimiter = fields.parse(
            "delimiter",
            "one character like \"+\", or \"\" for none",
            |text| {
                let mut characters = text.chars();
                match (characters.next(), characters.next()) {
                    (one, None) => Some(one),
                    _ => None,
                }
            },
        );
        let delimiter = delimiter.unwrap_or(Some('+'));
        let rules = |domain: &String| {
            let rules = DomainRules {
                catch_all: catch_all.contains(domain),
                delimiter,
            };
            (domain.clone(), rules)
        };
        let unknown = [("refuse", false), ("keep", true)];
        Self {
            domains: domains.iter().map(rules).collect(),
            fresh: fields.duration("fresh").unwrap_or(FRESH),
            keep_unknown: fields.choice("unknown", &unknown).unwrap_or(false),
        }
    }
}

fn host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests;
