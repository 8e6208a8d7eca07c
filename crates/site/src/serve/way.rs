//! Which way a request goes: to the primary, from the copy, or one after the other. Pure.

use std::sync::atomic::{AtomicU8, Ordering};

use model::{Effect, Role, Standing};

/// Where the answer is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// At the primary; from the copy if it fails.
    PrimaryFirst,
    /// From the copy; at the primary what the copy lacks.
    CopyFirst,
    /// From the copy alone.
    CopyOnly,
    /// At the primary alone: its own notice is shown, and no copy stands in for it.
    PrimaryOnly,
}

impl Way {
    /// What a standing asks for.
    ///
    /// Wrong is safe: while the primary may be asked at all it is asked, whatever our role is.
    pub(super) fn of(standing: Option<&Standing>) -> Self {
        let Some(standing) = standing else {
            return Self::PrimaryFirst;
        };
        let may_ask = standing.relay || standing.role != Role::Acting;
        match (may_ask, standing.effect) {
            (_, Some(Effect::Withhold)) => Self::PrimaryOnly,
            (false, _) => Self::CopyOnly,
            (true, Some(Effect::Support)) => Self::CopyFirst,
            (true, _) => Self::PrimaryFirst,
        }
    }
}

/// The way of the moment, read by every request.
#[derive(Debug)]
pub(super) struct Sign(AtomicU8);

impl Sign {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    pub(super) fn turn(&self, way: Way) {
        self.0.store(way as u8, Ordering::Relaxed);
    }

    pub(super) fn way(&self) -> Way {
        match self.0.load(Ordering::Relaxed) {
            0 => Way::PrimaryFirst,
            1 => Way::CopyFirst,
            2 => Way::CopyOnly,
            _ => Way::PrimaryOnly,
        }
    }
}
