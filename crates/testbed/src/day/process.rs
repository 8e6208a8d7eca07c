//! A single program dies: the machine of the web server lives, and the cause says so.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::stage_set::{
    Crowd, Reading, STANDBY, Terms, WEB, Wish, World, just_observed, one_outage_and_same_replay,
    told,
};
use crate::report::Report;

const SOON: Duration = crate::lab::CEILING;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let mut world = World::build(report, &Wish::default())?;
    let terms = Terms::default();
    let mut standby = world.stand_by(report, &terms)?;
    let visitor = world.visitor()?;
    let reading = Reading::of_primary(report, &world, &visitor)?;
    let crowd = Crowd::sit_down(&visitor, 2);

    just_observed(&mut standby)?;
    world
        .nginx
        .take()
        .context("nginx does not run")?
        .process
        .kill()?;
    world.web.kill_all()?;
    report.note("nginx is killed; its machine and Knot live");
    let status = standby.wait_status("the verdict about the web", SOON, |status| {
        status.role("web") == "acting"
    })?;
    ensure!(
        (status.condition("web"), status.cause("web")) == ("dark", "service"),
        "{} because of {}",
        status.condition("web"),
        status.cause("web")
    );
    ensure!(
        (status.condition("names"), status.role("names")) == ("reachable", "standby"),
        "the names are {} and the role for them is {}",
        status.condition("names"),
        status.role("names")
    );
    report.note("verdict: the web is dark, cause service; the names are reachable");
    crowd.all_read_from(STANDBY, SOON)?;
    reading.is_copied(report, &world, &visitor)?;

    world.start_web()?;
    let begun = visitor.elapsed();
    standby.wait_status("the web to be given back", SOON, |status| {
        status.role("web") == "standby" && status.outage("web").is_empty()
    })?;
    crowd.all_read_from(WEB, SOON)?;
    let diaries = crowd.get_up(report)?;
    diaries.taken_over(report, terms.pace)?;
    let back = diaries.given_back(report)?.at.saturating_sub(begun);
    ensure!(
        back >= terms.clean + terms.stage,
        "given back after {back:?} only"
    );
    report.note(format_args!(
        "given back {:.1} s after nginx' start",
        back.as_secs_f32()
    ));
    one_outage_and_same_replay(&standby, "web")?;
    told(&standby, &["dark", "recovered"])?;
    report.note("one outage in the record, the replay agrees, one alert and one recovery");
    Ok(())
}
