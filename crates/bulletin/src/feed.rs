//! The Atom feed of an organisation (RFC 4287): statements, and the beginning and end of outages.
//!
//! Ids are tags (RFC 4151) that never change; `updated` moves when an entry does. A measured entry
//! says so in its title and its category, and so does a statement.

use askama::Template;
use model::Timestamp;

use crate::language::Words;
use crate::sentence::{Sentence, capitalised};
use crate::state::{Said, Stretch};
use crate::view::standing::service_name;
use crate::view::timeline::cause_text;
use crate::view::{Ground, is_tag};

/// At most so many entries; the newest stay.
const ENTRIES: usize = 50;
/// At most so many bytes of statements in one feed.
const BYTES: usize = 64 * 1024;

/// RFC 4151 §2.1: a day on which the name was the organisation's. The year in which the format of
/// these ids was fixed; it must never change, or every reader sees every entry anew.
const TAG_DATE: &str = "2026";

#[derive(Template)]
#[template(path = "feed.xml", whitespace = "minimize")]
struct Feed<'a> {
    words: &'a Words,
    name: &'a str,
    id: String,
    title: String,
    updated: String,
    own: String,
    page: String,
    entries: Vec<FeedEntry>,
}

struct FeedEntry {
    id: String,
    title: String,
    published: String,
    updated: String,
    at: Timestamp,
    link: String,
    kind: &'static str,
    by: Option<String>,
    language: Option<String>,
    text: String,
}

/// The feed in the language of `ground`; `None` where there is no page that it could belong to.
pub(crate) fn feed(ground: &Ground<'_>) -> Option<Result<String, askama::Error>> {
    let base = ground.organisation.url.as_deref()?;
    let words = ground.words;
    let language = words.language().tag();
    let mut entries = measured(ground, base);
    entries.extend(said(ground, base));
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    entries.truncate(ENTRIES);
    // RFC 4287 §4.2.15: the most recent instant in which the feed changed significantly.
    let updated = entries.iter().map(|entry| entry.at).max();
    let feed = Feed {
        words,
        name: ground.name(),
        id: tag(ground, &format!("bulletin/{language}")),
        title: words.with("feed-title", &[("name", ground.name().into())]),
        updated: updated.unwrap_or(ground.opened).to_string(),
        own: format!("{base}{language}/feed.atom"),
        page: format!("{base}{language}"),
        entries,
    };
    Some(feed.render())
}

/// RFC 4151: `tag:verein.test,2026:…`.
fn tag(ground: &Ground<'_>, specific: &str) -> String {
    let authority = ground.organisation.id.as_str();
    let specific: String = specific
        .chars()
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '/' | ':' => character,
            _ => '-',
        })
        .collect();
    format!("tag:{authority},{TAG_DATE}:{specific}")
}

fn measured(ground: &Ground<'_>, base: &str) -> Vec<FeedEntry> {
    let mut entries = Vec::new();
    for disturbance in ground.chronicle.disturbances() {
        for stretch in disturbance.stretches() {
            entries.push(began(ground, base, stretch));
            entries.extend(ended(ground, base, stretch));
        }
    }
    entries
}

fn began(ground: &Ground<'_>, base: &str, stretch: &Stretch) -> FeedEntry {
    let words = ground.words;
    let moments = ground.moments();
    let service = words.get(service_name(stretch.service));
    let since = moments.full(stretch.began).to_string();
    let values = [("service", (&service).into()), ("since", (&since).into())];
    let updated = moments.full(stretch.updated).to_string();
    let updated = words.with("feed-updated", &[("when", (&updated).into())]);
    let mut text = Vec::new();
    text.extend(
        stretch
            .cause
            .map(|cause| cause_text(words, stretch.service, cause)),
    );
    if stretch.updated > stretch.began {
        text.push(Sentence::new(&updated).plain());
    }
    FeedEntry {
        id: tag(ground, &format!("outage/{}/began", stretch.outage)),
        title: Sentence::new(&words.with("feed-began", &values)).plain(),
        published: stretch.began.to_string(),
        updated: stretch.updated.to_string(),
        at: stretch.updated,
        link: format!("{base}{}", words.language().tag()),
        kind: "measured",
        by: None,
        language: None,
        text: text.join(" "),
    }
}

fn ended(ground: &Ground<'_>, base: &str, stretch: &Stretch) -> Option<FeedEntry> {
    let words = ground.words;
    let moments = ground.moments();
    let at = stretch.ended?;
    let service = words.get(service_name(stretch.service));
    let (began, ended) = (
        moments.full(stretch.began).to_string(),
        moments.full(at).to_string(),
    );
    let title = [("service", (&service).into()), ("when", (&ended).into())];
    let text = [("began", (&began).into()), ("ended", (&ended).into())];
    Some(FeedEntry {
        id: tag(ground, &format!("outage/{}/ended", stretch.outage)),
        title: Sentence::new(&words.with("feed-ended", &title)).plain(),
        published: at.to_string(),
        updated: at.to_string(),
        at,
        link: format!("{base}{}", words.language().tag()),
        kind: "measured",
        by: None,
        language: None,
        text: Sentence::new(&words.with("feed-ended-text", &text)).plain(),
    })
}

fn said(ground: &Ground<'_>, base: &str) -> Vec<FeedEntry> {
    let mut left = BYTES;
    let mut entries = Vec::new();
    for said in ground.chronicle.statements().take(ENTRIES) {
        let Some(rest) = left.checked_sub(said.text.len()) else {
            break;
        };
        left = rest;
        entries.push(statement(ground, base, said));
    }
    entries
}

fn statement(ground: &Ground<'_>, base: &str, said: &Said) -> FeedEntry {
    let words = ground.words;
    let start = start(&said.text);
    let title = [("name", ground.name().into()), ("start", (&start).into())];
    let at = said.changed.unwrap_or(said.at);
    let by = said
        .by
        .as_deref()
        .map(|by| format!("{} ({by})", ground.name()));
    FeedEntry {
        id: tag(ground, &format!("statement/{}", said.id)),
        title: capitalised(&words.with("feed-said", &title)),
        published: said.at.to_string(),
        updated: at.to_string(),
        at,
        link: format!("{base}{}/statements", words.language().tag()),
        kind: "statement",
        by,
        language: said.language.clone().filter(|tag| is_tag(tag)),
        text: said.text.clone(),
    }
}

/// The first words of a statement, for a title.
fn start(text: &str) -> String {
    const LENGTH: usize = 72;
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= LENGTH {
        return line.to_owned();
    }
    let cut: String = line.chars().take(LENGTH).collect();
    let whole = cut
        .rsplit_once(char::is_whitespace)
        .map_or(cut.as_str(), |(head, _)| head);
    format!("{whole}…")
}
