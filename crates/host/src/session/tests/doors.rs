//! The door, over loopback.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::listener::{Door, Listening, Opened};
use super::*;
use crate::Tasks;
use crate::limits::{Guests, Seat};
use crate::net::Net;

struct House {
    at: SocketAddr,
    door: Door,
    trigger: DrainTrigger,
    ended: tokio::task::JoinHandle<()>,
}

/// Says who is there and waits for the guest to go.
async fn attend(mut stream: Opened, guest: SocketAddr, _seat: Seat) {
    let _ = stream
        .write_all(format!("{}\r\n", guest.ip()).as_bytes())
        .await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

async fn loopback() -> (crate::net::Listener, SocketAddr) {
    let listener = Net::Real.listen("127.0.0.1:0".parse().unwrap()).await;
    let listener = listener.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

async fn house(most: usize, proxies: &[&str]) -> House {
    let (listener, at) = loopback().await;
    let (trigger, drain) = Drain::new();
    let door = Door {
        name: "toy guest",
        guests: Guests::new(most, most),
        tasks: Tasks::default(),
        clock: Clock::system(),
        drain,
        patience: Duration::from_millis(1),
        refusal: b"421 too many\r\n",
        proxies: proxies.iter().map(|it| it.parse().unwrap()).collect(),
        header: Duration::from_secs(10),
        counters: Counters::default(),
    };
    let mut listening = Listening::new(listener, door.clone(), attend);
    let ended = door
        .tasks
        .spawn("toy listener", async move { listening.run().await });
    House {
        at,
        door,
        trigger,
        ended,
    }
}

async fn line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        match stream.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test]
async fn one_too_many_is_told_so_and_the_next_has_the_seat() {
    let house = house(1, &[]).await;
    let mut first = TcpStream::connect(house.at).await.unwrap();
    assert_eq!(line(&mut first).await, "127.0.0.1\r\n");
    let mut second = TcpStream::connect(house.at).await.unwrap();
    assert_eq!(line(&mut second).await, "421 too many\r\n");
    assert_eq!(line(&mut second).await, "", "and closed");
    drop(first);
    while house.door.guests.present() > 0 {
        tokio::task::yield_now().await;
    }
    let mut third = TcpStream::connect(house.at).await.unwrap();
    assert_eq!(line(&mut third).await, "127.0.0.1\r\n");
    // It stays, and is cut off when the drain's time is over.
    house.trigger.begin();
    house.ended.await.unwrap();
    assert_eq!(line(&mut third).await, "");
    assert_eq!(house.door.guests.present(), 0);
}

#[tokio::test]
async fn who_was_there_before_a_new_beginning_is_waited_for_at_the_end() {
    let (listener, at) = loopback().await;
    let (trigger, drain) = Drain::new();
    let door = Door {
        drain,
        patience: Duration::from_secs(60),
        ..house(4, &[]).await.door
    };
    let mut listening = Listening::new(listener, door.clone(), attend);
    let mut first = TcpStream::connect(at).await.unwrap();
    tokio::select! {
        () = listening.run() => panic!("it listens"),
        line = line(&mut first) => assert_eq!(line, "127.0.0.1\r\n"),
    }
    // It broke here, and is begun again.
    let mut second = TcpStream::connect(at).await.unwrap();
    tokio::select! {
        () = listening.run() => panic!("it listens"),
        line = line(&mut second) => assert_eq!(line, "127.0.0.1\r\n"),
    }
    trigger.begin();
    let mut ending = Box::pin(listening.run());
    drop(second);
    while door.guests.present() > 1 {
        tokio::select! {
            biased;
            () = &mut ending => panic!("somebody is there"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(first);
    ending.await;
}

#[tokio::test]
async fn a_trusted_proxy_says_whom_it_brings() {
    let house = house(4, &["127.0.0.0/8"]).await;
    for (header, says) in [
        (
            "PROXY TCP4 203.0.113.9 192.0.2.7 5555 25\r\n",
            "203.0.113.9\r\n",
        ),
        ("PROXY UNKNOWN\r\n", "127.0.0.1\r\n"),
        ("EHLO stadt.test\r\n", ""),
    ] {
        let mut proxy = TcpStream::connect(house.at).await.unwrap();
        proxy.write_all(header.as_bytes()).await.unwrap();
        assert_eq!(line(&mut proxy).await, says, "{header}");
    }
    house.trigger.begin();
    house.ended.await.unwrap();
}
