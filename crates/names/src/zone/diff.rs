//! Differences between two versions of a zone: applied to what we hold (IXFR in, RFC 1995),
//! kept for those who ask us (IXFR out), written to the store.

use std::collections::BTreeMap;

use super::build::covered;
use super::{Record, RecordSet, Records, Soa, Zone, ZoneFault};
use crate::wire::{Name, code, is_at_or_below};

/// What was taken away and what came, from one serial to the next. The old SOA is the first
/// record of `removed`, the new one the first of `added` (RFC 1995 §4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// What goes.
    pub removed: Records,
    /// What comes.
    pub added: Records,
}

/// What happens to one set.
#[derive(Default)]
struct Change<'a> {
    removed: Vec<Record<'a>>,
    added: Vec<Record<'a>>,
}

impl Diff {
    /// The serial it starts from.
    pub fn from(&self) -> Option<u32> {
        serial(&self.removed)
    }

    /// The serial it leads to.
    pub fn to(&self) -> Option<u32> {
        serial(&self.added)
    }

    /// How many records it names.
    pub fn len(&self) -> usize {
        self.removed.len() + self.added.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn serial(records: &Records) -> Option<u32> {
    let soa = records
        .iter()
        .next()
        .filter(|record| record.rtype == code::SOA)?;
    Some(Soa::of_data(soa.data, soa.ttl)?.serial)
}

impl Zone {
    /// The next version. This one stays as it is; what did not change is shared.
    ///
    /// # Errors
    /// The difference does not start here, or takes away what is not there: then the whole zone
    /// has to be transferred.
    pub fn apply(&self, diff: &Diff) -> Result<Self, ZoneFault> {
        let from = self.soa.serial;
        let misfit = |what| ZoneFault::Misfit { from, what };
        if diff.from() != Some(from) || diff.to().is_none() {
            return Err(misfit("it starts at another serial"));
        }
        let mut changes: BTreeMap<Name, BTreeMap<u16, Change<'_>>> = BTreeMap::new();
        for record in &diff.removed {
            let of_owner = changes.entry(Name::lowered(record.owner)).or_default();
            of_owner
                .entry(covered(&record))
                .or_default()
                .removed
                .push(record);
        }
        for record in &diff.added {
            let of_owner = changes.entry(Name::lowered(record.owner)).or_default();
            of_owner
                .entry(covered(&record))
                .or_default()
                .added
                .push(record);
        }
        let mut next = self.clone();
        for (owner, of_owner) in changes {
            if !is_at_or_below(owner.as_wire(), self.apex.as_wire()) {
                continue;
            }
            let mut sets: Vec<RecordSet> = self
                .node(owner.as_wire())
                .map(|node| node.sets.to_vec())
                .unwrap_or_default();
            let mut written = None;
            for (rtype, change) in of_owner {
                written = written.or(change.added.first().map(|record| record.owner));
                let before = sets.iter().position(|set| set.rtype == rtype);
                let before = before.map(|index| sets.swap_remove(index));
                let after = change.apply(rtype, before.as_ref()).map_err(misfit)?;
                sets.extend(after);
            }
            sets.sort_unstable_by_key(|set| set.rtype);
            next.put(owner, sets, written);
        }
        next.finish()
    }
}

impl Change<'_> {
    fn apply(
        &self,
        rtype: u16,
        before: Option<&RecordSet>,
    ) -> Result<Option<RecordSet>, &'static str> {
        let mut data: Vec<&[u8]> = before.map(|set| set.data().collect()).unwrap_or_default();
        let mut signatures: Vec<&[u8]> = before
            .map(|set| set.signatures().collect())
            .unwrap_or_default();
        let is_signature = |record: &Record<'_>| record.rtype == code::RRSIG;
        for record in &self.removed {
            let list = if is_signature(record) {
                &mut signatures
            } else {
                &mut data
            };
            let at = list.iter().position(|have| *have == record.data);
            list.swap_remove(at.ok_or("it takes away a record that is not there")?);
        }
        // RFC 2181 §5.2: one TTL for the set; the added records say which.
        let mut ttl = before.map_or(u32::MAX, |set| set.ttl);
        for (index, record) in self
            .added
            .iter()
            .filter(|record| !is_signature(record))
            .enumerate()
        {
            ttl = if index == 0 {
                record.ttl
            } else {
                ttl.min(record.ttl)
            };
        }
        for record in &self.added {
            let list = if is_signature(record) {
                &mut signatures
            } else {
                &mut data
            };
            list.push(record.data);
            if ttl == u32::MAX {
                ttl = record.ttl;
            }
        }
        for list in [&mut data, &mut signatures] {
            list.sort_unstable();
            list.dedup();
        }
        if data.is_empty() && signatures.is_empty() {
            return Ok(None);
        }
        Ok(Some(RecordSet::new(rtype, ttl, &data, &signatures)))
    }
}
