//! The machine room itself: real servers answer through the router, cut cables are silent.

use std::fs;
use std::net::IpAddr;

use anyhow::{Result, bail, ensure};

use crate::authority::Authority;
use crate::lab::{Host, Lab, until};
use crate::peer::knot::{self, Key, Knot, kdig};
use crate::peer::nginx::{Nginx, Site};
use crate::peer::unbound::{Delegation, Unbound};
use crate::report::Report;
use crate::visitor::{Outcome, Visitor};

const PAGE: &str = "http://www.verein.test/";
const SECURE_PAGE: &str = "https://www.verein.test/";

pub(super) fn run(report: &mut Report) -> Result<()> {
    let lab = Lab::new(report.dir())?;
    let web = lab.host("web", &["198.51.100.80", "2001:db8:100::80"])?;
    let dns = lab.host("dns", &["198.51.100.53"])?;
    let cafe = lab.host_with_uplinks(
        "cafe",
        &[&["203.0.113.9", "2001:db8:113::9"], &["192.0.2.9"]],
    )?;
    let other = lab.host("other", &["203.0.113.10"])?;
    let resolver = lab.host("resolver", &["203.0.113.53"])?;

    let authority = Authority::new(&report.dir().join("authority"))?;
    let identity = authority.sign(&["www.verein.test"])?;
    let folder = report.dir().join("htdocs");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("index.html"), "<title>Verein Beispiel</title>")?;
    let nginx = Nginx::start(
        &web,
        &[Site::new(&["www.verein.test"], &folder).with_tls(&identity)],
    )?;

    let key = Key::of_the_laboratory("servergate");
    let setting = knot::Setting::new()
        .key(&key)
        .zone("verein.test", &zone(1, "198.51.100.80"));
    let knot = Knot::start(&dns, &setting)?;
    let dns_address = dns.address()?;
    let unbound = Unbound::start(&resolver, &[Delegation::new("verein.test", &[dns_address])])?;
    report.note("nginx, Knot and Unbound are up");

    names(report, &knot, &key, &cafe, dns_address)?;
    let visitor = Visitor::new(&cafe, resolver.address()?, Some(&authority.certificate()))?;
    pages(report, &visitor, &nginx)?;
    cables(report, &lab, &visitor, [&web, &cafe, &other, &dns])?;
    nobody(report, &visitor)?;

    nginx.stop()?;
    knot.stop()?;
    unbound.stop()?;
    for host in [&web, &dns, &resolver] {
        host.require_idle()?;
    }
    report.note("all of them ended when asked");
    Ok(())
}

fn zone(serial: u32, address: &str) -> String {
    format!(
        "$ORIGIN verein.test.\n$TTL 5\n@ SOA ns hostmaster {serial} 60 30 3600 5\n@ NS ns\n\
         ns A 198.51.100.53\nwww A {address}\nwww AAAA 2001:db8:100::80\n"
    )
}

fn names(report: &mut Report, knot: &Knot, key: &Key, from: &Host, server: IpAddr) -> Result<()> {
    let answer = kdig(from, server, &["+short", "www.verein.test", "A"])?;
    ensure!(answer.trim() == "198.51.100.80", "Knot said {answer:?}");
    let transfer = kdig(
        from,
        server,
        &["-y", &key.for_kdig(), "verein.test", "AXFR"],
    )?;
    ensure!(
        transfer.contains("198.51.100.80"),
        "the transfer lacks www: {transfer}"
    );
    let refused =
        kdig(from, server, &["verein.test", "AXFR"]).unwrap_or_else(|error| format!("{error:#}"));
    ensure!(
        !refused.contains("198.51.100.80"),
        "an unsigned transfer was given: {refused}"
    );
    knot.replace("verein.test", &zone(2, "198.51.100.80"))?;
    let serial = kdig(from, server, &["+short", "verein.test", "SOA"])?;
    ensure!(
        serial.split_whitespace().nth(2) == Some("2"),
        "after the reload the SOA is {serial:?}"
    );
    report.note("Knot answers, transfers with the key and not without, and reloads");
    Ok(())
}

