//! Sockets: real ones, or simulated ones where a simulation stands in for the network.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Which network to use. Cheap to clone.
#[derive(Clone, Copy, Debug, Default)]
pub enum Net {
    /// The machine's own.
    #[default]
    Real,
    /// A simulated one (TCP only).
    #[cfg(feature = "simulation")]
    Simulated,
}

/// A TCP connection.
#[derive(Debug)]
pub enum Stream {
    /// A real one.
    Real(tokio::net::TcpStream),
    /// A simulated one.
    #[cfg(feature = "simulation")]
    Simulated(turmoil::net::TcpStream),
}

/// A TCP listener.
pub enum Listener {
    /// A real one.
    Real(tokio::net::TcpListener),
    /// A simulated one.
    #[cfg(feature = "simulation")]
    Simulated(turmoil::net::TcpListener),
}

impl Net {
    /// Opens a connection; the caller bounds the time with [`within`].
    pub async fn connect(self, to: SocketAddr) -> io::Result<Stream> {
        match self {
            Self::Real => {
                let stream = tokio::net::TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Real(stream))
            }
            #[cfg(feature = "simulation")]
            Self::Simulated => Ok(Stream::Simulated(
                turmoil::net::TcpStream::connect(to).await?,
            )),
        }
    }

    /// The same, from one of this machine's addresses, where `from` names one. A simulated network
    /// chooses itself.
    pub async fn connect_from(self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<Stream> {
        let Some(from) = from.filter(|_| self.has_datagrams()) else {
            return self.connect(to).await;
        };
        let socket = match to {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
        };
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Stream::Real(stream))
    }

    /// Listens at `at` with a backlog for bursts; an address in use is an error in words.
    pub async fn listen(self, at: SocketAddr) -> io::Result<Listener> {
        match self {
            Self::Real => listen_real(at).map(Listener::Real),
            #[cfg(feature = "simulation")]
            Self::Simulated => Ok(Listener::Simulated(
                turmoil::net::TcpListener::bind(at).await?,
            )),
        }
    }

    /// Whether there are sockets for anything but TCP. A simulated network has none, and whoever
    /// asks by UDP or ICMP does without.
    pub fn has_datagrams(self) -> bool {
        matches!(self, Self::Real)
    }
}

/// How many connections may wait in the kernel before they are accepted.
const BACKLOG: i32 = 1024;

fn listen_real(at: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if at.is_ipv6() {
        // One listener, one family: an address in the configuration means just itself.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(at))?;
    socket.listen(BACKLOG)?;
    tokio::net::TcpListener::from_std(socket.into())
}

/// A bound, non-blocking UDP socket that others may share the address with (`SO_REUSEPORT`), so
/// that every worker has its own. `at` with port 0 gives a free one.
pub fn udp_shared(at: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(at))?;
    Ok(socket.into())
}

/// Bounds `work` in time; late is [`io::ErrorKind::TimedOut`].
pub async fn within<T>(
    limit: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

impl Listener {
    /// Waits for a guest. Cancel-safe.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Real(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Real(stream), peer))
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Simulated(stream), peer))
            }
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Real(listener) => listener.local_addr(),
            #[cfg(feature = "simulation")]
            Self::Simulated(listener) => listener.local_addr(),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener")
            .field(&self.local_addr().ok())
            .finish()
    }
}

impl Stream {
    /// The other end.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Real(stream) => stream.peer_addr(),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.peer_addr(),
        }
    }

    /// Our end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Real(stream) => stream.local_addr(),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.local_addr(),
        }
    }
}

macro_rules! on_stream {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Real($stream) => $call,
            #[cfg(feature = "simulation")]
            Self::Simulated($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}
