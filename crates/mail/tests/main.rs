//! Tests of the part as its users see it: guests over real sockets on one side, a primary that does
//! what it is told on the other.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends here"
)]

mod back;
mod crash;
mod dsn;
mod escape;
mod filter;
mod guest;
mod hostile;
mod keep;
mod lmtp;
mod manners;
mod notices;
mod places;
mod primary;
mod rude;
mod stage;
#[expect(dead_code, reason = "the checks' own tests need more of it")]
#[path = "../src/auth/testdns.rs"]
mod testdns;
mod through;
mod tls;
mod trial;
mod turns;
