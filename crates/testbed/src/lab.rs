//! A small internet on one machine: hosts in network namespaces around one router.
//!
//! Called by the scenarios in [`crate::day`] and by the benchmark. The process must have been
//! started in fresh network and mount namespaces (`cargo xtask test --only e2e` does), and
//! [`ground::prepare`] must have run once.
//!
//! ```text
//!   host A          host B              host C (two uplinks)
//!    eth0            eth0               eth0        eth1
//!     |               |                  |           |
//!   port p0         port p1            port p2     port p3      <- cables are cut here
//!     +---------------+---- bridge ------+-----------+
//!                             |
//!                     router (.1 of each subnet)
//! ```
//!
//! Every packet passes the router, also between hosts of one subnet, and every neighbour entry
//! is permanent. Therefore a cut cable is *silence*: no ARP fails, nobody says "unreachable",
//! the carrier stays up. An address that no host has is silent too (the router's default route
//! is a black hole).

pub mod ground;
mod host;
mod ip;
mod process;
mod wait;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use host::{Host, Uplink};
pub use process::{Finished, Process};
pub use wait::{CEILING, until, until_asked, until_some};

use ip::{command, family, gateway_of, ip};

const BRIDGE: &str = "lab0";
const ROUTER_MAC: &str = "02:00:00:00:00:01";

/// One laboratory: a router, its hosts and the directory in which everything is written down.
/// Taken down with everything in it when dropped; one at a time in a process.
#[derive(Debug)]
pub struct Lab {
    dir: PathBuf,
    begun: Instant,
    ports: Cell<u16>,
    pairs: Cell<u32>,
    gateways: RefCell<BTreeSet<IpAddr>>,
}

impl Lab {
    /// Builds the router. `dir` receives a directory for each host with what its processes
    /// print; it is created, and left behind for reading.
    pub fn new(dir: &Path) -> Result<Self> {
        ground::require()?;
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let lab = Self {
            dir: dir.to_path_buf(),
            begun: Instant::now(),
            ports: Cell::new(0),
            pairs: Cell::new(0),
            gateways: RefCell::new(BTreeSet::new()),
        };
        ip(&[
            "link",
            "add",
            BRIDGE,
            "address",
            ROUTER_MAC,
            "type",
            "bridge",
            "stp_state",
            "0",
        ])?;
        ip(&["link", "set", BRIDGE, "up"])?;
        // What nobody has is silent, as a dead network is, instead of "unreachable".
        ip(&["route", "add", "blackhole", "default"])?;
        if ground::has_ipv6() {
            ip(&["-6", "route", "add", "blackhole", "default"])?;
        }
        Ok(lab)
    }

    /// A host with one uplink that carries `addresses`, for instance `["198.51.100.80"]`.
    /// Its default route leads through the router (`.1` of the /24, `::1` of the /64).
    pub fn host(&self, name: &str, addresses: &[&str]) -> Result<Host> {
        self.host_with_uplinks(name, &[addresses])
    }

    /// A host with several cables. The first one carries what the host itself begins; an answer
    /// leaves through the cable that carries the address asked. So the first can be cut
    /// ([`Lab::cut_uplink`]) while visitors of the second notice nothing.
    pub fn host_with_uplinks(&self, name: &str, uplinks: &[&[&str]]) -> Result<Host> {
        let mut plugged = Vec::new();
        for addresses in uplinks {
            let number = self.ports.replace(self.ports.get().saturating_add(1));
            let addresses: Vec<IpAddr> = addresses
                .iter()
                .map(|text| {
                    text.parse()
                        .with_context(|| format!("{text} is not an address"))
                })
                .collect::<Result<_>>()?;
            for address in &addresses {
                self.route_to(*address)?;
            }
            plugged.push(Uplink::new(number, addresses));
        }
        if plugged.is_empty() {
            bail!("host {name} needs an uplink");
        }
        Host::build(&self.dir, name, plugged)
    }

