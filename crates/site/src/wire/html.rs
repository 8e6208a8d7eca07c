//! What an HTML document asks for, and the words on it. HTML §4, §13.
//!
//! The capture follows the links; the guard compares the words of start pages.

use std::borrow::Cow;
use std::cell::RefCell;

use lol_html::html_content::{Element, TextType};
use lol_html::{
    DocumentContentHandlers, ElementContentHandlers, HtmlRewriter, MemorySettings, Settings,
};

use super::{Link, MOST_LINKS, css, srcset};

/// What was read out of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// `<base href>`, against which the links are to be resolved.
    pub base: Option<String>,
    /// All links, as written.
    pub links: Vec<Link>,
    /// The text that a reader sees, white space folded.
    pub text: String,
}

/// The parser's own buffers stay below this; what needs more is not read on.
const MEMORY: usize = 4 * 1024 * 1024;
/// More text than this is not compared.
const MOST_TEXT: usize = 512 * 1024;

/// Reads a document. `charset` is the one the server named.
pub fn read(bytes: &[u8], charset: Option<&str>) -> Document {
    let text = decode(bytes, charset);
    let reading = RefCell::new(Reading::default());
    parse(&text, &reading);
    // Browsers without script show what `noscript` holds; its links are pages like others.
    let hidden = std::mem::take(&mut reading.borrow_mut().noscript);
    if !hidden.is_empty() {
        parse(&hidden, &reading);
    }
    let mut reading = reading.into_inner();
    reading.links.truncate(MOST_LINKS);
    Document {
        base: reading.base,
        links: reading.links,
        text: fold(&reading.text),
    }
}

/// The text of a document in the charset that the server named, or that its `meta` names, or
/// UTF-8 where it is UTF-8, or windows-1252 as browsers do.
pub fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
    let head = bytes.get(..1024).unwrap_or(bytes);
    let named = charset.map(str::to_owned).or_else(|| meta_charset(head));
    let encoding = named.and_then(|name| encoding_rs::Encoding::for_label(name.trim().as_bytes()));
    let encoding = match encoding {
        Some(encoding) => encoding,
        None if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        None => encoding_rs::WINDOWS_1252,
    };
    encoding.decode(bytes).0
}

/// The charset in a content type: `text/html; charset=utf-8`.
pub fn charset_of(content_type: &str) -> Option<&str> {
    let at = content_type.to_ascii_lowercase().find("charset=")?;
    let value = content_type.get(at + "charset=".len()..)?;
    let value = value.trim_start_matches(['"', '\'']);
    let end = value
        .find(['"', '\'', ';', ' ', '>', '/'])
        .unwrap_or(value.len());
    value.get(..end).filter(|value| !value.is_empty())
}

fn meta_charset(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    charset_of(&head).map(str::to_owned)
}

#[derive(Default)]
struct Reading {
    base: Option<String>,
    links: Vec<Link>,
    text: String,
    style: String,
    noscript: String,
    /// The element whose raw text comes next.
    raw: Raw,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Raw {
    #[default]
    Other,
    Style,
    Noscript,
}

fn parse(text: &str, reading: &RefCell<Reading>) {
    let elements = ElementContentHandlers::default().element(|element: &mut Element<'_, '_>| {
        reading.borrow_mut().element(element);
        Ok(())
    });
    let texts = DocumentContentHandlers::default().text(
        |chunk: &mut lol_html::html_content::TextChunk<'_>| {
            let last = chunk.last_in_text_node();
            reading
                .borrow_mut()
                .text(chunk.as_str(), chunk.text_type(), last);
            Ok(())
        },
    );
    let Ok(every) = "*".parse() else { return };
    let settings = Settings::new()
        .with_strict(false)
        .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MEMORY))
        .append_element_content_handler((Cow::Owned(every), elements))
        .append_document_content_handler(texts);
    let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| ());
    // A document that breaks the parser's limits gives what was read until then.
    for piece in text.as_bytes().chunks(64 * 1024) {
        if rewriter.write(piece).is_err() {
            return;
        }
    }
    let _ = rewriter.end();
}

impl Reading {
    fn element(&mut self, element: &Element<'_, '_>) {
        let tag = element.tag_name();
        self.raw = match tag.as_str() {
            "style" => Raw::Style,
            "noscript" => Raw::Noscript,
            _ => Raw::Other,
        };
        if self.links.len() >= MOST_LINKS {
            return;
        }
        let attribute = |name: &str| element.get_attribute(name).map(|value| unescape(&value));
        match tag.as_str() {
            "base" if self.base.is_none() => self.base = attribute("href"),
            "a" | "area" => self.page(attribute("href")),
            "link" => self.link(&attribute),
            "meta" => self.meta(&attribute),
            "object" => self.requisite(attribute("data")),
            "image" | "use" => {
                self.requisite(attribute("href"));
                self.requisite(attribute("xlink:href"));
            }
            "img" | "source" | "video" | "audio" | "track" | "script" | "iframe" | "frame"
            | "embed" | "input" => self.media(&attribute),
            "body" | "table" | "td" | "th" | "tr" => self.requisite(attribute("background")),
            _ => {}
        }
        for lazy in ["data-bg", "data-background", "data-background-image"] {
            self.requisite(attribute(lazy));
        }
        if let Some(style) = attribute("style") {
            self.links.extend(css::links(&style));
        }
    }

