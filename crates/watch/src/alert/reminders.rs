//! What parts want a person to be reminded of: each reminder is told once, whatever repeats it.

use std::collections::BTreeMap;

use host::Reminder;
use model::{Now, ServiceId, Timestamp};

use super::{About, Desk, Message};

/// The reminder about one service.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The one that is to be told.
    due: Option<Reminder>,
    /// When the last one that was told became due.
    told: Option<Timestamp>,
}

/// What was told before a restart.
pub(super) fn told_before(told: Vec<(ServiceId, Timestamp)>) -> BTreeMap<ServiceId, Kept> {
    let kept = |(service, at)| {
        let told = Some(at);
        (service, Kept { due: None, told })
    };
    told.into_iter().map(kept).collect()
}

impl Desk {
    /// A part says (again) what it wants a person to be reminded of.
    pub(crate) fn remind(&mut self, now: Now, reminder: Reminder, out: &mut Vec<Message>) {
        let about = About::Organisation(reminder.service.organisation.clone());
        let kept = self.reminders.entry(reminder.service.clone()).or_default();
        if kept.told.is_some_and(|told| reminder.at <= told) {
            return;
        }
        if kept.due.replace(reminder).is_none() {
            self.news(now, about);
        }
        self.wake(now, out);
    }

    pub(super) fn reminders_about(&self, about: &About) -> Vec<Reminder> {
        let due = self.reminders.values().filter_map(|kept| kept.due.as_ref());
        let ours = |one: &&Reminder| matches!(about, About::Organisation(organisation) if one.service.organisation == *organisation);
        due.filter(ours).cloned().collect()
    }

    /// A message that holds reminders went out.
    pub(super) fn reminded(&mut self, message: &Message) {
        for reminder in &message.reminders {
            if let Some(kept) = self.reminders.get_mut(&reminder.service) {
                kept.told = Some(reminder.at);
                kept.due.take_if(|due| due.at <= reminder.at);
            }
        }
    }
}
