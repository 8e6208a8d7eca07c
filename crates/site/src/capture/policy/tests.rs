//! What is kept and what is not.

use proptest::prelude::*;

use super::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn fate_of(status: u16, lines: &[(&'static str, &str)]) -> Fate {
    fate(
        StatusCode::from_u16(status).unwrap(),
        &headers(lines),
        false,
    )
}

#[test]
fn pages_redirects_and_honest_errors_are_kept() {
    assert_eq!(fate_of(200, &[]), Fate::Page);
    assert_eq!(fate_of(200, &[("set-cookie", "a=b")]), Fate::Page);
    assert_eq!(fate_of(200, &[("cache-control", "no-store")]), Fate::Page);
    assert_eq!(fate_of(301, &[("location", "/")]), Fate::Page);
    assert_eq!(fate_of(404, &[]), Fate::Page);
    assert_eq!(fate_of(410, &[]), Fate::Page);
    assert_eq!(fate_of(451, &[]), Fate::Page);
}

#[test]
fn nothing_marked_private_is_kept() {
    for control in [
        "private",
        "max-age=0, Private",
        "no-cache, private=\"set-cookie\"",
    ] {
        assert_eq!(
            fate_of(200, &[("cache-control", control)]),
            Fate::Private,
            "{control}"
        );
    }
    let visit = [("cache-control", "no-store"), ("set-cookie", "a=b")];
    assert_eq!(fate_of(200, &visit), Fate::Private);
    let lines = [("cache-control", "public"), ("cache-control", "private")];
    assert_eq!(fate_of(200, &lines), Fate::Private);
    assert_eq!(fate_of(401, &[]), Fate::Private);
    assert_eq!(fate_of(206, &[]), Fate::Private);
    assert_eq!(fate(StatusCode::OK, &headers(&visit), true), Fate::Page);
    assert_eq!(
        fate(StatusCode::UNAUTHORIZED, &headers(&[]), true),
        Fate::Private
    );
}

#[test]
fn errors_and_wishes_to_wait_are_told_apart() {
    assert_eq!(fate_of(500, &[]), Fate::Failed);
    assert_eq!(fate_of(302, &[]), Fate::Failed);
    assert_eq!(fate_of(304, &[]), Fate::Unchanged);
    assert_eq!(fate_of(429, &[]), Fate::Wait(None));
    let after = [("retry-after", "120")];
    assert_eq!(
        fate_of(503, &after),
        Fate::Wait(Some(Duration::from_secs(120)))
    );
    let date = [("retry-after", "Wed, 20 May 2026 09:14:03 GMT")];
    assert_eq!(fate_of(503, &date), Fate::Wait(None));
}

#[test]
fn freshness_is_what_the_answer_says_and_at_most_a_day() {
    let seconds = |control, age| fresh_for(control, age).map(|it| it.as_secs());
    assert_eq!(seconds("max-age=600", None), Some(600));
    assert_eq!(
        seconds("public, max-age=600, s-maxage=60", Some("10")),
        Some(50)
    );
    assert_eq!(seconds("max-age=31536000, immutable", None), Some(86_400));
    assert_eq!(seconds("max-age=600, no-cache", None), None);
    assert_eq!(seconds("max-age=5", Some("60")), None);
    assert_eq!(seconds("", None), None);
    assert_eq!(seconds("max-age=x", None), None);
}

#[test]
fn web_manifests_name_their_icons() {
    let json = br#"{"icons":[{"src":"/i.png"},{"x":1}],"start_url":"/app","screenshots":7}"#;
    assert_eq!(web_manifest_links(json), ["/i.png", "/app"]);
    assert!(web_manifest_links(b"[").is_empty());
}

proptest! {
    #[test]
    fn any_cache_control_is_read(value in any::<String>()) {
        if let Some(fresh) = fresh_for(&value, None) {
            prop_assert!(fresh <= Duration::from_secs(86_400));
        }
    }

    #[test]
    fn private_anywhere_wins(before in "[a-z=0-9, -]{0,20}", after in "[a-z=0-9, -]{0,20}") {
        let value = format!("{before},PRIVATE,{after}");
        prop_assert_eq!(fate_of(200, &[("cache-control", &value)]), Fate::Private);
    }
}
