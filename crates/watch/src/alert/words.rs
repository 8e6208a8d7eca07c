//! Alerts in words and as JSON. Pure.
//!
//! Measured sentences only: what was seen, from where, since when, what Servergate does about it
//! and what a person can do next. "The reason is not known" is one of them.

mod doing;
mod several;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use host::Reminder;
use model::{
    Cause, Companion, CompanionKind, Observation, OrganisationId, OutageId, PlaceId, Question,
    Reply, Sees, ServiceId, Standing, Standings, Timestamp, Topic,
};
use serde::Serialize;

use self::doing::{doing, means};
pub(crate) use self::several::test;
use super::{About, Blindness, Message, Told};
use crate::config::{Way, Ways};

/// So many outages that came and went are told one by one.
const SHORT_MOST: u64 = 3;

/// What the words need besides the message and the standings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phrasebook {
    pub(crate) place: Option<PlaceId>,
    /// How names are steered, and what a person may have to do for it.
    pub(crate) ways: Ways,
    /// The public page about an organisation's outages.
    pub(crate) pages: BTreeMap<OrganisationId, String>,
}

/// A message in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// A name of its own, so that a receiver can tell a repetition.
    pub(crate) id: String,
    /// What kind of message it is: `dark`, `recovered`, `question`, `blind`, `disk`,
    /// `reminder`.
    pub(crate) kind: &'static str,
    /// One line.
    pub(crate) subject: String,
    /// All of it, the subject first.
    pub(crate) text: String,
    /// The same for machines.
    pub(crate) json: String,
    /// The environment of a command: name and value.
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// The JSON form.
#[derive(Serialize)]
struct Form<'a> {
    version: u8,
    id: &'a str,
    kind: &'static str,
    at: String,
    place: Option<&'a PlaceId>,
    organisation: Option<&'a OrganisationId>,
    subject: &'a str,
    text: &'a str,
    page: Option<&'a str>,
    outages: Vec<FormOutage<'a>>,
    shorter_outages_not_listed: u64,
    questions: Vec<&'a Question>,
    blind: Option<FormBlind>,
    disk: Option<FormDisk>,
    reminders: Vec<FormReminder<'a>>,
}

#[derive(Serialize)]
struct FormReminder<'a> {
    service: &'a ServiceId,
    messages: u64,
    oldest: String,
}

#[derive(Serialize)]
struct FormOutage<'a> {
    outage: &'a OutageId,
    service: &'a ServiceId,
    over: bool,
    standing: Option<&'a Standing>,
}

#[derive(Serialize)]
struct FormDisk {
    since: String,
    over: Option<String>,
}

#[derive(Serialize)]
struct FormBlind {
    from: String,
    to: String,
    times: u64,
}

/// Puts a message into words.
pub(crate) fn write(message: &Message, standings: &Standings, book: &Phrasebook) -> Written {
    let kind = kind(message);
    let subject = subject(message, standings, kind);
    let text = text(message, standings, book, &subject);
    let whom = match &message.about {
        About::Ourselves => "standby".to_owned(),
        About::Organisation(organisation) => organisation.to_string(),
        About::Several => "several".to_owned(),
    };
    let id = format!("{whom}/{kind}/{}", message.at.millis());
    let json = json(message, standings, book, (&id, kind, &subject, &text));
    let environment = environment(message, standings, book, (&id, kind, &subject));
    Written {
        id,
        kind,
        subject,
        text,
        json,
        environment,
    }
}

fn kind(message: &Message) -> &'static str {
    if message.outages.iter().any(|told| !told.over) {
        "dark"
    } else if message.disk.is_some() {
        "disk"
    } else if message.blind.is_some() {
        "blind"
    } else if message.outages.is_empty() && message.uncounted == 0 {
        match message.questions.is_empty() {
            true => "reminder",
            false => "question",
        }
    } else {
        "recovered"
    }
}

