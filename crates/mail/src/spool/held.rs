//! What is kept, in memory: the number and the size of each message, so that nobody reads the disk
//! to know how much there is and what comes next.

use std::collections::BTreeMap;

use super::notifications::Due;
use super::{Account, Row};
use crate::dsn::Notification;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) messages: BTreeMap<u64, u32>,
    pub(super) quarantined: BTreeMap<u64, u32>,
    bytes: u64,
    /// What became of messages and the store did not take: they are not handed back once more
    /// for that. As many as are under way at most, for nothing goes out until they are written.
    pub(super) unsettled: BTreeMap<u64, (Row, Account, Option<Notification>)>,
    /// Notifications about which something is to be done.
    pub(super) notifications: Due,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that wait for the primary.
    pub waiting: usize,
    /// Messages that the primary refused, for a person to look at.
    pub quarantined: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Held {
    /// How much is kept.
    pub(super) fn tally(&self) -> Tally {
        Tally {
            waiting: self.messages.len(),
            quarantined: self.quarantined.len(),
            bytes: self.bytes,
        }
    }

    pub(super) fn add(&mut self, position: u64, row: &Row) {
        let size = u32::try_from(row.size).unwrap_or(u32::MAX);
        self.bytes += u64::from(size);
        if row.waits() {
            self.messages.insert(position, size);
        } else {
            self.quarantined.insert(position, size);
        }
    }

    /// Forgets a message, whatever it was.
    pub(super) fn remove(&mut self, position: u64) {
        let size = self.messages.remove(&position);
        let size = size.or_else(|| self.quarantined.remove(&position));
        self.bytes = self.bytes.saturating_sub(size.unwrap_or(0).into());
    }
}
