//! One machine of the laboratory: a network namespace with its cables and its processes.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ip::{command, family, gateway_of, ip};
use super::process::{Finished, Process};
use super::{BRIDGE, ROUTER_MAC, ground, until};

/// The longest a program run to its end may take.
const RUN_LIMIT: Duration = super::CEILING;

/// How long what a server leaves behind may take to end.
const IDLE_LIMIT: Duration = super::CEILING;

/// A cable between a host and the router.
#[derive(Debug)]
pub struct Uplink {
    number: u16,
    port: String,
    addresses: Vec<IpAddr>,
}

impl Uplink {
    pub(super) fn new(number: u16, addresses: Vec<IpAddr>) -> Self {
        Self {
            number,
            port: format!("p{number}"),
            addresses,
        }
    }

    pub(super) fn port(&self) -> &str {
        &self.port
    }

    fn mac(&self) -> String {
        let [high, low] = self.number.to_be_bytes();
        format!("02:00:00:01:{high:02x}:{low:02x}")
    }
}

/// A machine of the laboratory. Cloned handles mean the same machine; the last one to go takes
/// it down with every process still in it.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Machine>,
}

#[derive(Debug)]
struct Machine {
    name: String,
    dir: PathBuf,
    uplinks: Vec<Uplink>,
    spawned: AtomicU32,
}

impl Host {
    pub(super) fn build(lab: &Path, name: &str, uplinks: Vec<Uplink>) -> Result<Self> {
        let dir = lab.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        ip(&["netns", "add", name])?;
        let machine = Machine {
            name: name.to_owned(),
            dir,
            uplinks,
            spawned: AtomicU32::new(0),
        };
        let host = Self {
            inner: Arc::new(machine),
        };
        host.ip(&["link", "set", "lo", "up"])?;
        if ground::has_ipv6() {
            // A router that finds a shorter way says so in IPv6 (RFC 4861 §8); here none is taken.
            let refuse = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_redirects";
            ip(&["netns", "exec", name, "sh", "-c", refuse])?;
        }
        for (index, uplink) in host.inner.uplinks.iter().enumerate() {
            host.plug_in(index, uplink)?;
        }
        Ok(host)
    }

    fn plug_in(&self, index: usize, uplink: &Uplink) -> Result<()> {
        let device = format!("eth{index}");
        let mac = uplink.mac();
        let (port, name) = (uplink.port(), self.name());
        ip(&[
            "link", "add", port, "type", "veth", "peer", "name", &device, "address", &mac, "netns",
            name,
        ])?;
        ip(&["link", "set", port, "master", BRIDGE])?;
        ip(&["link", "set", port, "up"])?;
        self.ip(&["link", "set", &device, "up"])?;
        let table = (1000 + index).to_string();
        for address in &uplink.addresses {
            if address.is_ipv6() && !ground::has_ipv6() {
                bail!("host {name} has {address}, and this kernel has no IPv6");
            }
            let (family, text) = (family(*address), address.to_string());
            let nodad = if address.is_ipv6() { "nodad" } else { "" };
            self.ip(&[family, "addr", "add", &text, "dev", &device, nodad])?;
            let gateway = gateway_of(*address).to_string();
            let via = ["via", gateway.as_str(), "dev", &device, "onlink"];
            // Answers leave through the cable of the address they come from.
            self.ip(&[
                &[family, "route", "replace", "default"],
                &via[..],
                &["table", &table],
            ]
            .concat())?;
            self.ip(&[family, "rule", "add", "from", &text, "table", &table])?;
            if index == 0 {
                self.ip(&[&[family, "route", "replace", "default"], &via[..]].concat())?;
            }
            // No neighbour is ever looked for, so that none can be found missing.
            self.ip(&[
                family,
                "neigh",
                "replace",
                &gateway,
                "lladdr",
                ROUTER_MAC,
                "dev",
                &device,
                "nud",
                "permanent",
            ])?;
            ip(&[
                family,
                "neigh",
                "replace",
                &text,
                "lladdr",
                &mac,
                "dev",
                BRIDGE,
                "nud",
                "permanent",
            ])?;
        }
        Ok(())
    }

    /// Runs `ip` inside this machine.
    fn ip(&self, arguments: &[&str]) -> Result<()> {
        ip(&[&["-n", self.name()], arguments].concat())
    }

