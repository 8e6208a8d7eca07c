//! Immutable snapshots of zones: what is served, until the next one replaces it whole.
//!
//! A [`Zone`] is built from a transfer, a zone file or the store (`build`), changed by an
//! incremental transfer into a new one that shares all that did not change (`diff`), and
//! walked by `answer` (RFC 1034 §4.3.2, RFC 4592, RFC 6672). Signed zones are kept as they come;
//! their chains of NSEC or NSEC3 are indexed so that denials can be served.

mod build;
mod diff;
mod file;
mod records;
mod walk;

use std::sync::Arc;

pub use build::ZoneFault;
pub use diff::Diff;
pub use file::{FileFault, FileProblem, check_file, read_file};
pub(crate) use records::lower_name;
pub use records::{Record, Records};
pub(crate) use walk::{Found, Labels, WildcardName};

use crate::wire::{Name, code, read_u16, read_u32};

/// Numbers from the SOA record (RFC 1035 §3.3.13), in seconds where they are times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa {
    /// The version of the zone.
    pub serial: u32,
    /// How often a secondary looks for a new one.
    pub refresh: u32,
    /// How soon it looks again after a failure.
    pub retry: u32,
    /// How long it serves without having reached the primary.
    pub expire: u32,
    /// How long "no such name" may be kept (RFC 2308 §4).
    pub minimum: u32,
    /// The record's own TTL.
    pub ttl: u32,
}

impl Soa {
    /// The TTL of the SOA record in a denial (RFC 2308 §5).
    pub(crate) fn negative_ttl(&self) -> u32 {
        self.ttl.min(self.minimum)
    }

    pub(crate) fn of_data(data: &[u8], ttl: u32) -> Option<Self> {
        let numbers = data.len().checked_sub(20)?;
        let number = |index: usize| read_u32(data, numbers + 4 * index);
        Some(Self {
            serial: number(0)?,
            refresh: number(1)?,
            retry: number(2)?,
            expire: number(3)?,
            minimum: number(4)?,
            ttl,
        })
    }
}

/// All records of one type at one name, with the signatures over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordSet {
    pub(crate) rtype: u16,
    pub(crate) ttl: u32,
    /// Length and data of each record, then of each signature.
    bytes: Box<[u8]>,
    signatures_at: u32,
}

impl RecordSet {
    pub(crate) fn new(rtype: u16, ttl: u32, data: &[&[u8]], signatures: &[&[u8]]) -> Self {
        let len = data
            .iter()
            .chain(signatures)
            .map(|data| 2 + data.len())
            .sum();
        let mut bytes = Vec::with_capacity(len);
        let mut push = |data: &&[u8]| {
            // Every caller's data comes from a record, whose length is 16 bits.
            let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(data.get(..usize::from(len)).unwrap_or_default());
        };
        data.iter().for_each(&mut push);
        let before: usize = data.iter().map(|data| 2 + data.len()).sum();
        signatures.iter().for_each(&mut push);
        let signatures_at = u32::try_from(before).unwrap_or(u32::MAX);
        Self {
            rtype,
            ttl,
            bytes: bytes.into(),
            signatures_at,
        }
    }

    /// The data of each record.
    pub(crate) fn data(&self) -> Items<'_> {
        Items(self.bytes.get(..self.split()).unwrap_or_default())
    }

    /// The data of each RRSIG over them.
    pub(crate) fn signatures(&self) -> Items<'_> {
        Items(self.bytes.get(self.split()..).unwrap_or_default())
    }

    fn split(&self) -> usize {
        usize::try_from(self.signatures_at)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len())
    }

    /// Signatures whose records are gone count as nothing when it is searched.
    pub(crate) fn is_empty(&self) -> bool {
        self.signatures_at == 0
    }
}

/// Length-prefixed items.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a>(&'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(read_u16(self.0, 0)?);
        let item = self.0.get(2..2 + len)?;
        self.0 = self.0.get(2 + len..)?;
        Some(item)
    }
}

/// What is at one name. No sets at all: an empty non-terminal (RFC 4592 §2.2.2).
#[derive(Clone, Debug)]
pub(crate) struct Node {
    sets: Arc<[RecordSet]>,
    children: u32,
    /// The name as it came, where that is not in lower-case letters: whoever transfers the zone
    /// from us gets it so (RFC 4343 §4.1).
    written: Option<Box<[u8]>>,
}

impl Node {
    /// The records of one type.
    pub(crate) fn get(&self, rtype: u16) -> Option<&RecordSet> {
        self.sets
            .iter()
            .find(|set| set.rtype == rtype && !set.is_empty())
    }

    /// Each record, each signature after what it signs.
    fn records<'a>(&'a self, owner: &'a Name) -> impl Iterator<Item = Record<'a>> {
        let owner = self.written(owner);
        self.sets.iter().flat_map(move |set| {
            let record = move |rtype, data| Record {
                owner,
                rtype,
                data,
                ttl: set.ttl,
            };
            let data = set.data().map(move |data| record(set.rtype, data));
            data.chain(set.signatures().map(move |data| record(code::RRSIG, data)))
        })
    }

