//! Composing a message of what is due, and what changes once it is delivered or could not be. Pure.

use std::collections::BTreeSet;

use model::{Now, OutageId, ServiceId, Timestamp};

use super::{AGAIN, About, Desk, KEPT_MOST, Kept, Message, Stage, Told};

impl Desk {
    pub(super) fn tell(
        &mut self,
        now: Now,
        about: About,
        holds: BTreeSet<About>,
        out: &mut Vec<Message>,
    ) {
        let message = self.compose(now, about, holds.clone());
        for about in &holds {
            let waits = self
                .untold(about)
                .any(|(_, kept)| self.waits_for_others(now, kept).is_some());
            let Some(table) = self.tables.get_mut(about) else {
                continue;
            };
            // What waits for others stays news.
            table.first_news = waits.then_some(now.mono);
            table.last_news = table.first_news;
            table.not_before = None;
            if message.is_some() {
                table.uncounted = 0;
                table.in_flight = true;
            }
        }
        out.extend(message);
    }

    fn compose(&self, now: Now, about: About, holds: BTreeSet<About>) -> Option<Message> {
        let mut message = Message {
            about,
            at: now.wall,
            holds,
            outages: Vec::new(),
            uncounted: 0,
            questions: Vec::new(),
            blind: None,
            disk: None,
            reminders: Vec::new(),
        };
        let told = |(outage, kept): (&OutageId, &Kept)| Told {
            outage: outage.clone(),
            service: kept.service.clone(),
            over: matches!(kept.stage, Stage::Over { .. }),
            begin_told: matches!(
                kept.stage,
                Stage::Over {
                    begin_told: true,
                    ..
                }
            ),
        };
        for about in &message.holds {
            let ours = |service: &ServiceId| matches!(about, About::Organisation(organisation) if service.organisation == *organisation);
            let outages = self
                .untold(about)
                .filter(|(_, kept)| self.waits_for_others(now, kept).is_none());
            message.outages.extend(outages.map(told));
            let questions = self
                .questions
                .iter()
                .filter(|(_, asked)| !asked.told && ours(&asked.service))
                .map(|(id, asked)| (id.clone(), asked.service.clone()));
            message.questions.extend(questions);
            message.reminders.extend(self.reminders_about(about));
            message.uncounted += self.tables.get(about).map_or(0, |table| table.uncounted);
            if *about == About::Ourselves {
                (message.blind, message.disk) = (self.blindness, self.disk_news());
            }
        }
        let empty = message.outages.is_empty()
            && message.questions.is_empty()
            && message.blind.is_none()
            && message.disk.is_none()
            && message.reminders.is_empty()
            && message.uncounted == 0;
        (!empty).then_some(message)
    }

    /// A message went out.
    pub(crate) fn sent(&mut self, now: Now, message: &Message, out: &mut Vec<Message>) {
        for about in &message.holds {
            let Some(table) = self.tables.get_mut(about) else {
                continue;
            };
            table.in_flight = false;
            let services = message.outages.iter().map(|told| told.service.clone());
            let ours = services.filter(
                |service| matches!(about, About::Organisation(one) if *one == service.organisation),
            );
            table.sent.push_back((now.mono, ours.collect()));
            while table.sent.len() > KEPT_MOST {
                table.sent.pop_front();
            }
        }
        for told in &message.outages {
            self.mark(told, message.at);
        }
        for (id, _) in &message.questions {
            if let Some(asked) = self.questions.get_mut(id) {
                asked.told = true;
            }
        }
        self.reminded(message);
        self.disk_told(message);
        if let (Some(said), Some(blindness)) = (message.blind, self.blindness)
            && said.to == blindness.to
        {
            self.blindness = None;
        }
        self.look_again(now, &message.holds);
        self.wake(now, out);
    }

    /// What waits for others is news for itself when they do not come.
    fn look_again(&mut self, now: Now, holds: &BTreeSet<About>) {
        for about in holds {
            if self.untold(about).next().is_some()
                && let Some(table) = self.tables.get_mut(about)
            {
                table.first_news.get_or_insert(now.mono);
                table.last_news.get_or_insert(now.mono);
            }
        }
    }

    fn mark(&mut self, told: &Told, at: Timestamp) {
        if told.over {
            self.outages.remove(&told.outage);
            return;
        }
        let Some(kept) = self.outages.get_mut(&told.outage) else {
            return;
        };
        kept.told = Some(at);
        kept.stage = match kept.stage {
            Stage::Over { at, .. } => Stage::Over {
                begin_told: true,
                at,
            },
            Stage::Began | Stage::Told => Stage::Told,
        };
    }

    /// A message could not be delivered: it stays news and is tried again later.
    pub(crate) fn failed(&mut self, now: Now, message: &Message, out: &mut Vec<Message>) {
        let mut uncounted = message.uncounted;
        for about in &message.holds {
            if let Some(table) = self.tables.get_mut(about) {
                table.in_flight = false;
                table.uncounted += std::mem::take(&mut uncounted);
                table.first_news.get_or_insert(now.mono);
                table.last_news.get_or_insert(now.mono);
                table.not_before = Some(now.mono.after(AGAIN));
            }
        }
        self.wake(now, out);
    }
}
