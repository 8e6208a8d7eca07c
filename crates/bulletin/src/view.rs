//! From standings and record to what stands on the page: pure, no bytes, no clock.
//!
//! `page.rs` writes it as HTML, `feed.rs` as Atom. Measured and said never share a list: the
//! sentences of [`measured`] are made from verdicts only, [`SaidView`]s from statements only.

use model::{Condition, Mode, Role, Service, Standing, Timestamp};

use crate::config::Organisation;
use crate::language::{Language, Words};
use crate::moment::Moments;
use crate::sentence::Sentence;
use crate::state::{Chronicle, Said};

pub(crate) mod headline;
pub(crate) mod measured;
pub(crate) mod standing;
pub(crate) mod timeline;

use measured::Measured;
use standing::{Public, Row};
use timeline::Timeline;

/// At most so many statements stand on the first page; all stand on a page of their own.
const STATEMENTS: usize = 4;
/// At most so many bytes of one statement, and of all, stand on the first page (as escaped).
const STATEMENT_BYTES: usize = 1500;
const ALL_STATEMENT_BYTES: usize = 2500;

/// What everything is made of.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) organisation: &'a Organisation,
    pub(crate) words: &'a Words,
    /// The standings of this organisation, in the order of services.
    pub(crate) standings: &'a [Standing],
    pub(crate) chronicle: &'a Chronicle,
    /// Stands for the last change where nothing has changed yet.
    pub(crate) opened: Timestamp,
}

impl<'a> Ground<'a> {
    pub(crate) fn moments(&self) -> Moments<'a> {
        Moments::new(&self.organisation.zone, self.words)
    }

    pub(crate) fn name(&self) -> &'a str {
        &self.organisation.name
    }

    /// When anything that the page shows changed last.
    pub(crate) fn changed(&self) -> Timestamp {
        let standings = self.standings.iter().flat_map(|standing| {
            let verdict = standing.verdict.as_ref().map(|verdict| verdict.at);
            [Some(standing.since), verdict].into_iter().flatten()
        });
        standings
            .chain(self.chronicle.changed())
            .max()
            .unwrap_or(self.opened)
    }

    /// Services whose primary is not as it should be, or not yet back in its place.
    fn troubled(&self) -> impl Iterator<Item = &'a Standing> {
        self.standings.iter().filter(|standing| {
            standing.condition().is_some_and(Condition::is_outage)
                || standing.condition() == Some(Condition::BelowQuorum)
                || standing.outage.is_some()
        })
    }
}

/// What stands on the first page.
pub(crate) struct View {
    pub(crate) headline: String,
    pub(crate) tone: &'static str,
    pub(crate) changed: Sentence,
    pub(crate) lead: Vec<Sentence>,
    pub(crate) observes: bool,
    pub(crate) services: Vec<Row>,
    pub(crate) measured: Vec<Measured>,
    pub(crate) reason: Option<String>,
    pub(crate) said: Vec<SaidView>,
    pub(crate) said_in_all: usize,
    pub(crate) timeline: Option<Timeline>,
}

/// A statement as the page shows it: the organisation's own words.
pub(crate) struct SaidView {
    pub(crate) anchor: String,
    pub(crate) at: Sentence,
    pub(crate) changed: Option<Sentence>,
    pub(crate) by: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) language_note: Option<&'static str>,
    pub(crate) reason: bool,
    pub(crate) paragraphs: Vec<String>,
    pub(crate) cut: bool,
}

impl View {
    pub(crate) fn of(ground: &Ground<'_>) -> Self {
        let moments = ground.moments();
        let changed = moments.full(ground.changed()).to_string();
        let changed = ground
            .words
            .with("foot-changed", &[("when", (&changed).into())]);
        let (headline, picture) = headline::of(ground);
        Self {
            headline,
            tone: picture.tone(),
            changed: Sentence::new(&changed),
            lead: lead(ground, picture),
            observes: observes(ground),
            services: standing::rows(ground),
            measured: measured::all(ground),
            reason: reason(ground),
            said: said_in_short(ground),
            said_in_all: ground.chronicle.statement_count(),
            timeline: timeline::of(ground),
        }
    }
}

impl View {
    /// Whether a sign stands on the page.
    pub(crate) fn uses(&self, icon: &str) -> bool {
        self.services.iter().any(|row| row.icon == icon)
    }
}

fn observes(ground: &Ground<'_>) -> bool {
    ground
        .standings
        .iter()
        .any(|standing| standing.mode == Mode::Observe)
}

/// What follows the headline: since when, what else runs, which copy is read.
fn lead(ground: &Ground<'_>, picture: Public) -> Vec<Sentence> {
    let words = ground.words;
    let moments = ground.moments();
    let mut lead = Vec::new();
    let publics = || {
        ground
            .standings
            .iter()
            .map(|standing| (standing, Public::of(standing)))
    };
    let since = publics()
        .filter(|(standing, public)| *public == picture && standing.verdict.is_some())
        .filter_map(|(standing, public)| public.since(standing))
        .min();
    if picture == Public::Good {
        lead.extend(last_disturbance(ground));
    } else if let Some(since) = since {
        let since = moments.day_clock(since).to_string();
        let text = words.with("lead-since", &[("since", (&since).into())]);
        lead.push(Sentence::new(&text));
    }
    let kept: Vec<Service> = publics()
        .filter(|(_, public)| *public == Public::Kept && picture != Public::Kept)
        .map(|(standing, _)| standing.service.service)
        .collect();
    if !kept.is_empty() {
        let listed = headline::listed(words, &kept);
        let values = [("services", (&listed).into()), ("count", kept.len().into())];
        lead.push(Sentence::new(&words.with("lead-kept-too", &values)));
    }
    lead.extend(copy(ground));
    lead.extend(mail(ground));
    lead
}

