//! What the machine's error means: who said it, the target, the path, or we ourselves.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use model::{Failure, Phase};

/// `EPERM`: our own packet filter or policy would not let it out. (`EACCES` may come from a
/// prohibiting route of ours, or from somebody on an IPv6 path.)
const EPERM: i32 = 1;

/// A connection (or a connected datagram) to `to` failed.
pub(super) fn connecting(error: &io::Error, to: SocketAddr, phase: Phase) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            Failure::Reset { phase }
        }
        io::ErrorKind::TimedOut => Failure::Silent { phase },
        io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(EPERM) => Failure::Local,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::PermissionDenied
            if has_route(to) =>
        {
            Failure::Unreachable
        }
        _ => Failure::Local,
    }
}

/// Reading or writing failed on a connection that stood.
pub(super) fn talking(error: &io::Error, phase: Phase) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::Silent { phase },
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Failure::Unreachable,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Failure::Malformed { phase },
        io::ErrorKind::OutOfMemory => Failure::Local,
        _ => Failure::Reset { phase },
    }
}

/// Whether this machine knows a way to `to`. Connecting a datagram socket sends nothing, it only
/// asks the routing table; this is what tells our own missing route from a router's word.
fn has_route(to: SocketAddr) -> bool {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(any).is_ok_and(|socket| socket.connect(to).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_path_is_believed_only_where_we_have_a_way() {
        let unreachable = io::Error::from(io::ErrorKind::HostUnreachable);
        let here = at("127.0.0.1:1");
        assert_eq!(
            connecting(&unreachable, here, Phase::Connect),
            Failure::Unreachable
        );
        // A scoped address without its scope has no way out of any machine.
        let nowhere = at("[fe80::1]:1");
        assert_eq!(
            connecting(&unreachable, nowhere, Phase::Connect),
            Failure::Local
        );
    }

    #[test]
    fn our_own_trouble_is_never_the_targets() {
        let here = at("127.0.0.1:1");
        for code in [1, 12, 23, 24, 99, 105] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(
                connecting(&error, here, Phase::Connect),
                Failure::Local,
                "{error}"
            );
        }
    }
}
