//! Capturing a sane site: whole, faithful, polite, and never worse than before.

mod guard;
mod hostile;
mod killed;
mod operator;
mod standing;
mod tls;

use std::io::Write;

use model::Fact;

use site::CaptureOutcome;

use crate::origin::{Answer, Origin, Sends, Standby, config, html, page, redirect, start, status};

fn sane_site() -> Vec<(&'static str, Answer)> {
    vec![
        (
            "/robots.txt",
            page(
                "text/plain",
                "User-agent: *\nDisallow: /verboten\nSitemap: https://verein.test/karte.xml\n",
            ),
        ),
        (
            "/karte.xml",
            page(
                "application/xml",
                "<urlset><url><loc>https://verein.test/nur-in-der-karte</loc></url></urlset>",
            ),
        ),
        (
            "/",
            start(
                "<link rel=stylesheet href=/stil.css><img src=bild.png srcset='gross.png 2x'>\
             <a href=/seite?a=1&amp;b=2>s</a><a href=/alt>alt</a><a href=/weg>weg</a>\
             <a href=/verboten>v</a><a href=/wp-login.php>l</a><a href=https://evil.test/x>x</a>\
             <a href=/privat>p</a><a href=/feed>f</a><a href=/latin>l</a>",
            )
            .with("set-cookie", "sitzung=1")
            .with("etag", "\"start\""),
        ),
        (
            "/stil.css",
            page(
                "text/css",
                "@import 'mehr.css'; a{background:url(grund.png)}",
            )
            .with("cache-control", "max-age=600"),
        ),
        ("/mehr.css", page("text/css", "b{}".repeat(500))),
        ("/grund.png", page("image/png", &b"\x89PNG\x00\xff"[..])),
        ("/bild.png", page("image/png", &b"png1"[..])),
        ("/gross.png", page("image/png", &b"png2"[..])),
        ("/seite?a=1&b=2", html("mit Frage")),
        ("/alt", redirect("/neu")),
        ("/neu", html("neu")),
        ("/weg", status(410, "weg")),
        ("/verboten", html("verboten")),
        ("/wp-login.php", html("login")),
        ("/privat", html("privat").with("cache-control", "private")),
        (
            "/feed",
            page(
                "application/rss+xml",
                "<rss><channel><item><link>https://verein.test/aus-dem-feed</link></item></channel></rss>",
            ),
        ),
        ("/aus-dem-feed", html("gefunden")),
        ("/nur-in-der-karte", html("karte")),
        (
            "/latin",
            page("text/html; charset=iso-8859-1", &b"gr\xfcn"[..]),
        ),
    ]
}

#[tokio::test]
async fn a_site_is_captured_whole_and_as_it_is() {
    let origin = Origin::of(sane_site()).await;
    let dir = tempfile::tempdir().unwrap();
    let mut standby = Standby::start(dir.path(), config(origin.address)).await;
    let outcome = standby.first().await;
    assert!(
        !matches!(outcome, CaptureOutcome::Failed { .. }),
        "{outcome:?}"
    );
    for (target, answer) in sane_site() {
        let left_out = ["/verboten", "/wp-login.php", "/privat"].contains(&target);
        let Sends::Bytes(body) = answer.sends else {
            unreachable!()
        };
        let expected = (!left_out).then(|| body.to_vec());
        assert_eq!(standby.body(target), expected, "{target}");
        assert_eq!(
            standby.status(target),
            (!left_out).then_some(answer.status),
            "{target}"
        );
    }
    assert_eq!(standby.status("/favicon.ico"), Some(404));
    let generation = standby.handle.copy().current().unwrap();
    let start = generation.page("verein.test", "/").unwrap();
    assert_eq!(start.etag, "\"start\"");
    assert!(start.headers.iter().all(|(name, _)| name != "set-cookie"));
    let style = generation.page("verein.test", "/mehr.css").unwrap();
    let (gzip, brotli) = (style.gzip.unwrap(), style.brotli.unwrap());
    assert!(gzip.1 < 100 && brotli.1 < 100);
    let alt = generation.page("verein.test", "/alt").unwrap();
    assert!(
        alt.headers
            .iter()
            .any(|(name, value)| name == "location" && value == "/neu")
    );
    let none_yet = Fact::Copy {
        service: standing::web(),
        held: false,
    };
    assert_eq!(standby.records.recv().await.unwrap(), none_yet);
    let recorded = standby.records.recv().await.unwrap();
    let Fact::Generation(fact) = recorded else {
        panic!("{recorded:?}")
    };
    assert_eq!((fact.number, fact.pages), (1, generation.len() as u64));
    standby.stop().await;
}

#[tokio::test]
async fn the_primary_is_asked_as_a_decent_guest_asks() {
    let origin = Origin::of(sane_site()).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let asked = origin.asked();
    assert_eq!(asked.first().unwrap().target, "/robots.txt");
    for seen in &asked {
        assert_eq!(seen.host, "verein.test");
        let agent = seen.headers.get("user-agent").unwrap().to_str().unwrap();
        assert!(
            agent.starts_with("Servergate/") && agent.ends_with("(+standby copy of this site)")
        );
        assert!(
            !seen.headers.contains_key("cookie") && !seen.headers.contains_key("authorization")
        );
        assert!(!["/verboten", "/wp-login.php"].contains(&seen.target.as_str()));
    }
    standby.stop().await;
}

