//! For almost everybody: the organisation's DNS stays where it is and is never transferred;
//! `www` is a CNAME into a small zone that the standby serves.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage_set::{
    Crowd, DNS, HOST, Names, Reading, STANDBY, Terms, WEB, Wish, World, just_observed,
    one_outage_and_same_replay, told,
};
use crate::peer::knot::kdig;
use crate::report::Report;

const SOON: Duration = crate::lab::CEILING;
const RECORDS: &str = "@ A 198.51.100.80\nwww CNAME www.gate\ngate NS ns1\nns1 A 192.0.2.7\n";

pub(super) fn run(report: &mut Report) -> Result<()> {
    let wish = Wish {
        records: RECORDS,
        delegated_to: &[DNS],
        ..Wish::default()
    };
    let world = World::build(report, &wish)?;
    let terms = Terms {
        names: Names::Zone,
        ..Terms::default()
    };
    let mut standby = world.stand_by(report, &terms)?;
    let visitor = world.visitor()?;
    let led = kdig(
        &world.cafe,
        world.resolver.address()?,
        &["+short", HOST, "A"],
    )?;
    let ways: Vec<&str> = led.lines().map(str::trim).collect();
    ensure!(
        ways == ["www.gate.verein.test.", WEB],
        "www leads to {ways:?}"
    );
    report.note("www leads through gate.verein.test, which the standby serves, to the primary");
    let reading = Reading::of_primary(report, &world, &visitor)?;
    let crowd = Crowd::sit_down(&visitor, 2);

    just_observed(&mut standby)?;
    world.lab.cut(&world.web)?;
    report.note("the web server's cable is cut; Knot goes on");
    let status = standby.wait_status("the verdict about the web", SOON, |status| {
        status.role("web") == "acting"
    })?;
    ensure!(
        status.cause("web") == "silent",
        "the cause is {}",
        status.cause("web")
    );
    crowd.all_read_from(STANDBY, SOON)?;
    reading.is_copied(report, &world, &visitor)?;

    world.lab.heal(&world.web)?;
    standby.wait_status("the web to be given back", SOON, |status| {
        status.role("web") == "standby" && status.outage("web").is_empty()
    })?;
    crowd.all_read_from(WEB, SOON)?;
    let diaries = crowd.get_up(report)?;
    diaries.taken_over(report, terms.pace)?;
    diaries.given_back(report)?;
    one_outage_and_same_replay(&standby, "web")?;
    told(&standby, &["dark", "recovered"])?;
    report.note("one outage in the record, the replay agrees, one alert and one recovery");
    Ok(())
}
