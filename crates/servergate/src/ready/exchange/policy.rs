//! MTA-STS (RFC 8461): senders that found a policy in force come only to hosts that it lists.

use host::tls::ClientTls;
use mail::auth::resolver::Resolver;
use mail::mta_sts::{Mode, Policy, PolicyError};

use crate::admin::Desk;
use crate::ready::{Light, Lines};

/// So many of its addresses are tried.
const ADDRESSES: usize = 3;

pub(super) async fn look(
    desk: &Desk,
    resolver: &Resolver,
    domain: &str,
    mx: Option<&str>,
    lines: &mut Lines,
) {
    // RFC 8461 section 3.1: without the record there is no policy.
    let found = resolver.txt(&format!("_mta-sts.{domain}")).await;
    let announced = found.is_ok_and(|texts| texts.iter().any(|text| text.starts_with("v=STSv1")));
    if !announced {
        return;
    }
    let (light, says) = match fetch(desk, resolver, domain).await {
        Ok(policy) => judged(domain, mx, &policy),
        Err(error) => (
            Light::Yellow,
            format!("{domain} announces an MTA-STS policy that could not be read: {error}"),
        ),
    };
    lines.add(light, "mail", says);
    let host = format!("mta-sts.{domain}");
    let serves = |one: &crate::config::Organisation| {
        let web = one.web.as_ref();
        web.is_some_and(|web| web.hosts.contains(&host))
    };
    if !desk.config.organisations.iter().any(serves) {
        lines.add(
            Light::Yellow,
            "mail",
            format!("the MTA-STS policy goes dark with its web server: add \"{host}\" to `hosts` of `[organisation.web]`"),
        );
    }
}

async fn fetch(desk: &Desk, resolver: &Resolver, domain: &str) -> Result<Policy, PolicyError> {
    let nobody = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    let found = resolver.addresses(&format!("mta-sts.{domain}")).await;
    let tls = ClientTls::new(None).map_err(|_| nobody())?;
    let mut last = PolicyError::Unreachable(nobody());
    // Its first address may be of a kind that this machine cannot reach.
    for address in found.unwrap_or_default().into_iter().take(ADDRESSES) {
        match Policy::fetch(desk.host.net, &tls, domain, (address, 443).into()).await {
            Ok(policy) => return Ok(policy),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn judged(domain: &str, mx: Option<&str>, policy: &Policy) -> (Light, String) {
    let Some(mx) = mx else {
        let says = format!("{domain} has an MTA-STS policy, and no `mx` name to look for in it");
        return (Light::Yellow, says);
    };
    match (policy.lists(mx), policy.mode) {
        (true, _) => (
            Light::Green,
            format!("the MTA-STS policy of {domain} lists {mx}"),
        ),
        (false, Mode::Enforce) => (
            Light::Red,
            format!(
                "the MTA-STS policy of {domain} does not list {mx}: careful senders will not come; add `mx: {mx}`"
            ),
        ),
        (false, _) => (
            Light::Yellow,
            format!(
                "the MTA-STS policy of {domain} does not list {mx}, and is not in force yet; add `mx: {mx}`"
            ),
        ),
    }
}
