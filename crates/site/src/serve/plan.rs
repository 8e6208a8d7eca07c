//! From a page and a request to an answer without its bytes: status, fields, which part of which
//! body. Pure; RFC 9110.

use std::ops::Range;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use model::Timestamp;

use super::condition::{Validators, Verdict};
use super::range::{self, Asked};
use crate::generation::{Page, Stored};
use crate::negotiate::{self, Available, Coding};

/// Says discreetly who answered.
pub(super) const MARK: HeaderName = HeaderName::from_static("x-servergate");

/// An answer whose bytes are still to be had.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Which bytes of which body; nothing for HEAD, 304 and the like.
    pub(super) send: Option<(Stored, Range<u64>)>,
}

/// The answer to `method` (GET or HEAD) with `asked` fields at `page`. `mark` names the generation.
pub(super) fn plan(
    page: &Page,
    mark: HeaderValue,
    method: &Method,
    asked: &HeaderMap,
    now: Timestamp,
) -> Plan {
    let available = Available {
        gzip: page.gzip.is_some(),
        brotli: page.brotli.is_some(),
    };
    let coding = negotiate::choose(asked, available);
    let stored = match coding {
        Coding::Gzip => page.gzip.unwrap_or(page.body),
        Coding::Brotli => page.brotli.unwrap_or(page.body),
        Coding::Identity => page.body,
    };
    let validators = Validators {
        etag: &page.etag,
        coding,
        last_modified: page.last_modified.as_ref(),
        captured: page.captured,
    };
    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::OK);
    let varies = available != Available::default();
    let mut plan = Plan {
        status,
        headers: fields(page, &validators, varies, mark, now),
        send: None,
    };
    // §13.2.1: conditions and ranges are for what would be a success otherwise.
    if status != StatusCode::OK {
        plan.content(method, coding, stored, 0..stored.1);
        return plan;
    }
    match validators.judge(asked) {
        Verdict::NotModified => return plan.bodiless(StatusCode::NOT_MODIFIED),
        Verdict::Failed => return plan.bodiless(StatusCode::PRECONDITION_FAILED),
        Verdict::Send => {}
    }
    plan.headers
        .insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let part = match asked.get(header::RANGE) {
        // §14.2: only for GET.
        Some(value) if method == Method::GET && validators.allows_range(asked) => {
            range::asked(value.as_bytes(), stored.1)
        }
        _ => Asked::Whole,
    };
    match part {
        Asked::Whole => plan.content(method, coding, stored, 0..stored.1),
        Asked::Part(part) => {
            plan.status = StatusCode::PARTIAL_CONTENT;
            let last = part.end.saturating_sub(1);
            plan.content_range(&format!("bytes {}-{last}/{}", part.start, stored.1));
            plan.content(method, coding, stored, part);
        }
        Asked::Beyond => {
            plan.content_range(&format!("bytes */{}", stored.1));
            plan.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            return plan.bodiless(StatusCode::RANGE_NOT_SATISFIABLE);
        }
    }
    plan
}

/// The fields that say something about the page in every answer, 304 included (§15.4.5).
fn fields(
    page: &Page,
    validators: &Validators<'_>,
    varies: bool,
    mark: HeaderValue,
    now: Timestamp,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(page.headers.len() + 8);
    for (name, value) in &page.headers {
        headers.append(name.clone(), value.clone());
    }
    if varies && !varies_already(&headers) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if page.status == 200 {
        headers.insert(header::ETAG, validators.tag());
    }
    // RFC 9111 §5.1: how long ago the primary vouched for it.
    let age = now.since(page.captured).as_secs();
    headers.insert(header::AGE, HeaderValue::from(age));
    headers.insert(MARK, mark);
    headers
}

fn varies_already(headers: &HeaderMap) -> bool {
    let covers = |name: &[u8]| {
        let name = name.trim_ascii();
        name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding")
    };
    let mut lines = headers.get_all(header::VARY).iter();
    lines.any(|line| line.as_bytes().split(|byte| *byte == b',').any(covers))
}

impl Plan {
    /// The bytes that follow, and what speaks of them.
    fn content(&mut self, method: &Method, coding: Coding, stored: Stored, part: Range<u64>) {
        if let Some(value) = coding.header() {
            self.headers.insert(header::CONTENT_ENCODING, value);
        }
        let status = self.status;
        // §6.4.1: these never have content.
        let bodiless = status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || status.is_informational();
        if bodiless {
            return;
        }
        let length = part.end.saturating_sub(part.start);
        self.headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if method != Method::HEAD {
            self.send = Some((stored, part));
        }
    }

    fn content_range(&mut self, value: &str) {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(header::CONTENT_RANGE, value);
        }
    }

    /// §15.4.5: fields that describe content without content help nobody.
    fn bodiless(mut self, status: StatusCode) -> Self {
        self.status = status;
        self.headers.remove(header::CONTENT_TYPE);
        self
    }
}
