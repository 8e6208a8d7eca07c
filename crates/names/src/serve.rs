//! The sockets: datagrams in batches ([`udp`]), streams with limits ([`tcp`]).

pub(crate) mod tcp;
pub(crate) mod udp;

use std::io;
use std::net::SocketAddr;

use host::net::{Listener, Net, udp_shared};

/// How often two free ports of the same number are looked for.
const TRIES: usize = 16;

/// The sockets of one address.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) at: SocketAddr,
    pub(crate) tcp: Listener,
    pub(crate) udp: Vec<std::net::UdpSocket>,
}

/// Binds TCP and, once for each worker, UDP at the same address and port.
pub(crate) async fn bind(net: Net, at: SocketAddr, workers: usize) -> io::Result<Bound> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let tcp = net.listen(at).await?;
        let at_port = tcp.local_addr()?;
        // A simulated network has TCP alone.
        let workers = if net.has_datagrams() {
            workers.max(1)
        } else {
            0
        };
        let udp: io::Result<Vec<_>> = (0..workers).map(|_| udp_shared(at_port)).collect();
        match udp {
            Ok(udp) => {
                return Ok(Bound {
                    at: at_port,
                    tcp,
                    udp,
                });
            }
            // A port of the machine's choice may be taken on the other side.
            Err(error) if at.port() == 0 => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
