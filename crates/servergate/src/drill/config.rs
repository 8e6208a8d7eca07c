//! What the two instances of the drill are told: addresses, shortened intervals, both TOML files,
//! and the zone.
//!
//! ```text
//! 127.0.0.2  the primary's public address: its end of the cable that everybody reaches it by
//! 127.0.0.3  the standby
//! 127.0.0.4  the standby's own end of its cable to the primary and to the reference
//! 127.0.0.5  the primary's machine, behind its cable
//! 127.0.0.6  the reference: somebody else's machine
//! ```

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::authority::{self, AUTHORITY, CHAIN, KEY, SECRET};
use super::site::{self, MARK};

/// Whose day it is.
pub(crate) const ORGANISATION: &str = "verein.test";
/// The name that visitors ask for.
pub(crate) const HOST: &str = "www.verein.test";
/// The site's name for a browser on this machine (RFC 6761 §6.3: it leads to loopback).
pub(crate) const LOCAL_HOST: &str = "verein.localhost";
/// The public page's name, likewise.
pub(crate) const STATUS_HOST: &str = "status.localhost";

const PRIMARY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const STANDBY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const OBSERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
const MACHINE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
const REFERENCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

/// The intervals, shortened so that a day fits into a minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) spacing: Duration,
    pub(crate) clean: Duration,
    pub(crate) stage: Duration,
}

/// How fast the drill goes.
pub(crate) const PACE: Pace = Pace {
    interval: Duration::from_secs(1),
    // Less than a second, after which a lost SYN is sent again (RFC 6298 §2): a probe that connects
    // as its time ends would see a silent service, where the address was silent.
    timeout: Duration::from_millis(800),
    spacing: Duration::from_millis(500),
    clean: Duration::from_secs(2),
    stage: Duration::from_secs(2),
};

/// How many probes confirm a failure.
const BURST: u32 = 3;
/// What is asked beside a failed probe gets so much longer.
const GRACE: Duration = Duration::from_millis(500);
/// How long visitors keep an answer about a name that may be steered.
pub(crate) const TTL: Duration = Duration::from_secs(5);

impl Pace {
    /// At the most from the first unanswered visitor to the decision: a probe has just gone well,
    /// the next one fails, and a burst confirms it.
    pub(crate) fn decided(&self) -> Duration {
        let burst = self.spacing * (BURST - 1) + self.timeout + GRACE;
        self.interval + self.timeout + GRACE + burst
    }

    /// The same until visitors are there: they may have asked for the name just before.
    pub(crate) fn recovered(&self) -> Duration {
        self.decided() + TTL
    }
}

/// Where everything listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    https: u16,
    dns: u16,
    http: u16,
    reference: u16,
}

impl Plan {
    /// Finds ports that are free on all addresses of the drill. They lie below the range that
    /// outgoing connections take theirs from, and begin elsewhere for every process.
    pub(crate) fn find() -> Result<Self> {
        let seed = u16::try_from(std::process::id() % 1000).unwrap_or(0);
        let mut ports = (10_000 + seed * 20..32_000).chain(10_000..32_000);
        let mut next = |udp| {
            let mut usable = ports.by_ref().filter(|port| is_free(*port, udp));
            usable
                .next()
                .context("no free ports on loopback between 10000 and 32000")
        };
        let plan = Self {
            https: next(false)?,
            dns: next(true)?,
            http: next(false)?,
            reference: next(false)?,
        };
        Ok(plan)
    }

    pub(crate) fn primary_web(&self) -> SocketAddr {
        (PRIMARY, self.https).into()
    }

    pub(crate) fn primary_dns(&self) -> SocketAddr {
        (PRIMARY, self.dns).into()
    }

    pub(crate) fn standby_web(&self) -> SocketAddr {
        (STANDBY, self.https).into()
    }

    pub(crate) fn standby_dns(&self) -> SocketAddr {
        (STANDBY, self.dns).into()
    }

