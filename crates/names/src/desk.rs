//! Where a message goes: an ordinary question to `answer`, a NOTIFY to the keeper of its zone, a
//! signed message through the check of its signature, a transfer to the stream it came by.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use domain::base::Message;
use domain::tsig::{Key, ServerTransaction};
use host::Clock;
use model::Now;
use tokio::sync::{mpsc, oneshot};

use crate::answer::{self, Outcome, Transport, ZoneSet};
use crate::config::{Organisation, Source};
use crate::cookies::{Cookies, Proof};
use crate::metrics::{Counters, Refused};
use crate::publish::Published;
use crate::rate::{Category, Limiter, Pass};
use crate::story::Came;
use crate::transfer::{Signing, error_answer, sign_answer, tsig_time, verify};
use crate::wire::{Cookie, Name, Query, Refusal, code, parse, udp_limit};

/// What somebody wants of the keeper of a zone.
#[derive(Debug)]
pub(crate) enum Knock {
    /// The primary said that something changed.
    Notified(Option<u32>),
    /// A person wants it refreshed now, and to know what came of it.
    Refresh(Wish),
}

/// What a person wants of a zone.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Whether the primary's version is taken even where it is older than ours.
    pub(crate) take_older: bool,
    /// Where to say what came of it.
    pub(crate) came: oneshot::Sender<Came>,
}

/// How many knocks wait; more are answered all the same, and one is as good as two.
pub(crate) const KNOCKS: usize = 4;

/// Who may do what with a zone.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    /// Where a NOTIFY may come from without a signature.
    notify_from: Arc<[IpAddr]>,
    key: Option<Arc<Key>>,
    pub(crate) door: Option<mpsc::Sender<Knock>>,
}

/// All zones with their rights.
pub(crate) type Directory = HashMap<Name, Rights>;

/// The rights in one organisation's zones; `door` leads to the keeper of each.
pub(crate) fn rights(organisation: &Organisation, door: Option<mpsc::Sender<Knock>>) -> Rights {
    let primary = match &organisation.source {
        Source::Primary(address) => Some(address.ip()),
        Source::None | Source::File(_) => None,
    };
    let others = organisation.notify_from.iter().copied();
    let notify_from = primary.into_iter().chain(others);
    Rights {
        notify_from: notify_from.map(|at| at.to_canonical()).collect(),
        key: organisation.key.clone(),
        door,
    }
}

/// A transfer that was asked for with the right key.
pub(crate) struct Asked {
    pub(crate) apex: Name,
    pub(crate) serial: Option<u32>,
    pub(crate) request: Message<Vec<u8>>,
    pub(crate) transaction: ServerTransaction<Arc<Key>>,
}

/// What is to be done with a message.
pub(crate) enum Handled {
    /// Send what is in the buffer.
    Answer,
    /// Send nothing.
    Nothing,
    /// Send a transfer (streams only).
    Transfer(Box<Asked>),
}

/// Takes messages.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) published: Arc<Published>,
    pub(crate) directory: Directory,
    pub(crate) counters: Counters,
    pub(crate) clock: Clock,
    pub(crate) cookies: Cookies,
    pub(crate) limiter: Limiter,
}

/// Who asks, how, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub(crate) peer: IpAddr,
    pub(crate) transport: Transport,
    pub(crate) now: Now,
}

impl Desk {
    /// Answers `message` from `guest` out of `zones` into `out`.
    pub(crate) fn handle(
        &self,
        zones: &ZoneSet,
        message: &[u8],
        guest: Guest,
        out: &mut Vec<u8>,
    ) -> Handled {
        let Guest {
            peer,
            transport,
            now,
        } = guest;
        let mut query = match parse(message) {
            Ok(query) => query,
            Err(Refusal::Cookie(cookie)) => return self.acquaint(guest, cookie, message, out),
            Err(refusal) => {
                let outcome = answer::refuse(refusal, message, out);
                self.counters.answered(outcome);
                return match outcome {
                    Outcome::Dropped => Handled::Nothing,
                    _ => self.restrain(guest, Category::Error, None, message, out),
                };
            }
        };
        let cookie = query.edns.as_mut().and_then(|edns| edns.cookie.as_mut());
        let proof = cookie.map(|cookie| self.cookies.judge(cookie, peer, now.wall));
        if let Some(proof) = proof {
            self.counters.proved(proof);
        }
        let transfer = matches!(query.qtype, code::AXFR | code::IXFR);
        if query.signed {
            return self.signed(zones, &query, message, peer, transport, out);
        }
        if query.opcode == code::OPCODE_NOTIFY {
            let rcode = self.notified(&query, peer, false);
            answer::with_code(&query, message, rcode, out);
            return self.restrain(guest, Category::Error, Some(&query), message, out);
        }
        if transfer {
            self.counters.refused(Refused::Transfer);
        }
        let outcome = answer::answer(zones, &query, message, transport, out);
        self.counters.answered(outcome);
        if proof == Some(Proof::Valid) {
            return Handled::Answer;
        }
        let zone = || {
            zones
                .apex_above(query.name())
                .map_or(&[][..], Name::as_wire)
        };
        let endless = |kind| Category::Endless { kind, zone: zone() };
        let category = match outcome {
            Outcome::Answered => Category::Answer {
                name: query.name(),
                rtype: query.qtype,
            },
            Outcome::Expanded => endless(0),
            Outcome::NoData => endless(1),
            Outcome::NoName | Outcome::TooLong => endless(2),
            Outcome::Referral => endless(3),
            Outcome::Refused
            | Outcome::Unavailable
            | Outcome::Malformed
            | Outcome::Unsupported
            | Outcome::Cookie
            | Outcome::Dropped => Category::Error,
        };
        self.restrain(guest, category, Some(&query), message, out)
    }

