//! Conditional requests: RFC 9110 §13, in the order of §13.2.2. Pure.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};
use model::Timestamp;

use crate::negotiate::Coding;

/// What tells one state of a page from another.
#[derive(Debug)]
pub(super) struct Validators<'a> {
    /// The entity tag of the uncoded body.
    pub(super) etag: &'a HeaderValue,
    /// The coding that was chosen.
    pub(super) coding: Coding,
    /// `Last-Modified`, as the primary gave it.
    pub(super) last_modified: Option<&'a HeaderValue>,
    /// When the page was captured.
    pub(super) captured: Timestamp,
}

/// What the conditions ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The page.
    Send,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Validators<'_> {
    /// The tag of what is sent: codings are different representations (RFC 9110 §8.8.3.3).
    pub(super) fn tag(&self) -> HeaderValue {
        let suffix = self.coding.suffix();
        let bytes = self.etag.as_bytes();
        match bytes.strip_suffix(b"\"") {
            Some(_) if suffix.is_empty() || is_weak(bytes) => self.etag.clone(),
            Some(open) => {
                let tag = [open, suffix.as_bytes(), b"\""].concat();
                HeaderValue::try_from(tag).unwrap_or_else(|_| self.etag.clone())
            }
            None => self.etag.clone(),
        }
    }

    /// Whether a tag of the guest's names what would be sent, by weak comparison. The tag without
    /// our suffix counts too: a guest may have got it from the primary itself.
    fn is_known(&self, tag: &[u8]) -> bool {
        let ours = opaque(self.etag.as_bytes());
        let theirs = opaque(tag);
        let bare = |quoted: &[u8]| {
            let inside = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            Some(inside.to_vec())
        };
        if theirs == ours {
            return true;
        }
        let (Some(ours), Some(theirs)) = (bare(ours), bare(theirs)) else {
            return false;
        };
        theirs.strip_prefix(ours.as_slice()) == Some(self.coding.suffix().as_bytes())
    }

    /// Whether a tag names what would be sent byte by byte: strong comparison.
    fn is_same(&self, tag: &[u8]) -> bool {
        let ours = self.tag();
        !is_weak(tag) && !is_weak(ours.as_bytes()) && ours.as_bytes() == tag
    }

    fn modified(&self) -> Option<SystemTime> {
        date(self.last_modified?)
    }

    /// What the request's conditions ask for.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Verdict {
        if headers.contains_key(IF_MATCH) {
            // A list for a page that is there: `*` or a strong match.
            if !any(headers, IF_MATCH, |tag| tag == b"*" || self.is_same(tag)) {
                return Verdict::Failed;
            }
        } else if let (Some(since), Some(modified)) = (
            headers.get(IF_UNMODIFIED_SINCE).and_then(date),
            self.modified(),
        ) && modified > since
        {
            return Verdict::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            // §13.1.2: with it, If-Modified-Since is ignored.
            let known = any(headers, IF_NONE_MATCH, |tag| {
                tag == b"*" || self.is_known(tag)
            });
            return if known {
                Verdict::NotModified
            } else {
                Verdict::Send
            };
        }
        let since = headers.get(IF_MODIFIED_SINCE);
        match (since, self.last_modified) {
            // Most guests send back what they got.
            (Some(since), Some(modified)) if since == modified => Verdict::NotModified,
            (Some(since), Some(_)) => match (date(since), self.modified()) {
                (Some(since), Some(modified)) if modified <= since => Verdict::NotModified,
                _ => Verdict::Send,
            },
            _ => Verdict::Send,
        }
    }

    /// Whether a Range counts: RFC 9110 §13.1.5.
    pub(super) fn allows_range(&self, headers: &HeaderMap) -> bool {
        let Some(validator) = headers.get(IF_RANGE) else {
            return true;
        };
        let bytes = validator.as_bytes();
        if bytes.starts_with(b"\"") || is_weak(bytes) {
            return self.is_same(bytes);
        }
        let (Some(asked), Some(modified)) = (date(validator), self.modified()) else {
            return false;
        };
        // §8.8.2.2: a date says nothing about changes within its own second.
        let captured = u64::try_from(self.captured.millis()).unwrap_or(0);
        let captured = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(captured));
        let strong = captured.is_some_and(|at| at >= modified + Duration::from_secs(1));
        asked == modified && strong
    }
}

