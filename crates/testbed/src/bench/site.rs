//! Pages beside nginx: `sendfile`, `gzip_static`, `open_file_cache`, no access log, one worker.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Beside, Case, Plan, Server, compare, config, load};
use crate::authority::{Authority, Identity};
use crate::generated_site::GeneratedSite;
use crate::lab::{Host, Lab, until};
use crate::peer::nginx::{Nginx, Site};
use crate::report::Report;
use crate::standby::Standby;

const NAME: &str = "www.verein.test";
const PAGE: &str = "/artikel/1.html";
const SEED: u64 = 2011;
const CACHE: &str = "  open_file_cache max=2000 inactive=60s;\n  open_file_cache_valid 60s;\n  \
                     keepalive_requests 100000000;\n  ssl_session_tickets off;\n";
/// Ours takes the folder in before it serves it.
const TAKE_IN: Duration = Duration::from_secs(120);

/// Measures and returns the table.
pub fn run(report: &mut Report, plan: Plan) -> Result<String> {
    let lab = Lab::new(report.dir())?;
    let identity = Authority::new(&report.dir().join("authority"))?.sign(&[NAME])?;
    let folder = report.dir().join("htdocs");
    let site = GeneratedSite::write(&folder, NAME, SEED)?;
    let packed = Command::new("gzip")
        .args(["-9", "-k"])
        .arg(folder.join("artikel/1.html"))
        .status()?;
    ensure!(packed.success(), "gzip: {packed}");

    let theirs = host(&lab, "theirs", "198.51.100.80")?;
    let _nginx = nginx(&theirs, &site, &identity)?;
    let mine = host(&lab, "mine", "192.0.2.7")?;
    let (mut running, mut second) = (None, None);
    let label = match plan.beside {
        Beside::Itself => {
            second = Some(nginx(&mine, &site, &identity)?);
            "nginx again"
        }
        Beside::Ours => {
            running = Some(ours(&mine, &folder, &identity)?);
            "ours"
        }
    };
    for host in [&theirs, &mine] {
        serves(host)?;
    }
    let (peer, other) = (Server::new("nginx", &theirs)?, Server::new(label, &mine)?);
    report.note("both serve the page");
    let table = compare(report, plan, &cases(), [&peer, &other])?;
    drop((running, second));
    Ok(table)
}

fn host(lab: &Lab, name: &str, address: &str) -> Result<Host> {
    let host = lab.host(name, &[address])?;
    host.know(NAME, host.address()?)?;
    Ok(host)
}

fn nginx(host: &Host, site: &GeneratedSite, identity: &Identity) -> Result<Nginx> {
    let directives = format!("    access_log off;\n{}", site.directives);
    let site = Site::new(&[NAME], &site.root)
        .with_tls(identity)
        .with(&directives);
    Nginx::start_with(host, &[site], CACHE)
}

fn ours(host: &Host, folder: &Path, identity: &Identity) -> Result<Standby> {
    let text = config::servergate(host.address()?, Some((folder, identity)), None);
    let mut standby = Standby::new(host, &text)?;
    standby.start_listening(80)?;
    Ok(standby)
}

fn serves(host: &Host) -> Result<()> {
    let url = format!("http://{NAME}{PAGE}");
    until(&format!("{url} on {}", host.name()), TAKE_IN, || {
        host.run_well("/usr/bin/curl", &["-sS", "--fail", &url])
            .is_ok_and(|page| page.contains("Artikel 1"))
    })
}

fn cases() -> Vec<Case> {
    let http = move |path: &str| format!("http://{NAME}{path}");
    let https = format!("https://{NAME}{PAGE}");
    let (plain, packed, again) = (http(PAGE), http(PAGE), http(PAGE));
    let big = http("/bild/foto.jpg");
    let (secure, fresh, second) = (https.clone(), https.clone(), https);
    vec![
        Case {
            name: "a page of some 5 kB, HTTP/1.1",
            load: Box::new(move |server, seconds| load::wrk(server, seconds, &plain, &[])),
        },
        Case {
            name: "the same, gzip",
            load: Box::new(move |server, seconds| {
                load::wrk(server, seconds, &packed, &["Accept-Encoding: gzip"])
            }),
        },
        Case {
            name: "the same, a connection each",
            load: Box::new(move |server, seconds| {
                load::wrk(server, seconds, &again, &["Connection: close"])
            }),
        },
        Case {
            name: "a picture of 180 kB, HTTP/1.1",
            load: Box::new(move |server, seconds| load::wrk(server, seconds, &big, &[])),
        },
        Case {
            name: "the page, HTTPS",
            load: Box::new(move |server, seconds| load::wrk(server, seconds, &secure, &[])),
        },
        Case {
            name: "the page, HTTPS, a connection each",
            load: Box::new(move |server, seconds| {
                load::wrk(server, seconds, &fresh, &["Connection: close"])
            }),
        },
        Case {
            name: "the page, HTTP/2",
            load: Box::new(move |server, seconds| load::h2load(server, seconds, &second)),
        },
    ]
}
