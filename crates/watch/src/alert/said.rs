//! What was said, kept in the store so that a restart does not say it again.
//!
//! One key per outage and end of it, one per question, written only where it is absent; one per
//! service for the last reminder about it.

use std::time::Duration;

use host::Reminder;
use model::{OutageId, QuestionId, ServiceId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Batch, Expect, Key, Store, Table};

use super::{Before, Message, Told};

const OUTAGES: Table = Table::new("watch-alerted");
const QUESTIONS: Table = Table::new("watch-asked");
const REMINDERS: Table = Table::new("watch-reminded");

/// What is remembered is forgotten after this time.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);
/// More than this is never read back.
const MOST: usize = 10_000;

/// The stored form.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
enum Spec {
    V1(Said),
}

#[derive(Serialize, Deserialize)]
struct Said {
    service: ServiceId,
    at: Timestamp,
}

/// Whether the beginning or the end was told.
fn outage_key(outage: &OutageId, over: bool) -> Key {
    let end = if over { "over" } else { "began" };
    Key::new(OUTAGES, &[outage.as_str(), end])
}

fn question_key(question: &QuestionId) -> Key {
    Key::new(QUESTIONS, &[question.as_str()])
}

fn reminder_key(service: &ServiceId) -> Key {
    let organisation = service.organisation.as_str();
    Key::new(REMINDERS, &[organisation, &service.service.to_string()])
}

fn value(service: &ServiceId, at: Timestamp) -> Vec<u8> {
    let spec = Spec::V1(Said {
        service: service.clone(),
        at,
    });
    // Texts and a number: this cannot fail to be written.
    serde_json::to_vec(&spec).unwrap_or_default()
}

/// The batches that keep what a message said; one each, so that one key that is there already
/// does not keep the others out.
pub(super) fn keep(message: &Message) -> Vec<Batch> {
    let put = |key: Key, service: &ServiceId| {
        Batch::new().put_if(key, value(service, message.at), Expect::Absent)
    };
    let mut batches = Vec::new();
    for told in &message.outages {
        let Told {
            outage, service, ..
        } = told;
        batches.push(put(outage_key(outage, false), service));
        if told.over {
            batches.push(put(outage_key(outage, true), service));
        }
    }
    for (question, service) in &message.questions {
        batches.push(put(question_key(question), service));
    }
    for reminder in &message.reminders {
        let Reminder { service, at, .. } = reminder;
        batches.push(Batch::new().put(reminder_key(service), value(service, *at)));
    }
    batches
}

/// What was said before this start, and what is old enough to be forgotten.
pub(super) fn load(store: &Store, now: Timestamp) -> Result<(Before, Batch), store::ReadError> {
    let mut before = Before::default();
    let mut old = Batch::new();
    let is_old = |at: Timestamp| now.since(at) > KEPT;
    let mut over = Vec::new();
    for (key, versioned) in store.scan(&Key::table(OUTAGES), MOST)? {
        let (Some(outage), Some(end)) = (key.text(0), key.text(1)) else {
            continue;
        };
        let Ok(Spec::V1(said)) = serde_json::from_slice(&versioned.value) else {
            continue;
        };
        let outage = OutageId::new(outage);
        match end.as_str() {
            "over" => over.push((outage, said.at)),
            _ => before.outages.push((outage, said.service, said.at)),
        }
    }
    for (outage, at) in over {
        before.outages.retain(|(told, ..)| *told != outage);
        if is_old(at) {
            old = old
                .delete(outage_key(&outage, false))
                .delete(outage_key(&outage, true));
        }
    }
    for (key, versioned) in store.scan(&Key::table(QUESTIONS), MOST)? {
        let Ok(Spec::V1(said)) = serde_json::from_slice(&versioned.value) else {
            continue;
        };
        match key.text(0) {
            Some(_) if is_old(said.at) => old = old.delete(key),
            Some(question) => before.questions.push(QuestionId::new(question)),
            None => {}
        }
    }
    for (_, versioned) in store.scan(&Key::table(REMINDERS), MOST)? {
        if let Ok(Spec::V1(Said { service, at })) = serde_json::from_slice(&versioned.value) {
            before.reminders.push((service, at));
        }
    }
    Ok((before, old))
}
