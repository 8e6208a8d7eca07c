//! Knot DNS: the organisation's own name server, and its `kdig` to ask with.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{directory, socket, utf8, wait_listening};
use crate::lab::{Finished, Host, Process};

/// A TSIG key (RFC 8945).
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// `hmac-sha256` and the like.
    pub algorithm: String,
    /// The secret, base64.
    pub secret: String,
}

impl Key {
    /// A key of the laboratory: HMAC-SHA256, a well-known secret that protects nothing.
    #[must_use]
    pub fn of_the_laboratory(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            algorithm: "hmac-sha256".to_owned(),
            secret: "bGFib3JhdG9yeS1vbmx5LW5vdC1hLXNlY3JldC0wMDE=".to_owned(),
        }
    }

    /// As `kdig -y` takes it.
    #[must_use]
    pub fn for_kdig(&self) -> String {
        format!("{}:{}:{}", self.algorithm, self.name, self.secret)
    }
}

/// What a Knot shall serve; [`Knot::start`] runs it.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    zones: Vec<(String, String)>,
    key: Option<Key>,
    secondaries: Vec<IpAddr>,
    udp_workers: Option<u8>,
}

impl Setting {
    /// Serves nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A zone in master file format (RFC 1035 §5), relative to its own origin.
    #[must_use]
    pub fn zone(mut self, name: &str, text: &str) -> Self {
        self.zones.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Transfers and NOTIFY are signed with this key; without one nothing is transferred.
    #[must_use]
    pub fn key(mut self, key: &Key) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// Tells this secondary (port 53) of changes.
    #[must_use]
    pub fn notify(mut self, secondary: IpAddr) -> Self {
        self.secondaries.push(secondary);
        self
    }

    /// Uses this many UDP and TCP workers (a benchmark uses one).
    #[must_use]
    pub fn workers(mut self, workers: u8) -> Self {
        self.udp_workers = Some(workers);
        self
    }
}

/// A running Knot, on port 53 of every address of its host.
#[derive(Debug)]
pub struct Knot {
    host: Host,
    dir: PathBuf,
    /// The server's process.
    pub process: Process,
}

impl Knot {
    /// Starts it.
    pub fn start(host: &Host, setting: &Setting) -> Result<Self> {
        let dir = directory(host, "knot")?;
        for below in ["run", "db", "zones"] {
            fs::create_dir_all(dir.join(below))?;
        }
        for (name, text) in &setting.zones {
            fs::write(dir.join("zones").join(format!("{name}.zone")), text)?;
        }
        let path = dir.join("knot.conf");
        fs::write(&path, configuration(host, utf8(&dir)?, setting)?)?;
        let mut process = host.spawn("/usr/sbin/knotd", &["-c", utf8(&path)?], &[])?;
        wait_listening(host, &mut process, 53)?;
        let knot = Self {
            host: host.clone(),
            dir,
            process,
        };
        for (name, _) in &setting.zones {
            knot.wait_loaded(name)?;
        }
        Ok(knot)
    }

    /// Writes a zone anew and lets it be read; the serial in the text must be higher.
    pub fn replace(&self, zone: &str, text: &str) -> Result<()> {
        fs::write(self.dir.join("zones").join(format!("{zone}.zone")), text)?;
        self.control(&["--blocking", "zone-reload", zone])
            .map(|_| ())
    }

    /// Runs a command of `knotc`.
    pub fn control(&self, words: &[&str]) -> Result<String> {
        let path = self.dir.join("knot.conf");
        self.host
            .run_well("/usr/sbin/knotc", &[&["-c", utf8(&path)?], words].concat())
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }

    fn wait_loaded(&self, zone: &str) -> Result<()> {
        let what = format!("the zone {zone} in {}", self.dir.display());
        crate::lab::until_some(&what, super::START_LIMIT, || {
            let status = self.control(&["zone-status", zone, "+serial"]);
            let loaded = status.is_ok_and(|text| {
                let serial = text.split("serial:").nth(1).unwrap_or_default().trim();
                serial.starts_with(|digit: char| digit.is_ascii_digit())
            });
            Ok(loaded.then_some(()))
        })
    }
}

fn configuration(host: &Host, dir: &str, setting: &Setting) -> Result<String> {
    let listen: Vec<String> = host
        .addresses()
        .iter()
        .map(|address| format!("\"{address}@53\""))
        .collect();
    let mut text = format!(
        "server:\n  rundir: \"{dir}/run\"\n  listen: [ {} ]\n",
        listen.join(", ")
    );
    if let Some(workers) = setting.udp_workers {
        writeln!(
            text,
            "  udp-workers: {workers}\n  tcp-workers: {workers}\n  background-workers: 1"
        )?;
    }
    writeln!(text, "log:\n  - target: stderr\n    any: info")?;
    writeln!(text, "database:\n  storage: \"{dir}/db\"")?;
    if let Some(key) = &setting.key {
        let Key {
            name,
            algorithm,
            secret,
        } = key;
        writeln!(
            text,
            "key:\n  - id: {name}\n    algorithm: {algorithm}\n    secret: {secret}"
        )?;
        writeln!(
            text,
            "acl:\n  - id: transfer\n    key: {name}\n    action: transfer"
        )?;
    }
    if !setting.secondaries.is_empty() {
        let key = setting
            .key
            .as_ref()
            .context("NOTIFY goes with a key here")?;
        text.push_str("remote:\n");
        for (number, address) in setting.secondaries.iter().enumerate() {
            writeln!(
                text,
                "  - id: secondary{number}\n    address: \"{address}@53\"\n    key: {}",
                key.name
            )?;
        }
    }
    text.push_str("zone:\n");
    for (name, _) in &setting.zones {
        writeln!(
            text,
            "  - domain: {name}\n    file: \"{dir}/zones/{name}.zone\""
        )?;
        writeln!(
            text,
            "    zonefile-sync: -1\n    zonefile-load: difference\n    journal-content: changes"
        )?;
        if setting.key.is_some() {
            text.push_str("    acl: [ transfer ]\n");
        }
        let notified: Vec<String> = (0..setting.secondaries.len())
            .map(|n| format!("secondary{n}"))
            .collect();
        if !notified.is_empty() {
            writeln!(text, "    notify: [ {} ]", notified.join(", "))?;
        }
    }
    Ok(text)
}

/// Asks with `kdig`: `words` as on its command line, for instance `["www.verein.test", "A"]`.
/// Returns what it prints; no answer is an error.
pub fn kdig(from: &Host, server: IpAddr, words: &[&str]) -> Result<String> {
    let at = format!("@{server}");
    let settings = ["+timeout=2", "+retry=1"];
    from.run_well(
        "/usr/bin/kdig",
        &[&[at.as_str()], words, &settings].concat(),
    )
    .with_context(|| format!("asking {}", socket(server, 53)))
}
