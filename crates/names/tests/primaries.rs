//! Primaries that misbehave: whatever they send, the version that is served stays whole.

use std::net::SocketAddr;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::{Message, Name as WireName, Serial, Ttl};
use domain::rdata::{A, Soa};
use names::Limits;
use names::config::Source;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::ask::question;
use crate::house::{House, message, organisation, receive, send, udp};

/// How the primary answers one connection.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// A zone of this serial with as many hosts.
    Whole(u32, u32),
    /// The same, but the connection ends before the last record.
    Half(u32, u32),
    /// The same, but it never ends.
    Endless(u32),
    /// A SOA answer with this serial.
    Serial(u32),
    /// Only the code.
    Code(Rcode),
    /// Bytes that are no DNS.
    Rubbish,
    /// The right answer to somebody else's question.
    WrongId(u32),
    /// An IXFR from one serial to the next: one host goes, one comes.
    Change(u32),
    /// The same, one record a message: the SOA comes alone.
    Alone(u32),
    /// A zone of this serial whose first host is gone.
    Later(u32, u32),
    /// Hangs up without a word.
    HangsUp,
}

/// A primary that follows a script, one manner a connection; tells which type was asked for.
async fn primary(script: Vec<Manner>) -> (SocketAddr, mpsc::Receiver<Rtype>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (sender, asked) = mpsc::channel(16);
    #[allow(clippy::disallowed_methods)] // a peer of the test, not a task of the part
    tokio::spawn(async move {
        for manner in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = Message::from_octets(receive(&mut stream).await.unwrap()).unwrap();
            sender
                .send(request.sole_question().unwrap().qtype())
                .await
                .unwrap();
            answer(&mut stream, &request, manner).await;
        }
        // Whoever comes later finds nobody.
    });
    (at, asked)
}

type Item = (Option<u32>, Option<u32>);

