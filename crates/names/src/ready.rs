//! What would work if the primary went dark now: for `ready`, `status` and the alert's text.

use std::net::IpAddr;
use std::time::Duration;

use domain::base::iana::Rtype;
use model::{Now, OrganisationId, Timestamp};
use tokio::sync::oneshot;

use crate::config::{Organisation, Steer, Via};
use crate::desk::{Desk, Knock, Wish};
use crate::publish::overlay;
use crate::steer::{Addresses, Direction, direction, manual};
use crate::story::{Came, Trouble};
use crate::wire::Name;

/// The facts about one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFacts {
    /// Whose.
    pub organisation: OrganisationId,
    /// Its name.
    pub zone: Name,
    /// Whether it is answered from now.
    pub serving: bool,
    /// The version that is held.
    pub serial: Option<u32>,
    /// How long it lives without its primary: until SOA EXPIRE or until its first signature
    /// ends, whichever comes first. `None` for a zone that needs no primary.
    pub runway: Option<Duration>,
    /// When its first signature ends.
    pub signatures_end: Option<Timestamp>,
    /// Whether it is signed.
    pub signed: bool,
    /// The primary's serial where it is older than ours: nothing is transferred until it grows.
    pub behind: Option<u32>,
    /// Why it cannot be refreshed, since when, and when that is tried again.
    pub trouble: Option<Trouble>,
    /// The names in it that are steered by an overlay.
    pub steered: Vec<Name>,
    /// Why names in it are not steered, in words.
    pub not_steered: Vec<String>,
}

/// What steering does for one organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteerFacts {
    /// Whose.
    pub organisation: OrganisationId,
    /// Which way.
    pub via: Via,
    /// Where the names should lead now.
    pub direction: Direction,
    /// The names.
    pub names: Vec<Name>,
    /// For `manual`: the lines to paste, for that direction.
    pub lines: Vec<String>,
}

/// A way to ask the part while it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    desk: std::sync::Arc<Desk>,
}

impl Handle {
    pub(crate) fn new(desk: std::sync::Arc<Desk>) -> Self {
        Self { desk }
    }

    /// The facts about each zone. Looks at every record of signed zones.
    pub fn zones(&self, now: Now) -> Vec<ZoneFacts> {
        let standings = self.desk.published.standings();
        self.desk
            .published
            .each(|apex, organisation, version, live, report| {
                let zone = version.map(|version| &version.zone);
                let signed = zone.is_some_and(|zone| zone.is_signed());
                let end = zone
                    .filter(|_| signed)
                    .and_then(|zone| zone.earliest_signature_end());
                let end = end.map(|seconds| Timestamp::from_millis(i64::from(seconds) * 1000));
                let expires = report.expires.map(|at| at.since(now.mono));
                let signatures = end.map(|at| at.since(now.wall));
                let overlay = zone.map(|zone| overlay(zone, organisation, &standings));
                let (overlay, why) = overlay.unwrap_or_default();
                let steered = overlay.iter().flat_map(|overlay| overlay.names().cloned());
                let mut steered: Vec<Name> = steered.collect();
                steered.sort();
                ZoneFacts {
                    organisation: organisation.id.clone(),
                    zone: apex.clone(),
                    serving: live && zone.is_some(),
                    serial: zone.map(|zone| zone.soa().serial),
                    runway: expires.into_iter().chain(signatures).min(),
                    signatures_end: end,
                    signed,
                    behind: report.behind,
                    trouble: report.trouble.clone(),
                    steered,
                    not_steered: why.iter().map(ToString::to_string).collect(),
                }
            })
    }

    /// What steering does for each organisation that has any.
    pub fn steering(&self) -> Vec<SteerFacts> {
        let standings = self.desk.published.standings();
        let organisations = self.desk.published.organisations().iter();
        let facts = organisations.filter_map(|organisation: &Organisation| {
            let Steer {
                via,
                names,
                addresses,
                primary,
            } = organisation.steer.as_ref()?;
            let (direction, _) = direction(&standings, &organisation.id);
            let leads = match direction {
                Direction::Primary => primary,
                Direction::Standby => addresses,
            };
            let lines = if *via == Via::Manual {
                manual(names, leads)
            } else {
                Vec::new()
            };
            let (via, names) = (via.clone(), names.clone());
            Some(SteerFacts {
                organisation: organisation.id.clone(),
                via,
                direction,
                names,
                lines,
            })
        });
        facts.collect()
    }

