//! Records as plain bytes, one after another: for transfers on their way in, for the store, and
//! for transfers out. Owner and data are uncompressed.

use domain::base::name::ToName;
use domain::base::rdata::ComposeRecordData;

use crate::wire::{MAX_NAME, lower_into, read_u16, read_u32};

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record<'a> {
    /// In wire form, in the letters in which it came: names that differ in their case alone are
    /// one name (RFC 4343 §4.1).
    pub owner: &'a [u8],
    /// The type.
    pub rtype: u16,
    /// The data, uncompressed.
    pub data: &'a [u8],
    /// Seconds.
    pub ttl: u32,
}

/// Many records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    bytes: Vec<u8>,
    count: usize,
}

impl Records {
    /// Adds a record whose owner is wire bytes; one that cannot be (data above 65,535 bytes) is
    /// left out.
    pub fn push(&mut self, owner: &[u8], rtype: u16, ttl: u32, data: &[u8]) {
        let Ok(len) = u16::try_from(data.len()) else {
            return;
        };
        self.bytes.extend_from_slice(owner);
        self.bytes.extend_from_slice(&rtype.to_be_bytes());
        self.bytes.extend_from_slice(&ttl.to_be_bytes());
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(data);
        self.count += 1;
    }

    /// Adds a copy of a record.
    pub(crate) fn push_record(&mut self, record: &Record<'_>) {
        self.push(record.owner, record.rtype, record.ttl, record.data);
    }

    /// Adds a typed record.
    pub(crate) fn push_typed<N: ToName, D: ComposeRecordData>(
        &mut self,
        record: &domain::base::Record<N, D>,
    ) {
        let mut data = Vec::new();
        // Composing into a vector cannot fail.
        if record.data().compose_rdata(&mut data).is_ok() {
            let owner = written_name(record.owner());
            self.push(
                &owner,
                record.rtype().to_int(),
                record.ttl().as_secs(),
                &data,
            );
        }
    }

    /// Whether some owner is written in other letters than lower-case ones.
    pub(crate) fn has_capitals(&self) -> bool {
        self.iter()
            .any(|record| record.owner.iter().any(u8::is_ascii_uppercase))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes they take.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes, for the store.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From the store; `None` if the bytes are not records from end to end.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut iter = Iter { rest: bytes };
        let count = iter.by_ref().count();
        iter.rest.is_empty().then(|| Self {
            bytes: bytes.to_owned(),
            count,
        })
    }

    /// Each record.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.bytes }
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = Record<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Goes over [`Records`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let mut lower = [0; MAX_NAME];
        let owner_len = lower_into(self.rest, &mut lower)?;
        let (owner, rest) = self.rest.split_at_checked(owner_len)?;
        let rtype = read_u16(rest, 0)?;
        let ttl = read_u32(rest, 2)?;
        let len = usize::from(read_u16(rest, 6)?);
        let data = rest.get(8..8 + len)?;
        self.rest = rest.get(8 + len..)?;
        Some(Record {
            owner,
            rtype,
            data,
            ttl,
        })
    }
}

/// A name's wire form, in the letters in which it is written.
fn written_name<N: ToName>(name: &N) -> Vec<u8> {
    let mut wire = Vec::with_capacity(32);
    for label in name.iter_labels() {
        // A label has at most 63 bytes.
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend_from_slice(label.as_slice());
    }
    wire
}

/// A name's lower-case wire form.
pub(crate) fn lower_name<N: ToName>(name: &N) -> Vec<u8> {
    let mut wire = written_name(name);
    // The lengths of labels are below every letter.
    wire.make_ascii_lowercase();
    wire
}
