//! Bytes of DNS messages and typed values, without state (RFC 1035 §4, RFC 6891, RFC 8945).
//!
//! [`Query`] is what a guest asked, [`Reply`] writes an answer into a reused buffer, [`Name`] is
//! the name in the form in which zones are searched. The server and the fuzz target call it.

mod frame;
mod name;
mod query;
mod reply;

pub(crate) use frame::{Frames, push_frame};
pub(crate) use name::{MAX_NAME, canonical_key, is_at_or_below, lower_into, parent};
pub use name::{Name, NameError};
pub use query::{Cookie, Edns, Query, Refusal, parse};
pub use reply::{Full, Reply};
pub(crate) use reply::{Section, udp_limit};

/// Record types and codes by number: zones hold records as bytes.
pub(crate) mod code {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const MX: u16 = 15;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const DNAME: u16 = 39;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const DS: u16 = 43;
    pub(crate) const KEY: u16 = 25;
    pub(crate) const RRSIG: u16 = 46;
    pub(crate) const NSEC: u16 = 47;
    pub(crate) const DNSKEY: u16 = 48;
    pub(crate) const NSEC3: u16 = 50;
    pub(crate) const NSEC3PARAM: u16 = 51;
    pub(crate) const SVCB: u16 = 64;
    pub(crate) const HTTPS: u16 = 65;
    pub(crate) const TSIG: u16 = 250;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const ANY: u16 = 255;

    pub(crate) const CLASS_IN: u16 = 1;

    /// The EDNS option of a cookie (RFC 7873 §4).
    pub(crate) const COOKIE: u16 = 10;

    pub(crate) const OPCODE_QUERY: u8 = 0;
    pub(crate) const OPCODE_NOTIFY: u8 = 4;

    pub(crate) const NOERROR: u16 = 0;
    pub(crate) const FORMERR: u16 = 1;
    pub(crate) const SERVFAIL: u16 = 2;
    pub(crate) const NXDOMAIN: u16 = 3;
    pub(crate) const NOTIMP: u16 = 4;
    pub(crate) const REFUSED: u16 = 5;
    pub(crate) const YXDOMAIN: u16 = 6;
    pub(crate) const NOTAUTH: u16 = 9;
    pub(crate) const BADVERS: u16 = 16;
    pub(crate) const BADCOOKIE: u16 = 23;
}

/// Reads a 16-bit number at `at`.
pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

/// Reads a 32-bit number at `at`.
pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}
