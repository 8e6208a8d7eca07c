//! Request heads into what is asked for: method and path, language, kind of body, known version.
//! No state; RFC 9110 for all of it.

use http::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderMap, HeaderName, IF_NONE_MATCH};
use http::request::Parts;

use crate::language::Language;

/// At most so many members of one list header are looked at.
const MEMBERS: usize = 32;

/// What a path of the page's host leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// `/`: the page, in the visitor's language.
    Home,
    /// `/de`.
    Page(Language),
    /// `/de/statements`.
    Statements(Language),
    /// `/feed.atom`, `/de/feed.atom`.
    Feed(Option<Language>),
    /// `/status.json`.
    Status,
    /// Anything else.
    Unknown,
}

impl Path {
    pub(crate) fn of(path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        match path {
            "" => return Self::Home,
            "feed.atom" => return Self::Feed(None),
            "status.json" => return Self::Status,
            _ => {}
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let language = Language::ALL
            .into_iter()
            .find(|language| language.tag() == first);
        match (language, rest) {
            (Some(language), "") => Self::Page(language),
            (Some(language), "statements") => Self::Statements(language),
            (Some(language), "feed.atom") => Self::Feed(Some(language)),
            _ => Self::Unknown,
        }
    }
}

/// What kind of body a visitor of a page that cannot be had expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Html,
    Json,
    Image,
    Style,
    Script,
    Text,
}

impl Kind {
    /// From what the browser says it needs, else from `Accept`, else from the path's ending.
    pub(crate) fn of(head: &Parts) -> Self {
        if let Some(kind) = destination(&head.headers) {
            return kind;
        }
        let accepted = weighted(&head.headers, &ACCEPT);
        for (range, _) in &accepted {
            let range = range.to_ascii_lowercase();
            match range.as_str() {
                "text/html" | "application/xhtml+xml" => return Self::Html,
                "text/css" => return Self::Style,
                "text/plain" => return Self::Text,
                "*/*" => break,
                _ if range.starts_with("image/") => return Self::Image,
                _ if range.ends_with("/json") || range.ends_with("+json") => return Self::Json,
                _ if range.ends_with("/javascript") => return Self::Script,
                _ => {}
            }
        }
        ending(head.uri.path())
    }
}

/// Fetch Metadata: `Sec-Fetch-Dest` says exactly what the answer is for.
fn destination(headers: &HeaderMap) -> Option<Kind> {
    match headers.get("sec-fetch-dest")?.to_str().ok()? {
        "document" | "iframe" | "frame" => Some(Kind::Html),
        "image" => Some(Kind::Image),
        "style" => Some(Kind::Style),
        "script" | "worker" | "serviceworker" | "sharedworker" => Some(Kind::Script),
        "font" | "audio" | "video" | "track" | "manifest" | "object" | "embed" => Some(Kind::Text),
        _ => None,
    }
}

fn ending(path: &str) -> Kind {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((_, ending)) = name.rsplit_once('.') else {
        return Kind::Html;
    };
    match ending.to_ascii_lowercase().as_str() {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "avif" | "svg" | "ico" => Kind::Image,
        "css" => Kind::Style,
        "js" | "mjs" => Kind::Script,
        "json" | "webmanifest" => Kind::Json,
        "txt" | "xml" | "atom" | "rss" | "pdf" | "zip" | "woff" | "woff2" | "ttf" | "mp4"
        | "mp3" => Kind::Text,
        _ => Kind::Html,
    }
}

/// The visitor's first choice among `offered` (RFC 9110 §12.5.4, lookup of RFC 4647 §3.4).
pub(crate) fn language(headers: &HeaderMap, offered: &[Language]) -> Option<Language> {
    weighted(headers, &ACCEPT_LANGUAGE)
        .into_iter()
        .find_map(|(range, _)| {
            if range == "*" {
                return offered.first().copied();
            }
            Language::from_tag(range).filter(|language| offered.contains(language))
        })
}

/// The members of a list with weights (RFC 9110 §12.4.2), the heaviest first; those with `q=0`
/// are left out. Members of one weight keep their order.
fn weighted<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Vec<(&'h str, u16)> {
    let mut members: Vec<(&str, u16)> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .take(MEMBERS)
        .filter_map(|member| {
            let mut parts = member.split(';').map(str::trim);
            let range = parts.next().filter(|range| !range.is_empty())?;
            let weight = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(Some(1000), weight)?;
            Some((range, weight))
        })
        .filter(|(_, weight)| *weight > 0)
        .collect();
    members.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    members
}

