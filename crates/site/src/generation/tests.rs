//! Which page a request finds.

use super::*;
use crate::wire::manifest::LineTable;

fn manifest(targets: &[&str], headers: &[(&str, &str)]) -> Manifest {
    let mut table = LineTable::default();
    let lines: Vec<u32> = headers
        .iter()
        .map(|(name, value)| table.index(name, value))
        .collect();
    let page = |target: &&str| PageSpec {
        host: 0,
        target: Arc::from(*target),
        status: 200,
        lines: lines.clone(),
        body: (BlobId::of(target.as_bytes()), 1),
        gzip: None,
        brotli: None,
        captured: Timestamp::from_millis(1),
        linked: Timestamp::from_millis(1),
    };
    Manifest {
        number: 3,
        hosts: vec!["verein.test".into()],
        pages: targets.iter().map(page).collect(),
        lines: table.into_lines(),
        ..Manifest::default()
    }
}

#[test]
fn a_page_is_found_by_its_own_and_equivalent_spellings() {
    let generation =
        Generation::from_manifest(&manifest(&["/", "/%7ea", "/~a", "/%7eb", "/p?x=1"], &[]));
    let body = |target: &str| {
        generation
            .page("verein.test", target)
            .map(|page| page.body.0)
    };
    for (asked, found) in [
        ("/", "/"),
        ("/?utm_source=brief", "/"),
        ("/%7ea", "/%7ea"),
        ("/~a", "/~a"),
        ("/%7Ea", "/~a"),
        ("/~b", "/%7eb"),
        ("/c/../p?x=1&fbclid=2", "/p?x=1"),
    ] {
        assert_eq!(body(asked), Some(BlobId::of(found.as_bytes())), "{asked}");
    }
    for missing in ["/p", "/p?x=2", "/none"] {
        assert_eq!(body(missing), None, "{missing}");
    }
    assert!(generation.page("other.test", "/").is_none());
}

#[test]
fn headers_of_the_connection_and_the_visit_are_not_repeated() {
    let headers = [
        ("Content-Type", "text/html"),
        ("Set-Cookie", "a=b"),
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Alt-Svc", "h3=\":443\""),
        ("Link", "</a.css>; rel=preload"),
        ("X-Latin", "\u{fc}"),
        ("ETag", "W/\"abc\""),
        ("Last-Modified", "Wed, 20 May 2026 09:14:03 GMT"),
    ];
    let generation = Generation::from_manifest(&manifest(&["/"], &headers));
    let page = generation.page("verein.test", "/").unwrap();
    let names: Vec<_> = page.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "link", "x-latin", "last-modified"]);
    assert_eq!(page.headers.get(2).unwrap().1.as_bytes(), b"\xfc");
    assert_eq!(page.etag, "W/\"abc\"");
    assert_eq!(
        page.last_modified.as_ref().unwrap(),
        "Wed, 20 May 2026 09:14:03 GMT"
    );
}

#[test]
fn an_entity_tag_is_made_where_there_is_no_right_one() {
    for headers in [&[][..], &[("ETag", "bare")], &[("ETag", "\"a\"b\"")]] {
        let generation = Generation::from_manifest(&manifest(&["/"], headers));
        let etag = generation.page("verein.test", "/").unwrap().etag.clone();
        assert!(is_entity_tag(&etag), "{etag:?}");
        assert_eq!(etag.len(), 34);
    }
}

#[test]
fn the_copy_switches_at_once() {
    let copy = Copy::default();
    assert!(copy.current().is_none());
    copy.switch(Some(Arc::new(Generation::from_manifest(&manifest(
        &["/"],
        &[],
    )))));
    assert_eq!(copy.current().map(|it| it.number), Some(3));
}
