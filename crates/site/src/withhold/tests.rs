//! What an order covers, and that it outlasts a restart.

use host::{OutletReceiver, outlet};
use proptest::prelude::*;
use store::Options;

use super::*;

fn outlets() -> (Outlets, OutletReceiver<Fact>) {
    let (records, receiver) = outlet(8);
    let outlets = Outlets {
        records,
        hints: outlet(1).0,
        progress: outlet(1).0,
        observations: outlet(1).0,
        handback: outlet(1).0,
        reminders: outlet(1).0,
    };
    (outlets, receiver)
}

fn open(store: &Store) -> Withhold {
    let hosts = vec!["verein.test".to_owned(), "www.verein.test".to_owned()];
    Withhold::open(store.clone(), OrganisationId::new("verein.test"), hosts).unwrap()
}

#[tokio::test]
async fn an_order_is_kept_recorded_and_lifted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let (outlets, mut records) = outlets();
    let now = Timestamp::from_millis(1_779_268_443_000);
    let withhold = open(&store);
    withhold
        .withhold(
            "https://Verein.test/a/Seite",
            "order 12",
            "ana",
            now,
            &outlets,
        )
        .await
        .unwrap();
    assert!(matches!(records.recv().await, Some(Fact::Withheld(fact)) if fact.withheld));
    for withhold in [withhold.clone(), open(&store)] {
        for (target, covered) in [
            ("/a/Seite", true),
            ("/a/Seite/", true),
            ("/a/Seite/teil?x=1", true),
            ("/a/Seite?x=1", true),
            ("/a//Seite", true),
            ("/a/b/../Seite", true),
            ("/%61/S%65ite", true),
            ("/a/%2e/Seite", true),
            ("/a%2FSeite", true),
            ("/%2561/Seite", true),
            ("/a/Seite;v=1", true),
            ("/a/Seite2", false),
            ("/a/seite", false),
            ("/a", false),
        ] {
            assert_eq!(
                withhold.entry("verein.test", target).is_some(),
                covered,
                "{target}"
            );
        }
        assert!(withhold.entry("www.verein.test", "/a/Seite").is_none());
    }
    withhold
        .lift("verein.test/a/Seite", "ana", &outlets)
        .await
        .unwrap();
    assert!(matches!(records.recv().await, Some(Fact::Withheld(fact)) if !fact.withheld));
    assert!(open(&store).entry("verein.test", "/a/Seite").is_none());
    assert!(matches!(
        withhold.lift("verein.test/a/Seite", "ana", &outlets).await,
        Err(WithholdError::NotWithheld(_))
    ));
}

#[tokio::test]
async fn a_whole_host_and_only_our_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let (outlets, _records) = outlets();
    let withhold = open(&store);
    let now = Timestamp::default();
    withhold
        .withhold("www.verein.test", "order 13", "ana", now, &outlets)
        .await
        .unwrap();
    assert!(withhold.entry("www.verein.test", "/any").is_some());
    assert!(withhold.entry("verein.test", "/any").is_none());
    for foreign in ["other.test/x", "", "/x"] {
        assert!(matches!(
            withhold.withhold(foreign, "r", "ana", now, &outlets).await,
            Err(WithholdError::NotOurs(_))
        ));
    }
}

proptest! {
    #[test]
    fn every_longer_path_is_covered(
        path in "/[a-z]{1,8}(/[a-z]{1,8}){0,3}",
        more in "(/[a-z%0-9.]{0,8}){0,3}",
    ) {
        let prefix = plain("h", &path);
        let asked = plain("h", &format!("{path}{more}"));
        prop_assert!(covers(&prefix, &asked) || more.contains(".."));
        let sibling = plain("h", &format!("{path}x"));
        prop_assert!(!covers(&prefix, &sibling));
    }
}
