//! Every probe against a real little server on loopback that does one thing wrong.

mod dns;
mod http;
mod smtp;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::host::net::{Net, Stream};
use ::host::{Clock, Tasks};
use model::{Failure, Finding, Identity, Phase, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::target::Probe;

/// For servers that answer: long enough for a busy machine. It is waited out only by a defect.
const LONG: Duration = Duration::from_secs(180);
/// For servers that are silent.
const SHORT: Duration = Duration::from_millis(250);

/// A server that does `answer` with each guest.
async fn serve<F>(answer: impl Fn(Stream) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = Net::Real
        .listen("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::default();
    let answer = Arc::new(answer);
    tasks.clone().spawn("server", async move {
        while let Ok((stream, _)) = listener.accept().await {
            tasks.spawn("guest", answer(stream));
        }
    });
    address
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = Net::Real
        .listen("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    listener.local_addr().unwrap()
}

/// Keeps the guest and says nothing.
async fn silence(stream: Stream) {
    let _stream = stream;
    std::future::pending::<()>().await;
}

/// Cuts the connection with a reset.
#[allow(irrefutable_let_patterns)] // another kind of stream exists under a feature of `host`
fn cut(stream: Stream) {
    if let Stream::Real(stream) = stream {
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
}

async fn ask(prepared: &Prepared, limit: Duration, known: Option<&Identity>) -> Measured {
    let clock = Clock::system();
    let tools = Tools {
        clock: &clock,
        net: Net::Real,
    };
    prepared.ask(tools, limit, known, &|| ()).await
}

fn failed(measured: &Measured) -> Failure {
    match &measured.finding {
        Finding::Failed(failure) => failure.clone(),
        Finding::Good { .. } => panic!("good: {measured:?}"),
    }
}

fn phases(measured: &Measured) -> Vec<Phase> {
    measured.phases.iter().map(|time| time.phase).collect()
}

async fn tcp(address: SocketAddr, limit: Duration) -> Measured {
    ask(
        &Prepared::new(Probe::Tcp { address }, None, false),
        limit,
        None,
    )
    .await
}

#[tokio::test]
async fn a_listener_is_good_and_nobody_is_refused() {
    let measured = tcp(serve(silence).await, LONG).await;
    assert!(measured.is_good());
    assert_eq!(phases(&measured), [Phase::Connect]);
    assert_eq!(failed(&tcp(nobody().await, LONG).await), Failure::Refused);
}

#[tokio::test]
async fn a_full_accept_queue_is_silence_of_the_connect() {
    let any = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut guests = Vec::new();
    while let Ok(Ok(guest)) = tokio::time::timeout(SHORT, Net::Real.connect(address)).await {
        guests.push(guest);
        assert!(guests.len() < 16, "the queue never fills");
    }
    let measured = tcp(address, SHORT).await;
    let phase = Phase::Connect;
    assert_eq!(failed(&measured), Failure::Silent { phase });
    assert!(measured.phases[0].micros >= 250_000);
}

#[tokio::test]
async fn a_knock_tells_answer_from_refusal() {
    let clock = Clock::system();
    let tools = Tools {
        clock: &clock,
        net: Net::Real,
    };
    assert_eq!(knock(tools, serve(silence).await).await, Reply::Answered);
    assert_eq!(knock(tools, nobody().await).await, Reply::Refused);
}

/// Reads the head of a request and gives it back.
async fn read_head(stream: &mut Stream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Answers any request with these bytes and closes.
async fn say(mut stream: Stream, bytes: Vec<u8>) {
    read_head(&mut stream).await;
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}