    fn page(&mut self, to: Option<String>) {
        self.links
            .extend(to.filter(|to| leads_on(to)).map(Link::page));
    }

    fn requisite(&mut self, to: Option<String>) {
        self.links
            .extend(to.filter(|to| leads_on(to)).map(Link::requisite));
    }

    fn media(&mut self, attribute: &impl Fn(&str) -> Option<String>) {
        // COMPAT(lazy loading scripts): the true source waits in a data attribute.
        for name in [
            "src",
            "poster",
            "data-src",
            "data-lazy-src",
            "data-original",
        ] {
            self.requisite(attribute(name));
        }
        for name in ["srcset", "data-srcset", "data-lazy-srcset"] {
            self.candidates(attribute(name));
        }
    }

    fn candidates(&mut self, set: Option<String>) {
        let Some(set) = set else { return };
        let urls = srcset::urls(&set).into_iter().filter(|url| leads_on(url));
        self.links.extend(urls.map(Link::requisite));
    }

    fn link(&mut self, attribute: &impl Fn(&str) -> Option<String>) {
        let Some(rel) = attribute("rel") else { return };
        let rel = rel.to_ascii_lowercase();
        let has = |words: &[&str]| {
            rel.split_ascii_whitespace()
                .any(|word| words.contains(&word))
        };
        let oembed = attribute("type").is_some_and(|kind| kind.contains("oembed"));
        if has(REQUISITES) {
            self.requisite(attribute("href"));
            self.candidates(attribute("imagesrcset"));
        } else if has(PAGES) && !oembed {
            self.page(attribute("href"));
        }
    }

    fn meta(&mut self, attribute: &impl Fn(&str) -> Option<String>) {
        let Some(content) = attribute("content") else {
            return;
        };
        let refresh = attribute("http-equiv").is_some_and(|it| it.eq_ignore_ascii_case("refresh"));
        if refresh {
            self.page(refresh_target(&content));
            return;
        }
        let property = attribute("property").or_else(|| attribute("name"));
        let images = ["og:image", "og:video", "og:audio", "twitter:image"];
        if property.is_some_and(|property| images.contains(&property.as_str())) {
            self.requisite(Some(content));
        }
    }

    fn text(&mut self, text: &str, kind: TextType, last: bool) {
        match (kind, self.raw) {
            (TextType::RawText, Raw::Style) => {
                self.style.push_str(text);
                if last {
                    let sheet = std::mem::take(&mut self.style);
                    self.links.extend(css::links(&sheet));
                }
            }
            (TextType::RawText, Raw::Noscript) => self.noscript.push_str(text),
            (TextType::Data | TextType::RCData, _) if self.text.len() < MOST_TEXT => {
                self.text.push_str(text);
                if last {
                    self.text.push(' ');
                }
            }
            _ => {}
        }
    }
}

const REQUISITES: &[&str] = &[
    "stylesheet",
    "icon",
    "apple-touch-icon",
    "apple-touch-icon-precomposed",
    "mask-icon",
    "manifest",
    "preload",
    "modulepreload",
    "prefetch",
];

const PAGES: &[&str] = &[
    "alternate",
    "amphtml",
    "author",
    "canonical",
    "first",
    "help",
    "last",
    "license",
    "next",
    "prev",
    "previous",
    "privacy-policy",
    "start",
    "terms-of-service",
    "up",
];

fn leads_on(to: &str) -> bool {
    let to = to.trim_start();
    !to.is_empty() && !to.starts_with('#') && !to.starts_with("data:")
}

/// `5; url='/next'` → `/next`. HTML §4.2.5.3.
fn refresh_target(content: &str) -> Option<String> {
    let at = content.to_ascii_lowercase().find("url")?;
    let rest = content.get(at + 3..)?.trim_start().strip_prefix('=')?;
    Some(rest.trim().trim_matches(['"', '\'']).to_owned())
}

/// Undoes the character references that occur in URLs and words. Unknown ones stay.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        // Looked for nearby only: a page of ampersands must not cost its length squared.
        let end = reference.bytes().take(12).position(|byte| byte == b';');
        let name = end.and_then(|end| reference.get(1..end));
        match name.and_then(character) {
            Some(letter) => {
                out.push(letter);
                rest = reference.get(end.unwrap_or(0) + 1..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = reference.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    NAMED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, letter)| *letter)
}

const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("shy", '\u{ad}'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("Auml", 'Ä'),
    ("Ouml", 'Ö'),
    ("Uuml", 'Ü'),
    ("szlig", 'ß'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("agrave", 'à'),
    ("ccedil", 'ç'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("hellip", '…'),
    ("copy", '©'),
];

fn fold(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    unescape(&words.join(" "))
}

#[cfg(test)]
mod tests;
