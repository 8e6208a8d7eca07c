//! Transfers: in from the primary (RFC 5936, RFC 1995, RFC 8945 §5.3.1), out to those who hold
//! the key, and the notices that go before them (RFC 1996).

mod assemble;
mod inward;
mod message;
mod notify;
mod outward;

pub use assemble::Limits;
pub(crate) use assemble::{Assembler, Fault, Fetched};
pub(crate) use inward::{Primary, ask_serial, fetch};
pub(crate) use message::{Signing, error_answer, sign_answer, verify};
pub(crate) use notify::notify;
pub(crate) use outward::{Outward, Plan};

use domain::rdata::tsig::Time48;
use model::Timestamp;

/// The time in a TSIG record: whole seconds since 1970.
pub(crate) fn tsig_time(wall: Timestamp) -> Time48 {
    Time48::from_u64(u64::try_from(wall.millis().div_euclid(1000)).unwrap_or(0))
}

#[cfg(test)]
mod tests;
