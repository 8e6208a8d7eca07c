//! Makes a snapshot from records in any order.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Denial, Node, Record, RecordSet, Records, Soa, Zone};
use crate::wire::{Name, code, is_at_or_below, parent, read_u16};

/// Names in one zone, empty non-terminals included.
const MOST_NAMES: usize = 2_000_000;

/// Records that do not make a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneFault {
    /// No SOA at the apex.
    #[error("the zone {0} has no SOA record")]
    NoSoa(Name),
    /// More than one SOA at the apex.
    #[error("the zone {0} has more than one SOA record")]
    TwoSoas(Name),
    /// More names than we carry, most of them empty: a record with a hundred labels makes a
    /// hundred names.
    #[error("the zone {0} has more than {MOST_NAMES} names")]
    TooManyNames(Name),
    /// A difference that does not fit the version it is applied to.
    #[error("the difference from {from} does not fit the zone: {what}")]
    Misfit {
        /// The serial that it starts from.
        from: u32,
        /// What does not fit.
        what: &'static str,
    },
}

impl Zone {
    /// A snapshot of `apex` from all its records. Records outside the zone are left out, as are
    /// doubles (RFC 5936 §2.2, RFC 2181 §5.1: one TTL for a set, the smallest).
    ///
    /// # Errors
    /// The records are no zone.
    pub fn from_records(apex: Name, records: &Records) -> Result<Self, ZoneFault> {
        let mut sorted: Vec<Record<'_>> = records.iter().collect();
        let same_set =
            |left: &Record<'_>, right: &Record<'_>| left.owner.eq_ignore_ascii_case(right.owner);
        if !sorted.is_sorted_by(|left, right| by_name(left, right).is_le()) {
            sorted.sort_unstable_by(by_name);
        }
        let mut zone = Self::empty(apex);
        for of_owner in sorted.chunk_by(same_set) {
            let Some(first) = of_owner.first() else {
                continue;
            };
            let owner = Name::lowered(first.owner);
            if is_at_or_below(owner.as_wire(), zone.apex.as_wire()) {
                zone.put(owner, group(of_owner), Some(first.owner));
            }
            if zone.nodes.len() > MOST_NAMES {
                return Err(ZoneFault::TooManyNames(zone.apex));
            }
        }
        zone.finish()
    }

    fn empty(apex: Name) -> Self {
        let apex_labels = apex.labels();
        Self {
            apex,
            apex_labels,
            nodes: imbl::HashMap::new(),
            soa: Soa {
                serial: 0,
                refresh: 0,
                retry: 0,
                expire: 0,
                minimum: 0,
                ttl: 0,
            },
            records: 0,
            signed: false,
            denial: Denial::Unsigned,
            nsec: imbl::OrdMap::new(),
            nsec3: imbl::OrdMap::new(),
        }
    }

    /// Puts what is at `owner`, in place of what was; keeps the counts, the chains and the empty
    /// non-terminals right. `written` is the name as it came, where it came again.
    pub(super) fn put(&mut self, owner: Name, sets: Vec<RecordSet>, written: Option<&[u8]>) {
        let count = |sets: &[RecordSet]| -> usize {
            sets.iter()
                .map(|set| set.data().count() + set.signatures().count())
                .sum()
        };
        let has = |rtype| sets.iter().any(|set| set.rtype == rtype && !set.is_empty());
        let key = || crate::wire::canonical_key(owner.as_wire());
        if has(code::NSEC) {
            self.nsec.insert(key(), owner.clone());
        } else if !self.nsec.is_empty() {
            self.nsec.remove(&key());
        }
        if let Some(hash) = nsec3_hash_of_owner(&owner) {
            if has(code::NSEC3) {
                self.nsec3.insert(hash, owner.clone());
            } else {
                self.nsec3.remove(&hash);
            }
        }
        self.records += count(&sets);
        let empty = sets.is_empty();
        let sets: Arc<[RecordSet]> = sets.into();
        match self.nodes.get_mut(&owner) {
            Some(node) => {
                let before = std::mem::replace(&mut node.sets, sets);
                if let Some(written) = written {
                    node.written = other_letters(&owner, written);
                }
                let childless = node.children == 0;
                self.records = self.records.saturating_sub(count(&before));
                if empty && childless {
                    self.prune(&owner);
                }
            }
            None if empty => {}
            None => {
                let missing = owner.clone();
                let written = written.and_then(|written| other_letters(&owner, written));
                let node = Node {
                    sets,
                    children: 0,
                    written,
                };
                self.nodes.insert(owner, node);
                self.link(&missing);
            }
        }
    }

    /// Makes sure that all names between a new one and the apex exist.
    fn link(&mut self, owner: &Name) {
        let mut at = owner.as_wire();
        while at != self.apex.as_wire() {
            let Some(up) = parent(at) else { return };
            if let Some(node) = self.nodes.get_mut(up) {
                node.children += 1;
                return;
            }
            let between = Node {
                sets: Arc::from([]),
                children: 1,
                written: None,
            };
            self.nodes.insert(Name::from_lower(up), between);
            at = up;
        }
    }

