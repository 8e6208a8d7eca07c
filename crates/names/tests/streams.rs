//! Guests on streams: several questions at once, slow ones, silent ones, too many.
//!
//! The clock is paused: it jumps to the next deadline when nobody has anything to do.

use std::time::Duration;

use names::config::{Source, Steer, Via};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ask::{question, read};
use crate::house::{House, name, organisation, receive, send};

async fn house(folder: &std::path::Path) -> House {
    let mut organisation = organisation("verein.test", Source::None);
    organisation.zones.clear();
    organisation.steer = Some(Steer {
        via: Via::Zone {
            apex: name("gate.test"),
            glue: Vec::new(),
            servers: vec![name("ns1.gate.test")],
        },
        names: vec![name("www.gate.test"), name("shop.gate.test")],
        addresses: ["192.0.2.7".parse().unwrap()].into_iter().collect(),
        primary: ["198.51.100.80".parse().unwrap()].into_iter().collect(),
    });
    House::open(folder, organisation).await
}

const SLOW: &str = "servergate_names_refusals_total{reason=\"slow\"}";

#[tokio::test]
async fn questions_in_one_packet_are_answered_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path()).await;
    let mut stream = TcpStream::connect(house.at).await.unwrap();
    let mut all = Vec::new();
    let names = [
        "www.gate.test",
        "shop.gate.test",
        "nope.gate.test",
        "www.gate.test",
    ];
    for name in names {
        let question = question(name, "A", false);
        all.extend_from_slice(&(question.len() as u16).to_be_bytes());
        all.extend_from_slice(&question);
    }
    stream.write_all(&all).await.unwrap();
    for name in names {
        let reply = read(&receive(&mut stream).await.unwrap());
        match name {
            "nope.gate.test" => assert_eq!(reply.rcode, "NXDOMAIN"),
            _ => assert_eq!(reply.answer, [format!("{name}. 5 IN A 198.51.100.80")]),
        }
    }
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_drips_a_question_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path()).await;
    let mut stream = TcpStream::connect(house.at).await.unwrap();
    let question = question("www.gate.test", "A", false);
    let mut framed = (question.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(&question);
    let before = house.host.clock.now().mono;
    let mut cut = false;
    for octet in framed {
        // One octet a second: each arrives in time, the question does not.
        house.host.clock.sleep(Duration::from_secs(1)).await;
        if stream.write_all(&[octet]).await.is_err() {
            cut = true;
            break;
        }
    }
    let end = stream.read(&mut [0; 16]).await;
    assert!(cut || matches!(end, Ok(0) | Err(_)), "{end:?}");
    assert_eq!(house.counted(SLOW), 1);
    assert!(house.host.clock.now().mono.since(before) < Duration::from_secs(60));
    house.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_guest_is_let_go_and_not_held_against() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path()).await;
    let mut stream = TcpStream::connect(house.at).await.unwrap();
    send(&mut stream, &question("www.gate.test", "A", false)).await;
    receive(&mut stream).await.unwrap();
    let before = house.host.clock.now().mono;
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    let waited = house.host.clock.now().mono.since(before);
    assert!(
        waited >= Duration::from_secs(9) && waited < Duration::from_secs(20),
        "{waited:?}"
    );
    assert_eq!(house.counted(SLOW), 0);
    house.close().await;
}

#[tokio::test]
async fn one_network_cannot_take_all_places() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path()).await;
    let mut guests = Vec::new();
    for _ in 0..100 {
        let mut guest = TcpStream::connect(house.at).await.unwrap();
        send(&mut guest, &question("www.gate.test", "A", false)).await;
        receive(&mut guest).await.unwrap();
        guests.push(guest);
    }
    let mut late = TcpStream::connect(house.at).await.unwrap();
    assert!(matches!(late.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    assert_eq!(
        house.counted("servergate_names_refusals_total{reason=\"connection\"}"),
        1
    );
    // Datagrams are not concerned.
    let reply = crate::house::udp(house.at, &question("www.gate.test", "A", false)).await;
    assert_eq!(reply.rcode, "NOERROR");
    house.close().await;
}

#[tokio::test]
async fn malformed_messages_do_not_end_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path()).await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(house.at).await.unwrap();
    let mut answers = 0;
    for (_, bytes, want) in crate::guests::malformed() {
        socket.send(&bytes).await.unwrap();
        answers += usize::from(want.is_some());
    }
    socket.send(&[0; 4000]).await.unwrap();
    let mut buffer = [0; 4096];
    for _ in 0..answers {
        let received = tokio::time::timeout(crate::house::SOON, socket.recv(&mut buffer)).await;
        received.expect("an answer in time").unwrap();
    }
    let reply = crate::house::udp(house.at, &question("www.gate.test", "A", false)).await;
    assert_eq!(reply.answer.len(), 1);
    assert_eq!(
        house.counted("servergate_names_refusals_total{reason=\"oversized\"}"),
        1
    );
    assert_eq!(
        house.counted("servergate_names_answers_total{outcome=\"dropped\"}"),
        4
    );
    assert_eq!(house.host.tasks.panicked(), 0);
    house.close().await;
}
