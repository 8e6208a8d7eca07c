//! Writes an answer into a reused buffer: compression, counts, and a size that is never passed.
//!
//! A record either fits whole or leaves no trace ([`Full`]). Name compression (RFC 1035 §4.1.4)
//! looks at up to [`KNOWN`] places in the message; nothing is allocated per answer.

use super::code;
use super::query::{Cookie, Edns, Query};

/// How many name positions are remembered for compression.
const KNOWN: usize = 32;
const HEADER: usize = 12;
/// Root, type, size, extended code and flags, no data (RFC 6891 §6.1.2).
const OPT_LEN: usize = 11;
/// Code and length of the option, the guest's part, our part (RFC 7873 §4).
const COOKIE_LEN: usize = 4 + 8 + 16;
/// What we take and send over UDP: fits every path without fragments.
pub(crate) const UDP_SIZE: u16 = 1232;

/// The record did not fit; the message is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A place to go back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    len: usize,
    known: usize,
    counts: [u16; 3],
}

/// An answer under construction.
pub struct Reply<'b> {
    buf: &'b mut Vec<u8>,
    limit: usize,
    counts: [u16; 3],
    known: [(u16, u8); KNOWN],
    known_len: usize,
    edns: Option<bool>,
    cookie: Option<([u8; 8], [u8; 16])>,
    rcode: u16,
    question_end: usize,
}

impl<'b> Reply<'b> {
    /// Starts an answer to `query`, whose bytes are `message`, of at most `limit` bytes.
    pub fn start(buf: &'b mut Vec<u8>, message: &[u8], query: &Query, limit: usize) -> Self {
        let edns = query.edns.map(|edns| edns.dnssec_ok);
        let mut reply = Self::begin(buf, message, query.question_end, edns, limit);
        if let Some(cookie) = query.edns.and_then(|edns| edns.cookie) {
            reply.give(&cookie);
        }
        let mut labels = query.name();
        let mut at = HEADER;
        while let Some(up) = super::parent(labels) {
            reply.remember(at, labels.len());
            at += labels.len() - up.len();
            labels = up;
        }
        reply
    }

    /// Starts an answer to a guest that asks for nothing but a cookie.
    pub(crate) fn to_cookie(buf: &'b mut Vec<u8>, message: &[u8], cookie: &Cookie) -> Self {
        let mut reply = Self::begin(buf, message, HEADER, Some(false), 512);
        reply.give(cookie);
        reply
    }

    /// Gives the guest what is answered to its cookie.
    fn give(&mut self, cookie: &Cookie) {
        self.cookie = cookie.answer.map(|answer| (cookie.client, answer));
        if self.cookie.is_some() {
            self.limit = self.limit.saturating_sub(COOKIE_LEN);
        }
    }

    /// Starts a bare refusal.
    pub(crate) fn refuse(
        buf: &'b mut Vec<u8>,
        message: &[u8],
        question_end: usize,
        edns: bool,
    ) -> Self {
        Self::begin(buf, message, question_end, edns.then_some(false), 512)
    }

    fn begin(
        buf: &'b mut Vec<u8>,
        message: &[u8],
        question_end: usize,
        edns: Option<bool>,
        limit: usize,
    ) -> Self {
        buf.clear();
        buf.extend_from_slice(message.get(..question_end).unwrap_or_default());
        buf.resize(question_end.max(HEADER), 0);
        let limit = limit.saturating_sub(if edns.is_some() { OPT_LEN } else { 0 });
        Self {
            buf,
            limit,
            counts: [0; 3],
            known: [(0, 0); KNOWN],
            known_len: 0,
            edns,
            cookie: None,
            rcode: code::NOERROR,
            question_end,
        }
    }

    /// Sets the code; may pass 15 where the guest speaks EDNS.
    pub(crate) fn set_rcode(&mut self, rcode: u16) {
        self.rcode = rcode;
    }

    /// How many records the answer section has.
    pub(crate) fn answers(&self) -> u16 {
        self.counts[0]
    }

