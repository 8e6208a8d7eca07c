//! From a question to the bytes of its answer: a pure function of the zones and the overlay.
//!
//! `serve` calls [`answer`] for every ordinary question; the fuzz target and the tests call it
//! too. RFC 1034 §4.3.2 with RFC 2308 (denials), RFC 4592 (wildcards), RFC 6672 (DNAME),
//! RFC 4035 §3.1 and RFC 5155 §7.2 (signed zones, served as they came), RFC 8482 (ANY).

mod denial;
mod glue;
mod set;
mod steered;

pub use set::{Served, ZoneSet};

use crate::steer::{Overlay, STEER_TTL, Steered};
use crate::wire::{
    Cookie, MAX_NAME, Name, Query, Refusal, Reply, code, is_at_or_below, lower_into,
};
use crate::wire::{Section, udp_limit};
use crate::zone::{Found, Labels, Node, RecordSet, Zone};

/// How a message came, which says how large the answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram.
    Udp,
    /// A stream.
    Tcp,
}

/// What became of a message, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Data.
    Answered,
    /// Data that a wildcard or a DNAME made for this name: there is no end of such names.
    Expanded,
    /// The name exists, the type does not.
    NoData,
    /// The name does not exist.
    NoName,
    /// It is delegated.
    Referral,
    /// Not one of our zones, not our class, or a transfer asked for without the right.
    Refused,
    /// A zone of ours that we cannot answer from now: not transferred yet, or expired.
    Unavailable,
    /// Bytes that are no question.
    Malformed,
    /// An opcode or a version that we do not speak.
    Unsupported,
    /// A name that became too long on its way (RFC 6672 §2.2).
    TooLong,
    /// No question: a cookie was asked for (RFC 7873 §5.4).
    Cookie,
    /// Nothing was answered at all.
    Dropped,
}

/// The longest chain of CNAME and DNAME that is followed in one answer.
const LONGEST_CHAIN: usize = 16;

/// Answers a message whose refusal is already known. Nothing is written for [`Outcome::Dropped`].
pub fn refuse(refusal: Refusal, message: &[u8], out: &mut Vec<u8>) -> Outcome {
    out.clear();
    let (rcode, question_end, edns) = match refusal {
        Refusal::Drop => return Outcome::Dropped,
        Refusal::Cookie(cookie) => return with_cookie(&cookie, true, message, out),
        Refusal::Code {
            rcode,
            question_end,
            edns,
        } => (rcode, question_end, edns),
    };
    let mut reply = Reply::refuse(out, message, question_end, edns);
    reply.set_rcode(rcode);
    reply.finish(false, false);
    match rcode {
        code::FORMERR => Outcome::Malformed,
        _ => Outcome::Unsupported,
    }
}

/// Answers a guest that asks for nothing but a cookie; `is_right` unless it showed a server's part
/// that is wrong (RFC 7873 §5.4).
pub(crate) fn with_cookie(
    cookie: &Cookie,
    is_right: bool,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Outcome {
    let mut reply = Reply::to_cookie(out, message, cookie);
    reply.set_rcode(if is_right {
        code::NOERROR
    } else {
        code::BADCOOKIE
    });
    reply.finish(false, false);
    Outcome::Cookie
}

/// Cuts a finished answer to `query` down to its question, truncated: whoever is really there asks
/// again over TCP.
pub(crate) fn truncate(query: &Query, message: &[u8], out: &mut Vec<u8>) {
    let octet = |at: usize| out.get(at).copied().unwrap_or(0);
    let (authoritative, rcode) = (octet(2) & 0x04 != 0, u16::from(octet(3) & 0x0f));
    let mut reply = Reply::start(out, message, query, 512);
    reply.set_rcode(rcode);
    reply.finish(authoritative, true);
}

/// Answers `query`, read from `message`, with nothing but a code.
pub fn with_code(query: &Query, message: &[u8], rcode: u16, out: &mut Vec<u8>) {
    let mut reply = Reply::start(out, message, query, usize::from(u16::MAX));
    reply.set_rcode(rcode);
    reply.finish(rcode == code::NOERROR, false);
}

/// Answers `query`, read from `message`, into `out`.
pub fn answer(
    zones: &ZoneSet,
    query: &Query,
    message: &[u8],
    transport: Transport,
    out: &mut Vec<u8>,
) -> Outcome {
    let limit = match transport {
        Transport::Udp => udp_limit(query.edns),
        Transport::Tcp => usize::from(u16::MAX),
    };
    let mut reply = Reply::start(out, message, query, limit);
    let refuse = |mut reply: Reply<'_>, rcode, outcome| {
        reply.set_rcode(rcode);
        reply.finish(false, false);
        outcome
    };
    // RFC 5936 §4.2: a transfer has its own way; here it is refused, as are classes but IN.
    let transfer = matches!(query.qtype, code::AXFR | code::IXFR);
    if query.qclass != code::CLASS_IN || transfer {
        return refuse(reply, code::REFUSED, Outcome::Refused);
    }
    // RFC 6895 §3.1: meta-types other than ANY cannot be asked for.
    if matches!(query.qtype, code::OPT | 128 | 249..=254) {
        return refuse(reply, code::NOTIMP, Outcome::Unsupported);
    }
    let name = Labels::of(query.name());
    let Some(served) = zones.find(&name, query.qtype) else {
        return refuse(reply, code::REFUSED, Outcome::Refused);
    };
    let Some(zone) = served.zone() else {
        return refuse(reply, code::SERVFAIL, Outcome::Unavailable);
    };
    let mut run = Run {
        zone,
        overlay: served.overlay(),
        reply: &mut reply,
        dnssec: zone.is_signed() && query.edns.is_some_and(|edns| edns.dnssec_ok),
        qtype: query.qtype,
        truncated: false,
        authoritative: true,
        expanded: false,
        trail: [0; LONGEST_CHAIN],
        trail_len: 0,
        wildcards: Vec::new(),
        proved: [None; 8],
    };
    let outcome = match run.follow(query.name()) {
        Outcome::Answered if run.expanded => Outcome::Expanded,
        outcome => outcome,
    };
    run.truncated |= run.prove_wildcards().is_err();
    let (authoritative, truncated) = (run.authoritative, run.truncated);
    reply.finish(authoritative, truncated);
    outcome
}

