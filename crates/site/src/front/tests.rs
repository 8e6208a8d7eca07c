//! Which pages and files are the front, and how much memory they take.

use http::header::{HeaderName, HeaderValue};
use model::Timestamp;
use store::{Committer, Options, Store};

use super::*;

const HOST: &str = "verein.test";

struct Site {
    folder: tempfile::TempDir,
    store: Store,
    pages: Vec<(Address, Page)>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            committer: Committer::Inline,
            ballast_bytes: 0,
            ..Options::default()
        };
        let store = Store::open(folder.path(), options).unwrap();
        Self {
            folder,
            store,
            pages: Vec::new(),
        }
    }

    fn put(&self, bytes: &[u8]) -> Stored {
        (self.store.blobs().put(bytes).unwrap(), bytes.len() as u64)
    }

    /// Adds a page; its name in the store.
    fn page(&mut self, at: &str, status: u16, header: (&str, &str), body: &[u8]) -> BlobId {
        let body = self.put(body);
        let name = HeaderName::from_bytes(header.0.as_bytes()).unwrap();
        let page = Page {
            status,
            headers: vec![(name, HeaderValue::from_str(header.1).unwrap())],
            body,
            gzip: None,
            brotli: None,
            etag: HeaderValue::from_static("\"1\""),
            last_modified: None,
            captured: Timestamp::from_millis(1),
        };
        self.pages.push((Address::new(HOST, at), page));
        body.0
    }

    fn front(self, memory: u64) -> Front {
        let now = Timestamp::from_millis(1);
        let generation = Generation::new(1, now, self.pages);
        let hosts = ["www.verein.test".to_owned(), HOST.to_owned()];
        let front = read(&generation, &hosts, self.store.blobs(), memory);
        drop(self.folder);
        front
    }
}

const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
const CSS: (&str, &str) = ("content-type", "text/css");
const OTHER: (&str, &str) = ("content-type", "application/octet-stream");

#[test]
fn the_front_is_the_start_page_behind_its_redirects_and_what_it_is_made_of() {
    let mut site = Site::new();
    let start = b"<link rel=stylesheet href=/stil/a.css><script src=a.js></script>\
        <img src=https://elsewhere.test/b.png><a href=/weiter>on</a><img src=/fehlt.png>";
    let mut held = vec![
        site.page("/", 302, ("location", "/de"), b"moved"),
        site.page("/de", 301, ("location", "https://verein.test/de/"), b""),
        site.page("/de/", 200, HTML, start),
        site.page("/stil/a.css", 200, CSS, b"a { background: url(b.woff) }"),
        site.page("/stil/b.woff", 200, OTHER, b"(font)"),
        site.page("/de/a.js", 200, OTHER, b"(script)"),
    ];
    site.page("/weiter", 200, HTML, b"another page");
    let (_, page) = site.pages.get_mut(2).unwrap();
    page.brotli = Some((site.store.blobs().put(b"(br)").unwrap(), 4));
    held.push(BlobId::of(b"(br)"));
    let front = site.front(ONE);
    assert_eq!(front.len(), held.len());
    assert!(held.iter().all(|id| front.contains_key(id)));
    assert_eq!(front[&BlobId::of(b"(font)")], &b"(font)"[..]);
}

#[test]
fn the_front_keeps_within_its_memory_and_leaves_out_what_cannot_be_read() {
    let mut site = Site::new();
    let start = "<img src=/large.png><img src=/gone.png><img src=/small.png>";
    let start = site.page("/", 200, HTML, start.as_bytes());
    site.page("/large.png", 200, OTHER, &[7; 900]);
    let gone = site.page("/gone.png", 200, OTHER, b"(gone)").to_string();
    let small = site.page("/small.png", 200, OTHER, b"(small)");
    let blobs = site.folder.path().join("blobs");
    let gone = blobs.join(&gone[..2]).join(&gone);
    std::fs::remove_file(gone).unwrap();
    let front = site.front(500);
    assert_eq!(front.len(), 2);
    assert!(front.contains_key(&start) && front.contains_key(&small));
}

#[test]
fn many_sites_share_the_memory() {
    assert_eq!(share(0), ONE);
    assert_eq!(share(1), ONE);
    assert!(share(500) * 500 <= ALL);
    assert!(share(500) > 60_000, "room for a start page");
}

#[test]
fn pages_that_lead_in_a_circle_end() {
    let mut site = Site::new();
    site.page("/", 302, ("location", "/a"), b"one");
    site.page("/a", 302, ("location", "/"), b"two");
    assert_eq!(site.front(ONE).len(), 2);
}
