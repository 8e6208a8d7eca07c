//! Capturing a sane site: whole, faithful, polite, and never worse than before.

mod hostile;
mod killed;
mod tls;

use std::io::{Read, Write};

use model::{Epoch, Fact, Mode, Role, Service, ServiceId, Standing, StateName, Timestamp};
use site::CaptureOutcome;
use site::shelf::State;

use crate::origin::{
    Answer, Origin, START, Sends, Standby, config, html, page, redirect, start, status,
};

fn site() -> Vec<(&'static str, Answer)> {
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
    let origin = Origin::of(site()).await;
    let dir = tempfile::tempdir().unwrap();
    let mut standby = Standby::start(dir.path(), config(origin.address)).await;
    let outcome = standby.first().await;
    assert!(
        !matches!(outcome, CaptureOutcome::Failed { .. }),
        "{outcome:?}"
    );
    for (target, answer) in site() {
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
    let recorded = standby.records.recv().await.unwrap();
    let Fact::Generation(fact) = recorded else {
        panic!("{recorded:?}")
    };
    assert_eq!((fact.number, fact.pages), (1, generation.len() as u64));
    standby.stop().await;
}

#[tokio::test]
async fn the_primary_is_asked_as_a_decent_guest_asks() {
    let origin = Origin::of(site()).await;
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

#[tokio::test]
async fn a_good_copy_is_never_replaced_by_something_worse() {
    let origin = Origin::of(many(start(&ten_links()))).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let number = standby.number();
    assert!(number.is_some());
    let defaced = "<title>Verein Beispiel</title><h1>hacked by somebody for fame</h1>";
    let worse: [(&str, Vec<(&str, Answer)>); 6] = [
        ("start page has status 500", many(status(500, "oops"))),
        (
            "expected mark",
            many(html("<p>This domain is for sale</p>")),
        ),
        ("of its words", many(html(defaced))),
        (
            "leads to another host",
            many(redirect("https://parked.example/")),
        ),
        ("good pages where", vec![("/", start(""))]),
        (
            "are errors now",
            vec![("/", start(&ten_links())), ("/0", html("Seite /0"))],
        ),
    ];
    for (reason, pages) in worse {
        origin.now_of(pages);
        match standby.again().await {
            CaptureOutcome::Rejected {
                entry,
                reason: said,
            } => {
                let lost = reason == "good pages where" && said.contains("are errors now");
                assert!(said.contains(reason) || lost, "{reason}: {said}");
                let listed = standby.handle.generations().unwrap().0;
                let listed = listed
                    .into_iter()
                    .find(|it| it.number == entry.number)
                    .unwrap();
                assert_eq!(listed.state, State::Rejected { reason: said });
            }
            other => panic!("{reason}: {other:?}"),
        }
        assert_eq!(standby.number(), number, "{reason}");
        assert_eq!(standby.body("/7").unwrap(), b"Seite /7");
    }
    let report = standby.handle.status().unwrap();
    assert!(report.last_rejected.is_some());
    assert_eq!(report.serving.map(|entry| entry.number), number);
    standby.stop().await;
}

#[tokio::test]
async fn an_operator_accepts_pins_and_rolls_back() {
    let origin = Origin::of(vec![("/", start(""))]).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let first = standby.number().unwrap();
    origin.now_of(vec![(
        "/",
        html("<h1>Verein Beispiel</h1>ganz neu gestaltet und geschrieben"),
    )]);
    let CaptureOutcome::Rejected { entry, .. } = standby.again().await else {
        panic!()
    };
    standby.handle.accept(entry.number).await.unwrap();
    assert_eq!(standby.number(), Some(entry.number));
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Unchanged { .. }
    ));
    let back = standby.handle.rollback("ana").await.unwrap();
    assert_eq!(back.number, first);
    assert_eq!(standby.number(), Some(first));
    assert_eq!(standby.body("/").unwrap(), START.as_bytes());
    // What was rolled back from is not taken again by itself, nor is anything newer served.
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Rejected { .. }
    ));
    origin.now_of(vec![("/", start("<p>wieder gut</p>"))]);
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::New { served: false, .. }
    ));
    assert_eq!(standby.number(), Some(first));
    assert_eq!(standby.handle.status().unwrap().pinned.unwrap().by, "ana");
    standby.handle.unpin().await.unwrap();
    assert!(
        String::from_utf8(standby.body("/").unwrap())
            .unwrap()
            .contains("wieder gut")
    );
    standby.stop().await;
}

fn standing(role: Role, relay: bool) -> Standing {
    Standing {
        service: ServiceId::new(model::OrganisationId::new("verein.test"), Service::Web),
        role,
        epoch: Epoch::default(),
        since: Timestamp::default(),
        state: StateName::Following,
        mode: Mode::Act,
        would: None,
        effect: None,
        relay,
        handback: false,
        verdict: None,
        outage: None,
        held_by: None,
        question: None,
    }
}

#[tokio::test]
async fn a_primary_that_is_not_to_be_asked_is_not_asked() {
    let origin = Origin::of(vec![("/", start(""))]).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    origin.asked();
    for (role, relay) in [
        (Role::Acting, false),
        (Role::Returning, true),
        (Role::Standby, false),
    ] {
        standby.standings.send_modify(|standings| {
            let standing = standing(role, relay);
            *standings = std::sync::Arc::new([(standing.service.clone(), standing)].into());
        });
        assert!(matches!(
            standby.again().await,
            CaptureOutcome::Stopped { .. }
        ));
        assert!(origin.asked().is_empty());
    }
    assert!(standby.number().is_some());
    standby.stop().await;
}

