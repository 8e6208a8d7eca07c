//! Puts the records of a transfer together, however they are spread over messages (RFC 5936 §2.2,
//! RFC 1995 §4); nothing replaces a zone before the last one came.
//!
//! ```text
//! AXFR   SOA new · everything else · SOA new
//! IXFR   SOA new · (SOA old · what goes · SOA next · what comes)… · SOA new
//!        or as AXFR, or the SOA alone where nothing is newer
//! ```
//! A SOA that comes alone says nothing about what follows in the next message: only its serial
//! tells "nothing new" from "this is the beginning".

use std::io;

use domain::base::Message;
use domain::base::iana::{Class, Opcode, Rcode};
use domain::rdata::ZoneRecordData;

use crate::secondary::{Fetch, Input, is_newer};
use crate::wire::{Name, code};
use crate::zone::{Diff, Record, Records, Soa};

/// How large a transfer may become: whoever answers for the primary must not fill our memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Bytes of records.
    pub bytes: usize,
}

impl Default for Limits {
    /// One million records, 96 MiB.
    fn default() -> Self {
        Self {
            records: 1_000_000,
            bytes: 96 << 20,
        }
    }
}

/// Why a transfer brought nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection, or it broke.
    #[error("the primary cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// It answered, and refused.
    #[error("the primary refuses: {0}; does it allow transfers to this address and key?")]
    Refused(Rcode),
    /// It answered nonsense.
    #[error("the primary's answer is not understood: {0}")]
    Malformed(String),
    /// The signature is missing or wrong.
    #[error(
        "the primary's signature: {0}; is the key the same on both sides, and the clock right?"
    )]
    Signature(String),
    /// It does not end.
    #[error("the transfer is larger than {0} records or the bytes allowed for them")]
    TooLarge(usize),
    /// What came is no zone, or does not fit the one held.
    #[error(transparent)]
    Zone(#[from] crate::zone::ZoneFault),
    /// We ourselves could not keep it.
    #[error("the zone could not be kept: {0}")]
    Keep(String),
}

impl Fault {
    /// What it means for the timetable: whether another kind of transfer may help.
    pub(crate) fn input(&self) -> Input {
        match self {
            Self::Unreachable(_) | Self::Keep(_) => Input::Broken,
            Self::Refused(_)
            | Self::Malformed(_)
            | Self::Signature(_)
            | Self::TooLarge(_)
            | Self::Zone(_) => Input::Refused,
        }
    }

    fn malformed(what: &dyn std::fmt::Display) -> Self {
        Self::Malformed(what.to_string())
    }
}

/// A transfer that came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    Whole(Records),
    Changes(Vec<Diff>),
    /// Nothing is newer than what is held; the primary has this serial.
    UpToDate(u32),
}

/// How far it came.
enum Stage {
    /// Nothing yet.
    Begin,
    /// The SOA of the new version.
    First,
    /// Records of the whole zone.
    Whole(Records),
    /// Differences; of the last one, what goes or what comes.
    Changes { diffs: Vec<Diff>, adding: bool },
}

/// Takes the messages of one transfer.
pub(crate) struct Assembler<'a> {
    apex: &'a Name,
    what: Fetch,
    limits: Limits,
    records: usize,
    bytes: usize,
    newest: u32,
    stage: Stage,
    first: Records,
}

impl<'a> Assembler<'a> {
    /// For the answer to `what`.
    pub(crate) fn new(apex: &'a Name, what: Fetch, limits: Limits) -> Self {
        Self {
            apex,
            what,
            limits,
            records: 0,
            bytes: 0,
            newest: 0,
            stage: Stage::Begin,
            first: Records::default(),
        }
    }

    /// Whether nothing came but the first SOA at the most.
    pub(crate) fn is_at_the_beginning(&self) -> bool {
        matches!(self.stage, Stage::Begin | Stage::First)
    }