/// One answer under way.
struct Run<'z, 'r, 'b> {
    zone: &'z Zone,
    overlay: Option<&'z Overlay>,
    reply: &'r mut Reply<'b>,
    dnssec: bool,
    qtype: u16,
    truncated: bool,
    authoritative: bool,
    /// Whether a wildcard or a DNAME stands for a name.
    expanded: bool,
    /// Where in the message the owners of the aliases followed so far stand.
    trail: [usize; LONGEST_CHAIN],
    trail_len: usize,
    /// Names that a wildcard answered for, each with the next closer name; proved at the end,
    /// because the answer section comes first.
    wildcards: Vec<(Name, Name)>,
    /// Owners of the proofs that are in the answer already.
    proved: [Option<&'z Name>; 8],
}

/// What one name led to.
enum Step {
    Done(Outcome),
    /// On to the name in the buffer, which has this length.
    Follow(usize),
}

/// A record set did not fit; the answer ends here, truncated.
struct Cut;

impl<'z> Run<'z, '_, '_> {
    fn follow(&mut self, question: &[u8]) -> Outcome {
        let mut name = [0; MAX_NAME];
        let mut len = lower_into(question, &mut name).unwrap_or(0);
        let mut next = [0; MAX_NAME];
        for hop in 0..LONGEST_CHAIN {
            let current = name.get(..len).unwrap_or(&[0]);
            if hop > 0 && !is_at_or_below(current, self.zone.apex().as_wire()) {
                return Outcome::Answered;
            }
            match self.step(current, &mut next) {
                Ok(Step::Done(outcome)) => return outcome,
                Ok(Step::Follow(next_len)) => len = next_len,
                Err(Cut) => {
                    self.truncated = true;
                    return Outcome::Answered;
                }
            }
            // A chain that bites its own tail has said everything in the answer already.
            let target = next.get(..len).unwrap_or(&[0]);
            let mut trail = self.trail.iter().take(self.trail_len);
            if trail.any(|owner| self.reply.is_name_at(*owner, target)) {
                return Outcome::Answered;
            }
            name = next;
        }
        Outcome::Answered
    }

