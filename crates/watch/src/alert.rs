//! Who is told what and when: one alert when an outage stands, one when it is over. Pure.
//!
//! ```text
//!            dark, outage stands          sent                  reachable again        sent
//!   (none) ─────────────────────▶ Began ──────▶ Told ──────────────────────────▶ Over ──────▶ (none)
//!                                   │ reachable again before it was said           ▲
//!                                   └──────────────────────────────────────────────┘
//! ```
//!
//! News of one organisation that come within a few seconds of one another are one message. No
//! organisation gets more than [`MOST`] messages an hour, whatever flaps; what could not be said
//! is said, summed up, when there is room again. When all of our own sight was gone, one message
//! says so after it came back. A message that could not be delivered stays news.
//!
//! The rim ([`Rim`]) delivers, and writes down what was said before anything else happens.

mod deliver;
mod reminders;
mod rim;
mod said;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use host::Reminder;
use model::{
    Condition, Mono, Now, OrganisationId, OutageId, QuestionId, ServiceId, Standing, Standings,
    Timestamp,
};

pub(crate) use self::rim::Rim;
pub(crate) use self::words::Phrasebook;

/// Nobody waits longer than so many times the usual for what else may come.
const TOGETHER_MOST: u32 = 3;
/// Messages per organisation in [`WINDOW`].
const MOST: usize = 4;
/// See [`MOST`].
const WINDOW: Duration = Duration::from_secs(3_600);
/// After a message could not be delivered.
const AGAIN: Duration = Duration::from_secs(600);
/// How many untold outages of one organisation are kept one by one; more are only counted.
const KEPT_MOST: usize = 64;

/// Whom a message is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// This standby itself.
    Ourselves,
    /// An organisation.
    Organisation(OrganisationId),
}

/// What happened to one outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) outage: OutageId,
    pub(crate) service: ServiceId,
    /// It is over.
    pub(crate) over: bool,
    /// Its beginning was told in an earlier message.
    pub(crate) begin_told: bool,
}

/// One message to be put into words and delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) about: About,
    pub(crate) at: Timestamp,
    /// The outages it tells of.
    pub(crate) outages: Vec<Told>,
    /// Outages that came and went and are only counted.
    pub(crate) uncounted: u64,
    /// The questions it asks.
    pub(crate) questions: Vec<(QuestionId, ServiceId)>,
    /// When we were blind: from, to, how often.
    pub(crate) blind: Option<Blindness>,
    /// What it reminds of.
    pub(crate) reminders: Vec<Reminder>,
}

/// A time without sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blindness {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) times: u64,
}

/// What was said before a restart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// Outages whose beginning was told and whose end was not.
    pub(crate) outages: Vec<(OutageId, ServiceId)>,
    /// Questions that were passed on.
    pub(crate) questions: Vec<QuestionId>,
    /// The last reminder about each service.
    pub(crate) reminders: Vec<(ServiceId, Timestamp)>,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Desk {
    /// News that come so soon after the last are told with it.
    together: Duration,
    standings: Standings,
    outages: BTreeMap<OutageId, Kept>,
    questions: BTreeMap<QuestionId, AskedState>,
    reminders: BTreeMap<ServiceId, reminders::Kept>,
    tables: BTreeMap<About, Table>,
    blind_since: Option<Timestamp>,
    blindness: Option<Blindness>,
}

#[derive(Debug)]
struct Kept {
    service: ServiceId,
    stage: Stage,
}

/// How much of an outage has been told. The diagram is above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Began,
    Told,
    Over { begin_told: bool },
}

#[derive(Debug)]
struct AskedState {
    service: ServiceId,
    told: bool,
}

/// The state of one addressee.
#[derive(Debug, Default)]
struct Table {
    first_news: Option<Mono>,
    last_news: Option<Mono>,
    sent: VecDeque<(Mono, BTreeSet<ServiceId>)>,
    in_flight: Option<Message>,
    not_before: Option<Mono>,
    uncounted: u64,
}

impl Desk {
    pub(crate) fn new(before: Before, together: Duration) -> Self {
        let kept = |(outage, service)| {
            let stage = Stage::Told;
            (outage, Kept { service, stage })
        };
        Self {
            together,
            standings: Standings::default(),
            outages: before.outages.into_iter().map(kept).collect(),
            questions: BTreeMap::new(),
            reminders: reminders::told_before(before.reminders),
            tables: BTreeMap::new(),
            blind_since: None,
            blindness: None,
        }
        .remembering(before.questions)
    }