    /// The name of this node as it came.
    fn written<'a>(&'a self, owner: &'a Name) -> &'a [u8] {
        self.written.as_deref().unwrap_or(owner.as_wire())
    }

    /// All of them.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &RecordSet> {
        self.sets.iter().filter(|set| !set.is_empty())
    }
}

/// How a signed zone denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// Not signed.
    Unsigned,
    /// RFC 4034 §4.
    Nsec,
    /// RFC 5155, with the parameters of the zone.
    Nsec3 { iterations: u16, salt: Box<[u8]> },
}

/// One version of one zone. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Zone {
    apex: Name,
    apex_labels: usize,
    nodes: imbl::HashMap<Name, Node>,
    soa: Soa,
    records: usize,
    signed: bool,
    denial: Denial,
    /// Canonical key of each owner of an NSEC record.
    nsec: imbl::OrdMap<Box<[u8]>, Name>,
    /// Hash of each owner of an NSEC3 record.
    nsec3: imbl::OrdMap<[u8; 20], Name>,
}

impl Zone {
    /// The zone's name.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// The numbers of its SOA record.
    pub fn soa(&self) -> Soa {
        self.soa
    }

    /// How many records it has.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Whether it is signed: then it is served as it is, never overlaid.
    pub fn is_signed(&self) -> bool {
        self.signed
    }

    /// When its first signature ends, in seconds since 1970 (RFC 4034 §3.1.5); looks at every
    /// record, so it is for `ready`, not for answers.
    pub fn earliest_signature_end(&self) -> Option<u32> {
        let sets = self.nodes.values().flat_map(Node::sets);
        sets.flat_map(RecordSet::signatures)
            .filter_map(|data| read_u32(data, 8))
            .min()
    }

    /// Every record, the SOA first, the others by name and type: the order of the store.
    pub fn to_records(&self) -> Records {
        let mut owners: Vec<_> = self.nodes.iter().collect();
        owners.sort_unstable_by_key(|(owner, _)| *owner);
        let soa = self.soa_record().into_iter();
        let body = owners
            .into_iter()
            .flat_map(|(owner, node)| node.records(owner));
        let mut out = Records::default();
        for record in soa.chain(body.filter(|record| record.rtype != code::SOA)) {
            out.push(record.owner, record.rtype, record.ttl, record.data);
        }
        out
    }

    /// The SOA record.
    pub(crate) fn soa_record(&self) -> Option<Record<'_>> {
        let node = self.apex_node()?;
        let set = node.get(code::SOA)?;
        let owner = node.written(&self.apex);
        set.data().next().map(|data| Record {
            owner,
            rtype: code::SOA,
            data,
            ttl: set.ttl,
        })
    }

    /// Every record but the SOA, in any order.
    pub(crate) fn body(&self) -> impl Iterator<Item = Record<'_>> {
        let all = self
            .nodes
            .iter()
            .flat_map(|(owner, node)| node.records(owner));
        all.filter(|record| record.rtype != code::SOA)
    }

    /// Whether some name came in other letters than lower-case ones.
    pub(crate) fn has_capitals(&self) -> bool {
        self.nodes.values().any(|node| node.written.is_some())
    }

    pub(crate) fn node(&self, name: &[u8]) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// Every name that exists, empty ones included, sorted.
    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<Name> {
        let mut names: Vec<_> = self.nodes.keys().cloned().collect();
        names.sort();
        names
    }

    pub(crate) fn apex_node(&self) -> Option<&Node> {
        self.node(self.apex.as_wire())
    }

    pub(crate) fn denial(&self) -> &Denial {
        &self.denial
    }

    /// The NSEC record set at `name` or, if there is none, the one that covers it.
    pub(crate) fn nsec_at_or_before(&self, name: &[u8]) -> Option<(&Name, &RecordSet)> {
        let key = crate::wire::canonical_key(name);
        let (_, owner) = self
            .nsec
            .get_prev(&key)
            .or_else(|| self.nsec.get_max().map(pair))?;
        Some((owner, self.nodes.get(owner)?.get(code::NSEC)?))
    }

    /// The NSEC3 record set whose owner is `hash` or, if there is none, the one that covers it;
    /// and whether it matches.
    pub(crate) fn nsec3_at_or_before(&self, hash: &[u8; 20]) -> Option<(bool, &Name, &RecordSet)> {
        let (at, owner) = self
            .nsec3
            .get_prev(hash)
            .or_else(|| self.nsec3.get_max().map(pair))?;
        Some((at == hash, owner, self.nodes.get(owner)?.get(code::NSEC3)?))
    }
}

/// The chain is a ring: before the first owner comes the last.
fn pair<K, V>((key, value): &(K, V)) -> (&K, &V) {
    (key, value)
}

/// Two snapshots are equal when they hold the same records.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.apex == other.apex && self.to_records() == other.to_records()
    }
}
