//! An organisation's website out of a seed: more than 500 pages with what makes real ones hard
//! to copy. The same seed and host name give the same bytes.
//!
//! Used by the scenarios (nginx serves it, the standby copies it, visitors compare) and by the
//! benchmark. What is in it: articles and sections; pages that differ by query string only;
//! redirects 301, 302 and 308, also in a chain; UTF-8, ISO 8859-1 (said by the header) and
//! windows-1252 (said by the page); images with `srcset`; CSS with `@import`, `url()` and fonts;
//! an Atom feed; a sitemap index with parts; `robots.txt`; missing and withdrawn pages; a file
//! of 20 MB; pages that only the feed, only the sitemap or only the style sheet knows.

mod pages;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Numbered articles.
const ARTICLES: usize = 480;
/// Sections, each with the list of its articles.
const SECTIONS: usize = 12;
/// Pages told apart by their query string: topics times pages.
const TOPICS: usize = 8;
const LEAVES: usize = 3;
/// Pages in each old character set.
const OLD: usize = 10;
/// Pages known to the feed only, and to the sitemap only.
const HIDDEN: usize = 10;
/// Images, each in three widths.
const IMAGES: usize = 24;
const WIDTHS: [usize; 3] = [320, 640, 1280];
/// The big file.
const BIG: usize = 20 * 1024 * 1024;

/// A written site.
#[derive(Clone, Debug)]
pub struct GeneratedSite {
    /// The folder that nginx serves.
    pub root: PathBuf,
    /// What goes into nginx' `server` block beside it.
    pub directives: String,
    /// Every address worth asking, and what the primary answers.
    pub urls: Vec<Expected>,
}

/// What the primary answers under one address.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Path and query, from the slash on.
    pub target: String,
    /// The status.
    pub status: u16,
    /// Where a redirect leads (path and query).
    pub location: Option<String>,
    /// The file whose bytes are the body.
    pub file: Option<PathBuf>,
    /// How a copier can come to know of it.
    pub known: Known,
}

/// How a copier can come to know of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A page links it.
    Page,
    /// Only a style sheet names it.
    Style,
    /// Only the feed names it.
    Feed,
    /// Only the sitemap names it.
    Sitemap,
    /// Linked, and `robots.txt` asks robots to stay away.
    Disallowed,
}

impl GeneratedSite {
    /// Writes the site for `host` (as in `https://host/…`) into `root`.
    pub fn write(root: &Path, host: &str, seed: u64) -> Result<Self> {
        let mut site = Writer {
            root,
            host,
            seed,
            urls: Vec::new(),
        };
        site.articles()?;
        site.sections()?;
        site.search()?;
        site.old_character_sets()?;
        site.style_and_images()?;
        site.front()?;
        site.feed_and_sitemap()?;
        site.special()?;
        let Writer { mut urls, .. } = site;
        urls.extend(redirects().into_iter().map(|(from, status, to)| Expected {
            target: from,
            status,
            location: Some(to),
            file: None,
            known: Known::Page,
        }));
        for (target, status) in [("/gibt-es-nicht.html", 404), ("/zurueckgezogen.html", 410)] {
            let target = target.to_owned();
            urls.push(Expected {
                target,
                status,
                location: None,
                file: None,
                known: Known::Page,
            });
        }
        Ok(Self {
            root: root.to_path_buf(),
            directives: directives(),
            urls,
        })
    }

    /// How many HTML pages with a body of their own there are.
    #[must_use]
    pub fn pages(&self) -> usize {
        let is_page = |url: &&Expected| {
            url.file
                .as_ref()
                .is_some_and(|file| file.extension().is_some_and(|end| end == "html"))
        };
        self.urls.iter().filter(is_page).count()
    }
}

/// From, status, to.
fn redirects() -> Vec<(String, u16, String)> {
    let mut all: Vec<(String, u16, String)> = (0..20)
        .map(|n| (format!("/alt/{n}"), 301, format!("/artikel/{n}.html")))
        .collect();
    for (from, status, to) in [
        ("/heute", 302, "/artikel/7.html"),
        ("/formular", 308, "/kontakt.html"),
        // A chain of two.
        ("/uralt", 301, "/alt/3"),
        // nginx' own, for a folder asked without its slash.
        ("/bereich/3", 301, "/bereich/3/"),
    ] {
        all.push((from.to_owned(), status, to.to_owned()));
    }
    all
}

