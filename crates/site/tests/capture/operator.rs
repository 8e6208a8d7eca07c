//! What a person does with generations: accept, pin, roll back, bring a folder, take one away.

use std::io::Read;

use site::CaptureOutcome;

use super::{packed, sane_site};
use crate::origin::{Origin, START, Standby, config, html, start};

#[tokio::test]
async fn an_operator_accepts_pins_and_rolls_back() {
    let origin = Origin::of(vec![("/", start(""))]).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let first = standby.number().unwrap();
    origin.now_of(vec![(
        "/",
        html("<h1>Verein Beispiel</h1>ganz neu gestaltet und geschrieben"),
    )]);
    let CaptureOutcome::Rejected { entry, .. } = standby.again().await else {
        panic!()
    };
    standby.handle.accept(entry.number).await.unwrap();
    assert_eq!(standby.number(), Some(entry.number));
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Unchanged { .. }
    ));
    let back = standby.handle.rollback("ana").await.unwrap();
    assert_eq!(back.number, first);
    assert_eq!(standby.number(), Some(first));
    assert_eq!(standby.body("/").unwrap(), START.as_bytes());
    // What was rolled back from is not taken again by itself, nor is anything newer served.
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Rejected { .. }
    ));
    origin.now_of(vec![("/", start("<p>wieder gut</p>"))]);
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::New { served: false, .. }
    ));
    assert_eq!(standby.number(), Some(first));
    assert_eq!(standby.handle.status().unwrap().pinned.unwrap().by, "ana");
    standby.handle.unpin().await.unwrap();
    assert!(
        String::from_utf8(standby.body("/").unwrap())
            .unwrap()
            .contains("wieder gut")
    );
    standby.stop().await;
}

#[tokio::test]
async fn a_folder_is_a_site_too() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("index.html"), START).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut config = config("127.0.0.1:1".parse().unwrap());
    config.source = site::config::Source::Folder(root.path().to_owned());
    let standby = Standby::start(dir.path(), config).await;
    standby.first().await;
    assert_eq!(standby.body("/").unwrap(), START.as_bytes());
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Unchanged { .. }
    ));
    std::fs::write(root.path().join("neu.html"), "neu").unwrap();
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::New { served: true, .. }
    ));
    assert_eq!(standby.body("/neu.html").unwrap(), b"neu");
    // A folder that is gone does not take the copy with it.
    drop(root);
    assert!(matches!(
        standby.again().await,
        CaptureOutcome::Failed { .. }
    ));
    assert_eq!(standby.body("/neu.html").unwrap(), b"neu");
    standby.stop().await;
}

#[tokio::test]
async fn a_generation_is_exported_as_warc() {
    let mut pages = sane_site();
    let text = "Verein ".repeat(300);
    pages.push((
        "/gepackt",
        html(packed(text.as_bytes())).with("content-encoding", "gzip"),
    ));
    pages.push(("/feed", html("<a href=/gepackt>g</a>")));
    let origin = Origin::of(pages).await;
    let dir = tempfile::tempdir().unwrap();
    let standby = Standby::start(dir.path(), config(origin.address)).await;
    standby.first().await;
    let path = dir.path().join("copy.warc.gz");
    let number = standby.number().unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let written = standby.handle.export(number, file).await.unwrap();
    let mut records = String::new();
    let bytes = std::fs::read(&path).unwrap();
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    records.push_str(&String::from_utf8_lossy(&unpacked));
    assert_eq!(
        records.matches("WARC-Type: response").count() as u64,
        written
    );
    assert_eq!(records.matches("WARC-Type: warcinfo").count(), 1);
    for part in [
        "WARC-Target-URI: https://verein.test/seite?a=1&b=2\r\n",
        "HTTP/1.1 302 Found\r\n",
        "Location: /neu\r\n",
        "X-Archive-Orig-Content-Encoding: gzip\r\n",
        &text,
    ] {
        assert!(records.contains(part), "{part}");
    }
    assert!(!records.contains("Set-Cookie"));
    standby.stop().await;
}
