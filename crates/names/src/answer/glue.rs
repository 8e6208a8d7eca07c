//! Referrals: the name servers of a delegation and their addresses (RFC 1034 §4.2.1, RFC 9471).

use super::{Cut, Outcome, Run, Step};
use crate::wire::{MAX_NAME, Section, code, is_at_or_below, lower_into};
use crate::zone::Node;

impl<'z> Run<'z, '_, '_> {
    pub(super) fn refer(&mut self, owner: &[u8], node: &'z Node) -> Result<Step, Cut> {
        // The child has the authority; an alias before it was ours (RFC 1034 §4.3.2).
        self.authoritative = self.reply.answers() > 0;
        let Some(servers) = node.get(code::NS) else {
            return Ok(Step::Done(Outcome::Referral));
        };
        // The NS set at a cut is never signed by the parent (RFC 4035 §2.2).
        let dnssec = std::mem::replace(&mut self.dnssec, false);
        let pushed = self.set(Section::Authority, owner, servers, servers.ttl);
        self.dnssec = dnssec;
        pushed?;
        if self.dnssec {
            match node.get(code::DS) {
                Some(ds) => self.set(Section::Authority, owner, ds, ds.ttl)?,
                None => self.prove_no_ds(owner)?,
            }
        }
        // Without the addresses below the cut nobody gets there: they are required, and go first.
        for required in [true, false] {
            for server in servers.data() {
                self.glue(owner, server, required)?;
            }
        }
        Ok(Step::Done(Outcome::Referral))
    }

    fn glue(&mut self, cut: &[u8], server: &[u8], required: bool) -> Result<(), Cut> {
        let mut name = [0; MAX_NAME];
        let Some(len) = lower_into(server, &mut name) else {
            return Ok(());
        };
        let name = name.get(..len).unwrap_or(&[0]);
        let steered = self
            .overlay
            .is_some_and(|overlay| overlay.get(name).is_some());
        if is_at_or_below(name, cut) != required || steered {
            return Ok(());
        }
        let Some(node) = self.zone.node(name) else {
            return Ok(());
        };
        let dnssec = std::mem::replace(&mut self.dnssec, false);
        let mut result = Ok(());
        for set in [code::A, code::AAAA]
            .iter()
            .filter_map(|rtype| node.get(*rtype))
        {
            let pushed = self.set(Section::Additional, name, set, set.ttl);
            if required && pushed.is_err() {
                result = pushed;
            }
        }
        self.dnssec = dnssec;
        result
    }
}
