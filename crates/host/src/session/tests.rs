//! The driver with a toy protocol, over pipes and in paused time.

use std::io;
use std::time::Duration;

use model::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::*;
use crate::{Clock, Drain, DrainTrigger};

mod doors;
mod idle;
mod secure;
mod slow;
pub(super) mod toy;

use toy::{PATIENCE, Toy, World};

/// One conversation with the toy, and the other end of everything.
struct Scene {
    session: Toy,
    world: World,
    driver: Driver,
    trigger: DrainTrigger,
    asked: mpsc::UnboundedReceiver<(QuestionNumber, String)>,
    says: mpsc::Sender<Inward<String, String>>,
}

#[allow(clippy::disallowed_methods)] // the test reads all that it is asked
fn scene() -> Scene {
    let (trigger, drain) = Drain::new();
    let (ask, asked) = mpsc::unbounded_channel();
    let (says, hears) = mpsc::channel(16);
    Scene {
        session: Toy::default(),
        world: World {
            asked: ask,
            says: hears,
            taken: (0, 0),
            given: 0,
            gone: 0,
        },
        driver: Driver {
            clock: Clock::simulated(Timestamp::from_millis(1_779_268_443_000)),
            limits: Limits {
                inbound: 4096,
                high_water: 4096,
                write_stall: Duration::from_secs(60),
                handshake: Duration::from_secs(10),
            },
            drain,
            counters: Counters::default(),
        },
        trigger,
        asked,
        says,
    }
}

fn plain<W>(stream: W) -> Connection<W> {
    Connection {
        stream,
        side: Side::Server(None),
        implicit_tls: false,
    }
}

/// A guest who is done shuts down its end and reads the rest.
async fn rest(mut guest: DuplexStream) -> String {
    let mut text = String::new();
    guest.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn commands_in_a_row_are_answered_in_one_write() {
    let mut scene = scene();
    // A pipe that holds all that is said.
    let (mut guest, stream) = duplex(8192);
    guest
        .write_all(b"ECHO one\r\nASK now\r\nECHO two\r\nQUIT\r\nECHO three\r\n")
        .await
        .unwrap();
    let (ended, first) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        async {
            let mut all = [0; 1000];
            let read = guest.read(&mut all).await.unwrap();
            drop(guest);
            String::from_utf8_lossy(&all[..read]).into_owned()
        }
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
    assert_eq!(first, "HELLO\r\none\r\nnow is known\r\ntwo\r\nBYE\r\n");
    assert_eq!(scene.session.closed, 0, "it closed itself");
}

#[tokio::test(start_paused = true)]
async fn answers_come_in_any_order_and_events_unasked() {
    let mut scene = scene();
    let (mut guest, stream) = duplex(8192);
    let (ended, ()) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        async {
            guest
                .write_all(b"ASK a\r\nASK b\r\nWAIT c\r\nECHO last\r\n")
                .await
                .unwrap();
            let mut numbers = Vec::new();
            for name in ["a", "b", "c"] {
                let (number, asked) = scene.asked.recv().await.unwrap();
                assert_eq!(asked, name);
                numbers.push(number);
            }
            scene
                .says
                .send(Inward::Event("news".to_owned()))
                .await
                .unwrap();
            for number in [numbers[1], numbers[2], numbers[0]] {
                scene
                    .says
                    .send(Inward::Answer(number, "so".to_owned()))
                    .await
                    .unwrap();
            }
            guest.shutdown().await.unwrap();
            assert_eq!(
                rest(guest).await,
                "HELLO\r\n* news\r\nb is so\r\nc is so\r\nlast\r\na is so\r\n"
            );
        }
    );
    assert!(matches!(ended, Ended::ByPeer), "{ended:?}");
    assert_eq!(
        (scene.session.closed, scene.world.gone),
        (1, 1),
        "told once, asked the last"
    );
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_woken_at_its_deadline() {
    let mut scene = scene();
    let (mut guest, stream) = duplex(8192);
    let begun = scene.driver.clock.now();
    let clock = scene.driver.clock.clone();
    let (ended, ()) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        async {
            clock.sleep(Duration::from_secs(200)).await;
            guest.write_all(b"ECHO still here\r\n").await.unwrap();
            assert_eq!(rest(guest).await, "HELLO\r\nstill here\r\nTIMEOUT\r\n");
        }
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
    let took = clock.now().mono.since(begun.mono);
    let expected = Duration::from_secs(200) + PATIENCE;
    assert!(
        took >= expected && took < expected + Duration::from_secs(2),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_drain_is_said_once() {
    let mut scene = scene();
    let (guest, stream) = duplex(8192);
    scene.trigger.begin();
    let (ended, text) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        rest(guest)
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
    assert_eq!(text, "HELLO\r\nDRAIN\r\n");
}

#[tokio::test(start_paused = true)]
async fn one_who_wants_to_be_woken_in_the_past_does_not_spin() {
    let mut scene = scene();
    let (mut guest, stream) = duplex(8192);
    guest.write_all(b"RESTLESS\r\n").await.unwrap();
    let clock = scene.driver.clock.clone();
    let begun = clock.now();
    let (ended, text) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        rest(guest)
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
    assert_eq!(text, "HELLO\r\nTIMEOUT\r\n");
    assert_eq!(scene.session.ticks, 50);
    assert!(clock.now().mono.since(begun.mono) >= Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_nothing_off_a_full_buffer_is_ended() {
    let mut scene = scene();
    let (mut guest, stream) = duplex(64);
    let (ended, ()) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        async {
            let _ = guest.write_all(b"STUBBORN\r\n").await;
            let _ = guest.write_all(&[b'x'; 5000]).await;
        }
    );
    assert!(matches!(ended, Ended::Overfull), "{ended:?}");
    assert_eq!(scene.session.closed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_told() {
    let mut scene = scene();
    let stream = tokio_test_stream();
    let ended = scene
        .driver
        .drive(&mut scene.session, &mut scene.world, plain(stream))
        .await;
    assert!(matches!(ended, Ended::Broken(_)), "{ended:?}");
    assert_eq!(scene.session.closed, 1);
}

/// Reads break, writes go nowhere.
fn tokio_test_stream() -> impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send {
    struct Reset;
    impl tokio::io::AsyncRead for Reset {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }
    tokio::io::join(Reset, tokio::io::sink())
}