fn is_weak(tag: &[u8]) -> bool {
    tag.starts_with(b"W/")
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// Whether `wanted` is true of an element of a list of tags. A comma may stand inside a tag.
fn any(headers: &HeaderMap, name: HeaderName, mut wanted: impl FnMut(&[u8]) -> bool) -> bool {
    for line in headers.get_all(name) {
        let mut rest = line.as_bytes().trim_ascii();
        while !rest.is_empty() {
            let (element, after) = rest.split_at(end_of_tag(rest));
            if wanted(element.trim_ascii()) {
                return true;
            }
            rest = after.strip_prefix(b",").unwrap_or(after).trim_ascii();
        }
    }
    false
}

/// Where the first element of a list ends.
fn end_of_tag(list: &[u8]) -> usize {
    let mut quoted = false;
    for (at, byte) in list.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    list.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Wed, 20 May 2026 09:14:03 GMT";
    const LATER: &str = "Wed, 20 May 2026 09:14:04 GMT";
    const EARLIER: &str = "Wed, 20 May 2026 09:14:02 GMT";

    fn with<T>(etag: &'static str, coding: Coding, then: impl Fn(&Validators<'_>) -> T) -> T {
        let etag = HeaderValue::from_static(etag);
        let modified = HeaderValue::from_static(MODIFIED);
        then(&Validators {
            etag: &etag,
            coding,
            last_modified: Some(&modified),
            captured: Timestamp::from_millis(1_779_270_000_000),
        })
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn the_table_of_conditions() {
        use Verdict::{Failed, NotModified, Send};
        for (lines, verdict) in [
            (&[][..], Send),
            (&[("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "W/\"a\"")], NotModified),
            (&[("if-none-match", "\"a-gzip\"")], NotModified),
            (&[("if-none-match", "\"a-br\"")], Send),
            (&[("if-none-match", "\"x,\"a\"\", \"a\"")], NotModified),
            (&[("if-none-match", "\"b\" ,\t\"a\"")], NotModified),
            (&[("if-none-match", "\"b\", \"c\"")], Send),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "a")], Send),
            (
                &[("if-none-match", "\"b\""), ("if-modified-since", LATER)],
                Send,
            ),
            (&[("if-modified-since", MODIFIED)], NotModified),
            (&[("if-modified-since", LATER)], NotModified),
            (&[("if-modified-since", EARLIER)], Send),
            (&[("if-modified-since", "yesterday")], Send),
            (&[("if-match", "*")], Send),
            (&[("if-match", "\"a-gzip\"")], Send),
            (&[("if-match", "\"a\"")], Failed),
            (&[("if-match", "W/\"a-gzip\"")], Failed),
            (
                &[("if-match", "\"a-gzip\""), ("if-unmodified-since", EARLIER)],
                Send,
            ),
            (&[("if-unmodified-since", EARLIER)], Failed),
            (&[("if-unmodified-since", MODIFIED)], Send),
            (&[("if-match", "*"), ("if-none-match", "*")], NotModified),
        ] {
            let found = with("\"a\"", Coding::Gzip, |it| it.judge(&headers(lines)));
            assert_eq!(found, verdict, "{lines:?}");
        }
    }

    #[test]
    fn each_coding_has_its_own_strong_tag_and_weak_tags_stay() {
        assert_eq!(with("\"a\"", Coding::Identity, |it| it.tag()), "\"a\"");
        assert_eq!(with("\"a\"", Coding::Brotli, |it| it.tag()), "\"a-br\"");
        assert_eq!(with("W/\"a\"", Coding::Gzip, |it| it.tag()), "W/\"a\"");
    }

    #[test]
    fn a_range_counts_only_for_the_same_bytes() {
        for (value, counts) in [
            ("\"a\"", true),
            ("\"a-br\"", false),
            ("W/\"a\"", false),
            (MODIFIED, true),
            (LATER, false),
            (EARLIER, false),
            ("soon", false),
        ] {
            let ask = headers(&[("if-range", value)]);
            assert_eq!(
                with("\"a\"", Coding::Identity, |it| it.allows_range(&ask)),
                counts,
                "{value}"
            );
        }
        assert!(with("\"a\"", Coding::Identity, |it| it
            .allows_range(&HeaderMap::new())));
        let weak = headers(&[("if-range", "W/\"a\"")]);
        assert!(!with("W/\"a\"", Coding::Identity, |it| it.allows_range(&weak)));
    }
}