    /// RFC 7873 §5.4: a message without a question asks for a cookie.
    fn acquaint(
        &self,
        guest: Guest,
        mut cookie: Cookie,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Handled {
        let proof = self.cookies.judge(&mut cookie, guest.peer, guest.now.wall);
        self.counters.proved(proof);
        let outcome = answer::with_cookie(&cookie, proof != Proof::Invalid, message, out);
        self.counters.answered(outcome);
        match proof {
            Proof::Valid => Handled::Answer,
            Proof::New | Proof::Invalid => {
                self.restrain(guest, Category::Error, None, message, out)
            }
        }
    }

    /// Lets an answer in `out` pass, or cuts it, where its network has had it too often. Streams
    /// are not limited: whoever has one is really there.
    fn restrain(
        &self,
        guest: Guest,
        category: Category<'_>,
        query: Option<&Query>,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Handled {
        if guest.transport == Transport::Tcp {
            return Handled::Answer;
        }
        match self.limiter.pass(guest.now.mono, guest.peer, category) {
            Pass::Send => Handled::Answer,
            Pass::Truncate => {
                self.counters.refused(Refused::Truncated);
                match (query, out.get_mut(2)) {
                    (Some(query), _) => answer::truncate(query, message, out),
                    // A bare refusal has no records; TC is all that is missing.
                    (None, Some(flags)) => *flags |= 0x02,
                    (None, None) => {}
                }
                Handled::Answer
            }
            Pass::Drop => {
                self.counters.refused(Refused::Limited);
                Handled::Nothing
            }
        }
    }

    fn signed(
        &self,
        zones: &ZoneSet,
        query: &Query,
        bytes: &[u8],
        peer: IpAddr,
        transport: Transport,
        out: &mut Vec<u8>,
    ) -> Handled {
        let now = tsig_time(self.clock.now().wall);
        let Ok(mut message) = Message::from_octets(bytes.to_vec()) else {
            return Handled::Nothing;
        };
        let rights = self.directory.get(query.name()).or_else(|| {
            zones
                .apex_above(query.name())
                .and_then(|apex| self.directory.get(apex))
        });
        let key = rights.and_then(|rights| rights.key.as_ref());
        let transaction = match verify(key, &mut message, now) {
            Signing::Signed(transaction) => *transaction,
            Signing::Unsigned => return Handled::Nothing,
            Signing::Wrong(error) => {
                self.counters.refused(Refused::Signature);
                if query.opcode == code::OPCODE_NOTIFY {
                    self.notified_wrongly(query, peer);
                }
                let original = Message::from_octets(bytes.to_vec());
                let written = original.is_ok_and(|message| error_answer(*error, &message, out));
                return if written {
                    Handled::Answer
                } else {
                    Handled::Nothing
                };
            }
        };
        let transfer = matches!(query.qtype, code::AXFR | code::IXFR);
        let ours = query.qclass == code::CLASS_IN && self.directory.contains_key(query.name());
        if query.opcode == code::OPCODE_NOTIFY {
            let rcode = self.notified(query, peer, true);
            answer::with_code(query, bytes, rcode, out);
        } else if transfer && ours && transport == Transport::Tcp {
            let serial = query.serial.filter(|_| query.qtype == code::IXFR);
            let apex = Name::from_lower(query.name());
            return Handled::Transfer(Box::new(Asked {
                apex,
                serial,
                request: message,
                transaction,
            }));
        } else {
            let mut query = query.clone();
            if query.qtype == code::IXFR && ours {
                // RFC 1995 §2: over UDP the SOA alone, which says: ask over TCP.
                query.qtype = code::SOA;
            } else if transfer {
                self.counters.refused(Refused::Transfer);
            }
            let outcome = answer::answer(zones, &query, bytes, transport, out);
            self.counters.answered(outcome);
        }
        let limit = match transport {
            Transport::Udp => udp_limit(query.edns),
            Transport::Tcp => usize::from(u16::MAX),
        };
        if sign_answer(&transaction, out, limit, now) {
            Handled::Answer
        } else {
            Handled::Nothing
        }
    }

    /// RFC 1996 §3.10: only the primary of a zone is listened to. Whoever `signed` with the key of
    /// the zone may be anywhere; without a signature it costs a question at most, so the primary's
    /// address is enough.
    fn notified(&self, query: &Query, peer: IpAddr, signed: bool) -> u16 {
        let refused = |rcode| {
            self.counters.refused(Refused::Notify);
            rcode
        };
        if query.qtype != code::SOA || query.qclass != code::CLASS_IN {
            return refused(code::FORMERR);
        }
        let Some(rights) = self.directory.get(query.name()) else {
            return refused(code::NOTAUTH);
        };
        let door = rights
            .door
            .as_ref()
            .filter(|_| signed || rights.notify_from.contains(&peer.to_canonical()));
        let Some(door) = door else {
            return refused(code::REFUSED);
        };
        self.counters.notified.inc();
        // A full door means that the keeper will look anyway.
        let _ = door.try_send(Knock::Notified(query.serial));
        code::NOERROR
    }

    /// A NOTIFY whose signature is wrong is refused, but from the primary's address it is as good a
    /// reason to ask as one without a signature; nothing that it says is believed.
    fn notified_wrongly(&self, query: &Query, peer: IpAddr) {
        let rights = self.directory.get(query.name());
        let rights = rights.filter(|rights| rights.notify_from.contains(&peer.to_canonical()));
        let about_a_zone = query.qtype == code::SOA && query.qclass == code::CLASS_IN;
        if let Some(door) = rights.and_then(|rights| rights.door.as_ref())
            && about_a_zone
        {
            self.counters.notified.inc();
            let _ = door.try_send(Knock::Notified(None));
        }
    }
}