fn pages(report: &mut Report, visitor: &Visitor, nginx: &Nginx) -> Result<()> {
    for url in [PAGE, SECURE_PAGE] {
        for family in ["-4", "-6"] {
            let visit = visitor.ask(url, &[family])?;
            ensure!(
                visit.status() == Some(200) && visit.text().contains("Verein Beispiel"),
                "{}",
                visit.line()
            );
        }
    }
    ensure!(
        nginx.requests()?.len() == 4,
        "nginx logged {:?}",
        nginx.requests()?
    );
    report.note("a visitor finds the page by name, http and https, over IPv4 and IPv6");
    Ok(())
}

fn cables(report: &mut Report, lab: &Lab, visitor: &Visitor, hosts: [&Host; 4]) -> Result<()> {
    let [web, cafe, other, dns] = hosts;
    lab.cut(web)?;
    silent(visitor, "the web server's cable is cut")?;
    lab.heal(web)?;
    until("the page after the heal", crate::lab::CEILING, || {
        served(visitor)
    })?;
    report.note("the web server's cable cut: curl times out; healed: the page is back");

    let severed = lab.cut_between(cafe, web)?;
    silent(visitor, "nothing passes between visitor and web server")?;
    kdig(other, dns.address()?, &["+short", "www.verein.test", "A"])?;
    let page = other.run_well(
        "/usr/bin/curl",
        &["-sS", "--max-time", "5", "http://198.51.100.80/"],
    )?;
    ensure!(
        page.contains("Verein Beispiel"),
        "the other visitor got {page:?}"
    );
    drop(severed);
    ensure!(served(visitor), "the pair is not joined again");
    report.note("one pair severed: others are served, and the pair is joined again");

    lab.cut_uplink(cafe, 0)?;
    silent(visitor, "the visitor's first cable is cut")?;
    // What comes in by the second cable is answered through it.
    reaches(other, "192.0.2.9")?;
    if reaches(other, "203.0.113.9").is_ok() {
        bail!("the first cable of {} is cut and yet answers", cafe.name());
    }
    lab.heal_uplink(cafe, 0)?;
    ensure!(served(visitor), "the first cable does not carry again");
    report.note("the first of two cables cut: the second one goes on answering");
    Ok(())
}

fn nobody(report: &mut Report, visitor: &Visitor) -> Result<()> {
    let visit = visitor.get("http://198.51.100.99/")?;
    let timed_out = matches!(visit.outcome, Outcome::Nothing { number: 28, .. });
    ensure!(
        timed_out,
        "an address nobody has should be silent: {}",
        visit.line()
    );
    report.note("an address that nobody has is silent");
    Ok(())
}

fn served(visitor: &Visitor) -> bool {
    visitor.get(PAGE).is_ok_and(|visit| visit.is_served())
}

/// Nobody answers, and nobody says "unreachable" either, also not after ARP would have failed.
fn silent(visitor: &Visitor, why: &str) -> Result<()> {
    let more = [
        "--connect-timeout",
        "5",
        "--resolve",
        "www.verein.test:80:198.51.100.80",
    ];
    let visit = visitor.ask(PAGE, &more)?;
    match visit.outcome {
        // 28 is curl's time-out; a refusal or "no route to host" would be 7.
        Outcome::Nothing { number: 28, .. } => Ok(()),
        _ => bail!("{why}, and yet: {}", visit.line()),
    }
}

/// Whether the host behind an address answers at all: a refusal is an answer too.
fn reaches(from: &Host, address: &str) -> Result<()> {
    let url = format!("http://{address}:9/");
    let finished = from.run("/usr/bin/curl", &["-sS", "--connect-timeout", "3", &url])?;
    // 7: nobody listens there, which only the host itself can have said.
    ensure!(
        finished.status.code() == Some(7),
        "{address}: {}",
        finished.stderr.trim()
    );
    Ok(())
}
