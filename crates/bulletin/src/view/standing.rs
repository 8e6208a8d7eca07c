//! The standing of each service in one word for the public.

use model::{Cause, Condition, Effect, Mode, Role, Service, Standing, StateName, Timestamp};

use super::Ground;
use crate::language::Words;
use crate::sentence::Sentence;

/// What the public needs to know of a service, the gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Public {
    /// All is as it should be.
    Good,
    /// Nobody has looked yet.
    Unmeasured,
    /// A failure was seen and is looked at again.
    Suspect,
    /// We are cut off ourselves.
    Blind,
    /// Some reach it, some do not.
    Partial,
    /// The primary is back, and has its traffic again step by step.
    Returning,
    /// The standby serves.
    Kept,
    /// It answers, wrongly.
    Disturbed,
    /// It does not answer.
    Dark,
}

impl Public {
    pub(crate) fn of(standing: &Standing) -> Self {
        match standing.role {
            Role::Returning if supports(standing) => return Self::Kept,
            Role::Returning => return Self::Returning,
            Role::Acting => return Self::Kept,
            Role::Standby => {}
        }
        match standing.condition() {
            None => Self::Unmeasured,
            Some(Condition::Reachable) => Self::Good,
            Some(Condition::Suspect) => Self::Suspect,
            Some(Condition::BelowQuorum) => Self::Partial,
            Some(Condition::Blind) => Self::of_cause(standing.cause().unwrap_or(Cause::Observer)),
            Some(Condition::Dark) if served_on(standing) => Self::Kept,
            Some(Condition::Dark | Condition::Unstable) => {
                Self::of_cause(standing.cause().unwrap_or(Cause::Unknown))
            }
        }
    }

    fn of_cause(cause: Cause) -> Self {
        match cause {
            Cause::NotMeasured => Self::Unmeasured,
            Cause::Observer => Self::Blind,
            Cause::BelowQuorum | Cause::Block | Cause::Path => Self::Partial,
            Cause::Application
            | Cause::Denied
            | Cause::DnsData
            | Cause::DnsDelegation
            | Cause::ForeignCertificate
            | Cause::HoldingPage
            | Cause::Overload
            | Cause::Tls
            | Cause::Unstable => Self::Disturbed,
            Cause::DnsServer
            | Cause::Host
            | Cause::Network
            | Cause::Service
            | Cause::Silent
            | Cause::Unknown => Self::Dark,
        }
    }

    /// The class of the colour; never the only sign.
    pub(crate) fn tone(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Dark => "dark",
            Self::Disturbed | Self::Partial | Self::Suspect => "warn",
            Self::Kept | Self::Returning => "kept",
            Self::Blind | Self::Unmeasured => "none",
        }
    }

    /// The name of the sign.
    pub(crate) fn icon(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Dark => "dark",
            Self::Disturbed => "warn",
            Self::Partial => "part",
            Self::Kept => "kept",
            Self::Returning => "back",
            Self::Suspect | Self::Blind | Self::Unmeasured => "none",
        }
    }

    /// The name for machines, in `status.json`.
    pub(crate) fn machine_word(self) -> &'static str {
        match self {
            Self::Good => "reachable",
            Self::Unmeasured => "unmeasured",
            Self::Suspect => "suspect",
            Self::Blind => "blind",
            Self::Partial => "partial",
            Self::Returning => "returning",
            Self::Kept => "kept",
            Self::Disturbed => "disturbed",
            Self::Dark => "dark",
        }
    }

    fn message(self, standing: &Standing) -> &'static str {
        match self {
            Self::Good => "word-good",
            Self::Unmeasured => "word-unmeasured",
            Self::Suspect => "word-suspect",
            Self::Blind => "word-blind",
            Self::Partial => "word-partial",
            Self::Returning => "word-returning",
            Self::Disturbed => "word-disturbed",
            Self::Dark => "word-dark",
            Self::Kept if is_helped(standing) => "word-supported",
            Self::Kept => match standing.service.service {
                Service::Chat => "word-kept-chat",
                Service::Mail => "word-kept-mail",
                Service::Names => "word-kept-names",
                Service::Web => "word-kept-web",
            },
        }
    }

    /// The word for people.
    pub(crate) fn word(self, words: &Words, standing: &Standing) -> String {
        words.get(self.message(standing))
    }

    /// Since when it is so, as far as that is known.
    pub(crate) fn since(self, standing: &Standing) -> Option<Timestamp> {
        let verdict = standing.verdict.as_ref().map(|verdict| verdict.since);
        match self {
            Self::Unmeasured => None,
            Self::Returning => Some(standing.since),
            // What began the outage says more than the moment of taking over.
            Self::Kept if standing.condition().is_some_and(Condition::is_outage) => verdict,
            Self::Kept => Some(standing.since),
            _ => verdict,
        }
    }
}

