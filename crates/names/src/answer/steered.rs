//! Answers for a name that leads here instead of where its zone says.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Cut, LONGEST_CHAIN, Outcome, Run, Step};
use crate::steer::Steered;
use crate::wire::{MAX_NAME, Section, code, is_at_or_below, lower_into};
use crate::zone::{Found, Labels, Node, RecordSet};

impl<'z> Run<'z, '_, '_> {
    /// A steered name while we act: our addresses stand for both families, an alias and service
    /// bindings are hidden, everything else stays as it is in the zone, also that of an alias's target.
    pub(super) fn steer(
        &mut self,
        name: &[u8],
        node: Option<&'z Node>,
        steered: Option<&Steered>,
    ) -> Result<Step, Cut> {
        let Some(Steered {
            ttl,
            addresses: Some(addresses),
        }) = steered
        else {
            return Ok(Step::Done(Outcome::Answered));
        };
        let before = self.reply.answers();
        let v4 = matches!(self.qtype, code::A | code::ANY);
        let v6 = matches!(self.qtype, code::AAAA | code::ANY);
        for octets in addresses.v4.iter().filter(|_| v4).map(Ipv4Addr::octets) {
            self.record(name, code::A, *ttl, &octets)?;
        }
        for octets in addresses.v6.iter().filter(|_| v6).map(Ipv6Addr::octets) {
            self.record(name, code::AAAA, *ttl, &octets)?;
        }
        let hidden = matches!(
            self.qtype,
            code::A | code::AAAA | code::ANY | code::CNAME | code::HTTPS | code::SVCB
        );
        if !hidden && let Some((set, ttl)) = self.beside(node) {
            self.set(Section::Answer, name, set, ttl)?;
        }
        if self.reply.answers() > before {
            return Ok(Step::Done(Outcome::Answered));
        }
        self.soa(Some(*ttl))?;
        Ok(Step::Done(Outcome::NoData))
    }

    /// The set of the type asked for that the name has beside its addresses. An alias cannot stand
    /// beside them (RFC 1034 §3.6.2), so what it led to is answered in its place, as far as it lies
    /// in the zone.
    fn beside(&self, node: Option<&'z Node>) -> Option<(&'z RecordSet, u32)> {
        let mut node = node?;
        let mut ttl = u32::MAX;
        let mut name = [0; MAX_NAME];
        for _ in 0..LONGEST_CHAIN {
            if let Some(set) = node.get(self.qtype) {
                return Some((set, set.ttl.min(ttl)));
            }
            let alias = node.get(code::CNAME)?;
            ttl = ttl.min(alias.ttl);
            let len = lower_into(alias.data().next()?, &mut name)?;
            let target = name.get(..len)?;
            if !is_at_or_below(target, self.zone.apex().as_wire()) {
                return None;
            }
            node = match self.zone.walk(&Labels::of(target)) {
                Found::Node(node) | Found::Wildcard { node, .. } => node,
                _ => return None,
            };
        }
        None
    }

    fn record(&mut self, name: &[u8], rtype: u16, ttl: u32, data: &[u8]) -> Result<(), Cut> {
        self.reply
            .push(Section::Answer, name, rtype, ttl, data)
            .map_err(|_| Cut)
    }
}
