//! When the primary is asked at all, and what is there after a restart.

use model::{Epoch, Mode, Role, Service, ServiceId, Standing, StateName, Timestamp};

use site::CaptureOutcome;

use crate::origin::{Origin, START, Sends, Standby, config, html, start, status};

/// The website that all these tests are about.
pub(crate) fn web() -> ServiceId {
    ServiceId::new(model::OrganisationId::new("verein.test"), Service::Web)
}

fn standing(role: Role, relay: bool) -> Standing {
    Standing {
        service: web(),
        role,
        epoch: Epoch::default(),
        since: Timestamp::default(),
        state: StateName::Following,
        mode: Mode::Act,
        would: None,
        effect: None,
        relay,
        handback: false,
        doubt: None,
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
async fn a_trial_asks_for_many_guests_and_says_what_came_of_it() {
    let origin = Origin::of(vec![("/", start(""))]).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    origin.asked();
    let trial = standby.handle.trial().await.unwrap().unwrap();
    assert_eq!(
        (trial.answered, trial.refused, trial.denied),
        (24, None, None)
    );
    assert!(!trial.broke_off);
    assert_eq!(origin.asked().len(), 24);
    standby.stop().await;
}
