//! How far it is from one slot of a target to the next. Pure.
//!
//! A target that fails and answers in step with its probes shows them one phase for ever, if they
//! come at equal distances. So the distance changes. It is never longer than the interval: what is
//! promised of a failure is counted with that.

use std::time::Duration;

/// So many slots have the same stride: whoever keeps one for a while leaves a phase sooner than
/// who sways to and fro.
const ALIKE: u64 = 4;

/// To a place's slot `round` from the one before it: the interval, less up to a quarter of it.
/// `seed` is the place's.
pub(super) fn stride(interval: Duration, seed: u64, round: u64) -> Duration {
    // The finish of SplitMix64: neighbours have nothing in common.
    let mut mixed = seed ^ (round / ALIKE).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    let quarter = interval.as_nanos() / 4;
    let less = (quarter * u128::from(mixed >> 32)) >> 32;
    interval.saturating_sub(Duration::from_nanos(u64::try_from(less).unwrap_or(0)))
}
