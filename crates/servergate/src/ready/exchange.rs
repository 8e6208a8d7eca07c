//! What senders find in DNS: whether mail would come here at all.

mod policy;

use std::net::IpAddr;

use mail::auth::check::{Checker, LIMIT, Subject};
use mail::auth::resolver::{Exchanger, LookupError, QUERY_LIMIT, Resolver, Tlsa};
use mail::auth::verdict::Outcome;
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

/// Looks at the MX records, the TLSA record, SPF and the MTA-STS policy of each domain.
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
        policy::look(desk, &resolver, domain, config.mx.as_deref(), lines).await;
        for address in &desk.config.standby.addresses {
            sender(&resolver, domain, *address, lines).await;
        }
    }
    if let Some(mx) = &config.mx {
        let name = format!("_25._tcp.{mx}");
        let found = resolver.tlsa(&name).await.unwrap_or_default();
        association(desk, mx, &found, lines);
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

/// RFC 7208: reports of the standby, and what is written here one day, come from its address.
async fn sender(resolver: &Resolver, domain: &str, address: IpAddr, lines: &mut Lines) {
    let postmaster = format!("postmaster@{domain}");
    let subject = Subject {
        client: address,
        helo: domain,
        mail_from: Some(&postmaster),
        message: b"",
    };
    let checker = Checker::new(resolver.clone(), domain);
    let spf = checker.check(subject, LIMIT).await.spf;
    match spf.result {
        Outcome::Pass => lines.add(
            Light::Green,
            "mail",
            format!("SPF of {domain} lets {address} send in its name"),
        ),
        Outcome::Fail | Outcome::SoftFail => lines.add(
            Light::Yellow,
            "mail",
            format!(
                "SPF of {domain} does not name {address}: what the standby sends in its name would be doubted; add `ip{}:{address}`",
                if address.is_ipv4() { 4 } else { 6 }
            ),
        ),
        _ => {}
    }
}

/// RFC 7672 §3.1.1: where the MX name has TLSA records, the key that we show must match one.
fn association(desk: &Desk, mx: &str, found: &[Tlsa], lines: &mut Lines) {
    if found.is_empty() {
        return;
    }
    let shown = desk
        .certificates
        .as_ref()
        .and_then(|all| all.fingerprint(mx));
    // `3 1 1`: the SHA-256 of the key itself, the one form that says all without a chain.
    let ours = |one: &Tlsa| (one.usage, one.selector, one.matching) == (3, 1, 1);
    let matches = shown.is_some_and(|key| {
        let same = |one: &Tlsa| ours(one) && one.data == key.0;
        found.iter().any(same)
    });
    if matches {
        lines.add(
            Light::Green,
            "mail",
            format!(
                "the TLSA record of {mx} names the key that is shown; change it before the key"
            ),
        );
    } else if found.iter().all(ours) {
        let mend = shown.map_or(String::new(), |key| format!(": publish `3 1 1 {key}`"));
        lines.add(
            Light::Red,
            "mail",
            format!("no TLSA record of {mx} names the key that is shown: senders that look at it (DANE) will not come{mend}"),
        );
    } else {
        lines.add(
            Light::Yellow,
            "mail",
            format!("{mx} has a TLSA record of another form than `3 1 1`, which is not compared here: change it before the certificate changes"),
        );
    }
}
