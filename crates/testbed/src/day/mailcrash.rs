//! The standby dies at bad moments while it keeps mail and hands it back: killed, by power cuts,
//! with a full disk and with a broken one. What a sender got a 250 for is in a mailbox at the end,
//! as it was written.
//!
//! ```text
//! 198.51.100.25  mail      Postfix and Dovecot, the primary
//! 192.0.2.7      standby   servergate; its data may lie on a file system in an image
//! 203.0.113.200  elsewhere somebody else's name server: the standby's reference and resolver
//! 203.0.113.40   sender    several clients that note each answer
//! 203.0.113.41   asker     where a disk is in trouble: asks everything every second
//! ```

mod asker;
mod book;
pub(super) mod disk;
pub(super) mod everything;
mod image;
pub(super) mod kill;
pub(super) mod power;
mod senders;
mod stage;

use anyhow::{Context, Result};

/// Set by `cargo xtask soak`: how many rounds a long run has.
const ROUNDS: &str = "SERVERGATE_CRASH_ROUNDS";
/// So many there are otherwise.
const USUAL: usize = 10;

fn rounds() -> Result<usize> {
    match std::env::var(ROUNDS) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{ROUNDS} is {text:?}, not a number")),
        Err(_) => Ok(USUAL),
    }
}
