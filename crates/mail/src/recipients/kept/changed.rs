//! What an import would change about the list that is there: so that a list which lost most of its
//! people, or a domain's catch-all, replaces nothing before a person said yes.

use std::cmp::Ordering;

use model::Timestamp;
use serde::Serialize;

use super::form::{ListRecord, list_key, mailboxes_key};
use super::{Kept, KeptError, List};
use crate::recipients::book::AddressHash;
use crate::recipients::import::Imported;

/// What an import would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// How many the former list has.
    pub before: usize,
    /// How many the new one has.
    pub after: usize,
    /// How many are new.
    pub added: usize,
    /// How many are no longer there.
    pub removed: usize,
    /// Domains of which more than half is gone, with their count before and after.
    pub shrunk: Vec<(String, u64, u64)>,
    /// Domains of which every address was valid, and is no longer.
    pub narrowed: Vec<String>,
}

impl Changed {
    /// Why a person should say yes first; `None` if there is no reason.
    pub fn doubt(&self) -> Option<String> {
        let mut why = Vec::new();
        if self.removed * 2 > self.before {
            why.push(format!(
                "{} of the {} addresses of the former list are not on the new one, which has {}",
                self.removed, self.before, self.after
            ));
        }
        for (domain, before, after) in &self.shrunk {
            why.push(format!(
                "{domain} had {before} addresses and has {after} now"
            ));
        }
        for domain in &self.narrowed {
            why.push(format!(
                "every address of {domain} was valid, and only those on the list are now"
            ));
        }
        (!why.is_empty()).then(|| why.join("; "))
    }
}

impl Kept {
    /// What an import of recipients would change; `None` where none was imported before. Blocks for
    /// the reading.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn would_change(
        &self,
        imported: &Imported,
        now: Timestamp,
    ) -> Result<Option<Changed>, KeptError> {
        let former = mended(self.load_list())?;
        let Some(former) = former else {
            return Ok(None);
        };
        let mut changed = between(&former, &self.list(imported, now));
        let record = self.record(&list_key(&self.organisation))?;
        let by_domain = imported.by_domain();
        let record = record.as_ref().map(|record: &ListRecord| &record.by_domain);
        for (domain, before) in record.into_iter().flatten() {
            let after = by_domain.get(domain.as_str()).copied().unwrap_or(0);
            // A domain of which the new list says nothing is not refused by its silence.
            let is_told = after > 0 && !imported.catch_all.contains(domain);
            if is_told && after * 2 < *before && changed.removed * 2 <= changed.before {
                changed.shrunk.push((domain.clone(), *before, after));
            }
        }
        let covered = |domain: &&String| by_domain.contains_key(domain.as_str());
        let lost = former.catch_all.iter();
        let lost = lost.filter(|domain| !imported.catch_all.contains(domain));
        changed.narrowed = lost.filter(covered).cloned().collect();
        Ok(Some(changed))
    }

    /// The same for an import of mailboxes.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn would_change_mailboxes(
        &self,
        imported: &Imported,
        now: Timestamp,
    ) -> Result<Option<Changed>, KeptError> {
        if self.record(&mailboxes_key(&self.organisation))?.is_none() {
            return Ok(None);
        }
        let former = mended(self.load_mailboxes())?;
        Ok(former.map(|former| between(&former, &self.list_of_mailboxes(imported, now))))
    }
}

/// A damaged list is mended by an import: it stands in nobody's way.
fn mended(former: Result<Option<List>, KeptError>) -> Result<Option<List>, KeptError> {
    match former {
        Err(KeptError::Damaged) => Ok(None),
        former => former,
    }
}

fn between(former: &List, new: &List) -> Changed {
    let (before, after) = (former.len(), new.len());
    // Hashes of two ways of comparing have nothing in common.
    let both = match former.case == new.case {
        true => in_both(&former.hashes, &new.hashes),
        false => before.min(after),
    };
    Changed {
        before,
        after,
        added: after - both,
        removed: before - both,
        ..Changed::default()
    }
}

/// How many are in both; both are in order.
fn in_both(one: &[AddressHash], other: &[AddressHash]) -> usize {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut both = 0;
    while let (Some(left), Some(right)) = (one.peek(), other.peek()) {
        match left.cmp(right) {
            Ordering::Less => drop(one.next()),
            Ordering::Greater => drop(other.next()),
            Ordering::Equal => {
                both += 1;
                one.next();
                other.next();
            }
        }
    }
    both
}

#[cfg(test)]
mod tests;
