//! HTTP: statuses, marks, redirects, and servers that never end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::target::HttpProbe;

fn page(address: SocketAddr, expect: Option<&str>) -> HttpProbe {
    HttpProbe {
        address,
        tls: false,
        host: "verein.test".to_owned(),
        path: "/start?lang=de".to_owned(),
        expect: expect.map(str::to_owned),
        hosts: vec!["verein.test".to_owned(), "www.verein.test".to_owned()],
        ca: None,
    }
}

async fn get(address: SocketAddr, expect: Option<&str>, limit: Duration) -> Measured {
    let probe = Probe::Http(page(address, expect));
    ask(&Prepared::new(probe, None, false), limit, None).await
}

/// A server that answers each request with these bytes.
async fn saying(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    serve(move |stream| say(stream, bytes.clone())).await
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_page_with_its_mark_is_good_and_without_it_is_not() {
    let address = saying(ok("<h1>Verein Beispiel</h1>")).await;
    let measured = get(address, Some("Verein Beispiel"), LONG).await;
    assert!(measured.is_good(), "{measured:?}");
    let want = [Phase::Connect, Phase::Request, Phase::Body];
    assert_eq!(phases(&measured), want);
    assert!(get(address, None, LONG).await.is_good());
    let missing = failed(&get(address, Some("Verein Anders"), LONG).await);
    assert_eq!(missing, Failure::MarkMissing { bytes: 24 });
}

#[tokio::test]
async fn the_prober_names_itself_and_asks_for_the_host_past_any_cache() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    let address = serve(move |mut stream| {
        let kept = Arc::clone(&kept);
        async move {
            let head = read_head(&mut stream).await;
            kept.lock().unwrap().push(head);
            let _ = stream.write_all(ok("").as_bytes()).await;
        }
    })
    .await;
    assert!(get(address, None, LONG).await.is_good());
    let head = heads.lock().unwrap().join("");
    assert!(
        head.starts_with("GET /start?lang=de HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("host: verein.test\r\n"), "{head}");
    assert!(head.contains("cache-control: no-cache\r\n"), "{head}");
    let agent = format!("user-agent: {USER_AGENT}\r\n");
    assert!(head.contains(&agent), "{head}");
    assert!(USER_AGENT.starts_with("Servergate/") && USER_AGENT.ends_with("(+standby probe)"));
}

#[tokio::test]
async fn a_mark_may_lie_across_pieces_but_not_beyond_the_bound() {
    let address = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        for piece in ["5\r\nVerei\r\n", "6\r\nn Beis\r\n", "4\r\npiel\r\n"] {
            let _ = stream.write_all(piece.as_bytes()).await;
            let _ = stream.flush().await;
            tokio::task::yield_now().await;
        }
        silence(stream).await;
    })
    .await;
    let measured = get(address, Some("Verein Beispiel"), LONG).await;
    assert!(measured.is_good(), "{measured:?}");
    let far = format!("{}Verein Beispiel", " ".repeat(400 * 1024));
    let measured = get(saying(ok(&far)).await, Some("Verein Beispiel"), LONG).await;
    assert!(matches!(failed(&measured), Failure::MarkMissing { .. }));
}

#[tokio::test]
async fn statuses_are_kept_as_they_are() {
    for status in [400, 404, 429, 451, 500, 503] {
        let bytes = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
        let measured = get(saying(bytes).await, None, LONG).await;
        assert_eq!(failed(&measured), Failure::Status(status));
    }
}

#[tokio::test]
async fn later_keeps_its_time_where_a_number_of_seconds_is_named() {
    for (status, field, want) in [
        (
            503,
            "Retry-After: 120",
            Failure::Later {
                status: 503,
                seconds: 120,
            },
        ),
        (
            429,
            "Retry-After: 5",
            Failure::Later {
                status: 429,
                seconds: 5,
            },
        ),
        (
            503,
            "Retry-After: Wed, 20 May 2026 09:14:03 GMT",
            Failure::Status(503),
        ),
        (503, "Retry-After: -1", Failure::Status(503)),
        (403, "Retry-After: 120", Failure::Status(403)),
    ] {
        let bytes = format!("HTTP/1.1 {status} No\r\n{field}\r\nContent-Length: 0\r\n\r\n");
        let measured = get(saying(bytes).await, None, LONG).await;
        assert_eq!(failed(&measured), want);
    }
}

#[tokio::test]
async fn a_third_party_may_turn_the_prober_away() {
    for (status, good) in [(403, true), (429, true), (500, false)] {
        let bytes = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
        let probe = Probe::Http(page(saying(bytes).await, None));
        let measured = ask(&Prepared::new(probe, None, true), LONG, None).await;
        assert_eq!(measured.is_good(), good, "{status}");
    }
}