/// `web, mail` of what `select` takes, each once.
fn services(message: &Message, select: impl Fn(&Told) -> bool) -> String {
    let mut names: Vec<String> = Vec::new();
    for told in message.outages.iter().filter(|told| select(told)) {
        let name = told.service.service.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn subject(message: &Message, standings: &Standings, kind: &str) -> String {
    let organisation = match &message.about {
        About::Ourselves => {
            let disk = message.disk.map(super::disk::Disk::subject);
            return disk.unwrap_or("this standby could not see").to_owned();
        }
        About::Organisation(organisation) => organisation,
        About::Several => return several::subject(message, kind),
    };
    let dark = services(message, |told| !told.over);
    match kind {
        "dark" => match cause(message, standings) {
            Some(Cause::Unstable) => format!("{organisation}: {dark} unstable"),
            Some(cause) => format!("{organisation}: {dark} dark ({cause})"),
            None => format!("{organisation}: {dark} dark"),
        },
        "question" => format!("{organisation}: a question waits for an answer"),
        "reminder" => format!("{organisation}: mail is kept for long"),
        _ => format!(
            "{organisation}: {} reachable again",
            services(message, |_| true)
        ),
    }
}

fn cause(message: &Message, standings: &Standings) -> Option<Cause> {
    let dark = message.outages.iter().find(|told| !told.over)?;
    standings.get(&dark.service)?.cause()
}

fn text(message: &Message, standings: &Standings, book: &Phrasebook, subject: &str) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{subject}");
    if let Some(place) = &book.place {
        let _ = writeln!(text, "said by the standby {place} at {}", message.at);
    }
    if let Some(disk) = message.disk {
        disk.write(&mut text);
    }
    if let Some(blind) = message.blind {
        blindness(&mut text, blind);
    }
    if message.about == About::Several {
        several::outages(&mut text, message, standings, book);
        several::questions(&mut text, message, standings);
        for reminder in &message.reminders {
            let _ = writeln!(text, "\n{}:", reminder.service.organisation);
            remind(&mut text, reminder);
        }
        return text;
    }
    let mut short = message.uncounted;
    for told in &message.outages {
        if told.over && !told.begin_told {
            short += 1;
            if short > SHORT_MOST {
                continue;
            }
        }
        let standing = standings.get(&told.service);
        let _ = writeln!(text);
        if told.over {
            over(&mut text, told, standing);
        } else {
            dark(
                &mut text,
                told,
                standing,
                book.ways.get(&told.service).as_ref(),
            );
        }
    }
    if short > SHORT_MOST {
        let _ = writeln!(
            text,
            "\n{short} short outages in all came and went before they could be told; \
             all of them: servergate outage list"
        );
    }
    for (id, service) in &message.questions {
        let standing = standings.get(service);
        let question = standing.and_then(|one| one.question.as_ref());
        if let Some(question) = question.filter(|question| question.id == *id) {
            ask(&mut text, question, standing);
        }
    }
    for reminder in &message.reminders {
        remind(&mut text, reminder);
    }
    if let About::Organisation(organisation) = &message.about
        && let Some(page) = book.pages.get(organisation)
    {
        let _ = writeln!(text, "\nPublic page: {page}");
    }
    text
}

fn blindness(text: &mut String, blind: Blindness) {
    let Blindness {
        from, to, times, ..
    } = blind;
    let why = match blind.references {
        true => "none of our references answered",
        false => "something failed, and without `references` we could not tell whether it was we",
    };
    let _ = writeln!(
        text,
        "\nFrom {from} to {to} {why} ({times} time{}). What was\n\
         watched cannot be judged for that time; nothing was decided in it.",
        if times == 1 { "" } else { "s" }
    );
}

fn remind(text: &mut String, reminder: &Reminder) {
    let Reminder {
        messages, oldest, ..
    } = reminder;
    let _ = writeln!(
        text,
        "\n{messages} message{} kept, the oldest since {oldest}. Nothing is lost, and nothing goes\n\
         by itself but to the primary.\n  what waits: servergate mail list\n  \
         what the primary refused: servergate mail quarantine",
        if *messages == 1 { " is" } else { "s are" }
    );
}

fn over(text: &mut String, told: &Told, standing: Option<&Standing>) {
    let service = told.service.service;
    let _ = writeln!(text, "{service}: reachable again");
    if !told.begin_told {
        let _ = writeln!(text, "  it went dark and came back before it could be told");
    }
    if let Some(standing) = standing {
        let (role, since) = (standing.role, standing.since);
        let _ = writeln!(text, "  Servergate is {role} since {since}");
    }
    let _ = writeln!(text, "  report: servergate outage show {}", told.outage);
}

fn dark(text: &mut String, told: &Told, standing: Option<&Standing>, way: Option<&Way>) {
    let service = told.service.service;
    let Some(standing) = standing else {
        let _ = writeln!(text, "{service}: dark");
        return;
    };
    match &standing.verdict {
        None => {
            let _ = writeln!(text, "{service}: dark");
        }
        Some(verdict) => {
            let cause = verdict.cause.unwrap_or(Cause::Unknown);
            let (means, since) = (means(cause, verdict.code()), verdict.since);
            let _ = match cause {
                Cause::Unstable => writeln!(text, "{service}: unstable since {since} ({means})"),
                _ => writeln!(text, "{service}: dark since {since} ({cause}: {means})"),
            };
            if let Some(good) = verdict.last_good {
                let _ = writeln!(text, "  last seen good: {good}");
            }
            let (failing, voting) = (verdict.failing(), verdict.voting());
            let _ = writeln!(text, "  seen failing from {failing} of {voting} places:");
            for observation in &verdict.evidence {
                evidence(text, observation);
            }
        }
    }
    let _ = writeln!(text, "  {}", doing(standing));
    if let Some(way) = way {
        let _ = writeln!(text, "  {}", way.says);
        if let Some(step) = &way.step {
            let _ = writeln!(text, "  To do:");
            for line in step.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    let _ = writeln!(text, "  more: servergate outage explain {}", told.outage);
}

fn evidence(text: &mut String, observation: &Observation) {
    let (place, at, name) = (&observation.place, observation.at, &observation.target.name);
    let _ = write!(text, "    from {place} at {at}: {name}");
    if let model::Finding::Failed(failure) = &observation.finding {
        let _ = write!(text, ": {failure}");
    }
    for phase in &observation.phases {
        let seconds = phase.micros as f64 / 1e6;
        let _ = write!(text, "; {} {seconds:.3} s", phase.phase);
    }
    let _ = match observation.sees {
        Sees::References => write!(text, "; our references answer"),
        Sees::Nothing => write!(text, "; our references are silent too"),
        Sees::NotConfigured => write!(text, "; no references configured"),
        Sees::NotAsked => Ok(()),
    };
    for companion in &observation.companions {
        beside(text, companion);
    }
    let _ = writeln!(text);
}

fn beside(text: &mut String, companion: &Companion) {
    let said = match companion.reply {
        Reply::Answered => "answers",
        Reply::Refused => "refuses",
        Reply::Silent => "silent",
        Reply::Unreachable => "reported unreachable",
        Reply::NotAsked => return,
    };
    let _ = match companion.kind {
        CompanionKind::Echo => write!(text, "; echo {said}"),
        CompanionKind::Port(port) => write!(text, "; port {port} {said}"),
        CompanionKind::Neighbour(address) => write!(text, "; neighbour {address} {said}"),
        CompanionKind::Router(address) => write!(text, "; router {address} {said}"),
    };
}

fn ask(text: &mut String, question: &Question, standing: Option<&Standing>) {
    let _ = writeln!(text, "\n{question}");
    // Whoever judges has to see what was measured.
    let judged = !matches!(question.topic, Topic::Return | Topic::HandBack);
    let verdict = standing.and_then(|one| one.verdict.as_ref());
    for observation in verdict.iter().flat_map(|verdict| &verdict.evidence) {
        if judged {
            evidence(text, observation);
        }
    }
    let _ = writeln!(text, "  servergate answer {} yes|no", question.id);
}

fn json(
    message: &Message,
    standings: &Standings,
    book: &Phrasebook,
    (id, kind, subject, text): (&str, &'static str, &str, &str),
) -> String {
    let organisation = match &message.about {
        About::Ourselves | About::Several => None,
        About::Organisation(organisation) => Some(organisation),
    };
    let blind = message.blind.map(|blind| FormBlind {
        from: blind.from.to_string(),
        to: blind.to.to_string(),
        times: blind.times,
    });
    let disk = message.disk.map(|disk| FormDisk {
        since: disk.since.to_string(),
        over: disk.over.map(|over| over.to_string()),
    });
    let form = Form {
        version: 1,
        id,
        kind,
        at: message.at.to_string(),
        place: book.place.as_ref(),
        organisation,
        subject,
        text,
        page: organisation
            .and_then(|organisation| book.pages.get(organisation))
            .map(String::as_str),
        outages: form_outages(message, standings),
        shorter_outages_not_listed: message.uncounted,
        questions: questions(message, standings),
        blind,
        disk,
        reminders: message.reminders.iter().map(form_reminder).collect(),
    };
    serde_json::to_string(&form).unwrap_or_else(|error| {
        tracing::error!(%error, "an alert could not be written as JSON");
        String::from("{}")
    })
}

fn form_reminder(reminder: &Reminder) -> FormReminder<'_> {
    FormReminder {
        service: &reminder.service,
        messages: reminder.messages,
        oldest: reminder.oldest.to_string(),
    }
}

fn form_outages<'a>(message: &'a Message, standings: &'a Standings) -> Vec<FormOutage<'a>> {
    let form = |told: &'a Told| FormOutage {
        outage: &told.outage,
        service: &told.service,
        over: told.over,
        standing: standings.get(&told.service),
    };
    message.outages.iter().map(form).collect()
}

fn questions<'a>(message: &Message, standings: &'a Standings) -> Vec<&'a Question> {
    let find = |(id, service): &(model::QuestionId, ServiceId)| {
        let question = standings.get(service)?.question.as_ref()?;
        (question.id == *id).then_some(question)
    };
    message.questions.iter().filter_map(find).collect()
}

