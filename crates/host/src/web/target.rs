//! Whom a request is for (RFC 9110 §7.2, RFC 9112 §3.2 and §3.3, RFC 9113 §8.3.1). Pure.

use http::request::Parts;
use http::{Method, Version, header};

/// The longest host name in text form (RFC 1035 §2.3.4).
const LONGEST: usize = 253;

/// A host name: lower case, without port and without the trailing dot. Lives on the stack.
#[derive(Clone, Copy)]
pub(super) struct HostName {
    bytes: [u8; LONGEST],
    length: u8,
}

/// What is asked, once it is clear whom.
#[allow(clippy::large_enum_variant)] // lives on the stack for a moment; a box would cost more
pub(super) enum Target {
    /// A page of this host.
    Page(HostName),
    /// `OPTIONS *`: the server as a whole.
    Server,
    /// A tunnel.
    Tunnel,
}

/// The request does not say whom it is for, or says it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ambiguous;

impl HostName {
    /// As text.
    pub(super) fn as_str(&self) -> &str {
        let bytes = self
            .bytes
            .get(..usize::from(self.length))
            .unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// From an authority: `host`, `host:port`, `[v6]:port`. Nothing is decoded: a name that needs
    /// percent signs is none of ours.
    fn parse(authority: &[u8]) -> Option<Self> {
        let host = without_port(authority)?;
        let host = host.strip_suffix(b".").unwrap_or(host);
        if host.is_empty() || host.len() > LONGEST {
            return None;
        }
        let mut name = Self {
            bytes: [0; LONGEST],
            length: u8::try_from(host.len()).ok()?,
        };
        for (to, from) in name.bytes.iter_mut().zip(host) {
            let fits = from.is_ascii_alphanumeric() || b"-._:[]".contains(from);
            if !fits {
                return None;
            }
            *to = from.to_ascii_lowercase();
        }
        Some(name)
    }
}

fn without_port(authority: &[u8]) -> Option<&[u8]> {
    let end = match authority.first()? {
        b'[' => authority.iter().position(|byte| *byte == b']')? + 1,
        _ => authority
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let bracketed = host.first() == Some(&b'[');
    if !bracketed && host.iter().any(|byte| b"[]:".contains(byte)) {
        return None;
    }
    match port.split_first() {
        None => Some(host),
        // RFC 3986 §3.2.3: the port may be empty.
        Some((b':', digits)) if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {
            Some(host)
        }
        Some(_) => None,
    }
}

/// Whom the request is for.
pub(super) fn target(head: &Parts) -> Result<Target, Ambiguous> {
    if head.method == Method::CONNECT {
        return Ok(Target::Tunnel);
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let field = hosts.next();
    // RFC 9112 §3.2: more than one Host, or none in HTTP/1.1, is answered with 400.
    if hosts.next().is_some() || (field.is_none() && head.version == Version::HTTP_11) {
        return Err(Ambiguous);
    }
    let field = match field {
        Some(value) => Some(HostName::parse(value.as_bytes()).ok_or(Ambiguous)?),
        None => None,
    };
    let authority = match head.uri.authority() {
        // RFC 9110 §4.2.4: user information in a request is a trap for people.
        Some(authority) => Some(HostName::parse(authority.as_str().as_bytes()).ok_or(Ambiguous)?),
        None => None,
    };
    let host = match (authority, field) {
        // RFC 9113 §8.3.1: two different names are malformed.
        (Some(authority), Some(field)) if head.version == Version::HTTP_2 => {
            match authority.as_str() == field.as_str() {
                true => authority,
                false => return Err(Ambiguous),
            }
        }
        // RFC 9112 §3.2.2: an absolute target wins over Host.
        (Some(authority), _) => authority,
        (None, Some(field)) => field,
        (None, None) => return Err(Ambiguous),
    };
    match head.uri.path() {
        "*" if head.method == Method::OPTIONS => Ok(Target::Server),
        path if path.starts_with('/') => Ok(Target::Page(host)),
        _ => Err(Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn ask(version: Version, uri: &str, hosts: &[&str]) -> Result<String, Ambiguous> {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        target(&head).map(|target| match target {
            Target::Page(host) => host.as_str().to_owned(),
            Target::Server => "*".to_owned(),
            Target::Tunnel => "tunnel".to_owned(),
        })
    }

    #[test]
    fn the_host_is_found_without_case_port_and_dot() {
        for host in [
            "verein.test",
            "VEREIN.Test:8443",
            "verein.test.",
            "verein.test.:80",
            "verein.test:",
        ] {
            assert_eq!(
                ask(Version::HTTP_11, "/", &[host]).as_deref(),
                Ok("verein.test"),
                "{host}"
            );
        }
        assert_eq!(
            ask(Version::HTTP_11, "/", &["[2001:DB8::7]:80"]).as_deref(),
            Ok("[2001:db8::7]")
        );
        assert_eq!(
            ask(Version::HTTP_10, "/", &["verein.test"]).as_deref(),
            Ok("verein.test")
        );
    }

    #[test]
    fn what_names_nobody_or_two_is_ambiguous() {
        let long = "a".repeat(254);
        for hosts in [
            &[][..],
            &["verein.test", "verein.test"],
            &[""],
            &["."],
            &["user@verein.test"],
            &["verein.test:80:80"],
            &["verein.test:x"],
            &["verein.test:123456"],
            &["verein%2etest"],
            &["ver ein.test"],
            &["verein.test/"],
            &["[::1"],
            &["verein.test, stadt.test"],
            &[long.as_str()],
        ] {
            assert_eq!(
                ask(Version::HTTP_11, "/", hosts),
                Err(Ambiguous),
                "{hosts:?}"
            );
        }
        assert_eq!(ask(Version::HTTP_10, "/", &[]), Err(Ambiguous));
    }

    #[test]
    fn an_absolute_target_wins_in_http_1_and_must_agree_in_http_2() {
        let uri = "http://verein.test/a";
        assert_eq!(
            ask(Version::HTTP_11, uri, &["stadt.test"]).as_deref(),
            Ok("verein.test")
        );
        assert_eq!(ask(Version::HTTP_11, uri, &[]), Err(Ambiguous));
        assert_eq!(ask(Version::HTTP_2, uri, &[]).as_deref(), Ok("verein.test"));
        assert_eq!(
            ask(Version::HTTP_2, uri, &["verein.test"]).as_deref(),
            Ok("verein.test")
        );
        assert_eq!(ask(Version::HTTP_2, uri, &["stadt.test"]), Err(Ambiguous));
        assert_eq!(
            ask(Version::HTTP_2, "http://user@verein.test/", &[]),
            Err(Ambiguous)
        );
    }
}
