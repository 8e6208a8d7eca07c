//! How long it takes until visitors follow, as resolvers see it: looked up once an hour while all
//! is well, for the words of alerts, and anew for `ready`.
//!
//! What is found is what [`names::reach`] computes from; here is only who is asked, and when.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use host::Drain;
use host::net::Net;
use model::{Service, ServiceId};
use names::config::{Steer, Via};
use names::steer::Addresses;
use names::wire::Name;
use names::{Reach, Server};

use crate::config::{Config, Organisation};

/// Delegations and TTLs change seldom.
const AGAIN: Duration = Duration::from_secs(3_600);

/// Keeps the words of alerts about steering true.
pub(crate) struct Looking {
    pub(crate) config: Config,
    pub(crate) net: Net,
    pub(crate) clock: host::Clock,
    pub(crate) names: names::Handle,
    pub(crate) ways: watch::Ways,
}

impl Looking {
    /// Looks now and every hour until the drain begins. A standby on loopback alone is a
    /// rehearsal, and asks nobody outside unless a resolver is named for it.
    pub(crate) async fn run(self: Arc<Self>, drain: Drain) {
        let addresses = &self.config.standby.addresses;
        if self.config.standby.resolver.is_none() && addresses.iter().all(IpAddr::is_loopback) {
            return;
        }
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = self.look() => {}
            }
            tokio::select! {
                () = drain.begun() => return,
                () = self.clock.sleep(AGAIN) => {}
            }
        }
    }

    async fn look(&self) {
        for organisation in &self.config.organisations {
            let Some(steer) = steer(organisation) else {
                continue;
            };
            // While nobody can be asked, what was known stays said.
            if let Some(found) = look(&self.config, organisation, self.net, &self.names).await {
                let service = ServiceId::new(organisation.id.clone(), Service::Web);
                self.ways.set(service, way(organisation, steer, &found));
            }
        }
    }
}

fn steer(organisation: &Organisation) -> Option<&Steer> {
    organisation.names.as_ref()?.steer.as_ref()
}

/// The zones in which steered names lie, and those names.
pub(crate) fn zones(organisation: &Organisation, steer: &Steer) -> Vec<(Name, Vec<Name>)> {
    let below = |zone: &Name| -> Vec<Name> {
        let end = format!(".{zone}");
        let names = steer.names.iter();
        names
            .filter(|name| *name == zone || name.to_string().ends_with(&end))
            .cloned()
            .collect()
    };
    let zones: Vec<Name> = match &steer.via {
        Via::Zone { apex, .. } => return vec![(apex.clone(), steer.names.clone())],
        Via::Secondary => match &organisation.names {
            Some(names) => names.zones.clone(),
            None => Vec::new(),
        },
        Via::Manual => {
            let domains = organisation.domains.iter();
            domains.filter_map(|domain| domain.parse().ok()).collect()
        }
    };
    let zones = zones.into_iter().map(|zone| (below(&zone), zone));
    zones
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, zone)| (zone, names))
        .collect()
}

/// What the name servers of one zone answer; where one is dark, the zone that we hold knows its
/// TTL.
pub(crate) async fn servers(
    config: &Config,
    net: Net,
    names: &names::Handle,
    zone: &(Name, Vec<Name>),
) -> Option<std::io::Result<Vec<Server>>> {
    let resolver = config.standby.resolver.or_else(system_resolver)?;
    let ours: Addresses = config.standby.addresses.iter().copied().collect();
    let (apex, steered) = zone;
    let mut found = ::names::answers(net, resolver, ::names::PORT, apex, steered, &ours).await;
    if let Ok(servers) = &mut found {
        with_what_is_held(servers, names.longest_ttl(apex, steered));
    }
    Some(found)
}

/// A server of the primary's that is dark now gave its answers the TTL of the zone that we hold, and
/// resolvers still have them.
fn with_what_is_held(servers: &mut [Server], held: Option<u32>) {
    for server in servers.iter_mut().filter(|server| !server.ours) {
        server.ttl = server.ttl.max(held);
    }
}

/// What was found of all zones of an organisation; `None` where one could not be looked up.
async fn look(
    config: &Config,
    organisation: &Organisation,
    net: Net,
    names: &names::Handle,
) -> Option<Vec<(Name, Vec<Server>)>> {
    let mut all = Vec::new();
    for zone in zones(organisation, steer(organisation)?) {
        let found = servers(config, net, names, &zone).await?.ok()?;
        all.push((zone.0, found));
    }
    (!all.is_empty()).then_some(all)
}

/// What alerts say of steering, as it was found.
fn way(organisation: &Organisation, steer: &Steer, found: &[(Name, Vec<Server>)]) -> watch::Way {
    let fastest = organisation.recovery_time().as_secs();
    let servers = found.iter().flat_map(|(_, servers)| servers);
    let says = match &steer.via {
        Via::Manual => {
            let ttls: Option<Vec<u32>> = servers.map(|server| server.ttl).collect();
            by_hand(ttls.and_then(|ttls| ttls.into_iter().max()))
        }
        Via::Secondary | Via::Zone { .. } => {
            let worst = found.iter().map(|(_, servers)| names::reach(servers));
            let worst = worst.max_by_key(|reach| (!reach.is_whole(), reach.all - reach.ours));
            steered(&steer.via, worst, fastest)
        }
    };
    let step = matches!(steer.via, Via::Manual).then(|| step(steer));
    watch::Way { says, step }
}

/// What alerts say of steering before anything was looked up.
pub(crate) fn unseen(organisation: &Organisation) -> Option<watch::Way> {
    let steer = steer(organisation)?;
    let fastest = organisation.recovery_time().as_secs();
    Some(match &steer.via {
        Via::Manual => watch::Way {
            says: by_hand(None),
            step: Some(step(steer)),
        },
        Via::Secondary | Via::Zone { .. } => watch::Way {
            says: steered(&steer.via, None, fastest),
            step: None,
        },
    })
}

/// The records to paste.
fn step(steer: &Steer) -> String {
    names::steer::manual(&steer.names, &steer.addresses).join("\n")
}

fn steered(via: &Via, reach: Option<Reach>, fastest: u64) -> String {
    let how = match via {
        Via::Zone { apex, .. } => format!("Names are steered in the zone {apex}"),
        _ => "Names are steered by our name server".to_owned(),
    };
    match reach {
        Some(reach) => format!("{how}: {}.", reach.words(fastest)),
        None => format!(
            "{how}: at most {fastest} s after the last good page for who asked us; how many \
             of the name servers in the delegation are ours has not been looked up."
        ),
    }
}

fn by_hand(longest: Option<u32>) -> String {
    let words = names::by_hand(longest);
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!(
        "{}{}.",
        first.map(String::from).unwrap_or_default(),
        letters.as_str()
    )
}

/// The first name server of `/etc/resolv.conf`.
pub(crate) fn system_resolver() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let mut servers = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    let address: IpAddr = servers.find_map(|server| server.trim().parse().ok())?;
    Some(SocketAddr::new(address, names::PORT))
}

#[cfg(test)]
mod tests;