/// Whether the standby stands in front of a primary that fails and answers in turn.
fn supports(standing: &Standing) -> bool {
    standing.state == StateName::Supporting
}

/// Whether the primary lives, and is helped.
pub(crate) fn is_helped(standing: &Standing) -> bool {
    supports(standing) || matches!(standing.effect, Some(Effect::Support | Effect::RelayFirst))
}

/// Zones go on being served past their expiry while the verdict lasts.
fn served_on(standing: &Standing) -> bool {
    standing.effect == Some(Effect::ServeOn) && standing.mode == Mode::Act
}

/// One service on the page.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) tone: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) word: String,
    pub(crate) since: Option<Sentence>,
    pub(crate) notes: Vec<Sentence>,
}

/// All services: the one that most people come for first.
pub(crate) fn rows(ground: &Ground<'_>) -> Vec<Row> {
    let mut standings: Vec<&Standing> = ground.standings.iter().collect();
    standings.sort_by_key(|standing| order(standing.service.service));
    standings
        .into_iter()
        .map(|standing| row(ground, standing))
        .collect()
}

/// Web, mail, chat, names.
pub(crate) fn order(service: Service) -> u8 {
    match service {
        Service::Web => 0,
        Service::Mail => 1,
        Service::Chat => 2,
        Service::Names => 3,
    }
}

fn row(ground: &Ground<'_>, standing: &Standing) -> Row {
    let public = Public::of(standing);
    let message = match public {
        Public::Good => "standing-since-good",
        _ => "standing-since",
    };
    Row {
        name: ground.words.get(service_name(standing.service.service)),
        tone: public.tone(),
        icon: public.icon(),
        word: public.word(ground.words, standing),
        since: public
            .since(standing)
            .map(|since| Sentence::verbatim(&since_told(ground, message, since))),
        notes: notes(ground, standing),
    }
}

fn since_told(ground: &Ground<'_>, message: &'static str, since: Timestamp) -> String {
    let since = ground.moments().day_clock(since).to_string();
    ground.words.with(message, &[("since", (&since).into())])
}

fn notes(ground: &Ground<'_>, standing: &Standing) -> Vec<Sentence> {
    let mut notes = Vec::new();
    // Who it was is for the operators; that it was a person is for everybody.
    if let Some((_, since)) = &standing.held_by {
        notes.push(Sentence::new(&since_told(ground, "note-held", *since)));
    }
    if standing.question.is_some() {
        notes.push(Sentence::new(&ground.words.get("note-question")));
    }
    match standing.would {
        Some(Role::Acting) => notes.push(Sentence::new(&ground.words.get("note-would-acting"))),
        Some(Role::Returning) if supports(standing) => {
            notes.push(Sentence::new(&ground.words.get("note-would-support")));
        }
        Some(Role::Returning) => {
            notes.push(Sentence::new(&ground.words.get("note-would-returning")));
        }
        Some(Role::Standby) | None => {}
    }
    if standing.service.service == Service::Mail {
        let note = mail_note(standing).map(|id| Sentence::new(&ground.words.get(id)));
        notes.extend(note);
    }
    notes
}

/// What becomes of mail that is on its way, or was kept.
fn mail_note(standing: &Standing) -> Option<&'static str> {
    match (standing.role, standing.state) {
        (Role::Returning, StateName::Supporting) => Some("note-mail-supported"),
        (Role::Returning, _) => Some("note-mail-returning"),
        // An observer keeps nothing that it could hand back.
        (_, StateName::HandingBack) if standing.mode == Mode::Act => Some(if standing.handback {
            "note-mail-handing-back"
        } else {
            "note-mail-waiting"
        }),
        (Role::Standby, _) if Public::of(standing) == Public::Dark => Some("note-mail-dark"),
        _ => None,
    }
}

/// The message that names a service by itself.
pub(crate) fn service_name(service: Service) -> &'static str {
    match service {
        Service::Chat => "service-chat",
        Service::Mail => "service-mail",
        Service::Names => "service-names",
        Service::Web => "service-web",
    }
}
