//! The copy over loopback: bytes as they were, large and small.

use std::path::PathBuf;
use std::time::Duration;

use store::BlobId;

use super::*;

#[tokio::test]
async fn a_large_file_is_streamed_whole_and_in_parts() {
    let open = Scene::new(None).open().await;
    let film = film();
    let heard = open.get("/film.bin").await;
    assert_eq!(heard.status(), 200);
    assert!(
        heard.has(&format!("content-length: {}", film.len())),
        "{}",
        heard.head
    );
    assert!(heard.body == film, "byte for byte");
    let part = "GET /film.bin HTTP/1.1\r\nHost: verein.test\r\nRange: bytes=999999-1500001\r\nConnection: close\r\n\r\n";
    let heard = open.say(part).await;
    assert_eq!(heard.status(), 206);
    assert!(heard.body == film[999_999..=1_500_001], "byte for byte");
    open.end().await;
}

#[tokio::test]
async fn a_body_that_is_gone_from_the_disk_is_no_lie() {
    let open = Scene::new(None).open().await;
    fs::remove_dir_all(open.scene.folder.path().join("store/blobs")).unwrap();
    assert_eq!(open.get("/datei.txt").await.status(), 503);
    assert_eq!(open.get("/film.bin").await.status(), 503);
    open.scene
        .counted(r#"servergate_site_answers_total{from="Store"} 2"#);
    open.end().await;
}

#[tokio::test]
async fn the_start_page_is_there_whatever_becomes_of_the_disk() {
    let open = Scene::new(None).open().await;
    fs::remove_dir_all(open.scene.folder.path().join("store")).unwrap();
    assert_eq!(open.get("/").await.text(), "<h1>Verein</h1>\n");
    let coded =
        "GET / HTTP/1.1\r\nHost: verein.test\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n";
    assert_eq!(open.say(coded).await.text(), "(br)");
    open.end().await;
}

/// A pipe in place of a file: who opens it for reading waits until somebody writes.
fn that_never_answers(scene: &Scene, body: &[u8]) -> PathBuf {
    let name = BlobId::of(body).to_string();
    let path = scene.folder.path().join("store/blobs").join(&name[..2]);
    let path = path.join(name);
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    path
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_keeps_nobody_for_long_and_is_used_again_when_it_does() {
    let scene = Scene::new(None);
    scene.stand(Role::Acting, false, None);
    let pipe = that_never_answers(&scene, b"0123456789");
    let ask = |target: &str| {
        let request = http::Request::builder().uri(target).header("host", HOST);
        let request = request.body(Body::empty()).unwrap();
        scene.handler.handle(HOST, request)
    };
    let unavailable = |outcome: &Outcome| matches!(outcome, Outcome::Unavailable { .. });
    let begun = tokio::time::Instant::now();
    // The clock stands still while a read is under way: it is moved by hand.
    let wait = async { tokio::time::advance(Duration::from_secs(2)).await };
    let (outcome, ()) = tokio::join!(ask("/datei.txt"), wait);
    assert!(unavailable(&outcome));
    for target in ["/datei.txt", "/film.bin", "/fehlt"] {
        assert!(unavailable(&ask(target).await), "{target}");
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(2), "nobody else waits");
    assert!(!unavailable(&ask("/").await), "what is held is served");

    drop(fs::File::options().write(true).open(pipe).unwrap());
    while unavailable(&ask("/fehlt").await) {
        tokio::task::yield_now().await;
    }
    assert!(!unavailable(&ask("/film.bin").await));
}

#[tokio::test]
async fn a_small_page_is_read_from_the_disk_once() {
    let open = Scene::new(None).open().await;
    assert_eq!(open.get("/datei.txt").await.text(), "0123456789");
    fs::remove_dir_all(open.scene.folder.path().join("store/blobs")).unwrap();
    assert_eq!(open.get("/datei.txt").await.text(), "0123456789");
    open.scene
        .counted(r#"servergate_site_answers_total{from="Copy"} 2"#);
    open.end().await;
}

#[tokio::test]
async fn large_files_at_once_are_bounded() {
    let scene = Scene::new(None);
    let request = || {
        let request = http::Request::builder()
            .uri("/film.bin")
            .header("host", HOST);
        request.body(Body::empty()).unwrap()
    };
    let mut held = Vec::new();
    loop {
        match scene.handler.handle(HOST, request()).await {
            Outcome::Answer(response) => held.push(response),
            Outcome::Unavailable { retry_after, .. } => {
                assert_eq!(retry_after, SOON);
                break;
            }
        }
        assert!(held.len() < 1000, "without bound");
    }
    drop(held);
    let outcome = scene.handler.handle(HOST, request()).await;
    assert!(
        matches!(outcome, Outcome::Answer(_)),
        "places are given back"
    );
}

#[tokio::test]
async fn a_guest_of_a_secure_site_is_led_to_https_from_the_usual_port() {
    let scene = Scene::new(None);
    let sources = SiteSources {
        organisation: OrganisationId::new(HOST),
        primary: None,
        copy: Arc::new(copy_of(&scene.host.store)),
        withhold: scene.withhold.clone(),
        lead_to_https: true,
        blocked_by: None,
        bodies: Bodies::new(&scene.host),
        counters: scene.handler.0.counters.clone(),
    };
    let handler = SiteHandler::new(sources, &scene.host);
    scene.host.routes.register(HOST, Arc::new(handler));
    let open = scene.open().await;
    let heard = open.get("/suche?q=a&b=%20").await;
    assert_eq!(heard.status(), 307);
    assert!(
        heard.has("location: https://verein.test/suche?q=a&b=%20"),
        "{heard:?}"
    );
    let port = "GET / HTTP/1.1\r\nHost: verein.test:8080\r\nConnection: close\r\n\r\n";
    assert_eq!(open.say(port).await.status(), 200);
    open.end().await;
}
