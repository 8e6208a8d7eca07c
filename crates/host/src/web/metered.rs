//! Bodies under watch: the answer that a guest takes, the upload that a guest sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::activity::InWork;
use super::counters::{Counters, Refusal};
use super::listen::WebLimits;
use super::{Body, BodyError};

/// A body on its way to the guest. Dropping it ends the request.
#[derive(Debug)]
pub(super) struct Metered {
    body: Body,
    work: InWork,
    waiting: bool,
}

impl Metered {
    pub(super) fn new(body: Body, mut work: InWork) -> Self {
        if body.is_end_stream() {
            work.complete();
        }
        Self {
            body,
            work,
            waiting: false,
        }
    }

    fn note(&mut self, waiting: bool) {
        if waiting != self.waiting {
            self.waiting = waiting;
            match waiting {
                true => self.work.wait(),
                false => self.work.go_on(),
            }
        }
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        // A frame was handed over: until the next question it is the guest's turn.
        this.note(matches!(polled, Poll::Ready(Some(Ok(_)))));
        if matches!(polled, Poll::Ready(None)) || this.body.is_end_stream() {
            this.work.complete();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.note(false);
    }
}

/// Why the body of a request broke off by our decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// It grew beyond the bound: 413.
    #[error("the body is too large")]
    TooLarge,
    /// It came too slowly: 408.
    #[error("the body comes too slowly")]
    TooSlow,
    /// It is not coded as it says: 400 (RFC 9112 §7.1).
    #[error("the body is malformed")]
    Malformed,
    /// The guest left before its end.
    #[error("the body broke off")]
    Broken,
}

/// What a body's error says of its guest: the codings' readers say `InvalidInput` or `InvalidData`
/// of what they cannot read, all else is about the connection.
fn fault(error: &hyper::Error) -> UploadError {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let kind = error.kind();
            return match kind {
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => UploadError::Malformed,
                _ => UploadError::Broken,
            };
        }
        next = error.source();
    }
    UploadError::Broken
}

/// The body of a request: bounded in length, and in time while somebody waits for it.
pub(super) struct Upload {
    body: Incoming,
    left: u64,
    window: Duration,
    window_bytes: u64,
    /// Bytes since the window began.
    came: u64,
    timer: Pin<Box<Sleep>>,
    counters: Counters,
}

impl Upload {
    pub(super) fn new(body: Incoming, limits: &WebLimits, counters: Counters) -> Self {
        Self {
            body,
            left: limits.body_bytes,
            window: limits.stall,
            window_bytes: limits.stall_bytes,
            came: 0,
            timer: Box::pin(tokio::time::sleep(limits.stall)),
            counters,
        }
    }

    fn refuse(&self, reason: Refusal, error: UploadError) -> BodyError {
        self.counters.refuse(reason);
        Box::new(error)
    }

    #[allow(clippy::disallowed_methods)] // a deadline, moved with the runtime's own clock
    fn restart(&mut self) {
        self.came = 0;
        let deadline = tokio::time::Instant::now() + self.window;
        self.timer.as_mut().reset(deadline);
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            ready!(this.timer.as_mut().poll(context));
            let error = this.refuse(Refusal::SlowWriter, UploadError::TooSlow);
            return Poll::Ready(Some(Err(error)));
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let error = match fault(&error) {
                    UploadError::Malformed => {
                        this.refuse(Refusal::Protocol, UploadError::Malformed)
                    }
                    // It was not our decision.
                    fault => Box::new(fault),
                };
                return Poll::Ready(Some(Err(error)));
            }
            None => return Poll::Ready(None),
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(left) = this.left.checked_sub(length) else {
            let error = this.refuse(Refusal::Large, UploadError::TooLarge);
            return Poll::Ready(Some(Err(error)));
        };
        this.left = left;
        this.came += length;
        if this.came >= this.window_bytes {
            this.restart();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
