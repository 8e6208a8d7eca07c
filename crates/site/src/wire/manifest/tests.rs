//! A manifest comes back as it was, and nothing else passes for one.

use proptest::prelude::*;

use super::*;

pub(crate) fn sample() -> Manifest {
    let mut table = LineTable::default();
    let lines = vec![
        table.index("Content-Type", "text/html"),
        table.index("X-Odd", "\u{fc}"),
        table.index("Content-Type", "text/html"),
    ];
    assert_eq!(lines, [0, 1, 0]);
    Manifest {
        number: 7,
        hosts: vec!["verein.test".into()],
        lines: table.into_lines(),
        pages: vec![PageSpec {
            host: 0,
            target: "/a?b".into(),
            status: 200,
            lines,
            body: (BlobId::of(b"x"), 1),
            gzip: None,
            brotli: Some((BlobId::of(b"y"), 1)),
            captured: Timestamp::from_millis(5),
            linked: Timestamp::from_millis(5),
        }],
        ..Manifest::default()
    }
}

#[test]
fn it_comes_back() {
    let manifest = Arc::new(sample());
    let bytes = manifest.to_bytes().unwrap();
    let back = Manifest::from_bytes(&bytes).unwrap();
    assert_eq!(back, *manifest);
    let page = back.pages.first().unwrap();
    assert_eq!(back.header(page, "x-odd"), Some("\u{fc}"));
    assert_eq!(back.blobs().count(), 2);
}

#[test]
fn contradictions_and_newer_forms_are_refused() {
    let spoil = |spoil: fn(&mut Manifest)| {
        let mut manifest = sample();
        spoil(&mut manifest);
        let bytes = Arc::new(manifest).to_bytes().unwrap();
        Manifest::from_bytes(&bytes)
    };
    assert!(matches!(
        spoil(|manifest| manifest.hosts.clear()),
        Err(ManifestError::Contradiction(_))
    ));
    assert!(matches!(
        spoil(|manifest| manifest.lines.clear()),
        Err(ManifestError::Contradiction(_))
    ));
    assert!(matches!(
        spoil(|manifest| manifest.pages.iter_mut().for_each(|page| page.status = 7)),
        Err(ManifestError::Contradiction(_))
    ));
    let mut newer = GzEncoder::new(Vec::new(), Compression::fast());
    newer.write_all(b"{\"V2\":{}}").unwrap();
    assert!(matches!(
        Manifest::from_bytes(&newer.finish().unwrap()),
        Err(ManifestError::Form(_))
    ));
}

#[test]
fn a_truncated_manifest_is_refused() {
    let bytes = Arc::new(sample()).to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert!(
            Manifest::from_bytes(bytes.get(..end).unwrap()).is_err(),
            "{end}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Manifest::from_bytes(&bytes).is_err());
    }
}