fn last_disturbance(ground: &Ground<'_>) -> Option<Sentence> {
    let moments = ground.moments();
    let last = ground.chronicle.last()?;
    let began = moments.day_clock(last.began).to_string();
    let ended = moments.day_clock(last.ended?).to_string();
    let values = [("began", (&began).into()), ("ended", (&ended).into())];
    Some(Sentence::new(&ground.words.with("lead-last", &values)))
}

/// Which copy a visitor of the website reads, while one is served.
fn copy(ground: &Ground<'_>) -> Option<Sentence> {
    ground.standings.iter().find(|standing| {
        standing.service.service == Service::Web && standing.role == Role::Acting
    })?;
    let copy = ground.chronicle.copy()?;
    let when = ground.moments().day_clock(copy.at).to_string();
    let text = ground.words.with("lead-copy", &[("when", (&when).into())]);
    Some(Sentence::new(&text))
}

/// What becomes of mail while it is kept, for whoever is about to write some.
fn mail(ground: &Ground<'_>) -> Option<Sentence> {
    ground.standings.iter().find(|standing| {
        standing.service.service == Service::Mail
            && standing.role == Role::Acting
            && !standing::is_helped(standing)
    })?;
    let name = ground.name();
    let text = ground.words.with("lead-mail", &[("name", name.into())]);
    Some(Sentence::new(&text))
}

/// The reason is not known until the organisation has named it; what it says is not repeated here.
fn reason(ground: &Ground<'_>) -> Option<String> {
    ground.troubled().next()?;
    Some(if ground.chronicle.reason_said() {
        let name = ground.name();
        ground.words.with("reason-said", &[("name", name.into())])
    } else {
        ground.words.get("reason-unknown")
    })
}

/// The newest statements, cut to what a page bears.
fn said_in_short(ground: &Ground<'_>) -> Vec<SaidView> {
    let mut left = ALL_STATEMENT_BYTES;
    let mut list = Vec::new();
    for said in ground.chronicle.statements().take(STATEMENTS) {
        if left < 200 {
            break;
        }
        let mut view = said_in_full(ground, said);
        let (paragraphs, used) = shortened(&view.paragraphs, left.min(STATEMENT_BYTES));
        view.cut = paragraphs != view.paragraphs;
        view.paragraphs = paragraphs;
        left = left.saturating_sub(used.max(200));
        list.push(view);
    }
    list
}

/// All that was said, in full, newest first.
pub(crate) fn all_said(ground: &Ground<'_>) -> Vec<SaidView> {
    ground
        .chronicle
        .statements()
        .map(|said| said_in_full(ground, said))
        .collect()
}

fn said_in_full(ground: &Ground<'_>, said: &Said) -> SaidView {
    let moments = ground.moments();
    let words = ground.words;
    let at = moments.full(said.at).to_string();
    let changed = said.changed.map(|changed| {
        let changed = moments.full(changed).to_string();
        Sentence::verbatim(&words.with("said-updated", &[("when", (&changed).into())]))
    });
    let tag = said.language.as_deref().filter(|tag| is_tag(tag));
    let foreign = tag
        .and_then(Language::from_tag)
        .filter(|language| *language != words.language());
    SaidView {
        anchor: anchor(&said.id),
        at: Sentence::verbatim(&at),
        changed,
        by: said.by.clone(),
        language: tag.map(str::to_owned),
        language_note: foreign.map(|language| match language {
            Language::German => "said-language-de",
            Language::English => "said-language-en",
        }),
        reason: said.reason,
        paragraphs: said.paragraphs().map(str::to_owned).collect(),
        cut: false,
    }
}

/// Whether it has the shape of a language tag (BCP 47).
pub(crate) fn is_tag(tag: &str) -> bool {
    (2..=35).contains(&tag.len())
        && tag
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '-')
}

/// A name that a fragment can bear.
fn anchor(id: &str) -> String {
    let kept = id.chars().take(64).map(|character| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => character,
        _ => '-',
    });
    std::iter::once('s').chain(kept).collect()
}

/// Whole words within `bytes` (as HTML writes them), with a mark where something is left out;
/// also how many bytes that takes.
fn shortened(paragraphs: &[String], bytes: usize) -> (Vec<String>, usize) {
    let mut used = 0_usize;
    let mut kept = Vec::new();
    for paragraph in paragraphs {
        let whole: usize = paragraph.chars().map(escaped_length).sum();
        if used + whole <= bytes {
            used += whole;
            kept.push(paragraph.clone());
            continue;
        }
        let mut part = String::new();
        for character in paragraph.chars() {
            let length = escaped_length(character);
            if used + length > bytes {
                break;
            }
            used += length;
            part.push(character);
        }
        // Cut between words, unless that would leave too little.
        if let Some((head, tail)) = part.rsplit_once(char::is_whitespace)
            && tail.len() < 60
        {
            part = head.to_owned();
        }
        kept.push(format!("{}…", part.trim_end()));
        break;
    }
    (kept, used)
}

fn escaped_length(character: char) -> usize {
    match character {
        '<' | '>' | '&' | '"' | '\'' => 5,
        other => other.len_utf8(),
    }
}
