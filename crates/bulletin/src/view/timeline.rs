//! The course of the running or the last disturbance: what was measured and done, never what was
//! said.

use model::{Cause, OrderKind, Role, Service};

use super::Ground;
use super::standing::service_name;
use crate::language::Words;
use crate::sentence::{Moment, capitalised};
use crate::state::{Disturbance, Entry, Event};

/// So many first and last entries stand on the page; between them the rest is counted.
const FIRST: usize = 4;
const LAST: usize = 12;

/// The course as the page shows it.
pub(crate) struct Timeline {
    pub(crate) title: &'static str,
    pub(crate) days: Vec<Day>,
}

/// What happened on one day.
pub(crate) struct Day {
    pub(crate) day: Moment,
    /// The calendar day in the zone of the page, for machines.
    pub(crate) date: String,
    pub(crate) lines: Vec<Line>,
}

/// One thing that happened.
pub(crate) struct Line {
    pub(crate) clock: Moment,
    pub(crate) text: String,
    pub(crate) kind: &'static str,
    pub(crate) kind_word: &'static str,
    /// How many entries are left out before this one, in words.
    pub(crate) omitted: Option<String>,
}

/// The course of the disturbance that runs, or of the last one.
pub(crate) fn of(ground: &Ground<'_>) -> Option<Timeline> {
    let last = ground.chronicle.last()?;
    let title = match last.ended {
        None => "title-timeline",
        Some(_) => "title-timeline-ended",
    };
    let mut days: Vec<Day> = Vec::new();
    for (entry, omitted) in chosen(last) {
        let day = ground.moments().day(entry.at);
        let line = line(ground, entry, omitted);
        match days.last_mut() {
            Some(known) if known.day.text == day.text => known.lines.push(line),
            _ => days.push(Day {
                day,
                date: ground.moments().date(entry.at),
                lines: vec![line],
            }),
        }
    }
    Some(Timeline { title, days })
}

/// The entries that are shown, each with the number of those left out before it.
fn chosen(disturbance: &Disturbance) -> Vec<(&Entry, usize)> {
    let entries = disturbance.entries();
    if entries.len() <= FIRST + LAST {
        return entries.iter().map(|entry| (entry, 0)).collect();
    }
    let resume = entries.len() - LAST;
    let omitted = resume - FIRST + disturbance.omitted;
    entries
        .iter()
        .enumerate()
        .filter(|(index, _)| *index < FIRST || *index >= resume)
        .map(|(index, entry)| (entry, if index == resume { omitted } else { 0 }))
        .collect()
}

fn line(ground: &Ground<'_>, entry: &Entry, omitted: usize) -> Line {
    let words = ground.words;
    let (kind, kind_word) = if entry.event.is_measured() {
        ("measured", "kind-measured")
    } else {
        ("done", "kind-done")
    };
    Line {
        clock: ground.moments().clock(entry.at),
        text: text(words, entry),
        kind,
        kind_word,
        omitted: (omitted > 0)
            .then(|| words.with("timeline-omitted", &[("count", omitted.into())])),
    }
}

/// The entry in words.
fn text(words: &Words, entry: &Entry) -> String {
    let service = words.get(service_name(entry.service));
    capitalised(&words.with(
        message(entry.service, entry.event),
        &[("service", (&service).into())],
    ))
}

/// What a cause looks like, in words; for the feed.
pub(crate) fn cause_text(words: &Words, service: Service, cause: Cause) -> String {
    let service = words.get(service_name(service));
    capitalised(&words.with(cause_message(cause), &[("service", (&service).into())]))
}

fn message(service: Service, event: Event) -> &'static str {
    match event {
        // Mail is not served in the primary's place: it is taken and kept for it.
        Event::TookOver if service == Service::Mail => "event-took-over-mail",
        Event::Supports if service == Service::Mail => "event-supports-mail",
        Event::Returning if service == Service::Mail => "event-returning-mail",
        Event::Began => "event-began",
        Event::Cause(cause) => cause_message(cause),
        Event::Answers => "event-answers",
        Event::TookOver => "event-took-over",
        Event::Supports => "event-supports",
        Event::Returning => "event-returning",
        Event::StoodDown => "event-stood-down",
        Event::WouldSupport => "event-would-support",
        Event::Would(Role::Acting) => "event-would-acting",
        Event::Would(Role::Returning) => "event-would-returning",
        Event::Would(Role::Standby) => "event-would-standby",
        Event::AskedTakeOver => "event-asked-take-over",
        Event::AskedReturn => "event-asked-return",
        Event::AskedHandBack => "event-asked-hand-back",
        Event::HandedBack => "event-handed-back",
        Event::Answered(true) => "event-answered-yes",
        Event::Answered(false) => "event-answered-no",
        Event::Ordered(OrderKind::Failover) => "event-ordered-failover",
        Event::Ordered(OrderKind::Failback) => "event-ordered-failback",
        Event::Ordered(OrderKind::Hold) => "event-ordered-hold",
        Event::Ordered(OrderKind::Auto) => "event-ordered-auto",
        Event::Ended => "event-ended",
    }
}

fn cause_message(cause: Cause) -> &'static str {
    match cause {
        Cause::Application => "event-cause-application",
        Cause::BelowQuorum => "event-cause-below-quorum",
        Cause::Block => "event-cause-block",
        Cause::Denied => "event-cause-denied",
        Cause::DnsData => "event-cause-dns-data",
        Cause::DnsDelegation => "event-cause-dns-delegation",
        Cause::DnsServer => "event-cause-dns-server",
        Cause::ForeignCertificate => "event-cause-foreign-certificate",
        Cause::HoldingPage => "event-cause-holding-page",
        Cause::Host => "event-cause-host",
        Cause::Network => "event-cause-network",
        Cause::NotMeasured => "event-cause-not-measured",
        Cause::Observer => "event-cause-observer",
        Cause::Overload => "event-cause-overload",
        Cause::Path => "event-cause-path",
        Cause::Service => "event-cause-service",
        Cause::Silent => "event-cause-silent",
        Cause::Tls => "event-cause-tls",
        Cause::Unknown => "event-cause-unknown",
        Cause::Unstable => "event-cause-unstable",
    }
}