    fn remembering(mut self, questions: Vec<QuestionId>) -> Self {
        for question in questions {
            // The service is filled in when the question is seen again.
            let service = ServiceId::new(OrganisationId::new(""), model::Service::Web);
            let told = true;
            self.questions
                .insert(question, AskedState { service, told });
        }
        self
    }

    /// The standings as they are now.
    pub(crate) fn standings(&self) -> &Standings {
        &self.standings
    }

    /// A new snapshot.
    pub(crate) fn follow(&mut self, now: Now, standings: Standings, out: &mut Vec<Message>) {
        for standing in standings.values() {
            self.look_at(now, standing);
        }
        let asked: BTreeSet<_> = standings
            .values()
            .filter_map(|standing| standing.question.as_ref().map(|question| &question.id))
            .collect();
        // A question that was answered or withdrawn is no news any more, told or not.
        if !standings.is_empty() {
            self.questions.retain(|id, _| asked.contains(id));
        }
        self.look_at_ourselves(now, &standings);
        self.standings = standings;
        self.wake(now, out);
    }

    fn look_at(&mut self, now: Now, standing: &Standing) {
        let about = About::Organisation(standing.service.organisation.clone());
        let mut news = false;
        if let Some(outage) = &standing.outage
            && standing.condition().is_some_and(Condition::is_outage)
            && !self.outages.contains_key(outage)
        {
            let service = standing.service.clone();
            let stage = Stage::Began;
            self.outages.insert(outage.clone(), Kept { service, stage });
            news = true;
        }
        for (outage, kept) in &mut self.outages {
            let other = standing.outage.as_ref() != Some(outage);
            let reachable = standing.condition() == Some(Condition::Reachable);
            let over = other && (reachable || standing.outage.is_some());
            if kept.service != standing.service || !over {
                continue;
            }
            let begin_told = match kept.stage {
                Stage::Began => false,
                Stage::Told => true,
                Stage::Over { .. } => continue,
            };
            kept.stage = Stage::Over { begin_told };
            news = true;
        }
        if let Some(question) = &standing.question
            && !self.questions.contains_key(&question.id)
        {
            let service = standing.service.clone();
            let told = false;
            let state = AskedState { service, told };
            self.questions.insert(question.id.clone(), state);
            news = true;
        }
        if news {
            self.news(now, about);
        }
    }

    fn look_at_ourselves(&mut self, now: Now, standings: &Standings) {
        let blind = standings
            .values()
            .filter_map(Standing::condition)
            .any(|condition| condition == Condition::Blind);
        match (blind, self.blind_since) {
            (true, None) => self.blind_since = Some(now.wall),
            (false, Some(from)) => {
                self.blind_since = None;
                let before = self.blindness.take();
                self.blindness = Some(Blindness {
                    from: before.map_or(from, |before| before.from),
                    to: now.wall,
                    times: before.map_or(0, |before| before.times) + 1,
                });
                self.news(now, About::Ourselves);
            }
            _ => {}
        }
    }

    fn news(&mut self, now: Now, about: About) {
        let untold: Vec<_> = self.untold(&about).map(|(id, _)| id.clone()).collect();
        let table = self.tables.entry(about).or_default();
        table.first_news.get_or_insert(now.mono);
        table.last_news = Some(now.mono);
        // A flapping service must not fill the memory: what came and went is only counted.
        for id in untold.iter().take(untold.len().saturating_sub(KEPT_MOST)) {
            if let Some(kept) = self.outages.get(id)
                && kept.stage == (Stage::Over { begin_told: false })
            {
                self.outages.remove(id);
                table.uncounted += 1;
            }
        }
    }

