//! The page over HTTP: status codes, languages, versions, headers.

use std::io::Read;

use http::{Method, StatusCode};
use model::{Cause, Service};

use crate::stage::{Stage, dark, good, organisation, statement};
use crate::xml::parse;

async fn stage() -> Stage {
    let stage = Stage::open(
        vec![organisation()],
        &[statement("a", "05:00", "Hallo.", false)],
    )
    .await;
    stage.stand([good(Service::Web)]).await;
    stage
}

#[tokio::test]
async fn the_visitor_chooses_the_language_by_path_or_by_header() {
    let stage = stage().await;
    let language = async |path: &str, header: &str| {
        let reply = stage
            .ask(Method::GET, path, &[("accept-language", header)])
            .await;
        assert_eq!(reply.status, StatusCode::OK);
        reply.header("content-language").to_owned()
    };
    assert_eq!(language("/", "en-GB,en;q=0.9,de;q=0.8").await, "en");
    assert_eq!(
        language("/", "fr").await,
        "de",
        "the organisation's first language"
    );
    assert_eq!(language("/", "").await, "de");
    assert_eq!(language("/de", "en").await, "de", "the path is stronger");
    assert_eq!(language("/feed.atom", "en").await, "en");
    let home = stage.get("/").await;
    assert!(home.header("vary").contains("accept-language"));
    assert!(
        !stage
            .get("/de")
            .await
            .header("vary")
            .contains("accept-language")
    );
    stage.close().await;
}

#[tokio::test]
async fn a_language_that_the_organisation_has_not_is_not_there() {
    let mut german = organisation();
    german.languages.truncate(1);
    let stage = Stage::open(vec![german], &[]).await;
    assert_eq!(stage.get("/en").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        stage.get("/en/feed.atom").await.status,
        StatusCode::NOT_FOUND
    );
    let page = stage.page("/").await;
    assert!(!page.contains("English"));
    stage.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_not_allowed_405() {
    let stage = stage().await;
    for path in [
        "/x",
        "/de/x",
        "/admin",
        "/de/feed",
        "/robots.txt",
        "/..",
        "/status.json.bak",
    ] {
        let reply = stage.get(path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(parse(reply.text()).named("h1").len(), 1);
        assert!(
            reply
                .header("content-security-policy")
                .starts_with("default-src 'none'")
        );
    }
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
    ] {
        let reply = stage.ask(method.clone(), "/de", &[]).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(reply.header("allow"), "GET, HEAD");
    }
    stage.close().await;
}

#[tokio::test]
async fn head_tells_the_same_without_the_body() {
    let stage = stage().await;
    for path in ["/de", "/status.json", "/de/feed.atom", "/nowhere"] {
        let get = stage.get(path).await;
        let head = stage.ask(Method::HEAD, path, &[]).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-length"), get.body.len().to_string());
        assert_eq!(head.header("etag"), get.header("etag"));
        assert_eq!(head.header("content-type"), get.header("content-type"));
    }
    stage.close().await;
}

#[tokio::test]
async fn a_known_version_is_not_sent_again_until_something_changes() {
    let stage = stage().await;
    for path in ["/de", "/status.json", "/en/feed.atom"] {
        let first = stage.get(path).await;
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        let again = stage
            .ask(Method::GET, path, &[("if-none-match", &etag)])
            .await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}");
        assert!(again.body.is_empty());
        assert_eq!(again.header("etag"), etag);
        assert_eq!(again.header("cache-control"), first.header("cache-control"));
    }
    let etag = stage.get("/de").await.header("etag").to_owned();
    stage
        .stand([dark(Service::Web, Cause::Silent, "09:14")])
        .await;
    let changed = stage
        .ask(Method::GET, "/de", &[("if-none-match", &etag)])
        .await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.header("etag"), etag);
    stage.close().await;
}

#[tokio::test]
async fn the_same_state_gives_the_same_version_on_every_standby() {
    let (one, other) = (stage().await, stage().await);
    for path in ["/de", "/en", "/status.json", "/de/feed.atom"] {
        let (one, other) = (one.get(path).await, other.get(path).await);
        assert_eq!(one.header("etag"), other.header("etag"), "{path}");
    }
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn gzip_is_the_same_page_with_a_version_of_its_own() {
    let stage = stage().await;
    let plain = stage.get("/de").await;
    let small = stage
        .ask(Method::GET, "/de", &[("accept-encoding", "br, gzip")])
        .await;
    assert_eq!(small.header("content-encoding"), "gzip");
    assert!(
        small.body.len() * 2 < plain.body.len(),
        "{}",
        small.body.len()
    );
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(small.body.as_slice());
    decoder.read_to_string(&mut text).expect("gzip");
    assert_eq!(text, plain.text());
    assert_ne!(small.header("etag"), plain.header("etag"));
    assert!(small.header("vary").contains("accept-encoding"));
    let refused = stage
        .ask(Method::GET, "/de", &[("accept-encoding", "gzip;q=0")])
        .await;
    assert_eq!(refused.header("content-encoding"), "");
    stage.close().await;
}

#[tokio::test]
async fn every_answer_is_guarded_and_none_sets_a_cookie() {
    let stage = stage().await;
    for path in [
        "/",
        "/de",
        "/de/statements",
        "/de/feed.atom",
        "/status.json",
        "/nowhere",
    ] {
        let reply = stage.get(path).await;
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe-inline"));
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        assert_eq!(reply.header("set-cookie"), "");
        assert!(reply.header("cache-control").contains("max-age=10"));
    }
    stage.close().await;
}

#[tokio::test]
async fn refusals_are_counted() {
    let stage = stage().await;
    stage.get("/nowhere").await;
    stage.ask(Method::POST, "/", &[]).await;
    let text = stage.metrics.text();
    for line in [
        "servergate_bulletin_requests_total{answer=\"NotFound\"} 1",
        "servergate_bulletin_requests_total{answer=\"MethodNotAllowed\"} 1",
        "servergate_bulletin_records_total 1",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    stage.close().await;
}

#[tokio::test]
async fn the_status_for_machines_has_its_shape_and_nothing_about_people() {
    let stage = Stage::open(
        vec![organisation()],
        &crate::stage::outage_of(Service::Web, Cause::Silent, "09:14:03"),
    )
    .await;
    let mut web = dark(Service::Web, Cause::Silent, "09:14:03");
    web.held_by = Some((
        model::Operator("a.person".to_owned()),
        crate::stage::at("09:30"),
    ));
    stage.stand([good(Service::Names), web]).await;
    let reply = stage.get("/status.json").await;
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    assert!(!reply.text().contains("person"));
    let status: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let expected = serde_json::json!({
        "version": 1,
        "organisation": "verein.test",
        "name": "Verein Beispiel",
        "updated": "2026-05-20T07:14:20Z",
        "mode": "act",
        "overall": "dark",
        "services": [
            {
                "service": "web", "status": "dark", "role": "standby",
                "since": "2026-05-20T07:14:03Z", "cause": "silent",
                "places": {"failing": 3, "voting": 3},
                "outage": "verein.test/web/2026-05-20T07:14:03Z",
            },
            {
                "service": "names", "status": "reachable", "role": "standby",
                "since": "2026-05-20T04:00:00Z", "cause": null,
                "places": {"failing": 0, "voting": 3}, "outage": null,
            },
        ],
        "copy": null,
        "reason_said": false,
    });
    assert_eq!(status, expected);
    stage.close().await;
}
