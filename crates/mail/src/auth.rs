//! SPF, DKIM and DMARC of what was accepted, written as Authentication-Results (RFC 8601).
//!
//! The acceptor never waits for any of this: a message is checked after its `250`, as far as
//! [`queue`] lets it, and what was not checked by then is handed back without results. The
//! verdicts are recorded, they refuse nothing; the primary's own policy decides.
//! [`resolver`] is the asking side of DNS for the whole crate.

pub mod check;
pub(crate) mod claim;
pub mod queue;
pub mod resolver;
pub mod results;
pub mod sign;
pub mod verdict;

mod message;
#[cfg(test)]
pub(crate) mod testdns;
#[cfg(test)]
mod tests;