async fn answer(stream: &mut TcpStream, request: &Message<Vec<u8>>, manner: Manner) {
    let soa = |serial: u32| -> Item { (Some(serial), None) };
    let hosts = |count: u32| (0..count).map(|host| -> Item { (None, Some(host)) });
    let items: Vec<Item> = match manner {
        Manner::Whole(serial, count) => [soa(serial)]
            .into_iter()
            .chain(hosts(count))
            .chain([soa(serial)])
            .collect(),
        Manner::Later(serial, count) => [soa(serial)]
            .into_iter()
            .chain(hosts(count).skip(1))
            .chain([soa(serial)])
            .collect(),
        Manner::Half(serial, count) => [soa(serial)].into_iter().chain(hosts(count)).collect(),
        Manner::Serial(serial) | Manner::WrongId(serial) => vec![soa(serial)],
        Manner::HangsUp => return,
        Manner::Change(from) | Manner::Alone(from) => {
            let host = |host| -> Item { (None, Some(host)) };
            vec![
                soa(from + 1),
                soa(from),
                host(0),
                soa(from + 1),
                host(999),
                soa(from + 1),
            ]
        }
        Manner::Endless(serial) => {
            let first = [soa(serial)]
                .into_iter()
                .chain(hosts(500))
                .collect::<Vec<_>>();
            send(stream, &build(request, &first, Rcode::NOERROR, 0)).await;
            let more = hosts(500).collect::<Vec<_>>();
            // Until the other side hangs up.
            loop {
                let bytes = build(request, &more, Rcode::NOERROR, 0);
                let mut framed = (bytes.len() as u16).to_be_bytes().to_vec();
                framed.extend_from_slice(&bytes);
                if tokio::io::AsyncWriteExt::write_all(stream, &framed)
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
        Manner::Code(rcode) => return send(stream, &build(request, &[], rcode, 0)).await,
        Manner::Rubbish => return send(stream, &[0xff; 40]).await,
    };
    let other_id = u16::from(matches!(manner, Manner::WrongId(_)));
    let many = match manner {
        Manner::Alone(_) => 1,
        _ => 1000,
    };
    for part in items.chunks(many) {
        send(stream, &build(request, part, Rcode::NOERROR, other_id)).await;
    }
}

fn build(request: &Message<Vec<u8>>, items: &[Item], rcode: Rcode, id_off: u16) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder
        .header_mut()
        .set_id(request.header().id().wrapping_add(id_off));
    builder.header_mut().set_qr(true);
    builder.header_mut().set_rcode(rcode);
    let mut builder = builder.question();
    builder.push(request.sole_question().unwrap()).unwrap();
    let mut builder = builder.answer();
    let name = |text: &str| text.parse::<WireName<Vec<u8>>>().unwrap();
    for (serial, host) in items {
        if let Some(serial) = serial {
            let secs = Ttl::from_secs;
            let (hour, day) = (secs(3600), secs(86400));
            let soa = Soa::new(
                name("ns1.verein.test"),
                name("h.verein.test"),
                Serial(*serial),
                hour,
                secs(600),
                day,
                secs(300),
            );
            builder
                .push((name("verein.test"), Class::IN, 300, soa))
                .unwrap();
        }
        if let Some(host) = host {
            let address = A::from_octets(198, 51, (host >> 8) as u8, *host as u8);
            builder
                .push((
                    name(&format!("h{host}.verein.test")),
                    Class::IN,
                    300,
                    address,
                ))
                .unwrap();
        }
    }
    builder.finish()
}

async fn secondary(folder: &std::path::Path, at: SocketAddr) -> House {
    let mut organisation = organisation("verein.test", Source::Primary(at));
    organisation.key = None;
    let limits = Limits {
        records: 5000,
        bytes: 1 << 20,
    };
    House::open_with(folder, vec![organisation], limits).await
}

/// Serial 7 is served; the primary announces 8 and then behaves as scripted.
async fn after(script: &[Manner], asked: &[Rtype], failures: u64) {
    let folder = tempfile::tempdir().unwrap();
    let script = [&[Manner::Whole(7, 3)], script].concat();
    let (at, mut types) = primary(script).await;
    let mut house = secondary(folder.path(), at).await;
    assert_eq!(house.transferred().await, 7);
    assert_eq!(types.recv().await, Some(Rtype::AXFR));
    let notify = message("verein.test", Rtype::SOA, Opcode::NOTIFY);
    assert_eq!(udp(house.at, &notify).await.rcode, "NOERROR");
    for rtype in asked {
        let next = tokio::time::timeout(crate::house::SOON, types.recv()).await;
        assert_eq!(next.expect("a question in time").as_ref(), Some(rtype));
    }
    while house.counted("servergate_names_transfers_failed_total") < failures {
        tokio::task::yield_now().await;
    }
    let soa = udp(house.at, &question("verein.test", "SOA", false)).await;
    assert!(soa.answer[0].contains(" 7 3600 "), "{soa:?}");
    assert_eq!(
        udp(house.at, &question("h2.verein.test", "A", false))
            .await
            .answer
            .len(),
        1
    );
    house.close().await;
    // And so it is after a restart.
    let house = secondary(folder.path(), at).await;
    house
        .until(&question("h2.verein.test", "A", false), |reply| {
            reply.answer.len() == 1
        })
        .await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_transfer_never_replaces_a_zone() {
    after(
        &[Manner::Serial(8), Manner::Half(8, 2000)],
        &[Rtype::SOA, Rtype::IXFR],
        1,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_without_end_is_cut() {
    let script = [Manner::Serial(8), Manner::Endless(8), Manner::Endless(8)];
    after(&script, &[Rtype::SOA, Rtype::IXFR, Rtype::AXFR], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_refusals_and_foreign_answers_change_nothing() {
    after(&[Manner::Rubbish], &[Rtype::SOA], 1).await;
    after(&[Manner::WrongId(8)], &[Rtype::SOA], 1).await;
    after(&[Manner::Code(Rcode::SERVFAIL)], &[Rtype::SOA], 1).await;
    let refused = [
        Manner::Serial(8),
        Manner::Code(Rcode::NOTIMP),
        Manner::Code(Rcode::REFUSED),
    ];
    after(&refused, &[Rtype::SOA, Rtype::IXFR, Rtype::AXFR], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_applied_kept_and_sent_on() {
    let folder = tempfile::tempdir().unwrap();
    let script = vec![
        Manner::Whole(7, 300),
        Manner::Serial(8),
        Manner::Change(7),
        Manner::Serial(9),
        Manner::Code(Rcode::NOTIMP),
        Manner::Whole(9, 4),
    ];
    let (at, mut types) = primary(script).await;
    let mut house = secondary(folder.path(), at).await;
    assert_eq!(house.transferred().await, 7);
    let notify = message("verein.test", Rtype::SOA, Opcode::NOTIFY);
    udp(house.at, &notify).await;
    assert_eq!(house.transferred().await, 8);
    let host = |number: u32| question(&format!("h{number}.verein.test"), "A", false);
    assert_eq!(udp(house.at, &host(0)).await.rcode, "NXDOMAIN");
    assert_eq!(udp(house.at, &host(999)).await.answer.len(), 1);
    house.close().await;

    // The change was kept as a change; a restart puts both together, with the primary gone.
    let nobody = {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        gone.local_addr().unwrap()
    };
    let house = secondary(folder.path(), nobody).await;
    house
        .until(&host(999), |reply| reply.answer.len() == 1)
        .await;
    assert_eq!(udp(house.at, &host(0)).await.rcode, "NXDOMAIN");
    house.close().await;

    let mut house = secondary(folder.path(), at).await;
    // The restart asked at once; IXFR did not work, AXFR did.
    assert_eq!(house.transferred().await, 9);
    assert_eq!(udp(house.at, &host(999)).await.rcode, "NXDOMAIN");
    let mut asked = Vec::new();
    while let Ok(rtype) = types.try_recv() {
        asked.push(rtype);
    }
    let (soa, ixfr, axfr) = (Rtype::SOA, Rtype::IXFR, Rtype::AXFR);
    assert_eq!(asked, [axfr, soa, ixfr, soa, ixfr, axfr]);
    house.close().await;
}

/// What came of a change from 7 to 8 when the primary answers the questions after NOTIFY like this.
async fn change(script: &[Manner], asked: &[Rtype]) {
    let folder = tempfile::tempdir().unwrap();
    let script = [&[Manner::Whole(7, 300)], script].concat();
    let (at, mut types) = primary(script).await;
    let mut house = secondary(folder.path(), at).await;
    assert_eq!(house.transferred().await, 7);
    let notify = message("verein.test", Rtype::SOA, Opcode::NOTIFY);
    udp(house.at, &notify).await;
    assert_eq!(house.transferred().await, 8);
    let host = |number: u32| question(&format!("h{number}.verein.test"), "A", false);
    assert_eq!(udp(house.at, &host(1)).await.answer.len(), 1);
    assert_eq!(udp(house.at, &host(0)).await.rcode, "NXDOMAIN");
    assert_eq!(types.recv().await, Some(Rtype::AXFR));
    for rtype in asked {
        assert_eq!(types.recv().await.as_ref(), Some(rtype));
    }
    house.close().await;
}

/// As PowerDNS answers: the SOA alone in the first message, everything else later.
#[tokio::test(flavor = "multi_thread")]
async fn a_soa_alone_in_the_first_message_is_no_nothing_new() {
    let (soa, ixfr) = (Rtype::SOA, Rtype::IXFR);
    change(&[Manner::Serial(8), Manner::Alone(7)], &[soa, ixfr]).await;
}

/// A newer SOA and no more, a connection closed, a code: IXFR is not understood, AXFR is.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_does_not_know_ixfr_is_asked_for_everything() {
    let asked = [Rtype::SOA, Rtype::IXFR, Rtype::AXFR];
    for manner in [
        Manner::Serial(8),
        Manner::HangsUp,
        Manner::Code(Rcode::FORMERR),
        Manner::Code(Rcode::NOTIMP),
        Manner::Rubbish,
    ] {
        change(&[Manner::Serial(8), manner, Manner::Later(8, 300)], &asked).await;
    }
}

/// One server behind the primary's address lags: a whole transfer does not take the zone back.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_transfer_never_takes_the_zone_back() {
    let script = [
        Manner::Serial(8),
        Manner::Code(Rcode::NOTIMP),
        Manner::Whole(6, 1),
    ];
    after(&script, &[Rtype::SOA, Rtype::IXFR, Rtype::AXFR], 1).await;
}
