//! Sites that are endless, slow, swollen or in a circle: each bounded, and the copy still good.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use site::CaptureOutcome;
use site::config::CaptureConfig;

use crate::origin::{Origin, Sends, Standby, config, html, page, redirect, start, status};

#[tokio::test]
async fn endless_links_end() {
    let origin = Origin::start(|seen| {
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        let target = seen.target.as_str();
        match target {
            "/" => start("<a href=/kalender/1>k</a><a href=/tief/>t</a><a href=/filter?>f</a><a href=gut>g</a>"),
            "/gut" => html("gut"),
            _ if target.starts_with("/kalender/") => {
                let month = number(target.trim_start_matches("/kalender/"));
                html(format!("<a href=/kalender/{}>weiter</a>", month + 1))
            }
            _ if target.starts_with("/tief/") => html("<a href=a/>a</a><a href=b/>b</a>"),
            _ if target.starts_with("/filter") => {
                let links: String =
                    (0..8).map(|n| format!("<a href='{target}&amp;f{n}={n}'>x</a>")).collect();
                html(links)
            }
            _ => status(404, "none"),
        }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(origin.address);
    config.capture.pages = 300;
    let standby = Standby::start(dir.path(), config).await;
    standby.first().await;
    assert!(origin.asked().len() <= 1_000);
    let report = standby.handle.status().unwrap();
    assert_eq!(report.serving.unwrap().pages, 300);
    assert_eq!(standby.body("/gut").unwrap(), b"gut");
    standby.stop().await;
}

#[tokio::test]
async fn a_calendar_alone_does_not_fill_the_copy() {
    let origin = Origin::start(|seen| match seen.target.as_str() {
        "/" => start("<a href=/kalender/1>k</a>"),
        target if target.starts_with("/kalender/") => {
            let month: u64 = target.trim_start_matches("/kalender/").parse().unwrap();
            html(format!("<a href=/kalender/{}>weiter</a>", month + 1))
        }
        _ => status(404, "none"),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let report = standby.handle.status().unwrap();
    assert!(report.serving.unwrap().pages < 100);
    let attempt = report.last_attempt.unwrap();
    assert!(attempt.tally.unwrap().refused > 0, "{attempt:?}");
    standby.stop().await;
}

fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

#[tokio::test]
async fn swollen_endless_and_broken_bodies_are_given_up() {
    let bomb = bomb();
    assert!(bomb.len() < 100_000);
    let origin = Origin::of(vec![
        (
            "/",
            start(
                "<a href=/bombe>b</a><a href=/endlos>e</a><a href=/kaputt>k</a><a href=/br>r</a>\
             <a href=/lang>l</a><a href=/gut>g</a>",
            ),
        ),
        (
            "/bombe",
            html(bomb.clone()).with("content-encoding", "gzip"),
        ),
        ("/endlos", html("").sends(Sends::Endless)),
        (
            "/kaputt",
            html(bomb.get(..1000).unwrap().to_vec()).with("content-encoding", "gzip"),
        ),
        ("/br", html("x").with("content-encoding", "br")),
        ("/lang", html("").with("x-long", &"x".repeat(300_000))),
        ("/gut", html("gut")),
    ])
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(origin.address);
    config.capture = CaptureConfig {
        file: 8 << 20,
        ..config.capture
    };
    let standby = Standby::start(dir.path(), config).await;
    let outcome = standby.first().await;
    assert!(
        !matches!(outcome, CaptureOutcome::Failed { .. }),
        "{outcome:?}"
    );
    assert_eq!(standby.body("/gut").unwrap(), b"gut");
    for given_up in ["/bombe", "/endlos", "/kaputt", "/br", "/lang"] {
        assert_eq!(standby.status(given_up), None, "{given_up}");
    }
    let attempt = standby.handle.status().unwrap().last_attempt.unwrap();
    assert_eq!(attempt.tally.unwrap().failed, 5, "{attempt:?}");
    standby.stop().await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up() {
    let origin = Origin::of(vec![
        ("/", start("<a href=/stumm>s</a><a href=/gut>g</a>")),
        ("/stumm", html("").sends(Sends::Nothing)),
        ("/gut", html("gut")),
    ])
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(origin.address);
    config.capture.patience = Duration::from_secs(2);
    let standby = Standby::start(dir.path(), config).await;
    standby.first().await;
    assert_eq!(standby.body("/gut").unwrap(), b"gut");
    assert_eq!(standby.status("/stumm"), None);
    standby.stop().await;
}

#[tokio::test]
async fn redirects_in_a_circle_are_kept_as_they_are_and_a_start_page_in_one_is_refused() {
    let circle = |to: &str| redirect(to);
    let origin = Origin::of(vec![
        ("/", start("<a href=/a>a</a>")),
        ("/a", circle("/b")),
        ("/b", circle("/a")),
    ])
    .await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    assert_eq!(
        (standby.status("/a"), standby.status("/b")),
        (Some(302), Some(302))
    );
    assert!(origin.asked().len() < 20);
    let number = standby.number();
    origin.now_of(vec![("/", circle("/a")), ("/a", circle("/"))]);
    let outcome = standby.again().await;
    let CaptureOutcome::Rejected { reason, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(reason.contains("circle"), "{reason}");
    assert_eq!(standby.number(), number);
    standby.stop().await;
}

#[tokio::test]
async fn a_large_file_goes_through_the_disk_and_comes_back_whole() {
    let film: Vec<u8> = (0..6_000_000u32).map(|n| (n % 251) as u8).collect();
    let origin = Origin::of(vec![
        ("/", start("<video src=film.mp4></video>")),
        ("/film.mp4", page("video/mp4", film.clone())),
    ])
    .await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    assert!(standby.body("/film.mp4").unwrap() == film);
    standby.stop().await;
}

#[tokio::test]
async fn the_bytes_of_a_copy_are_bounded() {
    let origin = Origin::start(|seen| match seen.target.as_str() {
        "/" => start(
            &(0..50)
                .map(|n| format!("<a href=/f{n}>x</a>"))
                .collect::<String>(),
        ),
        target if target.starts_with("/f") => html(vec![b'x'; 100_000]),
        _ => status(404, "none"),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(origin.address);
    config.capture.bytes = 1_000_000;
    let standby = Standby::start(dir.path(), config).await;
    standby.first().await;
    let serving = standby.handle.status().unwrap().serving.unwrap();
    assert!(
        serving.bytes <= 1_100_000 && serving.ending.contains("capture.bytes"),
        "{serving:?}"
    );
    assert!(origin.asked().len() < 20);
    standby.stop().await;
}
