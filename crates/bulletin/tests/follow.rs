//! Following: the log at the start, new records and standings after it, two organisations apart.

use bulletin::RECORD_LOG;
use model::{Cause, OrganisationId, RecordSpec, Service};
use store::{Batch, Options, Store};

use crate::stage::{Stage, append, dark, good, organisation, outage_of, statement};
use crate::xml::parse;

#[tokio::test]
async fn a_long_log_is_taken_in_at_the_start_and_foreign_entries_are_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("store"), Options::default()).expect("a store");
    let mut batch = Batch::new().append(&RECORD_LOG, b"{\"version\":\"V9\",\"new\":1}".to_vec());
    for n in 0..600 {
        let record = statement(&format!("s{n}"), "05:00", &format!("Angabe {n}."), false);
        let bytes = serde_json::to_vec(&RecordSpec::V1(record)).expect("JSON");
        batch = batch.append(&RECORD_LOG, bytes);
    }
    store
        .commit(batch.append(&RECORD_LOG, vec![0xff]))
        .await
        .expect("a receipt");
    let stage = Stage::on(folder, store, vec![organisation()]).await;
    let page = stage.page("/de/statements").await;
    assert!(page.contains("Angabe 599.") && !page.contains("Angabe 399."));
    assert!(
        stage
            .metrics
            .text()
            .contains("servergate_bulletin_unreadable_records_total 2")
    );
    stage.close().await;
}

#[tokio::test]
async fn a_record_that_changes_nothing_writes_nothing() {
    let mut log = outage_of(Service::Web, Cause::Silent, "09:14:03");
    log.push(statement("a", "09:40", "Einmal.", false));
    let stage = Stage::open(vec![organisation()], &log).await;
    stage
        .stand([dark(Service::Web, Cause::Silent, "09:14:03")])
        .await;
    let before = stage.page("/de").await;
    let renderings = |stage: &Stage| {
        let text = stage.metrics.text();
        let line = text
            .lines()
            .find(|line| line.starts_with("servergate_bulletin_renderings_total"));
        line.map(str::to_owned)
    };
    let written = renderings(&stage);
    stage.feed(log).await;
    assert_eq!(stage.page("/de").await, before);
    assert_eq!(renderings(&stage), written, "nothing was written anew");
    stage
        .feed([statement("b", "09:50", "Zweimal.", false)])
        .await;
    assert_ne!(renderings(&stage), written);
    stage.close().await;
}

#[tokio::test]
async fn a_record_that_found_no_room_in_the_channel_is_read_from_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("store"), Options::default()).expect("a store");
    let stage = Stage::on(folder, store.clone(), vec![organisation()]).await;
    stage.stand([good(Service::Web)]).await;
    let record = statement("a", "09:40", "Nur im Protokoll.", false);
    append(&store, &[record]).await;
    assert!(!stage.page("/de").await.contains("Nur im Protokoll."));
    stage
        .stand([dark(Service::Web, Cause::Silent, "09:14")])
        .await;
    assert!(stage.page("/de").await.contains("Nur im Protokoll."));
    stage.close().await;
}

#[tokio::test]
async fn two_organisations_do_not_see_each_other() {
    let mut town = organisation();
    town.id = OrganisationId::new("stadt.test");
    town.name = "Stadt Beispiel".to_owned();
    town.host = Some("status.stadt.test".to_owned());
    town.url = Some("https://status.stadt.test/".to_owned());
    let stage = Stage::open(vec![organisation(), town], &[]).await;
    let mut theirs = dark(Service::Web, Cause::Silent, "09:14");
    theirs.service.organisation = OrganisationId::new("stadt.test");
    stage.stand([good(Service::Web), theirs]).await;
    stage
        .feed([statement("a", "09:40", "Nur vom Verein.", false)])
        .await;
    let ours = stage.page("/de").await;
    assert!(ours.contains("Nur vom Verein."));
    assert!(
        parse(&ours).named("h1")[0]
            .text()
            .contains("sind erreichbar")
    );
    let handler = stage
        .routes
        .handler("status.stadt.test")
        .expect("registered");
    let request = http::Request::builder()
        .uri("/de")
        .body(host::web::Body::empty());
    let outcome = handler
        .handle("status.stadt.test", request.expect("a request"))
        .await;
    let host::web::Outcome::Answer(response) = outcome else {
        panic!("an answer");
    };
    let reply = crate::stage::Reply::of(response).await;
    assert!(!reply.text().contains("Nur vom Verein."));
    assert!(
        parse(reply.text()).named("h1")[0]
            .text()
            .contains("Stadt Beispiel ist nicht erreichbar")
    );
    stage.close().await;
}

#[tokio::test]
async fn the_page_follows_on_when_nobody_sends_records_any_more() {
    let mut stage = Stage::open(vec![organisation()], &[]).await;
    stage.stop_records();
    stage
        .stand([dark(Service::Web, Cause::Silent, "09:14")])
        .await;
    assert!(stage.page("/de").await.contains("nicht erreichbar"));
    stage.close().await;
}

#[tokio::test]
async fn a_service_that_nobody_offers_is_not_on_the_page() {
    let stage = Stage::open(vec![organisation()], &[]).await;
    stage.stand([good(Service::Web)]).await;
    let page = parse(&stage.page("/de").await);
    assert_eq!(page.classed("services")[0].named("li").len(), 1);
    stage.close().await;
}
