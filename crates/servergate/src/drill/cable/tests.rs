//! Pulled cables, on this machine's own loopback.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const NOBODY: &str = "127.0.0.1:0";

fn free() -> SocketAddr {
    NOBODY.parse().unwrap()
}

/// A machine that says back what it is told, by TCP and by UDP.
async fn echo(tasks: &Tasks) -> SocketAddr {
    let listener = TcpListener::bind(free()).await.unwrap();
    let at = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(at).await.unwrap();
    let guests = tasks.clone();
    tasks.spawn("echo", async move {
        while let Ok((mut guest, _)) = listener.accept().await {
            guests.spawn("echo guest", async move {
                let (mut read, mut write) = guest.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    tasks.spawn("echo datagrams", async move {
        let mut buffer = vec![0; 1500];
        while let Ok((length, guest)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], guest).await;
        }
    });
    at
}

/// Whoever waits longer waits for ever: no test depends on how busy the machine is.
const CEILING: Duration = Duration::from_secs(180);
/// Nothing came for so long, so nothing comes.
const SILENCE: Duration = Duration::from_millis(400);

/// What a guest at `at` lives through: their word comes back.
async fn talks(at: SocketAddr) -> io::Result<bool> {
    let talking = async {
        let mut stream = TcpStream::connect(at).await?;
        stream.write_all(b"hallo").await?;
        let mut word = [0; 5];
        stream.read_exact(&mut word).await?;
        Ok(&word == b"hallo")
    };
    timeout(CEILING, talking).await.unwrap_or(Ok(false))
}

async fn connects(at: SocketAddr) -> Result<io::Result<TcpStream>, tokio::time::error::Elapsed> {
    timeout(SILENCE, TcpStream::connect(at)).await
}

#[tokio::test]
async fn a_pulled_cable_is_silence_and_not_a_refusal() {
    let tasks = Tasks::default();
    let mut cables = Cables::new(tasks.clone());
    let at = cables
        .lay_tcp(free(), echo(&tasks).await, &[Cable::Primary])
        .unwrap();
    assert!(talks(at).await.unwrap());
    for _ in 0..3 {
        cables.pull(Cable::Primary).await;
        for _ in 0..3 {
            assert!(connects(at).await.is_err(), "the kernel answered a guest");
        }
        cables.plug_in(Cable::Primary).await;
        assert!(talks(at).await.unwrap(), "it does not carry again");
    }
}

#[tokio::test]
async fn what_was_connected_falls_silent_and_ends_when_the_cable_is_back() {
    let tasks = Tasks::default();
    let mut cables = Cables::new(tasks.clone());
    let at = cables
        .lay_tcp(free(), echo(&tasks).await, &[Cable::Primary])
        .unwrap();
    let mut old = TcpStream::connect(at).await.unwrap();
    old.write_all(b"a").await.unwrap();
    assert_eq!(old.read_u8().await.unwrap(), b'a');
    cables.pull(Cable::Primary).await;
    old.write_all(b"b").await.unwrap();
    let waiting = timeout(SILENCE, old.read_u8()).await;
    assert!(
        waiting.is_err(),
        "neither a byte nor an end may come: {waiting:?}"
    );
    cables.plug_in(Cable::Primary).await;
    let end = timeout(CEILING, old.read_u8()).await.unwrap();
    assert!(end.is_err(), "the old connection should be over: {end:?}");
}

#[tokio::test]
async fn datagrams_are_dropped_while_it_is_out() {
    let tasks = Tasks::default();
    let mut cables = Cables::new(tasks.clone());
    let at = cables
        .lay_udp(free(), echo(&tasks).await, &[Cable::Primary])
        .await
        .unwrap();
    let answered = async |word: &[u8], patience| {
        timeout(patience, ask(at, word))
            .await
            .is_ok_and(|it| it.is_ok())
    };
    assert!(answered(b"a", CEILING).await);
    cables.pull(Cable::Primary).await;
    assert!(!answered(b"b", SILENCE).await);
    cables.plug_in(Cable::Primary).await;
    assert!(answered(b"c", CEILING).await);
}

#[tokio::test]
async fn a_line_through_two_cables_needs_both() {
    let tasks = Tasks::default();
    let mut cables = Cables::new(tasks.clone());
    let to = echo(&tasks).await;
    let visitors = cables.lay_tcp(free(), to, &[Cable::Primary]).unwrap();
    let observer = cables
        .lay_tcp(free(), to, &[Cable::Primary, Cable::Observer])
        .unwrap();
    cables.pull(Cable::Observer).await;
    assert!(talks(visitors).await.unwrap());
    assert!(connects(observer).await.is_err());
    cables.pull(Cable::Primary).await;
    cables.plug_in(Cable::Observer).await;
    assert!(connects(visitors).await.is_err());
    assert!(connects(observer).await.is_err());
    cables.plug_in(Cable::Primary).await;
    assert!(talks(visitors).await.unwrap());
    assert!(talks(observer).await.unwrap());
}
