//! Guests as they should be, and those that ask oddly.

use super::*;

#[tokio::test]
async fn a_host_has_its_page_whatever_the_spelling() {
    let scene = Scene::with(quick()).await;
    for host in ["verein.test", "Verein.TEST:8080", "verein.test."] {
        let answer = scene
            .say(format!(
                "GET /a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nverein.test/a"), "{answer}");
    }
    let absolute =
        "GET http://verein.test/b HTTP/1.1\r\nHost: stadt.test\r\nConnection: close\r\n\r\n";
    assert!(scene.say(absolute).await.ends_with("\r\n\r\nverein.test/b"));
    scene.counted(r#"servergate_web_requests_total{outcome="Answered"} 4"#);
    scene.end().await;
}

#[tokio::test]
async fn odd_requests_have_their_own_answers() {
    let scene = Scene::with(quick()).await;
    let large = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(20_000));
    let huge = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(200_000));
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: verein.test\r\n\r\n",
        "a".repeat(100_000)
    );
    for (request, status) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 400),
        (
            "GET / HTTP/1.1\r\nHost: verein.test\r\nHost: verein.test\r\nConnection: close\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a@verein.test\r\nConnection: close\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: stadt.test\r\nConnection: close\r\n\r\n",
            421,
        ),
        (
            "CONNECT verein.test:443 HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n\r\n",
            405,
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n\r\n",
            204,
        ),
        (
            "GET nowhere HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: verein.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: verein.test\r\nContent-Length: -1\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\nHost: verein.test\r\nBad Name: x\r\n\r\n",
            400,
        ),
        (
            "GET / HTTP/1.1\r\n folded: x\r\nHost: verein.test\r\n\r\n",
            400,
        ),
        ("\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        (&huge, 431),
        (&long, 431),
    ] {
        let answer = scene.say(request).await;
        let line = answer.lines().next().unwrap_or("nothing");
        let code = line.split(' ').nth(1).unwrap_or("");
        let start: String = request.chars().take(70).collect();
        assert_eq!(code, status.to_string(), "{start:?} -> {line}");
    }
    let mut stream = scene.connect().await;
    stream.write_all(large.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(
        &start, b"HTTP/1.1 400",
        "a host of 20,000 letters fits the head and is no host"
    );
    scene.end().await;
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_503_with_a_time_to_come_back() {
    let scene = Scene::with(quick()).await;
    let answer = scene.get("/dark").await;
    let lower = answer.to_ascii_lowercase();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(lower.contains("retry-after: 120"), "{answer}");
    assert!(lower.contains("cache-control: no-store"), "{answer}");
    assert!(answer.contains("Currently not reachable"), "{answer}");

    struct Careless;
    impl super::super::super::Notice for Careless {
        fn unavailable(
            &self,
            organisation: &OrganisationId,
            _: u32,
            head: &http::request::Parts,
        ) -> Response {
            let language = head
                .headers
                .get("accept-language")
                .map(|it| it.to_str().unwrap());
            let text = format!("{organisation} {} {language:?}", head.uri.path());
            Response::new(Bytes::from(text).into())
        }
    }
    scene.host.routes.register_notice(Arc::new(Careless));
    let request = "GET /dark HTTP/1.1\r\nHost: verein.test\r\nAccept-Language: de\r\nConnection: close\r\n\r\n";
    let answer = scene.say(request).await;
    assert!(
        answer.starts_with("HTTP/1.1 503"),
        "a notice cannot say otherwise: {answer}"
    );
    assert!(
        answer.ends_with(r#"verein.test /dark Some("de")"#),
        "{answer}"
    );
    assert!(
        answer.to_ascii_lowercase().contains("retry-after: 120"),
        "{answer}"
    );
    scene.end().await;
}

#[tokio::test]
async fn head_has_the_fields_and_no_content() {
    let scene = Scene::with(quick()).await;
    let answer = scene
        .say("HEAD /a HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("content-length: 13\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    scene.end().await;
}

#[tokio::test]
async fn a_trusted_proxy_may_speak_for_its_guests_and_nobody_else_may() {
    let request = "GET /who HTTP/1.1\r\nHost: verein.test\r\nX-Forwarded-For: 1.2.3.4, 203.0.113.9\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";
    for (trusted, says) in [
        ("127.0.0.0/8", "203.0.113.9 true"),
        ("192.0.2.1", "127.0.0.1 false"),
    ] {
        let scene = Scene::of(WebListen {
            trusted_proxies: vec![trusted.parse().unwrap()],
            limits: quick(),
            ..WebListen::default()
        })
        .await;
        let answer = scene.say(request).await;
        assert!(answer.ends_with(says), "{trusted}: {answer}");
        scene.end().await;
    }
}

#[tokio::test]
async fn the_proxy_protocol_is_required_from_trusted_proxies_only() {
    let get = "GET /who HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n\r\n";
    let line = format!("PROXY TCP4 203.0.113.9 192.0.2.7 5555 80\r\n{get}");
    let listen = |trusted: &str| WebListen {
        trusted_proxies: vec![trusted.parse().unwrap()],
        proxy_protocol: true,
        limits: quick(),
        ..WebListen::default()
    };
    let scene = Scene::of(listen("127.0.0.1")).await;
    assert!(scene.say(&line).await.ends_with("203.0.113.9 false"));
    assert_eq!(
        scene.say(get).await,
        "",
        "a proxy that does not say whom it brings"
    );
    scene.counted(r#"servergate_web_refusals_total{reason="ProxyHeader"} 1"#);
    scene.end().await;
    let scene = Scene::of(listen("192.0.2.1")).await;
    assert!(scene.say(get).await.ends_with("127.0.0.1 false"));
    assert!(
        scene.say(&line).await.starts_with("HTTP/1.1 400"),
        "a forged line is no request"
    );
    scene.end().await;
}

#[tokio::test]
async fn uploads_are_bounded_whether_they_announce_their_length_or_not() {
    let limits = WebLimits {
        body_bytes: 1000,
        ..quick()
    };
    let scene = Scene::with(limits).await;
    let post = |fields: &str, body: &str| {
        format!(
            "POST /upload HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n{fields}\r\n\r\n{body}"
        )
    };
    let answer = scene
        .say(post("Content-Length: 1000", &"x".repeat(1000)))
        .await;
    assert!(answer.ends_with("\r\n\r\n1000"), "{answer}");
    let answer = scene.say(post("Content-Length: 1001", "")).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let chunk = format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001));
    let answer = scene.say(post("Transfer-Encoding: chunked", &chunk)).await;
    assert!(answer.ends_with("the body is too large"), "{answer}");
    scene.counted(r#"servergate_web_refusals_total{reason="Large"} 2"#);
    scene.end().await;
}
