//! The DNS probe: the SOA of a zone, asked of one name server (RFC 1034 §6.2, RFC 1035 §4).
//!
//! Over UDP, asked a second time within the time-out, and over TCP when the answer says that it
//! is cut short (RFC 7766 §5). Good is an answer with authority that holds the zone's SOA.

use std::net::SocketAddr;
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, ToName};
use domain::rdata::Soa;
use model::{DnsFault, Failure, Phase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::{Stopwatch, Tools, datagram, fault};

/// Asks for the SOA of `zone`; the whole takes at most `limit`, which the caller enforces.
pub(super) async fn ask(
    tools: Tools<'_>,
    to: SocketAddr,
    zone: &str,
    limit: Duration,
    watch: &mut Stopwatch<'_>,
) -> Result<(), Failure> {
    watch.begin(Phase::Query);
    // A zone whose name cannot be asked was refused with the configuration.
    let zone: Name<Vec<u8>> = zone.parse().map_err(|_| Failure::Local)?;
    let question = question(&zone)?;
    match over_udp(to, &question, &zone, limit, watch).await? {
        Heard::Good => Ok(()),
        Heard::CutShort => over_tcp(tools, to, &question, &zone).await,
    }
}

/// What an answer to our question says, if nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Good,
    CutShort,
}

fn question(zone: &Name<Vec<u8>>) -> Result<Vec<u8>, Failure> {
    let mut message = MessageBuilder::new_vec();
    // RFC 5452 §9.2: an unpredictable id beside the unpredictable port.
    message.header_mut().set_random_id();
    let mut message = message.question();
    message
        .push((zone, Rtype::SOA, Class::IN))
        .map_err(|_| Failure::Local)?;
    Ok(message.finish())
}

/// The largest datagram there is.
const DATAGRAM: usize = 65_535;

async fn over_udp(
    to: SocketAddr,
    question: &[u8],
    zone: &Name<Vec<u8>>,
    limit: Duration,
    watch: &mut Stopwatch<'_>,
) -> Result<Heard, Failure> {
    let failed = |error: std::io::Error| fault::connecting(&error, to, Phase::Query);
    let socket = open(to).await.map_err(failed)?;
    socket.send(question).await.map_err(failed)?;
    // RFC 1035 §4.2.1: datagrams are lost; asked once more when half of the time has passed.
    let first = listen(&socket, to, question, zone, watch);
    if let Ok(heard) = tokio::time::timeout(limit / 2, first).await {
        return heard;
    }
    socket.send(question).await.map_err(failed)?;
    listen(&socket, to, question, zone, watch).await
}

async fn open(to: SocketAddr) -> std::io::Result<UdpSocket> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    datagram::report_errors(&socket, to);
    // Connected: the kernel takes answers from nobody else, and tells what the path says.
    socket.connect(to).await?;
    Ok(socket)
}

/// Listens until an answer to our question came; anything else is passed over, and remembered.
async fn listen(
    socket: &UdpSocket,
    to: SocketAddr,
    question: &[u8],
    zone: &Name<Vec<u8>>,
    watch: &mut Stopwatch<'_>,
) -> Result<Heard, Failure> {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let length = datagram::receive(socket, &mut buffer)
            .await
            .map_err(|error| fault::connecting(&error, to, Phase::Query))?;
        match hear(buffer.get(..length).unwrap_or_default(), question, zone) {
            Some(heard) => return heard,
            None => watch.heard(Err(Failure::Dns(DnsFault::Malformed))),
        }
    }
}

async fn over_tcp(
    tools: Tools<'_>,
    to: SocketAddr,
    question: &[u8],
    zone: &Name<Vec<u8>>,
) -> Result<(), Failure> {
    let talking = |error: std::io::Error| fault::talking(&error, Phase::Query);
    let mut stream = tools
        .net
        .connect(to)
        .await
        .map_err(|error| fault::connecting(&error, to, Phase::Query))?;
    // RFC 1035 §4.2.2: a message over TCP is preceded by its length.
    let length = u16::try_from(question.len()).map_err(|_| Failure::Local)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(question);
    stream.write_all(&framed).await.map_err(talking)?;
    let length = stream.read_u16().await.map_err(talking)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(talking)?;
    match hear(&answer, question, zone) {
        Some(Ok(Heard::Good)) => Ok(()),
        Some(Err(failure)) => Err(failure),
        Some(Ok(Heard::CutShort)) | None => Err(Failure::Dns(DnsFault::Malformed)),
    }
}

/// What a message says; `None` if it is no answer to our question and may be anybody's.
fn hear(bytes: &[u8], question: &[u8], zone: &Name<Vec<u8>>) -> Option<Result<Heard, Failure>> {
    let answer = Message::from_octets(bytes).ok()?;
    let asked = Message::from_octets(question).ok()?;
    let header = answer.header();
    if !header.qr() || header.id() != asked.header().id() {
        return None;
    }
    // RFC 5452 §9.1: the answer repeats the question. Some servers leave it out of a refusal
    // that they did not read further (RFC 1035 §4.1.1 asks for the id alone).
    let repeated = match answer.header_counts().qdcount() {
        0 => header.rcode() != Rcode::NOERROR,
        _ => answer.sole_question().is_ok_and(|question| {
            question.qtype() == Rtype::SOA
                && question.qclass() == Class::IN
                && question.qname().name_eq(zone)
        }),
    };
    if !repeated {
        return None;
    }
    Some(judge(&answer, zone))
}

fn judge(answer: &Message<&[u8]>, zone: &Name<Vec<u8>>) -> Result<Heard, Failure> {
    let header = answer.header();
    match header.rcode() {
        Rcode::NOERROR => {}
        Rcode::REFUSED | Rcode::NOTAUTH | Rcode::NOTIMP => {
            return Err(Failure::Dns(DnsFault::Refused));
        }
        Rcode::SERVFAIL => return Err(Failure::Dns(DnsFault::ServerFailure)),
        Rcode::NXDOMAIN => return Err(Failure::Dns(DnsFault::NoSuchName)),
        _ => return Err(Failure::Dns(DnsFault::Malformed)),
    }
    if header.tc() {
        return Ok(Heard::CutShort);
    }
    if !header.aa() {
        return Err(Failure::Dns(DnsFault::NotAuthoritative));
    }
    let malformed = Failure::Dns(DnsFault::Malformed);
    let records = answer.answer().map_err(|_| malformed.clone())?;
    for record in records.limit_to_in::<Soa<_>>() {
        let record = record.map_err(|_| malformed.clone())?;
        if record.owner().name_eq(zone) {
            return Ok(Heard::Good);
        }
    }
    Err(Failure::Dns(DnsFault::NoSuchName))
}
