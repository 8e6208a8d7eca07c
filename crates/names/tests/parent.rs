//! What the parent says about a zone, asked over real sockets: this part plays parent and
//! resolver in one.

use names::config::Source;
use names::steer::Addresses;
use names::{Server, answers, coverage, delegation};

use crate::house::{House, name, organisation};

#[tokio::test]
async fn the_delegation_is_read_from_the_parent_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.zone");
    let text = "@ 3600 SOA ns h 1 3600 600 86400 300\n@ 3600 NS ns\nns 3600 A 127.0.0.1\n\
        verein 3600 NS ns1.standby\nverein 3600 NS ns.verein\nverein 3600 NS ns2.primary\n\
        ns.verein 3600 A 198.51.100.53\nns1.standby 3600 A 192.0.2.7\n\
        ns1.standby 3600 AAAA 2001:db8::7\nns2.primary 3600 A 198.51.100.54\n";
    std::fs::write(&file, text).unwrap();
    let store = folder.path().join("store");
    let house = House::open(&store, organisation("test", Source::File(file))).await;
    let port = house.at.port();
    let mut servers = delegation(host::net::Net::Real, house.at, port, &name("verein.test"))
        .await
        .unwrap();
    servers.sort_by_key(|(name, _)| name.to_string());
    let names: Vec<_> = servers.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(
        names,
        ["ns.verein.test", "ns1.standby.test", "ns2.primary.test"]
    );
    let ours: Addresses = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()]
        .into_iter()
        .collect();
    let coverage = coverage(&servers, &ours);
    assert_eq!(coverage.ours, [name("ns1.standby.test")]);
    assert_eq!(coverage.percent(), 33);
    assert!(
        delegation(host::net::Net::Real, house.at, port, &name("stadt.test"))
            .await
            .is_err()
    );
    house.close().await;
}

#[tokio::test]
async fn each_name_server_is_asked_what_resolvers_get_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.zone");
    // This part plays parent, resolver and the primary's name server.
    let text = "@ 3600 SOA ns h 1 3600 600 86400 300\n@ 3600 NS ns\nns 3600 A 127.0.0.1\n\
        verein 3600 NS ns1.standby\nverein 3600 NS ns\nns1.standby 3600 A 192.0.2.7\n\
        www 3600 A 198.51.100.80\nwww 600 AAAA 2001:db8::80\nshop 60 A 198.51.100.80\n";
    std::fs::write(&file, text).unwrap();
    let store = folder.path().join("store");
    let house = House::open(&store, organisation("test", Source::File(file))).await;
    let ours: Addresses = ["192.0.2.7".parse().unwrap()].into_iter().collect();
    let net = host::net::Net::Real;
    for (names, ttl) in [
        (vec!["www.test", "shop.test"], Some(3_600)),
        (vec!["shop.test"], Some(60)),
        (vec!["nobody.test"], None),
    ] {
        let names: Vec<_> = names.into_iter().map(name).collect();
        let zone = name("verein.test");
        let mut found = answers(net, house.at, house.at.port(), &zone, &names, &ours)
            .await
            .unwrap();
        found.sort_by_key(|server| server.name.to_string());
        let server = |text, ours, ttl| Server {
            name: name(text),
            ours,
            ttl,
        };
        let want = [
            server("ns.test", false, ttl),
            server("ns1.standby.test", true, Some(5)),
        ];
        assert_eq!(found, want);
    }
    house.close().await;
}
