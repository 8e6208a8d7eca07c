//! Tells our secondaries that a zone changed (RFC 1996 §3): over UDP, repeated until answered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::{Class, Opcode, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, Name as WireName};
use domain::tsig::Key;
use host::Clock;
use host::net::within;

use super::message::Checks;
use super::tsig_time;
use crate::zone::Zone;

/// RFC 1996 §3.6: the wait doubles from try to try.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const TRIES: u32 = 5;

/// Sends the notice to `to`, from `from` where that is said and of the same family; whether it was
/// answered.
pub(crate) async fn notify(
    clock: &Clock,
    from: Option<IpAddr>,
    to: SocketAddr,
    zone: &Zone,
    key: Option<&Arc<Key>>,
) -> bool {
    let unspecified: IpAddr = match to {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = from.filter(|from| from.is_ipv4() == to.is_ipv4());
    let from = SocketAddr::new(from.unwrap_or(unspecified), 0);
    let Ok(socket) = tokio::net::UdpSocket::bind(from).await else {
        return false;
    };
    if socket.connect(to).await.is_err() {
        return false;
    }
    for attempt in 0..TRIES {
        let now = tsig_time(clock.now().wall);
        let Some((bytes, mut checks, id)) = notice(zone, key, now) else {
            return false;
        };
        let wait = FIRST_WAIT.saturating_mul(1 << attempt);
        let exchange = async {
            socket.send(&bytes).await?;
            let mut answer = vec![0; 1232];
            loop {
                let len = socket.recv(&mut answer).await?;
                let bytes = answer.get(..len).unwrap_or_default().to_vec();
                let Ok(mut message) = Message::from_octets(bytes) else {
                    continue;
                };
                let signed = checks
                    .check(&mut message, tsig_time(clock.now().wall))
                    .is_ok();
                let header = message.header();
                if signed && header.id() == id && header.qr() && header.opcode() == Opcode::NOTIFY {
                    return Ok(());
                }
            }
        };
        match within(wait, exchange).await {
            Ok(()) => return true,
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {}
            // Refused by the machine: nobody listens there now; the wait is kept.
            Err(_) => clock.sleep(wait).await,
        }
    }
    false
}

fn notice(
    zone: &Zone,
    key: Option<&Arc<Key>>,
    now: domain::rdata::tsig::Time48,
) -> Option<(Vec<u8>, Checks, u16)> {
    let name = WireName::from_octets(zone.apex().as_wire()).ok()?;
    let soa = zone.soa_record()?;
    let mut builder = MessageBuilder::new_vec();
    let header = builder.header_mut();
    header.set_random_id();
    header.set_opcode(Opcode::NOTIFY);
    header.set_aa(true);
    let id = builder.header().id();
    let mut builder = builder.question();
    builder.push((&name, Rtype::SOA, Class::IN)).ok()?;
    let mut builder = builder.answer();
    let data = UnknownRecordData::from_octets(Rtype::SOA, soa.data).ok()?;
    builder.push((&name, Class::IN, soa.ttl, data)).ok()?;
    let mut builder = builder.additional();
    let checks = Checks::sign(key, &mut builder, now)?;
    Some((builder.finish(), checks, id))
}
