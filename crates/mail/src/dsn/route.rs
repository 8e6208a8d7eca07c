//! Where a notification goes: the sender's mail exchangers (RFC 5321 §5.1).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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

/// Whom nothing is sent to, and where exchangers are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    /// Our own names.
    pub(super) ours: &'a [&'a str],
    /// The port of exchangers.
    pub(super) port: u16,
    /// Whether exchangers may lie in this machine or its local networks. Who sends us mail says
    /// where answers go, and must not reach through us what only we can reach.
    pub(super) private: bool,
}

/// Finds the way to `domain`.
pub(super) async fn route(resolver: &Resolver, domain: &str, bounds: Bounds<'_>) -> Route {
    if domain.starts_with('[') {
        return Route::Nowhere("an address literal");
    }
    let exchangers = match resolver.mx(domain).await {
        Ok(exchangers) => exchangers,
        Err(LookupError::NoSuchName) => return Route::Nowhere("there is no such domain"),
        Err(error) => return Route::Unknown(error.to_string()),
    };
    let hosts = match hosts(exchangers, domain, bounds.ours) {
        Ok(hosts) => hosts,
        Err(why) => return Route::Nowhere(why),
    };
    let (mut found, mut unknown, mut inside) = (Vec::new(), None, false);
    for host in hosts.into_iter().take(HOSTS) {
        match resolver.addresses(&host).await {
            Ok(addresses) => {
                let (near, far): (Vec<_>, Vec<_>) = addresses
                    .into_iter()
                    .filter(is_a_host)
                    .partition(|address| !bounds.private && is_private(*address));
                inside |= !near.is_empty();
                let fit = far.into_iter().take(ADDRESSES);
                found.extend(fit.map(|address| (host.clone(), (address, bounds.port).into())));
            }
            Err(LookupError::NoSuchName) => {}
            Err(error) => unknown = Some(error.to_string()),
        }
    }
    match (found.is_empty(), unknown) {
        (false, _) => Route::Hosts(found),
        (true, Some(error)) => Route::Unknown(error),
        (true, None) if inside => Route::Nowhere("its mail exchangers have private addresses"),
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

/// Whether an address leads nowhere but into this machine or the networks around it (RFC 6890).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => {
            let embedded = match v6.segments() {
                // RFC 6052 §2.1, RFC 3056 §2: an IPv4 address in other clothes.
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
                    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
                }
                _ => None,
            };
            v6.is_loopback()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || embedded.is_some_and(is_private_v4)
        }
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    // RFC 6598: shared by the customers of one provider. RFC 2544: laboratories.
    let shared = a == 100 && (64..128).contains(&b);
    let laboratory = a == 198 && (18..20).contains(&b);
    let assigned = (a, b, c) == (192, 0, 0);
    v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || a == 0
        || shared
        || laboratory
        || assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::resolver::QUERY_LIMIT;
    use crate::auth::testdns::{Data, TestDns};

    async fn found(names: &[(&str, Data)], domain: &str) -> Route {
        let dns = TestDns::serve(names).await;
        let resolver = Resolver::new(Some(dns.address), QUERY_LIMIT).unwrap();
        route(&resolver, domain, bounds(false)).await
    }

    fn bounds(private: bool) -> Bounds<'static> {
        Bounds {
            ours: &["mx2.verein.test"],
            port: 25,
            private,
        }
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

    #[tokio::test]
    async fn a_sender_does_not_lead_us_into_our_own_networks() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.1.2.3",
            "198.18.0.1",
            "192.0.0.8",
        ] {
            let dns = TestDns::serve(&[("client.test", Data::A(address))]).await;
            let resolver = Resolver::new(Some(dns.address), QUERY_LIMIT).unwrap();
            let near = route(&resolver, "client.test", bounds(false)).await;
            let why = "its mail exchangers have private addresses";
            assert_eq!(near, Route::Nowhere(why), "{address}");
            let allowed = route(&resolver, "client.test", bounds(true)).await;
            assert_eq!(allowed, to(&[("client.test", address)]));
        }
        for address in [
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
        ] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in [
            "2001:db8::1",
            "192.0.2.1",
            "2002:c000:201::1",
            "100.128.0.1",
        ] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
        // One that is near hides no other that is far.
        let names = [
            ("client.test", Data::Mx(10, "a.client.test.")),
            ("client.test", Data::Mx(20, "b.client.test.")),
            ("a.client.test", Data::A("127.0.0.1")),
            ("b.client.test", Data::A("192.0.2.2")),
        ];
        let far = found(&names, "client.test").await;
        assert_eq!(far, to(&[("b.client.test", "192.0.2.2")]));
    }
}
