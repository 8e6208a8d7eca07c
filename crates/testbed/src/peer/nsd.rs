//! NSD: an organisation's own name server that reads zone files and answers with whole zones
//! (RFC 5936) also who asks for differences.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Result;

use super::knot::Key;
use super::{directory, utf8, wait_listening};
use crate::lab::{Finished, Host, Process};

/// A running NSD, primary of one zone, on port 53 of every address of its host.
#[derive(Debug)]
pub struct Nsd {
    host: Host,
    dir: PathBuf,
    zone: String,
    /// The server's process.
    pub process: Process,
}

impl Nsd {
    /// Starts it with a zone in master file format (RFC 1035 §5). Transfers and NOTIFY to the
    /// secondary are signed with the key.
    pub fn start(
        host: &Host,
        key: &Key,
        secondary: IpAddr,
        (zone, text): (&str, &str),
    ) -> Result<Self> {
        let dir = directory(host, "nsd")?;
        fs::write(dir.join("zone"), text)?;
        let path = dir.join("nsd.conf");
        let socket = format!("/run/nsd-{}.sock", host.name());
        let text = configuration(host, utf8(&dir)?, &socket, key, secondary, zone)?;
        fs::write(&path, text)?;
        let mut process = host.spawn("/usr/sbin/nsd", &["-d", "-c", utf8(&path)?], &[])?;
        wait_listening(host, &mut process, 53)?;
        Ok(Self {
            host: host.clone(),
            dir,
            zone: zone.to_owned(),
            process,
        })
    }

    /// Writes the zone anew and lets it be read; the serial in the text must be higher.
    pub fn replace(&self, text: &str) -> Result<()> {
        fs::write(self.dir.join("zone"), text)?;
        let path = self.dir.join("nsd.conf");
        let words = ["-c", utf8(&path)?, "reload", &self.zone];
        self.host
            .run_well("/usr/sbin/nsd-control", &words)
            .map(|_| ())
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

fn configuration(
    host: &Host,
    dir: &str,
    socket: &str,
    key: &Key,
    secondary: IpAddr,
    zone: &str,
) -> Result<String> {
    let Key {
        name,
        algorithm,
        secret,
    } = key;
    let mut text = String::from("server:\n");
    for address in host.addresses() {
        writeln!(text, "  ip-address: {address}")?;
    }
    write!(
        text,
        "  username: \"\"\n  server-count: 1\n  zonesdir: \"{dir}\"\n  pidfile: \"{dir}/pid\"\n  \
         xfrdfile: \"{dir}/xfrd.state\"\n  xfrdir: \"{dir}\"\n  zonelistfile: \"{dir}/zone.list\"\n  \
         database: \"\"\n  logfile: \"{dir}/log\"\n  verbosity: 2\n  xfrd-reload-timeout: 0\n\
         remote-control:\n  control-enable: yes\n  control-interface: {socket}\n\
         key:\n  name: {name}\n  algorithm: {algorithm}\n  secret: \"{secret}\"\n\
         zone:\n  name: {zone}\n  zonefile: zone\n  notify: {secondary} {name}\n  \
         provide-xfr: 0.0.0.0/0 {name}\n"
    )?;
    Ok(text)
}