#[tokio::test]
async fn a_refresh_asks_only_whether_something_changed() {
    let origin = Origin::start(|seen| {
        if seen
            .headers
            .get("if-none-match")
            .is_some_and(|it| it == "\"v1\"")
        {
            return status(304, "");
        }
        match seen.target.as_str() {
            "/" => start("<link rel=stylesheet href=a.css><a href=b>b</a>").with("etag", "\"v1\""),
            "/a.css" => page("text/css", "a{}").with("cache-control", "max-age=600"),
            "/b" => html("b").with("etag", "\"v1\""),
            _ => status(404, "none"),
        }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    origin.asked();
    let number = standby.number();
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Unchanged { .. }
    ));
    assert_eq!(standby.number(), number);
    let asked = origin.asked();
    let conditional = |target: &str| {
        let seen = asked.iter().find(|seen| seen.target == target)?;
        Some(seen.headers.contains_key("if-none-match"))
    };
    assert_eq!(conditional("/"), Some(true));
    assert_eq!(conditional("/b"), Some(true));
    assert_eq!(conditional("/a.css"), None, "fresh for ten minutes");
    // A change of one page is a new generation with the rest as it was.
    origin.now(|seen| match seen.target.as_str() {
        "/b" => html("b, neu").with("etag", "\"v2\""),
        "/a.css" => page("text/css", "a{}"),
        "/" => status(304, ""),
        _ => status(404, "none"),
    });
    let outcome = standby.again().await;
    assert!(
        matches!(outcome, CaptureOutcome::New { served: true, .. }),
        "{outcome:?}"
    );
    assert_eq!(standby.body("/b").unwrap(), b"b, neu");
    assert_eq!(standby.body("/a.css").unwrap(), b"a{}");
    let entries = standby.handle.generations().unwrap().0;
    let (first, last) = (
        entries.first().unwrap().number,
        entries.last().unwrap().number,
    );
    let difference = standby.handle.diff(first, last).await.unwrap();
    assert_eq!(difference.changed, ["https://verein.test/b"]);
    assert!(difference.added.is_empty() && difference.removed.is_empty());
    standby.stop().await;
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_followed() {
    let origin = Origin::of(many(start(&ten_links()))).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    origin.asked();
    origin.now(|seen| match seen.target.as_str() {
        "/robots.txt" => status(404, ""),
        "/" => start(&format!("{}<p>neu</p>", ten_links())),
        _ => status(429, "slow down").with("retry-after", "0"),
    });
    let outcome = standby.again().await;
    // What came before the wish is good; the rest is as it was.
    assert!(
        matches!(outcome, CaptureOutcome::New { served: true, .. }),
        "{outcome:?}"
    );
    assert!(origin.asked().len() < 10);
    assert_eq!(standby.body("/9").unwrap(), b"Seite /9");
    standby.stop().await;
}

#[tokio::test]
async fn several_hosts_are_one_site_and_robots_may_move() {
    let origin = Origin::start(|seen| match (seen.host.as_str(), seen.target.as_str()) {
        ("verein.test", "/robots.txt") => redirect("https://www.verein.test/robots.txt"),
        ("verein.test", target) => redirect(&format!("https://www.verein.test{target}")),
        ("www.verein.test", "/robots.txt") => page("text/plain", "User-agent: *\nDisallow: /zu\n"),
        ("www.verein.test", "/") => start("<a href=https://verein.test/zu>z</a><a href=/x>x</a>"),
        ("www.verein.test", "/x") => html("x"),
        _ => status(404, "none"),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(origin.address);
    config.hosts.push("www.verein.test".into());
    let standby = Standby::start(dir.path(), config).await;
    let outcome = standby.first().await;
    let generation = standby.handle.copy().current().unwrap();
    let status = |host: &str, target: &str| Some(generation.page(host, target)?.status);
    assert_eq!(status("verein.test", "/"), Some(302), "{outcome:?}");
    assert_eq!(status("www.verein.test", "/"), Some(200));
    assert_eq!(status("www.verein.test", "/x"), Some(200));
    // Forbidden at the one host by rules that stand at the other.
    assert!(origin.asked().iter().all(|seen| seen.target != "/zu"));
    standby.stop().await;
}

fn many(start: Answer) -> Vec<(&'static str, Answer)> {
    const PAGES: [&str; 10] = ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"];
    let mut pages: Vec<_> = PAGES
        .into_iter()
        .map(|at| (at, html(format!("Seite {at}"))))
        .collect();
    pages.push(("/", start));
    pages
}

fn ten_links() -> String {
    (0..10).map(|n| format!("<a href=/{n}>{n}</a>")).collect()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
