//! Answers beside Knot: one UDP worker, one zone of a thousand names.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::{Beside, Case, Plan, Server, compare, config, load};
use crate::lab::{Host, Lab, until};
use crate::peer::knot::{Knot, Setting, kdig};
use crate::report::Report;
use crate::standby::Standby;

const NAMES: usize = 1000;
const START_LIMIT: Duration = Duration::from_secs(60);

/// Measures and returns the table.
pub fn run(report: &mut Report, plan: Plan) -> Result<String> {
    let lab = Lab::new(report.dir())?;
    let zone = zone();
    let file = report.dir().join("verein.test.zone");
    fs::write(&file, &zone)?;
    let theirs = lab.host("theirs", &["198.51.100.53"])?;
    let mine = lab.host("mine", &["192.0.2.7"])?;
    let _knot = knot(&theirs, &zone)?;
    let (mut running, mut second) = (None, None);
    let label = match plan.beside {
        Beside::Itself => {
            second = Some(knot(&mine, &zone)?);
            "Knot again"
        }
        Beside::Ours => {
            running = Some(ours(&mine, &file)?);
            "ours"
        }
    };
    for host in [&theirs, &mine] {
        let address = host.address()?;
        until(&format!("the zone on {}", host.name()), START_LIMIT, || {
            kdig(host, address, &["+short", "h7.verein.test", "A"])
                .is_ok_and(|said| said.trim() == "198.51.100.7")
        })?;
    }
    let (peer, other) = (Server::new("Knot", &theirs)?, Server::new(label, &mine)?);
    report.note("both serve the zone");
    let table = compare(report, plan, &cases(report.dir())?, [&peer, &other])?;
    drop((running, second));
    Ok(table)
}

fn knot(host: &Host, zone: &str) -> Result<Knot> {
    Knot::start(host, &Setting::new().workers(1).zone("verein.test", zone))
}

fn ours(host: &Host, file: &Path) -> Result<Standby> {
    let mut standby = Standby::new(host, &config::servergate(host.address()?, None, Some(file)))?;
    standby.start_listening(53)?;
    Ok(standby)
}

fn zone() -> String {
    let mut text = String::from(
        "$ORIGIN verein.test.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\n\
         ns A 198.51.100.53\n@ MX 10 mail\nmail A 198.51.100.25\n*.wild TXT \"any\"\nwww CNAME h1\n",
    );
    for number in 0..NAMES {
        let _ = writeln!(
            text,
            "h{number} A 198.51.100.{}\nh{number} AAAA 2001:db8::{number:x}",
            number % 250
        );
    }
    text
}

fn cases(dir: &Path) -> Result<Vec<Case>> {
    let (mut here, mut missing, mut mixed) = (String::new(), String::new(), String::new());
    for number in 0..NAMES {
        writeln!(here, "h{number}.verein.test A")?;
        writeln!(missing, "nobody{number}.verein.test A")?;
        writeln!(
            mixed,
            "h{number}.verein.test A\nh{number}.verein.test AAAA\nwww.verein.test A"
        )?;
        writeln!(
            mixed,
            "verein.test MX\nx{number}.wild.verein.test TXT\nno{number}.verein.test A"
        )?;
    }
    let case = |name: &'static str, file: &str, text: &str| -> Result<Case> {
        let path: PathBuf = dir.join(file);
        fs::write(&path, text)?;
        Ok(Case {
            name,
            load: Box::new(move |server, seconds| load::dnsperf(server, seconds, &path)),
        })
    };
    Ok(vec![
        case("a name that is there, UDP", "here.txt", &here)?,
        case("a name that is not there, UDP", "missing.txt", &missing)?,
        case(
            "A, AAAA, CNAME, MX, wildcard and missing, UDP",
            "mixed.txt",
            &mixed,
        )?,
    ])
}
