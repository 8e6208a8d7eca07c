//! What the configuration may say about watching and alerting, and what is true then.
//!
//! The tables are read here ([`OrganisationWatch::read`], [`AlertConfig::read`]) and assembled
//! into one [`Config`] by the binary, which knows the organisations' services.

mod further;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use host::config::Fields;
use model::{MailProtocol, OrganisationId, Service, ServiceId, Target};
use tokio::sync::mpsc;
use url::Url;

use self::further::Further;
use crate::shown::Shown;
use crate::target::{Companions, HttpProbe, Probe, SmtpProbe, TargetConfig, WebPrimary};

/// From one scheduled probe to the next.
const INTERVAL: Duration = Duration::from_secs(10);
/// The whole probe's time.
const TIMEOUT: Duration = Duration::from_secs(3);
/// From start to start in a burst. With three probes and the time-out a blip of up to 6 s cannot
/// make a verdict.
const BURST_SPACING: Duration = Duration::from_secs(3);
/// Third parties are asked no more often than this.
const THIRD_PARTY_INTERVAL: Duration = Duration::from_secs(60);
/// See [`AlertConfig::together`].
const TOGETHER: Duration = Duration::from_secs(5);
/// See [`AlertConfig::retry`].
const RETRY: Duration = Duration::from_secs(2);
/// Companion ports unless others are named.
const PORTS: [u16; 3] = [22, 80, 443];

/// A burst that the detector asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Counts the detector's bursts.
    pub number: u64,
    /// Whom to ask.
    pub target: Target,
}

/// Everything the part works with.
#[derive(Debug)]
pub struct Config {
    /// Well-known addresses of others. While they are silent too, we are blind.
    pub references: Vec<SocketAddr>,
    /// All targets of all organisations.
    pub targets: Vec<TargetConfig>,
    /// So many scheduled probes run at once, and as many of bursts.
    pub most_at_once: usize,
    /// The detector's wishes.
    pub bursts: mpsc::Receiver<Burst>,
    /// Where observations of targets that only are shown can be read.
    pub shown: Shown,
    /// How people are told; nobody is told without.
    pub alert: Option<AlertConfig>,
    /// What parts want a person to be reminded of.
    pub reminders: Option<mpsc::Receiver<host::Reminder>>,
    /// How names are steered, in words for the alert.
    pub ways: Ways,
    /// The public page about an organisation's outages.
    pub page_urls: BTreeMap<OrganisationId, String>,
}

impl Config {
    /// No targets, no alert; fields are filled by the caller.
    pub fn new(bursts: mpsc::Receiver<Burst>) -> Self {
        Self {
            references: Vec::new(),
            targets: Vec::new(),
            most_at_once: 256,
            bursts,
            shown: Shown::default(),
            alert: None,
            reminders: None,
            ways: Ways::default(),
            page_urls: BTreeMap::new(),
        }
    }
}

/// What an alert says about steering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// How visitors get to us, and how long that takes: one sentence.
    pub says: String,
    /// What a person has to do for it: the record, and the page to paste it in.
    pub step: Option<String>,
}

/// What alerts say about steering, of each service: as it is known at the moment. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Ways(Arc<Mutex<BTreeMap<ServiceId, Way>>>);

impl Ways {
    /// What is said from now on about a service.
    pub fn set(&self, service: ServiceId, way: Way) {
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.insert(service, way);
    }

    /// What is said about a service.
    pub fn get(&self, service: &ServiceId) -> Option<Way> {
        let ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ways.get(service).cloned()
    }
}

impl FromIterator<(ServiceId, Way)> for Ways {
    fn from_iter<I: IntoIterator<Item = (ServiceId, Way)>>(ways: I) -> Self {
        Self(Arc::new(Mutex::new(ways.into_iter().collect())))
    }
}

