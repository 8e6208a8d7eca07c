//! Development only: the machine room in which Servergate is tried out.
//!
//! * [`lab`] puts real programs on real (virtual) cables: hosts in network namespaces around
//!   one router, cables that can be cut so that nobody answers;
//! * [`peer`] writes configurations for other people's servers and runs them there;
//! * [`standby`] runs the program itself, and [`question`] times its first answers;
//! * [`smtp`] sends mail line by line, [`proxy`] breaks its way at bad moments, and [`policy`] gives
//!   a mail server bad manners;
//! * [`visitor`] asks pages as a person's browser would and keeps the log;
//! * [`generated_site`] makes an organisation's website out of a seed;
//! * [`generated_mail`] makes messages out of a seed, and finds the lost, doubled and altered;
//! * [`day`] holds the scenarios of the `e2e` binary, which `cargo xtask test` starts;
//! * [`mod@bench`] measures CPU time beside nginx and Knot (`cargo xtask bench`).
//!
//! Nothing here is shipped, nothing here leaves the machine.
#![allow(
    clippy::disallowed_methods,
    reason = "the harness measures real programs from outside, so it looks at the real clock"
)]
#![allow(clippy::print_stdout, reason = "a person watches the scenarios run")]

pub mod authority;
pub mod bench;
pub mod day;
pub mod generated_mail;
pub mod generated_site;
pub mod lab;
pub mod peer;
pub mod policy;
pub mod proxy;
pub mod question;
pub mod report;
pub mod smtp;
pub mod standby;
pub mod visitor;
