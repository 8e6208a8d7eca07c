//! Asks the primary: for its serial, for the zone. Over TCP only, so that nobody can slip an
//! answer in; every wait is bounded.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, Name as WireName};
use domain::rdata::Soa as SoaData;
use domain::tsig::Key;
use host::Clock;
use host::net::{Net, Stream, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::message::Checks;
use super::{Assembler, Fault, Fetched, Limits, tsig_time};
use crate::secondary::Fetch;
use crate::wire::Name;

const CONNECT: Duration = Duration::from_secs(5);
/// For the next message of a transfer.
const NEXT: Duration = Duration::from_secs(15);
/// For a whole transfer, however patient the other side is.
const WHOLE: Duration = Duration::from_secs(600);

/// Whom to ask, and how.
#[derive(Clone)]
pub(crate) struct Primary {
    pub(crate) net: Net,
    pub(crate) clock: Clock,
    pub(crate) address: SocketAddr,
    /// From which of our addresses; `None` leaves it to the machine.
    pub(crate) from: Option<IpAddr>,
    pub(crate) key: Option<Arc<Key>>,
    pub(crate) limits: Limits,
}

/// The primary's serial.
pub(crate) async fn ask_serial(primary: &Primary, apex: &Name) -> Result<u32, Fault> {
    let mut talk = Talk::begin(primary, apex, Rtype::SOA, None).await?;
    let message = talk.next().await?;
    talk.checks.done().map_err(Fault::Signature)?;
    let rcode = message.header().rcode();
    if rcode != Rcode::NOERROR {
        return Err(Fault::Refused(rcode));
    }
    let malformed = |error: &dyn std::fmt::Display| Fault::Malformed(error.to_string());
    let answer = message.answer().map_err(|error| malformed(&error))?;
    let soa = answer.limit_to::<SoaData<_>>().next();
    match soa {
        Some(Ok(soa)) => Ok(soa.data().serial().into_int()),
        Some(Err(error)) => Err(malformed(&error)),
        None => Err(Fault::Malformed("no SOA in the answer".to_owned())),
    }
}

/// A transfer from its first message to its last; `soa` is the data of the SOA record held,
/// which an incremental one names (RFC 1995 §3).
pub(crate) async fn fetch(
    primary: &Primary,
    apex: &Name,
    what: Fetch,
    soa: Option<&[u8]>,
) -> Result<Fetched, Fault> {
    let work = async {
        let (rtype, soa) = match what {
            Fetch::Whole | Fetch::Anew => (Rtype::AXFR, None),
            Fetch::Incremental(_) => (Rtype::IXFR, soa),
        };
        let mut talk = Talk::begin(primary, apex, rtype, soa).await?;
        let mut assembler = Assembler::new(apex, what, primary.limits);
        loop {
            let message = talk
                .next()
                .await
                .map_err(|fault| ended(fault, what, &assembler))?;
            if let Some(fetched) = assembler.take(&message)? {
                talk.checks.done().map_err(Fault::Signature)?;
                return Ok(fetched);
            }
        }
    };
    match tokio::time::timeout(WHOLE, work).await {
        Ok(result) => result,
        Err(_) => Err(Fault::Unreachable(io::ErrorKind::TimedOut.into())),
    }
}

/// A primary that hangs up on IXFR, or says no more than the SOA, does not understand it: AXFR may
/// help. Where more had come, the connection broke, and the same is tried again later.
fn ended(fault: Fault, what: Fetch, assembler: &Assembler<'_>) -> Fault {
    let Fault::Unreachable(error) = fault else {
        return fault;
    };
    let hung_up = error.kind() != io::ErrorKind::TimedOut;
    let incremental = matches!(what, Fetch::Incremental(_));
    if incremental && assembler.is_at_the_beginning() && (hung_up || !assembler.is_empty()) {
        return Fault::Malformed(format!("an IXFR that goes no further ({error})"));
    }
    Fault::Unreachable(error)
}

/// One question and the answers to it.
struct Talk {
    stream: Stream,
    clock: Clock,
    checks: Checks,
    id: u16,
    rtype: Rtype,
    first: bool,
}

impl Talk {
    async fn begin(
        primary: &Primary,
        apex: &Name,
        rtype: Rtype,
        soa: Option<&[u8]>,
    ) -> Result<Self, Fault> {
        let now = tsig_time(primary.clock.now().wall);
        let (question, checks, id) = question(apex, rtype, soa, primary.key.as_ref(), now)
            .ok_or_else(|| Fault::Malformed("the question cannot be written".to_owned()))?;
        let connect = primary.net.connect_from(primary.from, primary.address);
        let mut stream = within(CONNECT, connect).await.map_err(Fault::Unreachable)?;
        let mut framed = Vec::with_capacity(question.len() + 2);
        crate::wire::push_frame(&mut framed, &question);
        within(CONNECT, stream.write_all(&framed))
            .await
            .map_err(Fault::Unreachable)?;
        let clock = primary.clock.clone();
        Ok(Self {
            stream,
            clock,
            checks,
            id,
            rtype,
            first: true,
        })
    }

    async fn next(&mut self) -> Result<Message<Vec<u8>>, Fault> {
        let read = async {
            let len = usize::from(self.stream.read_u16().await?);
            let mut bytes = vec![0; len];
            self.stream.read_exact(&mut bytes).await?;
            Ok(bytes)
        };
        let bytes = within(NEXT, read).await.map_err(Fault::Unreachable)?;
        let mut message = Message::from_octets(bytes)
            .map_err(|_| Fault::Malformed("a message without a header".to_owned()))?;
        // RFC 8945 §5.3.1: each message is checked before a byte of it is believed.
        let checked = self
            .checks
            .check(&mut message, tsig_time(self.clock.now().wall));
        let refused = message.header().rcode();
        if let Err(what) = checked {
            // An unsigned refusal is told as what it is; it changes nothing either way.
            return Err(match refused {
                Rcode::NOERROR => Fault::Signature(what),
                rcode => Fault::Refused(rcode),
            });
        }
        let header = message.header();
        let question = message.first_question();
        let foreign = question.is_some_and(|question| question.qtype() != self.rtype)
            || (self.first && refused == Rcode::NOERROR && message.first_question().is_none());
        if header.id() != self.id || !header.qr() || foreign {
            return Err(Fault::Malformed("an answer to another question".to_owned()));
        }
        self.first = false;
        Ok(message)
    }
}

fn question(
    apex: &Name,
    rtype: Rtype,
    soa: Option<&[u8]>,
    key: Option<&Arc<Key>>,
    now: domain::rdata::tsig::Time48,
) -> Option<(Vec<u8>, Checks, u16)> {
    let name = WireName::from_octets(apex.as_wire()).ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_random_id();
    let id = builder.header().id();
    let mut builder = builder.question();
    builder.push((&name, rtype, Class::IN)).ok()?;
    let mut builder = builder.authority();
    if let Some(soa) = soa {
        let data = UnknownRecordData::from_octets(Rtype::SOA, soa).ok()?;
        builder.push((&name, Class::IN, 0, data)).ok()?;
    }
    let mut builder = builder.additional();
    let checks = Checks::sign(key, &mut builder, now)?;
    Some((builder.finish(), checks, id))
}
