//! The 503 in place of a page that cannot be had.

use http::{Method, StatusCode};
use model::{Cause, OrganisationId, Service};

use crate::stage::{Reply, Stage, dark, good, organisation, verein};
use crate::xml::parse;

async fn ask(
    stage: &Stage,
    whose: &OrganisationId,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let notice = stage.routes.notice().expect("registered");
    let reply = Reply::of(notice.unavailable(whose, 120, &head)).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.header("retry-after"), "120");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    reply
}

async fn stage() -> Stage {
    let stage = Stage::open(vec![organisation()], &[]).await;
    stage
        .stand([
            dark(Service::Web, Cause::Silent, "09:14"),
            good(Service::Names),
        ])
        .await;
    stage
}

#[tokio::test]
async fn a_person_gets_a_short_honest_page_in_a_language_they_read() {
    let stage = stage().await;
    for (accepted, title, line, link) in [
        (
            "en",
            "This page is not available at the moment",
            "Website: not reachable",
            "https://status.verein.test/en",
        ),
        (
            "fr",
            "Diese Seite ist gerade nicht verfügbar",
            "Website: nicht erreichbar",
            "https://status.verein.test/de",
        ),
    ] {
        let headers = [
            ("accept", "text/html,*/*;q=0.8"),
            ("accept-language", accepted),
        ];
        let reply = ask(
            &stage,
            &verein(),
            Method::GET,
            "/secret/path?token=1",
            &headers,
        )
        .await;
        assert!(reply.body.len() < 8 * 1024, "{}", reply.body.len());
        assert!(!reply.text().contains("secret") && !reply.text().contains("token"));
        let page = parse(reply.text());
        assert_eq!(page.named("h1")[0].text(), title);
        assert_eq!(page.classed("brief")[0].named("li")[0].text(), line);
        assert_eq!(
            page.classed("more")[0].named("a")[0].attribute("href"),
            Some(link)
        );
        assert!(reply.header("vary").contains("accept-language"));
        if let Some(folder) = std::env::var_os("BULLETIN_PAGES") {
            let file = std::path::Path::new(&folder).join(format!("notice-{accepted}.html"));
            std::fs::write(file, reply.text()).expect("written");
        }
    }
    stage.close().await;
}

#[tokio::test]
async fn a_program_and_a_picture_get_what_they_can_read() {
    let stage = stage().await;
    let kind = async |path: &str, accept: &str| {
        let reply = ask(&stage, &verein(), Method::GET, path, &[("accept", accept)]).await;
        assert!(reply.body.len() < 300);
        (reply.header("content-type").to_owned(), reply.body)
    };
    let (json, body) = kind("/api", "application/json").await;
    assert_eq!(json, "application/json");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["see"], "https://status.verein.test/status.json");
    let (image, body) = kind("/logo.svg", "image/avif,image/webp,*/*;q=0.8").await;
    assert_eq!(image, "image/gif");
    assert!(body.starts_with(b"GIF89a") && body.ends_with(b";"));
    assert_eq!(
        kind("/s.css", "text/css,*/*;q=0.1").await.0,
        "text/css; charset=utf-8"
    );
    assert_eq!(
        kind("/s.js", "*/*").await.0,
        "text/javascript; charset=utf-8"
    );
    assert_eq!(kind("/f.woff2", "*/*").await.0, "text/plain; charset=utf-8");
    stage.close().await;
}

#[tokio::test]
async fn head_has_no_body_and_a_stranger_gets_an_answer_too() {
    let stage = stage().await;
    let html = [("accept", "text/html")];
    let head = ask(&stage, &verein(), Method::HEAD, "/", &html).await;
    assert!(head.body.is_empty());
    let stranger = OrganisationId::new("stadt.test");
    let reply = ask(&stage, &stranger, Method::GET, "/", &html).await;
    assert!(reply.text().contains("nicht verfügbar"), "{}", reply.text());
    stage.close().await;
}

#[tokio::test]
async fn an_organisation_without_a_page_of_its_own_still_has_the_notice() {
    let mut organisation = organisation();
    organisation.host = None;
    organisation.url = None;
    let stage = Stage::open(vec![organisation], &[]).await;
    assert!(stage.routes.handler("status.verein.test").is_none());
    let reply = ask(
        &stage,
        &verein(),
        Method::GET,
        "/",
        &[("accept", "text/html")],
    )
    .await;
    let page = parse(reply.text());
    assert!(page.classed("more").is_empty(), "no link to nowhere");
    stage.close().await;
}
