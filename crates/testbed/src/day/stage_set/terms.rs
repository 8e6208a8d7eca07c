//! On which terms the standby stands by: its configuration, as an operator would write it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::Result;

use super::{DNS, ELSEWHERE, HOST, MARK, ORGANISATION, STANDBY, STATUS_HOST, WEB, World};

/// How long resolvers keep what is said of a steered name.
const STEERED_TTL: Duration = Duration::from_secs(5);

/// How often and how long is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::day) struct Pace {
    interval: Duration,
    timeout: Duration,
    spacing: Duration,
}

impl Pace {
    /// What holds where nothing is said.
    pub(in crate::day) const USUAL: Self = Self::seconds(10, 3, 3);
    /// Shorter, so that a day does not take a day.
    pub(in crate::day) const QUICK: Self = Self::seconds(2, 1, 1);

    const fn seconds(interval: u64, timeout: u64, spacing: u64) -> Self {
        Self {
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(timeout),
            spacing: Duration::from_secs(spacing),
        }
    }

    /// From the last good page to the first one of the standby at the worst: a probe just before
    /// the cut, the next one and its time-out, a burst of three, and what resolvers remember.
    pub(in crate::day) fn recovery(self) -> Duration {
        let confirmed = self.spacing * 2 + self.timeout;
        self.interval + self.timeout + confirmed + STEERED_TTL
    }
}

/// How names are led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::day) enum Names {
    /// The standby is a secondary of the organisation's zone.
    Secondary,
    /// The standby serves the small zone gate.verein.test.
    Zone,
}

/// The configuration's variable parts.
#[derive(Clone, Debug)]
pub(in crate::day) struct Terms {
    pub(in crate::day) mode: &'static str,
    pub(in crate::day) pace: Pace,
    pub(in crate::day) clean: Duration,
    pub(in crate::day) stage: Duration,
    pub(in crate::day) refresh: Duration,
    pub(in crate::day) names: Names,
    /// More zones that are transferred.
    pub(in crate::day) zones: Vec<String>,
    /// More lines of `[standby]`.
    pub(in crate::day) more: String,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            mode: "act",
            pace: Pace::QUICK,
            clean: Duration::from_secs(10),
            stage: Duration::from_secs(4),
            refresh: Duration::from_secs(30),
            names: Names::Secondary,
            zones: Vec::new(),
            more: String::new(),
        }
    }
}

impl Terms {
    /// Whether the organisation's zone is transferred.
    pub(super) fn transfers(&self) -> bool {
        self.names == Names::Secondary
    }

    /// The files that the configuration names.
    pub(super) fn write_files(&self, world: &World) -> Result<()> {
        let dir = world.standby.dir();
        fs::write(dir.join("tsig.key"), &world.key.secret)?;
        let script = dir.join("tell-us");
        fs::write(&script, super::alerts::SCRIPT)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// The configuration.
    pub(in crate::day) fn text(&self, world: &World) -> String {
        let Self { mode, more, .. } = self;
        let (chain, key) = (&world.identity.chain, &world.identity.key);
        let authority = &world.authority;
        let admin = super::admin_socket();
        let mut text = format!(
            r#"version = 1
mode = "{mode}"

[standby]
name = "oslo"
addresses = ["{STANDBY}"]
data = "data"
references = ["{ELSEWHERE}:53"]
{more}
[listen]
dns = ["{STANDBY}:53"]
http = ["{STANDBY}:80"]
https = ["{STANDBY}:443"]
metrics = "127.0.0.1:9153"
admin = "{admin}"

[alert]
command = "tell-us"

[[organisation]]
name = "{MARK}"
domains = ["{ORGANISATION}"]
languages = ["de", "en"]
imprint = "https://{HOST}/kontakt.html"

[organisation.bulletin]
host = "{STATUS_HOST}"
"#
        );
        text += &self.names_table();
        let _ = write!(
            text,
            r#"
[organisation.web]
hosts = ["{HOST}", "{ORGANISATION}"]
primary = "https://{WEB}"
expect = "{MARK}"
certificate = {{ chain = {chain:?}, key = {key:?} }}
ca = {authority:?}
refresh = "{}s"
clean = "{}s"
stage = "{}s"
capture = {{ rate = 100 }}
"#,
            self.refresh.as_secs(),
            self.clean.as_secs(),
            self.stage.as_secs()
        );
        if self.pace != Pace::USUAL {
            let Pace {
                interval,
                timeout,
                spacing,
            } = self.pace;
            let _ = write!(
                text,
                "\n[organisation.watch]\ninterval = \"{}s\"\ntimeout = \"{}s\"\nburst_spacing = \"{}s\"\n",
                interval.as_secs(),
                timeout.as_secs(),
                spacing.as_secs()
            );
        }
        text
    }

    fn names_table(&self) -> String {
        let mut zones = vec![ORGANISATION];
        zones.extend(self.zones.iter().map(String::as_str));
        match self.names {
            Names::Secondary => format!(
                r#"
[organisation.names]
zones = {zones:?}
primary = "{DNS}:53"
tsig = {{ name = "servergate", algorithm = "hmac-sha256", secret_file = "tsig.key" }}
steer = {{ via = "secondary", names = ["{ORGANISATION}", "{HOST}"] }}
"#
            ),
            Names::Zone => format!(
                r#"
[organisation.names.steer]
via = "zone"
zone = "gate.{ORGANISATION}"
ns = ["ns1.{ORGANISATION}"]
names = ["www.gate.{ORGANISATION}"]
primary = ["{WEB}"]
"#
            ),
        }
    }
}
