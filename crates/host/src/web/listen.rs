//! What the configuration says about the web listeners.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// Where to listen, whom to believe, and how much to bear.
#[derive(Clone, Debug, Default)]
pub struct WebListen {
    /// Plain HTTP; port 0 takes a free one.
    pub http: Vec<SocketAddr>,
    /// HTTPS; port 0 takes a free one.
    pub https: Vec<SocketAddr>,
    /// Proxies of our own whose word about the guest's address is taken.
    pub trusted_proxies: Vec<Network>,
    /// Whether trusted proxies begin each connection with the PROXY protocol (version 1 or 2).
    pub proxy_protocol: bool,
    /// Bounds.
    pub limits: WebLimits,
}

/// How much the web listeners bear; each refusal is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebLimits {
    /// Connections at once. An idle one takes about 30 kB with TLS.
    pub connections: usize,
    /// Connections at once from one network (/24 or /56).
    pub connections_per_network: usize,
    /// Requests in work at once, over all connections.
    pub requests: usize,
    /// Requests at once on one HTTP/2 connection. Guests take 100 for granted before they have heard
    /// (RFC 9113 §6.5.2).
    pub streams: u32,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Header fields of a request.
    pub headers: usize,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// For the TLS handshake, and for the PROXY header.
    pub handshake: Duration,
    /// For the first request of a connection to arrive with its whole head.
    pub first_request: Duration,
    /// Without a request in work a connection is ended after one to two times this.
    pub idle: Duration,
    /// A guest who waits for nothing but itself must move `stall_bytes` in this time.
    pub stall: Duration,
    /// See `stall`, for both directions.
    pub stall_bytes: u64,
    /// What runs may run for so long after the drain began.
    pub drain: Duration,
}

impl Default for WebLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_network: 256,
            requests: 2048,
            streams: 128,
            header_bytes: 32 * 1024,
            headers: 100,
            body_bytes: 64 * 1024 * 1024,
            handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(15),
            idle: Duration::from_secs(30),
            stall: Duration::from_secs(20),
            stall_bytes: 8 * 1024,
            drain: Duration::from_secs(20),
        }
    }
}

/// A network: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - u32::from(self.prefix);
                (ours.to_bits() ^ theirs.to_bits())
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128 - u32::from(self.prefix);
                (ours.to_bits() ^ theirs.to_bits())
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// Not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a network like \"192.0.2.0/24\" or an address")]
pub struct InvalidNetwork;

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| InvalidNetwork)?,
            None => longest,
        };
        if prefix > longest {
            return Err(InvalidNetwork);
        }
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_own_and_nobody_else() {
        for (network, address, inside) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                inside,
                "{network:?} {address}"
            );
        }
    }

    #[test]
    fn nonsense_is_no_network() {
        for text in [
            "",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "verein.test/24",
            "192.0.2.0/-1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }
}
