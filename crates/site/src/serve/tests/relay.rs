//! Guest, listener, relay and primary over loopback.

use super::primary::{Authority, Server};
use super::*;

async fn with_primary() -> (Open, Server) {
    let server = Server::start(&Tasks::default(), None).await;
    let scene = Scene::new(server.plain());
    (scene.open().await, server)
}

/// An address where nobody listens.
async fn nobody() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn without_primary() -> Open {
    let address = nobody().await;
    let folder = tempfile::tempdir().unwrap();
    let primary = Primary {
        secure: false,
        address,
    };
    let tls = Authority::new().client(folder.path());
    Scene::new(Some((primary, tls))).open().await
}

#[tokio::test]
async fn a_living_primary_answers_itself_and_learns_who_asks() {
    let (open, server) = with_primary().await;
    let request = "GET /datei.txt?a=%20b HTTP/1.1\r\nHost: Verein.test:8080\r\nCookie: c=d\r\n\
                   X-Forwarded-For: 1.2.3.4\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n";
    let heard = open.say(request).await;
    assert_eq!(heard.status(), 200, "{heard:?}");
    assert!(
        heard.has("etag: \"live\"") && heard.has("set-cookie: a=b"),
        "{heard:?}"
    );
    assert!(heard.has("via: 1.1 servergate"), "{heard:?}");
    assert!(!heard.head.contains("alt-svc"), "{heard:?}");
    assert_eq!(
        heard.text(),
        "GET /datei.txt?a=%20b\ncookie: c=d\n\
         forwarded: for=127.0.0.1;host=\"Verein.test:8080\";proto=http\n\
         host: Verein.test:8080\nvia: 1.1 servergate\nx-forwarded-for: 127.0.0.1\n\
         x-forwarded-host: Verein.test:8080\nx-forwarded-proto: http\n0"
    );
    let head = open
        .say("HEAD / HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(head.status(), 200);
    assert!(
        head.head.contains("content-length: ") && head.body.is_empty(),
        "{head:?}"
    );
    assert_eq!(
        open.get("/nie").await.status(),
        404,
        "an honest 404 stays one"
    );
    assert_eq!(
        server.seen.connections.load(Ordering::Relaxed),
        1,
        "the connection is kept"
    );
    open.scene
        .counted(r#"servergate_site_answers_total{from="Primary"} 3"#);
    let mut scene = open.end().await;
    assert!(scene.hints.try_recv().is_err(), "nothing failed");
}

#[tokio::test]
async fn uploads_go_through_whatever_their_framing_and_are_bounded() {
    let (open, server) = with_primary().await;
    let post = |fields: &str, body: &str| {
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{fields}\r\n\r\n{body}")
    };
    let whole = post("Content-Length: 5\r\nExpect: 100-continue", "hello");
    assert!(
        open.say(whole).await.text().contains("HTTP/1.1 200"),
        "100, then 200"
    );
    let chunked = post("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(open.say(chunked).await.status(), 200);
    assert_eq!(open.say(post("Content-Length: 0", "")).await.status(), 200);
    let requests = server.requests();
    assert!(requests[0].contains("content-length: 5") && requests[0].ends_with("\n5"));
    assert!(requests[1].contains("transfer-encoding: chunked") && requests[1].ends_with("\n5"));
    assert!(requests[2].contains("content-length: 0") && requests[2].ends_with("\n0"));

    let megabyte = "x".repeat((1 << 20) + 1);
    let chunk = format!("{:x}\r\n{megabyte}\r\n0\r\n\r\n", megabyte.len());
    let heard = open.say(post("Transfer-Encoding: chunked", &chunk)).await;
    assert_eq!(heard.status(), 413, "{}", heard.head);
    let mut scene = open.end().await;
    assert!(
        scene.hints.try_recv().is_err(),
        "the primary did nothing wrong"
    );
}

fn smuggled(fields: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n\r\n\
         0\r\n\r\nGET /geheim HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    )
}

#[tokio::test]
async fn ambiguous_framing_never_reaches_the_primary() {
    let (open, server) = with_primary().await;
    for fields in [
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: 4, 5",
        "Content-Length: +4",
        "Content-Length: 4\r\nContent-Length: 5",
        "Transfer-Encoding : chunked",
    ] {
        let heard = open.say(smuggled(fields)).await;
        assert_eq!(heard.status(), 400, "{fields}: {heard:?}");
        assert!(
            !heard.text().contains("HTTP/1.1"),
            "{fields}: one answer only"
        );
    }
    // RFC 9112 §6.1: what is not understood is not passed on as if it had been.
    for fields in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity, chunked",
    ] {
        let heard = open.say(smuggled(fields)).await;
        assert_eq!(heard.status(), 501, "{fields}: {heard:?}");
        assert!(heard.has("connection: close"), "{fields}: {heard:?}");
        assert!(!heard.text().contains("HTTP/1.1"), "{fields}");
    }
    assert_eq!(
        open.say(smuggled("Transfer-Encoding: xchunked"))
            .await
            .status(),
        400
    );
    assert_eq!(server.requests(), Vec::<String>::new());
    open.end().await;
}

#[tokio::test]
async fn a_malformed_body_is_the_guests_fault_and_starts_no_probe() {
    let (open, _server) = with_primary().await;
    for body in [
        "xyz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloworld\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "fffffffffffffffff\r\nhello",
        "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
    ] {
        let heard = open
            .say(format!(
                "POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
            ))
            .await;
        assert_eq!(heard.status(), 400, "{body:?}: {heard:?}");
    }
    // Who announces more than comes and leaves hears nothing, and proves nothing either.
    let mut guest = TcpStream::connect(open.serving.http()[0]).await.unwrap();
    let half = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\nhalf");
    guest.write_all(half.as_bytes()).await.unwrap();
    guest.shutdown().await.unwrap();
    let mut heard = Vec::new();
    let _ = guest.read_to_end(&mut heard).await;
    let mut scene = open.end().await;
    assert!(scene.hints.try_recv().is_err(), "the primary did nothing");
}

#[tokio::test]
async fn slow_uploads_of_one_network_leave_room_for_others() {
    let (open, server) = with_primary().await;
    let at = open.serving.http()[0];
    let mut slow = Vec::new();
    for _ in 0..128 {
        let mut guest = TcpStream::connect(at).await.unwrap();
        let begun = format!("POST /haengt HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\n");
        guest.write_all(begun.as_bytes()).await.unwrap();
        slow.push(guest);
    }
    // Half of them are let through, the others hear so.
    while server.seen.connections.load(Ordering::Relaxed) < 64 {
        tokio::task::yield_now().await;
    }
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.9.1:0".parse().unwrap()).unwrap();
    let mut other = other.connect(at).await.unwrap();
    let asked = format!("GET /nie HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    other.write_all(asked.as_bytes()).await.unwrap();
    let mut heard = String::new();
    other.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 404"), "{heard}");
    drop(slow);
    open.end().await;
}

#[tokio::test]
async fn two_framings_are_one_request_and_the_end_of_the_connection() {
    // RFC 9112 §6.3: the coding overrides the length, the primary gets one framing, and what
    // follows is not read.
    let (open, server) = with_primary().await;
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
    ] {
        let heard = open.say(smuggled(fields)).await;
        assert!(
            heard.status() == 200 && heard.has("connection: close"),
            "{fields}: {heard:?}"
        );
        let passed = server.seen.requests.lock().unwrap().split_off(0);
        assert_eq!(passed.len(), 1, "{passed:?}");
        assert!(!passed[0].contains("content-length"), "{passed:?}");
        assert!(
            passed[0].contains("transfer-encoding: chunked"),
            "{passed:?}"
        );
    }
    open.end().await;
}

#[tokio::test]
async fn a_dead_primary_is_stood_in_for_and_one_hint_is_given() {
    let open = without_primary().await;
    for _ in 0..3 {
        let heard = open.get("/datei.txt").await;
        assert!(heard.status() == 200 && heard.is_copy(), "{heard:?}");
        assert_eq!(heard.text(), "0123456789");
    }
    let never = open.get("/nie").await;
    assert_eq!(never.status(), 503);
    assert!(never.head.contains("retry-after: 60"), "{never:?}");
    let post =
        "POST / HTTP/1.1\r\nHost: verein.test\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    assert_eq!(open.say(post).await.status(), 503);
    open.scene
        .counted(r#"servergate_site_relay_failures_total{reason="Connect"} 1"#);
    open.scene
        .counted(r#"servergate_site_relay_failures_total{reason="Spared"} 4"#);
    open.scene
        .counted(r#"servergate_site_answers_total{from="Fallback"} 3"#);
    let mut scene = open.end().await;
    assert_eq!(
        scene.hints.try_recv().unwrap().service.to_string(),
        "verein.test/web"
    );
    assert!(scene.hints.try_recv().is_err());
}

#[tokio::test]
async fn an_error_of_the_primary_is_replaced_where_the_copy_knows_better() {
    let (open, _server) = with_primary().await;
    let known = open.get("/suche?q=a&b=%20").await;
    assert!(
        known.status() == 200 && known.is_copy() && known.text() == "found\n",
        "{known:?}"
    );
    let unknown = open.get("/kaputt").await;
    assert_eq!(unknown.status(), 502, "an honest error stays one");
    let post = "POST /fehlt HTTP/1.1\r\nHost: verein.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(open.say(post).await.status(), 502);
    let mut scene = open.end().await;
    assert!(scene.hints.try_recv().is_ok());
}

#[tokio::test]
async fn a_connection_that_died_idle_is_not_the_guests_trouble() {
    // Says that the connection stays, answers once, and closes.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::default();
    tasks.spawn("primary", async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            if stream.read(&mut request).await.unwrap_or(0) > 0 {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlive";
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let tls = Authority::new().client(folder.path());
    let primary = Primary {
        secure: false,
        address,
    };
    let open = Scene::new(Some((primary, tls))).open().await;
    for _ in 0..20 {
        let heard = open.get("/").await;
        assert!(heard.status() == 200 && heard.text() == "live", "{heard:?}");
    }
    open.end().await;
}

#[tokio::test]
async fn a_primary_that_hangs_is_given_up_after_a_while() {
    let (open, server) = with_primary().await;
    let asking = open.get("/haengt");
    let waiting = async {
        server.seen.hangs.notified().await;
        tokio::time::pause();
    };
    let (heard, ()) = tokio::join!(asking, waiting);
    assert_eq!(heard.status(), 503, "{heard:?}");
    open.scene
        .counted(r#"servergate_site_relay_failures_total{reason="Late"} 1"#);
    open.end().await;
}

#[tokio::test]
async fn an_address_that_leads_back_to_us_is_found_out() {
    let open = without_primary().await;
    let Open {
        scene,
        serving,
        trigger,
    } = open;
    // The same routes, and now a primary that is our own listener.
    let folder = tempfile::tempdir().unwrap();
    let primary = Primary {
        secure: false,
        address: serving.http()[0],
    };
    let sources = SiteSources {
        organisation: OrganisationId::new(HOST),
        primary: Some((primary, Authority::new().client(folder.path()))),
        copy: Arc::new(copy_of(&scene.host.store)),
        withhold: scene.withhold.clone(),
        lead_to_https: false,
        blocked_by: None,
        bodies: Bodies::new(&scene.host),
        counters: scene.handler.0.counters.clone(),
    };
    let handler = SiteHandler::new(sources, &scene.host);
    scene.host.routes.register(HOST, Arc::new(handler));
    let open = Open {
        scene,
        serving,
        trigger,
    };
    assert_eq!(open.get("/nie").await.status(), 508);
    let known = open.get("/datei.txt").await;
    assert!(known.status() == 200 && known.is_copy(), "{known:?}");
    open.scene
        .counted(r#"servergate_site_answers_total{from="Loop"} 2"#);
    open.end().await;
}

#[tokio::test]
async fn the_primary_must_prove_the_name_it_is_asked_under() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    for (name, live) in [(HOST, true), ("stadt.test", false)] {
        let acceptor = authority.acceptor(folder.path(), name);
        let server = Server::start(&Tasks::default(), Some(acceptor)).await;
        let primary = Primary {
            secure: true,
            address: server.address,
        };
        let scene = Scene::new(Some((primary, authority.client(folder.path()))));
        let open = scene.open().await;
        let heard = open.get("/").await;
        assert_eq!(heard.status(), 200, "{name}: {heard:?}");
        assert_eq!(heard.has("etag: \"live\""), live, "{name}: {heard:?}");
        assert_eq!(heard.is_copy(), !live, "{name}: {heard:?}");
        open.end().await;
    }
}

#[tokio::test]
async fn while_we_act_not_even_a_challenge_is_asked_of_the_primary() {
    let (open, server) = with_primary().await;
    open.scene
        .stand(Role::Acting, false, Some(Effect::TakeOver));
    assert!(open.get("/").await.is_copy());
    assert_eq!(open.get("/nie").await.status(), 503);
    // Whoever holds the primary's address would get a certificate for the name.
    let token = "/.well-known/acme-challenge/abc";
    assert_eq!(open.get(token).await.status(), 404);
    open.scene
        .counted(r#"servergate_site_answers_total{from="Challenge"} 1"#);
    assert_eq!(server.requests(), Vec::<String>::new());
    open.scene.stand(Role::Acting, true, Some(Effect::Support));
    assert_eq!(open.get(token).await.status(), 200);
    for (role, relay) in [
        (Role::Returning, true),
        (Role::Acting, true),
        (Role::Standby, true),
    ] {
        open.scene.stand(role, relay, None);
        assert!(open.get("/").await.has("etag: \"live\""), "{role}");
    }
    open.end().await;
}

#[tokio::test]
async fn an_overloaded_primary_is_asked_only_for_what_the_copy_lacks() {
    let (open, server) = with_primary().await;
    open.scene.stand(Role::Standby, true, Some(Effect::Support));
    assert!(open.get("/").await.is_copy());
    assert_eq!(server.requests(), Vec::<String>::new());
    assert_eq!(open.get("/nie").await.status(), 404);
    assert_eq!(server.requests().len(), 1);
    open.end().await;
}

#[tokio::test]
async fn what_is_withheld_is_withheld_before_a_living_primary_too() {
    let (open, server) = with_primary().await;
    let scene = &open.scene;
    let outlets = &scene.host.outlets;
    scene
        .withhold
        .withhold(HOST, "order", "tester", start(), outlets)
        .await
        .unwrap();
    let heard = open.get("/datei.txt").await;
    assert_eq!(heard.status(), 451);
    assert!(
        heard.has("link: <https://gericht.test/>; rel=\"blocked-by\""),
        "{heard:?}"
    );
    assert_eq!(server.requests(), Vec::<String>::new());
    open.end().await;
}

#[tokio::test]
async fn while_withheld_the_primarys_own_notice_is_shown_and_no_copy_stands_in() {
    let (open, _server) = with_primary().await;
    for role in [Role::Standby, Role::Acting, Role::Returning] {
        open.scene.stand(role, true, Some(Effect::Withhold));
        let notice = open.get("/gesperrt").await;
        assert_eq!(notice.status(), 451, "{notice:?}");
        assert!(!notice.has("x-servergate"), "{notice:?}");
        // The copy has it, and the primary fails: that stays as it is.
        let failing = open.get("/kaputt").await;
        assert_eq!(failing.status(), 502, "{failing:?}");
    }
    open.end().await;
    let open = without_primary().await;
    open.scene
        .stand(Role::Standby, true, Some(Effect::Withhold));
    assert_eq!(open.get("/").await.status(), 503);
    open.end().await;
}
