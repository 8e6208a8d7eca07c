//! Hands libFuzzer's bytes to the target named in `SERVERGATE_FUZZ_TARGET`. Built and started by
//! `cargo xtask fuzz`.
#![no_main]

use std::sync::OnceLock;

use fuzz_targets::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(chosen);
    target(data);
});

#[allow(
    clippy::panic,
    reason = "a target that does not exist ends the run at once"
)]
fn chosen() -> Target {
    let wanted = std::env::var("SERVERGATE_FUZZ_TARGET").unwrap_or_default();
    match TARGETS.iter().find(|(name, _)| *name == wanted) {
        Some((_, target)) => *target,
        None => panic!(
            "no target {wanted:?}; there are {:?}",
            TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
        ),
    }
}
