//! Who is told what and when: one alert when an outage stands, one when it is over. Pure.
//!
//! ```text
//!            dark, outage stands          sent                  reachable again        sent
//!   (none) ─────────────────────▶ Began ──────▶ Told ──────────────────────────▶ Over ──────▶ (none)
//!                                   │ reachable again before it was said           ▲
//!                                   └──────────────────────────────────────────────┘
//! ```
//!
//! News of one organisation that come within a few seconds of one another are one message, and so
//! is what is being confirmed meanwhile. News of many organisations at once are one message about
//! all of them. What was told as dark together is told as back together, unless one of them comes
//! back much later ([`BACK_TOGETHER`]). After [`MOST`] messages in an hour the further ones about
//! what was spoken of already are at least [`PACE`] apart, and say all that came meanwhile; a
//! question, and a service that was not spoken of, never wait for that. When all of our own sight
//! was gone, one message says so after it came back; that our own disk takes nothing is said at once
//! (`disk`). A message that could not be delivered stays
//! news.
//!
//! The rim ([`Rim`]) delivers, and writes down what was said before anything else happens.

mod deliver;
mod disk;
mod due;
mod message;
mod reminders;
mod rim;
mod said;
mod state;
mod telling;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use model::{
    Cause, Condition, Mono, Now, OrganisationId, OutageId, QuestionId, Sees, ServiceId, Standing,
    Standings, Timestamp,
};

pub(crate) use self::message::{About, Blindness, Message, Told};
pub(crate) use self::rim::Rim;
pub use self::state::{AlertState, Alerts, Tested};
pub(crate) use self::words::Phrasebook;

/// Nobody waits longer than so many times the usual for what else may come.
const TOGETHER_MOST: u32 = 3;
/// After so many messages about an organisation within [`WINDOW`] it is no news any more that
/// something of it goes up and down.
const MOST: usize = 4;
/// See [`MOST`].
const WINDOW: Duration = Duration::from_secs(3_600);
/// So far apart are further messages about what was spoken of already.
const PACE: Duration = Duration::from_secs(600);
/// Who was told as dark together with others is told as back alone after so long.
const BACK_TOGETHER: Duration = Duration::from_secs(30);
/// News of more organisations than this at once are one message.
const SEVERAL: usize = 5;
/// After a message could not be delivered.
const AGAIN: Duration = Duration::from_secs(600);
/// How many untold outages of one organisation are kept one by one; more are only counted.
const KEPT_MOST: usize = 64;

/// What was said before a restart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// Outages whose beginning was told and whose end was not, and when it was told.
    pub(crate) outages: Vec<(OutageId, ServiceId, Timestamp)>,
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
    blind_since: Option<(Timestamp, bool)>,
    blindness: Option<Blindness>,
    disk: Option<disk::Trouble>,
}

#[derive(Debug)]
struct Kept {
    service: ServiceId,
    stage: Stage,
    /// When the message went out that told its beginning.
    told: Option<Timestamp>,
}

/// How much of an outage has been told. The diagram is above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Began,
    Told,
    Over { begin_told: bool, at: Mono },
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
    in_flight: bool,
    not_before: Option<Mono>,
    uncounted: u64,
}

impl Desk {
    pub(crate) fn new(before: Before, together: Duration) -> Self {
        let kept = |(outage, service, at)| {
            let (stage, told) = (Stage::Told, Some(at));
            let kept = Kept {
                service,
                stage,
                told,
            };
            (outage, kept)
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
            disk: None,
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
        let mut news = self.ends(now, &standings);
        for standing in standings.values() {
            if self.begins(standing) {
                news.insert(standing.service.organisation.clone());
            }
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
        for organisation in news {
            self.news(now, About::Organisation(organisation));
        }
        self.wake(now, out);
    }

    /// Outages that are over: whose.
    fn ends(&mut self, now: Now, standings: &Standings) -> BTreeSet<OrganisationId> {
        let mut news = BTreeSet::new();
        for (outage, kept) in &mut self.outages {
            let Some(standing) = standings.get(&kept.service) else {
                continue;
            };
            let other = standing.outage.as_ref() != Some(outage);
            let reachable = standing.condition() == Some(Condition::Reachable);
            let begin_told = match kept.stage {
                Stage::Began => false,
                Stage::Told => true,
                Stage::Over { .. } => continue,
            };
            if other && (reachable || standing.outage.is_some()) {
                let at = now.mono;
                kept.stage = Stage::Over { begin_told, at };
                news.insert(kept.service.organisation.clone());
            }
        }
        news
    }

    /// Whether there is an outage or a question that was not there before.
    fn begins(&mut self, standing: &Standing) -> bool {
        let mut news = false;
        if let Some(outage) = &standing.outage
            && standing.condition().is_some_and(Condition::is_outage)
            && !self.outages.contains_key(outage)
        {
            let kept = Kept {
                service: standing.service.clone(),
                stage: Stage::Began,
                told: None,
            };
            self.outages.insert(outage.clone(), kept);
            news = true;
        }
        if let Some(question) = &standing.question {
            let service = standing.service.clone();
            match self.questions.get_mut(&question.id) {
                Some(asked) => asked.service = service,
                None => {
                    let told = false;
                    let state = AskedState { service, told };
                    self.questions.insert(question.id.clone(), state);
                    news = true;
                }
            }
        }
        news
    }

    fn look_at_ourselves(&mut self, now: Now, standings: &Standings) {
        // Who merely did not probe in time is not cut off.
        let mut blind = standings
            .values()
            .filter(|one| one.condition() == Some(Condition::Blind))
            .filter(|one| one.cause() == Some(Cause::Observer))
            .peekable();
        match (blind.peek().is_some(), self.blind_since) {
            (true, None) => {
                let silent = blind.any(looked_in_vain);
                self.blind_since = Some((now.wall, silent));
            }
            (false, Some((from, references))) => {
                self.blind_since = None;
                let before = self.blindness.take();
                self.blindness = Some(Blindness {
                    from: before.map_or(from, |before| before.from),
                    to: now.wall,
                    times: before.map_or(0, |before| before.times) + 1,
                    references: before.map_or(references, |before| before.references),
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
                && matches!(
                    kept.stage,
                    Stage::Over {
                        begin_told: false,
                        ..
                    }
                )
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
        let due = |desk: &Self, by: Mono| -> BTreeSet<About> {
            let all = desk.tables.keys();
            all.filter(|about| desk.due(now, about).is_some_and(|at| at <= by))
                .cloned()
                .collect()
        };
        let mut now_due = due(self, now.mono);
        if now_due.is_empty() {
            return;
        }
        // What is about to be told of others is told now as well, if it makes one of many.
        let soon = now.mono.after(self.together.saturating_mul(TOGETHER_MOST));
        let mut soon_due = due(self, soon);
        if now_due.remove(&About::Ourselves) {
            let alone = BTreeSet::from([About::Ourselves]);
            self.tell(now, About::Ourselves, alone, out);
        }
        soon_due.remove(&About::Ourselves);
        if !now_due.is_empty() && soon_due.len() > SEVERAL {
            return self.tell(now, About::Several, soon_due, out);
        }
        for about in now_due {
            self.tell(now, about.clone(), BTreeSet::from([about]), out);
        }
    }
}

/// Whether the references were asked, and were silent.
fn looked_in_vain(standing: &Standing) -> bool {
    let verdict = standing.verdict.as_ref();
    verdict.is_some_and(|verdict| {
        let mut evidence = verdict.evidence.iter();
        evidence.any(|observation| observation.sees == Sees::Nothing)
    })
}

#[cfg(test)]
mod tests;
