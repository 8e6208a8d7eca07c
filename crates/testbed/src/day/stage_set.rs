//! What a day begins with: an organisation with a web server and a name server of its own, a
//! standby somewhere else, the visitors' resolver, and a visitor.
//!
//! ```text
//! 198.51.100.80  web        nginx with the generated website, HTTP and HTTPS
//! 198.51.100.53  dns        Knot, primary of verein.test
//! 192.0.2.7      standby    servergate
//! 203.0.113.200  elsewhere  somebody else's name server: the standby's reference
//! 203.0.113.53   resolver   Unbound, the visitors' resolver
//! 203.0.113.9    cafe       visitors
//! ```

mod alerts;
mod crowd;
mod reading;
mod terms;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::authority::{Authority, Identity};
use crate::generated_site::GeneratedSite;
use crate::lab::{Host, Lab, until_asked};
use crate::peer::knot::{self, Key, Knot, kdig};
use crate::peer::nginx::{Nginx, Site};
use crate::peer::unbound::{Delegation, Unbound};
use crate::report::Report;
use crate::standby::Standby;
use crate::visitor::Visitor;

pub(super) use alerts::{Alert, alerts, told};
pub(super) use crowd::Crowd;
pub(super) use reading::Reading;
pub(super) use terms::{Names, Pace, Terms};

pub(super) const ORGANISATION: &str = "verein.test";
pub(super) const HOST: &str = "www.verein.test";
pub(super) const STATUS_HOST: &str = "status.verein.test";
pub(super) const WEB: &str = "198.51.100.80";
pub(super) const DNS: &str = "198.51.100.53";
pub(super) const STANDBY: &str = "192.0.2.7";
pub(super) const ELSEWHERE: &str = "203.0.113.200";
pub(super) const RESOLVER: &str = "203.0.113.53";
pub(super) const CAFE: &str = "203.0.113.9";
/// The mark that every right page bears.
pub(super) const MARK: &str = "Verein Beispiel";

const SEED: u64 = 2011;
/// Until the zone and the first copy are there.
const FIRST_COPY: Duration = crate::lab::CEILING;

/// What a scenario wants to be different.
#[derive(Clone, Debug)]
pub(super) struct Wish<'a> {
    /// What stands in the organisation's zone behind the common records.
    pub(super) records: &'a str,
    /// Whom the parent zone names, as far as the resolver knows.
    pub(super) delegated_to: &'a [&'a str],
    /// The standby's cables, and the addresses on each.
    pub(super) uplinks: &'a [&'a [&'a str]],
    /// More zones that Knot serves: name and text.
    pub(super) zones: &'a [(String, String)],
}

impl Default for Wish<'_> {
    /// A hidden primary: visitors ask the standby alone, it transfers the zone.
    fn default() -> Self {
        Self {
            records: "@ A 198.51.100.80\nwww A 198.51.100.80\n",
            delegated_to: &[STANDBY],
            uplinks: &[&[STANDBY]],
            zones: &[],
        }
    }
}

/// The world of a day. Ends with everything in it.
pub(super) struct World {
    // Programs end before their hosts, hosts before the laboratory.
    pub(super) nginx: Option<Nginx>,
    pub(super) knot: Knot,
    _unbound: Unbound,
    _reference: Knot,
    pub(super) site: GeneratedSite,
    pub(super) identity: Identity,
    /// Valid too, and for another name: what a hoster's default host shows.
    pub(super) hoster: Identity,
    pub(super) authority: PathBuf,
    pub(super) key: Key,
    pub(super) web: Host,
    pub(super) dns: Host,
    pub(super) standby: Host,
    pub(super) resolver: Host,
    pub(super) cafe: Host,
    pub(super) lab: Lab,
}

