//! Reverse and forward paths (RFC 5321 §4.1.2), with the limits of §4.5.3.1.
//!
//! While mail passes through, the primary's answer counts, and while it is kept, what Postfix takes
//! by default (`strict_rfc821_envelopes = no`). So more is read than the grammar knows: no angle
//! brackets, dots anywhere, the root's dot behind a domain; of a *sender* anything that cannot end
//! a line or a path. A *recipient* is read so that nobody else can see another domain in it: what
//! may be a way to be relayed is refused, however it is spelled. An address is said again as it was
//! said to us.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// RFC 5321 §4.5.3.1.1 says 64, and to take more where that can be: whether there is somebody of
/// a longer name the primary knows.
const LOCAL: usize = 900;
const DOMAIN: usize = 255;
/// RFC 5321 §4.5.3.1.3 says 256.
const PATH: usize = 1200;

/// A mailbox. The domain is lower case; a local part that needs quotes has them when shown, unless
/// it was said without.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    local: String,
    domain: String,
    spelling: Spelling,
}

/// How an address was said that the RFC would spell otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Spelling {
    /// Without quotes, though the local part needs them: `a..b@`.
    bare: bool,
    /// With the root's dot behind the domain.
    root: bool,
}

/// Who gets reports about a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// Nobody: the message is a report itself (RFC 5321 §4.5.5).
    Null,
    /// Somebody.
    Mailbox(Mailbox),
}

/// A path that was read, and what it said beside the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardPath {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// It named hosts to go through (RFC 5321 appendix C: a way to be relayed).
    pub routed: bool,
}

impl Mailbox {
    /// The local part, without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, lower case; empty for `postmaster` alone.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether SMTPUTF8 is needed for it (RFC 6531).
    pub fn needs_utf8(&self) -> bool {
        !self.local.is_ascii() || !self.domain.is_ascii()
    }

    /// Whether the local part is itself an address to be passed on to: `a%b`, `b!a`, `a@b`.
    pub fn looks_routed(&self) -> bool {
        self.local.contains(['%', '!', '@'])
    }

    /// The same without the root's dot: how it is kept, and looked for on disk later.
    #[must_use]
    pub fn without_root(mut self) -> Self {
        self.spelling.root = false;
        self
    }

    /// Reads `local@domain`, as it stands in a list; `postmaster` alone has no domain.
    pub fn parse(text: &str) -> Option<Self> {
        let (mailbox, rest) = mailbox(text)?;
        rest.is_empty().then_some(mailbox)
    }

    /// Anything that ends neither a line nor a path: of a sender nothing depends on what it means.
    fn raw(text: &str) -> Option<Self> {
        let safe = |c: char| !c.is_control() && !c.is_whitespace() && !"<>".contains(c);
        if text.is_empty() || text.len() > PATH || !text.chars().all(safe) {
            return None;
        }
        let parts = text
            .rsplit_once('@')
            .filter(|(_, domain)| !domain.is_empty());
        let (local, domain) = parts.unwrap_or((text, ""));
        Some(Self {
            local: local.to_owned(),
            domain: domain.to_owned(),
            spelling: Spelling {
                bare: true,
                root: false,
            },
        })
    }
}

/// What stands in angle brackets, or without them before the first space; and what follows.
fn between(text: &str) -> Option<(&str, &str)> {
    if let Some(inner) = text.strip_prefix('<') {
        let end = closing(inner)?;
        return Some((inner.get(..end)?, inner.get(end + 1..)?));
    }
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    Some(text.split_at(end))
}

/// Where a path ends: at the first `>` that does not stand in quotes, or at the first at all if the
/// quotes have no end.
fn closing(inner: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    inner.find('>')
}

impl ReversePath {
    /// Whether SMTPUTF8 is needed for it.
    pub fn needs_utf8(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Mailbox(mailbox) => mailbox.needs_utf8(),
        }
    }

    /// Reads a path; gives what follows it.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let (inner, rest) = between(text)?;
        if inner.is_empty() {
            // Nothing without brackets is nothing at all.
            return text.starts_with('<').then_some((Self::Null, rest));
        }
        Self::parse(inner).map(|path| (path, rest))
    }

    fn parse(inner: &str) -> Option<Self> {
        let understood = ForwardPath::parse(inner).map(|path| path.mailbox);
        understood
            .or_else(|| Mailbox::raw(inner))
            .map(Self::Mailbox)
    }

    /// The same without the root's dot.
    #[must_use]
    pub fn without_root(self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Mailbox(mailbox) => Self::Mailbox(mailbox.without_root()),
        }
    }
}