    fn step(&mut self, name: &[u8], next: &mut [u8; MAX_NAME]) -> Result<Step, Cut> {
        let steered = self.overlay.and_then(|overlay| overlay.get(name));
        let labels = Labels::of(name);
        match self.zone.walk(&labels) {
            Found::Cut { owner, node } => {
                // RFC 4035 §3.1.4.1: the parent answers for DS at the cut itself.
                if self.qtype == code::DS && owner.len() == name.len() {
                    return self.at_node(name, node, None, next);
                }
                self.refer(owner, node)
            }
            Found::Dname { owner, node } => {
                self.expanded = true;
                self.redirect(name, owner, node, next)
            }
            Found::Node(node) if leads_here(steered) => self.steer(name, Some(node), steered),
            Found::Node(node) => self.at_node(name, node, steered.map(|steered| steered.ttl), next),
            Found::Wildcard {
                node,
                encloser,
                next_closer,
            } => {
                self.expanded = true;
                let steered = self
                    .overlay
                    .and_then(|overlay| overlay.covering(name, encloser));
                if leads_here(steered) {
                    return self.steer(name, Some(node), steered);
                }
                let cap = steered.map(|steered| steered.ttl);
                let before = self.reply.answers();
                let step = self.at_wildcard(name, node, encloser, cap, next)?;
                if self.dnssec && self.reply.answers() > before {
                    self.wildcards
                        .push((Name::from_lower(name), Name::from_lower(next_closer)));
                }
                Ok(step)
            }
            Found::Missing {
                encloser,
                next_closer,
            } => {
                let steered = self
                    .overlay
                    .and_then(|overlay| overlay.covering(name, encloser));
                if leads_here(steered) {
                    self.expanded = true;
                    return self.steer(name, None, steered);
                }
                let above = self.overlay.filter(|overlay| overlay.is_above(name));
                if above.is_some_and(Overlay::is_active) {
                    // RFC 8020 §2: a name below it exists, so it exists too, without records.
                    self.soa(Some(STEER_TTL))?;
                    return Ok(Step::Done(Outcome::NoData));
                }
                self.reply.set_rcode(code::NXDOMAIN);
                // Whoever keeps "no such name" takes everything below for missing as well.
                let cap = steered.map(|steered| steered.ttl);
                self.soa(cap.or(above.map(|_| STEER_TTL)))?;
                if self.dnssec {
                    self.prove_missing(name, encloser, next_closer)?;
                }
                Ok(Step::Done(Outcome::NoName))
            }
        }
    }

    /// The name exists (or a wildcard stands for it): data, an alias, or nothing of that type.
    fn at_node(
        &mut self,
        name: &[u8],
        node: &'z Node,
        cap: Option<u32>,
        next: &mut [u8; MAX_NAME],
    ) -> Result<Step, Cut> {
        if let Some(step) = self.data(name, node, cap, next)? {
            return Ok(step);
        }
        self.soa(cap)?;
        if self.dnssec {
            self.prove_no_data(name)?;
        }
        Ok(Step::Done(Outcome::NoData))
    }

    fn at_wildcard(
        &mut self,
        name: &[u8],
        node: &'z Node,
        encloser: &[u8],
        cap: Option<u32>,
        next: &mut [u8; MAX_NAME],
    ) -> Result<Step, Cut> {
        if let Some(step) = self.data(name, node, cap, next)? {
            return Ok(step);
        }
        self.soa(cap)?;
        if self.dnssec {
            self.prove_wildcard_no_data(name, encloser)?;
        }
        Ok(Step::Done(Outcome::NoData))
    }

    /// Data of the type asked for, or an alias to go on with; `None` if there is neither.
    fn data(
        &mut self,
        name: &[u8],
        node: &'z Node,
        cap: Option<u32>,
        next: &mut [u8; MAX_NAME],
    ) -> Result<Option<Step>, Cut> {
        let found = match self.qtype {
            // RFC 8482 §4.1: one set is enough of an answer to ANY.
            code::ANY => node.sets().next(),
            code::RRSIG => {
                let signed = node.sets().find(|set| set.signatures().next().is_some());
                return match signed {
                    Some(set) => {
                        self.signatures(Section::Answer, name, set, set.ttl)?;
                        Ok(Some(Step::Done(Outcome::Answered)))
                    }
                    None => Ok(None),
                };
            }
            wanted => node.get(wanted),
        };
        if let Some(set) = found {
            self.set(Section::Answer, name, set, capped(set, cap))?;
            self.servers(name, set);
            return Ok(Some(Step::Done(Outcome::Answered)));
        }
        let Some(alias) = node.get(code::CNAME) else {
            return Ok(None);
        };
        self.leave_trail();
        self.set(Section::Answer, name, alias, capped(alias, cap))?;
        let target = alias.data().next().unwrap_or(&[0]);
        Ok(Some(match lower_into(target, next) {
            Some(len) => Step::Follow(len),
            None => Step::Done(Outcome::Answered),
        }))
    }

