//! Tests of the whole: a simulated world around the real decision, and commands.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // a surprise fails the test

mod alert;
mod causes;
mod import;
mod sim;
mod standby;