/// How people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertConfig {
    /// The way out.
    pub way: AlertWay,
    /// One more authority to trust for a webhook, PEM.
    pub ca: Option<PathBuf>,
    /// News of one organisation that come so soon after the last are one message; three times
    /// as long is the most that anybody waits for what else may come.
    pub together: Duration,
    /// Before the second try of a delivery; each further wait is four times as long.
    pub retry: Duration,
}

/// The way out for alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertWay {
    /// A program: the text on its standard input, `SERVERGATE_…` in its environment.
    Command(PathBuf),
    /// JSON by POST.
    Webhook(Url),
}

impl AlertConfig {
    /// With the usual times.
    pub fn new(way: AlertWay) -> Self {
        Self {
            way,
            ca: None,
            together: TOGETHER,
            retry: RETRY,
        }
    }

    /// Reads `[alert]`.
    pub fn read(fields: &Fields<'_>) -> Option<Self> {
        let command = fields.file("command").map(AlertWay::Command);
        let webhook = fields.parse("webhook", "an http or https address", |text| {
            let url = Url::parse(text).ok()?;
            let spoken = matches!(url.scheme(), "http" | "https") && url.has_host();
            spoken.then_some(AlertWay::Webhook(url))
        });
        let ca = fields.file("ca");
        if fields.has("command") && fields.has("webhook") {
            fields.problem("webhook", "choose one: `command` or `webhook`");
            return None;
        }
        if !fields.has("command") && !fields.has("webhook") {
            fields.missing("command", "\"/usr/local/bin/tell-us\"");
        }
        let way = command.or(webhook)?;
        Some(Self {
            ca,
            ..Self::new(way)
        })
    }
}

/// Reads `references` of `[standby]`; a standby without is warned, for it cannot tell its own
/// blindness from an outage.
pub fn references(fields: &Fields<'_>) -> Vec<SocketAddr> {
    let list = fields.sockets("references");
    if list.is_empty() {
        fields.warning(
            "references",
            "without references a standby cannot tell its own lost connection from an outage; \
             write for example `references = [\"9.9.9.9:53\", \"1.1.1.1:53\"]`",
        );
    }
    list
}

/// What `[organisation.watch]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationWatch {
    /// From one scheduled probe to the next.
    pub interval: Duration,
    /// The whole probe's time.
    pub timeout: Duration,
    /// From the start of one probe of a burst to the start of the next.
    pub burst_spacing: Duration,
    /// What is asked beside a failing target.
    pub companions: Companions,
    /// One more authority to trust, PEM.
    pub ca: Option<PathBuf>,
    further: Vec<Further>,
}

impl Default for OrganisationWatch {
    fn default() -> Self {
        Self {
            interval: INTERVAL,
            timeout: TIMEOUT,
            burst_spacing: BURST_SPACING,
            companions: Companions {
                ports: PORTS.to_vec(),
                ..Companions::default()
            },
            ca: None,
            further: Vec::new(),
        }
    }
}

impl OrganisationWatch {
    /// Reads `[organisation.watch]`; an absent table gives the defaults.
    pub fn read(fields: Option<&Fields<'_>>) -> Self {
        let mut watch = Self::default();
        let Some(fields) = fields else {
            return watch;
        };
        watch.read_times(fields);
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        watch.companions.neighbours =
            fields.each("neighbours", "an IP address like \"198.51.100.81\"", ip);
        watch.companions.routers =
            fields.each("routers", "an IP address like \"198.51.100.1\"", ip);
        if let Some(ports) = fields.integers("ports", 1, 65_535) {
            let ports = ports.iter().filter_map(|port| u16::try_from(*port).ok());
            watch.companions.ports = ports.collect();
        }
        watch.ca = fields.file("ca");
        for table in fields.tables("target") {
            if let Some(further) = Further::read(&table, watch.ca.as_ref()) {
                watch.further.push(further);
            }
        }
        watch
    }

