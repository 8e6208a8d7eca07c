//! Guests that read slowly or not at all, and bodies that are larger than any buffer.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_never_reads_stalls_only_itself() {
    let mut scene = scene();
    let (mut guest, stream) = duplex(512);
    let clock = scene.driver.clock.clone();
    let begun = clock.now();
    let (ended, guest) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        async {
            guest
                .write_all(b"GIVE 1000\r\nECHO never\r\n")
                .await
                .unwrap();
            guest
        }
    );
    assert!(matches!(ended, Ended::Stalled), "{ended:?}");
    let took = clock.now().mono.since(begun.mono);
    assert!(
        took >= Duration::from_secs(60) && took < Duration::from_secs(62),
        "{took:?}"
    );
    assert!(
        scene.world.given <= 6,
        "no more than waits to be written: {}",
        scene.world.given
    );
    assert_eq!(scene.session.closed, 1);
    drop(guest);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_but_reads_is_served() {
    let mut scene = scene();
    let (mut guest, stream) = duplex(512);
    let clock = scene.driver.clock.clone();
    let (ended, read) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        async {
            guest.write_all(b"GIVE 50\r\nQUIT\r\n").await.unwrap();
            let (mut read, mut some) = (0, [0; 512]);
            loop {
                clock.sleep(Duration::from_secs(50)).await;
                match guest.read(&mut some).await.unwrap() {
                    0 => break read,
                    more => read += more,
                }
            }
        }
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
    assert_eq!(
        read,
        "HELLO\r\n".len() + 50 * 1024 + "\r\nGIVEN\r\nBYE\r\n".len()
    );
}

#[tokio::test(start_paused = true)]
async fn while_much_waits_events_wait_too() {
    let mut scene = scene();
    let (mut guest, stream) = duplex(64);
    let says = scene.says.clone();
    let (ended, sent) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        async {
            let event = "x".repeat(1000);
            let mut sent = 0;
            // 16 fit the channel and some 5 the buffer; then nobody takes more.
            let send = async {
                loop {
                    says.send(Inward::Event(event.clone())).await.unwrap();
                    sent += 1;
                }
            };
            let _ = tokio::time::timeout(Duration::from_secs(30), send).await;
            assert!((16..=24).contains(&sent), "{sent}");
            let mut text = String::new();
            let read = async {
                guest.write_all(b"QUIT\r\n").await.unwrap();
                guest.read_to_string(&mut text).await.unwrap();
            };
            read.await;
            assert!(text.ends_with("\r\nBYE\r\n"));
            sent
        }
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
    assert!(sent > 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_body_streams_through_bounded_memory() {
    const SIZE: usize = 8 * 1024 * 1024;
    let mut scene = scene();
    let (mut guest, stream) = duplex(64 * 1024);
    let (ended, ()) = tokio::join!(
        scene
            .driver
            .drive(&mut scene.session, &mut scene.world, plain(stream)),
        async {
            guest
                .write_all(format!("BODY {SIZE}\r\n").as_bytes())
                .await
                .unwrap();
            for _ in 0..SIZE / 8192 {
                guest.write_all(&[b'x'; 8192]).await.unwrap();
            }
            guest.write_all(b"QUIT\r\n").await.unwrap();
            let text = rest(guest).await;
            assert_eq!(text, "HELLO\r\nGOT\r\nBYE\r\n");
        }
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
    assert_eq!(scene.world.taken.0, SIZE);
    assert!(
        scene.world.taken.1 <= scene.driver.limits.inbound,
        "{:?}",
        scene.world.taken
    );
}

#[tokio::test(start_paused = true)]
async fn one_without_end_leaves_others_their_turn() {
    // Immediate answers for ever on one side, a guest on the same thread on the other.
    let (mut busy, mut other) = (scene(), scene());
    busy.driver.limits.high_water = usize::MAX;
    let (mut flood, stream) = duplex(64);
    flood.write_all(b"GIVE 100000\r\n").await.unwrap();
    let (mut guest, second) = duplex(8192);
    guest.write_all(b"QUIT\r\n").await.unwrap();
    tokio::select! {
        biased;
        ended = busy.driver.drive(&mut busy.session, &mut busy.world, plain(stream)) => {
            panic!("{ended:?}")
        }
        ended = other.driver.drive(&mut other.session, &mut other.world, plain(second)) => {
            assert!(matches!(ended, Ended::BySession), "{ended:?}");
        }
        text = rest(guest) => assert_eq!(text, "HELLO\r\nBYE\r\n"),
    }
    assert!(busy.world.given < 100_000);
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_keep_the_deadline_and_the_farewell_from_coming() {
    /// Says something whenever it is asked.
    struct Chatter(World);

    impl Surroundings<Toy> for Chatter {
        fn ask(&mut self, number: QuestionNumber, question: toy::Question) -> Option<String> {
            self.0.ask(number, question)
        }

        async fn next(&mut self) -> Inward<String, String> {
            Inward::Event(String::new())
        }
    }

    let scene = scene();
    let (mut guest, stream) = duplex(8192);
    let mut chatter = Chatter(scene.world);
    let mut session = scene.session;
    let (ended, ()) = tokio::join!(
        scene
            .driver
            .drive(&mut session, &mut chatter, plain(stream)),
        async {
            let mut all = [0; 4096];
            for _ in 0..100 {
                assert!(guest.read(&mut all).await.unwrap() > 0);
            }
            guest.write_all(b"ECHO heard\r\n").await.unwrap();
            let mut text = String::new();
            while !text.contains("heard") {
                let read = guest.read(&mut all).await.unwrap();
                text.push_str(&String::from_utf8_lossy(&all[..read]));
            }
            scene.trigger.begin();
            guest.read_to_string(&mut text).await.unwrap();
            assert!(text.ends_with("\r\nDRAIN\r\n"));
        }
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
}
