//! Authoritative DNS for organisations whose primary may go dark.
//!
//! A secondary of the primary's zones (AXFR, IXFR, NOTIFY, TSIG), a small zone of our own, and
//! the steering that leads web names here while we act.

pub mod answer;
pub mod config;
mod desk;
mod keep;
mod keeper;
mod metrics;
mod notices;
mod publish;
mod serve;
pub mod secondary;
pub mod steer;
mod transfer;
pub mod wire;
pub mod zone;
