//! BIND: an organisation's own name server that takes dynamic updates (RFC 2136) and gives its
//! changes away as differences (RFC 1995).

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Result;

use super::knot::Key;
use super::{directory, utf8, wait_listening};
use crate::lab::{Finished, Host, Process};

/// A running BIND, primary of one zone, on port 53 of every address of its host.
#[derive(Debug)]
pub struct Bind {
    host: Host,
    dir: PathBuf,
    zone: String,
    /// The server's process.
    pub process: Process,
}

impl Bind {
    /// Starts it with a zone in master file format (RFC 1035 §5). Transfers, NOTIFY to the
    /// secondary and updates are signed with the key.
    pub fn start(
        host: &Host,
        key: &Key,
        secondary: IpAddr,
        (zone, text): (&str, &str),
    ) -> Result<Self> {
        let dir = directory(host, "bind")?;
        fs::write(dir.join("zone"), text)?;
        let path = dir.join("named.conf");
        fs::write(&path, configuration(utf8(&dir)?, key, secondary, zone)?)?;
        fs::write(dir.join("key"), stanza(key)?)?;
        let mut process = host.spawn(
            "/usr/sbin/named",
            &["-g", "-n", "1", "-c", utf8(&path)?],
            &[],
        )?;
        wait_listening(host, &mut process, 53)?;
        Ok(Self {
            host: host.clone(),
            dir,
            zone: zone.to_owned(),
            process,
        })
    }

    /// Changes the zone by one update: lines of `nsupdate` such as `delete www A` and
    /// `add www.verein.test. 5 A 198.51.100.80`.
    pub fn update(&self, lines: &[String]) -> Result<()> {
        let address = self.host.address()?;
        let mut script = format!("server {address}\nzone {}\n", self.zone);
        for line in lines {
            writeln!(script, "update {line}")?;
        }
        script.push_str("send\n");
        let (file, key) = (self.dir.join("update"), self.dir.join("key"));
        fs::write(&file, script)?;
        let words = ["-v", "-k", utf8(&key)?, utf8(&file)?];
        self.host.run_well("/usr/bin/nsupdate", &words).map(|_| ())
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

fn stanza(key: &Key) -> Result<String> {
    let Key {
        name,
        algorithm,
        secret,
    } = key;
    let mut text = String::new();
    writeln!(
        text,
        "key \"{name}\" {{ algorithm {algorithm}; secret \"{secret}\"; }};"
    )?;
    Ok(text)
}

fn configuration(dir: &str, key: &Key, secondary: IpAddr, zone: &str) -> Result<String> {
    let name = &key.name;
    let mut text = stanza(key)?;
    write!(
        text,
        "controls {{}};\n\
         options {{\n  directory \"{dir}\";\n  pid-file \"{dir}/pid\";\n  session-keyfile \"{dir}/session\";\n  \
         recursion no;\n  dnssec-validation no;\n  notify explicit;\n  notify-delay 0;\n  \
         max-journal-size 100m;\n}};\n\
         zone \"{zone}\" {{\n  type primary;\n  file \"{dir}/zone\";\n  \
         allow-transfer {{ key {name}; }};\n  allow-update {{ key {name}; }};\n  \
         also-notify {{ {secondary} key {name}; }};\n}};\n"
    )?;
    Ok(text)
}