impl World {
    /// Builds it and starts everybody's servers but the standby.
    pub(super) fn build(report: &mut Report, wish: &Wish<'_>) -> Result<Self> {
        let lab = Lab::new(report.dir())?;
        let web = lab.host("web", &[WEB])?;
        let dns = lab.host("dns", &[DNS])?;
        let standby = lab.host_with_uplinks("standby", wish.uplinks)?;
        let elsewhere = lab.host("elsewhere", &[ELSEWHERE])?;
        let resolver = lab.host("resolver", &[RESOLVER])?;
        let cafe = lab.host("cafe", &[CAFE])?;

        let authority = Authority::new(&report.dir().join("authority"))?;
        let identity = authority.sign(&[HOST, ORGANISATION, STATUS_HOST])?;
        let hoster = authority.sign(&["hoster.test"])?;
        let site = GeneratedSite::write(&report.dir().join("htdocs"), HOST, SEED)?;
        let key = Key::of_the_laboratory("servergate");
        let mut setting = knot::Setting::new().key(&key).notify(STANDBY.parse()?);
        setting = setting.zone(ORGANISATION, &zone(1, wish.records));
        for (name, text) in wish.zones {
            setting = setting.zone(name, text);
        }
        let knot = Knot::start(&dns, &setting)?;
        let theirs = "@ SOA ns hm 1 60 30 3600 5\n@ NS ns\nns A 203.0.113.200\n";
        let theirs = format!("$ORIGIN elsewhere.test.\n$TTL 60\n{theirs}");
        let setting = knot::Setting::new().zone("elsewhere.test", &theirs);
        let reference = Knot::start(&elsewhere, &setting)?;
        let delegated: Vec<IpAddr> = addresses(wish.delegated_to)?;
        let unbound = Unbound::start(&resolver, &[Delegation::new(ORGANISATION, &delegated)])?;
        let mut world = Self {
            nginx: None,
            knot,
            _unbound: unbound,
            _reference: reference,
            site,
            identity,
            hoster,
            authority: authority.certificate(),
            key,
            web,
            dns,
            standby,
            resolver,
            cafe,
            lab,
        };
        world.start_web()?;
        report.note(format_args!(
            "nginx serves {} pages ({} addresses), Knot the zone",
            world.site.pages(),
            world.site.urls.len()
        ));
        Ok(world)
    }

    /// Starts the organisation's web server (again). The bare domain leads to `www`.
    pub(super) fn start_web(&mut self) -> Result<()> {
        let pages = Site::new(&[HOST], &self.site.root)
            .with_tls(&self.identity)
            .with(&self.site.directives);
        let bare = Site::new(&[ORGANISATION], &self.site.root)
            .with_tls(&self.identity)
            .with("    return 301 https://www.verein.test$request_uri;\n");
        self.nginx = Some(Nginx::start(&self.web, &[pages, bare])?);
        Ok(())
    }

    /// A standby with these terms, its files written, not started.
    pub(super) fn standby(&self, terms: &Terms) -> Result<Standby> {
        terms.write_files(self)?;
        Standby::new(&self.standby, &terms.text(self))
    }

    /// Starts it and waits until it holds the zone and a copy of all pages.
    pub(super) fn stand_by(&self, report: &mut Report, terms: &Terms) -> Result<Standby> {
        let mut standby = self.standby(terms)?;
        standby.start_listening(53)?;
        standby.wait_status("both services to be reachable", FIRST_COPY, |status| {
            let zone = status
                .held()
                .iter()
                .any(|line| line.starts_with("zone verein.test, serial"));
            let names = !terms.transfers() || (zone && status.condition("names") == "reachable");
            names && status.condition("web") == "reachable"
        })?;
        let captured = until_asked("a copy of all pages", FIRST_COPY, || {
            let pages = held_pages(&standby)?;
            Ok((pages >= self.site.pages() as u64).then_some(pages))
        });
        let pages =
            captured.with_context(|| format!("{:?}", standby.status().map(|s| s.text())))?;
        report.note(format_args!(
            "the standby is ready: it holds a copy of {pages} pages and files"
        ));
        Ok(standby)
    }