impl ForwardPath {
    /// Reads a path; gives what follows it.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let (inner, rest) = between(text)?;
        let path = Self::parse(inner)?;
        // RFC 5321 §4.5.1: postmaster needs no domain; whose another one's would be is not known.
        let whose = !path.mailbox.domain.is_empty()
            || path.mailbox.local.eq_ignore_ascii_case("postmaster");
        whose.then_some((path, rest))
    }

    fn parse(inner: &str) -> Option<Self> {
        if inner.len() > PATH {
            return None;
        }
        let (routed, inner) = match inner.strip_prefix('@').and_then(|way| way.split_once(':')) {
            // RFC 5321 §4.1.1.3: a source route is understood and not followed.
            Some((route, rest)) => {
                let hosts = route
                    .split(',')
                    .all(|host| is_domain(host.trim_start_matches('@')));
                (true, hosts.then_some(rest)?)
            }
            None => (false, inner),
        };
        let (mailbox, rest) = mailbox(inner)?;
        rest.is_empty().then_some(Self { mailbox, routed })
    }
}

/// Reads a mailbox off the front.
fn mailbox(text: &str) -> Option<(Mailbox, &str)> {
    let (local, rest, quoted) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (local, rest) = quoted_local(quoted)?;
            (local, rest, true)
        }
        None => {
            let end = text
                .find(|c: char| !is_atext(c) && c != '.')
                .unwrap_or(text.len());
            let (local, rest) = text.split_at(end);
            (local.to_owned(), rest, false)
        }
    };
    if local.len() > LOCAL {
        return None;
    }
    let mut spelling = Spelling {
        bare: !quoted && !is_dot_string(&local),
        root: false,
    };
    let Some(rest) = rest.strip_prefix('@') else {
        // RFC 5321 §4.5.1: postmaster needs no domain.
        let postmaster = local.eq_ignore_ascii_case("postmaster");
        let alone = Mailbox {
            local,
            domain: String::new(),
            spelling,
        };
        return postmaster.then_some((alone, rest));
    };
    let end = match rest.strip_prefix('[') {
        Some(literal) => literal.find(']')? + 2,
        None => rest
            .find(|c: char| {
                !(c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_' || !c.is_ascii())
            })
            .unwrap_or(rest.len()),
    };
    let (domain, rest) = rest.split_at(end);
    // What is kept is read back by the same rules: a literal stays as it was said, and a name is
    // looked at in the form in which it is kept.
    let literal = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
    let (right, domain) = match literal {
        Some(literal) => (is_literal(literal), domain.to_owned()),
        None => {
            let named = domain.strip_suffix('.');
            spelling.root = named.is_some();
            let named = named.unwrap_or(domain);
            let lower = named.to_lowercase();
            (is_domain(named) && is_domain(&lower), lower)
        }
    };
    let mailbox = Mailbox {
        local,
        domain,
        spelling,
    };
    right.then_some((mailbox, rest))
}

/// RFC 5321 §4.1.2: a local part that needs no quotes.
fn is_dot_string(local: &str) -> bool {
    local
        .split('.')
        .all(|part| !part.is_empty() && part.chars().all(is_atext))
}

/// RFC 5321 §4.1.2: what stands in quotes, with its backslashes taken off.
fn quoted_local(text: &str) -> Option<(String, &str)> {
    let mut local = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((local, text.get(at + 1..)?)),
            '\\' => {
                let (_, quoted) = characters.next()?;
                (quoted.is_ascii_graphic() || quoted == ' ').then(|| local.push(quoted))?;
            }
            c if c == ' ' || c.is_ascii_graphic() || !c.is_ascii() => local.push(c),
            _ => return None,
        }
        if local.len() > LOCAL {
            return None;
        }
    }
    None
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    !text.is_empty()
        && text.len() <= DOMAIN
        && text.chars().all(|c| {
            c.is_ascii_alphanumeric() || "-._".contains(c) || (!c.is_ascii() && c.is_alphanumeric())
        })
        && text.split('.').all(label)
}

/// RFC 5321 §4.1.3.
pub(super) fn is_literal(text: &str) -> bool {
    match text.strip_prefix("IPv6:") {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => text.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.spelling.bare || is_dot_string(&self.local) {
            f.write_str(&self.local)?;
        } else {
            f.write_str("\"")?;
            for character in self.local.chars() {
                if matches!(character, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{character}")?;
            }
            f.write_str("\"")?;
        }
        match (self.domain.as_str(), self.spelling.root) {
            ("", _) => Ok(()),
            (domain, false) => write!(f, "@{domain}"),
            (domain, true) => write!(f, "@{domain}."),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no mailbox"))
    }
}

impl Serialize for ReversePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReversePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self::Null);
        }
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no path"))
    }
}

#[cfg(test)]
mod tests;
