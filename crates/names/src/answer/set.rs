//! All zones that are served, found by the longest name above the one asked for.

use std::sync::Arc;

use crate::steer::Overlay;
use crate::wire::{Name, code};
use crate::zone::{Labels, Zone};

/// One zone as it is served.
#[derive(Clone, Debug)]
pub struct Served {
    zone: Option<Arc<Zone>>,
    overlay: Option<Arc<Overlay>>,
}

impl Served {
    /// `zone` is `None` while there is nothing to serve: not transferred yet, or expired. An
    /// overlay over a signed zone is left out: its answers would be bogus.
    pub fn new(zone: Option<Arc<Zone>>, overlay: Option<Arc<Overlay>>) -> Self {
        let signed = zone.as_ref().is_some_and(|zone| zone.is_signed());
        Self {
            zone,
            overlay: overlay.filter(|_| !signed),
        }
    }

    /// The snapshot.
    pub fn zone(&self) -> Option<&Zone> {
        self.zone.as_deref()
    }

    /// What steers in it.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.overlay.as_deref()
    }
}

/// All of them. A clone shares everything, so that the next set costs no more than its change.
#[derive(Clone, Debug, Default)]
pub struct ZoneSet {
    zones: imbl::HashMap<Name, Served>,
    most_labels: usize,
}

impl ZoneSet {
    /// Puts a zone in.
    pub fn insert(&mut self, apex: Name, served: Served) {
        self.most_labels = self.most_labels.max(apex.labels());
        self.zones.insert(apex, served);
    }

    /// A zone by its own name.
    pub fn get(&self, apex: &[u8]) -> Option<&Served> {
        self.zones.get(apex)
    }

    /// Each zone.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Served)> {
        self.zones.iter()
    }

    /// The name of the zone that `name` lies in.
    pub(crate) fn apex_above(&self, name: &[u8]) -> Option<&Name> {
        let labels = Labels::of(name);
        let longest = labels.count().min(self.most_labels);
        let mut suffixes = (0..=longest).rev().map(|count| labels.suffix(count));
        suffixes.find_map(|suffix| self.zones.get_key_value(suffix).map(|(apex, _)| apex))
    }

    /// The zone that answers for `name`. DS belongs to the parent, where that is ours too
    /// (RFC 4035 §3.1.4.1).
    pub(crate) fn find(&self, name: &Labels<'_>, qtype: u16) -> Option<&Served> {
        let longest = name.count().min(self.most_labels);
        let mut child = None;
        for labels in (0..=longest).rev() {
            let Some(served) = self.zones.get(name.suffix(labels)) else {
                continue;
            };
            if qtype == code::DS && labels == name.count() && child.is_none() {
                child = Some(served);
                continue;
            }
            return Some(served);
        }
        child
    }
}
