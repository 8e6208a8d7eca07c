//! Guests that mean no good: each is bounded and counted, and others are served meanwhile.

use super::*;

const SOON: Duration = Duration::from_millis(100);

fn impatient() -> WebLimits {
    WebLimits {
        first_request: SOON,
        idle: SOON,
        stall: SOON,
        ..quick()
    }
}

#[tokio::test]
async fn who_never_finishes_a_head_is_sent_away() {
    let scene = Scene::with(impatient()).await;
    for start in [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: verein.test\r\nX: ",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = scene.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Ends only when the server closes.
        let _ = stream.read_to_end(&mut rest).await;
    }
    assert!(scene.get("/").await.ends_with("verein.test/"));
    scene.end().await;
}

#[tokio::test]
async fn who_drips_a_head_is_sent_away_too() {
    let scene = Scene::with(impatient()).await;
    let mut stream = scene.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    // Says something as long as somebody listens.
    while stream.write_all(b"X: y\r\n").await.is_ok() {
        tokio::task::yield_now().await;
        if matches!(stream.try_read(&mut [0; 512]), Ok(0)) {
            break;
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn who_does_not_read_what_it_asked_for_is_cut() {
    let scene = Scene::with(impatient()).await;
    let mut stream = scene.connect().await;
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: verein.test\r\n\r\n")
        .await
        .unwrap();
    while !scene
        .host
        .metrics
        .text()
        .contains(r#"reason="SlowReader"} 1"#)
    {
        tokio::task::yield_now().await;
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < 16 * 1024 * 1024, "the rest is never sent");
    scene.end().await;
}

#[tokio::test]
async fn who_sends_its_upload_drop_by_drop_is_cut() {
    let scene = Scene::with(impatient()).await;
    let answer = scene
        .say("POST /upload HTTP/1.1\r\nHost: verein.test\r\nContent-Length: 100\r\nConnection: close\r\n\r\nx")
        .await;
    assert!(answer.ends_with("the body comes too slowly"), "{answer}");
    scene.counted(r#"servergate_web_refusals_total{reason="SlowWriter"} 1"#);
    scene.end().await;
}

#[tokio::test]
async fn five_thousand_fields_are_refused() {
    let scene = Scene::with(quick()).await;
    let fields: String = (0..5000).map(|n| format!("A{n}: b\r\n")).collect();
    let answer = scene
        .say(format!(
            "GET / HTTP/1.1\r\nHost: verein.test\r\n{fields}\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    scene.counted(r#"servergate_web_refusals_total{reason="Head"} 1"#);
    assert!(scene.get("/").await.ends_with("verein.test/"));
    scene.end().await;
}

#[tokio::test]
async fn one_network_cannot_take_all_connections() {
    let limits = WebLimits {
        connections_per_network: 3,
        ..quick()
    };
    let scene = Scene::with(limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = scene.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: verein.test\r\n\r\n")
            .await
            .unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        held.push(stream);
    }
    assert_eq!(scene.get("/").await, "");
    scene.counted(r#"servergate_web_refusals_total{reason="Network"} 1"#);
    scene.end().await;
}

#[tokio::test]
async fn too_many_requests_at_once_are_told_to_come_back() {
    let limits = WebLimits {
        requests: 1,
        ..quick()
    };
    let scene = Scene::with(limits).await;
    let mut holder = scene.connect().await;
    holder
        .write_all(b"GET /never HTTP/1.1\r\nHost: verein.test\r\n\r\n")
        .await
        .unwrap();
    loop {
        let answer = scene.get("/").await;
        if answer.starts_with("HTTP/1.1 503") {
            assert!(
                answer.to_ascii_lowercase().contains("retry-after: 5"),
                "{answer}"
            );
            break;
        }
    }
    scene.end().await;
}

/// An HTTP/2 connection by hand: the preface, empty SETTINGS, then `frames`.
async fn speak_h2(scene: &Scene, frames: impl Iterator<Item = Vec<u8>>) -> usize {
    let stream = scene.connect().await;
    let (mut from, mut to) = stream.into_split();
    let reader = scene.host.tasks.spawn("reader", async move {
        let mut rest = Vec::new();
        let _ = from.read_to_end(&mut rest).await;
    });
    let start = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    to.write_all(start).await.unwrap();
    let mut sent = 0;
    for frame in frames {
        if to.write_all(&frame).await.is_err() {
            break;
        }
        sent += 1;
    }
    reader.await.unwrap();
    sent
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// HEADERS of `GET /never` for `verein.test` (RFC 7541: static table, literals without index).
fn ask_never(stream: u32) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, 6];
    block.extend(b"/never");
    block.extend([0x01, 11]);
    block.extend(b"verein.test");
    frame(1, 0x05, stream, &block)
}

const ATTEMPTS: u32 = 200_000;

#[tokio::test]
async fn requests_given_up_as_fast_as_made_end_the_connection() {
    let scene = Scene::with(quick()).await;
    let flood = (0..ATTEMPTS).flat_map(|n| {
        let stream = 2 * n + 1;
        [ask_never(stream), frame(3, 0, stream, &8u32.to_be_bytes())]
    });
    let sent = speak_h2(&scene, flood).await;
    assert!(sent < 2 * ATTEMPTS as usize, "the server ended it");
    assert!(scene.get("/").await.ends_with("verein.test/"));
    scene.end().await;
}

#[tokio::test]
async fn streams_beyond_the_bound_are_refused_and_the_connection_ends() {
    let scene = Scene::with(impatient()).await;
    let flood = (0..ATTEMPTS).map(|n| ask_never(2 * n + 1));
    let sent = speak_h2(&scene, flood).await;
    assert!(sent < ATTEMPTS as usize, "the server ended it after {sent}");
    let tasks = scene.host.tasks.list();
    let streams = tasks.iter().find(|task| task.name == "web stream");
    assert!(streams.is_none_or(|task| task.running <= 128), "{tasks:?}");
    scene.end().await;
}

#[tokio::test]
async fn continuations_without_end_are_bounded() {
    let scene = Scene::with(impatient()).await;
    let mut first = ask_never(1);
    first[4] = 0x01; // END_STREAM, not END_HEADERS
    let more = (0..ATTEMPTS).map(|n| {
        let name = format!("x-{n:06}");
        let mut block = vec![0x00, 8];
        block.extend(name.as_bytes());
        block.extend([1, b'y']);
        frame(9, 0, 1, &block)
    });
    let sent = speak_h2(&scene, std::iter::once(first).chain(more)).await;
    assert!(sent < ATTEMPTS as usize, "the server ended it after {sent}");
    scene.end().await;
}

#[tokio::test]
async fn who_says_nothing_gives_way_sooner_when_seats_are_short() {
    let limits = WebLimits {
        connections: 8,
        first_request: Duration::from_secs(2),
        stall: SOON,
        ..quick()
    };
    let scene = Scene::with(limits).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(scene.connect().await);
    }
    // The last one waits for a fifth of the usual time, so it ends while the first is still there.
    let (first, last) = (silent.remove(0), silent.pop().unwrap());
    let end = async |mut stream: TcpStream| stream.read(&mut [0; 1]).await.unwrap_or(0);
    tokio::select! {
        _ = end(first) => panic!("the first one was there when there was room"),
        read = end(last) => assert_eq!(read, 0),
    }
    scene.end().await;
}