fn environment(
    message: &Message,
    standings: &Standings,
    book: &Phrasebook,
    (id, kind, subject): (&str, &'static str, &str),
) -> Vec<(&'static str, String)> {
    let mut list = vec![
        ("SERVERGATE_ALERT", kind.to_owned()),
        ("SERVERGATE_ALERT_ID", id.to_owned()),
        ("SERVERGATE_SUBJECT", subject.to_owned()),
        ("SERVERGATE_AT", Timestamp::to_string(&message.at)),
    ];
    if let Some(place) = &book.place {
        list.push(("SERVERGATE_PLACE", place.to_string()));
    }
    if let About::Organisation(organisation) = &message.about {
        list.push(("SERVERGATE_ORGANISATION", organisation.to_string()));
        list.push(("SERVERGATE_SERVICES", services(message, |_| true)));
        if let Some(page) = book.pages.get(organisation) {
            list.push(("SERVERGATE_PAGE", page.clone()));
        }
    }
    if let Some(cause) = cause(message, standings) {
        list.push(("SERVERGATE_CAUSE", cause.to_string()));
    }
    let outages: Vec<_> = message
        .outages
        .iter()
        .map(|told| told.outage.as_str())
        .collect();
    list.push(("SERVERGATE_OUTAGES", outages.join(" ")));
    list
}
