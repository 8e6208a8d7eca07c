//! The small zone that is ours (`steer.via = "zone"`): the organisation's `www` is a CNAME into
//! it, or it is delegated to us; its answers are the primary's addresses or the standby's.

use super::{Addresses, STEER_TTL};
use crate::wire::{Name, code};
use crate::zone::{Records, Zone, ZoneFault};

/// What resolvers may keep of the SOA and NS records: an hour, they hardly change.
const FRAME_TTL: u32 = 3600;

/// The zone `apex` at `epoch`, whose `names` lead to `leads`; `servers` are its name servers, `glue` the
/// addresses of those that lie in it.
///
/// The serial is the epoch: it only grows, and no two roles share one. Every standby of a fleet
/// makes the zone itself; it is not transferred.
///
/// # Errors
/// Never for a name that is a name; the type is that of every zone.
pub fn standby_zone(
    apex: &Name,
    servers: &[Name],
    glue: &[(Name, Addresses)],
    names: &[Name],
    leads: &Addresses,
    epoch: u64,
) -> Result<Zone, ZoneFault> {
    let mut records = Records::default();
    let first_server = servers.first().unwrap_or(apex);
    // RFC 1982: serials wrap; zero is left out, some servers take it for "none".
    let serial = u32::try_from((epoch % u64::from(u32::MAX)) + 1).unwrap_or(1);
    let mut soa = first_server.as_wire().to_vec();
    soa.extend_from_slice(b"\x0ahostmaster");
    soa.extend_from_slice(apex.as_wire());
    // refresh, retry, expire, minimum
    for number in [serial, 3600, 600, 1_209_600, STEER_TTL] {
        soa.extend_from_slice(&number.to_be_bytes());
    }
    records.push(apex.as_wire(), code::SOA, FRAME_TTL, &soa);
    for server in servers {
        records.push(apex.as_wire(), code::NS, FRAME_TTL, server.as_wire());
    }
    let servers = glue.iter().map(|(name, own)| (name, own, FRAME_TTL));
    let steered = names.iter().map(|name| (name, leads, STEER_TTL));
    for (name, addresses, ttl) in servers.chain(steered) {
        for v4 in &addresses.v4 {
            records.push(name.as_wire(), code::A, ttl, &v4.octets());
        }
        for v6 in &addresses.v6 {
            records.push(name.as_wire(), code::AAAA, ttl, &v6.octets());
        }
    }
    Zone::from_records(apex.clone(), &records)
}
