//! The headline: one sentence that a citizen understands.

use model::{Condition, Service, Standing};

use super::Ground;
use super::standing::{Public, is_helped, order};
use crate::language::Words;
use crate::sentence::capitalised;

/// The headline, and the gravest standing, which it speaks of.
pub(crate) fn of(ground: &Ground<'_>) -> (String, Public) {
    let picture = ground.standings.iter().map(Public::of).max();
    let picture = picture.unwrap_or(Public::Unmeasured);
    let concerned: Vec<&Standing> = ground
        .standings
        .iter()
        .filter(|standing| Public::of(standing) == picture)
        .collect();
    let services: Vec<Service> = concerned
        .iter()
        .map(|standing| standing.service.service)
        .collect();
    let listed = listed(ground.words, &services);
    let values = [
        ("name", ground.name().into()),
        ("services", (&listed).into()),
        ("count", services.len().into()),
    ];
    let text = ground.words.with(message(picture, &concerned), &values);
    (capitalised(&text), picture)
}

fn message(picture: Public, concerned: &[&Standing]) -> &'static str {
    match picture {
        Public::Good => "headline-good",
        Public::Unmeasured if concerned.is_empty() => "headline-nothing",
        Public::Unmeasured => "headline-unmeasured",
        Public::Suspect => "headline-suspect",
        Public::Blind => "headline-blind",
        Public::Partial => "headline-partial",
        Public::Returning => "headline-returning",
        Public::Disturbed => "headline-disturbed",
        Public::Dark => "headline-dark",
        Public::Kept => kept(concerned),
    }
}

fn kept(concerned: &[&Standing]) -> &'static str {
    // What lives and cannot cope is helped; it is not down.
    let all_dark = concerned
        .iter()
        .all(|standing| standing.condition() == Some(Condition::Dark) && !is_helped(standing));
    let only = |service| {
        concerned
            .iter()
            .all(|standing| standing.service.service == service)
    };
    match all_dark {
        true if only(Service::Web) => "headline-kept-copy",
        true if only(Service::Mail) => "headline-kept-mail",
        true => "headline-kept-dark",
        false => "headline-kept",
    }
}

/// `the website, the chat and the name service`.
pub(crate) fn listed(words: &Words, services: &[Service]) -> String {
    let mut services = services.to_vec();
    services.sort_by_key(|service| order(*service));
    let mut names: Vec<String> = services
        .into_iter()
        .map(|service| words.get(subject(service)))
        .collect();
    let Some(last) = names.pop() else {
        return String::new();
    };
    if names.is_empty() {
        return last;
    }
    let first = names.join(", ");
    let values = [("first", (&first).into()), ("last", (&last).into())];
    words.with("list-and", &values)
}

/// The message that names a service with its article.
pub(crate) fn subject(service: Service) -> &'static str {
    match service {
        Service::Chat => "subject-chat",
        Service::Mail => "subject-mail",
        Service::Names => "subject-names",
        Service::Web => "subject-web",
    }
}
