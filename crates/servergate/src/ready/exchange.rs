//! What senders find in DNS: whether mail would come here at all.

use mail::auth::resolver::{Exchanger, LookupError, QUERY_LIMIT, Resolver};
use mail::config::MailConfig;

use super::{Light, Lines};
use crate::admin::Desk;
use crate::config::Organisation;

/// Hosts of providers so large that they do not go dark as a whole, nor lets them a standby in.
const LARGE: [&str; 5] = [
    "google.com",
    "googlemail.com",
    "outlook.com",
    "icloud.com",
    "pphosted.com",
];

/// Looks at the MX records, the TLSA record and the MTA-STS record of each domain.
pub(super) async fn look(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let Some(config) = &organisation.mail else {
        return;
    };
    let Ok(resolver) = Resolver::new(desk.config.standby.resolver, QUERY_LIMIT) else {
        lines.add(
            Light::Yellow,
            "mail",
            "MX records cannot be looked at: write `resolver` under `[standby]`",
        );
        return;
    };
    for domain in &config.domains {
        match resolver.mx(domain).await {
            Ok(found) => exchangers(config, domain, &found, lines),
            Err(LookupError::NoSuchName) => {
                lines.add(
                    Light::Red,
                    "mail",
                    format!("{domain} does not exist in DNS"),
                );
            }
            Err(_) => lines.add(
                Light::Yellow,
                "mail",
                format!("the MX records of {domain} could not be read now"),
            ),
        }
        policy(&resolver, domain, lines).await;
    }
    if let Some(mx) = &config.mx {
        association(&resolver, mx, lines).await;
    }
}

/// RFC 5321 §5.1: senders try the lowest number first.
fn exchangers(config: &MailConfig, domain: &str, found: &[Exchanger], lines: &mut Lines) {
    let large = found.iter().find(|one| {
        LARGE
            .iter()
            .any(|name| one.host == *name || one.host.ends_with(&format!(".{name}")))
    });
    if let Some(large) = large {
        lines.add(
            Light::Yellow,
            "mail",
            format!(
                "{domain} has its mail at a large provider ({}): watch it, and leave its MX records alone",
                large.host
            ),
        );
        return;
    }
    let Some(mx) = &config.mx else { return };
    let ours = found.iter().find(|one| one.host == *mx);
    let others = found.iter().filter(|one| one.host != *mx);
    let lowest = others.map(|one| one.preference).min();
    match (ours, lowest) {
        (None, _) => lines.add(
            Light::Red,
            "mail",
            format!("no MX record of {domain} names {mx}: mail would not come here; add `{domain}. MX 20 {mx}.`"),
        ),
        (Some(ours), Some(lowest)) if ours.preference > lowest => lines.add(
            Light::Green,
            "mail",
            format!("{mx} is an MX of {domain}, behind the primary"),
        ),
        (Some(_), Some(lowest)) => lines.add(
            Light::Yellow,
            "mail",
            format!("{mx} comes before the primary of {domain}; give it a larger number than {lowest}"),
        ),
        (Some(_), None) => lines.add(
            Light::Yellow,
            "mail",
            format!("{mx} is the only MX of {domain}; name the primary with a lower number"),
        ),
    }
}

/// RFC 8461 §3.1: senders that found a policy in force come only to hosts that it lists.
async fn policy(resolver: &Resolver, domain: &str, lines: &mut Lines) {
    let found = resolver.txt(&format!("_mta-sts.{domain}")).await;
    let announced = found.is_ok_and(|texts| texts.iter().any(|text| text.starts_with("v=STSv1")));
    if announced {
        lines.add(
            Light::Yellow,
            "mail",
            format!("{domain} announces MTA-STS: its policy must list the standby's MX name, and https://mta-sts.{domain} should be among `hosts` of `[organisation.web]`"),
        );
    }
}

/// RFC 7672: where the MX name has a TLSA record, the key that we show must match it.
async fn association(resolver: &Resolver, mx: &str, lines: &mut Lines) {
    let found = resolver.tlsa(&format!("_25._tcp.{mx}")).await;
    if found.is_ok_and(|records| !records.is_empty()) {
        lines.add(
            Light::Yellow,
            "mail",
            format!("{mx} has a TLSA record: change it before the key of its certificate changes"),
        );
    }
}