/// `0.8` as 800; nothing for what is no weight.
fn weight(text: &str) -> Option<u16> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = part.chars().all(|character| character.is_ascii_digit());
    if !digits || part.len() > 3 {
        return None;
    }
    let thousandths = format!("{part:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Whether the visitor has this version already (RFC 9110 §13.1.2: weak comparison).
pub(crate) fn has_version(headers: &HeaderMap, etag: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .take(MEMBERS)
        .any(|tag| tag.trim() == "*" || plain(tag) == plain(etag))
}

/// Whether the visitor takes gzip (RFC 9110 §12.5.3).
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    weighted(headers, &http::header::ACCEPT_ENCODING)
        .iter()
        .any(|(coding, _)| coding.eq_ignore_ascii_case("gzip"))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn head(path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request
            .body(())
            .map(Request::into_parts)
            .expect("a request")
            .0
    }

    #[test]
    fn paths_lead_where_they_say() {
        assert_eq!(Path::of("/"), Path::Home);
        assert_eq!(Path::of("/de"), Path::Page(Language::German));
        assert_eq!(Path::of("/en/"), Path::Page(Language::English));
        assert_eq!(Path::of("/feed.atom"), Path::Feed(None));
        assert_eq!(
            Path::of("/de/statements"),
            Path::Statements(Language::German)
        );
        for unknown in [
            "/fr",
            "//",
            "/de/x",
            "/DE",
            "/de//",
            "/../de",
            "/status.json/",
        ] {
            assert_eq!(Path::of(unknown), Path::Unknown, "{unknown}");
        }
    }

    #[test]
    fn the_heaviest_language_that_there_is_wins() {
        let choose = |value: &str, offered: &[Language]| {
            language(&head("/", &[("accept-language", value)]).headers, offered)
        };
        let both = [Language::German, Language::English];
        assert_eq!(
            choose("fr, en;q=0.8, de;q=0.9", &both),
            Some(Language::German)
        );
        assert_eq!(choose("de;q=0, en;q=0.1", &both), Some(Language::English));
        assert_eq!(choose("en-GB", &[Language::German]), None);
        assert_eq!(choose("*", &both), Some(Language::German));
        assert_eq!(choose("de;q=nonsense", &both), None);
    }

    #[test]
    fn a_kind_is_found_for_browsers_and_for_programs() {
        let kind = |path: &str, headers: &[(&str, &str)]| Kind::of(&head(path, headers));
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert_eq!(kind("/a.png", &[("accept", browser)]), Kind::Html);
        assert_eq!(
            kind("/", &[("accept", "image/avif,image/webp,*/*;q=0.8")]),
            Kind::Image
        );
        assert_eq!(kind("/", &[("accept", "application/json")]), Kind::Json);
        assert_eq!(
            kind("/s.css", &[("accept", "text/css,*/*;q=0.1")]),
            Kind::Style
        );
        assert_eq!(kind("/s.js", &[("accept", "*/*")]), Kind::Script);
        assert_eq!(
            kind("/", &[("accept", "*/*"), ("sec-fetch-dest", "script")]),
            Kind::Script
        );
        assert_eq!(kind("/page", &[]), Kind::Html);
    }

    #[test]
    fn a_known_version_is_recognised() {
        let known =
            |value: &str| has_version(&head("/", &[("if-none-match", value)]).headers, "\"a\"");
        assert!(known("\"x\", W/\"a\""));
        assert!(known("*"));
        assert!(!known("\"aa\""));
        assert!(!known("a"));
    }

    proptest! {
        #[test]
        fn no_header_and_no_path_takes_it_down(value in "[ -~]{0,200}", path in "/[!-~]{0,60}") {
            let names = ["accept", "accept-language", "accept-encoding", "if-none-match", "sec-fetch-dest"];
            let headers: Vec<(&str, &str)> = names.iter().map(|name| (*name, value.as_str())).collect();
            let head = head("/", &headers);
            let _ = (Kind::of(&head), language(&head.headers, &Language::ALL));
            let _ = (has_version(&head.headers, "\"a\""), takes_gzip(&head.headers), Path::of(&path));
        }
    }
}
