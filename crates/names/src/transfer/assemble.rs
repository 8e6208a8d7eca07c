//! Puts the messages of a transfer together; nothing replaces a zone before the last one came.

use std::io;

use bytes::Bytes;
use domain::base::Message;
use domain::base::iana::Rcode;
use domain::net::xfr::protocol::{IterationError, ParsedRecord, XfrResponseInterpreter};
use domain::zonetree::types::ZoneUpdate;

use crate::secondary::Input;
use crate::zone::{Diff, Records};

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
    #[error("the primary cannot be reached")]
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
}

/// A transfer that came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    Whole(Records),
    Changes(Vec<Diff>),
    UpToDate,
}

/// Takes the messages of one transfer.
pub(crate) struct Assembler {
    interpreter: XfrResponseInterpreter,
    limits: Limits,
    records: usize,
    bytes: usize,
    whole: Option<Records>,
    changes: Vec<Diff>,
    adding: bool,
}

impl Assembler {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            interpreter: XfrResponseInterpreter::new(),
            limits,
            records: 0,
            bytes: 0,
            whole: None,
            changes: Vec::new(),
            adding: false,
        }
    }

    /// Takes the next message, already verified; gives the result after the last one.
    pub(crate) fn take(&mut self, message: Message<Bytes>) -> Result<Option<Fetched>, Fault> {
        let rcode = message.header().rcode();
        if rcode != Rcode::NOERROR {
            return Err(Fault::Refused(rcode));
        }
        // Compression can make much of little; what is kept is bounded below as well.
        self.bytes = self.bytes.saturating_add(message.as_slice().len());
        let malformed = |error: &dyn std::fmt::Display| Fault::Malformed(error.to_string());
        let updates = self
            .interpreter
            .interpret_response(message)
            .map_err(|error| malformed(&error))?;
        for update in updates {
            let update = match update {
                Ok(update) => update,
                // RFC 1995 §4: one SOA alone over TCP means that nothing is new.
                Err(IterationError::SingleSoaIxfrTcpRetrySignal) => {
                    return Ok(Some(Fetched::UpToDate));
                }
                Err(IterationError::ParseError(error)) => return Err(malformed(&error)),
                Err(error) => return Err(Fault::Malformed(format!("{error:?}"))),
            };
            self.records += 1;
            if self.records > self.limits.records || self.bytes > self.limits.bytes {
                return Err(Fault::TooLarge(self.limits.records));
            }
            let state = (&mut self.whole, &mut self.changes, &mut self.adding);
            if let Some(fetched) = apply(state, update, &mut self.bytes)? {
                return Ok(Some(fetched));
            }
        }
        Ok(None)
    }
}

fn apply(
    (whole, changes, adding): (&mut Option<Records>, &mut Vec<Diff>, &mut bool),
    update: ZoneUpdate<ParsedRecord>,
    bytes: &mut usize,
) -> Result<Option<Fetched>, Fault> {
    let mut push = |into: &mut Records, record: &ParsedRecord| {
        let before = into.size();
        if record.class() == domain::base::iana::Class::IN {
            into.push_typed(record);
        }
        *bytes = bytes.saturating_add(into.size() - before);
    };
    match update {
        ZoneUpdate::DeleteAllRecords => *whole = Some(Records::default()),
        ZoneUpdate::BeginBatchDelete(soa) => {
            let mut diff = Diff::default();
            push(&mut diff.removed, &soa);
            changes.push(diff);
            *adding = false;
        }
        ZoneUpdate::BeginBatchAdd(soa) => {
            if let Some(diff) = changes.last_mut() {
                push(&mut diff.added, &soa);
            }
            *adding = true;
        }
        ZoneUpdate::DeleteRecord(record) => {
            if let Some(diff) = changes.last_mut() {
                push(&mut diff.removed, &record);
            }
        }
        ZoneUpdate::AddRecord(record) => match (whole.as_mut(), changes.last_mut()) {
            (Some(records), _) => push(records, &record),
            (None, Some(diff)) if *adding => push(&mut diff.added, &record),
            _ => return Err(Fault::Malformed("a record before its SOA".to_owned())),
        },
        ZoneUpdate::Finished(soa) => {
            if let Some(mut records) = whole.take() {
                push(&mut records, &soa);
                return Ok(Some(Fetched::Whole(records)));
            }
            let changes = std::mem::take(changes);
            if changes.is_empty() {
                return Err(Fault::Malformed("an IXFR without a difference".to_owned()));
            }
            return Ok(Some(Fetched::Changes(changes)));
        }
        other => return Err(Fault::Malformed(format!("an unexpected step: {other}"))),
    }
    Ok(None)
}
