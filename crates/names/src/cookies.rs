//! DNS cookies (RFC 7873, RFC 9018): a guest that shows the cookie that we gave to its address is
//! really there. `desk` calls this for every question that brings one.

use std::net::IpAddr;

use domain::base::Serial;
use domain::base::opt::cookie::{ClientCookie, StandardServerCookie};
use model::Timestamp;

use crate::wire::Cookie;

/// RFC 9018 §4.3: older than an hour or from the future by more than five minutes, a cookie does not
/// count; after half an hour a new one is given.
const OLDEST: i64 = 3600;
const RENEWED: i64 = 1800;
const AHEAD: i64 = 300;

/// What a cookie proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It was given to this address not long ago.
    Valid,
    /// The guest has none of ours yet.
    New,
    /// It is not ours, not this guest's, or too old.
    Invalid,
}

/// The secret that makes cookies; a new one with every start, after which guests get new cookies.
pub(crate) struct Cookies([u8; 16]);

/// A secret is not printed.
impl std::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookies")
    }
}

impl Cookies {
    pub(crate) fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// Judges `cookie` of the guest at `peer`, and writes into it what is answered.
    pub(crate) fn judge(&self, cookie: &mut Cookie, peer: IpAddr, now: Timestamp) -> Proof {
        let peer = peer.to_canonical();
        let seconds = now.millis().div_euclid(1000);
        // RFC 1982: the time in a cookie wraps.
        let wrapped = u32::try_from(seconds.rem_euclid(1 << 32)).unwrap_or(0);
        let client = ClientCookie::from_octets(cookie.client);
        let make = |time: u32| {
            let made = StandardServerCookie::calculate(client, Serial(time), peer, &self.0);
            let mut octets = [0; 16];
            let parts = [1, 0, 0, 0].into_iter().chain(time.to_be_bytes());
            for (place, octet) in octets.iter_mut().zip(parts.chain(made.hash())) {
                *place = octet;
            }
            octets
        };
        let shown = cookie.server.filter(|shown| {
            let time = time(shown);
            // Only what we would have made ourselves counts, reserved octets included.
            make(time) == *shown
        });
        let age = shown.map(|shown| {
            let [a, b, c, d] = wrapped.wrapping_sub(time(&shown)).to_be_bytes();
            i64::from(i32::from_be_bytes([a, b, c, d]))
        });
        let valid = age.is_some_and(|age| (-AHEAD..=OLDEST).contains(&age));
        cookie.answer = match (shown, age) {
            (Some(shown), Some(age)) if valid && age <= RENEWED => Some(shown),
            _ => Some(make(wrapped)),
        };
        match (valid, cookie.has_server) {
            (true, _) => Proof::Valid,
            (false, true) => Proof::Invalid,
            (false, false) => Proof::New,
        }
    }
}

fn time(server: &[u8; 16]) -> u32 {
    let [_, _, _, _, a, b, c, d, ..] = *server;
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    fn octets<const N: usize>(hex: &str) -> [u8; N] {
        let mut out = [0; N];
        for (index, place) in out.iter_mut().enumerate() {
            *place = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).expect("hex");
        }
        out
    }

    fn cookie(client: &str, server: Option<&str>) -> Cookie {
        Cookie {
            client: octets(client),
            server: server.map(octets),
            has_server: server.is_some(),
            answer: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn judge(secret: &str, cookie: &mut Cookie, peer: &str, now: i64) -> Proof {
        Cookies::new(octets(secret)).judge(cookie, peer.parse().expect(peer), at(now))
    }

    /// RFC 9018 appendix A.
    #[test]
    fn cookies_are_those_of_the_standard() {
        // A.1: learning a new server cookie.
        let mut new = cookie("2464c4abcf10c957", None);
        let proof = judge(SECRET, &mut new, "198.51.100.100", 1_559_731_985);
        assert_eq!(proof, Proof::New);
        assert_eq!(new.answer, Some(octets("010000005cf79f111f8130c3eee29480")));
        // A.2: the same client, forty minutes later: renewed.
        let mut old = cookie("2464c4abcf10c957", Some("010000005cf79f111f8130c3eee29480"));
        let proof = judge(SECRET, &mut old, "198.51.100.100", 1_559_734_385);
        assert_eq!(proof, Proof::Valid);
        assert_eq!(old.answer, Some(octets("010000005cf7a871d4a564a1442aca77")));
        // A.4: IPv6, and a new secret.
        let (before, after) = (
            "dd3bdf9344b678b185a6f5cb60fca715",
            "445536bcd2513298075a5d379663c962",
        );
        let mut six = cookie("22681ab97d52c298", Some("010000005cf7c57926556bd0934c72f8"));
        let proof = judge(
            before,
            &mut six,
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            1_559_741_961,
        );
        assert_eq!(proof, Proof::Valid);
        let mut six = cookie("22681ab97d52c298", Some("010000005cf7c57926556bd0934c72f8"));
        let proof = judge(
            after,
            &mut six,
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            1_559_741_961,
        );
        assert_eq!(proof, Proof::Invalid);
        assert_eq!(six.answer, Some(octets("010000005cf7c609a6bb79d16625507a")));
    }

    #[test]
    fn a_cookie_counts_at_its_address_and_for_an_hour() {
        let (client, peer, now) = ("2464c4abcf10c957", "198.51.100.100", 1_559_731_985);
        let server = "010000005cf79f111f8130c3eee29480";
        let judged =
            |client, peer, now| judge(SECRET, &mut cookie(client, Some(server)), peer, now);
        assert_eq!(judged(client, peer, now), Proof::Valid);
        assert_eq!(judged(client, "::ffff:198.51.100.100", now), Proof::Valid);
        assert_eq!(judged(client, "198.51.100.101", now), Proof::Invalid);
        assert_eq!(judged("2464c4abcf10c958", peer, now), Proof::Invalid);
        assert_eq!(judged(client, peer, now + 3600), Proof::Valid);
        assert_eq!(judged(client, peer, now + 3601), Proof::Invalid);
        assert_eq!(judged(client, peer, now - 300), Proof::Valid);
        assert_eq!(judged(client, peer, now - 301), Proof::Invalid);
        // Within half an hour it stays the same.
        let mut same = cookie(client, Some(server));
        judge(SECRET, &mut same, peer, now + 1800);
        assert_eq!(same.answer, same.server);
    }
}
