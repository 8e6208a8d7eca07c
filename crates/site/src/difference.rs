//! What is different between two generations. Pure.

use std::collections::BTreeMap;

use crate::wire::manifest::{Manifest, PageSpec};

/// The addresses in which two generations differ, each in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Only in the second.
    pub added: Vec<String>,
    /// Only in the first.
    pub removed: Vec<String>,
    /// In both, with another body.
    pub changed: Vec<String>,
    /// In both, with another status: address, status in the first, status in the second.
    pub restated: Vec<(String, u16, u16)>,
}

/// What is different in `second`.
pub fn difference(first: &Manifest, second: &Manifest) -> Difference {
    let (before, after) = (pages(first), pages(second));
    let mut difference = Difference::default();
    for (address, page) in &after {
        match before.get(address) {
            None => difference.added.push(address.clone()),
            Some(old) if old.status != page.status => {
                difference
                    .restated
                    .push((address.clone(), old.status, page.status));
            }
            Some(old) if old.body != page.body => difference.changed.push(address.clone()),
            Some(_) => {}
        }
    }
    let removed = before
        .keys()
        .filter(|address| !after.contains_key(*address));
    difference.removed = removed.cloned().collect();
    difference
}

fn pages(manifest: &Manifest) -> BTreeMap<String, &PageSpec> {
    let named = |page| {
        (
            format!("https://{}{}", manifest.host(page), page.target),
            page,
        )
    };
    manifest.pages.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use store::BlobId;

    use super::*;

    fn manifest(pages: &[(&str, u16, &str)]) -> Manifest {
        let page = |(target, status, body): &(&str, u16, &str)| PageSpec {
            host: 0,
            target: (*target).into(),
            status: *status,
            lines: Vec::new(),
            body: (BlobId::of(body.as_bytes()), body.len() as u64),
            gzip: None,
            brotli: None,
            captured: Timestamp::default(),
            linked: Timestamp::default(),
        };
        Manifest {
            hosts: vec!["verein.test".into()],
            pages: pages.iter().map(page).collect(),
            ..Manifest::default()
        }
    }

    #[test]
    fn every_kind_of_difference_is_listed() {
        let first = manifest(&[
            ("/a", 200, "x"),
            ("/b", 200, "x"),
            ("/c", 200, "x"),
            ("/d", 200, "x"),
        ]);
        let second = manifest(&[
            ("/a", 200, "x"),
            ("/b", 200, "y"),
            ("/c", 404, "x"),
            ("/e", 200, "x"),
        ]);
        let url = |path: &str| format!("https://verein.test{path}");
        assert_eq!(
            difference(&first, &second),
            Difference {
                added: vec![url("/e")],
                removed: vec![url("/d")],
                changed: vec![url("/b")],
                restated: vec![(url("/c"), 200, 404)],
            }
        );
        assert_eq!(difference(&first, &first), Difference::default());
    }
}
