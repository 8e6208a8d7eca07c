//! `[[organisation]]`: one table put together from what each part reads of it.

use std::net::IpAddr;
use std::time::Duration;

use host::config::{Fields, duration};
use model::{
    ConfigurationId, DetectorConfig, Mode, OrganisationId, PlaceId, Policy, ReturnPolicy, Service,
    ServiceId,
};

use super::claims::{self, Claim};
use crate::decide::Decided;

/// One organisation and all that is done for it.
#[derive(Clone, Debug)]
pub(crate) struct Organisation {
    pub(crate) id: OrganisationId,
    pub(crate) domains: Vec<String>,
    pub(crate) names: Option<names::config::Organisation>,
    pub(crate) web: Option<site::config::WebConfig>,
    pub(crate) mail: Option<mail::config::MailConfig>,
    pub(crate) watch: watch::OrganisationWatch,
    pub(crate) bulletin: bulletin::config::Organisation,
    pub(super) claims: Vec<Claim>,
    returns: Returns,
    mail_returns: Returns,
}

/// When and how the web returns to its primary.
#[derive(Clone, Copy, Debug)]
struct Returns {
    policy: ReturnPolicy,
    clean: Duration,
    stage: Duration,
}

impl Organisation {
    /// Reads one organisation; mistakes are noted, `None` if it has no name to be known by.
    pub(super) fn read(fields: &Fields<'_>, addresses: &[IpAddr]) -> Option<Self> {
        let domains = fields.each("domains", "a domain like \"verein.test\"", domain);
        if !fields.has("name") {
            fields.missing("name", "\"Verein Beispiel\"");
        }
        if !fields.has("domains") {
            fields.missing("domains", "[\"verein.test\"]");
        }
        // An organisation without a right domain is still read, so that all mistakes are found.
        let id = OrganisationId::new(domains.first().cloned().unwrap_or_default());
        let bulletin = bulletin::config::Organisation::read(id.clone(), fields);
        let names = fields
            .table("names")
            .and_then(|table| names::config::read(&table, id.clone(), addresses));
        let mut returns = Returns::default();
        let web = fields.table("web").and_then(|table| {
            returns = Returns::read(&table);
            site::config::WebConfig::read(&table, id.clone())
        });
        let mut watch = watch::OrganisationWatch::read(fields.table("watch").as_ref());
        // The authority that vouches for the primary does so for its probe too.
        watch.ca = watch.ca.or_else(|| web.as_ref()?.ca.clone());
        let mut mail_returns = Returns::default();
        let mail = fields.table("mail").and_then(|table| {
            mail_returns = Returns::read(&table);
            mail::config::MailConfig::read(&table, id.clone(), &domains)
        });
        for part in ["chat"] {
            if fields.has(part) {
                fields.problem(
                    part,
                    "this version does not stand by for it yet; remove it for now",
                );
            }
        }
        (!domains.is_empty()).then_some(Self {
            id,
            domains,
            names,
            web,
            mail,
            watch,
            bulletin,
            claims: claims::of(fields),
            returns,
            mail_returns,
        })
    }

    /// Whether names are steered inside of transferred zones.
    pub(super) fn overlays(&self) -> bool {
        use names::config::Via;
        let steer = self.names.as_ref().and_then(|names| names.steer.as_ref());
        steer.is_some_and(|steer| steer.via == Via::Secondary)
    }

    /// Whether any zone is served for it.
    pub(super) fn serves_names(&self) -> bool {
        use names::config::{Source, Via};
        self.names.as_ref().is_some_and(|names| {
            names.source != Source::None
                || matches!(&names.steer, Some(steer) if matches!(steer.via, Via::Zone { .. }))
        })
    }

    /// The services that are decided about, and how.
    pub(super) fn decided(&self, mode: Mode, place: &PlaceId) -> Vec<Decided> {
        let mut decided = Vec::new();
        let mut add = |service, watched: bool, policy: Policy| {
            let service = ServiceId::new(self.id.clone(), service);
            let detector = watched.then(|| self.detector(place, policy.clean));
            decided.push(Decided {
                service,
                detector,
                policy,
            });
        };
        if self.web.is_some() {
            let Returns {
                policy: returns,
                clean,
                stage,
            } = self.returns;
            let target = self.web_target();
            add(
                Service::Web,
                target.is_some(),
                Policy {
                    mode,
                    configuration: configuration(target.as_ref(), ""),
                    // What comes from a folder is there.
                    needs_copy: target.is_some(),
                    returns,
                    clean,
                    stage,
                    ..Policy::default()
                },
            );
        }
        if self.mail.is_some() {
            let Returns { policy, clean, .. } = self.mail_returns;
            let besides = self.mail.as_ref().map(|mail| {
                let hop = &mail.primary;
                format!("{:?} {:?}", hop.protocol, hop.trust)
            });
            let besides = besides.unwrap_or_default();
            add(
                Service::Mail,
                true,
                Policy {
                    mode,
                    configuration: configuration(self.mail_target().as_ref(), &besides),
                    returns: policy,
                    clean,
                    // No name was led here that would have to be led back first.
                    stage: Duration::ZERO,
                    hands_back: true,
                    ..Policy::default()
                },
            );
        }
        // Names of which we are the primary ourselves have nobody to stand by for.
        if let Some(target) = self.names_target() {
            // Nothing is handed back for names: transfers go on when the primary answers.
            let policy = Policy {
                mode,
                configuration: configuration(Some(&target), ""),
                returns: ReturnPolicy::Auto(Duration::MAX),
                clean: self.returns.clean,
                stage: Duration::ZERO,
                proof: false,
                ..Policy::default()
            };
            add(Service::Names, true, policy);
        }
        decided
    }

