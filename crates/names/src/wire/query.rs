//! A guest's message, read once, strictly: header, one question (none where a cookie is asked for),
//! EDNS, the place of a TSIG.
//!
//! Whatever is refused is refused with a code ([`Refusal`]), so that the caller answers and
//! counts; only bytes that are no question at all are dropped.

use super::name::{MAX_NAME, lower_into};
use super::{code, read_u16, read_u32};

/// The EDNS part of a query (RFC 6891 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The largest UDP answer that the guest takes, as it says.
    pub udp_size: u16,
    /// The version that the guest speaks.
    pub version: u8,
    /// Whether DNSSEC records are wanted (RFC 3225).
    pub dnssec_ok: bool,
    /// The cookie, if there is one.
    pub cookie: Option<Cookie>,
}

/// A cookie (RFC 7873 §4, RFC 9018 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The guest's own part.
    pub client: [u8; 8],
    /// The part that we gave, where it has the form of ours.
    pub server: Option<[u8; 16]>,
    /// Whether there is a server's part, in whatever form.
    pub has_server: bool,
    /// The server's part that is answered; whoever has the secret sets it.
    pub answer: Option<[u8; 16]>,
}

/// A question that can be answered.
#[derive(Clone, Debug)]
pub struct Query {
    /// To be echoed.
    pub id: u16,
    /// QUERY or NOTIFY.
    pub opcode: u8,
    /// To be echoed.
    pub recursion_desired: bool,
    /// To be echoed (RFC 4035 §3.2.2).
    pub checking_disabled: bool,
    name: [u8; MAX_NAME],
    name_len: u8,
    /// The type asked for.
    pub qtype: u16,
    /// The class asked for.
    pub qclass: u16,
    /// Where the question ends in the message.
    pub question_end: usize,
    /// The EDNS part, if there is one.
    pub edns: Option<Edns>,
    /// Whether the last record is a TSIG.
    pub signed: bool,
    /// The serial in a NOTIFY's or an IXFR's SOA.
    pub serial: Option<u32>,
}

impl Query {
    /// The name asked for, lowered, in wire form.
    pub fn name(&self) -> &[u8] {
        self.name.get(..usize::from(self.name_len)).unwrap_or(&[0])
    }
}

/// A message that is not answered from a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing to answer: too short for a header, or itself an answer.
    Drop,
    /// An error code; the question is echoed up to the given end if it could be read.
    Code {
        /// FORMERR, NOTIMP or BADVERS.
        rcode: u16,
        /// Where the question ends; 12 if there is none.
        question_end: usize,
        /// Whether the answer carries an OPT record.
        edns: bool,
    },
    /// No question, but a cookie: the guest wants one of ours (RFC 7873 §5.4).
    Cookie(Cookie),
}

const HEADER: usize = 12;

/// Reads a message.
///
/// # Errors
/// What to answer instead, as data.
// A query is 300 bytes on the stack and lives as long as the call.
#[allow(clippy::result_large_err)]
pub fn parse(message: &[u8]) -> Result<Query, Refusal> {
    let header = message.get(..HEADER).ok_or(Refusal::Drop)?;
    let flags = read_u16(header, 2).unwrap_or(0);
    // An answer is never answered: two servers would talk forever.
    if flags & 0x8000 != 0 {
        return Err(Refusal::Drop);
    }
    let bare = |rcode| Refusal::Code {
        rcode,
        question_end: HEADER,
        edns: false,
    };
    let opcode = u8::try_from((flags >> 11) & 0xf).unwrap_or(0xf);
    if opcode != code::OPCODE_QUERY && opcode != code::OPCODE_NOTIFY {
        return Err(bare(code::NOTIMP));
    }
    let counts: [u16; 4] =
        std::array::from_fn(|index| read_u16(header, 4 + 2 * index).unwrap_or(0));
    let mut query = Query {
        id: read_u16(header, 0).unwrap_or(0),
        opcode,
        recursion_desired: flags & 0x0100 != 0,
        checking_disabled: flags & 0x0010 != 0,
        name: [0; MAX_NAME],
        name_len: 1,
        qtype: 0,
        qclass: 0,
        question_end: HEADER,
        edns: None,
        signed: false,
        serial: None,
    };
    // RFC 9619: never more than one question, and none only where that means something.
    match counts[0] {
        0 if opcode == code::OPCODE_QUERY => {}
        1 => question(message, &mut query).ok_or(bare(code::FORMERR))?,
        _ => return Err(bare(code::FORMERR)),
    }
    records(message, counts, &mut query)?;
    if query.edns.is_some_and(|edns| edns.version != 0) {
        // RFC 6891 §6.1.3.
        let question_end = query.question_end;
        return Err(Refusal::Code {
            rcode: code::BADVERS,
            question_end,
            edns: true,
        });
    }
    if counts[0] == 0 {
        let cookie = query.edns.and_then(|edns| edns.cookie);
        let cookie = cookie.filter(|_| !query.signed);
        return Err(cookie.map_or(bare(code::FORMERR), Refusal::Cookie));
    }
    Ok(query)
}

