//! An answer's body on its way from the primary: bounded in time while we wait for it, and the
//! connection given back when it is whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use host::web::{Body, BodyError};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use tokio::time::Sleep;

use super::Relay;
use super::shares::Share;

/// A primary that says nothing for so long within an answer is given up.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) struct Paced {
    body: Incoming,
    silence: Pin<Box<Sleep>>,
    waiting: bool,
    home: Option<Home>,
    _place: Share,
}

/// Where the connection goes back to.
struct Home {
    relay: Relay,
    host: Box<str>,
    sender: SendRequest<Body>,
}

impl Paced {
    pub(super) fn new(
        body: Incoming,
        relay: Relay,
        host: &str,
        sender: SendRequest<Body>,
        place: Share,
    ) -> Self {
        Self {
            body,
            silence: Box::pin(tokio::time::sleep(SILENCE)),
            waiting: true,
            home: Some(Home {
                relay,
                host: Box::from(host),
                sender,
            }),
            _place: place,
        }
    }

    fn give_back(&mut self) {
        if let Some(Home {
            relay,
            host,
            sender,
        }) = self.home.take()
        {
            relay.give_back(&host, sender);
        }
    }

    #[allow(clippy::disallowed_methods)] // a deadline, moved with the runtime's own clock
    fn restart(&mut self) {
        let deadline = tokio::time::Instant::now() + SILENCE;
        self.silence.as_mut().reset(deadline);
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            if !this.waiting {
                this.waiting = true;
                this.restart();
            }
            ready!(this.silence.as_mut().poll(context));
            let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Poll::Ready(Some(Err(late.into())));
        };
        this.waiting = false;
        if frame.is_none() || this.body.is_end_stream() {
            this.give_back();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
