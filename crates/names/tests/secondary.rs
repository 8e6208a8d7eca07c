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

/// A NOTIFY about `zone`, signed with `key`; its serial is not said.
fn signed_notify(secret: &str) -> Vec<u8> {
    let mut builder = domain::base::MessageBuilder::new_vec();
    builder.header_mut().set_opcode(Opcode::NOTIFY);
    let mut builder = builder.question();
    let apex: domain::base::Name<Vec<u8>> = "verein.test".parse().unwrap();
    builder.push((apex, Rtype::SOA)).unwrap();
    let mut builder = builder.additional();
    let now = host::Clock::system().now().wall.millis();
    let now = domain::rdata::tsig::Time48::from_u64(now as u64 / 1000);
    domain::tsig::ClientTransaction::request(key(secret), &mut builder, now).unwrap();
    builder.finish()
}

const RIGHT: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const WRONG: &str = "c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgbm90IG91cnM=";

/// Asks from another address of this machine than 127.0.0.1.
async fn udp_from(from: &str, at: std::net::SocketAddr, question: &[u8]) -> String {
    let socket = tokio::net::UdpSocket::bind((from, 0)).await.unwrap();
    socket.connect(at).await.unwrap();
    socket.send(question).await.unwrap();
    let mut answer = vec![0; 1232];
    let received = tokio::time::timeout(crate::house::SOON, socket.recv(&mut answer)).await;
    answer.truncate(received.unwrap().unwrap());
    rcode(&answer)
}

/// The right key is believed wherever it comes from; the address counts where there is none.
#[tokio::test(flavor = "multi_thread")]
async fn notify_is_believed_by_key_and_else_by_address() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verein.zone");
    std::fs::write(&file, zone_file(7, 1)).unwrap();
    let source = organisation("verein.test", Source::File(file));
    let primary = House::open(&folder.path().join("primary"), source).await;
    let mut copy = organisation("verein.test", Source::Primary(primary.at));
    copy.notify_from = vec!["127.0.0.4".parse().unwrap()];
    let mut house = House::open(&folder.path().join("secondary"), copy).await;
    house.transferred().await;
    let at = house.at;
    let unsigned = message("verein.test", Rtype::SOA, Opcode::NOTIFY);
    let taken = || house.counted("servergate_names_notifies_total");
    assert_eq!(udp_from("127.0.0.3", at, &unsigned).await, "REFUSED");
    assert_eq!(taken(), 0);
    assert_eq!(udp_from("127.0.0.4", at, &unsigned).await, "NOERROR");
    assert_eq!(taken(), 1);
    assert_eq!(
        udp_from("127.0.0.3", at, &signed_notify(RIGHT)).await,
        "NOERROR"
    );
    assert_eq!(taken(), 2);
    // A wrong key is refused; from the primary's address it is a reason to ask all the same.
    assert_eq!(
        udp_from("127.0.0.3", at, &signed_notify(WRONG)).await,
        "NOTAUTH"
    );
    assert_eq!(taken(), 2);
    assert_eq!(
        udp_from("127.0.0.1", at, &signed_notify(WRONG)).await,
        "NOTAUTH"
    );
    assert_eq!(taken(), 3);
    house.close().await;
    primary.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_hears_what_came_of_a_refresh_and_may_take_an_older_version() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verein.zone");
    let zone = name("verein.test");
    std::fs::write(&file, zone_file(7, 1)).unwrap();
    let source = || organisation("verein.test", Source::File(file.clone()));
    let primary = House::open(&folder.path().join("primary"), source()).await;
    let at = primary.at;
    let copy = organisation("verein.test", Source::Primary(at));
    let mut house = House::open(&folder.path().join("secondary"), copy).await;
    house.transferred().await;
    assert_eq!(
        house.handle.transferred_zones(),
        std::slice::from_ref(&zone)
    );
    let came = house.handle.refresh(&zone, false).await;
    assert_eq!(came, names::Came::Unchanged { serial: 7 });
    assert_eq!(
        house.handle.refresh(&name("stadt.test"), false).await,
        names::Came::NotTransferred
    );
    primary.close().await;

    let facts = |house: &House| house.handle.zones(house.host.clock.now()).remove(0);
    let came = house.handle.refresh(&zone, false).await;
    assert!(matches!(came, names::Came::Failed { .. }), "{came:?}");
    let trouble = facts(&house).trouble.expect("it is known");
    assert!(trouble.reason.contains("cannot be reached"), "{trouble:?}");
    house.close().await;

    std::fs::write(&file, zone_file(3, 1)).unwrap();
    let primary = House::open(&folder.path().join("primary-2"), source()).await;
    let copy = organisation("verein.test", Source::Primary(primary.at));
    let house = House::open(&folder.path().join("secondary"), copy).await;
    let came = house.handle.refresh(&zone, false).await;
    let behind = names::Came::Behind {
        ours: 7,
        primary: 3,
    };
    assert_eq!(came, behind);
    assert_eq!(facts(&house).behind, Some(3));
    assert_eq!(facts(&house).trouble, None);
    let came = house.handle.refresh(&zone, true).await;
    assert_eq!(
        came,
        names::Came::New {
            from: Some(7),
            to: 3
        }
    );
    assert_eq!(facts(&house).serial, Some(3));
    assert_eq!(facts(&house).behind, None);
    house.close().await;
    primary.close().await;
}

/// Primaries that let only one address transfer see that address.
#[tokio::test(flavor = "multi_thread")]
async fn the_source_address_of_transfers_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut copy = organisation(
        "verein.test",
        Source::Primary(listener.local_addr().unwrap()),
    );
    copy.transfer_from = Some("127.0.0.9".parse().unwrap());
    let house = House::open(folder.path(), copy).await;
    let accepted = tokio::time::timeout(crate::house::SOON, listener.accept()).await;
    let (_stream, peer) = accepted.unwrap().unwrap();
    assert_eq!(peer.ip().to_string(), "127.0.0.9");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_zone_answers_with_the_primary_or_with_us() {
    let folder = tempfile::tempdir().unwrap();
    let mut organisation = organisation("verein.test", Source::None);
    organisation.zones.clear();
    organisation.steer = Some(Steer {
        via: Via::Zone {
            apex: name("gate.verein.test"),
            servers: vec![name("ns1.standby.test"), name("ns2.gate.verein.test")],
            glue: vec![(
                name("ns2.gate.verein.test"),
                ["192.0.2.9".parse().unwrap()].into_iter().collect(),
            )],
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
        [
            "gate.verein.test. 3600 IN NS ns1.standby.test.",
            "gate.verein.test. 3600 IN NS ns2.gate.verein.test."
        ]
    );
    // A name server within the zone has its own address, whoever serves the web.
    let own = question("ns2.gate.verein.test", "A", false);
    let own = udp(house.at, &own).await;
    assert_eq!(own.answer, ["ns2.gate.verein.test. 3600 IN A 192.0.2.9"]);
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
