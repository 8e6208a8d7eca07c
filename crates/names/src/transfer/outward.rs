//! Transfers out: the messages of an AXFR or IXFR to whoever holds the key (RFC 5936 §2.2,
//! RFC 1995 §4). Made one at a time, while the snapshot stays as it was when they began.

use std::sync::Arc;

use domain::base::iana::{Class, Rtype};
use domain::base::message_builder::{MessageBuilder, StaticCompressor};
use domain::base::rdata::UnknownRecordData;
use domain::base::wire::Composer;
use domain::base::{Message, Name as WireName, Ttl};
use domain::rdata::tsig::Time48;
use domain::tsig::{Key, ServerSequence, ServerTransaction};

use crate::zone::{Diff, Record, Zone};

/// A message is closed when it has grown past this; one record more still fits under 65,535.
const MESSAGE: usize = 16 * 1024;

/// What is sent.
pub(crate) enum Plan {
    /// Everything.
    Whole,
    /// The differences from the serial asked for.
    Changes(Vec<Arc<Diff>>),
    /// The SOA alone: whoever asks has it all.
    Nothing,
}

impl Plan {
    /// What answers a request that names `serial` (none: AXFR).
    pub(crate) fn of(zone: &Zone, history: &[Arc<Diff>], serial: Option<u32>) -> Self {
        let Some(serial) = serial else {
            return Self::Whole;
        };
        let current = zone.soa().serial;
        if !crate::secondary::is_newer(current, serial) {
            return Self::Nothing;
        }
        match history.iter().position(|diff| diff.from() == Some(serial)) {
            Some(from) => Self::Changes(history.get(from..).unwrap_or_default().to_vec()),
            // RFC 1995 §4: where the differences are not known, the whole zone.
            None => Self::Whole,
        }
    }
}

/// A transfer under way.
pub(crate) struct Outward<'z> {
    records: Box<dyn Iterator<Item = Record<'z>> + Send + 'z>,
    pending: Option<Record<'z>>,
    sequence: ServerSequence<Arc<Key>>,
    request: &'z Message<Vec<u8>>,
    first: bool,
    /// Names are written out: compression takes letters of either case for one, so that a name
    /// would end in the letters of another.
    plain: bool,
}

impl<'z> Outward<'z> {
    pub(crate) fn new(
        zone: &'z Zone,
        plan: &'z Plan,
        request: &'z Message<Vec<u8>>,
        transaction: ServerTransaction<Arc<Key>>,
    ) -> Self {
        let soa = || zone.soa_record().into_iter();
        let records: Box<dyn Iterator<Item = Record<'z>> + Send + 'z> = match plan {
            Plan::Nothing => Box::new(soa()),
            Plan::Whole => Box::new(soa().chain(zone.body()).chain(soa())),
            Plan::Changes(changes) => {
                let changes = changes.iter();
                let changes = changes.flat_map(|diff| diff.removed.iter().chain(diff.added.iter()));
                Box::new(soa().chain(changes).chain(soa()))
            }
        };
        let plain = match plan {
            Plan::Nothing => false,
            Plan::Whole => zone.has_capitals(),
            Plan::Changes(changes) => changes
                .iter()
                .any(|diff| diff.removed.has_capitals() || diff.added.has_capitals()),
        };
        let sequence = ServerSequence::from(transaction);
        Self {
            records,
            pending: None,
            sequence,
            request,
            first: true,
            plain,
        }
    }

    /// The next message, signed; `None` after the last.
    pub(crate) fn next_message(&mut self, now: Time48) -> Option<Vec<u8>> {
        if self.plain {
            return self.message(Vec::new(), now);
        }
        let message = self.message(StaticCompressor::new(Vec::new()), now)?;
        Some(message.into_target())
    }

    fn message<T: Composer>(&mut self, target: T, now: Time48) -> Option<T> {
        let mut record = self.pending.take().or_else(|| self.records.next())?;
        let mut builder = MessageBuilder::from_target(target).ok()?;
        builder.set_push_limit(usize::from(u16::MAX) - 1024);
        let header = builder.header_mut();
        header.set_id(self.request.header().id());
        header.set_qr(true);
        header.set_aa(true);
        let mut builder = builder.question();
        if std::mem::take(&mut self.first) {
            for question in self.request.question().flatten() {
                builder.push(question).ok()?;
            }
        }
        let mut builder = builder.answer();
        let mut count = 0;
        loop {
            let owner = WireName::from_octets(record.owner).ok()?;
            let rtype = Rtype::from_int(record.rtype);
            let data = UnknownRecordData::from_octets(rtype, record.data).ok()?;
            let item = (owner, Class::IN, Ttl::from_secs(record.ttl), data);
            if builder.push(item).is_err() {
                // Larger than a whole message with its signature: cannot be sent at all.
                if count == 0 {
                    return None;
                }
                self.pending = Some(record);
                break;
            }
            count += 1;
            if builder.as_slice().len() >= MESSAGE {
                break;
            }
            match self.records.next() {
                Some(next) => record = next,
                None => break,
            }
        }
        let mut builder = builder.additional();
        builder.clear_push_limit();
        self.sequence.answer(&mut builder, now).ok()?;
        Some(builder.finish())
    }
}