/// Reads the question; `None` where there is none.
fn question(message: &[u8], query: &mut Query) -> Option<()> {
    let len = lower_into(message.get(HEADER..)?, &mut query.name)?;
    query.name_len = u8::try_from(len).unwrap_or(0);
    let at = HEADER + len;
    query.qtype = read_u16(message, at)?;
    query.qclass = read_u16(message, at + 2)?;
    query.question_end = at + 4;
    Some(())
}

/// Walks over what follows the question: OPT, TSIG, the SOA of a NOTIFY or IXFR.
fn records(message: &[u8], counts: [u16; 4], query: &mut Query) -> Result<(), Refusal> {
    let malformed = Refusal::Code {
        rcode: code::FORMERR,
        question_end: query.question_end,
        edns: false,
    };
    let mut at = query.question_end;
    let total: u32 = counts.iter().skip(1).map(|count| u32::from(*count)).sum();
    let additional_from = u32::from(counts[1]) + u32::from(counts[2]);
    for index in 0..total {
        let fixed = skip_name(message, at).ok_or(malformed)?;
        let rtype = read_u16(message, fixed).ok_or(malformed)?;
        let class = read_u16(message, fixed + 2).ok_or(malformed)?;
        let ttl = read_u32(message, fixed + 4).ok_or(malformed)?;
        let len = usize::from(read_u16(message, fixed + 8).ok_or(malformed)?);
        let end = fixed + 10 + len;
        let data = message.get(fixed + 10..end).ok_or(malformed)?;
        match rtype {
            code::OPT => {
                // RFC 6891 §6.1.1: one OPT, at the root, in the additional section.
                let at_root = message.get(at) == Some(&0);
                if query.edns.is_some() || index < additional_from || !at_root {
                    return Err(malformed);
                }
                let [_, version, flags, _] = ttl.to_be_bytes();
                query.edns = Some(Edns {
                    udp_size: class,
                    version,
                    dnssec_ok: flags & 0x80 != 0,
                    cookie: cookie(data).ok_or(malformed)?,
                });
            }
            code::TSIG => {
                // RFC 8945 §5.1: the last record of the additional section, and only there.
                if index + 1 != total || index < additional_from {
                    return Err(malformed);
                }
                query.signed = true;
            }
            code::SOA if index < additional_from => {
                // The serial lies twenty bytes before the end: five 32-bit numbers.
                query.serial = data.len().checked_sub(20).and_then(|at| read_u32(data, at));
            }
            _ => {}
        }
        at = end;
    }
    if at == message.len() {
        Ok(())
    } else {
        Err(malformed)
    }
}

/// The cookie among EDNS options, if there is one; `None` where the options are malformed
/// (RFC 6891 §6.1.2, RFC 7873 §5.2.2).
fn cookie(mut options: &[u8]) -> Option<Option<Cookie>> {
    let mut found = None;
    while !options.is_empty() {
        let (option, len) = (read_u16(options, 0)?, usize::from(read_u16(options, 2)?));
        let data = options.get(4..4 + len)?;
        options = options.get(4 + len..)?;
        // RFC 7873 §5.2: of several the first counts.
        if option != code::COOKIE || found.is_some() {
            continue;
        }
        let (client, server) = data.split_first_chunk::<8>()?;
        if !matches!(server.len(), 0 | 8..=32) {
            return None;
        }
        found = Some(Cookie {
            client: *client,
            server: server.try_into().ok(),
            has_server: !server.is_empty(),
            answer: None,
        });
    }
    Some(found)
}

/// The place after the name at `at`; pointers end it (they are not followed).
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..=128 {
        let len = *message.get(at)?;
        match len {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(len),
            0xc0..=0xff => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
    None
}
