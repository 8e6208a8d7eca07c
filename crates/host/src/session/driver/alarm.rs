//! When to wake, and since when nothing moves.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use model::Mono;

use crate::Clock;

/// Whether what is written gets away.
#[derive(Default)]
pub(super) struct Sent {
    /// Bytes on the wire when that was looked at last.
    written: u64,
    /// Since when nothing moves.
    pub(super) stuck: Option<Mono>,
}

impl Sent {
    /// Something waits to be written; notes since when nothing has moved.
    pub(super) fn waits(&mut self, written: u64, clock: &Clock) {
        if self.stuck.is_none() || written != self.written {
            self.written = written;
            self.stuck = Some(clock.now().mono);
        }
    }
}

/// A sleep that is only set anew when it has to end sooner: most deadlines move on and on.
pub(super) struct Alarm<'a, F, M> {
    pub(super) sleep: Pin<&'a mut Option<F>>,
    pub(super) set: Option<Mono>,
    pub(super) make: M,
}

impl<F: Future<Output = ()>, M: Fn(Mono) -> F> Alarm<'_, F, M> {
    /// Ready at `deadline` or at an earlier one that was asked for before.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, deadline: Option<Mono>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        if self.set.is_none_or(|set| set > deadline) {
            self.sleep.set(Some((self.make)(deadline)));
            self.set = Some(deadline);
        }
        if let Some(sleep) = self.sleep.as_mut().as_pin_mut() {
            ready!(sleep.poll(context));
        }
        self.sleep.set(None);
        self.set = None;
        Poll::Ready(())
    }
}
