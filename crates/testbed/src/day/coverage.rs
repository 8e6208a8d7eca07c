//! The honest share: `ready` looks the delegation up and says how many of its name servers are
//! the standby.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::stage_set::{DNS, ORGANISATION, RESOLVER, STANDBY, Terms, Wish, World};
use crate::lab::until_asked;
use crate::peer::knot::{Knot, Setting};
use crate::peer::unbound::{Delegation, Unbound};
use crate::report::Report;
use crate::standby::Standby;

const REGISTRY: &str = "203.0.113.80";
const SECOND_RESOLVER: &str = "203.0.113.54";
const SOON: Duration = crate::lab::CEILING;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let world = World::build(report, &Wish::default())?;
    let registry = world.lab.host("registry", &[REGISTRY])?;
    let both = format!("verein NS ns.verein\nverein NS sb.verein\nns.verein A {DNS}\n");
    let setting = Setting::new().zone("test", &parent(1, &both));
    let parent_server = Knot::start(&registry, &setting)?;
    let second = world.lab.host("resolver2", &[SECOND_RESOLVER])?;
    let _resolver = Unbound::start(&second, &[Delegation::new("test", &[REGISTRY.parse()?])])?;
    world.change_zone(
        2,
        "@ A 198.51.100.80\nwww A 198.51.100.80\n@ NS sb\nsb A 192.0.2.7\n",
    )?;

    let more = format!("resolver = \"{SECOND_RESOLVER}:53\"\n");
    let standby = world.stand_by(
        report,
        &Terms {
            more,
            ..Terms::default()
        },
    )?;
    let (light, says) = coverage(&standby)?;
    ensure!(
        light == "yellow" && says.contains("coverage 50 %"),
        "with both name servers in the delegation: {light}: {says}"
    );
    report.note(format_args!(
        "two name servers in the delegation: {light}: {says}"
    ));

    parent_server.replace("test", &parent(2, "verein NS sb.verein\n"))?;
    // The resolver may keep what it knew for as long as the TTL says.
    let found = until_asked("coverage 100 %", SOON, || {
        let (light, says) = coverage(&standby)?;
        Ok((says.contains("coverage 100 %")).then_some((light, says)))
    });
    let (light, says) = found.with_context(|| format!("{:?}", coverage(&standby)))?;
    ensure!(
        light == "green",
        "the standby alone in the delegation: {light}: {says}"
    );
    report.note(format_args!(
        "the standby alone in the delegation: {light}: {says}"
    ));
    ensure!(RESOLVER != SECOND_RESOLVER, "two resolvers");
    Ok(())
}

fn parent(serial: u32, records: &str) -> String {
    format!(
        "$ORIGIN test.\n$TTL 5\n@ SOA ns.registry hm.registry {serial} 60 30 604800 5\n\
         @ NS ns.registry\nns.registry A {REGISTRY}\nsb.verein A {STANDBY}\n{records}"
    )
}

/// Light and words of the line about the delegation.
fn coverage(standby: &Standby) -> Result<(String, String)> {
    let ready = standby.json(&["ready"])?;
    let lines = ready["lines"]
        .as_array()
        .context("`ready --json` without lines")?;
    let about = format!("{ORGANISATION}: ");
    let says = |line: &Value| line["says"].as_str().unwrap_or_default().to_owned();
    let line = lines.iter().find(|line| {
        let says = says(line);
        says.starts_with(&about) && (says.contains("coverage") || says.contains("delegation"))
    });
    let line = line.with_context(|| format!("no line about the delegation: {ready}"))?;
    Ok((
        line["light"].as_str().unwrap_or_default().to_owned(),
        says(line),
    ))
}
