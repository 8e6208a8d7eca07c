//! What is done with a body once it is here: keep it, code it, look for links. Works on the disk
//! and the processor; the capture runs it beside the runtime, one body at a time.

use std::collections::HashSet;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use store::{BlobError, BlobId, Blobs};
use url::Url;

use super::fetch::Content;
use super::policy::{self, Form};
use crate::generation::Stored;
use crate::wire::address::{Address, Leads, Scope};
use crate::wire::{Kind, css, feed, html};

/// Larger bodies are not coded with Brotli, and still larger ones not at all.
const BROTLI_UP_TO: usize = 2 * 1024 * 1024;
/// Brotli's effort, of 11: beyond this it costs much and gives little.
const BROTLI_QUALITY: u32 = 9;
/// Smaller bodies are not worth a coding.
const TOO_SMALL: usize = 256;
/// A sitemap is at most so large, unpacked (sitemaps.org: 50 MB; ours are read up to less).
const SITEMAP: u64 = 16 * 1024 * 1024;

/// The codings of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coded {
    pub(crate) gzip: Option<Stored>,
    pub(crate) brotli: Option<Stored>,
}

/// A kept body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) body: Stored,
    pub(crate) coded: Coded,
}

/// Where a document leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) pages: Vec<(Address, Kind)>,
    pub(crate) sitemaps: Vec<Address>,
}

/// Keeps `content` durably, coded where that is worth it. `known` says how a body was coded before.
pub(crate) fn keep(
    blobs: &Blobs,
    content: &Content,
    form: Form,
    known: impl Fn(&BlobId) -> Option<Coded>,
) -> Result<Kept, BlobError> {
    let (bytes, id, length) = match content {
        Content::Memory(bytes) => (bytes, BlobId::of(bytes), bytes.len() as u64),
        Content::Blob { id, length, .. } => {
            return Ok(Kept {
                body: (*id, *length),
                coded: Coded::default(),
            });
        }
    };
    if let Some(coded) = known(&id) {
        // Its age starts anew, so that no sweep takes it before it is linked.
        blobs.put(bytes)?;
        return Ok(Kept {
            body: (id, length),
            coded,
        });
    }
    let (gzip, brotli) = match form {
        Form::Binary => (None, None),
        _ => (gzip(bytes), brotli(bytes)),
    };
    let all = [Some(bytes), gzip.as_ref(), brotli.as_ref()];
    let contents: Vec<&[u8]> = all.into_iter().flatten().map(Vec::as_slice).collect();
    blobs.put_many(&contents)?;
    let stored = |coded: Option<Vec<u8>>| coded.map(|it| (BlobId::of(&it), it.len() as u64));
    let coded = Coded {
        gzip: stored(gzip),
        brotli: stored(brotli),
    };
    Ok(Kept {
        body: (id, length),
        coded,
    })
}

fn worth_it(coded: Vec<u8>, bytes: &[u8]) -> Option<Vec<u8>> {
    (coded.len().saturating_mul(20) < bytes.len().saturating_mul(19)).then_some(coded)
}

fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < TOO_SMALL {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    worth_it(encoder.finish().ok()?, bytes)
}

fn brotli(bytes: &[u8]) -> Option<Vec<u8>> {
    if !(TOO_SMALL..=BROTLI_UP_TO).contains(&bytes.len()) {
        return None;
    }
    let mut coded = Vec::new();
    {
        let mut encoder = brotli::CompressorWriter::new(&mut coded, 64 * 1024, BROTLI_QUALITY, 22);
        encoder.write_all(bytes).ok()?;
        encoder.flush().ok()?;
    }
    worth_it(coded, bytes)
}

