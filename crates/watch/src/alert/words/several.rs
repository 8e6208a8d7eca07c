//! One message about many organisations: a line for each, and all that a person has to do. And the
//! message that is only a test.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::{Cause, OrganisationId, PlaceId, Standings, Timestamp};

use super::super::{Message, Told};
use super::{Phrasebook, Written, services};

/// So many have a line of their own; the others are named.
const LINES: usize = 100;

pub(super) fn subject(message: &Message, kind: &str) -> String {
    let many = message.holds.len();
    let dark = services(message, |told| !told.over);
    let all = services(message, |_| true);
    match kind {
        "dark" => format!("{many} organisations: {dark} dark"),
        "question" => format!("{many} organisations: questions wait for an answer"),
        "reminder" => format!("{many} organisations: mail is kept for long"),
        _ => format!("{many} organisations: {all} reachable again"),
    }
}

pub(super) fn outages(
    text: &mut String,
    message: &Message,
    standings: &Standings,
    book: &Phrasebook,
) {
    let mut by: BTreeMap<&OrganisationId, Vec<&Told>> = BTreeMap::new();
    for told in &message.outages {
        by.entry(&told.service.organisation).or_default().push(told);
    }
    let _ = writeln!(text);
    for (organisation, outages) in by.iter().take(LINES) {
        let words: Vec<_> = outages.iter().map(|told| line(told, standings)).collect();
        let _ = writeln!(text, "{organisation}: {}", words.join("; "));
    }
    let others: Vec<_> = by.keys().skip(LINES).map(|one| one.as_str()).collect();
    if !others.is_empty() {
        let _ = writeln!(text, "and {} more: {}", others.len(), others.join(", "));
    }
    if message.uncounted > 0 {
        let _ = writeln!(
            text,
            "and {} short outages that came and went before they could be told",
            message.uncounted
        );
    }
    for told in message.outages.iter().filter(|told| !told.over) {
        let way = book.ways.get(&told.service);
        let Some(step) = way.and_then(|way| way.step) else {
            continue;
        };
        let _ = writeln!(text, "\nTo do for {}:", told.service.organisation);
        for line in step.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = writeln!(
        text,
        "\nhow all of them stand: servergate status\nall outages: servergate outage list"
    );
}

fn line(told: &Told, standings: &Standings) -> String {
    let service = told.service.service;
    let standing = standings.get(&told.service);
    if told.over {
        let came = if told.begin_told {
            ""
        } else {
            "went dark and is "
        };
        return format!("{service} {came}reachable again");
    }
    let verdict = standing.and_then(|standing| standing.verdict.as_ref());
    let Some(verdict) = verdict else {
        return format!("{service} dark");
    };
    let role = standing.map(|standing| format!(", Servergate is {}", standing.role));
    let how = match verdict.cause {
        Some(Cause::Unstable) => format!("unstable since {}", verdict.since),
        Some(cause) => format!("dark since {} ({cause})", verdict.since),
        None => format!("dark since {}", verdict.since),
    };
    format!("{service} {how}{}", role.unwrap_or_default())
}

pub(super) fn questions(text: &mut String, message: &Message, standings: &Standings) {
    for (id, service) in &message.questions {
        let question = standings.get(service).and_then(|one| one.question.as_ref());
        if let Some(question) = question.filter(|question| question.id == *id) {
            let organisation = &service.organisation;
            let _ = writeln!(text, "\n{organisation}: {question}");
            let _ = writeln!(text, "  servergate answer {organisation}:{id} yes|no");
        }
    }
}

/// A message that says it is a test.
pub(crate) fn test(place: &PlaceId, at: Timestamp) -> Written {
    let subject = format!("a test of the alerts of the standby {place}");
    let id = format!("standby/test/{}", at.millis());
    let text = format!(
        "{subject}\nsaid by the standby {place} at {at}\n\n\
         A person asked for it with: servergate alert test\n\
         Nothing is dark for that.\n"
    );
    let json = serde_json::json!({
        "version": 1, "id": id, "kind": "test", "at": at.to_string(), "place": place,
        "organisation": null, "subject": subject, "text": text, "page": null, "outages": [],
        "shorter_outages_not_listed": 0, "questions": [], "blind": null, "reminders": [],
    });
    let environment = vec![
        ("SERVERGATE_ALERT", "test".to_owned()),
        ("SERVERGATE_ALERT_ID", id.clone()),
        ("SERVERGATE_SUBJECT", subject.clone()),
        ("SERVERGATE_AT", at.to_string()),
        ("SERVERGATE_PLACE", place.to_string()),
    ];
    Written {
        id,
        kind: "test",
        subject,
        text,
        json: json.to_string(),
        environment,
    }
}