/// Answers `/start…` with a redirect to `location`, everything else with the mark.
async fn moving(location: &'static str) -> SocketAddr {
    serve(move |mut stream| async move {
        let head = read_head(&mut stream).await;
        let answer = if head.starts_with("GET /start") {
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
        } else {
            ok("Verein Beispiel")
        };
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn redirects_are_followed_among_our_hosts_only() {
    let mark = Some("Verein Beispiel");
    for location in ["/de/", "http://www.verein.test/"] {
        let measured = get(moving(location).await, mark, LONG).await;
        assert!(measured.is_good(), "{location}: {measured:?}");
    }
    let foreign = moving("http://police.test/").await;
    // More than an empty page: somebody sends our visitors elsewhere.
    let missing = failed(&get(foreign, mark, LONG).await);
    assert_eq!(missing, Failure::MarkMissing { bytes: 72 });
    assert!(get(foreign, None, LONG).await.is_good());
    let circle = moving("/start").await;
    assert_eq!(failed(&get(circle, mark, LONG).await), Failure::Status(302));
}

#[tokio::test]
async fn silence_is_of_the_phase_that_waited() {
    let mute = get(serve(silence).await, None, SHORT).await;
    let phase = Phase::Request;
    assert_eq!(failed(&mute), Failure::Silent { phase });
    assert_eq!(phases(&mute), [Phase::Connect, Phase::Request]);
    let slow = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<html>";
        let _ = stream.write_all(head).await;
        silence(stream).await;
    })
    .await;
    let phase = Phase::Body;
    let measured = get(slow, None, SHORT).await;
    assert_eq!(failed(&measured), Failure::Silent { phase });
}

#[tokio::test]
async fn a_cut_is_a_cut() {
    let phase = Phase::Request;
    let reset = serve(|mut stream| async move {
        read_head(&mut stream).await;
        cut(stream);
    })
    .await;
    let measured = get(reset, None, LONG).await;
    assert_eq!(failed(&measured), Failure::Reset { phase });
    let closed = saying("").await;
    let measured = get(closed, None, LONG).await;
    assert_eq!(failed(&measured), Failure::Reset { phase });
    let short = saying("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort").await;
    let phase = Phase::Body;
    let measured = get(short, None, LONG).await;
    assert_eq!(failed(&measured), Failure::Reset { phase });
}

#[tokio::test]
async fn a_body_may_end_with_its_connection() {
    let address = saying("HTTP/1.0 200 OK\r\n\r\nVerein Beispiel").await;
    assert!(get(address, Some("Beispiel"), LONG).await.is_good());
    assert!(get(address, None, LONG).await.is_good());
}

#[tokio::test]
async fn nonsense_is_malformed() {
    let phase = Phase::Request;
    for bytes in [
        "SSH-2.0-OpenSSH_9\r\n\r\n",
        "\0\0\0\x01\x02",
        "HTTP/9.9 ??\r\n\r\n",
    ] {
        let measured = get(saying(bytes).await, None, LONG).await;
        assert_eq!(failed(&measured), Failure::Malformed { phase }, "{bytes:?}");
    }
}

/// A server that repeats `piece` for as long as it is read; counts what it could write.
async fn endless(head: &'static str, piece: &'static str) -> (SocketAddr, Arc<AtomicU64>) {
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let address = serve(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(piece.as_bytes()).await.is_ok() {
                count.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
        }
    })
    .await;
    (address, written)
}

/// What the two kernels may hold of a stream that nobody reads any more.
const BUFFERS: u64 = 8 * 1024 * 1024;

#[tokio::test]
async fn an_endless_head_is_read_up_to_its_bound() {
    let line = "X-Filler: ffffffffffffffffffffffffffffffffffffffffffffffffff\r\n";
    let (address, written) = endless("HTTP/1.1 200 OK\r\n", line).await;
    let measured = get(address, None, LONG).await;
    let phase = Phase::Request;
    assert_eq!(failed(&measured), Failure::Malformed { phase });
    assert!(written.load(Ordering::Relaxed) < BUFFERS);
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_its_bound() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let line = "all work and no play makes a dull page; all work and no play\n";
    let (address, written) = endless(head, line).await;
    let Failure::MarkMissing { bytes } = failed(&get(address, Some("Verein"), LONG).await) else {
        panic!("another failure");
    };
    assert!((256 * 1024..1024 * 1024).contains(&bytes), "{bytes}");
    assert!(written.load(Ordering::Relaxed) < BUFFERS);
    assert!(get(address, None, LONG).await.is_good());
}
