//! The standby as a secondary of other people's name servers: PowerDNS, BIND and NSD. Ten changes,
//! each told by NOTIFY, and after each the standby's whole zone is the primary's; then a change of
//! a large zone. The SOA's REFRESH is an hour, so that nothing arrives by itself.
//!
//! ```text
//! 198.51.100.53  dns        PowerDNS, BIND or NSD: primary of verein.test
//! 192.0.2.7      standby    servergate, its secondary
//! 203.0.113.200  elsewhere  somebody else's name server: the standby's reference
//! 203.0.113.9    cafe       asks both, and compares
//! ```

mod changes;
mod server;
mod stage;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::report::Report;

use changes::{Zone, changes};
use server::Kind;
use stage::Stage;

/// Records of the large zone.
const LARGE: usize = 200_000;
/// A NOTIFY brings a change in seconds. This is long enough for a machine that does much else, and
/// far below REFRESH and RETRY.
const SOON: Duration = crate::lab::CEILING;

pub(super) fn run_powerdns(report: &mut Report) -> Result<()> {
    ten_changes(report, Kind::PowerDns)
}

pub(super) fn run_bind(report: &mut Report) -> Result<()> {
    ten_changes(report, Kind::Bind)
}

pub(super) fn run_nsd(report: &mut Report) -> Result<()> {
    ten_changes(report, Kind::Nsd)
}

fn ten_changes(report: &mut Report, kind: Kind) -> Result<()> {
    let mut zone = Zone::small();
    let mut stage = Stage::build(report, kind, &zone)?;
    stage.same(zone.len())?;
    let mut slowest = Duration::ZERO;
    let changes = changes();
    ensure!(changes.len() == 10, "{} changes", changes.len());
    for change in &changes {
        zone.apply(change);
        let took = stage.change(&zone, change, SOON)?;
        slowest = slowest.max(took);
        let records = stage.same(zone.len())?;
        report.note(format_args!(
            "{}: there after {:.2} s, {records} records are the same",
            change.what,
            took.as_secs_f32()
        ));
    }
    report.note(format_args!(
        "ten changes, the slowest was there after {:.2} s; REFRESH is {} s",
        slowest.as_secs_f32(),
        changes::REFRESH
    ));
    stage.no_complaint()
}

/// A zone of 200,000 records at BIND: added to, deleted from, and half of it replaced.
pub(super) fn run_large(report: &mut Report) -> Result<()> {
    let mut zone = Zone::large(LARGE);
    let mut stage = Stage::build(report, Kind::Bind, &zone)?;
    stage.same(zone.len())?;
    report.note(format_args!("{} records are the same", zone.len()));
    for change in changes::large(LARGE) {
        zone.apply(&change);
        let took = stage.change(&zone, &change, SOON)?;
        let records = stage.same(zone.len())?;
        report.note(format_args!(
            "{}: there after {:.2} s, {records} records are the same",
            change.what,
            took.as_secs_f32()
        ));
    }
    report.note(stage.standby.memory()?);
    stage.no_complaint()
}