    fn read_times(&mut self, fields: &Fields<'_>) {
        let read = |key, from: Duration, usual| match fields.duration(key) {
            Some(span) if span < from => {
                fields.problem(
                    key,
                    format_args!("at least {} ms are needed", from.as_millis()),
                );
                usual
            }
            span => span.unwrap_or(usual),
        };
        self.interval = read("interval", Duration::from_secs(1), self.interval);
        self.timeout = read("timeout", Duration::from_millis(100), self.timeout);
        self.burst_spacing = read(
            "burst_spacing",
            Duration::from_millis(100),
            self.burst_spacing,
        );
        if self.timeout > self.interval {
            fields.problem("timeout", "it must not be longer than `interval`");
        }
        if self.burst_spacing < BURST_SPACING {
            fields.warning(
                "burst_spacing",
                "below 3 s short blips become outages; this is meant for rehearsals",
            );
        }
    }

    /// The web server of `organisation`: asked at its own address for the first of its hosts,
    /// and expected to bear the mark, if there is one. Redirects among its hosts are followed.
    /// `None` without a host.
    pub fn web(
        &self,
        organisation: &OrganisationId,
        primary: WebPrimary,
        hosts: &[String],
        expect: Option<&str>,
    ) -> Option<TargetConfig> {
        let probe = Probe::Http(HttpProbe {
            address: primary.address,
            tls: primary.tls,
            host: hosts.first()?.clone(),
            path: "/".to_owned(),
            expect: expect.map(str::to_owned),
            hosts: hosts.to_vec(),
            ca: self.ca.clone(),
        });
        Some(self.steering(organisation, Service::Web, probe))
    }

    /// A name server of `organisation`, asked for the SOA of `zone`.
    pub fn names(
        &self,
        organisation: &OrganisationId,
        primary: SocketAddr,
        zone: &str,
    ) -> TargetConfig {
        let zone = zone.into();
        let address = primary;
        self.steering(organisation, Service::Names, Probe::Dns { address, zone })
    }

    /// The mail server of `organisation`, which speaks `protocol` and whose certificate bears `name`. With `verify` it has to
    /// offer TLS with a certificate that can be verified.
    pub fn mail(
        &self,
        organisation: &OrganisationId,
        protocol: MailProtocol,
        address: SocketAddr,
        name: &str,
        verify: bool,
    ) -> TargetConfig {
        let probe = Probe::Smtp(SmtpProbe {
            address,
            protocol,
            name: name.to_owned(),
            verify,
            ca: self.ca.clone(),
        });
        self.steering(organisation, Service::Mail, probe)
    }

    /// A target of another kind that steers.
    pub fn steering(
        &self,
        organisation: &OrganisationId,
        service: Service,
        probe: Probe,
    ) -> TargetConfig {
        TargetConfig {
            target: Target {
                service: ServiceId::new(organisation.clone(), service),
                name: probe.name().into(),
            },
            steering: true,
            third_party: false,
            probe,
            interval: self.interval,
            timeout: self.timeout,
            burst_spacing: self.burst_spacing,
            companions: self.companions.clone(),
        }
    }

    /// The further targets, which are shown and never steer.
    pub fn further(&self, organisation: &OrganisationId) -> Vec<TargetConfig> {
        let target = |further: &Further| {
            let probe = further.probe.clone();
            let mut config = self.steering(organisation, further.service, probe);
            config.steering = false;
            config.third_party = further.third_party;
            if further.third_party {
                config.interval = config.interval.max(THIRD_PARTY_INTERVAL);
            }
            if let Some(name) = &further.name {
                config.target.name = name.as_str().into();
            }
            config
        };
        self.further.iter().map(target).collect()
    }
}

/// Whether a certificate could be for this name, and a `Host` field hold it.
pub(crate) fn is_host(text: &str) -> bool {
    rustls::pki_types::ServerName::try_from(text).is_ok()
        && text.parse::<http::uri::Authority>().is_ok()
}

/// Whether this zone can be asked for.
pub(crate) fn is_zone(text: &str) -> bool {
    text.parse::<domain::base::Name<Vec<u8>>>().is_ok()
}

#[cfg(test)]
mod tests;