    /// The longest TTL that the held zone gives for the addresses of these names: what the
    /// primary's other name servers answer with, too.
    pub fn longest_ttl(&self, apex: &Name, names: &[Name]) -> Option<u32> {
        let version = self.desk.published.version(apex)?;
        let nodes = names
            .iter()
            .filter_map(|name| version.zone.node(name.as_wire()));
        let sets = nodes.flat_map(|node| {
            [Rtype::A, Rtype::AAAA, Rtype::CNAME].map(|rtype| node.get(rtype.to_int()))
        });
        sets.flatten().map(|set| set.ttl).max()
    }

    /// The zones that are transferred from a primary.
    pub fn transferred_zones(&self) -> Vec<Name> {
        let directory = self.desk.directory.iter();
        let transferred = directory.filter(|(_, rights)| rights.door.is_some());
        let mut zones: Vec<Name> = transferred.map(|(zone, _)| zone.clone()).collect();
        zones.sort();
        zones
    }

    /// Has the primary of `zone` asked now, and says what came of it once that is known;
    /// `take_older` takes the primary's version also where its serial went backwards.
    pub async fn refresh(&self, zone: &Name, take_older: bool) -> Came {
        let rights = self.desk.directory.get(zone);
        let Some(door) = rights.and_then(|rights| rights.door.as_ref()) else {
            return Came::NotTransferred;
        };
        let (came, comes) = oneshot::channel();
        let wish = Wish { take_older, came };
        if door.send(Knock::Refresh(wish)).await.is_err() {
            return Came::Ending;
        }
        comes.await.unwrap_or(Came::Ending)
    }
}

/// How many of a delegation's name servers are ours: steering works on that share of resolvers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Those of which every address is ours.
    pub ours: Vec<Name>,
    /// The others: while one of them answers, it leads to where it always did.
    pub others: Vec<Name>,
}

impl Coverage {
    /// In percent, rounded down; a delegation without servers is not covered at all.
    pub fn percent(&self) -> usize {
        let all = self.ours.len() + self.others.len();
        (self.ours.len() * 100).checked_div(all).unwrap_or(0)
    }
}

/// Sorts the name servers of a delegation, each with its addresses, into ours and others.
pub fn coverage(servers: &[(Name, Vec<IpAddr>)], ours: &Addresses) -> Coverage {
    let is_ours = |addresses: &[IpAddr]| {
        let mut addresses = addresses.iter();
        addresses.len() > 0
            && addresses.all(|address| ours.iter().any(|own| own == address.to_canonical()))
    };
    let mut coverage = Coverage {
        ours: Vec::new(),
        others: Vec::new(),
    };
    for (name, addresses) in servers {
        let list = if is_ours(addresses) {
            &mut coverage.ours
        } else {
            &mut coverage.others
        };
        list.push(name.clone());
    }
    coverage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_counts_only_servers_that_are_ours_in_every_address() {
        let name = |text: &str| -> Name { text.parse().expect(text) };
        let at = |text: &str| -> IpAddr { text.parse().expect(text) };
        let servers = [
            (name("ns1.test"), vec![at("192.0.2.7")]),
            (name("ns2.test"), vec![at("192.0.2.7"), at("198.51.100.53")]),
            (name("ns3.test"), vec![at("198.51.100.53")]),
            (name("ns4.test"), vec![]),
        ];
        let ours = [at("192.0.2.7")].into_iter().collect();
        let coverage = coverage(&servers, &ours);
        assert_eq!(coverage.ours, [name("ns1.test")]);
        assert_eq!(coverage.percent(), 25);
        assert_eq!(super::coverage(&[], &ours).percent(), 0);
    }
}
