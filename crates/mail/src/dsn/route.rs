//! Where a notification goes: the sender's mail exchangers (RFC 5321 §5.1).

use std::net::{IpAddr, SocketAddr};

use crate::auth::resolver::{Exchanger, LookupError, Resolver};

/// Exchangers that are tried, and addresses of each.
const HOSTS: usize = 4;
const ADDRESSES: usize = 2;

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To the first of these that takes it: name and address.
    Hosts(Vec<(String, SocketAddr)>),
    /// Nowhere: the domain takes no mail.
    Nowhere(&'static str),
    /// That is not known now.
    Unknown(String),
}

/// Finds the way to `domain`. `ours` are our own names, to which nothing is sent.
pub(super) async fn route(resolver: &Resolver, domain: &str, ours: &[&str], port: u16) -> Route {
    if domain.starts_with('[') {
        return Route::Nowhere("an address literal");
    }
    let exchangers = match resolver.mx(domain).await {
        Ok(exchangers) => exchangers,
        Err(LookupError::NoSuchName) => return Route::Nowhere("there is no such domain"),
        Err(error) => return Route::Unknown(error.to_string()),
    };
    let hosts = match hosts(exchangers, domain, ours) {
        Ok(hosts) => hosts,
        Err(why) => return Route::Nowhere(why),
    };
    let (mut found, mut unknown) = (Vec::new(), None);
    for host in hosts.into_iter().take(HOSTS) {
        match resolver.addresses(&host).await {
            Ok(addresses) => {
                let fit = addresses.into_iter().filter(is_a_host).take(ADDRESSES);
                found.extend(fit.map(|address| (host.clone(), (address, port).into())));
            }
            Err(LookupError::NoSuchName) => {}
            Err(error) => unknown = Some(error.to_string()),
        }
    }
    match (found.is_empty(), unknown) {
        (false, _) => Route::Hosts(found),
        (true, Some(error)) => Route::Unknown(error),
        (true, None) => Route::Nowhere("its mail exchangers have no address"),
    }
}

/// The hosts in the order in which they are tried.
fn hosts(
    exchangers: Vec<Exchanger>,
    domain: &str,
    ours: &[&str],
) -> Result<Vec<String>, &'static str> {
    if exchangers.is_empty() {
        // RFC 5321 §5.1: the domain is its own exchanger.
        return Ok(vec![domain.to_owned()]);
    }
    // RFC 7505 §3: it takes no mail, and no host is called so.
    if exchangers.iter().all(|one| one.host.is_empty()) {
        return Err("the domain says that it takes no mail");
    }
    // RFC 5321 §5.1: nothing goes to ourselves, nor to who comes after us.
    let us = exchangers
        .iter()
        .filter(|one| ours.contains(&one.host.as_str()));
    let us = us.map(|one| one.preference).min();
    let before = |one: &Exchanger| us.is_none_or(|us| one.preference < us) && !one.host.is_empty();
    let hosts: Vec<_> = exchangers.into_iter().filter(before).collect();
    match hosts.is_empty() {
        true => Err("we ourselves are its first mail exchanger"),
        false => Ok(hosts.into_iter().map(|one| one.host).collect()),
    }
}

/// Whether there can be a host of its own behind an address.
fn is_a_host(address: &IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::resolver::QUERY_LIMIT;
    use crate::auth::testdns::{Data, TestDns};

    async fn found(names: &[(&str, Data)], domain: &str) -> Route {
        let dns = TestDns::serve(names).await;
        let resolver = Resolver::new(Some(dns.address), QUERY_LIMIT).unwrap();
        route(&resolver, domain, &["mx2.verein.test"], 25).await
    }

    fn to(hosts: &[(&str, &str)]) -> Route {
        let one = |(name, address): &(&str, &str)| {
            let address = format!("{address}:25").parse().unwrap();
            ((*name).to_owned(), address)
        };
        Route::Hosts(hosts.iter().map(one).collect())
    }

    #[tokio::test]
    async fn exchangers_are_tried_in_their_order_and_without_any_the_domain() {
        let names = [
            ("client.test", Data::Mx(20, "b.client.test.")),
            ("client.test", Data::Mx(10, "a.client.test.")),
            ("a.client.test", Data::A("192.0.2.1")),
            ("a.client.test", Data::Aaaa("2001:db8::1")),
            ("b.client.test", Data::A("192.0.2.2")),
        ];
        let route = found(&names, "client.test").await;
        let six = ("a.client.test", "[2001:db8::1]");
        let four = ("a.client.test", "192.0.2.1");
        assert_eq!(route, to(&[six, four, ("b.client.test", "192.0.2.2")]));
        let alone = found(&[("c.test", Data::A("192.0.2.3"))], "c.test").await;
        assert_eq!(alone, to(&[("c.test", "192.0.2.3")]));
    }

    #[tokio::test]
    async fn nothing_goes_to_a_domain_without_mail_nor_to_ourselves() {
        let null = [("client.test", Data::Mx(0, "."))];
        assert!(matches!(
            found(&null, "client.test").await,
            Route::Nowhere(_)
        ));
        assert!(matches!(found(&null, "gone.test").await, Route::Nowhere(_)));
        let broken = [("client.test", Data::Broken)];
        assert!(matches!(
            found(&broken, "client.test").await,
            Route::Unknown(_)
        ));
        let us = [
            ("client.test", Data::Mx(10, "a.client.test.")),
            ("client.test", Data::Mx(20, "mx2.verein.test.")),
            ("client.test", Data::Mx(20, "c.client.test.")),
            ("a.client.test", Data::A("192.0.2.1")),
            ("c.client.test", Data::A("192.0.2.3")),
        ];
        let before = found(&us, "client.test").await;
        assert_eq!(before, to(&[("a.client.test", "192.0.2.1")]));
        let first = [("client.test", Data::Mx(1, "mx2.verein.test."))];
        assert!(matches!(
            found(&first, "client.test").await,
            Route::Nowhere(_)
        ));
    }

    #[tokio::test]
    async fn an_address_that_is_no_hosts_is_not_called() {
        let names = [("client.test", Data::A("0.0.0.0"))];
        assert!(matches!(
            found(&names, "client.test").await,
            Route::Nowhere(_)
        ));
        assert!(matches!(found(&[], "[192.0.2.1]").await, Route::Nowhere(_)));
    }
}
