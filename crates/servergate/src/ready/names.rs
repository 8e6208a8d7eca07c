//! The names' part of `ready`: zones, runway, coverage, and how long steering takes.

use std::time::Duration;

use names::config::{Steer, Via};
use names::wire::Name;
use names::{Trouble, ZoneFacts};

use super::{Light, Lines, rough};
use crate::admin::Desk;
use crate::config::Organisation;
use crate::honest;

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
            if let Some(says) = steered(&zones, seconds) {
                lines.add(Light::Green, "names", says);
            }
            for zone in honest::zones(organisation, steer) {
                coverage(desk, &zone, seconds, lines).await;
            }
        }
        Via::Zone { apex, .. } => {
            lines.add(Light::Green, "names", format!("steered in the zone {apex}: at most {seconds} s after the last good page for who asks us"));
            lines.add(
                Light::Yellow,
                "names",
                "this is the only standby: while it is down, so is the healthy site behind the zone; run a second one",
            );
            let zone = (apex.clone(), steer.names.clone());
            coverage(desk, &zone, seconds, lines).await;
        }
        Via::Manual => by_hand(desk, organisation, steer, lines).await,
    }
}

/// What our name server steers: only what is really laid over a zone that is served. Why the rest
/// is not was said of its zone.
fn steered(zones: &[ZoneFacts], seconds: u64) -> Option<String> {
    let serving = zones.iter().filter(|zone| zone.serving);
    let steered: Vec<_> = serving
        .flat_map(|zone| &zone.steered)
        .map(ToString::to_string)
        .collect();
    (!steered.is_empty()).then(|| {
        format!(
            "steered by our name server: {}; at most {seconds} s after the last good page for who asks us",
            steered.join(", ")
        )
    })
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

/// Our share of the name servers that the parent's delegation names, and how long it takes for
/// whom by what each of them answers.
async fn coverage(desk: &Desk, zone: &(Name, Vec<Name>), fastest: u64, lines: &mut Lines) {
    let apex = &zone.0;
    match honest::servers(&desk.config, desk.host.net, &desk.names, zone).await {
        None => lines.add(
            Light::Yellow,
            "names",
            format!(
                "{apex}: no resolver to look the delegation up; write `resolver` under `[standby]`"
            ),
        ),
        Some(Ok(servers)) => {
            let reach = names::reach(&servers);
            let percent = (reach.ours * 100).checked_div(reach.all).unwrap_or(0);
            let (light, mend) = match percent {
                100 => (Light::Green, ""),
                0 => (Light::Red, ""),
                _ => (
                    Light::Yellow,
                    "; make the primary hidden, step by step in docs/steering.md",
                ),
            };
            let words = reach.words(fastest);
            lines.add(
                light,
                "names",
                format!("{apex}: coverage {percent} %: {words}{mend}"),
            );
        }
        Some(Err(error)) => lines.add(
            Light::Yellow,
            "names",
            format!("{apex}: the delegation could not be looked up: {error}"),
        ),
    }
}

/// How long the old answers are kept that a change by hand makes wrong.
async fn by_hand(desk: &Desk, organisation: &Organisation, steer: &Steer, lines: &mut Lines) {
    let mut longest = Some(0);
    for zone in honest::zones(organisation, steer) {
        let found = honest::servers(&desk.config, desk.host.net, &desk.names, &zone).await;
        for ttl in match found {
            Some(Ok(servers)) => servers.iter().map(|server| server.ttl).collect(),
            _ => vec![None],
        } {
            longest = longest
                .zip(ttl)
                .map(|(longest, ttl): (u32, u32)| longest.max(ttl));
        }
    }
    let words = names::by_hand(longest.filter(|longest| *longest > 0));
    lines.add(
        Light::Yellow,
        "names",
        format!("{words}; the alert holds the records"),
    );
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

#[cfg(test)]
mod tests {
    use model::OrganisationId;

    use super::*;

    fn zone(serving: bool, steered: &[&str], not_steered: &[&str]) -> ZoneFacts {
        let name = |text: &&str| text.parse().expect("a name");
        ZoneFacts {
            organisation: OrganisationId::new("verein.test"),
            zone: name(&"verein.test"),
            serving,
            serial: serving.then_some(7),
            runway: None,
            signatures_end: None,
            signed: false,
            behind: None,
            trouble: None,
            steered: steered.iter().map(name).collect(),
            not_steered: not_steered.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn only_what_is_steered_is_called_steered() {
        let both = ["verein.test", "www.verein.test"];
        assert_eq!(
            steered(&[zone(true, &both, &[]), zone(true, &["a.test"], &[])], 27).as_deref(),
            Some(
                "steered by our name server: verein.test, www.verein.test, a.test; at most 27 s after the last good page for who asks us"
            )
        );
        // One name is not steered for a reason of its own: the other one still is.
        let words = steered(
            &[zone(true, &both[..1], &["www.verein.test is signed"])],
            27,
        );
        assert!(words.is_some_and(|words| !words.contains("www.")));
        for nothing in [
            vec![],
            vec![zone(true, &[], &["the zone is signed"])],
            // What would be steered if there were something to answer from.
            vec![zone(false, &both, &[])],
        ] {
            assert_eq!(steered(&nothing, 27), None, "{nothing:?}");
        }
    }
}
