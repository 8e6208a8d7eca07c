//! Answers for a name that leads here instead of where its zone says.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Cut, Outcome, Run, Step};
use crate::steer::Steered;
use crate::wire::{Section, code};
use crate::zone::Node;

impl<'z> Run<'z, '_, '_> {
    /// A steered name while we act: our addresses stand for both families, an alias and service
    /// bindings are hidden, everything else stays as it is in the zone.
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
        let aliased = node.is_some_and(|node| node.get(code::CNAME).is_some());
        if !hidden
            && !aliased
            && let Some(set) = node.and_then(|node| node.get(self.qtype))
        {
            self.set(Section::Answer, name, set, set.ttl)?;
        }
        if self.reply.answers() > before {
            return Ok(Step::Done(Outcome::Answered));
        }
        self.soa(Some(*ttl))?;
        Ok(Step::Done(Outcome::NoData))
    }

    fn record(&mut self, name: &[u8], rtype: u16, ttl: u32, data: &[u8]) -> Result<(), Cut> {
        self.reply
            .push(Section::Answer, name, rtype, ttl, data)
            .map_err(|_| Cut)
    }
}
