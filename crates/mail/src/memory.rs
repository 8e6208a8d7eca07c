//! How much memory messages on their way in may take, all together: thousands of guests who stop
//! in the middle of a message must not use up what the machine has.
//!
//! While there is plenty a message of usual size waits in memory. When there is not, only a short
//! one does and the rest goes to the disk on the way; and at the end nothing more is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::spool::{Draft, INLINE};

/// Below this a message may wait in memory up to its usual size.
const PLENTY: usize = 64 << 20;
/// Above that it may not, beyond this.
const SHORT: usize = 32 << 10;
/// Above this nothing more is taken. Together with what thousands of idle guests take it stays
/// below half a gigabyte.
const MOST: usize = 256 << 20;

/// What all messages take that are on their way in. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<AtomicUsize>);

/// What one message takes; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Memory,
    envelope: usize,
    draft: usize,
}

impl Memory {
    /// A message begins.
    pub(crate) fn share(&self) -> Share {
        Share {
            of: self.clone(),
            envelope: 0,
            draft: 0,
        }
    }

    /// Up to which size a message may wait in memory now.
    pub(crate) fn inline(&self) -> usize {
        match self.0.load(Ordering::Relaxed) <= PLENTY {
            true => INLINE,
            false => SHORT,
        }
    }
}

impl Share {
    /// The envelope grows; `false` if there is no room for that.
    #[must_use]
    pub(crate) fn add_to_envelope(&mut self, bytes: usize) -> bool {
        self.envelope += bytes;
        self.take(bytes)
    }

    /// So much of the message is in memory now; `false` if there is no room for that.
    #[must_use]
    pub(crate) fn hold(&mut self, draft: &Draft) -> bool {
        let (before, now) = (self.draft, draft.in_memory());
        self.draft = now;
        if let Some(less) = before.checked_sub(now) {
            self.of.0.fetch_sub(less, Ordering::Relaxed);
            return true;
        }
        self.take(now - before)
    }

    /// It is counted in any case: whoever is told no drops the message.
    fn take(&self, bytes: usize) -> bool {
        self.of.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= MOST
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let all = self.envelope + self.draft;
        self.of.0.fetch_sub(all, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_memory_is_short_messages_go_to_the_disk_and_at_the_end_none_is_taken() {
        let memory = Memory::default();
        let mut shares = Vec::new();
        let draft = Draft::new(vec![0; INLINE]);
        while memory.inline() == INLINE {
            let mut share = memory.share();
            assert!(share.hold(&draft));
            shares.push(share);
        }
        assert_eq!(shares.len(), PLENTY / INLINE + 1);
        assert_eq!(memory.inline(), SHORT);
        let mut last = memory.share();
        assert!(last.add_to_envelope(MOST - shares.len() * INLINE));
        assert!(!memory.share().hold(&Draft::new(vec![0; 1])));
        drop(shares);
        // What was refused is not counted for ever.
        assert!(memory.share().add_to_envelope(INLINE));
        drop(last);
        assert_eq!(memory.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_shrinks_is_given_back() {
        let memory = Memory::default();
        let mut share = memory.share();
        assert!(share.hold(&Draft::new(vec![0; 1000])));
        assert!(share.hold(&Draft::new(vec![0; 10])));
        assert_eq!(memory.0.load(Ordering::Relaxed), 10);
    }
}
