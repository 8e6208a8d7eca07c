//! Response rate limiting: one network does not get the same answer over UDP more often than so many
//! times a second, because whoever asks under a forged address makes us flood somebody else.
//!
//! The semantics are those of BIND and Knot: counted per /24 or /56 and per answer (name and type;
//! denials, referrals and what wildcards make per zone; errors together), and what is too much is
//! answered truncated, so that whoever is really there asks again over TCP. A guest with a valid
//! cookie is really there, and is not limited. `desk` calls this for every datagram.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use host::config::Fields;
use host::web::Network;
use model::Mono;

/// What `[names]` may say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How often one network gets one answer in a second; 0 does not limit.
    pub per_second: u32,
    /// Each so many answers over the limit is sent truncated, the others not at all; 1 drops none,
    /// 0 all.
    pub slip: u32,
    /// Networks that are not limited.
    pub exempt: Vec<Network>,
}

impl Default for RateLimit {
    /// Twenty a second, all others truncated; nobody can forge a loopback address from outside.
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1"];
        Self {
            per_second: 20,
            slip: 1,
            exempt: loopback.iter().filter_map(|net| net.parse().ok()).collect(),
        }
    }
}

impl RateLimit {
    /// Reads `[names]`.
    pub fn read(fields: Option<&Fields<'_>>) -> Self {
        let default = Self::default();
        let Some(fields) = fields else {
            return default;
        };
        let number = |key, most, default| match fields.integer(key, 0, most) {
            Some(number) => u32::try_from(number).unwrap_or(default),
            None => default,
        };
        let network = "an address or network like \"192.0.2.0/24\"";
        let mut exempt = default.exempt;
        exempt.extend::<Vec<Network>>(fields.each("exempt", network, |text| text.parse().ok()));
        Self {
            per_second: number("responses_per_second", 100_000, default.per_second),
            slip: number("slip", 10, default.slip),
            exempt,
        }
    }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category<'a> {
    /// Data that is there: one name and type.
    Answer { name: &'a [u8], rtype: u16 },
    /// Answers that a zone has without end: denials, referrals, what wildcards make.
    Endless { kind: u8, zone: &'a [u8] },
    /// Refusals and errors.
    Error,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Send,
    Truncate,
    Drop,
}

/// Buckets; each is eight bytes, and there are never more.
const BUCKETS: usize = 1 << 16;
/// Buckets that one key may lie in.
const WAYS: usize = 4;
/// Moments are counted in hundredths of a millisecond: 44 bits of them are five years.
const TICKS_PER_SECOND: u64 = 100_000;
const MOMENT_BITS: u32 = 44;
const MOMENT: u64 = (1 << MOMENT_BITS) - 1;

/// The table. Shared by all workers, without a lock: a race costs one answer too many.
#[derive(Debug)]
pub(crate) struct Limiter {
    settings: RateLimit,
    hash: RandomState,
    /// Above, a part of the key's hash; below, the moment at which its next answer is due. Whoever
    /// is so far ahead of that moment as a second's answers take is over the limit.
    buckets: Box<[AtomicU64]>,
    over: AtomicU32,
}

impl Limiter {
    pub(crate) fn new(settings: RateLimit) -> Self {
        let buckets = match settings.per_second {
            0 => 0,
            _ => BUCKETS,
        };
        Self {
            settings,
            hash: RandomState::new(),
            buckets: std::iter::repeat_with(AtomicU64::default)
                .take(buckets)
                .collect(),
            over: AtomicU32::new(0),
        }
    }

    /// Counts an answer of `category` to `peer`.
    pub(crate) fn pass(&self, now: Mono, peer: IpAddr, category: Category<'_>) -> Pass {
        if self.buckets.is_empty() || self.is_exempt(peer) || self.count(now, peer, category) {
            return Pass::Send;
        }
        match self.settings.slip {
            0 => Pass::Drop,
            slip if self
                .over
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(slip) =>
            {
                Pass::Truncate
            }
            _ => Pass::Drop,
        }
    }

    fn is_exempt(&self, peer: IpAddr) -> bool {
        self.settings.exempt.iter().any(|net| net.contains(peer))
    }

    /// Whether it is within the limit.
    fn count(&self, now: Mono, peer: IpAddr, category: Category<'_>) -> bool {
        let key = self.key(peer, category);
        let tag = key >> MOMENT_BITS;
        let first = usize::try_from(key & MOMENT).unwrap_or(0) % (BUCKETS / WAYS) * WAYS;
        let Some(ways) = self.buckets.get(first..first + WAYS) else {
            return true;
        };
        let now = moment(now);
        let step = TICKS_PER_SECOND / u64::from(self.settings.per_second);
        let load = |bucket: &AtomicU64| bucket.load(Ordering::Relaxed);
        let own = ways
            .iter()
            .find(|bucket| load(bucket) >> MOMENT_BITS == tag);
        // Where it has none, the one that has been quiet for longest makes room.
        let bucket = own.or_else(|| ways.iter().min_by_key(|bucket| load(bucket) & MOMENT));
        let Some(bucket) = bucket else { return true };
        let held = load(bucket);
        let due = match held >> MOMENT_BITS == tag {
            true => (held & MOMENT).max(now),
            false => now,
        };
        if due - now + step > TICKS_PER_SECOND {
            return false;
        }
        let next = tag << MOMENT_BITS | ((due + step) & MOMENT);
        let swap = Ordering::Relaxed;
        // Another worker was quicker: it counted one, and this one passes.
        let _ = bucket.compare_exchange(held, next, swap, swap);
        true
    }

    fn key(&self, peer: IpAddr, category: Category<'_>) -> u64 {
        let mut hasher = self.hash.build_hasher();
        match peer.to_canonical() {
            IpAddr::V4(v4) => hasher.write(v4.octets().get(..3).unwrap_or_default()),
            IpAddr::V6(v6) => hasher.write(v6.octets().get(..7).unwrap_or_default()),
        }
        match category {
            Category::Answer { name, rtype } => {
                hasher.write_u8(0);
                hasher.write_u16(rtype);
                hasher.write(name);
            }
            Category::Endless { kind, zone } => {
                hasher.write_u8(1);
                hasher.write_u8(kind);
                hasher.write(zone);
            }
            Category::Error => hasher.write_u8(2),
        }
        hasher.finish()
    }
}

fn moment(now: Mono) -> u64 {
    let ticks = now.since_anchor().as_micros() / 10;
    u64::try_from(ticks).unwrap_or(0) & MOMENT
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limiter(per_second: u32, slip: u32) -> Limiter {
        Limiter::new(RateLimit {
            per_second,
            slip,
            ..RateLimit::default()
        })
    }

    fn at(millis: u64) -> Mono {
        Mono::at(Duration::from_millis(1_000_000 + millis))
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    const WWW: Category<'_> = Category::Answer {
        name: b"\x03www\x04test\x00",
        rtype: 1,
    };

    fn sent(
        limiter: &Limiter,
        at: Mono,
        from: &str,
        category: Category<'_>,
        times: usize,
    ) -> usize {
        let passes = (0..times).map(|_| limiter.pass(at, peer(from), category));
        passes.filter(|pass| *pass == Pass::Send).count()
    }

    #[test]
    fn one_network_gets_one_answer_so_many_times_a_second() {
        let limiter = limiter(20, 1);
        assert_eq!(sent(&limiter, at(0), "192.0.2.1", WWW, 100), 20);
        // Its neighbours share that, other networks and other answers do not.
        assert_eq!(sent(&limiter, at(0), "192.0.2.200", WWW, 10), 0);
        assert_eq!(sent(&limiter, at(0), "::ffff:192.0.2.9", WWW, 10), 0);
        assert_eq!(sent(&limiter, at(0), "192.0.3.1", WWW, 10), 10);
        assert_eq!(sent(&limiter, at(0), "192.0.2.1", Category::Error, 10), 10);
        let mail = Category::Answer {
            name: b"\x03www\x04test\x00",
            rtype: 15,
        };
        assert_eq!(sent(&limiter, at(0), "192.0.2.1", mail, 10), 10);
        assert_eq!(sent(&limiter, at(0), "2001:db8:0:1::1", WWW, 100), 20);
        assert_eq!(sent(&limiter, at(0), "2001:db8:0:ff::1", WWW, 100), 0);
        assert_eq!(sent(&limiter, at(0), "2001:db8:0:100::1", WWW, 100), 20);
        // Half a second later half of it is there again, and never more than a second's.
        assert_eq!(sent(&limiter, at(500), "192.0.2.1", WWW, 100), 10);
        assert_eq!(sent(&limiter, at(90_000), "192.0.2.1", WWW, 100), 20);
    }

    #[test]
    fn what_is_over_the_limit_is_truncated_or_dropped_as_slip_says() {
        for (slip, truncated, dropped) in [(0, 0, 12), (1, 12, 0), (2, 6, 6), (3, 4, 8)] {
            let limiter = limiter(1, slip);
            assert_eq!(sent(&limiter, at(0), "192.0.2.1", WWW, 1), 1);
            let passes: Vec<_> = (0..12)
                .map(|_| limiter.pass(at(0), peer("192.0.2.1"), WWW))
                .collect();
            let count = |want| passes.iter().filter(|pass| **pass == want).count();
            assert_eq!(
                (count(Pass::Truncate), count(Pass::Drop)),
                (truncated, dropped)
            );
        }
    }

    #[test]
    fn exempt_networks_and_no_limit_pass() {
        assert_eq!(sent(&limiter(1, 1), at(0), "127.0.0.1", WWW, 100), 100);
        assert_eq!(sent(&limiter(0, 1), at(0), "192.0.2.1", WWW, 100), 100);
        let mut settings = RateLimit::default();
        settings
            .exempt
            .push("192.0.2.0/25".parse().expect("a network"));
        let limiter = Limiter::new(settings);
        assert_eq!(sent(&limiter, at(0), "192.0.2.1", WWW, 100), 100);
        assert_eq!(sent(&limiter, at(0), "192.0.2.129", WWW, 100), 20);
    }

    /// However many networks come, the table stays as it is, and new ones are answered.
    #[test]
    fn a_flood_from_everywhere_does_not_shut_out_newcomers() {
        let limiter = limiter(5, 1);
        for net in 0..200_000u32 {
            let from = IpAddr::V4((net << 8).to_be_bytes().into());
            limiter.pass(at(0), from, WWW);
        }
        assert_eq!(limiter.buckets.len(), BUCKETS);
        assert_eq!(sent(&limiter, at(1), "203.0.113.1", WWW, 100), 5);
    }
}
