//! Reverse and forward paths (RFC 5321 §4.1.2), with the limits of §4.5.3.1.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// RFC 5321 §4.5.3.1.1 says 64, and to take more where that can be. COMPAT: VERP and SRS senders are longer.
const LOCAL: usize = 192;
const DOMAIN: usize = 255;
const PATH: usize = 256;

/// A mailbox. The domain is lower case; a local part that needs quotes has them when shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    local: String,
    domain: String,
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

    /// Reads `local@domain`, as it stands in a list; `postmaster` alone has no domain.
    pub fn parse(text: &str) -> Option<Self> {
        let (mailbox, rest) = mailbox(text)?;
        rest.is_empty().then_some(mailbox)
    }
}

impl ReversePath {
    /// Whether SMTPUTF8 is needed for it.
    pub fn needs_utf8(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Mailbox(mailbox) => mailbox.needs_utf8(),
        }
    }

    /// Reads a path in angle brackets; gives what follows it.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        if let Some(rest) = text.strip_prefix("<>") {
            return Some((Self::Null, rest));
        }
        let (path, rest) = ForwardPath::read(text)?;
        let named = !path.mailbox.domain.is_empty();
        named.then_some((Self::Mailbox(path.mailbox), rest))
    }
}

impl ForwardPath {
    /// Reads a path in angle brackets; gives what follows it.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let inner = text.strip_prefix('<')?;
        let (routed, inner) = match inner.strip_prefix('@') {
            // RFC 5321 §4.1.1.3: a source route is understood and not followed.
            Some(route) => {
                let (route, rest) = route.split_once(':')?;
                let hosts = route
                    .split(',')
                    .all(|host| is_domain(host.trim_start_matches('@')));
                (true, hosts.then_some(rest)?)
            }
            None => (false, inner),
        };
        let (mailbox, rest) = mailbox(inner)?;
        let rest = rest.strip_prefix('>')?;
        let short = text.len() - rest.len() <= PATH;
        short.then_some((Self { mailbox, routed }, rest))
    }
}

/// Reads a mailbox off the front.
fn mailbox(text: &str) -> Option<(Mailbox, &str)> {
    let (local, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted_local(quoted)?,
        None => {
            let end = text
                .find(|c: char| !is_atext(c) && c != '.')
                .unwrap_or(text.len());
            let (local, rest) = text.split_at(end);
            let dots = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
            (dots.then(|| local.to_owned())?, rest)
        }
    };
    if local.is_empty() || local.len() > LOCAL {
        return None;
    }
    let Some(rest) = rest.strip_prefix('@') else {
        // RFC 5321 §4.5.1: postmaster needs no domain.
        let postmaster = local.eq_ignore_ascii_case("postmaster");
        let domain = String::new();
        return postmaster.then_some((Mailbox { local, domain }, rest));
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
            let lower = domain.to_lowercase();
            (is_domain(domain) && is_domain(&lower), lower)
        }
    };
    right.then_some((Mailbox { local, domain }, rest))
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
        let plain = self
            .local
            .split('.')
            .all(|part| !part.is_empty() && part.chars().all(is_atext));
        if plain {
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
        match self.domain.as_str() {
            "" => Ok(()),
            domain => write!(f, "@{domain}"),
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
        let mailbox = Mailbox::parse(&text).map(Self::Mailbox);
        mailbox.ok_or_else(|| serde::de::Error::custom("no path"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<(String, bool)> {
        let (path, rest) = ForwardPath::read(text)?;
        rest.is_empty()
            .then(|| (path.mailbox.to_string(), path.routed))
    }

    #[test]
    fn paths_are_read_as_the_grammar_says() {
        let plain = |text: &str| Some((text.to_owned(), false));
        assert_eq!(read("<a.b+c@Verein.TEST>"), plain("a.b+c@verein.test"));
        assert_eq!(read("<\"a b\"@verein.test>"), plain("\"a b\"@verein.test"));
        assert_eq!(
            read("<\"a\\\"b\"@verein.test>"),
            plain("\"a\\\"b\"@verein.test")
        );
        assert_eq!(read("<\"ab\"@verein.test>"), plain("ab@verein.test"));
        assert_eq!(read("<Postmaster>"), plain("Postmaster"));
        assert_eq!(read("<a@[192.0.2.1]>"), plain("a@[192.0.2.1]"));
        assert_eq!(read("<müller@verein.test>"), plain("müller@verein.test"));
        let routed = Some(("c@d.test".to_owned(), true));
        assert_eq!(read("<@a.test,@b.test:c@d.test>"), routed);
        for wrong in [
            "a@b.test",
            "<a@b.test",
            "<a>",
            "<a@>",
            "<@b.test>",
            "<a@b..test>",
            "<a..b@c.test>",
            "<.a@c.test>",
            "<a b@c.test>",
            "<a@b@c.test>",
            "<a@[192.0.2]>",
            "<a@-b.test>",
            "<a\r\n@b.test>",
            "<\"a@b.test>",
            "<a@b.test>x",
            "<a\0@b.test>",
        ] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert!(read(&format!("<{}@b.test>", "a".repeat(190))).is_some());
        assert_eq!(read(&format!("<{}@b.test>", "a".repeat(193))), None);
        assert_eq!(read(&format!("<a@{}.test>", "b".repeat(64))), None);
    }

    #[test]
    fn what_was_accepted_is_read_back_from_the_disk() {
        for text in [
            "<a@[IPv6:2001:db8::1]>",
            "<a@[192.0.2.1]>",
            "<A@VEREIN.test>",
            "<a@\u{130}.test>",
        ] {
            let Some((path, _)) = ForwardPath::read(text) else {
                continue;
            };
            let json = serde_json::to_string(&path.mailbox).unwrap();
            assert_eq!(
                serde_json::from_str::<Mailbox>(&json).unwrap(),
                path.mailbox,
                "{text}"
            );
        }
        assert!(ForwardPath::read("<a@[IPv6:2001:db8::1]>").is_some());
    }

    #[test]
    fn ways_to_be_relayed_are_seen() {
        for text in [
            "a%b.test@verein.test",
            "b.test!a@verein.test",
            "\"a@b.test\"@verein.test",
        ] {
            assert!(Mailbox::parse(text).unwrap().looks_routed(), "{text}");
        }
        assert!(!Mailbox::parse("a+b@verein.test").unwrap().looks_routed());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(local in "[ -~]{1,40}", domain in "[a-z]{1,10}\\.test") {
            let mailbox = Mailbox { local, domain };
            let back = Mailbox::parse(&mailbox.to_string());
            prop_assert_eq!(back, Some(mailbox));
        }

        #[test]
        fn anything_is_read_without_panic(text in "\\PC{0,80}") {
            let _ = ForwardPath::read(&text);
            let _ = ReversePath::read(&text);
            let _ = Mailbox::parse(&text);
        }
    }
}
