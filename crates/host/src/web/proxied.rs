//! What our own proxies say about the guest: the PROXY protocol (versions 1 and 2, haproxy
//! `proxy-protocol.txt`) and X-Forwarded-For. Pure; called by the connection's opening only for
//! peers that the configuration names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

use super::listen::Network;

/// §2.2: every header of version 2 begins so.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// §2.1: the longest header of version 1, with its end of line.
const LONGEST_V1: usize = 107;
/// Addresses and extensions of version 2; senders stay far below.
const LONGEST_V2: usize = 1024;
/// What a reader must have room for.
pub(super) const LONGEST: usize = 16 + LONGEST_V2;

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// The beginning of a header; more is needed.
    Partial,
    /// A whole header of `length` bytes.
    Header {
        length: usize,
        /// The guest; `None` if the proxy speaks for itself or does not know.
        guest: Option<SocketAddr>,
    },
    /// No header.
    Malformed,
}

/// Reads the header at the start of `bytes`.
pub(super) fn opening(bytes: &[u8]) -> Opening {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes.get(..common) == SIGNATURE.get(..common) {
        return version_2(bytes);
    }
    version_1(bytes)
}

fn version_1(bytes: &[u8]) -> Opening {
    const START: &[u8] = b"PROXY ";
    let common = bytes.len().min(START.len());
    if bytes.get(..common) != START.get(..common) {
        return Opening::Malformed;
    }
    let window = bytes.get(..bytes.len().min(LONGEST_V1)).unwrap_or(bytes);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return match bytes.len() < LONGEST_V1 {
            true => Opening::Partial,
            false => Opening::Malformed,
        };
    };
    let line = window
        .get(..end)
        .and_then(|line| std::str::from_utf8(line).ok());
    match line.and_then(line_1) {
        Some(guest) => Opening::Header {
            length: end + 2,
            guest,
        },
        None => Opening::Malformed,
    }
}

/// `PROXY TCP4 source destination port port`; the outer `None` is malformed.
fn line_1(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        // §2.1: the rest of the line is to be ignored.
        return Some(None);
    }
    let source: IpAddr = words.next()?.parse().ok()?;
    let _destination: IpAddr = words.next()?.parse().ok()?;
    let port: u16 = words.next()?.parse().ok()?;
    let _port: u16 = words.next()?.parse().ok()?;
    let fits = match family {
        "TCP4" => source.is_ipv4(),
        "TCP6" => source.is_ipv6(),
        _ => false,
    };
    (fits && words.next().is_none()).then_some(Some(SocketAddr::new(source, port)))
}

fn version_2(bytes: &[u8]) -> Opening {
    let Some((&[command, family, high, low], rest)) = bytes
        .get(SIGNATURE.len()..)
        .and_then(|rest| rest.split_first_chunk::<4>())
    else {
        return Opening::Partial;
    };
    let announced = usize::from(u16::from_be_bytes([high, low]));
    if announced > LONGEST_V2 || command >> 4 != 2 {
        return Opening::Malformed;
    }
    let Some(body) = rest.get(..announced) else {
        return Opening::Partial;
    };
    let guest = match (command & 0x0f, family) {
        // §2.2: LOCAL is the proxy's own check; the addresses are to be ignored.
        (0, _) | (1, 0x00) => Some(None),
        (1, 0x11) => source_v4(body).map(Some),
        (1, 0x21) => source_v6(body).map(Some),
        _ => None,
    };
    match guest {
        Some(guest) => Opening::Header {
            length: 16 + announced,
            guest,
        },
        None => Opening::Malformed,
    }
}

fn source_v4(body: &[u8]) -> Option<SocketAddr> {
    let (source, rest) = body.split_first_chunk::<4>()?;
    let (_destination, rest) = rest.split_first_chunk::<4>()?;
    let (ports, _) = rest.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([ports[0], ports[1]]);
    Some(SocketAddr::new(Ipv4Addr::from(*source).into(), port))
}

fn source_v6(body: &[u8]) -> Option<SocketAddr> {
    let (source, rest) = body.split_first_chunk::<16>()?;
    let (_destination, rest) = rest.split_first_chunk::<16>()?;
    let (ports, _) = rest.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([ports[0], ports[1]]);
    Some(SocketAddr::new(Ipv6Addr::from(*source).into(), port))
}

/// The guest behind a trusted proxy: the last address in X-Forwarded-For that is no proxy of
/// ours. What stands before it was written by the guest and is worth nothing.
pub(super) fn forwarded_for(headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let mut known = None;
    let lines = headers.get_all("x-forwarded-for").iter();
    // A guest may send many lines; the proxy's own is the last one, so all are read from the end.
    for line in lines.rev() {
        let Ok(line) = line.to_str() else {
            return known;
        };
        for entry in line.rsplit(',') {
            let Some(address) = address(entry.trim()) else {
                return known;
            };
            known = Some(address);
            if !trusted.iter().any(|network| network.contains(address)) {
                return known;
            }
        }
    }
    known
}

/// Whether the proxy says that the guest came by HTTPS.
pub(super) fn forwarded_secure(headers: &HeaderMap) -> Option<bool> {
    let last = headers.get_all("x-forwarded-proto").iter().next_back()?;
    let word = last.to_str().ok()?.rsplit(',').next()?.trim();
    match word {
        _ if word.eq_ignore_ascii_case("https") => Some(true),
        _ if word.eq_ignore_ascii_case("http") => Some(false),
        _ => None,
    }
}

/// `192.0.2.7`, `192.0.2.7:1234`, `2001:db8::7`, `[2001:db8::7]:1234`.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = || entry.parse::<IpAddr>().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|both| both.ip());
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare().or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests;
