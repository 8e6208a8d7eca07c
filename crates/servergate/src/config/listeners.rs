//! Which listeners cannot be there together: the same address and port twice, also where one of the
//! two means every address.

use std::net::SocketAddr;

use host::config::{Fields, Place, Problem};

const KEYS: [&str; 5] = ["dns", "http", "https", "smtp", "metrics"];

/// What cannot be bound beside what stands before it.
pub(super) fn conflicts(fields: &Fields<'_>) -> Vec<Problem> {
    let Some(listen) = fields.peek("listen") else {
        return Vec::new();
    };
    let mut before: Vec<(SocketAddr, &str, Place)> = Vec::new();
    let mut problems = Vec::new();
    for key in KEYS {
        for (text, place) in listen.texts(key) {
            // What is no address was said already.
            let Ok(address) = text.parse::<SocketAddr>() else {
                continue;
            };
            let first = before.iter().find(|(other, _, _)| collide(*other, address));
            if let Some((other, as_what, there)) = first {
                let mend = match (other.ip().is_unspecified(), address.ip().is_unspecified()) {
                    (false, false) => "take one out, or choose another port",
                    _ => {
                        "take the single address out, or name single addresses instead of the one that means all"
                    }
                };
                let message = format!(
                    "listen.{key}: {address} cannot be bound beside {other} of `{as_what}` ({there}); {mend}"
                );
                problems.push(Problem::at(&place, message, false));
            }
            before.push((address, key, place));
        }
    }
    problems
}

/// Whether only one of the two can be bound. The families are apart: a socket for every IPv6
/// address takes no IPv4.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    // Port 0 is any free one.
    one.port() == other.port()
        && one.port() != 0
        && one.is_ipv4() == other.is_ipv4()
        && (all || one.ip() == other.ip())
}