    pub(crate) fn standby_http(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.http).into()
    }

    pub(crate) fn observed_web(&self) -> SocketAddr {
        (OBSERVER, self.https).into()
    }

    pub(crate) fn observed_dns(&self) -> SocketAddr {
        (OBSERVER, self.dns).into()
    }

    pub(crate) fn observed_reference(&self) -> SocketAddr {
        (OBSERVER, self.reference).into()
    }

    pub(crate) fn machine_web(&self) -> SocketAddr {
        (MACHINE, self.https).into()
    }

    pub(crate) fn machine_dns(&self) -> SocketAddr {
        (MACHINE, self.dns).into()
    }

    pub(crate) fn reference(&self) -> SocketAddr {
        (REFERENCE, self.reference).into()
    }

    /// The site in a browser on this machine.
    pub(crate) fn site_url(&self) -> String {
        format!("http://{LOCAL_HOST}:{}/", self.http)
    }

    /// The public page in a browser on this machine.
    pub(crate) fn status_url(&self) -> String {
        format!("http://{STATUS_HOST}:{}/", self.http)
    }
}

/// Whom an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Primary,
    Standby,
}

impl Server {
    /// Whose address a name led to; `None` for anybody else's.
    pub(crate) fn at(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(PRIMARY) => Some(Self::Primary),
            IpAddr::V4(STANDBY) => Some(Self::Standby),
            _ => None,
        }
    }
}

fn is_free(port: u16, udp: bool) -> bool {
    [
        Ipv4Addr::LOCALHOST,
        PRIMARY,
        STANDBY,
        OBSERVER,
        MACHINE,
        REFERENCE,
    ]
    .iter()
    .all(|address| {
        TcpListener::bind((*address, port)).is_ok()
            && (!udp || UdpSocket::bind((*address, port)).is_ok())
    })
}

/// Where the files of the drill lie.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    /// Unix sockets have short names, so they lie elsewhere.
    sockets: PathBuf,
}

