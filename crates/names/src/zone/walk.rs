//! The way from the apex down to a name (RFC 1034 §4.3.2 step 3, RFC 4592 §3.3.1).

use super::{Node, Zone};
use crate::wire::{MAX_NAME, code};

/// A name with the places where its labels begin, the root label included.
#[derive(Clone)]
pub(crate) struct Labels<'n> {
    name: &'n [u8],
    starts: [u8; 128],
    count: usize,
}

impl<'n> Labels<'n> {
    pub(crate) fn of(name: &'n [u8]) -> Self {
        let mut starts = [0; 128];
        let mut count = 0;
        let mut at = 0;
        while let Some(len) = name.get(at).copied().filter(|len| *len != 0) {
            if let (Some(slot), Ok(start)) = (starts.get_mut(count), u8::try_from(at)) {
                *slot = start;
                count += 1;
            }
            at += 1 + usize::from(len);
        }
        Self {
            name,
            starts,
            count,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The last `labels` labels.
    pub(crate) fn suffix(&self, labels: usize) -> &'n [u8] {
        if labels == 0 {
            return &[0];
        }
        let index = self.count.saturating_sub(labels);
        let start = self
            .starts
            .get(index)
            .map_or(0, |start| usize::from(*start));
        self.name.get(start..).unwrap_or(&[0])
    }
}

/// Where the way ends.
pub(crate) enum Found<'z, 'n> {
    /// The name exists.
    Node(&'z Node),
    /// It does not; the wildcard below its closest encloser stands for it.
    Wildcard {
        node: &'z Node,
        encloser: &'n [u8],
        next_closer: &'n [u8],
    },
    /// It does not exist.
    Missing {
        encloser: &'n [u8],
        next_closer: &'n [u8],
    },
    /// A delegation lies at or above the name (RFC 1034 §4.2.1).
    Cut { owner: &'n [u8], node: &'z Node },
    /// A DNAME lies above the name (RFC 6672 §2.3).
    Dname { owner: &'n [u8], node: &'z Node },
}

/// `*.` before a name.
#[derive(Clone)]
pub(crate) struct WildcardName {
    wire: [u8; MAX_NAME],
    len: usize,
}

impl WildcardName {
    /// `None` if there is no room for it.
    pub(crate) fn below(encloser: &[u8]) -> Option<Self> {
        let mut wire = [0; MAX_NAME];
        let len = encloser.len() + 2;
        wire.get_mut(..2)?.copy_from_slice(&[1, b'*']);
        wire.get_mut(2..len)?.copy_from_slice(encloser);
        Some(Self { wire, len })
    }

    pub(crate) fn as_wire(&self) -> &[u8] {
        self.wire.get(..self.len).unwrap_or(&[0])
    }
}

impl Zone {
    /// Goes to `name`, which lies in this zone.
    pub(crate) fn walk<'n>(&self, name: &Labels<'n>) -> Found<'_, 'n> {
        let total = name.count();
        let mut encloser = name.suffix(self.apex_labels);
        for labels in self.apex_labels..=total {
            let suffix = name.suffix(labels);
            // RFC 5155 §7.2.8: a name that only carries a hash does not exist.
            let Some(node) = self.node(suffix).filter(|node| !self.is_hash(node)) else {
                return self.missing(encloser, suffix);
            };
            if labels > self.apex_labels && node.get(code::NS).is_some() {
                return Found::Cut {
                    owner: suffix,
                    node,
                };
            }
            if labels == total {
                return Found::Node(node);
            }
            if node.get(code::DNAME).is_some() {
                return Found::Dname {
                    owner: suffix,
                    node,
                };
            }
            encloser = suffix;
        }
        // Only for a name that is not in this zone.
        Found::Missing {
            encloser,
            next_closer: name.suffix(total),
        }
    }

    fn is_hash(&self, node: &Node) -> bool {
        !self.nsec3.is_empty() && node.sets.len() == 1 && node.get(code::NSEC3).is_some()
    }

    fn missing<'n>(&self, encloser: &'n [u8], next_closer: &'n [u8]) -> Found<'_, 'n> {
        let wildcard = WildcardName::below(encloser);
        match wildcard.and_then(|owner| self.node(owner.as_wire())) {
            Some(node) => Found::Wildcard {
                node,
                encloser,
                next_closer,
            },
            None => Found::Missing {
                encloser,
                next_closer,
            },
        }
    }
}
