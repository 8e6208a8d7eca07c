//! Wrong is safe. First act: the standby's own cable is cut, and nothing moves. Second act: in
//! mode observe the web server's cable is cut, nothing moves, and the record says what would
//! have been.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::stage_set::{
    Crowd, HOST, ORGANISATION, STANDBY, Terms, WEB, Wish, World, alerts, outages,
};
use crate::lab::until_asked;
use crate::peer::knot::kdig;
use crate::report::Report;
use crate::standby::Standby;

const SOON: Duration = crate::lab::CEILING;
/// Longer than a burst and several intervals together.
const BLIND_FOR: Duration = Duration::from_secs(15);

pub(super) fn run(report: &mut Report) -> Result<()> {
    own_cable(report)?;
    observing(report)
}

/// The probes' and references' cable is cut, the visitors' cable is not.
fn own_cable(report: &mut Report) -> Result<()> {
    let wish = Wish {
        uplinks: &[&["192.0.2.17"], &[STANDBY]],
        ..Wish::default()
    };
    let world = World::build(report, &wish)?;
    let mut standby = world.stand_by(report, &Terms::default())?;
    let visitor = world.visitor()?;
    let crowd = Crowd::sit_down(&visitor, 2);
    let before = answers(&world)?;

    world.lab.cut_uplink(&world.standby, 0)?;
    report.note("the standby's own cable is cut; visitors still reach it by the other one");
    standby.wait_status("the standby to know that it is blind", SOON, |status| {
        ["web", "names"]
            .iter()
            .all(|service| status.condition(service) == "blind")
    })?;
    let blind = Instant::now();
    let mut looked = 0;
    until_asked("the blind time to pass", BLIND_FOR + SOON, || {
        let now = answers(&world)?;
        ensure!(
            now == before,
            "the answers changed from {before:?} to {now:?}"
        );
        let status = standby.status()?;
        for service in ["web", "names"] {
            let (condition, role) = (status.condition(service), status.role(service));
            ensure!(
                (condition, role) == ("blind", "standby") && status.outage(service).is_empty(),
                "{service} is {condition}, role {role}, outage {:?}",
                status.outage(service)
            );
        }
        looked += 1;
        Ok((blind.elapsed() > BLIND_FOR).then_some(()))
    })?;
    report.note(format_args!(
        "blind for {} s: {looked} looks, every answer as before, no outage, role standby",
        BLIND_FOR.as_secs()
    ));
    world.lab.heal_uplink(&world.standby, 0)?;
    standby.wait_status("sight to return", SOON, |status| {
        ["web", "names"]
            .iter()
            .all(|service| status.condition(service) == "reachable")
    })?;
    let visits = crowd.get_up(report)?.nothing_moved()?;
    ensure!(
        outages(&standby, "web")?.is_empty(),
        "the record knows of an outage"
    );
    let told = alerts(&standby)?;
    ensure!(
        told.iter().all(|alert| alert.kind == "blind"),
        "alerts: {told:#?}"
    );
    report.note(format_args!(
        "sight is back; all {visits} visits were served by the primary"
    ));
    Ok(())
}

fn observing(report: &mut Report) -> Result<()> {
    let world = World::build(report, &Wish::default())?;
    let mut standby = world.stand_by(
        report,
        &Terms {
            mode: "observe",
            clean: Duration::from_secs(4),
            ..Terms::default()
        },
    )?;
    let before = answers(&world)?;
    world.lab.cut(&world.web)?;
    let status = standby.wait_status("the verdict in mode observe", SOON, |status| {
        status.condition("web") == "dark"
    })?;
    ensure!(
        (status.role("web"), status.would("web")) == ("standby", "acting"),
        "the role is {:?}, and would be {:?}",
        status.role("web"),
        status.would("web")
    );
    let begun = Instant::now();
    until_asked("resolvers to ask anew", SOON, || {
        let now = answers(&world)?;
        ensure!(
            now == before,
            "in mode observe the answers changed to {now:?}"
        );
        Ok((begun.elapsed() > Duration::from_secs(8)).then_some(()))
    })?;
    ensure!(standby.status()?.role("web") == "standby", "the role moved");
    world.lab.heal(&world.web)?;
    standby.wait_status("the outage to be over", SOON, |status| {
        status.condition("web") == "reachable" && status.outage("web").is_empty()
    })?;
    explained(report, &standby)
}

fn explained(report: &mut Report, standby: &Standby) -> Result<()> {
    let found = outages(standby, "web")?;
    ensure!(
        found.len() == 1,
        "the record has {} outages of the web",
        found.len()
    );
    let explained = standby.command(&["outage", "explain"])?.stdout;
    ensure!(
        explained.contains("would take the role acting") && explained.contains("not taken over"),
        "the record does not say what would have been: {explained}"
    );
    report.note(
        "mode observe: no answer changed, role standby; the record says what would have been",
    );
    Ok(())
}

/// Where the steered names lead, asked anew at the standby and through the visitors' resolver.
fn answers(world: &World) -> Result<Vec<String>> {
    let standby = STANDBY.parse()?;
    let mut all = Vec::new();
    for name in [HOST, ORGANISATION] {
        let direct = kdig(&world.cafe, standby, &["+short", name, "A"])?;
        all.push(direct.trim().to_owned());
        all.push(world.leads_to(name)?);
    }
    ensure!(
        all.iter().all(|address| address == WEB),
        "the names lead to {all:?}"
    );
    Ok(all)
}