impl Files {
    /// Writes both configurations and all they name.
    pub(crate) fn write(folder: &Path, sockets: &Path, plan: &Plan) -> Result<Self> {
        let files = Self {
            folder: folder.to_owned(),
            sockets: sockets.to_owned(),
        };
        site::write(&folder.join("site")).context("writing the example site")?;
        authority::write(folder, &[ORGANISATION, HOST, LOCAL_HOST, STATUS_HOST])?;
        fs::write(folder.join("zone"), zone())?;
        fs::write(files.primary(), primary(plan, &files.primary_socket()))?;
        fs::write(files.standby(), standby(plan, &files.standby_socket()))?;
        let longest = files.standby_socket().as_os_str().len();
        // sun_path has 108 bytes, and some systems fewer.
        if longest >= 100 {
            bail!(
                "{} is too long a path for a socket; set TMPDIR to a short one",
                sockets.display()
            );
        }
        Ok(files)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration of the primary.
    pub(crate) fn primary(&self) -> PathBuf {
        self.folder.join("primary.toml")
    }

    /// The configuration of the standby.
    pub(crate) fn standby(&self) -> PathBuf {
        self.folder.join("servergate.toml")
    }

    pub(crate) fn primary_socket(&self) -> PathBuf {
        self.sockets.join("primary.sock")
    }

    pub(crate) fn standby_socket(&self) -> PathBuf {
        self.sockets.join("standby.sock")
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join(AUTHORITY)
    }

    /// What visitors lived through.
    pub(crate) fn visits(&self) -> PathBuf {
        self.folder.join("visits.csv")
    }
}

/// The primary: this program, serving a folder and a zone file.
fn primary(plan: &Plan, socket: &Path) -> String {
    let Plan {
        https,
        dns,
        reference,
        ..
    } = plan;
    let standby_dns = plan.standby_dns();
    let socket = socket.display();
    format!(
        r#"# The primary of a drill: the organisation's own servers.
version = 1
mode = "act"

[standby]
name = "primary"
addresses = ["{PRIMARY}"]
data = "primary"
references = ["{REFERENCE}:{reference}"]

[listen]
dns = ["{MACHINE}:{dns}"]
https = ["{MACHINE}:{https}"]
admin = "{socket}"

[[organisation]]
name = "{MARK}"
domains = ["{ORGANISATION}"]
languages = ["de", "en"]
imprint = "https://{HOST}/impressum.html"

[organisation.names]
zones = ["{ORGANISATION}"]
file = "zone"
tsig = {{ name = "servergate", algorithm = "hmac-sha256", secret_file = "{SECRET}" }}
notify = ["{standby_dns}"]

[organisation.web]
hosts = ["{HOST}", "{ORGANISATION}", "{LOCAL_HOST}"]
folder = "site"
expect = "{MARK}"
certificate = {{ chain = "{CHAIN}", key = "{KEY}" }}
"#
    )
}

/// The standby, as anybody would write it but for the shortened intervals.
fn standby(plan: &Plan, socket: &Path) -> String {
    let (web, names) = (plan.observed_web(), plan.observed_dns());
    let (listen_dns, listen_web) = (plan.standby_dns(), plan.standby_web());
    let (listen_http, reference) = (plan.standby_http(), plan.observed_reference());
    let status_url = plan.status_url();
    let socket = socket.display();
    let millis = |span: Duration| format!("{}ms", span.as_millis());
    let (interval, timeout) = (millis(PACE.interval), millis(PACE.timeout));
    let (spacing, clean) = (millis(PACE.spacing), millis(PACE.clean));
    let stage = millis(PACE.stage);
    format!(
        r#"# The standby of a drill: somewhere else.
version = 1
mode = "act"

[standby]
name = "drill"
addresses = ["{STANDBY}"]
data = "standby"
references = ["{reference}"]

[listen]
dns = ["{listen_dns}"]
http = ["{listen_http}"]
https = ["{listen_web}"]
admin = "{socket}"

[[organisation]]
name = "{MARK}"
domains = ["{ORGANISATION}"]
languages = ["de", "en"]
imprint = "https://{HOST}/impressum.html"

[organisation.bulletin]
host = "{STATUS_HOST}"
url = "{status_url}"

[organisation.names]
zones = ["{ORGANISATION}"]
primary = "{names}"
tsig = {{ name = "servergate", algorithm = "hmac-sha256", secret_file = "{SECRET}" }}
steer = {{ via = "secondary", names = ["{ORGANISATION}", "{HOST}"] }}

[organisation.web]
hosts = ["{HOST}", "{ORGANISATION}", "{LOCAL_HOST}"]
primary = "https://{web}"
expect = "{MARK}"
certificate = {{ chain = "{CHAIN}", key = "{KEY}" }}
ca = "{AUTHORITY}"
refresh = "10s"                 # 15m outside of a drill
capture = {{ rate = 100 }}        # the primary is ours alone
clean = "{clean}"                # 3m
stage = "{stage}"                # 30s

[organisation.watch]
interval = "{interval}"             # 10s
timeout = "{timeout}"              # 3s
burst_spacing = "{spacing}"        # 3s
ports = []                      # other ports of loopback are other people's
"#
    )
}

/// The organisation's zone; both name servers are in it.
fn zone() -> String {
    let ttl = TTL.as_secs();
    format!(
        "$ORIGIN {ORGANISATION}.
$TTL {ttl}
@       IN SOA  ns1 post 1 10 2 604800 5
@       IN NS   ns1
@       IN NS   ns2
@       IN A    {PRIMARY}
@       IN MX   10 mail
www     IN A    {PRIMARY}
mail    IN A    {PRIMARY}
ns1     IN A    {PRIMARY}
ns2     IN A    {STANDBY}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_made_of_what_is_configured() {
        // A second until the next probe, its time-out and grace, three probes half a second
        // apart with the last one's time-out and grace, and the TTL.
        assert_eq!(
            PACE.decided(),
            Duration::from_millis(1000 + 1300 + 1000 + 1300)
        );
        assert_eq!(PACE.recovered(), PACE.decided() + TTL);
    }

    #[test]
    fn ports_are_free_and_different() {
        let plan = Plan::find().unwrap();
        let mut ports = vec![plan.https, plan.dns, plan.http, plan.reference];
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 4);
        assert!(is_free(plan.dns, true));
    }

    #[test]
    fn an_address_tells_who_answered() {
        let plan = Plan::find().unwrap();
        assert_eq!(Server::at(plan.primary_web().ip()), Some(Server::Primary));
        assert_eq!(Server::at(plan.standby_web().ip()), Some(Server::Standby));
        assert_eq!(Server::at(plan.machine_web().ip()), None);
    }
}
