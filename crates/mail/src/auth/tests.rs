//! The checks against a name server on loopback.

use std::net::IpAddr;
use std::time::Duration;

use host::Clock;
use tokio::net::UdpSocket;

use super::check::{Checker, LIMIT, Subject, unknown};
use super::resolver::{Exchanger, LookupError, QUERY_LIMIT, Resolver, Tlsa};
use super::sign::Signer;
use super::testdns::{Data, TestDns};
use super::verdict::{Dkim, Heard, Identity, Outcome, Policy, Verdicts};

mod dkim;
mod dmarc;
mod spf;
mod time;

const HOST: &str = "mx.standby.example";
const CLIENT: &str = "192.0.2.25";

/// Real questions on loopback are answered at once, also where two cores do much else.
const PATIENCE: Duration = Duration::from_secs(180);

fn txt(text: &str) -> Data {
    Data::Txt(text.to_owned())
}

fn resolver(dns: &TestDns) -> Resolver {
    Resolver::new(Some(dns.address), PATIENCE).unwrap()
}

fn subject<'a>(mail_from: Option<&'a str>, message: &'a [u8]) -> Subject<'a> {
    Subject {
        client: CLIENT.parse().unwrap(),
        helo: "client.verein.test",
        mail_from,
        message,
    }
}

async fn check(dns: &TestDns, subject: Subject<'_>) -> Verdicts {
    let checker = Checker::new(resolver(dns), HOST);
    sendable(checker.check(subject, PATIENCE)).await
}

/// Checks run as tasks of their own.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn the_resolver_reads_each_kind() {
    let dns = TestDns::serve(&[
        ("verein.test", Data::Mx(20, "B.verein.test")),
        ("verein.test", Data::Mx(10, "a.verein.test")),
        ("null.test", Data::Mx(0, ".")),
        ("verein.test", txt(&"long ".repeat(100))),
        ("_25._tcp.a.verein.test", Data::Tlsa(3, 1, 1, vec![7; 32])),
        ("25.2.0.192.in-addr.arpa", Data::Ptr("A.verein.test")),
        ("broken.test", Data::Broken),
        ("large.test", txt("one")),
        ("large.test", Data::Large),
    ])
    .await;
    let resolver = resolver(&dns);
    let exchanger = |preference, host: &str| Exchanger {
        preference,
        host: host.to_owned(),
    };
    assert_eq!(
        resolver.mx("Verein.test").await.unwrap(),
        [
            exchanger(10, "a.verein.test"),
            exchanger(20, "b.verein.test")
        ]
    );
    assert_eq!(resolver.mx("null.test").await.unwrap(), [exchanger(0, "")]);
    assert_eq!(
        resolver.txt("verein.test.").await.unwrap(),
        ["long ".repeat(100)]
    );
    let tlsa = Tlsa {
        usage: 3,
        selector: 1,
        matching: 1,
        data: vec![7; 32],
    };
    let found = resolver.tlsa("_25._tcp.a.verein.test").await;
    assert_eq!(found.unwrap(), [tlsa]);
    let address: IpAddr = CLIENT.parse().unwrap();
    assert_eq!(resolver.ptr(address).await.unwrap(), ["a.verein.test"]);
    assert_eq!(dns.over_tcp(), 0);
    assert_eq!(resolver.txt("large.test").await.unwrap(), ["one"]);
    assert_eq!(
        dns.over_tcp(),
        1,
        "the truncated answer was asked for again"
    );

    assert_eq!(
        resolver.tlsa("verein.test").await.unwrap(),
        [],
        "no such type"
    );
    assert_eq!(resolver.mx("none.test").await, Err(LookupError::NoSuchName));
    let too_long = "a".repeat(64) + ".test";
    assert_eq!(resolver.mx(&too_long).await, Err(LookupError::NoSuchName));
    let failed = resolver.mx("broken.test").await;
    assert!(
        matches!(failed, Err(LookupError::NoAnswer(_))),
        "{failed:?}"
    );
}

#[tokio::test]
async fn an_answer_is_asked_for_once() {
    let dns = TestDns::serve(&[("verein.test", txt("one"))]).await;
    let resolver = resolver(&dns);
    for _ in 0..3 {
        let clone = resolver.clone();
        assert_eq!(clone.txt("verein.test").await.unwrap(), ["one"]);
    }
    assert_eq!(dns.asked(), 1);
    assert!(resolver.answers(PATIENCE).await, "NXDOMAIN is an answer");
    assert!(resolver.answers(PATIENCE).await);
    assert_eq!(dns.asked(), 3, "and is asked for anew");
}