    fn route_to(&self, address: IpAddr) -> Result<()> {
        let gateway = gateway_of(address);
        if self.gateways.borrow_mut().insert(gateway) {
            let own = format!("{gateway}/{}", if gateway.is_ipv4() { 32 } else { 128 });
            let mut add = vec![family(gateway), "addr", "add", own.as_str(), "dev", BRIDGE];
            if gateway.is_ipv6() {
                add.push("nodad");
            }
            ip(&add)?;
        }
        ip(&[
            family(address),
            "route",
            "add",
            &address.to_string(),
            "dev",
            BRIDGE,
        ])
    }

    /// Cuts every cable of a host at the router's side. The host sees its carrier stay up.
    pub fn cut(&self, host: &Host) -> Result<()> {
        host.uplinks().iter().try_for_each(Self::cut_port)
    }

    /// Plugs every cable of a host in again.
    pub fn heal(&self, host: &Host) -> Result<()> {
        host.uplinks().iter().try_for_each(Self::heal_port)
    }

    /// Cuts one cable of a host (0 is the first).
    pub fn cut_uplink(&self, host: &Host, index: usize) -> Result<()> {
        Self::cut_port(host.uplink(index)?)
    }

    /// Plugs one cable of a host in again.
    pub fn heal_uplink(&self, host: &Host, index: usize) -> Result<()> {
        Self::heal_port(host.uplink(index)?)
    }

    // A disabled bridge port drops every frame both ways and keeps the carrier.
    fn cut_port(uplink: &Uplink) -> Result<()> {
        set_port_state(uplink, "0")
    }

    fn heal_port(uplink: &Uplink) -> Result<()> {
        set_port_state(uplink, "3")
    }

    /// Drops, silently and both ways, what two hosts send each other; everybody else still
    /// reaches both. Ended by dropping the returned value.
    pub fn cut_between(&self, one: &Host, other: &Host) -> Result<Severed> {
        let mut severed = Severed { rules: Vec::new() };
        for a in one.addresses() {
            for b in other
                .addresses()
                .into_iter()
                .filter(|b| b.is_ipv4() == a.is_ipv4())
            {
                severed.add(self.next_pair(), a, b)?;
                severed.add(self.next_pair(), b, a)?;
            }
        }
        Ok(severed)
    }

    fn next_pair(&self) -> u32 {
        // Before the main table (32766), after the local one (0).
        100 + self.pairs.replace(self.pairs.get().saturating_add(1))
    }

    /// The directory of this laboratory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Time since the laboratory was built.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Hosts go with their own handles; the ports they leave go with their namespaces.
        let _ = ip(&["link", "del", BRIDGE]);
        let _ = ip(&["route", "del", "blackhole", "default"]);
        let _ = ip(&["-6", "route", "del", "blackhole", "default"]);
    }
}

fn set_port_state(uplink: &Uplink, state: &str) -> Result<()> {
    // `ip link set type bridge_slave state` is ignored where no STP runs; this is not.
    command(
        "bridge",
        &["link", "set", "dev", uplink.port(), "state", state],
    )
    .map(|_| ())
}

/// Traffic between two hosts is dropped for as long as this lives.
#[derive(Debug)]
#[must_use = "the two hosts reach each other again as soon as this is dropped"]
pub struct Severed {
    rules: Vec<(&'static str, String)>,
}

impl Severed {
    fn add(&mut self, preference: u32, from: IpAddr, to: IpAddr) -> Result<()> {
        let (family, preference) = (family(from), preference.to_string());
        let (from, to) = (from.to_string(), to.to_string());
        ip(&[
            family,
            "rule",
            "add",
            "pref",
            &preference,
            "from",
            &from,
            "to",
            &to,
            "blackhole",
        ])?;
        self.rules.push((family, preference));
        Ok(())
    }
}

impl Drop for Severed {
    fn drop(&mut self) {
        for (family, preference) in &self.rules {
            let _ = ip(&[family, "rule", "del", "pref", preference]);
        }
    }
}
