//! Probes every service from every place and says what was measured; tells people when it counts.
//!
//! What lives here, for whom:
//!
//! * `target`, `config`: what is probed and how; read from TOML, assembled by the binary.
//! * `probe`: native probes (HTTP, TCP, TLS, SMTP, DNS, ICMP), each in phases with times.
//! * `companions`, `observe`: beside a failing target, the look at ourselves and what tells the
//!   cause. Only `observe` makes a measured fact.
//! * `schedule` (pure) and `run`: the timetable, and the task that keeps it.
//! * `alert`: who is told what and when (pure), in words, delivered by command or webhook.
//!
//! Nothing is decided here: observations leave through `host.outlets.observations`, the detector
//! asks for bursts through [`Config::bursts`], and the alerts follow the standings.

mod alert;
mod companions;
mod config;
mod known;
mod metrics;
mod observe;
mod probe;
mod run;
mod schedule;
mod shown;
mod target;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use host::{Drain, Host, OpenError, Part, RunError};
use model::Standings;
use tokio::sync::watch::Receiver;

pub use alert::{AlertState, Alerts, Tested};
pub use config::{AlertConfig, AlertWay, Burst, Config, OrganisationWatch, Way, Ways, references};
pub use shown::Shown;
pub use target::{
    Companions, HttpProbe, Probe, ProbeKind, SmtpProbe, TargetConfig, TlsProbe, WebPrimary,
};

use alert::Rim;
use metrics::Counters;
use observe::{Place, Watched};
use probe::{Permission, Prepared, Trust, TrustError};
use run::Engine;

/// The part.
pub struct Watch {
    engine: Engine,
    alerts: Option<Rim>,
}

impl Watch {
    /// For whoever asks how alerts fare; `None` where nobody is told.
    pub fn alerts(&self) -> Option<Alerts> {
        self.alerts.as_ref().map(Rim::handle)
    }
}

impl Part for Watch {
    type Config = Config;

    async fn open(config: Config, host: Host) -> Result<Self, OpenError> {
        let counters = Counters::register(&host.metrics);
        say_permission(&config);
        let watched = watched(&config, &host)?;
        let place = Place::new(
            host.place.clone(),
            host.clock.clone(),
            host.net,
            config.references,
        );
        let alerts = match config.alert {
            None => None,
            Some(alert) => {
                let book = alert::Phrasebook {
                    place: Some(host.place.clone()),
                    ways: config.ways,
                    pages: config.page_urls,
                };
                Some(
                    Rim::open(host.clone(), alert, book, counters.clone())
                        .await?
                        .hearing(config.reminders),
                )
            }
        };
        let engine = Engine {
            host,
            place: Arc::new(place),
            watched,
            bursts: config.bursts,
            most_at_once: config.most_at_once.max(1),
            shown: config.shown,
            counters,
        };
        Ok(Self { engine, alerts })
    }

    async fn run(self, standings: Receiver<Standings>, drain: Drain) -> Result<(), RunError> {
        let Self { engine, alerts } = self;
        let telling = async {
            match alerts {
                Some(alerts) => alerts.run(standings.clone(), &drain).await,
                None => drain.begun().await,
            }
        };
        tokio::join!(engine.run(standings.clone(), &drain), telling);
        Ok(())
    }
}

/// Prepares all targets; names that cannot be asked are the configuration's fault.
fn watched(config: &Config, host: &Host) -> Result<Vec<Arc<Watched>>, OpenError> {
    let mut trusts: BTreeMap<Option<PathBuf>, Trust> = BTreeMap::new();
    let mut list = Vec::with_capacity(config.targets.len());
    for target in &config.targets {
        check(&target.probe)?;
        let trust = match needs_trust(&target.probe) {
            Needs::Nothing => None,
            Needs::Perhaps(ca) => trust(&mut trusts, host, ca).ok(),
            Needs::Always(ca) => Some(
                trust(&mut trusts, host, ca)
                    .map_err(|error| OpenError::Config(error.to_string()))?,
            ),
        };
        let known = known::load(&host.store, &target.target);
        let prepared = Prepared::new(target.probe.clone(), trust, target.third_party)
            .beside(host.outbound.clone());
        list.push(Arc::new(Watched::new(target.clone(), prepared, known)));
    }
    Ok(list)
}

/// Whether a probe meets certificates, and which extra authorities it trusts.
enum Needs {
    Nothing,
    /// HTTP in clear may be redirected to TLS, and mail takes TLS as it comes; a machine without
    /// authorities can still ask them.
    Perhaps(Option<PathBuf>),
    Always(Option<PathBuf>),
}

fn needs_trust(probe: &Probe) -> Needs {
    match probe {
        Probe::Http(HttpProbe { tls, ca, .. }) if !tls => Needs::Perhaps(ca.clone()),
        Probe::Http(HttpProbe { ca, .. }) | Probe::Tls(TlsProbe { ca, .. }) => {
            Needs::Always(ca.clone())
        }
        Probe::Smtp(SmtpProbe { verify, ca, .. }) => match verify {
            true => Needs::Always(ca.clone()),
            false => Needs::Perhaps(ca.clone()),
        },
        Probe::Tcp { .. } | Probe::Dns { .. } | Probe::Icmp { .. } => Needs::Nothing,
    }
}

/// The trust for these extra authorities; each file is read once.
fn trust(
    trusts: &mut BTreeMap<Option<PathBuf>, Trust>,
    host: &Host,
    ca: Option<PathBuf>,
) -> Result<Trust, TrustError> {
    if let Some(trust) = trusts.get(&ca) {
        return Ok(trust.clone());
    }
    let trust = Trust::load(host.clock.clone(), ca.as_deref())?;
    trusts.insert(ca, trust.clone());
    Ok(trust)
}

fn check(probe: &Probe) -> Result<(), OpenError> {
    let wrong = |what: &str| Err(OpenError::Config(what.to_owned()));
    match probe {
        Probe::Http(http) if !config::is_host(&http.host) => {
            wrong(&format!("`{}` is not a host name", http.host))
        }
        Probe::Tls(tls) if !config::is_host(&tls.name) => {
            wrong(&format!("`{}` is not a host name", tls.name))
        }
        Probe::Smtp(smtp) if !config::is_host(&smtp.name) => {
            wrong(&format!("`{}` is not a host name", smtp.name))
        }
        Probe::Dns { zone, .. } if !config::is_zone(zone) => {
            wrong(&format!("`{zone}` is not a domain name"))
        }
        _ => Ok(()),
    }
}

/// Says once, at the start, that this machine lets us send no echo; causes are told apart less
/// well without.
fn say_permission(config: &Config) {
    if config.targets.is_empty() {
        return;
    }
    if probe::permission(IpAddr::from([127, 0, 0, 1])) == Permission::None {
        tracing::warn!(
            "no permission for ICMP echo: `host` and `network` cannot be told from `silent`; \
             allow it with the sysctl net.ipv4.ping_group_range or with CAP_NET_RAW"
        );
    }
}
