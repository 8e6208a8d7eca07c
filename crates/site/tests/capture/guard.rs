//! A good copy is never replaced by something worse.

use site::CaptureOutcome;
use site::shelf::State;

use super::{many, ten_links};
use crate::origin::{Answer, Origin, Standby, config, html, redirect, start, status};

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
