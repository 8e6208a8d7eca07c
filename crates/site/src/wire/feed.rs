//! What sitemaps and feeds list: sitemaps.org 0.9, RSS 2.0, Atom (RFC 4287), and plain lists.
//!
//! The capture starts from sitemaps and follows feeds as it follows pages.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Link, MOST_LINKS, html};

/// What a sitemap or a feed lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Further sitemaps.
    pub sitemaps: Vec<String>,
    /// Pages and files.
    pub links: Vec<Link>,
}

/// A longer text inside an element is no address.
const LONGEST_TEXT: usize = 8 * 1024;
/// Deeper documents are not read on.
const DEEPEST: usize = 64;

/// Reads a sitemap, a sitemap index, a feed or a list of lines. What is broken gives what was
/// understood before the break.
pub fn read(bytes: &[u8]) -> Listing {
    let text = html::decode(bytes, None);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        xml(text)
    } else {
        lines(text)
    }
}

/// A text sitemap: one absolute URL a line.
fn lines(text: &str) -> Listing {
    let urls = text.lines().map(str::trim);
    let urls = urls.filter(|line| line.starts_with("http://") || line.starts_with("https://"));
    Listing {
        sitemaps: Vec::new(),
        links: urls.take(MOST_LINKS).map(Link::page).collect(),
    }
}

fn xml(text: &str) -> Listing {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut listing = Listing::default();
    let mut path: Vec<String> = Vec::new();
    let mut content = String::new();
    while listing.links.len() + listing.sitemaps.len() < MOST_LINKS && path.len() < DEEPEST {
        // A document that is not XML gives what was understood.
        let Ok(event) = reader.read_event() else {
            break;
        };
        match event {
            Event::Start(start) => {
                attributes(&start, &mut listing);
                path.push(local(&start));
                content.clear();
            }
            Event::Empty(start) => attributes(&start, &mut listing),
            Event::Text(text) if content.len() < LONGEST_TEXT => {
                content.push_str(&text.xml10_content());
            }
            Event::CData(text) if content.len() < LONGEST_TEXT => {
                content.push_str(&text.xml10_content());
            }
            Event::GeneralRef(name) => {
                let name: &str = &name;
                content.push_str(&html::unescape(&format!("&{name};")));
            }
            Event::End(_) => {
                element(&path, content.trim(), &mut listing);
                path.pop();
                content.clear();
            }
            Event::PI(instruction) => listing.links.extend(style(&instruction)),
            Event::Eof => break,
            _ => {}
        }
    }
    listing
}

fn local(start: &BytesStart<'_>) -> String {
    let name: &str = start.name().0;
    name.to_ascii_lowercase()
}

/// An element with text, by the end of its path.
fn element(path: &[String], text: &str, listing: &mut Listing) {
    if text.is_empty() {
        return;
    }
    let mut from_end = path.iter().rev().map(String::as_str);
    match (from_end.next(), from_end.next()) {
        (Some("loc"), Some("sitemap")) => listing.sitemaps.push(text.to_owned()),
        (Some("loc"), _) | (Some("link"), Some("item" | "channel" | "entry" | "image")) => {
            listing.links.push(Link::page(text));
        }
        (Some("image:loc" | "video:content_loc" | "video:thumbnail_loc"), _)
        | (Some("url"), Some("image"))
        | (Some("icon" | "logo"), Some("feed")) => listing.links.push(Link::requisite(text)),
        _ => {}
    }
}

/// An element that points elsewhere by attribute.
fn attributes(start: &BytesStart<'_>, listing: &mut Listing) {
    let wanted = match local(start).as_str() {
        "link" | "atom:link" | "xhtml:link" => "href",
        "enclosure" | "media:content" | "media:thumbnail" | "itunes:image" => "url",
        "content" => "src",
        _ => return,
    };
    for attribute in start.attributes().flatten() {
        let name: &str = attribute.key.0;
        if name == wanted {
            let value: &str = &attribute.value;
            listing.links.push(Link::page(html::unescape(value)));
        }
    }
}

/// `<?xml-stylesheet href="…"?>`.
fn style(instruction: &str) -> Option<Link> {
    let rest = instruction.strip_prefix("xml-stylesheet")?;
    let after = rest.split_once("href=")?.1;
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let href = after.get(1..)?.split(quote).next()?;
    Some(Link::requisite(html::unescape(href)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pages(text: &str) -> Vec<String> {
        read(text.as_bytes())
            .links
            .into_iter()
            .map(|link| link.to)
            .collect()
    }

    #[test]
    fn a_sitemap_lists_pages_and_images() {
        let text = "\u{feff}<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='/s.xsl'?>\
            <urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>\
            <url><loc> https://verein.test/?a=1&amp;b=2 </loc><lastmod>2026-05-20</lastmod>\
            <image:image><image:loc>https://verein.test/i.png</image:loc></image:image></url>\
            <url><loc><![CDATA[https://verein.test/b]]></loc></url></urlset>";
        assert_eq!(
            pages(text),
            [
                "/s.xsl",
                "https://verein.test/?a=1&b=2",
                "https://verein.test/i.png",
                "https://verein.test/b"
            ]
        );
    }

    #[test]
    fn an_index_lists_sitemaps() {
        let text = "<sitemapindex><sitemap><loc>https://verein.test/s1.xml</loc></sitemap>\
            <sitemap><loc>https://verein.test/s2.xml.gz</loc></sitemap></sitemapindex>";
        let listing = read(text.as_bytes());
        assert_eq!(
            listing.sitemaps,
            [
                "https://verein.test/s1.xml",
                "https://verein.test/s2.xml.gz"
            ]
        );
        assert!(listing.links.is_empty());
    }

    #[test]
    fn feeds_list_entries() {
        let rss = "<rss><channel><link>https://verein.test/</link><item><link>/n1</link>\
            <enclosure url='/a.mp3' length='1'/></item></channel></rss>";
        assert_eq!(pages(rss), ["https://verein.test/", "/n1", "/a.mp3"]);
        let atom = "<feed><link href='/self'/><icon>/i.png</icon><entry><link rel='alternate' \
            href='/e1?a&amp;b'/></entry></feed>";
        assert_eq!(pages(atom), ["/self", "/i.png", "/e1?a&b"]);
    }

    #[test]
    fn a_list_of_lines_and_a_broken_document_give_what_is_there() {
        assert_eq!(
            pages("https://verein.test/a\r\nnonsense\nhttps://verein.test/b"),
            ["https://verein.test/a", "https://verein.test/b"]
        );
        let broken = "<urlset><url><loc>https://verein.test/a</loc></url><url><loc>https://ve";
        assert_eq!(pages(broken), ["https://verein.test/a"]);
        assert_eq!(pages(&"<a>".repeat(1000)), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn xml_like_text_is_read(text in "[<>/locurset&;!\\[\\]\"'= ]{0,200}") {
            let _ = read(format!("<{text}").as_bytes());
        }
    }
}