    /// Whether nothing came at all.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.stage, Stage::Begin)
    }

    /// Takes the next message, already verified; gives the result after the last one.
    pub(crate) fn take(&mut self, message: &Message<Vec<u8>>) -> Result<Option<Fetched>, Fault> {
        let header = message.header();
        if header.rcode() != Rcode::NOERROR {
            return Err(Fault::Refused(header.rcode()));
        }
        if header.opcode() != Opcode::QUERY || header.tc() {
            return Err(Fault::malformed(&"not a transfer, or a truncated one"));
        }
        // Compression can make much of little; what is kept is bounded below as well.
        self.bytes = self.bytes.saturating_add(message.as_slice().len());
        let answer = message.answer().map_err(|error| Fault::malformed(&error))?;
        let mut came = None;
        for record in answer.limit_to::<ZoneRecordData<_, _>>() {
            let record = record.map_err(|error| Fault::malformed(&error))?;
            if came.is_some() {
                return Err(Fault::malformed(&"records after the last SOA"));
            }
            let mut one = Records::default();
            if record.class() == Class::IN {
                one.push_typed(&record);
            }
            self.records += 1;
            self.bytes = self.bytes.saturating_add(one.size());
            if self.records > self.limits.records || self.bytes > self.limits.bytes {
                return Err(Fault::TooLarge(self.limits.records));
            }
            let Some(record) = one.iter().next() else {
                continue;
            };
            came = self.step(&record)?;
            if matches!(came, Some(Fetched::UpToDate(_))) {
                // Whatever follows is a version that is not wanted.
                return Ok(came);
            }
        }
        if came.is_none() && self.is_empty() {
            return Err(Fault::malformed(&"no SOA in the answer"));
        }
        Ok(came)
    }

    fn step(&mut self, record: &Record<'_>) -> Result<Option<Fetched>, Fault> {
        let serial = self.serial(record)?;
        let first = &mut self.first;
        let stage = std::mem::replace(&mut self.stage, Stage::Begin);
        self.stage = match (stage, serial) {
            (Stage::Begin, None) => return Err(Fault::malformed(&"a record before its SOA")),
            (Stage::Begin, Some(serial)) => {
                self.newest = serial;
                first.push_record(record);
                // RFC 1995 §4, RFC 1982: only the serial says whether there is anything new.
                if let Fetch::Incremental(held) = self.what
                    && !is_newer(serial, held)
                {
                    self.stage = Stage::First;
                    return Ok(Some(Fetched::UpToDate(serial)));
                }
                Stage::First
            }
            (Stage::First, Some(serial)) if serial != self.newest => {
                if !matches!(self.what, Fetch::Incremental(_)) {
                    return Err(Fault::malformed(&"it ends with another SOA than it began"));
                }
                let mut diff = Diff::default();
                diff.removed.push_record(record);
                Stage::Changes {
                    diffs: vec![diff],
                    adding: false,
                }
            }
            (Stage::First, Some(_)) => {
                // To IXFR this would be a difference of nothing, and the zone of nothing else.
                if matches!(self.what, Fetch::Incremental(_)) {
                    return Err(Fault::malformed(&"an IXFR without a difference"));
                }
                return Ok(Some(Fetched::Whole(std::mem::take(first))));
            }
            (Stage::First, None) => {
                let mut records = std::mem::take(first);
                records.push_record(record);
                Stage::Whole(records)
            }
            (Stage::Whole(mut records), None) => {
                records.push_record(record);
                Stage::Whole(records)
            }
            (Stage::Whole(records), Some(serial)) if serial == self.newest => {
                return Ok(Some(Fetched::Whole(records)));
            }
            // RFC 5936 §2.2: the zone changed under the transfer, or two were mixed.
            (Stage::Whole(_), Some(_)) => {
                return Err(Fault::malformed(&"it ends with another SOA than it began"));
            }
            (Stage::Changes { mut diffs, adding }, serial) => {
                let Some(diff) = diffs.last_mut() else {
                    return Err(Fault::malformed(&"a record before its SOA"));
                };
                let (adding, last) = match serial {
                    None if adding => {
                        diff.added.push_record(record);
                        (true, false)
                    }
                    None => {
                        diff.removed.push_record(record);
                        (false, false)
                    }
                    Some(_) if !adding => {
                        diff.added.push_record(record);
                        (true, false)
                    }
                    Some(serial) if serial == self.newest => (true, true),
                    Some(_) => {
                        let mut next = Diff::default();
                        next.removed.push_record(record);
                        diffs.push(next);
                        (false, false)
                    }
                };
                if last {
                    return Ok(Some(Fetched::Changes(diffs)));
                }
                Stage::Changes { diffs, adding }
            }
        };
        Ok(None)
    }

    /// The serial of a SOA of this zone; any other SOA has no place in a transfer of it.
    fn serial(&self, record: &Record<'_>) -> Result<Option<u32>, Fault> {
        if record.rtype != code::SOA {
            return Ok(None);
        }
        let soa = Soa::of_data(record.data, record.ttl);
        match soa {
            Some(soa) if record.owner.eq_ignore_ascii_case(self.apex.as_wire()) => {
                Ok(Some(soa.serial))
            }
            _ => Err(Fault::malformed(&"a SOA of another zone")),
        }
    }
}
