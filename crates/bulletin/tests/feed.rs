//! The Atom feed, read by an XML parser (RFC 4287).

use std::collections::BTreeSet;

use model::{Cause, Fact, OutageId, Service};

use crate::stage::{Stage, at, dark, organisation, outage_of, record, service, statement};
use crate::xml::{Element, parse};

fn child<'e>(element: &'e Element, name: &str) -> &'e Element {
    element
        .elements()
        .find(|child| child.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

/// What RFC 4287 asks of every feed.
fn check(text: &str, language: &str) -> Element {
    let document = parse(text);
    let mut roots = document.children;
    roots.retain(|node| matches!(node, crate::xml::Node::Element(_)));
    let Some(crate::xml::Node::Element(feed)) = roots.pop() else {
        panic!("no feed");
    };
    assert_eq!(feed.name, "feed");
    assert_eq!(feed.attribute("xmlns"), Some("http://www.w3.org/2005/Atom"));
    assert_eq!(feed.attribute("xml:lang"), Some(language));
    assert!(feed.elements().any(|child| child.name == "author"));
    let own = feed
        .elements()
        .find(|child| child.name == "link" && child.attribute("rel") == Some("self"))
        .expect("a link to itself");
    assert_eq!(
        own.attribute("href"),
        Some(format!("https://status.verein.test/{language}/feed.atom").as_str())
    );
    let mut ids = BTreeSet::new();
    for element in
        std::iter::once(&feed).chain(feed.elements().filter(|child| child.name == "entry"))
    {
        let id = child(element, "id").text();
        assert!(id.starts_with("tag:verein.test,2026:"), "{id}");
        assert!(!id.contains(char::is_whitespace));
        assert!(ids.insert(id), "ids are unique");
        assert!(!child(element, "title").text().is_empty());
        let updated = child(element, "updated").text();
        assert!(updated.ends_with('Z') && updated.contains('T'), "{updated}");
    }
    feed
}

fn entries(feed: &Element) -> Vec<&Element> {
    feed.elements()
        .filter(|child| child.name == "entry")
        .collect()
}

#[tokio::test]
async fn an_outage_and_statements_become_entries_with_stable_ids() {
    let mut log = outage_of(Service::Web, Cause::Silent, "09:14:03");
    log.push(statement(
        "a",
        "09:40",
        "Wir prüfen <das> & melden uns.\n\nBis dann.",
        false,
    ));
    let stage = Stage::open(vec![organisation()], &log).await;
    stage
        .stand([dark(Service::Web, Cause::Silent, "09:14:03")])
        .await;
    let first = check(&stage.page("/de/feed.atom").await, "de");
    let ids = |feed: &Element| -> Vec<String> {
        entries(feed)
            .iter()
            .map(|entry| child(entry, "id").text())
            .collect()
    };
    assert_eq!(
        ids(&first),
        [
            "tag:verein.test,2026:statement/a",
            "tag:verein.test,2026:outage/verein.test/web/2026-05-20T07:14:03Z/began",
        ]
    );
    let kinds: Vec<_> = entries(&first)
        .iter()
        .map(|entry| {
            child(entry, "category")
                .attribute("term")
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(
        kinds,
        [Some("statement".to_owned()), Some("measured".to_owned())]
    );
    let said = entries(&first)[0];
    assert!(child(said, "content").text().contains("<das> & melden"));
    assert!(
        child(said, "title")
            .text()
            .starts_with("Verein Beispiel gibt an: Wir prüfen")
    );
    assert!(
        child(entries(&first)[1], "title")
            .text()
            .starts_with("Gemessen: Website")
    );

    let outage = OutageId::of(&service(Service::Web), at("09:14:03"));
    let ended = Fact::OutageEnded {
        outage,
        service: service(Service::Web),
    };
    stage
        .feed([
            record(at("17:20"), ended),
            statement("a", "10:00", "Wir prüfen das weiter.", false),
        ])
        .await;
    let second = check(&stage.page("/de/feed.atom").await, "de");
    assert_eq!(entries(&second).len(), 3);
    for id in ids(&first) {
        assert!(ids(&second).contains(&id), "{id} stays");
    }
    assert_eq!(child(&second, "updated").text(), "2026-05-20T15:20:00Z");
    let corrected = entries(&second)
        .into_iter()
        .find(|entry| child(entry, "id").text().ends_with("statement/a"))
        .expect("still there");
    assert_eq!(child(corrected, "updated").text(), "2026-05-20T08:00:00Z");
    assert_eq!(child(corrected, "published").text(), "2026-05-20T07:40:00Z");
    stage.close().await;
}

#[tokio::test]
async fn an_empty_feed_is_a_feed() {
    let stage = Stage::open(vec![organisation()], &[]).await;
    for language in ["de", "en"] {
        let reply = stage.get(&format!("/{language}/feed.atom")).await;
        assert_eq!(
            reply.header("content-type"),
            "application/atom+xml; charset=utf-8"
        );
        assert!(entries(&check(reply.text(), language)).is_empty());
    }
    stage.close().await;
}

#[tokio::test]
async fn hostile_words_keep_the_feed_well_formed_and_bounded() {
    let mut log = Vec::new();
    for n in 0..120 {
        let text = format!(
            "]]></content><entry>&bogus; \u{1}\u{b}\u{FFFF}\u{0} {}",
            "<".repeat(9000)
        );
        log.push(statement(&format!("<{n}> \"ä\""), "09:40", &text, false));
    }
    let stage = Stage::open(vec![organisation()], &log).await;
    let text = stage.page("/en/feed.atom").await;
    let feed = check(&text, "en");
    assert!(entries(&feed).len() <= 50 && !entries(&feed).is_empty());
    assert!(text.len() < 2 * 1024 * 1024, "{}", text.len());
    for entry in entries(&feed) {
        assert!(entry.elements().all(|child| child.name != "entry"));
    }
    stage.close().await;
}
