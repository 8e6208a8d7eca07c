//! Unbound: the resolver of the visitors. It knows the delegations it is told and nothing of
//! the world outside.

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;

use anyhow::Result;

use super::{directory, utf8, wait_listening};
use crate::lab::{Finished, Host, Process};

/// A zone and the addresses of its name servers, as its parent zone would say.
#[derive(Clone, Debug)]
pub struct Delegation {
    /// The zone.
    pub zone: String,
    /// Its name servers (port 53).
    pub servers: Vec<IpAddr>,
}

impl Delegation {
    /// A delegation to these name servers.
    #[must_use]
    pub fn new(zone: &str, servers: &[IpAddr]) -> Self {
        Self {
            zone: zone.to_owned(),
            servers: servers.to_vec(),
        }
    }
}

/// A running Unbound on port 53 of every address of its host. Caches are as long as the TTLs
/// say; names outside the delegations are refused.
#[derive(Debug)]
pub struct Unbound {
    /// The server's process.
    pub process: Process,
}

impl Unbound {
    /// Starts it.
    pub fn start(host: &Host, delegations: &[Delegation]) -> Result<Self> {
        let dir = directory(host, "unbound")?;
        let path = dir.join("unbound.conf");
        fs::write(&path, configuration(host, utf8(&dir)?, delegations)?)?;
        let mut process = host.spawn("/usr/sbin/unbound", &["-d", "-c", utf8(&path)?], &[])?;
        wait_listening(host, &mut process, 53)?;
        Ok(Self { process })
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

fn configuration(host: &Host, dir: &str, delegations: &[Delegation]) -> Result<String> {
    let mut text = String::from("server:\n");
    for address in host.addresses() {
        writeln!(text, "  interface: {address}")?;
    }
    for line in [
        "access-control: 0.0.0.0/0 allow",
        "access-control: ::/0 allow",
        "chroot: \"\"",
        "username: \"\"",
        "use-syslog: no",
        "logfile: \"\"",
        "verbosity: 1",
        "do-daemonize: no",
        "num-threads: 1",
        "module-config: \"iterator\"",
        "qname-minimisation: no",
        // Nothing is asked of the world outside.
        "local-zone: \".\" refuse",
    ] {
        writeln!(text, "  {line}")?;
    }
    writeln!(text, "  directory: \"{dir}\"\n  pidfile: \"{dir}/pid\"")?;
    for delegation in delegations {
        let zone = &delegation.zone;
        writeln!(
            text,
            "  domain-insecure: \"{zone}\"\n  local-zone: \"{zone}\" transparent"
        )?;
        // The built-in answer for RFC 6761's names would come first.
        for reserved in ["test", "example", "invalid"] {
            if zone.trim_end_matches('.').ends_with(reserved) {
                writeln!(text, "  local-zone: \"{reserved}.\" nodefault")?;
            }
        }
    }
    writeln!(text, "remote-control:\n  control-enable: no")?;
    for delegation in delegations {
        writeln!(
            text,
            "stub-zone:\n  name: \"{}\"\n  stub-prime: no",
            delegation.zone
        )?;
        for server in &delegation.servers {
            writeln!(text, "  stub-addr: {server}")?;
        }
    }
    Ok(text)
}
