//! The capture and the serving of a site, over real sockets on this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may end by a panic

mod capture;
mod origin;
