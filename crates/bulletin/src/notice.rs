//! The answer where the organisation's own page cannot be had: 503 in the kind of body that was
//! asked for, short and honest.

use bytes::Bytes;
use host::web::{Body, Notice, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use model::{OrganisationId, Standing};

use crate::config::Organisation;
use crate::language::{Language, Words};
use crate::metrics::Answer;
use crate::page;
use crate::serve::{Desk, guard};
use crate::view::Ground;
use crate::view::standing::{Public, order, service_name};
use crate::wire::{self, Kind};

/// A transparent GIF of one pixel, for pages that wait for a picture.
const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;";

/// The bodies of a 503 that tell something, written beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    html: Bytes,
    text: Bytes,
}

/// The bodies for one organisation in one language.
pub(crate) fn bodies(ground: &Ground<'_>) -> Result<Bodies, askama::Error> {
    let words = ground.words;
    let mut standings: Vec<&Standing> = ground.standings.iter().collect();
    standings.sort_by_key(|standing| order(standing.service.service));
    let standings = standings
        .into_iter()
        .map(|standing| {
            let service = words.get(service_name(standing.service.service));
            let word = Public::of(standing).word(words, standing);
            let values = [("service", (&service).into()), ("word", (&word).into())];
            words.with("notice-standing", &values)
        })
        .collect();
    let mut text = words.get("notice-short");
    text.push('\n');
    if let Some(url) = &ground.organisation.url {
        text.push_str(url);
        text.push('\n');
    }
    Ok(Bodies {
        html: Bytes::from(page::notice(ground, standings)?),
        text: Bytes::from(text),
    })
}

/// What a machine is told.
fn json(organisation: Option<&Organisation>) -> Bytes {
    let url = organisation.and_then(|organisation| organisation.url.as_deref());
    let body = serde_json::json!({
        "error": "unavailable",
        "status": 503,
        "see": url.map(|url| format!("{url}status.json")),
    });
    Bytes::from(body.to_string())
}

impl Notice for Desk {
    fn unavailable(
        &self,
        organisation: &OrganisationId,
        retry_after: u32,
        head: &Parts,
    ) -> Response {
        self.metrics().answered(Answer::Unavailable);
        let shelf = self.shelf();
        let found = shelf.of(organisation);
        let offered = found.map_or(&Language::ALL[..], |found| &found.organisation.languages);
        let first = offered.first().copied().unwrap_or(Language::English);
        let language = wire::language(&head.headers, offered).unwrap_or(first);
        let bodies = found.and_then(|found| found.notices.get(&language));
        let (kind, body) = match Kind::of(head) {
            Kind::Html => match bodies {
                Some(bodies) => ("text/html; charset=utf-8", bodies.html.clone()),
                None => (TEXT, short(language)),
            },
            Kind::Text => match bodies {
                Some(bodies) => (TEXT, bodies.text.clone()),
                None => (TEXT, short(language)),
            },
            Kind::Json => (
                "application/json",
                json(found.map(|found| &*found.organisation)),
            ),
            Kind::Image => ("image/gif", Bytes::from_static(PIXEL)),
            Kind::Style => ("text/css; charset=utf-8", Bytes::new()),
            Kind::Script => ("text/javascript; charset=utf-8", Bytes::new()),
        };
        let mut response = Response::new(Body::Bytes(body));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        // A page that comes back must not be hidden by a stored refusal.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            VARY,
            HeaderValue::from_static("accept, accept-language, sec-fetch-dest"),
        );
        guard(headers);
        crate::serve::without_body_for_head(&head.method, response)
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

/// Where the organisation has no page here at all.
fn short(language: Language) -> Bytes {
    Bytes::from(Words::of(language).get("notice-short"))
}
