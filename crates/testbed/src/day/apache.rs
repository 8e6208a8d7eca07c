//! Apache as the primary's web server, with something like fail2ban: who logs in in vain five
//! times gets 403. The log-ins that the standby relays are the standby's in Apache's eyes, unless
//! it believes the standby who the true client is. A ban of the standby is no outage: it is
//! `denied`, moves nothing, and a person is asked.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::stage_set::{HOST, MARK, STANDBY, Terms, WEB, Wish, World, alerts, held_pages, outages};
use crate::lab::{Host, until_asked};
use crate::peer::apache::{Apache, LOGIN, TRIES};
use crate::report::Report;
use crate::standby::Standby;
use crate::visitor::{Visit, Visitor};

const SECOND_CAFE: &str = "203.0.113.10";
const SOON: Duration = crate::lab::CEILING;
/// Observations in which nothing may move.
const LOOKS: usize = 5;

pub(super) fn run(report: &mut Report) -> Result<()> {
    let mut world = World::build(report, &Wish::default())?;
    let second = world.lab.host("cafe2", &[SECOND_CAFE])?;
    let nginx = world.nginx.take().context("nginx does not run")?;
    nginx.stop()?;
    let root = report.dir().join("apache-htdocs");
    fs::create_dir_all(&root)?;
    for (file, title) in [("index.html", "Willkommen"), ("kontakt.html", "Kontakt")] {
        let link = "<a href=\"/kontakt.html\">Kontakt</a>";
        fs::write(
            root.join(file),
            format!("<!DOCTYPE html><title>{MARK}: {title}</title>{link}"),
        )?;
    }
    let apache = Apache::start(&world.web, HOST, &root, &world.identity, &[])?;
    let mut standby = stand_by(&world)?;
    let (one, other) = (world.visitor()?, somebody(&world, &second)?);
    report.note("Apache serves, the standby holds a copy");

    banned(report, &world, &mut standby, [&one, &other])?;
    apache.stop()?;
    let trusted = [STANDBY.parse()?];
    let apache = Apache::start(&world.web, HOST, &root, &world.identity, &trusted)?;
    standby.wait_status("the web server to be found well again", SOON, |status| {
        status.condition("web") == "reachable" && status.question().is_none()
    })?;
    exempted(report, &world, &mut standby, &apache, [&one, &other])
}

fn stand_by(world: &World) -> Result<Standby> {
    let mut standby = world.standby(&Terms::default())?;
    standby.start_listening(53)?;
    standby.wait_status("both services to be reachable", SOON, |status| {
        status.condition("web") == "reachable" && status.condition("names") == "reachable"
    })?;
    until_asked("a copy", SOON, || {
        Ok((held_pages(&standby)? >= 2).then_some(()))
    })?;
    Ok(standby)
}

fn somebody(world: &World, host: &Host) -> Result<Visitor> {
    Visitor::new(host, world.resolver.address()?, Some(&world.authority))
}

/// Asks a page of the standby, whatever the names say.
fn through(visitor: &Visitor, page: &str, more: &[&str]) -> Result<Visit> {
    let lead = format!("{HOST}:443:{STANDBY}");
    let url = format!("https://{HOST}{page}");
    visitor.ask(&url, &[&["--resolve", lead.as_str()], more].concat())
}

/// Logs in in vain, by way of the standby, until the limit is reached.
fn guess(visitor: &Visitor) -> Result<()> {
    for _ in 0..TRIES {
        let words = ["--data", "log=admin&pwd=guess"];
        let visit = through(visitor, LOGIN, &words)?;
        ensure!(
            visit.status() == Some(200) && visit.text().contains("Wrong password"),
            "a log-in by way of the standby: {} {}",
            visit.line(),
            visit.text()
        );
    }
    Ok(())
}

/// Without an exemption the guest's guesses get the standby banned: that is `denied`, and asked.
fn banned(
    report: &mut Report,
    world: &World,
    standby: &mut Standby,
    [one, other]: [&Visitor; 2],
) -> Result<()> {
    guess(one)?;
    let status = standby.wait_status("the ban to be noticed", SOON, |status| {
        status.condition("web") == "dark"
    })?;
    ensure!(
        status.cause("web") == "denied",
        "the cause of a ban is {}",
        status.cause("web")
    );
    standby.wait_status("a person to be asked", SOON, |status| {
        status.question().is_some()
    })?;
    nothing_moves(world, standby)?;
    let direct = other.get(&format!("https://{HOST}/kontakt.html"))?;
    ensure!(
        direct.is_served() && direct.from() == Some(WEB),
        "somebody else at the primary: {}",
        direct.line()
    );
    until_asked("an alert about it", SOON, || {
        let all = alerts(standby)?;
        let told = all.iter().any(|alert| alert.text.contains("403"));
        Ok(told.then_some(()))
    })?;
    report.note(format_args!(
        "{TRIES} log-ins in vain by way of the standby: it is banned, cause denied, a person is \
         asked, and nothing moves"
    ));
    Ok(())
}

/// With the exemption the guest is banned, and nobody else.
fn exempted(
    report: &mut Report,
    world: &World,
    standby: &mut Standby,
    apache: &Apache,
    [one, other]: [&Visitor; 2],
) -> Result<()> {
    let before = outages(standby, "web")?.len();
    guess(one)?;
    let denied = through(one, "/kontakt.html", &[])?;
    ensure!(
        denied.status() == Some(403),
        "the guest who guessed: {}",
        denied.line()
    );
    let served = through(other, "/kontakt.html", &[])?;
    ensure!(
        served.is_served() && served.text().contains("Kontakt"),
        "another guest: {}",
        served.line()
    );
    nothing_moves(world, standby)?;
    let status = standby.status()?;
    ensure!(
        status.condition("web") == "reachable" && status.question().is_none(),
        "the standby was banned with its guest: {}",
        status.text()
    );
    ensure!(
        outages(standby, "web")?.len() == before,
        "an outage is in the record"
    );
    let guest = format!("{} POST {LOGIN}", world.cafe.address()?);
    let counted = apache.requests()?;
    let counted = counted.iter().filter(|line| line.starts_with(&guest));
    ensure!(
        counted.count() == TRIES,
        "Apache did not count the true client: {:?}",
        apache.requests()?
    );
    report.note("with the exemption the guest alone is banned; others and the probe are served");
    Ok(())
}

/// The standby looks several times more, and leads nobody to itself.
fn nothing_moves(world: &World, standby: &mut Standby) -> Result<()> {
    for _ in 0..LOOKS {
        let before = standby.status()?.last_observed("web");
        let status = standby.wait_status("the next observation", SOON, |status| {
            status.last_observed("web") != before
        })?;
        ensure!(
            status.role("web") == "standby",
            "the website was taken over: {}",
            status.text()
        );
        let leads = world.leads_to(HOST)?;
        ensure!(leads == WEB, "{HOST} leads to {leads}");
    }
    Ok(())
}