    /// The machine's name, which is its namespace's too.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The machine's directory: what its processes print, and what its peers are configured with.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// All addresses, those of the first uplink first.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.inner
            .uplinks
            .iter()
            .flat_map(|uplink| uplink.addresses.iter().copied())
            .collect()
    }

    /// The first address.
    pub fn address(&self) -> Result<IpAddr> {
        self.addresses()
            .first()
            .copied()
            .context("a host without address")
    }

    pub(super) fn uplinks(&self) -> &[Uplink] {
        &self.inner.uplinks
    }

    pub(super) fn uplink(&self, index: usize) -> Result<&Uplink> {
        self.inner
            .uplinks
            .get(index)
            .with_context(|| format!("{} has no uplink {index}", self.name()))
    }

    /// Lets the programs started from now on resolve names through this address.
    pub fn resolve_through(&self, server: IpAddr) -> Result<()> {
        // `ip netns exec` lays this file over /etc/resolv.conf for what it starts.
        let dir = Path::new("/etc/netns").join(self.name());
        fs::create_dir_all(&dir)?;
        let text = format!("nameserver {server}\noptions timeout:1 attempts:2\n");
        fs::write(dir.join("resolv.conf"), text).context("write the resolver's address")
    }

    /// Lets the programs started from now on find this name at this address, without DNS.
    pub fn know(&self, name: &str, address: IpAddr) -> Result<()> {
        let dir = Path::new("/etc/netns").join(self.name());
        fs::create_dir_all(&dir)?;
        let path = dir.join("hosts");
        let known =
            fs::read_to_string(&path).unwrap_or_else(|_| "127.0.0.1 localhost\n".to_owned());
        fs::write(&path, format!("{known}{address} {name}\n")).context("write the host's names")
    }

    /// Starts a program on this machine; what it prints goes to files in [`Host::dir`].
    pub fn spawn(
        &self,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Process> {
        let number = self.inner.spawned.fetch_add(1, Ordering::Relaxed);
        Process::spawn(self, number, program, arguments, environment)
    }

    /// Runs a program on this machine to its end (see [`super::CEILING`]).
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Finished> {
        self.spawn(program, arguments, &[])?.finish(RUN_LIMIT)
    }

    /// Like [`Host::run`], and an exit status other than 0 is an error with what was printed.
    pub fn run_well(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let finished = self.run(program, arguments)?;
        if !finished.status.success() {
            let (out, err) = (finished.stdout.trim(), finished.stderr.trim());
            bail!(
                "`{program} {}` on {}: {}\n{out}\n{err}",
                arguments.join(" "),
                self.name(),
                finished.status
            );
        }
        Ok(finished.stdout)
    }

    /// Does `work` on a thread of its own whose sockets are this machine's: for what a program
    /// that is started for it would measure too roughly.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let space = fs::File::open(Path::new("/run/netns").join(self.name()))?;
        let entered = move || {
            // Only this thread moves there.
            setns(&space, CloneFlags::CLONE_NEWNET).context("enter the machine")?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(entered).join())
            .map_err(|_| anyhow!("the work on {} panicked", self.name()))?
    }

    /// Ends everything on this machine as a power cut would, and waits until it is gone.
    pub fn kill_all(&self) -> Result<()> {
        for id in self.process_ids()? {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
        self.require_idle()
    }

    /// Waits until nothing runs on this machine any more; the error names what does.
    pub fn require_idle(&self) -> Result<()> {
        let idle = until("its processes to end", IDLE_LIMIT, || {
            self.process_ids().is_ok_and(|ids| ids.is_empty())
        });
        idle.with_context(|| format!("on {} still run {:?}", self.name(), self.process_ids()))
    }

    /// The process numbers alive on this machine.
    pub fn process_ids(&self) -> Result<Vec<i32>> {
        let text = command("ip", &["netns", "pids", self.name()])?;
        Ok(text
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let name = self.name.as_str();
        let left = || {
            let text = command("ip", &["netns", "pids", name]).unwrap_or_default();
            text.split_whitespace()
                .filter_map(|word| word.parse::<i32>().ok())
                .collect::<Vec<_>>()
        };
        for id in left() {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = until(
            "the machine's processes to end",
            Duration::from_secs(5),
            || left().is_empty(),
        );
        for uplink in &self.uplinks {
            let _ = ip(&["link", "del", uplink.port()]);
            for address in &uplink.addresses {
                let _ = ip(&[
                    family(*address),
                    "route",
                    "del",
                    &address.to_string(),
                    "dev",
                    BRIDGE,
                ]);
                let _ = ip(&[
                    family(*address),
                    "neigh",
                    "del",
                    &address.to_string(),
                    "dev",
                    BRIDGE,
                ]);
            }
        }
        let _ = ip(&["netns", "del", name]);
        let _ = fs::remove_dir_all(Path::new("/etc/netns").join(name));
    }
}
