//! DNS: lame, refusing, forging, silent and cut-short name servers.

use ::domain::base::iana::Rcode;
use ::domain::base::{Message, MessageBuilder, Name, Ttl};
use ::domain::rdata::Soa;
use model::DnsFault;
use tokio::net::UdpSocket;

use super::*;

type Zone = Name<Vec<u8>>;

const ZONE: &str = "verein.test";

async fn query(address: SocketAddr, limit: Duration) -> Measured {
    let zone = ZONE.into();
    let probe = Probe::Dns { address, zone };
    ask(&Prepared::new(probe, None, false), limit, None).await
}

/// A name server that answers the nth question (from 1) with these datagrams.
async fn server(
    answers: impl Fn(u32, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, Tasks) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let tasks = Tasks::default();
    tasks.spawn("server", async move {
        let mut buffer = [0; 512];
        let mut nth = 0;
        while let Ok((length, guest)) = socket.recv_from(&mut buffer).await {
            nth += 1;
            for answer in answers(nth, &buffer[..length]) {
                let _ = socket.send_to(&answer, guest).await;
            }
        }
    });
    (address, tasks)
}

/// An answer with this code and authority; with the SOA of `owner`, if any.
fn answer(question: &[u8], rcode: Rcode, authoritative: bool, owner: Option<&str>) -> Vec<u8> {
    let question = Message::from_octets(question).unwrap();
    let mut message = MessageBuilder::new_vec()
        .start_answer(&question, rcode)
        .unwrap();
    message.header_mut().set_aa(authoritative);
    if let Some(owner) = owner {
        let owner: Zone = owner.parse().unwrap();
        let name: Zone = "ns.verein.test".parse().unwrap();
        let hour = Ttl::from_hours(1);
        let soa = Soa::new(name.clone(), name, 7.into(), hour, hour, hour, hour);
        message.push((owner, hour, soa)).unwrap();
    }
    message.finish()
}

fn good(question: &[u8]) -> Vec<u8> {
    answer(question, Rcode::NOERROR, true, Some(ZONE))
}

#[tokio::test]
async fn the_zones_soa_with_authority_is_good() {
    let (address, _) = server(|_, question| vec![good(question)]).await;
    let measured = query(address, LONG).await;
    assert!(measured.is_good(), "{measured:?}");
    assert_eq!(phases(&measured), [Phase::Query]);
}

#[tokio::test]
async fn each_wrong_answer_has_its_name() {
    let table: [(Rcode, bool, Option<&str>, DnsFault); 8] = [
        (
            Rcode::NOERROR,
            false,
            Some(ZONE),
            DnsFault::NotAuthoritative,
        ),
        (Rcode::NOERROR, true, None, DnsFault::NoSuchName),
        (Rcode::NOERROR, true, Some("test"), DnsFault::NoSuchName),
        (Rcode::NXDOMAIN, true, None, DnsFault::NoSuchName),
        (Rcode::REFUSED, false, None, DnsFault::Refused),
        (Rcode::NOTAUTH, false, None, DnsFault::Refused),
        (Rcode::SERVFAIL, false, None, DnsFault::ServerFailure),
        (Rcode::FORMERR, false, None, DnsFault::Malformed),
    ];
    for (rcode, authoritative, owner, fault) in table {
        let (address, _) =
            server(move |_, question| vec![answer(question, rcode, authoritative, owner)]).await;
        let measured = query(address, LONG).await;
        assert_eq!(failed(&measured), Failure::Dns(fault), "{rcode}");
    }
}

#[tokio::test]
async fn a_refusal_without_the_question_is_heard_too() {
    let (address, _) = server(|_, question| {
        let mut bytes = answer(question, Rcode::REFUSED, false, None);
        bytes.truncate(12);
        bytes[5] = 0;
        vec![bytes]
    })
    .await;
    let refused = Failure::Dns(DnsFault::Refused);
    assert_eq!(failed(&query(address, LONG).await), refused);
}

#[tokio::test]
async fn forged_answers_are_passed_over() {
    let (address, _) = server(|_, question| {
        let mut other_id = answer(question, Rcode::NXDOMAIN, true, None);
        other_id[0] ^= 0x55;
        let mut other_name = answer(question, Rcode::NXDOMAIN, true, None);
        other_name[13] ^= 0x01;
        let echo = question.to_vec();
        vec![other_id, other_name, echo, vec![1, 2, 3], good(question)]
    })
    .await;
    let measured = query(address, LONG).await;
    assert!(measured.is_good(), "{measured:?}");
}

#[tokio::test]
async fn nonsense_alone_is_malformed_and_nothing_is_silence() {
    let (address, _) = server(|_, _| vec![b"not DNS".to_vec()]).await;
    let malformed = Failure::Dns(DnsFault::Malformed);
    assert_eq!(failed(&query(address, SHORT).await), malformed);
    let (address, _) = server(|_, _| Vec::new()).await;
    let phase = Phase::Query;
    let silent = Failure::Silent { phase };
    assert_eq!(failed(&query(address, SHORT).await), silent);
}

#[tokio::test]
async fn a_lost_question_is_asked_again() {
    let (address, _) = server(|nth, question| match nth {
        1 => Vec::new(),
        _ => vec![good(question)],
    })
    .await;
    let measured = query(address, Duration::from_secs(2)).await;
    assert!(measured.is_good(), "{measured:?}");
}

#[tokio::test]
async fn nobody_at_the_port_is_refused() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    assert_eq!(failed(&query(address, LONG).await), Failure::Refused);
}

#[tokio::test]
async fn an_answer_cut_short_is_asked_for_over_tcp() {
    let tcp = serve(|mut stream| async move {
        let length = stream.read_u16().await.unwrap();
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.unwrap();
        let answer = good(&question);
        stream.write_u16(answer.len() as u16).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    })
    .await;
    // The same port over UDP; nobody else can have it while the listener lives.
    let socket = UdpSocket::bind(tcp).await.unwrap();
    let tasks = Tasks::default();
    tasks.spawn("server", async move {
        let mut buffer = [0; 512];
        while let Ok((length, guest)) = socket.recv_from(&mut buffer).await {
            let mut answer = answer(&buffer[..length], Rcode::NOERROR, true, None);
            answer[2] |= 0x02;
            let _ = socket.send_to(&answer, guest).await;
        }
    });
    let measured = query(tcp, LONG).await;
    assert!(measured.is_good(), "{measured:?}");
}