    fn untold<'a>(&'a self, about: &'a About) -> impl Iterator<Item = (&'a OutageId, &'a Kept)> {
        self.outages.iter().filter(move |(_, kept)| {
            let About::Organisation(organisation) = about else {
                return false;
            };
            kept.stage != Stage::Told && kept.service.organisation == *organisation
        })
    }

    /// What is due now.
    pub(crate) fn wake(&mut self, now: Now, out: &mut Vec<Message>) {
        let due: Vec<About> = self
            .tables
            .keys()
            .filter(|about| self.due(about).is_some_and(|at| at <= now.mono))
            .cloned()
            .collect();
        for about in due {
            let message = self.compose(now, &about);
            let Some(table) = self.tables.get_mut(&about) else {
                continue;
            };
            table.first_news = None;
            table.last_news = None;
            table.not_before = None;
            if let Some(message) = message {
                table.uncounted = 0;
                table.in_flight = Some(message.clone());
                out.push(message);
            }
        }
    }

    /// When something is due next.
    pub(crate) fn next_wakeup(&self) -> Option<Mono> {
        self.tables.keys().filter_map(|about| self.due(about)).min()
    }

    /// When the news about these may be told.
    fn due(&self, about: &About) -> Option<Mono> {
        let table = self.tables.get(about)?;
        let (first, last) = table.first_news.zip(table.last_news)?;
        if table.in_flight.is_some() {
            return None;
        }
        let together = last
            .after(self.together)
            .min(first.after(self.together.saturating_mul(TOGETHER_MOST)));
        let at = together.max(table.not_before.unwrap_or_default());
        Some(match self.room(about, table, at) {
            None => at,
            Some(later) => later.max(at),
        })
    }

    /// `None` if there is room for a message at `at`, else when there will be. The last place of
    /// the hour is kept for a service that was not spoken of in it: what flaps must not drown
    /// what is new.
    fn room(&self, about: &About, table: &Table, at: Mono) -> Option<Mono> {
        let recent: Vec<_> = table
            .sent
            .iter()
            .filter(|(sent, _)| sent.after(WINDOW) > at)
            .collect();
        let unheard = self.untold(about).any(|(_, kept)| {
            !recent
                .iter()
                .any(|(_, services)| services.contains(&kept.service))
        });
        let most = if unheard { MOST } else { MOST - 1 };
        let excess = recent.len().checked_sub(most)?;
        recent.get(excess).map(|(sent, _)| sent.after(WINDOW))
    }

    fn compose(&self, now: Now, about: &About) -> Option<Message> {
        let told = |(outage, kept): (&OutageId, &Kept)| Told {
            outage: outage.clone(),
            service: kept.service.clone(),
            over: matches!(kept.stage, Stage::Over { .. }),
            begin_told: matches!(kept.stage, Stage::Over { begin_told: true }),
        };
        let ours = |service: &ServiceId| matches!(about, About::Organisation(organisation) if service.organisation == *organisation);
        let questions = self
            .questions
            .iter()
            .filter(|(_, asked)| !asked.told && ours(&asked.service))
            .map(|(id, asked)| (id.clone(), asked.service.clone()));
        let message = Message {
            about: about.clone(),
            at: now.wall,
            outages: self.untold(about).map(told).collect(),
            uncounted: self.tables.get(about).map_or(0, |table| table.uncounted),
            questions: questions.collect(),
            blind: self.blindness.filter(|_| *about == About::Ourselves),
            reminders: self.reminders_about(about),
        };
        let empty = message.outages.is_empty()
            && message.questions.is_empty()
            && message.blind.is_none()
            && message.reminders.is_empty()
            && message.uncounted == 0;
        (!empty).then_some(message)
    }

    /// The message about these went out.
    pub(crate) fn sent(&mut self, now: Now, about: &About, out: &mut Vec<Message>) {
        let Some(table) = self.tables.get_mut(about) else {
            return;
        };
        let Some(message) = table.in_flight.take() else {
            return;
        };
        let services = message.outages.iter().map(|told| told.service.clone());
        table.sent.push_back((now.mono, services.collect()));
        while table.sent.len() > MOST {
            table.sent.pop_front();
        }
        for told in &message.outages {
            self.mark(told);
        }
        for (id, _) in &message.questions {
            if let Some(asked) = self.questions.get_mut(id) {
                asked.told = true;
            }
        }
        self.reminded(&message);
        if let (Some(said), Some(blindness)) = (message.blind, self.blindness)
            && said.to == blindness.to
        {
            self.blindness = None;
        }
        self.wake(now, out);
    }

    fn mark(&mut self, told: &Told) {
        if told.over {
            self.outages.remove(&told.outage);
            return;
        }
        let Some(kept) = self.outages.get_mut(&told.outage) else {
            return;
        };
        kept.stage = match kept.stage {
            Stage::Over { .. } => Stage::Over { begin_told: true },
            Stage::Began | Stage::Told => Stage::Told,
        };
    }

    /// The message about these could not be delivered: it stays news and is tried again later.
    pub(crate) fn failed(&mut self, now: Now, about: &About, out: &mut Vec<Message>) {
        let Some(table) = self.tables.get_mut(about) else {
            return;
        };
        if let Some(message) = table.in_flight.take() {
            table.uncounted += message.uncounted;
            table.first_news.get_or_insert(now.mono);
            table.last_news.get_or_insert(now.mono);
            table.not_before = Some(now.mono.after(AGAIN));
        }
        self.wake(now, out);
    }
}

#[cfg(test)]
mod tests;