    /// Takes away a name without records and children, and those above that it kept alive.
    fn prune(&mut self, owner: &Name) {
        let mut at = owner.as_wire();
        while at != self.apex.as_wire() {
            self.nodes.remove(at);
            let Some(up) = parent(at) else { return };
            let Some(node) = self.nodes.get_mut(up) else {
                return;
            };
            node.children = node.children.saturating_sub(1);
            if node.children > 0 || !node.sets.is_empty() {
                return;
            }
            at = up;
        }
    }

    /// Reads off the apex what is true of the whole zone.
    pub(super) fn finish(mut self) -> Result<Self, ZoneFault> {
        let no_soa = || ZoneFault::NoSoa(self.apex.clone());
        let apex = self.apex_node().ok_or_else(no_soa)?;
        let set = apex.get(code::SOA).ok_or_else(no_soa)?;
        let mut soas = set.data();
        let soa = soas
            .next()
            .and_then(|data| Soa::of_data(data, set.ttl))
            .ok_or_else(no_soa)?;
        if soas.next().is_some() {
            return Err(ZoneFault::TwoSoas(self.apex));
        }
        let signed = apex.get(code::DNSKEY).is_some() || set.signatures().next().is_some();
        let param = apex
            .get(code::NSEC3PARAM)
            .and_then(|set| set.data().find_map(nsec3_param));
        let denial = match param {
            Some(param) if !self.nsec3.is_empty() => param,
            _ if apex.get(code::NSEC).is_some() => Denial::Nsec,
            _ => Denial::Unsigned,
        };
        (self.soa, self.signed, self.denial) = (soa, signed, denial);
        Ok(self)
    }
}

/// The order in which sets lie together: letters of either case are one (RFC 4343 §4.1).
fn by_name(left: &Record<'_>, right: &Record<'_>) -> Ordering {
    fn lower<'a>(record: &Record<'a>) -> impl Iterator<Item = u8> + 'a {
        record.owner.iter().map(u8::to_ascii_lowercase)
    }
    let owners = if left.owner == right.owner {
        Ordering::Equal
    } else {
        lower(left).cmp(lower(right))
    };
    owners.then_with(|| left.cmp(right))
}

/// `written`, where it is not `owner` letter by letter.
fn other_letters(owner: &Name, written: &[u8]) -> Option<Box<[u8]>> {
    (owner.as_wire() != written).then(|| written.into())
}

/// Algorithm 1 (SHA-1), flags 0 (RFC 5155 §4.1.2).
fn nsec3_param(data: &[u8]) -> Option<Denial> {
    let (&[1, 0, high, low, salt_len], salt) = data.split_first_chunk::<5>()? else {
        return None;
    };
    let salt = salt.get(..usize::from(salt_len))?.into();
    Some(Denial::Nsec3 {
        iterations: u16::from_be_bytes([high, low]),
        salt,
    })
}

/// The hash that the first label spells (RFC 5155 §3.3: base32hex without padding).
fn nsec3_hash_of_owner(owner: &Name) -> Option<[u8; 20]> {
    let wire = owner.as_wire();
    if wire.first() != Some(&32) {
        return None;
    }
    let mut hash = [0; 20];
    let mut bits = 0u16;
    let mut have = 0;
    let mut out = hash.iter_mut();
    for octet in wire.get(1..33)? {
        let value = match octet {
            b'0'..=b'9' => octet - b'0',
            b'a'..=b'v' => octet - b'a' + 10,
            _ => return None,
        };
        bits = bits << 5 | u16::from(value);
        have += 5;
        if have >= 8 {
            have -= 8;
            let [_, octet] = (bits >> have).to_be_bytes();
            *out.next()? = octet;
        }
    }
    Some(hash)
}

/// The sets among the records of one owner, sorted by type.
fn group(of_owner: &[Record<'_>]) -> Vec<RecordSet> {
    let mut types: Vec<u16> = of_owner.iter().map(covered).collect();
    types.sort_unstable();
    types.dedup();
    let mut sets = Vec::with_capacity(types.len());
    for rtype in types {
        let members = of_owner.iter().filter(|record| covered(record) == rtype);
        let mut data = Vec::new();
        let mut signatures = Vec::new();
        let mut ttl = None;
        let mut signature_ttl = u32::MAX;
        for record in members {
            if record.rtype == code::RRSIG {
                signatures.push(record.data);
                signature_ttl = signature_ttl.min(record.ttl);
            } else {
                data.push(record.data);
                ttl = Some(ttl.map_or(record.ttl, |ttl: u32| ttl.min(record.ttl)));
            }
        }
        for list in [&mut data, &mut signatures] {
            list.sort_unstable();
            list.dedup();
        }
        sets.push(RecordSet::new(
            rtype,
            ttl.unwrap_or(signature_ttl),
            &data,
            &signatures,
        ));
    }
    sets
}

/// The type of a record, for a signature the type that it covers.
pub(super) fn covered(record: &Record<'_>) -> u16 {
    match record.rtype {
        code::RRSIG => read_u16(record.data, 0).unwrap_or(code::RRSIG),
        other => other,
    }
}
