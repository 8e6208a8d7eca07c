//! ICMP echo (RFC 792, RFC 4443 §4), without privilege where the machine allows it.
//!
//! A datagram socket of the ICMP protocol needs no privilege but a permitting
//! `net.ipv4.ping_group_range`; a raw one needs CAP_NET_RAW. Where both are refused nothing is
//! asked, and it says so once.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use host::Clock;
use model::{Failure, Phase, Reply};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;

use super::{datagram, fault};

/// How this machine lets us send an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Datagram sockets: the kernel writes identifier and checksum.
    Datagram,
    /// Raw sockets: we write them.
    Raw,
    /// Not at all.
    None,
}

/// What this machine permits for the family of `to`.
pub(crate) fn permission(to: IpAddr) -> Permission {
    match socket(to) {
        Ok((_, permission)) => permission,
        Err(_) => Permission::None,
    }
}

fn socket(to: IpAddr) -> io::Result<(Socket, Permission)> {
    let (domain, protocol) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    if let Ok(socket) = Socket::new(domain, Type::DGRAM, Some(protocol)) {
        return Ok((socket, Permission::Datagram));
    }
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    Ok((socket, Permission::Raw))
}

/// An echo as a probe of its own. The whole takes at most `limit`.
pub(super) async fn ask(clock: &Clock, to: IpAddr, limit: Duration) -> Result<(), Failure> {
    match echo(clock, to, limit).await {
        Reply::Answered | Reply::Refused => Ok(()),
        Reply::Silent => Err(Failure::Silent { phase: Phase::Echo }),
        Reply::Unreachable => Err(Failure::Unreachable),
        Reply::NotAsked => Err(Failure::Local),
    }
}

/// Three echoes spread over `limit`; the first answer counts.
pub(crate) async fn echo(clock: &Clock, to: IpAddr, limit: Duration) -> Reply {
    let Ok(line) = Line::open(clock, to) else {
        return Reply::NotAsked;
    };
    for sequence in 0..3 {
        if let Err(error) = line.send(sequence).await {
            return line.reply(&error);
        }
        match tokio::time::timeout(limit / 3, line.listen()).await {
            Ok(Ok(())) => return Reply::Answered,
            Ok(Err(error)) => return line.reply(&error),
            Err(_) => {}
        }
    }
    Reply::Silent
}

/// Tells our echoes from those of other probes that run at the same time.
static NEXT: AtomicU16 = AtomicU16::new(1);

const HEADER: usize = 8;
const TOKEN: usize = 16;

/// A socket connected to the one who is asked.
struct Line {
    /// An ICMP socket, sent to and received from as any datagram socket.
    socket: UdpSocket,
    permission: Permission,
    to: SocketAddr,
    identifier: u16,
    token: [u8; TOKEN],
}

impl Line {
    fn open(clock: &Clock, to: IpAddr) -> io::Result<Self> {
        let (socket, permission) = socket(to)?;
        let to = SocketAddr::new(to, 0);
        socket.set_nonblocking(true)?;
        datagram::report_errors(&socket, to);
        socket.connect(&SockAddr::from(to))?;
        let identifier = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut token = *b"servergate      ";
        let moment = clock.now().mono.since_anchor().as_nanos() as u64;
        for (place, byte) in token.iter_mut().skip(8).zip(moment.to_be_bytes()) {
            *place = byte;
        }
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
            permission,
            to,
            identifier,
            token,
        })
    }

    async fn send(&self, sequence: u16) -> io::Result<()> {
        let kind = if self.to.is_ipv4() { 8 } else { 128 };
        let mut packet = Vec::with_capacity(HEADER + TOKEN);
        packet.extend_from_slice(&[kind, 0, 0, 0]);
        packet.extend_from_slice(&self.identifier.to_be_bytes());
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&self.token);
        // RFC 4443 §2.3: the kernel fills in the checksum of ICMPv6, which covers addresses.
        if self.to.is_ipv4() {
            let sum = checksum(&packet).to_be_bytes();
            for (place, byte) in packet.iter_mut().skip(2).zip(sum) {
                *place = byte;
            }
        }
        self.socket.send(&packet).await.map(|_| ())
    }

    /// Waits for an answer to one of our echoes. Cancel-safe.
    async fn listen(&self) -> io::Result<()> {
        let mut buffer = [0; 2048];
        loop {
            let length = datagram::receive(&self.socket, &mut buffer).await?;
            if self.is_ours(buffer.get(..length).unwrap_or_default()) {
                return Ok(());
            }
        }
    }

    fn is_ours(&self, bytes: &[u8]) -> bool {
        let raw = self.permission == Permission::Raw;
        let packet = match (self.to, raw) {
            // RFC 791 §3.1: a raw socket of the old family hands out the IP header as well.
            (SocketAddr::V4(_), true) => {
                let header = bytes.first().map_or(0, |first| usize::from(first & 15) * 4);
                bytes.get(header..).unwrap_or_default()
            }
            _ => bytes,
        };
        let kind = if self.to.is_ipv4() { 0 } else { 129 };
        // The kernel writes an identifier of its own on a datagram socket and filters by it.
        let named = !raw || packet.get(4..6) == Some(&self.identifier.to_be_bytes()[..]);
        packet.first() == Some(&kind)
            && packet.get(1) == Some(&0)
            && named
            && packet.get(HEADER..) == Some(&self.token[..])
    }

    fn reply(&self, error: &io::Error) -> Reply {
        match fault::connecting(error, self.to, Phase::Echo) {
            Failure::Unreachable => Reply::Unreachable,
            Failure::Refused => Reply::Refused,
            Failure::Silent { .. } => Reply::Silent,
            _ => Reply::NotAsked,
        }
    }
}

/// RFC 1071 §1: the Internet checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let high = u32::from(pair.first().copied().unwrap_or(0)) << 8;
        let low = u32::from(pair.get(1).copied().unwrap_or(0));
        sum += high | low;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_its_checksum_sums_to_nothing() {
        let mut packet = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1, b'a', b'b', b'c'];
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
        assert_eq!(checksum(&packet), 0);
    }

    #[tokio::test]
    async fn this_machine_answers_itself() {
        for to in ["127.0.0.1", "::1"] {
            let to: IpAddr = to.parse().unwrap();
            if std::net::UdpSocket::bind((to, 0)).is_err() {
                continue; // This machine does not have that family.
            }
            let reply = echo(&Clock::system(), to, Duration::from_secs(3)).await;
            let want = match permission(to) {
                Permission::None => Reply::NotAsked,
                Permission::Datagram | Permission::Raw => Reply::Answered,
            };
            assert_eq!(reply, want, "{to}");
        }
    }
}
