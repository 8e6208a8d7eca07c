//! What is one address and what is another.

use proptest::prelude::*;

use super::*;

fn scope() -> Scope {
    Scope::new(
        &["verein.test".into(), "www.verein.test".into()],
        Some(8443),
    )
}

fn resolve(reference: &str) -> Leads {
    let base = Url::parse("https://verein.test/a/b/page.html?x=1").unwrap();
    scope().resolve(&base, reference)
}

fn inside(target: &str) -> Leads {
    Leads::Inside(Address::new("verein.test", target))
}

#[test]
fn references_are_resolved_as_a_browser_does() {
    let cases = [
        ("c.html", "/a/b/c.html"),
        ("../c.html#part", "/a/c.html"),
        ("/x/./y/../z", "/x/z"),
        ("?page=2", "/a/b/page.html?page=2"),
        ("?", "/a/b/page.html?"),
        ("", "/a/b/page.html?x=1"),
        ("//verein.test/d", "/d"),
        ("HTTPS://VEREIN.TEST:443/e", "/e"),
        ("http://verein.test/e", "/e"),
        ("https://verein.test:8443/e", "/e"),
        (" /space d ", "/space%20d"),
        ("/%7euser/ü", "/%7euser/%C3%BC"),
        ("/a?b=ü", "/a?b=%C3%BC"),
        ("/p?id=7&utm_source=brief&PHPSESSID=abc", "/p?id=7"),
        ("/p;jsessionid=1A2B?x=1", "/p?x=1"),
    ];
    for (reference, target) in cases {
        assert_eq!(resolve(reference), inside(target), "{reference}");
    }
}

#[test]
fn other_hosts_ports_and_schemes_are_outside() {
    for outside in [
        "https://evil.test/",
        "//cdn.test/x",
        "https://verein.test:9/",
    ] {
        assert_eq!(resolve(outside), Leads::Outside, "{outside}");
    }
    let long = format!("/{}", "a".repeat(LONGEST + 1));
    for nowhere in [
        "mailto:a@b",
        "javascript:void(0)",
        "data:,x",
        "https://",
        &long,
    ] {
        assert_eq!(resolve(nowhere), Leads::Nowhere, "{nowhere}");
    }
}

#[test]
fn equivalent_spellings_share_one_form() {
    for (a, b) in [
        ("/%7Euser", "/~user"),
        ("/%c3%bc", "/%C3%BC"),
        ("/a/../b", "/b"),
        ("/a/%2e%2e/b/.", "/b/"),
        ("/a?x=%41", "/a?x=A"),
    ] {
        assert_eq!(canonical(a), canonical(b), "{a} {b}");
    }
    assert_ne!(canonical("/a%2Fb"), canonical("/a/b"));
    assert_ne!(canonical("/A"), canonical("/a"));
}

#[test]
fn session_ids_are_noise_and_nothing_else_is() {
    assert_eq!(without_noise("/p?utm_source=x").as_deref(), Some("/p"));
    assert_eq!(without_noise("/p?a=1&sid=2"), None);
    assert_eq!(
        without_noise("/p;JSESSIONID=1/q?utm_x=1&a").as_deref(),
        Some("/p/q?a")
    );
}

proptest! {
    #[test]
    fn canonical_is_idempotent(target in "/[a-z%0-9./~?&=]{0,40}") {
        let once = canonical(&target);
        prop_assert_eq!(canonical(&once), once);
    }

    #[test]
    fn any_reference_is_taken_without_panic(reference in any::<String>()) {
        if let Leads::Inside(address) = resolve(&reference) {
            prop_assert!(address.target.starts_with('/'));
            prop_assert!(address.target.len() <= LONGEST);
            prop_assert!(!address.target.contains('#'));
            // What was resolved once stays what it is.
            let url = address.url().unwrap();
            prop_assert_eq!(scope().resolve(&url, &address.to_string()), Leads::Inside(address));
        }
    }
}
