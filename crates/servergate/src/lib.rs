//! The standby as a whole: configuration, boot order, the one decision, admin socket, commands.
//!
//! `main.rs` only reads the command line and turns what comes back into an exit code. The library
//! is there for the simulation and the end-to-end tests; nobody else depends on it.

pub mod decide;
