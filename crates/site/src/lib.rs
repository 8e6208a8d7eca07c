//! The website: keeps a fresh copy and serves it under the same name while the primary is dark.

pub mod config;
pub mod generation;
pub mod guard;
pub mod wire;
pub mod withhold;