    /// Below a DNAME: the record itself, and the alias that follows from it (RFC 6672 §3.1).
    fn redirect(
        &mut self,
        name: &[u8],
        owner: &[u8],
        node: &'z Node,
        next: &mut [u8; MAX_NAME],
    ) -> Result<Step, Cut> {
        let Some(dname) = node.get(code::DNAME) else {
            return Ok(Step::Done(Outcome::Answered));
        };
        self.set(Section::Answer, owner, dname, dname.ttl)?;
        let target = dname.data().next().unwrap_or(&[0]);
        let kept = name.get(..name.len() - owner.len()).unwrap_or_default();
        let len = kept.len() + target.len();
        if len > MAX_NAME {
            // RFC 6672 §2.2.
            self.reply.set_rcode(code::YXDOMAIN);
            return Ok(Step::Done(Outcome::TooLong));
        }
        let mut alias = [0; MAX_NAME];
        for (place, octet) in alias.iter_mut().zip(kept.iter().chain(target)) {
            *place = *octet;
        }
        let alias = alias.get(..len).unwrap_or(&[0]);
        self.leave_trail();
        self.reply
            .push(Section::Answer, name, code::CNAME, dname.ttl, alias)
            .map_err(|_| Cut)?;
        // A DNAME that leads below itself would only grow the name until it bursts.
        let mut lower = [0; MAX_NAME];
        let lower_len = lower_into(target, &mut lower).unwrap_or(0);
        let grows = is_at_or_below(lower.get(..lower_len).unwrap_or_default(), owner);
        if grows || self.qtype == code::CNAME || self.qtype == code::ANY {
            return Ok(Step::Done(Outcome::Answered));
        }
        Ok(match lower_into(alias, next) {
            Some(len) => Step::Follow(len),
            None => Step::Done(Outcome::Answered),
        })
    }

    /// Remembers where the owner of the alias that comes next will stand.
    fn leave_trail(&mut self) {
        if let Some(place) = self.trail.get_mut(self.trail_len) {
            *place = self.reply.len();
            self.trail_len += 1;
        }
    }

    /// The SOA of a denial (RFC 2308 §3); for a steerable name it is not kept longer than the
    /// name's own records.
    fn soa(&mut self, cap: Option<u32>) -> Result<(), Cut> {
        let apex = self.zone.apex_node().and_then(|node| node.get(code::SOA));
        let Some(set) = apex else { return Ok(()) };
        let ttl = self.zone.soa().negative_ttl().min(cap.unwrap_or(u32::MAX));
        self.set(Section::Authority, self.zone.apex().as_wire(), set, ttl)
    }

    /// The zone's name servers beside an answer, as RFC 1034 §6.2.1 shows it, where they fit;
    /// left out for those who ask with DO, whose answers are large enough.
    fn servers(&mut self, name: &[u8], answered: &RecordSet) {
        let apex = self.zone.apex().as_wire();
        if self.dnssec || self.qtype == code::ANY || (answered.rtype == code::NS && name == apex) {
            return;
        }
        if let Some(set) = self.zone.apex_node().and_then(|node| node.get(code::NS)) {
            // What does not fit is not missed.
            let _ = self.set(Section::Authority, apex, set, set.ttl);
        }
    }

    /// A whole set with its signatures, or nothing of it (RFC 2181 §9).
    fn set(
        &mut self,
        section: Section,
        owner: &[u8],
        set: &RecordSet,
        ttl: u32,
    ) -> Result<(), Cut> {
        let mark = self.reply.mark();
        for data in set.data() {
            if self
                .reply
                .push(section, owner, set.rtype, ttl, data)
                .is_err()
            {
                self.reply.rewind(mark);
                return Err(Cut);
            }
        }
        if self.dnssec && self.signatures(section, owner, set, ttl).is_err() {
            self.reply.rewind(mark);
            return Err(Cut);
        }
        Ok(())
    }

    fn signatures(
        &mut self,
        section: Section,
        owner: &[u8],
        set: &RecordSet,
        ttl: u32,
    ) -> Result<(), Cut> {
        for data in set.signatures() {
            self.reply
                .push(section, owner, code::RRSIG, ttl, data)
                .map_err(|_| Cut)?;
        }
        Ok(())
    }
}

/// Whether a name leads to us now.
fn leads_here(steered: Option<&Steered>) -> bool {
    steered.is_some_and(|steered| steered.addresses.is_some())
}

/// Only what leads to an address is capped.
fn capped(set: &RecordSet, cap: Option<u32>) -> u32 {
    match (set.rtype, cap) {
        (code::A | code::AAAA | code::CNAME | code::HTTPS | code::SVCB, Some(cap)) => {
            set.ttl.min(cap)
        }
        _ => set.ttl,
    }
}
