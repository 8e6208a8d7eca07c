//! The generated website is what it says it is: nginx answers every address as expected.

use std::fs;

use anyhow::{Result, ensure};

use crate::generated_site::GeneratedSite;
use crate::lab::Lab;
use crate::peer::knot::{Knot, Setting};
use crate::peer::nginx::{Nginx, Site};
use crate::peer::unbound::{Delegation, Unbound};
use crate::report::Report;
use crate::visitor::Visitor;

const SEED: u64 = 2011;
const NAME: &str = "www.verein.test";

pub(super) fn run(report: &mut Report) -> Result<()> {
    let lab = Lab::new(report.dir())?;
    let web = lab.host("web", &["198.51.100.80"])?;
    let dns = lab.host("dns", &["198.51.100.53"])?;
    let cafe = lab.host("cafe", &["203.0.113.9"])?;
    let site = GeneratedSite::write(&report.dir().join("htdocs"), NAME, SEED)?;
    report.note(format_args!(
        "{} pages and {} addresses written",
        site.pages(),
        site.urls.len()
    ));

    let _nginx = Nginx::start(
        &web,
        &[Site::new(&[NAME], &site.root).with(&site.directives)],
    )?;
    let zone = "$ORIGIN verein.test.\n$TTL 5\n@ SOA ns hm 1 60 30 3600 5\n@ NS ns\n\
                ns A 198.51.100.53\nwww A 198.51.100.80\n";
    let _knot = Knot::start(&dns, &Setting::new().zone("verein.test", zone))?;
    let resolver = lab.host("resolver", &["203.0.113.53"])?;
    let _unbound = Unbound::start(
        &resolver,
        &[Delegation::new("verein.test", &[dns.address()?])],
    )?;
    let visitor = Visitor::new(&cafe, resolver.address()?, None)?;

    let url = |target: &String| format!("http://{NAME}{target}");
    let urls: Vec<String> = site.urls.iter().map(|one| url(&one.target)).collect();
    let pages = visitor.get_all(&urls, &report.dir().join("read"))?;
    for (expected, page) in site.urls.iter().zip(&pages) {
        ensure!(
            page.status == expected.status,
            "expected {}, not {}: {}",
            expected.status,
            page.status,
            page.url
        );
        if let Some(to) = &expected.location {
            let location = &page.leads_to;
            ensure!(
                location.ends_with(to),
                "{} leads to {location}, not to {to}",
                expected.target
            );
        }
        if let Some(file) = &expected.file {
            ensure!(
                page.body()? == fs::read(file)?,
                "the body differs: {}",
                page.url
            );
        }
    }
    report.note("nginx answers every one of them as the list says, byte for byte");
    for (path, charset) in [("/", "utf-8"), ("/archiv/1.html", "iso-8859-1")] {
        let visit = visitor.get(&format!("http://{NAME}{path}"))?;
        let kind = visit.header("content-type").unwrap_or_default();
        ensure!(
            kind == format!("text/html; charset={charset}"),
            "{path} is {kind}"
        );
    }
    let press = visitor.get(&format!("http://{NAME}/presse/1.html"))?;
    ensure!(
        press.header("content-type") == Some("text/html"),
        "the header says a character set"
    );
    report.note("character sets are said where and how they should be");
    Ok(())
}