    /// How many bytes there are so far.
    pub(crate) fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether the name written at `at` is `name`.
    pub(crate) fn is_name_at(&self, at: usize, name: &[u8]) -> bool {
        self.is_at(at, name)
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            len: self.buf.len(),
            known: self.known_len,
            counts: self.counts,
        }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.buf.truncate(mark.len);
        self.known_len = mark.known;
        self.counts = mark.counts;
    }

    /// Adds one record. `data` is uncompressed; names inside are compressed for the types of
    /// RFC 1035 only (RFC 3597 §4).
    pub(crate) fn push(
        &mut self,
        section: Section,
        owner: &[u8],
        rtype: u16,
        ttl: u32,
        data: &[u8],
    ) -> Result<(), Full> {
        let mark = self.mark();
        self.push_name(owner);
        self.buf.extend_from_slice(&rtype.to_be_bytes());
        self.buf.extend_from_slice(&code::CLASS_IN.to_be_bytes());
        self.buf.extend_from_slice(&ttl.to_be_bytes());
        let len_at = self.buf.len();
        self.buf.extend_from_slice(&[0, 0]);
        self.push_data(rtype, data);
        let written = self.buf.len() - len_at - 2;
        let fits = self.buf.len() <= self.limit;
        let (Ok(written), true) = (u16::try_from(written), fits) else {
            self.rewind(mark);
            return Err(Full);
        };
        if let Some(place) = self.buf.get_mut(len_at..len_at + 2) {
            place.copy_from_slice(&written.to_be_bytes());
        }
        let count = match section {
            Section::Answer => &mut self.counts[0],
            Section::Authority => &mut self.counts[1],
            Section::Additional => &mut self.counts[2],
        };
        *count = count.saturating_add(1);
        Ok(())
    }

    fn push_data(&mut self, rtype: u16, data: &[u8]) {
        // (bytes before the first name, names)
        let (before, names) = match rtype {
            code::NS | code::CNAME | 12 | 3 | 4 | 7 | 8 | 9 => (0, 1),
            code::SOA | 14 => (0, 2),
            code::MX => (2, 1),
            _ => (data.len(), 0),
        };
        let (head, mut rest) = data.split_at(before.min(data.len()));
        self.buf.extend_from_slice(head);
        for _ in 0..names {
            let Some(len) = name_len(rest) else { break };
            let (name, after) = rest.split_at(len);
            self.push_name(name);
            rest = after;
        }
        self.buf.extend_from_slice(rest);
    }

    fn push_name(&mut self, name: &[u8]) {
        let mut rest = name;
        while let Some(up) = super::parent(rest) {
            if let Some(at) = self.find(rest) {
                self.buf.extend_from_slice(&(0xc000 | at).to_be_bytes());
                return;
            }
            self.remember(self.buf.len(), rest.len());
            self.buf
                .extend_from_slice(rest.get(..rest.len() - up.len()).unwrap_or_default());
            rest = up;
        }
        self.buf.push(0);
    }

    fn remember(&mut self, at: usize, len: usize) {
        let (Ok(at), Ok(len)) = (u16::try_from(at), u8::try_from(len)) else {
            return;
        };
        if at < 0x4000
            && let Some(slot) = self.known.get_mut(self.known_len)
        {
            *slot = (at, len);
            self.known_len += 1;
        }
    }

    fn find(&self, name: &[u8]) -> Option<u16> {
        let known = self.known.get(..self.known_len)?;
        let same_len = known
            .iter()
            .filter(|(_, len)| usize::from(*len) == name.len());
        same_len
            .map(|(at, _)| *at)
            .find(|at| self.is_at(usize::from(*at), name))
    }

    /// Whether the name written at `at` is `name`. Our own pointers only lead backwards.
    fn is_at(&self, mut at: usize, mut name: &[u8]) -> bool {
        loop {
            let (Some(&len), Some(&want)) = (self.buf.get(at), name.first()) else {
                return false;
            };
            if len >= 0xc0 {
                let low = self.buf.get(at + 1).copied().unwrap_or(0);
                let next = usize::from(len & 0x3f) << 8 | usize::from(low);
                if next >= at {
                    return false;
                }
                at = next;
                continue;
            }
            if len != want {
                return false;
            }
            if len == 0 {
                return true;
            }
            let step = 1 + usize::from(len);
            let (Some(have), Some(label)) = (self.buf.get(at + 1..at + step), name.get(1..step))
            else {
                return false;
            };
            if !have.eq_ignore_ascii_case(label) {
                return false;
            }
            at += step;
            name = name.get(step..).unwrap_or_default();
        }
    }

    /// Writes header and OPT; the answer is complete in the buffer then.
    pub(crate) fn finish(self, authoritative: bool, truncated: bool) {
        let mut additional = self.counts[2];
        let [_, low] = self.rcode.to_be_bytes();
        if let Some(dnssec_ok) = self.edns {
            let extended = u8::try_from(self.rcode >> 4).unwrap_or(0);
            let flags = if dnssec_ok { 0x80 } else { 0 };
            self.buf.push(0);
            self.buf.extend_from_slice(&code::OPT.to_be_bytes());
            self.buf.extend_from_slice(&UDP_SIZE.to_be_bytes());
            self.buf.extend_from_slice(&[extended, 0, flags, 0]);
            match self.cookie {
                None => self.buf.extend_from_slice(&[0, 0]),
                Some((client, server)) => {
                    self.buf.extend_from_slice(&[0, 28]);
                    self.buf.extend_from_slice(&code::COOKIE.to_be_bytes());
                    self.buf.extend_from_slice(&[0, 24]);
                    self.buf.extend_from_slice(&client);
                    self.buf.extend_from_slice(&server);
                }
            }
            additional = additional.saturating_add(1);
        }
        let questions = u16::from(self.question_end > HEADER);
        let counts = [questions, self.counts[0], self.counts[1], additional];
        let Some(header) = self.buf.get_mut(..HEADER) else {
            return;
        };
        let [_, _, first, second, ..] = header else {
            return;
        };
        // QR; opcode and RD stay as asked; RA, Z and AD are never set by us.
        *first = 0x80
            | (*first & 0x79)
            | if authoritative { 0x04 } else { 0 }
            | if truncated { 0x02 } else { 0 };
        *second = (*second & 0x10) | (low & 0x0f);
        for (place, count) in header
            .iter_mut()
            .skip(4)
            .zip(counts.iter().flat_map(|c| c.to_be_bytes()))
        {
            *place = count;
        }
    }
}

/// How large an answer to `edns` may be over UDP (RFC 6891 §6.2.3: less than 512 means 512).
pub(crate) fn udp_limit(edns: Option<Edns>) -> usize {
    usize::from(edns.map_or(512, |edns| edns.udp_size.clamp(512, UDP_SIZE)))
}

fn name_len(wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = usize::from(*wire.get(at)?);
        at += 1 + len;
        if len == 0 {
            return Some(at);
        }
        if len > 63 || at > wire.len() {
            return None;
        }
    }
}
