//! Proofs from the chain of a zone that was signed elsewhere (RFC 4035 §3.1.3, RFC 5155 §7.2).
//!
//! The records are served as they came. A proof that the chain does not hold is left out: a
//! validator then says bogus, which is the truth about such a zone.

use domain::base::iana::Nsec3HashAlgorithm;
use domain::dnssec::common::nsec3_hash;
use domain::rdata::nsec3::{Nsec3Salt, OwnerHash};

use super::{Cut, Run};
use crate::wire::{Name, Section, parent};
use crate::zone::{Denial, RecordSet, WildcardName};

/// RFC 9276 §3.2: above this, hashing would be a gift to whoever floods us.
const MOST_ITERATIONS: u16 = 500;

impl<'z> Run<'z, '_, '_> {
    /// The name exists and has no such type.
    pub(super) fn prove_no_data(&mut self, name: &[u8]) -> Result<(), Cut> {
        match self.zone.denial() {
            Denial::Unsigned => Ok(()),
            Denial::Nsec => self.nsec(&[name]),
            Denial::Nsec3 { .. } => {
                if self.nsec3_match(name)? {
                    return Ok(());
                }
                // Opt-out: an empty name or a cut without a hash of its own (RFC 5155 §7.2.4).
                self.prove_no_ds(name)
            }
        }
    }

    /// Neither the name nor a wildcard for it exists.
    pub(super) fn prove_missing(
        &mut self,
        name: &[u8],
        encloser: &[u8],
        next_closer: &[u8],
    ) -> Result<(), Cut> {
        let Some(wildcard) = WildcardName::below(encloser) else {
            return Ok(());
        };
        match self.zone.denial() {
            Denial::Unsigned => Ok(()),
            Denial::Nsec => self.nsec(&[name, wildcard.as_wire()]),
            Denial::Nsec3 { .. } => self.nsec3(&[encloser, next_closer, wildcard.as_wire()]),
        }
    }

    /// Wildcards answered: the names themselves do not exist (RFC 4035 §3.1.3.3).
    pub(super) fn prove_wildcards(&mut self) -> Result<(), Cut> {
        for (name, next_closer) in std::mem::take(&mut self.wildcards) {
            match self.zone.denial() {
                Denial::Unsigned => {}
                Denial::Nsec => self.nsec(&[name.as_wire()])?,
                Denial::Nsec3 { .. } => self.nsec3(&[next_closer.as_wire()])?,
            }
        }
        Ok(())
    }

    /// A wildcard stands for the name and has no such type.
    pub(super) fn prove_wildcard_no_data(
        &mut self,
        name: &[u8],
        encloser: &[u8],
    ) -> Result<(), Cut> {
        let Some(wildcard) = WildcardName::below(encloser) else {
            return Ok(());
        };
        let wildcard = wildcard.as_wire();
        match self.zone.denial() {
            Denial::Unsigned => Ok(()),
            Denial::Nsec => self.nsec(&[name, wildcard]),
            Denial::Nsec3 { .. } => {
                let next_closer = below(name, encloser);
                self.nsec3(&[encloser, next_closer, wildcard])
            }
        }
    }

    /// A delegation that is not signed (RFC 4035 §3.1.4.1, RFC 5155 §7.2.7).
    pub(super) fn prove_no_ds(&mut self, cut: &[u8]) -> Result<(), Cut> {
        match self.zone.denial() {
            Denial::Unsigned => Ok(()),
            Denial::Nsec => self.nsec(&[cut]),
            Denial::Nsec3 { .. } => {
                let mut next_closer = cut;
                let mut at = Some(cut);
                while let Some(name) = at {
                    if self.nsec3_match(name)? {
                        return if name == cut {
                            Ok(())
                        } else {
                            self.nsec3(&[next_closer])
                        };
                    }
                    next_closer = name;
                    at = parent(name).filter(|_| name != self.zone.apex().as_wire());
                }
                Ok(())
            }
        }
    }

    /// The NSEC at or over each name.
    fn nsec(&mut self, names: &[&[u8]]) -> Result<(), Cut> {
        let zone = self.zone;
        for name in names {
            if let Some((owner, set)) = zone.nsec_at_or_before(name) {
                self.prove(owner, set)?;
            }
        }
        Ok(())
    }

    /// The NSEC3 at or over each name.
    fn nsec3(&mut self, names: &[&[u8]]) -> Result<(), Cut> {
        let zone = self.zone;
        for name in names {
            let found = self
                .hash(name)
                .and_then(|hash| zone.nsec3_at_or_before(&hash));
            if let Some((_, owner, set)) = found {
                self.prove(owner, set)?;
            }
        }
        Ok(())
    }

    /// The NSEC3 of exactly this name, if it has one.
    fn nsec3_match(&mut self, name: &[u8]) -> Result<bool, Cut> {
        let zone = self.zone;
        let found = self
            .hash(name)
            .and_then(|hash| zone.nsec3_at_or_before(&hash));
        let Some((true, owner, set)) = found else {
            return Ok(false);
        };
        self.prove(owner, set)?;
        Ok(true)
    }

    /// One record of the chain, once in an answer.
    fn prove(&mut self, owner: &'z Name, set: &RecordSet) -> Result<(), Cut> {
        if self.proved.contains(&Some(owner)) {
            return Ok(());
        }
        if let Some(free) = self.proved.iter_mut().find(|place| place.is_none()) {
            *free = Some(owner);
        }
        self.set(Section::Authority, owner.as_wire(), set, set.ttl)
    }

    fn hash(&self, name: &[u8]) -> Option<[u8; 20]> {
        let Denial::Nsec3 { iterations, salt } = self.zone.denial() else {
            return None;
        };
        if *iterations > MOST_ITERATIONS {
            return None;
        }
        let owner = domain::base::Name::from_slice(name).ok()?;
        let salt = Nsec3Salt::from_octets(salt.as_ref()).ok()?;
        let hash: OwnerHash<Vec<u8>> =
            nsec3_hash(owner, Nsec3HashAlgorithm::SHA1, *iterations, &salt).ok()?;
        hash.as_slice().try_into().ok()
    }
}

/// The name one label below `encloser` on the way to `name` (RFC 5155 §1.3).
fn below<'n>(name: &'n [u8], encloser: &[u8]) -> &'n [u8] {
    let mut at = name;
    while let Some(up) = parent(at) {
        if up.len() <= encloser.len() {
            break;
        }
        at = up;
    }
    at
}
