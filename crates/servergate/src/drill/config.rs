//! Where everything of the drill listens, how fast it goes, and where its files lie. What the two
//! instances are told stands in [`written`].
//!
//! ```text
//! 127.0.0.2  the primary's public address: its end of the cable that everybody reaches it by
//! 127.0.0.3  the standby
//! 127.0.0.4  the standby's own end of its cable to the primary and to the reference
//! 127.0.0.5  the primary's machine, behind its cable
//! 127.0.0.6  the reference: somebody else's machine
//! ```

mod written;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::authority::{self, AUTHORITY, secret_file};
use super::site;

/// Whose day it is.
pub(crate) const ORGANISATION: &str = "verein.test";
/// The name that visitors ask for.
pub(crate) const HOST: &str = "www.verein.test";
/// The site's name for a browser on this machine (RFC 6761 §6.3: it leads to loopback).
pub(crate) const LOCAL_HOST: &str = "verein.localhost";
/// The public page's name, likewise.
pub(crate) const STATUS_HOST: &str = "status.localhost";

/// The primary's name in mail.
pub(crate) const MAIL_HOST: &str = "mail.verein.test";
/// The standby's, which stands behind it in the MX records.
pub(crate) const MX_HOST: &str = "mx2.verein.test";
/// The standby's place.
pub(crate) const STANDBY_NAME: &str = "drill";
/// Opens what is about people, in both instances; good for one drill.
const PASSPHRASE: &str = "passphrase";

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
    smtp: u16,
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
            smtp: next(false)?,
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

    /// Where senders come to.
    pub(crate) fn standby_mail(&self) -> SocketAddr {
        (STANDBY, self.smtp).into()
    }

    pub(crate) fn observed_mail(&self) -> SocketAddr {
        (OBSERVER, self.smtp).into()
    }

    pub(crate) fn machine_mail(&self) -> SocketAddr {
        (MACHINE, self.smtp).into()
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
        let hosts = [
            ORGANISATION,
            HOST,
            LOCAL_HOST,
            STATUS_HOST,
            MAIL_HOST,
            MX_HOST,
        ];
        authority::write(folder, &hosts)?;
        secret_file(&folder.join(PASSPHRASE), b"only for this drill\n")?;
        fs::write(folder.join("zone"), written::zone())?;
        let (primary, standby) = (files.primary_socket(), files.standby_socket());
        fs::write(files.primary(), written::primary(plan, &primary))?;
        fs::write(files.standby(), written::standby(plan, &standby))?;
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

    /// What the sender of mail heard.
    pub(crate) fn letters(&self) -> PathBuf {
        self.folder.join("letters.csv")
    }

    /// The mail that the primary has at the end, a file each.
    pub(crate) fn arrived(&self) -> PathBuf {
        self.folder.join("arrived")
    }
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
        let mut ports = vec![plan.https, plan.dns, plan.http, plan.smtp, plan.reference];
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 5);
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
