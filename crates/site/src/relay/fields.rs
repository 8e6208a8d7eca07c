//! Which header fields pass a relay, and what it adds: RFC 9110 §7.6, RFC 7239. Pure.

use std::net::IpAddr;

use host::web::Guest;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

/// Our name in Via. A request that bears it has been here.
const NAME: &str = "servergate";
const VIA: HeaderValue = HeaderValue::from_static("1.1 servergate");

/// RFC 9110 §7.6.1: meant for the next hop only. `Expect` too: each hop does its own.
const HOP: &[&str] = &[
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What proxies say of a guest to a server that believes them: where it comes from and how, which
/// page was meant, who was logged in, which certificate was shown. The primary may believe us, so
/// we say it ourselves or nobody does. `Proxy` is taken for a setting by CGI (CVE-2016-5385), the
/// last ones for orders by frameworks behind a proxy (CVE-2025-29927).
const FORGED: &[&str] = &[
    "ali-cdn-real-ip",
    "base-url",
    "cdn-src-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "forwarded-for",
    "front-end-https",
    "http-client-ip",
    "http-url",
    "proxy",
    "proxy-client-ip",
    "real-ip",
    "remote-addr",
    "remote-host",
    "request-uri",
    "true-client-ip",
    "true-client-port",
    "url-scheme",
    "wl-proxy-client-ip",
    "wl-proxy-ssl",
    "x-accel-mapping",
    "x-client-cert",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-connecting-ip",
    "x-envoy-external-address",
    "x-host",
    "x-https",
    "x-middleware-subrequest",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-real-port",
    "x-remote-addr",
    "x-remote-ip",
    "x-rewrite-url",
    "x-scheme",
    "x-sendfile-type",
    "x-ssl",
    "x-url-scheme",
];

/// The same, where there is a whole family of names.
const FORGED_FAMILIES: &[&str] = &[
    "remote-email",
    "remote-group",
    "remote-name",
    "remote-user",
    "ssl-client-",
    "x-auth-request-",
    "x-authentik-",
    "x-forwarded",
    "x-original-",
    "x-originating-",
    "x-remote-user",
    "x-ssl-client-",
    "x-webauth-",
];

/// Whether a guest's field does not pass. CGI and its heirs make `_` of everything that is neither
/// letter nor digit, and so take `X_Forwarded_For` for the field that we say ourselves (RFC 3875
/// §4.1.18). Names with other signs than `-` therefore pass nowhere.
fn is_forged(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.bytes().all(plain)
        || FORGED.contains(&name)
        || FORGED_FAMILIES
            .iter()
            .any(|family| name.starts_with(family))
}

/// Whether the request has been here before.
pub(crate) fn is_loop(headers: &HeaderMap) -> bool {
    let ours = |element: &str| {
        let mut words = element.split_ascii_whitespace();
        words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(NAME))
    };
    let lines = headers.get_all(header::VIA).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .any(|line| line.split(',').any(ours))
}

/// The fields of the request as the primary gets it. `authority` is what the guest asked for.
pub(super) fn request(asked: &HeaderMap, authority: HeaderValue, guest: Guest) -> HeaderMap {
    let named = named_by_connection(asked);
    let mut headers = HeaderMap::with_capacity(asked.len() + 6);
    for (name, value) in asked {
        let dropped = name == header::HOST
            || name == header::COOKIE
            || name == header::CONTENT_LENGTH
            || is_forged(name.as_str())
            || is_hop(name, &named);
        if !dropped {
            headers.append(name.clone(), value.clone());
        }
    }
    if let Some(cookie) = cookie(asked) {
        headers.insert(header::COOKIE, cookie);
    }
    let scheme = if guest.secure { "https" } else { "http" };
    let address = guest.address.ip().to_canonical();
    // RFC 7239 §6: an IPv6 address stands in brackets and quotes.
    let node = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("\"[{v6}]\""),
    };
    let forwarded = match authority.to_str() {
        Ok(host) => format!("for={node};host=\"{host}\";proto={scheme}"),
        Err(_) => format!("for={node};proto={scheme}"),
    };
    let fields = [
        ("forwarded", HeaderValue::try_from(forwarded).ok()),
        (
            "x-forwarded-for",
            HeaderValue::try_from(address.to_string()).ok(),
        ),
        ("x-forwarded-proto", Some(HeaderValue::from_static(scheme))),
        ("x-forwarded-host", Some(authority.clone())),
        ("host", Some(authority)),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.append(header::VIA, VIA);
    headers
}

/// RFC 9113 §8.2.3: HTTP/2 may split the cookies, HTTP/1.1 has them in one line.
fn cookie(asked: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = asked.get_all(header::COOKIE).iter();
    let (first, second) = (lines.next()?, lines.next());
    let Some(second) = second else {
        return Some(first.clone());
    };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    HeaderValue::try_from(joined).ok()
}

/// The fields of the answer as the guest gets it.
pub(super) fn answer(mut headers: HeaderMap) -> HeaderMap {
    let named = named_by_connection(&headers);
    for name in HOP {
        headers.remove(*name);
    }
    for name in named {
        headers.remove(name);
    }
    // It would lead guests to the primary's own address, past us and past the names.
    headers.remove("alt-svc");
    headers.append(header::VIA, VIA);
    headers
}