    /// How this organisation's observations are judged: from this place, in its own rhythm.
    fn detector(&self, place: &PlaceId, calm: Duration) -> DetectorConfig {
        let watch::OrganisationWatch {
            interval,
            timeout,
            burst_spacing,
            ..
        } = self.watch;
        DetectorConfig {
            // The last probe of a burst begins two spacings after the first; as much again as its
            // own time is left for its report.
            burst_time: burst_spacing * 2 + timeout * 2,
            stale: interval * 3 + timeout * 2,
            interval,
            calm,
            ..DetectorConfig::new(vec![place.clone()])
        }
    }

    /// What is probed for the website; nothing where the copy comes from a folder.
    pub(crate) fn web_target(&self) -> Option<watch::TargetConfig> {
        let web = self.web.as_ref()?;
        let site::config::Source::Primary(primary) = &web.source else {
            return None;
        };
        let primary = watch::WebPrimary {
            tls: primary.secure,
            address: primary.address,
        };
        self.watch
            .web(&self.id, primary, &web.hosts, web.expect.as_deref())
    }

    /// What is probed for the names; nothing where we are the primary ourselves.
    pub(crate) fn names_target(&self) -> Option<watch::TargetConfig> {
        let names = self.names.as_ref()?;
        let names::config::Source::Primary(address) = names.source else {
            return None;
        };
        Some(
            self.watch
                .names(&self.id, address, &names.zones.first()?.to_string()),
        )
    }

    /// What is probed for the mail.
    pub(crate) fn mail_target(&self) -> Option<watch::TargetConfig> {
        let primary = &self.mail.as_ref()?.primary;
        let verify = primary.trust == mail::config::Trust::Verified;
        let mail::config::NextHop {
            protocol,
            address,
            name,
            ..
        } = primary;
        Some(self.watch.mail(&self.id, *protocol, *address, name, verify))
    }

    /// From the last good page to the first one of ours, at the worst: a probe just before, its
    /// interval and time-out, the burst, and the time resolvers keep the old answer.
    pub(crate) fn recovery_time(&self) -> Duration {
        let watch::OrganisationWatch {
            interval,
            timeout,
            burst_spacing,
            ..
        } = self.watch;
        interval + timeout + burst_spacing * 2 + timeout + STEERED_TTL
    }
}

/// How long resolvers may keep an answer for a name that is steered.
const STEERED_TTL: Duration = Duration::from_secs(5);

/// What decides whether a probe of a target is good.
fn configuration(target: Option<&watch::TargetConfig>, besides: &str) -> ConfigurationId {
    target.map_or_else(
        || ConfigurationId::new(""),
        |target| target.configuration(besides),
    )
}

impl Default for Returns {
    fn default() -> Self {
        let Policy {
            returns: policy,
            clean,
            stage,
            ..
        } = Policy::default();
        Self {
            policy,
            clean,
            stage,
        }
    }
}

impl Returns {
    fn read(fields: &Fields<'_>) -> Self {
        let otherwise = Self::default();
        let policy = fields.parse("return", "\"ask\" or \"auto-15m\"", |text| match text {
            "ask" => Some(ReturnPolicy::Ask),
            _ => Some(ReturnPolicy::Auto(duration(text.strip_prefix("auto-")?)?)),
        });
        Self {
            policy: policy.unwrap_or(otherwise.policy),
            clean: fields.duration("clean").unwrap_or(otherwise.clean),
            stage: fields.duration("stage").unwrap_or(otherwise.stage),
        }
    }
}

/// A domain in lower case; IDNs in their ASCII form.
fn domain(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let right = text.len() <= 253 && text.contains('.') && text.split('.').all(label);
    right.then(|| text.to_ascii_lowercase())
}
