//! Eleven faults of real servers, one after the other: each gets its cause, moves what it should and
//! nothing else, and heals.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::stage_set::{HOST, STANDBY, Terms, Wish, World};
use crate::authority::Identity;
use crate::peer::nginx::{Nginx, Site};
use crate::report::Report;
use crate::standby::Standby;

const SOON: Duration = crate::lab::CEILING;
/// Clean minutes (here ten seconds), the stage, and a busy machine.
const HEALED: Duration = crate::lab::CEILING;

/// What is done to the web server.
enum Fault {
    /// It answers so.
    Says(&'static str),
    /// It shows a valid certificate for another name.
    OtherName,
    /// Port 443 speaks HTTP in clear.
    InClear,
    /// The program ends.
    Killed,
    /// The cable is pulled.
    Cable,
}

/// What is called what, and does what: role, and whether a person is asked.
const TABLE: [(&str, Fault, &str, &str, bool); 9] = [
    (
        "403",
        Fault::Says("    return 403;\n"),
        "denied",
        "standby",
        true,
    ),
    (
        "503",
        Fault::Says("    return 503;\n"),
        "overload",
        "acting",
        false,
    ),
    (
        "500",
        Fault::Says("    return 500;\n"),
        "application",
        "acting",
        false,
    ),
    (
        "a page of the hoster",
        Fault::Says(
            "    default_type text/html;\n    return 200 \"<h1>Suspended</h1><p>This account has \
             been suspended. Please contact the billing department of your hoster.</p>\";\n",
        ),
        "holding-page",
        "standby",
        true,
    ),
    (
        "a redirect to somebody else",
        Fault::Says("    return 302 https://suspended.hoster.test/;\n"),
        "holding-page",
        "standby",
        true,
    ),
    (
        "a valid certificate for another name",
        Fault::OtherName,
        "foreign-certificate",
        "standby",
        true,
    ),
    (
        "HTTP in clear on port 443",
        Fault::InClear,
        "tls",
        "acting",
        false,
    ),
    ("nginx is killed", Fault::Killed, "service", "acting", false),
    (
        "the cable is pulled",
        Fault::Cable,
        "silent",
        "acting",
        false,
    ),
];

pub(super) fn run(report: &mut Report) -> Result<()> {
    let mut world = World::build(report, &Wish::default())?;
    let mut standby = world.stand_by(report, &Terms::default())?;
    for (what, fault, cause, role, asks) in &TABLE {
        begin(&mut world, fault)?;
        let status = standby.wait_status(what, SOON, |status| {
            let settled = status.role("web") == *role && status.question().is_some() == *asks;
            status.condition("web") == "dark" && status.cause("web") == *cause && settled
        })?;
        ensure!(
            (status.condition("names"), status.role("names")) == ("reachable", "standby"),
            "{what}: the names are {}, {}",
            status.condition("names"),
            status.role("names")
        );
        report.note(format_args!("{what}: {cause}, role {role}"));
        end(&mut world, fault)?;
        healed(&mut standby, "web")?;
    }
    notice(report, &mut world, &mut standby)?;
    name_server(report, &world, &mut standby)
}

/// A primary that says 451: its own notice is shown, through the standby too, also before the
/// verdict and after a `no`; the copy is served after a named person's `yes`.
fn notice(report: &mut Report, world: &mut World, standby: &mut Standby) -> Result<()> {
    const NOTICE: &str = "By order of a court this page is not shown.";
    let fault = Fault::Says("    return 451 \"By order of a court this page is not shown.\";\n");
    begin(world, &fault)?;
    let status = standby.wait_status("the notice to be heeded", SOON, |status| {
        status.cause("web") == "denied" && status.question().is_some()
    })?;
    let topic = status.question().map(|(_, topic)| topic.to_string());
    ensure!(
        status.role("web") == "standby" && topic.as_deref() == Some("\"permission\""),
        "role {}, question {topic:?}",
        status.role("web")
    );
    let visitor = world.visitor()?;
    let through = format!("{HOST}:443:{STANDBY}");
    let url = format!("https://{HOST}/");
    let visit = visitor.ask(&url, &["--resolve", &through])?;
    ensure!(
        visit.status() == Some(451) && visit.text().contains(NOTICE),
        "through the standby: {}",
        visit.line()
    );
    // The primary falls silent: the copy stays off all the same.
    stop_web(world)?;
    let status = standby.wait_status("the silence after the notice", SOON, |status| {
        status.cause("web") == "service"
    })?;
    ensure!(status.role("web") == "standby", "it took over unasked");
    let visit = visitor.ask(&url, &["--resolve", &through])?;
    ensure!(visit.status() == Some(503), "{}", visit.line());
    report.note("451: its notice through the standby, no copy after it; a person is asked");
    standby.answer("yes")?;
    standby.wait_status("the copy after a yes", SOON, |status| {
        status.role("web") == "acting"
    })?;
    let visit = visitor.ask(&url, &["--resolve", &through])?;
    ensure!(visit.status() == Some(200), "{}", visit.line());
    report.note("after a named person's yes the copy is served");
    world.start_web()?;
    healed(standby, "web")
}

/// One address that answers nothing has one cause for what is on it.
fn name_server(report: &mut Report, world: &World, standby: &mut Standby) -> Result<()> {
    world.lab.cut(&world.dns)?;
    standby.wait_status("the silent name server", SOON, |status| {
        status.condition("names") == "dark" && status.cause("names") == "silent"
    })?;
    report.note("the name server's cable is pulled: silent, not dns-server");
    world.lab.heal(&world.dns)?;
    healed(standby, "names")
}

fn begin(world: &mut World, fault: &Fault) -> Result<()> {
    match fault {
        Fault::Cable => world.lab.cut(&world.web),
        Fault::Killed => stop_web(world),
        Fault::Says(directives) => {
            let identity = world.identity.clone();
            show(world, Some(&identity), directives)
        }
        Fault::OtherName => {
            let hoster = world.hoster.clone();
            show(world, Some(&hoster), "")
        }
        Fault::InClear => show(world, None, "    listen 443;\n"),
    }
}

fn end(world: &mut World, fault: &Fault) -> Result<()> {
    if let Fault::Cable = fault {
        return world.lab.heal(&world.web);
    }
    if world.nginx.is_some() {
        stop_web(world)?;
    }
    world.start_web()
}

fn stop_web(world: &mut World) -> Result<()> {
    let nginx = world.nginx.take().context("nginx does not run")?;
    nginx.stop()?;
    Ok(())
}

/// Another web server in its place.
fn show(world: &mut World, identity: Option<&Identity>, directives: &str) -> Result<()> {
    stop_web(world)?;
    let mut site = Site::new(&[HOST], &world.site.root).with(directives);
    if let Some(identity) = identity {
        site = site.with_tls(identity);
    }
    world.nginx = Some(Nginx::start(&world.web, &[site])?);
    Ok(())
}

fn healed(standby: &mut Standby, service: &str) -> Result<()> {
    standby.wait_status("the end of it", HEALED, |status| {
        status.condition(service) == "reachable"
            && status.role(service) == "standby"
            && status.outage(service).is_empty()
            && status.question().is_none()
    })?;
    Ok(())
}
