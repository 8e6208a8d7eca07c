//! What the parent says about a zone: its name servers and their addresses. Asked with plain
//! questions, first to a resolver, then to the parent's own servers, because a resolver shows
//! what the child says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::base::iana::{Class, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::{Message, Name as WireName};
use domain::rdata::{A, Aaaa, AllRecordData, Ns};
use host::net::{Net, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::reach::Server;
use crate::steer::{Addresses, STEER_TTL};
use crate::wire::{Name, parent, push_frame};

/// For one question.
const ANSWER: Duration = Duration::from_secs(5);
/// Of those found, so many are asked about: nobody has more.
const MOST_SERVERS: usize = 16;

/// Where DNS servers listen.
pub const PORT: u16 = 53;

/// The name servers in the parent's delegation of `zone`, each with its addresses. `resolver` is
/// asked for everything but the delegation itself; the parent's servers are asked at `port`.
///
/// # Errors
/// Nobody answered, or not with what was asked.
pub async fn delegation(
    net: Net,
    resolver: SocketAddr,
    port: u16,
    zone: &Name,
) -> io::Result<Vec<(Name, Vec<IpAddr>)>> {
    let mut found = None;
    let mut last = io::Error::new(
        io::ErrorKind::NotFound,
        "the parent zone has no name server",
    );
    for server in parent_servers(net, resolver, zone).await? {
        match ask(
            net,
            SocketAddr::new(server, port),
            zone.as_wire(),
            Rtype::NS,
            false,
        )
        .await
        {
            Ok(answer) if !names(&answer).is_empty() => {
                found = Some(answer);
                break;
            }
            Ok(_) => {}
            Err(error) => last = error,
        }
    }
    let answer = found.ok_or(last)?;
    let mut servers = Vec::new();
    for name in names(&answer).into_iter().take(MOST_SERVERS) {
        // What the parent hands out is what the world follows; the rest is looked up.
        let mut found = glue(&answer, &name);
        if found.is_empty() {
            found = addresses(net, resolver, &name).await?;
        }
        servers.push((name, found));
    }
    Ok(servers)
}

/// What resolvers get for `names` from each name server in the delegation of the zone in which
/// they lie: each server is asked itself, but for ours, which says [`STEER_TTL`] or is not asked.
///
/// # Errors
/// The delegation could not be looked up.
pub async fn answers(
    net: Net,
    resolver: SocketAddr,
    port: u16,
    zone: &Name,
    names: &[Name],
    ours: &Addresses,
) -> io::Result<Vec<Server>> {
    let mut servers = Vec::new();
    for (name, addresses) in delegation(net, resolver, port, zone).await? {
        let own = |address: &IpAddr| ours.iter().any(|own| own == address.to_canonical());
        let is_ours = !addresses.is_empty() && addresses.iter().all(own);
        let mut ttl = None;
        if is_ours {
            ttl = Some(STEER_TTL);
        } else if let Some(address) = addresses.iter().find(|address| !own(address)) {
            let at = SocketAddr::new(*address, port);
            for name in names {
                ttl = ttl.max(longest_ttl(net, at, name).await);
            }
        }
        servers.push(Server {
            name,
            ours: is_ours,
            ttl,
        });
    }
    Ok(servers)
}

/// The longest TTL among what one server answers for the addresses of a name.
async fn longest_ttl(net: Net, server: SocketAddr, name: &Name) -> Option<u32> {
    let mut longest = None;
    for rtype in [Rtype::A, Rtype::AAAA] {
        // Who does not answer the first question is not asked a second one.
        let answer = ask(net, server, name.as_wire(), rtype, false).await.ok()?;
        let records = answer.answer().ok()?;
        let records = records.limit_to::<AllRecordData<_, _>>().flatten();
        longest = longest.max(records.map(|record| record.ttl().as_secs()).max());
    }
    longest
}

/// The addresses of the name servers of the zone above.
async fn parent_servers(net: Net, resolver: SocketAddr, zone: &Name) -> io::Result<Vec<IpAddr>> {
    let mut above = parent(zone.as_wire());
    while let Some(name) = above {
        let servers = names(&ask(net, resolver, name, Rtype::NS, true).await?);
        let mut found = Vec::new();
        for server in servers.into_iter().take(MOST_SERVERS) {
            found.extend(addresses(net, resolver, &server).await?);
        }
        if !found.is_empty() {
            return Ok(found);
        }
        above = parent(name);
    }
    Ok(Vec::new())
}

async fn addresses(net: Net, resolver: SocketAddr, name: &Name) -> io::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    let v4 = ask(net, resolver, name.as_wire(), Rtype::A, true).await?;
    if let Ok(answer) = v4.answer() {
        let records = answer.limit_to::<A>().flatten();
        found.extend(records.map(|record| IpAddr::V4(record.data().addr())));
    }
    let v6 = ask(net, resolver, name.as_wire(), Rtype::AAAA, true).await?;
    if let Ok(answer) = v6.answer() {
        let records = answer.limit_to::<Aaaa>().flatten();
        found.extend(records.map(|record| IpAddr::V6(record.data().addr())));
    }
    Ok(found)
}

/// The addresses that come along with a referral.
fn glue(answer: &Message<Vec<u8>>, name: &Name) -> Vec<IpAddr> {
    let Ok(section) = answer.additional() else {
        return Vec::new();
    };
    let records = section.limit_to::<AllRecordData<_, _>>().flatten();
    let own = records.filter(|record| crate::zone::lower_name(record.owner()) == name.as_wire());
    let addresses = own.filter_map(|record| match record.data() {
        AllRecordData::A(a) => Some(IpAddr::V4(a.addr())),
        AllRecordData::Aaaa(aaaa) => Some(IpAddr::V6(aaaa.addr())),
        _ => None,
    });
    addresses.collect()
}

/// The NS records of an answer or of a referral.
fn names(answer: &Message<Vec<u8>>) -> Vec<Name> {
    let sections = [answer.answer(), answer.authority()];
    let records = sections
        .into_iter()
        .flatten()
        .flat_map(|section| section.limit_to::<Ns<_>>());
    let names = records.flatten().filter_map(|record| {
        let wire = crate::zone::lower_name(record.data().nsdname());
        Name::from_wire(&wire).ok()
    });
    names.collect()
}

async fn ask(
    net: Net,
    server: SocketAddr,
    name: &[u8],
    rtype: Rtype,
    recurse: bool,
) -> io::Result<Message<Vec<u8>>> {
    let wrong = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
    let name = WireName::from_octets(name).map_err(|_| wrong("not a name"))?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_random_id();
    builder.header_mut().set_rd(recurse);
    let id = builder.header().id();
    let mut builder = builder.question();
    builder
        .push((name, rtype, Class::IN))
        .map_err(|_| wrong("not a question"))?;
    let mut framed = Vec::new();
    push_frame(&mut framed, &builder.finish());
    let exchange = async {
        let mut stream = net.connect(server).await?;
        stream.write_all(&framed).await?;
        let len = usize::from(stream.read_u16().await?);
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    };
    let bytes = within(ANSWER, exchange).await?;
    let answer = Message::from_octets(bytes).map_err(|_| wrong("no DNS answer"))?;
    if answer.header().id() != id || !answer.header().qr() {
        return Err(wrong("an answer to another question"));
    }
    Ok(answer)
}
