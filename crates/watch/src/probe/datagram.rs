//! Datagram sockets that hear what routers say; for DNS and ICMP.
//!
//! The kernel keeps "host unreachable" back from a datagram socket unless it is asked for
//! (`IP_RECVERR`), and reports it as an error condition and not as something to read.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Asks for what routers say. Without it "unreachable" reads as silence, which is no error.
pub(super) fn report_errors(socket: &impl AsFd, to: SocketAddr) {
    let set = match to {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
    };
    if let Err(error) = set {
        tracing::debug!(%error, "what routers say cannot be heard");
    }
}

/// The next datagram, or what was said about one of ours. Cancel-safe.
pub(super) async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if ready.is_error() {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            // Taken already; without this the socket would stay "ready".
            let _ = socket.try_io(Interest::ERROR, || {
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            });
        }
        match socket.try_recv(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}