fn directives() -> String {
    let mut text = String::from(
        "    charset utf-8;
    charset_types text/css text/xml application/atom+xml application/xml;
    add_header Cache-Control \"max-age=60\";
    error_page 404 /fehler/404.html;
    location = /suche { try_files /_suche/$arg_thema-$arg_seite.html =404; }
    location /_suche/ { internal; }
    location /archiv/ { charset iso-8859-1; }
    location /presse/ { charset off; }
    location = /feed.xml { types { application/atom+xml xml; } }
    location = /zurueckgezogen.html { return 410; }
    location /datei/ { add_header Content-Disposition attachment; }
",
    );
    for (from, status, to) in redirects()
        .iter()
        .filter(|(from, ..)| !from.starts_with("/bereich/"))
    {
        text.push_str(&format!(
            "    location = {from} {{ return {status} {to}; }}\n"
        ));
    }
    text
}

/// Writes files and notes what the primary will answer.
struct Writer<'a> {
    root: &'a Path,
    host: &'a str,
    seed: u64,
    urls: Vec<Expected>,
}

impl Writer<'_> {
    /// A file under its own path.
    fn put(&mut self, path: &str, bytes: &[u8], known: Known) -> Result<()> {
        self.put_as(path, path, bytes, known)
    }

    /// A file that is asked for under another address.
    fn put_as(&mut self, target: &str, path: &str, bytes: &[u8], known: Known) -> Result<()> {
        let file = self.root.join(path.trim_start_matches('/'));
        let folder = file.parent().context("a file in no folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&file, bytes).with_context(|| format!("write {}", file.display()))?;
        let target = target.to_owned();
        self.urls.push(Expected {
            target,
            status: 200,
            location: None,
            file: Some(file),
            known,
        });
        Ok(())
    }

    fn chance(&self, what: u64, number: usize) -> Chance {
        Chance(self.seed ^ (what << 48) ^ number as u64)
    }
}

/// SplitMix64: a seed's own sequence of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn written() -> (tempfile::TempDir, GeneratedSite) {
        let dir = tempfile::tempdir().unwrap();
        let site = GeneratedSite::write(dir.path(), "www.verein.test", 7).unwrap();
        (dir, site)
    }

    #[test]
    fn the_site_is_large_and_every_address_is_its_own() {
        let (_dir, site) = written();
        assert!(site.pages() >= 500, "{} pages", site.pages());
        let targets: BTreeSet<&str> = site.urls.iter().map(|url| url.target.as_str()).collect();
        assert_eq!(targets.len(), site.urls.len());
        for known in [
            Known::Page,
            Known::Style,
            Known::Feed,
            Known::Sitemap,
            Known::Disallowed,
        ] {
            assert!(site.urls.iter().any(|url| url.known == known), "{known:?}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_bytes_again() {
        let ((_a, one), (_b, two)) = (written(), written());
        for (one, two) in one.urls.iter().zip(&two.urls) {
            assert_eq!(one.target, two.target);
            let read = |url: &Expected| url.file.as_ref().map(|file| fs::read(file).unwrap());
            assert!(read(one) == read(two), "{}", one.target);
        }
    }

    #[test]
    fn what_only_one_place_knows_is_named_nowhere_else() {
        let (_dir, site) = written();
        let hidden = site
            .urls
            .iter()
            .filter(|url| matches!(url.known, Known::Feed | Known::Sitemap));
        let hidden: Vec<&str> = hidden.map(|url| url.target.as_str()).collect();
        assert_eq!(hidden.len(), 2 * HIDDEN);
        for url in site.urls.iter().filter(|url| url.target.ends_with(".html")) {
            let Some(file) = &url.file else { continue };
            let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
            for target in &hidden {
                assert!(!text.contains(target), "{} names {target}", url.target);
            }
        }
    }
}
