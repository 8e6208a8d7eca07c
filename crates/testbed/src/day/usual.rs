//! The headline figure: at default settings, the web server's cable cut just after a good
//! probe, the first page of the standby is there within 30 s of the last good one.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage_set::{
    Crowd, Pace, STANDBY, Terms, WEB, Wish, World, just_observed, one_outage_and_same_replay,
};
use crate::report::Report;

/// What README.md promises.
const HEADLINE: Duration = Duration::from_secs(30);
const LONG: Duration = crate::lab::CEILING;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let world = World::build(report, &Wish::default())?;
    let terms = Terms {
        pace: Pace::USUAL,
        ..Terms::default()
    };
    let mut standby = world.stand_by(report, &terms)?;
    let visitor = world.visitor()?;
    promised(report, &standby.json(&["ready"])?.to_string(), terms.pace)?;
    let crowd = Crowd::sit_down(&visitor, 3);

    just_observed(&mut standby)?;
    world.lab.cut(&world.web)?;
    let cut = visitor.elapsed();
    report.note("the web server's cable is cut just after a good probe: the worst moment");
    let status = standby.wait_status("the take-over", LONG, |status| {
        status.role("web") == "acting"
    })?;
    let decided = visitor.elapsed().saturating_sub(cut);
    ensure!(
        status.cause("web") == "silent",
        "the cause is {}",
        status.cause("web")
    );
    report.note(format_args!(
        "decided {:.1} s after the cut",
        decided.as_secs_f32()
    ));
    crowd.all_read_from(STANDBY, LONG)?;
    world.lab.heal(&world.web)?;
    standby.wait_status("the web to be given back", LONG, |status| {
        status.role("web") == "standby" && status.outage("web").is_empty()
    })?;
    crowd.all_read_from(WEB, LONG)?;
    let diaries = crowd.get_up(report)?;
    let took = diaries.taken_over(report, terms.pace)?.took;
    let late = diaries.lateness();
    ensure!(
        took < HEADLINE + late,
        "the first page came {took:?} after the last good one; the machine may be {late:?} late"
    );
    report.note(format_args!(
        "at default settings, at the worst moment: {:.1} s, of {} s; the machine may be {:.1} s late",
        took.as_secs_f32(),
        HEADLINE.as_secs(),
        late.as_secs_f32()
    ));
    diaries.given_back(report)?;
    one_outage_and_same_replay(&standby, "web").map(|_| ())
}

/// `ready` says the same figure that the visitors are held against.
fn promised(report: &mut Report, ready: &str, pace: Pace) -> Result<()> {
    let sentence = format!(
        "at most {} s after the last good page",
        pace.recovery().as_secs()
    );
    ensure!(
        ready.contains(&sentence),
        "`ready` does not promise {sentence:?}: {ready}"
    );
    report.note(format_args!("`ready` promises the first page {sentence}"));
    Ok(())
}