    /// Somebody with a browser in the café.
    pub(super) fn visitor(&self) -> Result<Visitor> {
        Visitor::new(&self.cafe, self.resolver.address()?, Some(&self.authority))
    }

    /// Where a name leads visitors now, through their resolver: one line an address.
    pub(super) fn leads_to(&self, name: &str) -> Result<String> {
        let answer = kdig(&self.cafe, self.resolver.address()?, &["+short", name, "A"])?;
        Ok(answer.lines().last().unwrap_or_default().trim().to_owned())
    }

    /// Puts other records into the organisation's zone.
    pub(super) fn change_zone(&self, serial: u32, records: &str) -> Result<()> {
        self.knot.replace(ORGANISATION, &zone(serial, records))
    }

    /// How many requests of the café's visitors reached the organisation's own web server.
    pub(super) fn visits_at_primary(&self) -> Result<usize> {
        let nginx = self.nginx.as_ref().context("nginx does not run")?;
        let from = format!("{CAFE} ");
        let lines = nginx.requests()?;
        Ok(lines.iter().filter(|line| line.starts_with(&from)).count())
    }
}

/// Waits until the standby has just found the web server well, and says so as soon as it is
/// known: whatever happens to that server now is noticed as late as it can be.
pub(super) fn just_observed(standby: &mut Standby) -> Result<()> {
    let before = standby.status()?.last_observed("web");
    standby.wait_status("the next observation", FIRST_COPY, |status| {
        status.condition("web") == "reachable" && status.last_observed("web") != before
    })?;
    Ok(())
}

/// The outages of a service that the record knows of.
pub(super) fn outages(standby: &Standby, service: &str) -> Result<Vec<Value>> {
    let all = standby.json(&["outage", "list"])?;
    let Value::Array(all) = all else {
        bail!("`outage list --json` is no list: {all}");
    };
    let of_service =
        |one: &Value| one.pointer("/service/service").and_then(Value::as_str) == Some(service);
    Ok(all.into_iter().filter(of_service).collect())
}

/// A service's only outage, which must be over; and the replay must come to the same.
pub(super) fn one_outage_and_same_replay(standby: &Standby, service: &str) -> Result<Value> {
    let mut found = outages(standby, service)?;
    ensure!(
        found.len() == 1,
        "the record has {} outages of {service}: {found:?}",
        found.len()
    );
    let outage = found.remove(0);
    ensure!(
        !outage["ended"].is_null(),
        "the outage is not over in the record: {outage}"
    );
    let replay = standby.json(&["outage", "replay"])?;
    ensure!(
        replay["same"] == true,
        "the replay decides otherwise: {replay}"
    );
    Ok(outage)
}

/// How many pages and files the generation has that is served; 0 without one.
pub(super) fn held_pages(standby: &Standby) -> Result<u64> {
    let answer = standby.json(&["site", "generations"])?;
    let current = answer.pointer("/current/number").and_then(Value::as_u64);
    let all = answer.pointer("/generations").and_then(Value::as_array);
    let served = all
        .into_iter()
        .flatten()
        .find(|one| one["number"].as_u64() == current);
    Ok(served.and_then(|one| one["pages"].as_u64()).unwrap_or(0))
}

/// Where the standby hears commands: short, since a socket's path may not be long.
pub(super) fn admin_socket() -> String {
    format!("/run/servergate-{}.sock", std::process::id())
}

/// The organisation's zone.
pub(super) fn zone(serial: u32, records: &str) -> String {
    format!(
        "$ORIGIN verein.test.\n$TTL 5\n@ SOA ns hostmaster {serial} 60 30 604800 5\n@ NS ns\n\
         @ MX 10 mail\nns A {DNS}\nmail A 198.51.100.25\nstatus A {STANDBY}\n{records}"
    )
}

fn addresses(texts: &[&str]) -> Result<Vec<IpAddr>> {
    let one = |text: &&str| {
        text.parse()
            .with_context(|| format!("{text} is no address"))
    };
    texts.iter().map(one).collect()
}