fn is_hop(name: &HeaderName, named: &[HeaderName]) -> bool {
    HOP.contains(&name.as_str()) || named.contains(name)
}

/// What `Connection` names is meant for this hop as well. Fields without which the answer would
/// be another one cannot be taken away like that.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    const KEPT: &[&str] = &[
        "host",
        "content-length",
        "cache-control",
        "authorization",
        "cookie",
    ];
    let mut named = Vec::new();
    for line in headers.get_all(header::CONNECTION) {
        for element in line.as_bytes().split(|byte| *byte == b',') {
            match HeaderName::from_bytes(element.trim_ascii()) {
                Ok(name) if !KEPT.contains(&name.as_str()) => named.push(name),
                _ => {}
            }
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(address: &str, secure: bool) -> Guest {
        Guest {
            address: address.parse().unwrap(),
            secure,
        }
    }

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn text(headers: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<_> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_request_loses_what_is_forged_or_for_this_hop_and_says_where_it_comes_from() {
        let asked = map(&[
            ("host", "evil.test"),
            ("accept", "text/html"),
            ("cookie", "a=b"),
            ("cookie", "c=d"),
            ("cookie", "e=f"),
            ("connection", "keep-alive, X-Secret, Cookie, host"),
            ("x-secret", "1"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("x-forwarded-for", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("proxy", "http://evil.test"),
            ("via", "1.0 cache"),
        ]);
        let host = HeaderValue::from_static("verein.test");
        let passed = request(&asked, host, guest("203.0.113.9:5", true));
        assert_eq!(
            text(&passed),
            [
                "accept: text/html",
                "cookie: a=b; c=d; e=f",
                "forwarded: for=203.0.113.9;host=\"verein.test\";proto=https",
                "host: verein.test",
                "via: 1.0 cache",
                "via: 1.1 servergate",
                "x-forwarded-for: 203.0.113.9",
                "x-forwarded-host: verein.test",
                "x-forwarded-proto: https",
            ]
        );
        let host = HeaderValue::from_static("verein.test:8080");
        let passed = request(&HeaderMap::new(), host, guest("[2001:db8::9]:5", false));
        let forwarded = "for=\"[2001:db8::9]\";host=\"verein.test:8080\";proto=http";
        assert_eq!(passed.get("forwarded").unwrap(), forwarded);
        let host = HeaderValue::from_static("verein.test");
        let mapped = request(
            &HeaderMap::new(),
            host,
            guest("[::ffff:192.0.2.1]:5", false),
        );
        assert_eq!(mapped.get("x-forwarded-for").unwrap(), "192.0.2.1");
    }

    #[test]
    fn nobody_else_says_what_a_primary_believes_of_its_proxy() {
        for forged in [
            "X_Forwarded_For",
            "x-forwarded_for",
            "X.Forwarded.For",
            "x!real!ip",
            "X-Forwarded-Prefix",
            "X-Forwarded-User",
            "X-Forwarded",
            "Front-End-Https",
            "Remote-User",
            "REMOTE_USER",
            "Remote-Groups",
            "X-Original-URL",
            "X-Rewrite-Url",
            "SSL-Client-Verify",
            "Client-Cert",
            "HTTPS_ON",
            "X-Middleware-Subrequest",
            "Fastly-Client-IP",
        ] {
            let mut asked = HeaderMap::new();
            let name = HeaderName::from_bytes(forged.as_bytes()).unwrap();
            asked.append(name, HeaderValue::from_static("192.0.2.66"));
            let host = HeaderValue::from_static("verein.test");
            let passed = request(&asked, host, guest("203.0.113.9:5", true));
            let text = text(&passed).join("\n");
            assert!(!text.contains("192.0.2.66"), "{forged}: {text}");
        }
        for kept in [
            "Accept",
            "Authorization",
            "Referer",
            "Sec-Fetch-Mode",
            "X-Csrf-Token",
            "X-Requested-With",
            "X-WP-Nonce",
            "X-HTTP-Method-Override",
            "X-Auth-Token",
        ] {
            assert!(!is_forged(&kept.to_ascii_lowercase()), "{kept}");
        }
    }

    #[test]
    fn an_answer_loses_what_is_for_this_hop() {
        let answered = map(&[
            ("content-type", "text/html"),
            ("set-cookie", "a=b"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("alt-svc", "h3=\":443\""),
            ("transfer-encoding", "chunked"),
        ]);
        let expected = [
            "content-type: text/html",
            "set-cookie: a=b",
            "via: 1.1 servergate",
        ];
        assert_eq!(text(&answer(answered)), expected);
    }

    #[test]
    fn our_own_mark_is_recognised_wherever_it_stands() {
        for (via, looped) in [
            ("1.1 servergate", true),
            ("1.0 cache, 1.1 Servergate (x)", true),
            ("HTTP/1.1 servergate", true),
            ("1.1 other", false),
            ("servergate", false),
            ("1.1 servergate.example", false),
        ] {
            assert_eq!(is_loop(&map(&[("via", via)])), looped, "{via}");
        }
        assert!(is_loop(&map(&[
            ("via", "1.0 a"),
            ("via", "1.1 servergate")
        ])));
    }
}
