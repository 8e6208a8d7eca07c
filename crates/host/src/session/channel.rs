//! The bytes' way: plain first, perhaps TLS later, with what went out counted below TLS.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{Secured, Side};

/// How much is read at once. It lies on the stack, so that whoever says nothing holds no buffer.
const PIECE: usize = 16 * 1024;

/// Counts what the other end's machine has taken, so that progress is seen through TLS.
pub(super) struct Wire<W> {
    stream: W,
    written: u64,
}

/// Plain, or TLS.
pub(super) enum Channel<W> {
    Plain(Wire<W>),
    // A TLS session is large.
    Tls(Box<TlsStream<Wire<W>>>),
    /// A handshake failed: there is nothing left to speak over.
    Gone,
}

impl<W: AsyncRead + AsyncWrite + Unpin> Channel<W> {
    pub(super) fn new(stream: W) -> Self {
        Self::Plain(Wire { stream, written: 0 })
    }

    /// How many bytes have gone out, records of TLS included.
    pub(super) fn written(&self) -> u64 {
        match self {
            Self::Plain(wire) => wire.written,
            Self::Tls(stream) => stream.get_ref().0.written,
            Self::Gone => 0,
        }
    }

    /// Shakes hands. The caller bounds the time. Not cancel-safe: the connection is lost with it.
    pub(super) async fn secure(&mut self, side: &Side) -> io::Result<Secured> {
        let Self::Plain(wire) = std::mem::replace(self, Self::Gone) else {
            return Err(io::Error::other("TLS within TLS was asked for"));
        };
        let (stream, peer) = match side {
            Side::Server(Some(config)) => {
                let acceptor = TlsAcceptor::from(Arc::clone(config));
                (TlsStream::Server(acceptor.accept(wire).await?), None)
            }
            Side::Client {
                tls: Some(tls),
                name,
            } => {
                let (stream, peer) = tls.connect(name, wire).await?;
                (TlsStream::Client(stream), Some(peer))
            }
            Side::Server(None) | Side::Client { tls: None, .. } => {
                return Err(io::Error::other("TLS was asked for where there is none"));
            }
        };
        let (_, state) = stream.get_ref();
        let version = match state.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let suite = state.negotiated_cipher_suite();
        let cipher = suite.and_then(|suite| suite.suite().as_str());
        let secured = Secured {
            version,
            // RFC 8446 §B.4 has no number in its names.
            cipher: cipher.unwrap_or_default().replacen("TLS13_", "TLS_", 1),
            peer,
        };
        *self = Self::Tls(Box::new(stream));
        Ok(secured)
    }

    /// Reads at most `room` bytes behind what is in `into`; 0 is the end.
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        into: &mut BytesMut,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        let mut piece = [const { MaybeUninit::uninit() }; PIECE];
        let (piece, _) = piece.split_at_mut(room.min(PIECE));
        let mut read = ReadBuf::uninit(piece);
        let polled = match self {
            Self::Plain(wire) => Pin::new(wire).poll_read(context, &mut read),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, &mut read),
            Self::Gone => Poll::Ready(Ok(())),
        };
        match ready!(polled) {
            Ok(()) => {
                into.extend_from_slice(read.filled());
                Poll::Ready(Ok(read.filled().len()))
            }
            // Many end TLS without saying so; lines and counted bodies tell what is whole.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Writes until all is written and flushed, or the other end takes no more.
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        bytes: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        while !bytes.is_empty() {
            let written = ready!(match self {
                Self::Plain(wire) => Pin::new(wire).poll_write(context, bytes),
                Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
                Self::Gone => Poll::Ready(Ok(0)),
            })?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(written);
        }
        match self {
            Self::Plain(wire) => Pin::new(wire).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Says that nothing more comes: `close_notify` where there is TLS, then the end of the stream.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(wire) => Pin::new(wire).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl<W: AsyncRead + Unpin> AsyncRead for Wire<W> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<W: AsyncWrite + Unpin> Wire<W> {
    fn noted(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &polled {
            self.written += *written as u64;
        }
        polled
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Wire<W> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.noted(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.noted(polled)
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
