//! The policy by which a domain says which hosts take its mail (MTA-STS, RFC 8461), read as a sender
//! reads it: the standby's name must be in it.

use bytes::Bytes;
use host::net::Net;
use host::tls::ClientTls;
use host::web::exchange;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use std::net::SocketAddr;
use std::time::Duration;

/// RFC 8461 section 3.3 lets a sender bound the policy; this one is as large as its example.
const MOST: usize = 64 << 10;
/// RFC 8461 section 3.3 recommends a minute; a person waits here.
const LIMIT: Duration = Duration::from_secs(10);
/// Patterns that are looked at.
const PATTERNS: usize = 100;

/// How much a sender is bound by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It must not deliver to others.
    Enforce,
    /// It delivers, and reports.
    Testing,
    /// Not at all.
    None,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How much it binds.
    pub mode: Mode,
    /// Patterns of hosts, lower case.
    patterns: Vec<String>,
}

/// Why a policy could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Nobody was reached.
    #[error("it cannot be reached over HTTPS with a valid certificate")]
    Unreachable(#[from] std::io::Error),
    /// No HTTP.
    #[error("the server's answer")]
    Exchange(#[from] host::web::ExchangeError),
    /// RFC 8461 section 3.3: only 200 counts, and redirects are not followed.
    #[error("the server answers {0}")]
    Status(StatusCode),
    /// No policy.
    #[error("no policy of version STSv1 with a mode")]
    Malformed,
    /// The name cannot stand in a request.
    #[error("the name cannot be asked for")]
    Name(#[from] http::Error),
    /// Nobody answered in time.
    #[error("no answer within {} s", LIMIT.as_secs())]
    Late,
}

impl Policy {
    /// Reads a policy file (RFC 8461 section 3.2); unknown fields are passed over.
    pub fn parse(text: &str) -> Option<Self> {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let fields: Vec<_> = fields
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        let first = |wanted: &str| {
            fields
                .iter()
                .find(|(key, _)| *key == wanted)
                .map(|one| one.1)
        };
        if first("version") != Some("STSv1") {
            return None;
        }
        let mode = match first("mode")? {
            "enforce" => Mode::Enforce,
            "testing" => Mode::Testing,
            "none" => Mode::None,
            _ => return None,
        };
        let patterns = fields.iter().filter(|(key, _)| *key == "mx").take(PATTERNS);
        Some(Self {
            mode,
            patterns: patterns.map(|one| one.1.to_ascii_lowercase()).collect(),
        })
    }

    /// Whether a sender may deliver to `host` (lower case, without the final dot).
    pub fn lists(&self, host: &str) -> bool {
        self.patterns.iter().any(|pattern| {
            let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
            // RFC 8461 section 4.1: the star stands for exactly one label, the leftmost.
            match pattern.strip_prefix("*.") {
                Some(rest) => host
                    .split_once('.')
                    .is_some_and(|(_, parent)| parent == rest),
                None => pattern == host,
            }
        })
    }

    /// Fetches the policy of `domain` from its policy host at `address`.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub async fn fetch(
        net: Net,
        tls: &ClientTls,
        domain: &str,
        address: SocketAddr,
    ) -> Result<Self, PolicyError> {
        let fetching = Box::pin(fetch(net, tls, domain, address));
        match tokio::time::timeout(LIMIT, fetching).await {
            Ok(policy) => policy,
            Err(_) => Err(PolicyError::Late),
        }
    }
}

async fn fetch(
    net: Net,
    tls: &ClientTls,
    domain: &str,
    address: SocketAddr,
) -> Result<Policy, PolicyError> {
    let host = format!("mta-sts.{domain}");
    let request = Request::get("/.well-known/mta-sts.txt")
        .header(header::HOST, &host)
        .body(Full::new(Bytes::new()))?;
    let stream = net.connect(address).await?;
    let stream = tls.offering(&[b"http/1.1"]).connect(&host, stream).await?;
    let answered = exchange(stream, request, MOST).await?;
    if answered.status != StatusCode::OK {
        return Err(PolicyError::Status(answered.status));
    }
    Policy::parse(&String::from_utf8_lossy(&answered.body)).ok_or(PolicyError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_lists_hosts_and_stars() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: mail.verein.test\r\nmx:*.Standby.test.\r\n\
            max_age: 604800\r\nsomething: else\r\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        for (host, listed) in [
            ("mail.verein.test", true),
            ("mx2.verein.test", false),
            ("oslo.standby.test", true),
            ("a.oslo.standby.test", false),
            ("standby.test", false),
        ] {
            assert_eq!(policy.lists(host), listed, "{host}");
        }
    }

    #[test]
    fn what_is_no_policy_is_none() {
        for text in [
            "",
            "<html>",
            "version: STSv2\nmode: enforce\n",
            "version: STSv1\nmx: a.test\n",
            "version: STSv1\nmode: perhaps\n",
        ] {
            assert_eq!(Policy::parse(text), None, "{text}");
        }
        let none = Policy::parse("version: STSv1\nmode: none\nmax_age: 1\n").unwrap();
        assert_eq!((none.mode, none.lists("a.test")), (Mode::None, false));
    }
}
