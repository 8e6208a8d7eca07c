//! The primary, the standby, and somebody who compares the two.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::changes::{Change, NAME, Zone};
use super::server::{Kind, Server};
use crate::day::stage_set::{CAFE, DNS, ELSEWHERE, STANDBY, admin_socket};
use crate::lab::{Host, Lab, until_asked, until_some};
use crate::peer::knot::{self, Key, Knot, kdig};
use crate::question::{serial_at, until_answered};
use crate::report::Report;
use crate::standby::Standby;

const LONG: Duration = crate::lab::CEILING;

/// Everything of the scenario.
pub(super) struct Stage {
    pub(super) standby: Standby,
    server: Server,
    _reference: Knot,
    key: Key,
    cafe: Host,
    _lab: Lab,
}

impl Stage {
    pub(super) fn build(report: &mut Report, kind: Kind, zone: &Zone) -> Result<Self> {
        let lab = Lab::new(report.dir())?;
        let dns = lab.host("dns", &[DNS])?;
        let host = lab.host("standby", &[STANDBY])?;
        let elsewhere = lab.host("elsewhere", &[ELSEWHERE])?;
        let cafe = lab.host("cafe", &[CAFE])?;
        let key = Key::of_the_laboratory("servergate");
        let server = Server::start(kind, &dns, &key, STANDBY.parse()?, zone)?;
        let theirs = "@ SOA ns hm 1 60 30 3600 5\n@ NS ns\nns A 203.0.113.200\n";
        let theirs = format!("$ORIGIN elsewhere.test.\n$TTL 60\n{theirs}");
        let setting = knot::Setting::new().zone("elsewhere.test", &theirs);
        let reference = Knot::start(&elsewhere, &setting)?;

        fs::write(host.dir().join("tsig.key"), &key.secret)?;
        let mut standby = Standby::new(&host, &configuration())?;
        standby.start_listening(53)?;
        until_answered(&cafe, STANDBY.parse()?, &[NAME.to_owned()], LONG)?;
        report.note(format_args!(
            "{kind:?} serves {} records, the standby has transferred the zone",
            zone.len()
        ));
        Ok(Self {
            standby,
            server,
            _reference: reference,
            key,
            cafe,
            _lab: lab,
        })
    }

    /// Makes the change; returns how long after that its last serial was at the standby.
    pub(super) fn change(
        &mut self,
        zone: &Zone,
        change: &Change,
        within: Duration,
    ) -> Result<Duration> {
        let before = self.serial(DNS)?;
        self.server.change(zone, change)?;
        let begun = Instant::now();
        // The primary itself needs a moment to serve what it was told.
        let wanted = until_some(&format!("{}: at the primary", change.what), within, || {
            let serial = self.serial(DNS)?;
            Ok((serial != before).then_some(serial))
        })?;
        let at_standby = until_asked(&format!("{}: at the standby", change.what), within, || {
            let wanted = wanted.max(self.serial(DNS)?);
            Ok((self.serial(STANDBY)? == wanted).then_some(()))
        });
        at_standby.with_context(|| {
            format!(
                "the primary has serial {:?}, the standby {:?}; it says {}",
                self.serial(DNS),
                self.serial(STANDBY),
                self.said()
            )
        })?;
        Ok(begun.elapsed())
    }

    fn serial(&self, server: &str) -> Result<u32> {
        serial_at(&self.cafe, server.parse()?, NAME, LONG)
    }

    /// The whole zone is the same at the primary and at the standby, and has so many records
    /// beside its SOA; returns how many.
    pub(super) fn same(&self, wanted: usize) -> Result<usize> {
        let (theirs, ours) = (self.transfer(DNS)?, self.transfer(STANDBY)?);
        // It begins and ends with the SOA.
        let records = theirs.len().saturating_sub(2);
        ensure!(
            records == wanted,
            "the primary gives {records} records, not {wanted}"
        );
        let only = |one: &[String], other: &[String]| {
            let known: std::collections::HashSet<&String> = other.iter().collect();
            let only = one.iter().filter(|line| !known.contains(line));
            only.take(5).cloned().collect::<Vec<_>>()
        };
        ensure!(
            theirs == ours,
            "the zones differ ({} lines at the primary, {} at the standby); only there {:?}, only \
             here {:?}",
            theirs.len(),
            ours.len(),
            only(&theirs, &ours),
            only(&ours, &theirs)
        );
        Ok(records)
    }

    /// All lines of a transfer, sorted.
    fn transfer(&self, server: &str) -> Result<Vec<String>> {
        let key = self.key.for_kdig();
        let words = ["-y", &key, NAME, "AXFR", "+timeout=30"];
        let server: IpAddr = server.parse()?;
        let text = kdig(&self.cafe, server, &words)?;
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| !line.starts_with(';') && !line.trim().is_empty())
            // The signature of the transfer is not in the zone.
            .filter(|line| !line.contains("\tTSIG\t"))
            .map(ToOwned::to_owned)
            .collect();
        ensure!(lines.len() > 2, "no transfer from {server}: {text}");
        lines.sort();
        Ok(lines)
    }

    /// The standby has nothing to complain of.
    pub(super) fn no_complaint(&self) -> Result<()> {
        let said = self.said();
        ensure!(
            !said.contains("WARN") && !said.contains("ERROR"),
            "it complained: {said}"
        );
        Ok(())
    }

    fn said(&self) -> String {
        let process = self.standby.process.as_ref();
        process.map(|process| process.stderr()).unwrap_or_default()
    }
}

fn configuration() -> String {
    let admin = admin_socket();
    format!(
        r#"version = 1
mode = "act"

[standby]
name = "oslo"
addresses = ["{STANDBY}"]
data = "data"
references = ["{ELSEWHERE}:53"]

[listen]
dns = ["{STANDBY}:53"]
admin = "{admin}"

[[organisation]]
name = "Verein Beispiel"
domains = ["{NAME}"]

[organisation.names]
zones = ["{NAME}"]
primary = "{DNS}:53"
tsig = {{ name = "servergate", algorithm = "hmac-sha256", secret_file = "tsig.key" }}
notify = ["{CAFE}:53"]
"#
    )
}
