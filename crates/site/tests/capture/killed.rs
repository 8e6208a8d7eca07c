//! Killed at any moment: what is served afterwards is one whole generation, never a half one.
//!
//! The child is this test binary again; it captures without end a site that is another one at
//! every capture. The parent kills it after some number of requests and looks into the store.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::OrganisationId;
use site::shelf::Shelf;
use store::{Options, Store};

use crate::origin::{Origin, START, Standby, config, html, page, status};

const DIR: &str = "SERVERGATE_SITE_KILL_DIR";
const ORIGIN: &str = "SERVERGATE_SITE_KILL_ORIGIN";
const PAGES: u64 = 20;

#[tokio::test]
async fn no_half_generation_is_ever_seen() {
    if let (Ok(dir), Ok(origin)) = (std::env::var(DIR), std::env::var(ORIGIN)) {
        let standby = Standby::start(Path::new(&dir), config(origin.parse().unwrap())).await;
        loop {
            standby.again().await;
        }
    }
    let (asked, mut requests) = tokio::sync::mpsc::channel(4096);
    let version = Arc::new(AtomicU64::new(0));
    let origin = Origin::start(move |seen| {
        let _ = asked.try_send(());
        let target = seen.target.as_str();
        if target == "/robots.txt" {
            // Every capture begins with it, and finds another site.
            version.fetch_add(1, Ordering::SeqCst);
            return page("text/plain", "User-agent: *\n");
        }
        let version = version.load(Ordering::SeqCst);
        let links: String = (0..PAGES)
            .map(|n| format!("<a href=/seite{n}>x</a>"))
            .collect();
        match target {
            "/" => html(format!("{START}{links}<i>v{version}</i>")),
            _ if target.starts_with("/seite") => html(format!("{target} <i>v{version}</i>")),
            _ => status(404, "none"),
        }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for kill_after in [3, 40, 65, 27, 51, 88, 31] {
        while requests.try_recv().is_ok() {}
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "capture::killed::no_half_generation_is_ever_seen",
                "--nocapture",
            ])
            .env(DIR, dir.path())
            .env(ORIGIN, origin.address.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..kill_after {
            requests.recv().await.unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        seen.extend(look(dir.path()).await);
    }
    assert!(
        seen.len() > 3,
        "too few generations to mean anything: {seen:?}"
    );
}

/// The version of the generation that would be served, after checking that it is whole.
async fn look(dir: &Path) -> Option<String> {
    let store = Store::open(dir, Options::default()).unwrap();
    let shelf = Shelf::open(
        store.clone(),
        host::Tasks::default(),
        OrganisationId::new("verein.test"),
    )
    .await
    .unwrap();
    let current = shelf.current().unwrap()?;
    let manifest = shelf.load(current.number).await.unwrap();
    let mut versions = std::collections::BTreeSet::new();
    let mut pages = 0;
    for page in manifest.pages.iter().filter(|page| page.status == 200) {
        for (blob, length) in [Some(page.body), page.gzip, page.brotli]
            .into_iter()
            .flatten()
        {
            let blob = store.blobs().open(&blob).unwrap();
            blob.verify().unwrap();
            assert_eq!(blob.len(), length);
        }
        let body = store
            .blobs()
            .open(&page.body.0)
            .unwrap()
            .read_all()
            .unwrap();
        let body = String::from_utf8(body).unwrap();
        if let Some((_, version)) = body.split_once("<i>v") {
            versions.insert(version.trim_end_matches("</i>").to_owned());
            pages += 1;
        }
    }
    assert_eq!(pages, PAGES + 1, "a page is missing");
    assert_eq!(
        versions.len(),
        1,
        "two captures in one generation: {versions:?}"
    );
    versions.pop_first()
}