/// Where the document at `address` leads.
pub(crate) fn follow(
    scope: &Scope,
    address: &Address,
    content_type: &str,
    bytes: &[u8],
    is_sitemap: bool,
) -> Followed {
    let mut followed = Followed::default();
    let Some(url) = address.url() else {
        return followed;
    };
    let form = policy::form(content_type);
    match form {
        _ if is_sitemap => listing(scope, &url, bytes, &mut followed),
        Form::Html => {
            let document = html::read(bytes, html::charset_of(content_type));
            let base = document
                .base
                .and_then(|base| url.join(&base).ok())
                .unwrap_or(url);
            for link in document.links {
                inside(scope, &base, &link.to, link.kind, &mut followed);
            }
        }
        Form::Css => {
            for link in css::links(&html::decode(bytes, html::charset_of(content_type))) {
                inside(scope, &url, &link.to, link.kind, &mut followed);
            }
        }
        Form::Xml => listing(scope, &url, bytes, &mut followed),
        Form::WebManifest => {
            for link in policy::web_manifest_links(bytes) {
                inside(scope, &url, &link, Kind::Requisite, &mut followed);
            }
        }
        Form::Text | Form::Binary => {}
    }
    let mut met = HashSet::new();
    followed
        .pages
        .retain(|(address, _)| met.insert(address.clone()));
    followed
}

fn inside(scope: &Scope, base: &Url, to: &str, kind: Kind, followed: &mut Followed) {
    if let Leads::Inside(address) = scope.resolve(base, to) {
        followed.pages.push((address, kind));
    }
}

fn listing(scope: &Scope, url: &Url, bytes: &[u8], followed: &mut Followed) {
    let unpacked = unpacked(bytes);
    let listing = feed::read(unpacked.as_deref().unwrap_or(bytes));
    for link in listing.links {
        inside(scope, url, &link.to, link.kind, followed);
    }
    for sitemap in listing.sitemaps {
        if let Leads::Inside(address) = scope.resolve(url, &sitemap) {
            followed.sitemaps.push(address);
        }
    }
}

/// A sitemap may be a gzip file.
fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return None;
    }
    let mut text = Vec::new();
    GzDecoder::new(bytes)
        .take(SITEMAP)
        .read_to_end(&mut text)
        .ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::new(&["verein.test".into()], None)
    }

    #[test]
    fn links_are_resolved_against_the_base() {
        let html =
            b"<base href='/sub/'><a href=a>a</a><a href=//else.test/b>b</a><img src=../c.png>";
        let page = Address::new("verein.test", "/x/y");
        let followed = follow(&scope(), &page, "text/html", html, false);
        assert_eq!(
            followed.pages,
            [
                (Address::new("verein.test", "/sub/a"), Kind::Page),
                (Address::new("verein.test", "/c.png"), Kind::Requisite)
            ]
        );
    }

    #[test]
    fn a_packed_sitemap_is_read() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed
            .write_all(b"<urlset><url><loc>https://verein.test/p</loc></url></urlset>")
            .unwrap();
        let bytes = packed.finish().unwrap();
        let sitemap = Address::new("verein.test", "/s.xml.gz");
        let followed = follow(&scope(), &sitemap, "application/gzip", &bytes, true);
        assert_eq!(
            followed.pages,
            [(Address::new("verein.test", "/p"), Kind::Page)]
        );
    }

    #[test]
    fn codings_are_smaller_and_come_back() {
        let text = "Verein Beispiel ".repeat(500).into_bytes();
        let coded = brotli(&text).unwrap();
        assert!(coded.len() < text.len() / 10);
        let mut back = Vec::new();
        brotli::Decompressor::new(&coded[..], 4096)
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, text);
        let mut back = Vec::new();
        GzDecoder::new(&gzip(&text).unwrap()[..])
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, text);
        assert!(gzip(b"short").is_none());
        let noise: Vec<u8> = (0..2000u32)
            .flat_map(|n| blake3::hash(&n.to_le_bytes()).as_bytes().to_vec())
            .collect();
        assert!(gzip(&noise).is_none() && brotli(&noise).is_none());
    }
}