#[tokio::test]
async fn a_capture_stops_when_the_standing_changes_and_leaves_the_copy_as_it_was() {
    let origin = Origin::of(vec![("/", start(""))]).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let number = standby.number();
    let (asked, mut wait) = tokio::sync::mpsc::channel(8);
    origin.now(move |seen| match seen.target.as_str() {
        "/" => start("<a href=/hang>h</a><p>neu</p>"),
        "/hang" => {
            let _ = asked.try_send(());
            html("").sends(Sends::Nothing)
        }
        _ => status(404, "none"),
    });
    let capturing = standby.handle.clone();
    let capture =
        host::Tasks::default().spawn("capture", async move { capturing.capture_now().await });
    wait.recv().await.unwrap();
    standby.standings.send_modify(|standings| {
        let standing = standing(Role::Acting, false);
        *standings = std::sync::Arc::new([(standing.service.clone(), standing)].into());
    });
    let outcome = capture.await.unwrap().unwrap();
    assert!(
        matches!(outcome, CaptureOutcome::Stopped { .. }),
        "{outcome:?}"
    );
    assert_eq!(standby.number(), number);
    assert_eq!(standby.body("/").unwrap(), START.as_bytes());
    standby.stop().await;
}

#[tokio::test]
async fn the_last_generation_is_served_at_once_after_a_restart() {
    let origin = Origin::of(vec![("/", start("<a href=x>x</a>")), ("/x", html("x"))]).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let number = standby.number();
    standby.stop().await;
    origin.asked();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    assert_eq!(standby.number(), number);
    assert_eq!(standby.body("/x").unwrap(), b"x");
    // The refresh is a day: a restart alone asks nothing.
    assert!(origin.asked().is_empty());
    standby.stop().await;
}

#[tokio::test]
async fn a_primary_that_fails_half_way_costs_nothing() {
    let origin = Origin::of(many(start(&ten_links()))).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let number = standby.number();
    origin.now(|seen| match seen.target.as_str() {
        "/robots.txt" => status(404, ""),
        "/" => start(&ten_links()),
        _ => status(502, "bad gateway"),
    });
    let outcome = standby.again().await;
    assert!(
        matches!(outcome, CaptureOutcome::Stopped { .. }),
        "{outcome:?}"
    );
    // It left after a few failures instead of trying everything.
    assert!(origin.asked().len() < 30);
    assert_eq!(standby.number(), number);
    assert_eq!(standby.body("/9").unwrap(), b"Seite /9");
    standby.stop().await;
}

#[tokio::test]
async fn one_failing_page_keeps_its_last_good_form() {
    let origin = Origin::of(many(start(&ten_links()))).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let mut pages = many(start(&format!("{}<p>neu</p>", ten_links())));
    pages.retain(|(at, _)| *at != "/3");
    pages.push(("/3", status(500, "oops")));
    origin.now_of(pages);
    let outcome = standby.again().await;
    assert!(
        matches!(outcome, CaptureOutcome::New { served: true, .. }),
        "{outcome:?}"
    );
    assert_eq!(standby.body("/3").unwrap(), b"Seite /3");
    assert_eq!(standby.status("/3"), Some(200));
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
async fn a_folder_is_a_site_too() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("index.html"), START).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("127.0.0.1:1".parse().unwrap());
    config.source = site::config::Source::Folder(root.path().to_owned());
    let standby = Standby::start(dir.path(), config).await;
    standby.first().await;
    assert_eq!(standby.body("/").unwrap(), START.as_bytes());
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Unchanged { .. }
    ));
    std::fs::write(root.path().join("neu.html"), "neu").unwrap();
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::New { served: true, .. }
    ));
    assert_eq!(standby.body("/neu.html").unwrap(), b"neu");
    // A folder that is gone does not take the copy with it.
    drop(root);
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Failed { .. }
    ));
    assert_eq!(standby.body("/neu.html").unwrap(), b"neu");
    standby.stop().await;
}

#[tokio::test]
async fn a_generation_is_exported_as_warc() {
    let mut pages = site();
    let text = "Verein ".repeat(300);
    pages.push((
        "/gepackt",
        html(packed(text.as_bytes())).with("content-encoding", "gzip"),
    ));
    pages.push(("/feed", html("<a href=/gepackt>g</a>")));
    let origin = Origin::of(pages).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let path = dir.path().join("copy.warc.gz");
    let number = standby.number().unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let written = standby.handle.export(number, file).await.unwrap();
    let mut records = String::new();
    let bytes = std::fs::read(&path).unwrap();
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    records.push_str(&String::from_utf8_lossy(&unpacked));
    assert_eq!(
        records.matches("WARC-Type: response").count() as u64,
        written
    );
    assert_eq!(records.matches("WARC-Type: warcinfo").count(), 1);
    for part in [
        "WARC-Target-URI: https://verein.test/seite?a=1&b=2\r\n",
        "HTTP/1.1 302 Found\r\n",
        "Location: /neu\r\n",
        "X-Archive-Orig-Content-Encoding: gzip\r\n",
        &text,
    ] {
        assert!(records.contains(part), "{part}");
    }
    assert!(!records.contains("Set-Cookie"));
    standby.stop().await;
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
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
