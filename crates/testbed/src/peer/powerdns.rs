//! PowerDNS: an organisation's own name server whose zones lie in a database (SQLite). Whoever
//! asks it for differences gets the whole zone, the SOA alone in a message of its own.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::knot::Key;
use super::{directory, utf8, wait_listening};
use crate::lab::{Finished, Host, Process};

const SCHEMA: &str = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql";
/// Sends NOTIFY to those whom [`PowerDns::start`] was told, whatever the zone's NS records say.
const ALSO: &str = "ALSO-NOTIFY";

/// A running PowerDNS, primary of one zone, on port 53 of every address of its host.
#[derive(Debug)]
pub struct PowerDns {
    host: Host,
    dir: PathBuf,
    zone: String,
    /// The server's process.
    pub process: Process,
}

impl PowerDns {
    /// Starts it with a zone in master file format (RFC 1035 §5). Transfers are given to who has
    /// the key; NOTIFY to the secondary is not signed (PowerDNS 4.7 signs none).
    pub fn start(
        host: &Host,
        key: &Key,
        secondary: IpAddr,
        (zone, text): (&str, &str),
    ) -> Result<Self> {
        let dir = directory(host, "powerdns")?;
        let socket = format!("/run/pdns-{}", host.name());
        fs::create_dir_all(&socket)?;
        let place = utf8(&dir)?;
        let setting = format!("--config-dir={place}");
        let configuration = format!(
            "launch=gsqlite3\ngsqlite3-database={place}/pdns.sqlite3\ngsqlite3-dnssec=yes\n\
             socket-dir={socket}\nprimary=yes\nlocal-address={}\ndaemon=no\nguardian=no\n\
             disable-syslog=yes\nloglevel=5\nallow-axfr-ips=\nsecurity-poll-suffix=\n\
             zone-cache-refresh-interval=1\ncache-ttl=1\nquery-cache-ttl=1\n",
            addresses(host)
        );
        fs::write(dir.join("pdns.conf"), configuration)?;
        let database = dir.join("pdns.sqlite3");
        let script = format!(".read {SCHEMA}");
        host.run_well("/usr/bin/sqlite3", &[utf8(&database)?, &script])?;
        fs::write(dir.join("zone"), text)?;
        let file = dir.join("zone");
        for words in [
            &["load-zone", zone, utf8(&file)?][..],
            &["set-kind", zone, "primary"],
            &["import-tsig-key", &key.name, &key.algorithm, &key.secret],
            &["activate-tsig-key", zone, &key.name, "primary"],
            &["set-meta", zone, ALSO, &format!("{secondary}:53")],
        ] {
            host.run_well("/usr/bin/pdnsutil", &[&[setting.as_str()], words].concat())?;
        }
        let mut process = host.spawn("/usr/sbin/pdns_server", &[&setting], &[])?;
        wait_listening(host, &mut process, 53)?;
        Ok(Self {
            host: host.clone(),
            dir,
            zone: zone.to_owned(),
            process,
        })
    }

    /// Puts the zone into the database anew and tells the secondary; the serial in the text must
    /// be higher.
    pub fn replace(&self, text: &str) -> Result<()> {
        let file = self.dir.join("zone");
        fs::write(&file, text)?;
        let setting = format!("--config-dir={}", utf8(&self.dir)?);
        let words = [&setting, "load-zone", &self.zone, utf8(&file)?];
        self.host.run_well("/usr/bin/pdnsutil", &words)?;
        for words in [["purge", &self.zone], ["notify", &self.zone]] {
            let told = [&[setting.as_str()], &words[..]].concat();
            self.host
                .run_well("/usr/bin/pdns_control", &told)
                .context("tell PowerDNS")?;
        }
        Ok(())
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

fn addresses(host: &Host) -> String {
    let all: Vec<String> = host.addresses().iter().map(IpAddr::to_string).collect();
    all.join(",")
}
