//! The names' part of `ready`: zones, runway, coverage, and how long steering takes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use names::config::Via;
use names::wire::Name;
use names::{Trouble, ZoneFacts};

use super::{Light, Lines, rough};
use crate::admin::Desk;
use crate::config::Organisation;

/// Zones that live shorter than this without their primary are a weakness.
const SHORT: Duration = Duration::from_secs(3 * 24 * 3600);

pub(super) async fn look(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(names) = &organisation.names else {
        if organisation.web.is_some() {
            lines.add(
                Light::Red,
                "names",
                "nothing leads visitors here; add `[organisation.names]` with a way to steer",
            );
        }
        return;
    };
    let zones = zones(desk, organisation);
    for zone in &zones {
        look_at_zone(desk, zone, lines);
    }
    let Some(steer) = &names.steer else { return };
    let seconds = organisation.recovery_time().as_secs();
    match &steer.via {
        Via::Secondary => {
            // Only what is really laid over a zone that is served: the rest was said above.
            let steered = zones.iter().filter(|zone| zone.serving);
            let steered: Vec<_> = steered
                .flat_map(|zone| &zone.steered)
                .map(ToString::to_string)
                .collect();
            if !steered.is_empty() {
                let steered = steered.join(", ");
                lines.add(Light::Green, "names", format!("steered by our name server: {steered}; at most {seconds} s after the last good page, for those who ask us"));
            }
            for zone in &names.zones {
                coverage(desk, zone, lines).await;
            }
        }
        Via::Zone { apex, .. } => {
            lines.add(Light::Green, "names", format!("steered in the zone {apex}: at most {seconds} s after the last good page"));
            lines.add(
                Light::Yellow,
                "names",
                "this is the only standby: while it is down, so is the healthy site behind the zone; run a second one",
            );
            coverage(desk, apex, lines).await;
        }
        Via::Manual => lines.add(
            Light::Yellow,
            "names",
            "steered by hand: the alert holds the record; it takes as long as you and your provider's TTL",
        ),
    }
}

fn look_at_zone(desk: &Desk, zone: &ZoneFacts, lines: &mut Lines) {
    let name = &zone.zone;
    let trouble = trouble(desk, zone);
    let Some(serial) = zone.serial.filter(|_| zone.serving) else {
        lines.add(
            Light::Red,
            "names",
            match trouble {
                Some(trouble) => format!("{name}: nothing to answer from; {trouble}"),
                None => format!("{name}: nothing to answer from yet; it is being transferred"),
            },
        );
        return;
    };
    match zone.runway {
        Some(runway) => {
            let light = if runway < SHORT {
                Light::Yellow
            } else {
                Light::Green
            };
            lines.add(
                light,
                "names",
                format!(
                    "{name}: serial {serial}, lives {} without its primary",
                    rough(runway)
                ),
            );
        }
        None => lines.add(
            Light::Green,
            "names",
            format!("{name}: serial {serial}, needs no primary"),
        ),
    }
    if let Some(trouble) = trouble {
        lines.add(Light::Yellow, "names", format!("{name}: {trouble}"));
    }
    if let Some(behind) = behind(zone) {
        lines.add(Light::Yellow, "names", format!("{name}: {behind}"));
    }
    for reason in &zone.not_steered {
        lines.add(Light::Red, "names", format!("{name}: {reason}"));
    }
}

/// Why the zone cannot be refreshed, since when, and when that is tried again.
fn trouble(desk: &Desk, zone: &ZoneFacts) -> Option<String> {
    let Trouble {
        since,
        reason,
        next_try,
    } = zone.trouble.as_ref()?;
    let next = rough(next_try.since(desk.host.clock.now().mono));
    Some(format!(
        "not refreshed since {since}: {reason}; next try in {next}"
    ))
}

fn behind(zone: &ZoneFacts) -> Option<String> {
    let serial = zone.behind?;
    let name = &zone.zone;
    Some(format!(
        "the primary's serial {serial} is older than ours; nothing is transferred until it grows, \
         or you say `servergate names refresh {name} --take-older`"
    ))
}

/// Our share of the name servers that the parent's delegation names.
async fn coverage(desk: &Desk, zone: &Name, lines: &mut Lines) {
    let ours = desk.config.standby.addresses.iter().copied().collect();
    let Some(resolver) = desk.config.standby.resolver.or_else(system_resolver) else {
        lines.add(
            Light::Yellow,
            "names",
            format!(
                "{zone}: no resolver to look the delegation up; write `resolver` under `[standby]`"
            ),
        );
        return;
    };
    match names::delegation(desk.host.net, resolver, names::PORT, zone).await {
        Ok(servers) => {
            let coverage = names::coverage(&servers, &ours);
            let (light, mend) = match coverage.percent() {
                100 => (Light::Green, ""),
                0 => (
                    Light::Red,
                    "; no resolver asks us, so nothing can be steered",
                ),
                _ => (
                    Light::Yellow,
                    "; while the others still answer, their share of visitors gets the dark address",
                ),
            };
            let percent = coverage.percent();
            lines.add(light, "names", format!("{zone}: coverage {percent} % (so many of the delegation's name servers are ours){mend}"));
        }
        Err(error) => lines.add(
            Light::Yellow,
            "names",
            format!("{zone}: the delegation could not be looked up: {error}"),
        ),
    }
}

/// The first name server of `/etc/resolv.conf`.
fn system_resolver() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let mut servers = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    let address: IpAddr = servers.find_map(|server| server.trim().parse().ok())?;
    Some(SocketAddr::new(address, names::PORT))
}

/// What is held of names.
pub(super) fn held(desk: &Desk, organisation: &Organisation) -> Vec<String> {
    let zone = |zone: &ZoneFacts| {
        let held = match zone.serial {
            Some(serial) => format!("zone {}, serial {serial}", zone.zone),
            None => format!("zone {}, not transferred yet", zone.zone),
        };
        let more = [trouble(desk, zone), behind(zone)];
        let more = more.into_iter().flatten();
        [held]
            .into_iter()
            .chain(more)
            .collect::<Vec<_>>()
            .join("; ")
    };
    zones(desk, organisation).iter().map(zone).collect()
}

fn zones(desk: &Desk, organisation: &Organisation) -> Vec<ZoneFacts> {
    let mut zones = desk.names.zones(desk.host.clock.now());
    zones.retain(|zone| zone.organisation == organisation.id);
    zones
}
