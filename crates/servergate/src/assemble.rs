//! From the configuration to what each part is told.

use std::collections::BTreeMap;

use model::{Record, Service, ServiceId, Target};
use tokio::sync::mpsc;

use crate::config::{Config, Organisation};

/// What `names` is told.
pub(crate) fn names(config: &Config) -> names::config::Config {
    names::config::Config {
        listen: config.listen.dns.clone(),
        rate: config.names.clone(),
        workers: std::thread::available_parallelism().map_or(1, usize::from),
        organisations: config
            .organisations
            .iter()
            .filter_map(|one| one.names.clone())
            .collect(),
    }
}

/// What `site` is told.
pub(crate) fn site(config: &Config) -> Vec<site::config::WebConfig> {
    config
        .organisations
        .iter()
        .filter_map(|one| one.web.clone())
        .collect()
}

/// What `mail` is told, but for the certificates.
pub(crate) fn mail(config: &Config) -> ::mail::config::Config {
    let organisations: Vec<_> = config
        .organisations
        .iter()
        .filter_map(|one| one.mail.clone())
        .collect();
    let mx = organisations.iter().find_map(|one| one.mx.clone());
    let name = config.standby.host.clone().or(mx);
    ::mail::config::Config {
        listen: config.listen.smtp.clone(),
        name: name.unwrap_or_else(|| format!("{}.invalid", config.standby.name)),
        general: config.mail.clone(),
        resolver: config.standby.resolver,
        organisations,
    }
}

/// What `bulletin` is told.
pub(crate) fn bulletin(config: &Config, records: mpsc::Receiver<Record>) -> bulletin::Config {
    let organisations = config
        .organisations
        .iter()
        .map(|one| one.bulletin.clone())
        .collect();
    bulletin::Config {
        organisations,
        records,
    }
}

/// What `watch` is told.
pub(crate) fn watch(
    config: &Config,
    bursts: mpsc::Receiver<watch::Burst>,
    reminders: mpsc::Receiver<host::Reminder>,
) -> watch::Config {
    let organisations = &config.organisations;
    let steering = |one: &Organisation| [one.web_target(), one.names_target(), one.mail_target()];
    let further = |one: &Organisation| one.watch.further(&one.id);
    watch::Config {
        references: config.standby.references.clone(),
        targets: organisations
            .iter()
            .flat_map(steering)
            .flatten()
            .chain(organisations.iter().flat_map(further))
            .collect(),
        alert: config.alert.clone(),
        reminders: Some(reminders),
        ways: organisations.iter().filter_map(way).collect(),
        page_urls: organisations
            .iter()
            .filter_map(|one| Some((one.id.clone(), one.bulletin.url.clone()?)))
            .collect(),
        ..watch::Config::new(bursts)
    }
}

/// The target of every service that a burst may be asked for.
pub(crate) fn burst_targets(config: &Config) -> BTreeMap<ServiceId, Target> {
    let targets = config
        .organisations
        .iter()
        .flat_map(|one| [one.web_target(), one.names_target(), one.mail_target()]);
    let targets = targets.flatten().map(|config| config.target);
    targets
        .map(|target| (target.service.clone(), target))
        .collect()
}

/// How visitors get to us, in words for the alert.
fn way(organisation: &Organisation) -> Option<(ServiceId, watch::Way)> {
    let service = ServiceId::new(organisation.id.clone(), Service::Web);
    Some((service, crate::honest::unseen(organisation)?))
}
