//! A guest's connection: plain or TLS, behind a proxy or not, with every written byte counted.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::proxied::{self, Opening};
use crate::net::Stream;

/// A connection whose first bytes were read already.
#[derive(Debug)]
pub struct Opened {
    first: Bytes,
    stream: Stream,
}

impl Opened {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            first: Bytes::new(),
            stream,
        }
    }

    /// Reads the header that a trusted proxy sends first. The caller bounds the time.
    pub(crate) async fn proxied(mut stream: Stream) -> io::Result<(Self, Option<SocketAddr>)> {
        let mut read = BytesMut::with_capacity(256);
        loop {
            if stream.read_buf(&mut read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match proxied::opening(&read) {
                Opening::Partial if read.len() < proxied::LONGEST => {}
                Opening::Partial | Opening::Malformed => {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Opening::Header { length, guest } => {
                    read.advance(length);
                    let first = read.freeze();
                    return Ok((Self { first, stream }, guest));
                }
            }
        }
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let length = this.first.len().min(buffer.remaining());
        buffer.put_slice(&this.first.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Opened {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

enum Channel {
    Plain(Opened),
    // A TLS session is ten times as large.
    Tls(Box<TlsStream<Opened>>),
}

/// What hyper speaks over.
pub(super) struct Transport {
    channel: Channel,
    activity: Arc<Activity>,
}

impl Transport {
    pub(super) fn plain(stream: Opened, activity: Arc<Activity>) -> Self {
        Self {
            channel: Channel::Plain(stream),
            activity,
        }
    }

    pub(super) fn tls(stream: TlsStream<Opened>, activity: Arc<Activity>) -> Self {
        Self {
            channel: Channel::Tls(Box::new(stream)),
            activity,
        }
    }

    fn noted(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(written)) => self.activity.wrote(*written),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.blocked(),
        }
        polled
    }
}

macro_rules! on_channel {
    ($channel:expr, $stream:ident => $call:expr) => {
        match $channel {
            Channel::Plain($stream) => $call,
            Channel::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_channel!(&mut self.get_mut().channel, stream => {
            Pin::new(stream).poll_read(context, buffer)
        })
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = on_channel!(&mut this.channel, stream => {
            Pin::new(stream).poll_write(context, bytes)
        });
        this.noted(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = on_channel!(&mut this.channel, stream => {
            Pin::new(stream).poll_write_vectored(context, slices)
        });
        this.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        on_channel!(&self.channel, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = on_channel!(&mut this.channel, stream => Pin::new(stream).poll_flush(context));
        match &polled {
            Poll::Ready(_) => this.activity.wrote(0),
            Poll::Pending => this.activity.blocked(),
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_channel!(&mut self.get_mut().channel, stream => Pin::new(stream).poll_shutdown(context))
    }
}
