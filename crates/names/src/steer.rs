//! Steering: which names lead where, computed from the standings (pure).
//!
//! Three ways carry out the same decision: an [`Overlay`] on a transferred zone that is not
//! signed, a small standby zone that is ours ([`standby_zone`]), and the text of the records to
//! paste by hand ([`manual`]). The transferred zone and its serial are never touched.

mod manual;
mod standby_zone;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{OrganisationId, Role, Service, ServiceId, Standings};

pub use manual::{Lookup, manual, verify};
pub use standby_zone::standby_zone;

use crate::wire::{Name, is_at_or_below, parent};
use crate::zone::{Found, Labels, WildcardName, Zone};

/// What a steerable name's records are served with, in both states: a change is seen within it.
pub const STEER_TTL: u32 = 5;

/// Addresses of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// A.
    pub v4: Vec<Ipv4Addr>,
    /// AAAA.
    pub v6: Vec<Ipv6Addr>,
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        let mut sorted = Self::default();
        for address in addresses {
            match address.to_canonical() {
                IpAddr::V4(v4) => sorted.v4.push(v4),
                IpAddr::V6(v6) => sorted.v6.push(v6),
            }
        }
        sorted
    }
}

impl Addresses {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.v4.iter().copied().map(IpAddr::V4);
        v4.chain(self.v6.iter().copied().map(IpAddr::V6))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// One name that can be steered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steered {
    /// What its records are capped to.
    pub ttl: u32,
    /// Where it leads instead of what the zone says; `None` while the zone is right.
    pub addresses: Option<Addresses>,
}

/// What is laid over one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    names: HashMap<Name, Steered>,
    /// Every name above one of them.
    above: HashSet<Name>,
    active: bool,
}

impl Overlay {
    /// Lays over `names`, in one of the two states.
    pub fn new(names: impl IntoIterator<Item = Name>, leads: Option<&Addresses>) -> Self {
        let steered = Steered {
            ttl: STEER_TTL,
            addresses: leads.cloned(),
        };
        let names: HashMap<Name, Steered> = names
            .into_iter()
            .map(|name| (name, steered.clone()))
            .collect();
        let mut above = HashSet::new();
        for name in names.keys() {
            let mut up = parent(name.as_wire());
            while let Some(wire) = up {
                above.insert(Name::lowered(wire));
                up = parent(wire);
            }
        }
        let active = leads.is_some() && !names.is_empty();
        Self {
            names,
            above,
            active,
        }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Steered> {
        self.names.get(name)
    }

    /// What steers a name that is not in the zone itself: its own entry, or that of a steered
    /// wildcard above it, no higher than the closest name that exists (RFC 4592 §3.3.1).
    pub(crate) fn covering(&self, name: &[u8], encloser: &[u8]) -> Option<&Steered> {
        if let Some(own) = self.get(name) {
            return Some(own);
        }
        let mut up = parent(name);
        while let Some(above) = up.filter(|above| above.len() >= encloser.len()) {
            let wildcard = WildcardName::below(above);
            let steered = wildcard.and_then(|owner| self.get(owner.as_wire()));
            if steered.is_some() || self.above.contains(above) {
                return steered;
            }
            up = parent(above);
        }
        None
    }

    /// Whether a steered name lies below this one.
    pub(crate) fn is_above(&self, name: &[u8]) -> bool {
        self.above.contains(name)
    }

    /// The names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.keys()
    }

    /// Whether names lead elsewhere now.
    pub fn is_active(&self) -> bool {
        self.active
    }
}

/// Where the web names of an organisation lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the primary.
    Primary,
    /// Here.
    Standby,
}

/// Role and epoch of an organisation's web service. A role that is not known leads to the
/// primary. While the checker is blind the standing does not change, so neither does this.
pub fn direction(standings: &Standings, organisation: &OrganisationId) -> (Direction, u64) {
    let service = ServiceId::new(organisation.clone(), Service::Web);
    match standings.get(&service) {
        None => (Direction::Primary, 0),
        Some(standing) => {
            let direction = match standing.role {
                Role::Standby => Direction::Primary,
                Role::Acting | Role::Returning => Direction::Standby,
            };
            (direction, standing.epoch.0)
        }
    }
}

/// Why nothing is laid over a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// Answers that the signer did not sign are bogus.
    #[error(
        "the zone {0} is signed, so its names are not steered; make them a CNAME into a standby \
         zone (steer.via = \"zone\")"
    )]
    Signed(Name),
    /// Somebody else answers for the name.
    #[error("{name} is not answered from the zone {zone} but from a delegation or DNAME in it")]
    Elsewhere {
        /// The name to be steered.
        name: Name,
        /// The zone.
        zone: Name,
    },
    /// No address of the standby to lead to.
    #[error("there is no address to lead {0} to; set standby.addresses")]
    NoAddress(Name),
}

/// Those of `names` that lie in `zone` and can be steered there, and why others cannot.
pub fn steerable(zone: &Zone, names: &[Name], ours: &Addresses) -> (Vec<Name>, Vec<WhyNot>) {
    let apex = zone.apex();
    let mut good = Vec::new();
    let mut wrong = Vec::new();
    let inside = names
        .iter()
        .filter(|name| is_at_or_below(name.as_wire(), apex.as_wire()));
    for name in inside {
        let found = zone.walk(&Labels::of(name.as_wire()));
        if zone.is_signed() {
            wrong.push(WhyNot::Signed(apex.clone()));
            break;
        } else if matches!(found, Found::Cut { .. } | Found::Dname { .. }) {
            wrong.push(WhyNot::Elsewhere {
                name: name.clone(),
                zone: apex.clone(),
            });
        } else if ours.is_empty() {
            wrong.push(WhyNot::NoAddress(name.clone()));
        } else {
            good.push(name.clone());
        }
    }
    (good, wrong)
}
