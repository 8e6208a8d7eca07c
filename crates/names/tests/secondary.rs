//! A primary and a secondary, both this part, over real sockets: transfers with TSIG, NOTIFY,
//! restart with the primary gone, steering.

use std::sync::Arc;

use domain::base::iana::{Opcode, Rtype};
use model::{Role, Service};
use names::config::{Source, Steer, Via};
use names::steer::Addresses;

use crate::ask::question;
use crate::house::{House, key, message, name, organisation, rcode, receive, send, standings, udp};

fn zone_file(serial: u32, hosts: u32) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "@ 3600 IN SOA ns1 hostmaster {serial} 3600 600 86400 300\n@ 3600 IN NS ns1\n\
         ns1 3600 IN A 192.0.2.53\nwww 3600 IN A 198.51.100.80\nwww 3600 IN AAAA 2001:db8::80\n"
    );
    for host in 0..hosts {
        writeln!(
            text,
            "h{host} 300 IN A 198.51.{}.{}",
            host / 250 % 250,
            host % 250
        )
        .unwrap();
    }
    text
}

struct Pair {
    folder: tempfile::TempDir,
    primary: House,
    secondary: House,
}

async fn pair(hosts: u32) -> Pair {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verein.zone");
    std::fs::write(&file, zone_file(7, hosts)).unwrap();
    let source = organisation("verein.test", Source::File(file));
    let primary = House::open(&folder.path().join("primary"), source).await;
    let mut copy = organisation("verein.test", Source::Primary(primary.at));
    copy.steer = Some(Steer {
        via: Via::Secondary,
        names: vec![name("www.verein.test")],
        addresses: Addresses {
            v4: vec!["192.0.2.7".parse().unwrap()],
            v6: Vec::new(),
        },
        primary: Addresses::default(),
    });
    let mut secondary = House::open(&folder.path().join("secondary"), copy).await;
    assert_eq!(secondary.transferred().await, 7);
    Pair {
        folder,
        primary,
        secondary,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_is_transferred_served_and_steered() {
    let Pair {
        primary, secondary, ..
    } = pair(2000).await;
    let web = question("www.verein.test", "A", false);
    let answer = udp(secondary.at, &web).await;
    assert!(answer.authoritative);
    assert_eq!(answer.answer, ["www.verein.test. 5 IN A 198.51.100.80"]);
    let last = udp(secondary.at, &question("h1999.verein.test", "A", false)).await;
    assert_eq!(last.answer.len(), 1);

    secondary.decide(standings(Service::Web, Role::Acting, 1));
    let acting = |reply: &crate::ask::Reply| reply.answer == ["www.verein.test. 5 IN A 192.0.2.7"];
    secondary.until(&web, acting).await;
    let v6 = udp(secondary.at, &question("www.verein.test", "AAAA", false)).await;
    assert!(v6.answer.is_empty() && v6.rcode == "NOERROR", "{v6:?}");
    let serial = udp(secondary.at, &question("verein.test", "SOA", false)).await;
    assert!(serial.answer[0].contains(" 7 3600 "), "{serial:?}");

    secondary.decide(standings(Service::Web, Role::Standby, 2));
    secondary
        .until(&web, |reply| reply.answer[0].ends_with("198.51.100.80"))
        .await;
    let facts = &secondary.handle.zones(secondary.host.clock.now())[0];
    assert!(
        facts.serving && !facts.signed && facts.not_steered.is_empty(),
        "{facts:?}"
    );
    assert_eq!(facts.serial, Some(7));
    let runway = facts.runway.unwrap().as_secs();
    assert!((86000..=86400).contains(&runway), "{runway}");
    secondary.close().await;
    primary.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_zone_is_served_with_the_primary_gone() {
    let Pair {
        folder,
        primary,
        secondary,
    } = pair(10).await;
    let at = primary.at;
    secondary.close().await;
    primary.close().await;
    let copy = organisation("verein.test", Source::Primary(at));
    let secondary = House::open(&folder.path().join("secondary"), copy).await;
    let web = question("www.verein.test", "A", false);
    secondary
        .until(&web, |reply| !reply.answer.is_empty())
        .await;
    secondary.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_key_or_another_one_gets_no_zone() {
    let Pair {
        folder,
        primary,
        secondary,
    } = pair(10).await;
    let mut stream = tokio::net::TcpStream::connect(primary.at).await.unwrap();
    send(
        &mut stream,
        &message("verein.test", Rtype::AXFR, Opcode::QUERY),
    )
    .await;
    assert_eq!(rcode(&receive(&mut stream).await.unwrap()), "REFUSED");
    // The connection goes on, and so do ordinary questions.
    send(&mut stream, &question("www.verein.test", "A", false)).await;
    assert_eq!(rcode(&receive(&mut stream).await.unwrap()), "NOERROR");
    assert_eq!(
        primary.counted("servergate_names_refusals_total{reason=\"transfer\"}"),
        1
    );

    let mut stranger = organisation("verein.test", Source::Primary(primary.at));
    stranger.key = Some(key("c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgbm90IG91cnM="));
    let stranger = House::open(&folder.path().join("stranger"), stranger).await;
    let failed = "servergate_names_transfers_failed_total";
    while stranger.counted(failed) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        primary.counted("servergate_names_refusals_total{reason=\"signature\"}"),
        1
    );
    let nothing = udp(stranger.at, &question("www.verein.test", "A", false)).await;
    assert_eq!(nothing.rcode, "SERVFAIL");
    stranger.close().await;
    secondary.close().await;
    primary.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notify_is_taken_from_the_primary_only() {
    let Pair {
        primary, secondary, ..
    } = pair(10).await;
    let notify = message("verein.test", Rtype::SOA, Opcode::NOTIFY);
    // Both are at 127.0.0.1, so this one comes from the primary's address.
    assert_eq!(udp(secondary.at, &notify).await.rcode, "NOERROR");
    let foreign = message("stadt.test", Rtype::SOA, Opcode::NOTIFY);
    assert_eq!(udp(secondary.at, &foreign).await.rcode, "NOTAUTH");
    // The primary itself is nobody's secondary.
    assert_eq!(udp(primary.at, &notify).await.rcode, "REFUSED");
    assert_eq!(secondary.counted("servergate_names_notifies_total"), 1);
    assert_eq!(
        secondary.counted("servergate_names_refusals_total{reason=\"notify\"}"),
        1
    );
    secondary.close().await;
    primary.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_zone_answers_with_the_primary_or_with_us() {
    let folder = tempfile::tempdir().unwrap();
    let mut organisation = organisation("verein.test", Source::None);
    organisation.zones.clear();
    organisation.steer = Some(Steer {
        via: Via::Zone {
            apex: name("gate.verein.test"),
            servers: vec![name("ns1.standby.test")],
        },
        names: vec![name("www.gate.verein.test")],
        addresses: ["192.0.2.7".parse().unwrap()].into_iter().collect(),
        primary: [
            "198.51.100.80".parse().unwrap(),
            "2001:db8::80".parse().unwrap(),
        ]
        .into_iter()
        .collect(),
    });
    let house = House::open(&folder.path().join("store"), organisation).await;
    let web = question("www.gate.verein.test", "A", false);
    let before = house.until(&web, |reply| !reply.answer.is_empty()).await;
    assert_eq!(
        before.answer,
        ["www.gate.verein.test. 5 IN A 198.51.100.80"]
    );
    assert_eq!(
        before.authority,
        ["gate.verein.test. 3600 IN NS ns1.standby.test."]
    );
    let soa = question("gate.verein.test", "SOA", false);
    assert!(udp(house.at, &soa).await.answer[0].contains(" 1 3600 "));
    house.decide(standings(Service::Web, Role::Acting, 4));
    house
        .until(&web, |reply| reply.answer[0].ends_with("192.0.2.7"))
        .await;
    assert!(udp(house.at, &soa).await.answer[0].contains(" 5 3600 "));
    let v6 = udp(house.at, &question("www.gate.verein.test", "AAAA", false)).await;
    assert!(
        v6.answer.is_empty() && v6.authority[0].contains(" 5 IN SOA "),
        "{v6:?}"
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_secondaries_hear_of_a_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verein.zone");
    std::fs::write(&file, zone_file(7, 5)).unwrap();
    let listener = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let source = organisation("verein.test", Source::File(file));
    let primary = House::open(&folder.path().join("primary"), source).await;
    let mut copy = organisation("verein.test", Source::Primary(primary.at));
    copy.notify = vec![listener.local_addr().unwrap()];
    let mut secondary = House::open(&folder.path().join("secondary"), copy).await;
    secondary.transferred().await;
    let mut bytes = vec![0; 1232];
    let received = tokio::time::timeout(crate::house::SOON, listener.recv_from(&mut bytes)).await;
    let (len, _) = received.unwrap().unwrap();
    bytes.truncate(len);
    let mut notice = domain::base::Message::from_octets(bytes).unwrap();
    assert_eq!(notice.header().opcode(), Opcode::NOTIFY);
    let now = domain::rdata::tsig::Time48::from_u64(
        secondary.host.clock.now().wall.millis() as u64 / 1000,
    );
    let key: Arc<domain::tsig::Key> = key("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    let signed = domain::tsig::ServerTransaction::request(&key, &mut notice, now);
    assert!(
        matches!(signed, Ok(Some(_))),
        "the notice is signed with the key"
    );
    secondary.close().await;
    primary.close().await;
}
