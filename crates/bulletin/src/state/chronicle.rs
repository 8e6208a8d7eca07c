//! What the record says about one organisation: statements, disturbances, the copy that is held.

use super::{
    ALL_STATEMENT_BYTES, BTreeMap, Cause, Condition, DISTURBANCES, Disturbance, Entry, Event, Fact,
    OutageId, Role, STATEMENT_BYTES, STATEMENTS, Service, ServiceId, Standing, StateName,
    Statement, Timestamp, Topic, VecDeque, Verdict,
};

/// What follows an end within this time still belongs to it (standing down, the last answer).
const AFTERMATH_MILLIS: i64 = 10 * 60 * 1000;

/// A statement as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its stable name.
    pub id: String,
    /// When it was first said.
    pub at: Timestamp,
    /// When its words were changed last, if they were.
    pub changed: Option<Timestamp>,
    /// The words: plain text without control characters, at most [`super::STATEMENT_BYTES`].
    pub text: String,
    /// The language of the words, as it was given.
    pub language: Option<String>,
    /// In what capacity it was said.
    pub by: Option<String>,
    /// Whether it says the reason of the running outage.
    pub reason: bool,
}

impl Said {
    /// The paragraphs: a blank line parts them.
    pub fn paragraphs(&self) -> impl Iterator<Item = &str> {
        self.text
            .split("\n\n")
            .map(str::trim)
            .filter(|paragraph| !paragraph.is_empty())
    }
}

/// The newest complete copy of the website.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyHeld {
    /// When it was completed.
    pub at: Timestamp,
    /// Its number.
    pub number: u64,
}

/// What the record says about one organisation.
#[derive(Clone, Debug, Default)]
pub struct Chronicle {
    /// Oldest first.
    statements: VecDeque<Said>,
    /// Oldest first.
    disturbances: VecDeque<Disturbance>,
    copy: Option<CopyHeld>,
    changed: Option<Timestamp>,
    verdicts: BTreeMap<Service, Seen>,
    roles: BTreeMap<Service, (Role, Timestamp)>,
}

/// What a verdict said, as far as the course needs it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    condition: Condition,
    cause: Option<Cause>,
    since: Timestamp,
    at: Timestamp,
}

impl Seen {
    /// What the course says of it; nothing while it is reachable or suspected only.
    fn trouble(self) -> Option<Cause> {
        match self.condition {
            Condition::Dark | Condition::Unstable => Some(self.cause.unwrap_or(Cause::Unknown)),
            Condition::Blind => Some(self.cause.unwrap_or(Cause::Observer)),
            Condition::BelowQuorum => Some(Cause::BelowQuorum),
            Condition::Reachable | Condition::Suspect => None,
        }
    }
}

impl Chronicle {
    /// All statements kept, newest first.
    pub fn statements(&self) -> impl Iterator<Item = &Said> {
        self.statements.iter().rev()
    }

    /// How many statements are kept.
    pub fn statement_count(&self) -> usize {
        self.statements.len()
    }

    /// All disturbances kept, newest first.
    pub fn disturbances(&self) -> impl Iterator<Item = &Disturbance> {
        self.disturbances.iter().rev()
    }

    /// The disturbance that runs, or the last one.
    pub fn last(&self) -> Option<&Disturbance> {
        self.disturbances.back()
    }

    /// The newest complete copy of the website.
    pub fn copy(&self) -> Option<CopyHeld> {
        self.copy
    }

    /// When the record last changed something that the page shows.
    pub fn changed(&self) -> Option<Timestamp> {
        self.changed
    }

    /// Whether the organisation has named the reason of the disturbance that runs.
    pub fn reason_said(&self) -> bool {
        let Some(running) = self.running() else {
            return false;
        };
        self.statements
            .iter()
            .any(|said| said.reason && said.changed.unwrap_or(said.at) >= running.began)
    }

    fn running(&self) -> Option<&Disturbance> {
        self.last().filter(|last| last.ended.is_none())
    }

    fn running_mut(&mut self) -> Option<&mut Disturbance> {
        self.disturbances
            .back_mut()
            .filter(|last| last.ended.is_none())
    }

    /// The running disturbance, or a new one.
    fn open(&mut self, at: Timestamp) -> Option<&mut Disturbance> {
        if self.running().is_none() {
            if self.disturbances.len() == DISTURBANCES {
                self.disturbances.pop_front();
            }
            self.disturbances.push_back(Disturbance::beginning(at));
        }
        self.disturbances.back_mut()
    }

    /// Takes in one fact of this organisation; says whether the page changes.
    pub(super) fn fold(&mut self, at: Timestamp, fact: &Fact) -> bool {
        let changes = match fact {
            Fact::Verdict(verdict) => self.verdict(verdict),
            Fact::Standing(standing) => self.standing(at, standing),
            Fact::Would { service, role } => {
                let event = self.would(service.service, *role);
                self.happened(at, service, event)
            }
            Fact::Order(order) => {
                self.happened(order.at, &order.service, Event::Ordered(order.kind))
            }
            Fact::Asked(question) => {
                let event = match question.topic {
                    Topic::TakeOver(_)
                    | Topic::NeverGood(_)
                    | Topic::NoCopy(_)
                    | Topic::Permission => Event::AskedTakeOver,
                    Topic::Return => Event::AskedReturn,
                    Topic::HandBack => Event::AskedHandBack,
                };
                self.happened(question.asked, &question.service, event)
            }
            Fact::Answered(answer) => {
                self.happened(answer.at, &answer.service, Event::Answered(answer.yes))
            }
            Fact::HandedBack { service } => self.happened(at, service, Event::HandedBack),
            Fact::OutageBegan { outage, service } => self.began(at, outage, service),
            Fact::OutageEnded { outage, service } => self
                .running_mut()
                .is_some_and(|running| running.end(at, outage, service.service)),
            Fact::Generation(generation) => {
                let number = generation.number;
                let newer = self.copy.is_none_or(|copy| copy.number < number);
                if newer {
                    self.copy = Some(CopyHeld { at, number });
                }
                newer
            }
            Fact::Statement(statement) => self.say(at, statement),
            _ => false,
        };
        if changes {
            self.changed = Some(self.changed.map_or(at, |known| known.max(at)));
        }
        changes
    }

    fn began(&mut self, at: Timestamp, outage: &OutageId, service: &ServiceId) -> bool {
        let known = self
            .disturbances
            .iter()
            .flat_map(Disturbance::stretches)
            .any(|stretch| stretch.outage == *outage);
        if known {
            return false;
        }
        // The verdict tells the first failed observation; the record itself comes after it.
        let seen = self.verdicts.get(&service.service).copied();
        let dark = seen.filter(|seen| seen.condition.is_outage() && seen.since <= at);
        let since = dark.map_or(at, |seen| seen.since);
        let Some(running) = self.open(since) else {
            return false;
        };
        let cause = dark.and_then(Seen::trouble);
        running.begin(since, outage, service.service, cause)
    }

    fn verdict(&mut self, verdict: &Verdict) -> bool {
        let service = verdict.service.service;
        let seen = Seen {
            condition: verdict.condition,
            cause: verdict.cause,
            since: verdict.since,
            at: verdict.at,
        };
        // Old news that come again are no news.
        if self
            .verdicts
            .get(&service)
            .is_some_and(|known| known.at > seen.at)
        {
            return false;
        }
        self.verdicts.insert(service, seen);
        let Some(running) = self.running_mut() else {
            return false;
        };
        if !running.concerns(service) {
            return false;
        }
        match seen.trouble() {
            Some(cause) => running.cause(seen.at, service, cause),
            None if seen.condition == Condition::Reachable => running.answers(seen.since, service),
            None => false,
        }
    }

    fn standing(&mut self, at: Timestamp, standing: &Standing) -> bool {
        let service = standing.service.service;
        // The verdict that brought the standing names the cause, also where it came alone.
        let told = standing
            .verdict
            .as_ref()
            .is_some_and(|verdict| self.verdict(verdict));
        let known = self.roles.get(&service).copied();
        let (before, since) = known.unwrap_or((Role::Standby, standing.since));
        if since > standing.since {
            return told;
        }
        self.roles.insert(service, (standing.role, standing.since));
        if before == standing.role {
            return told;
        }
        let event = match standing.role {
            Role::Acting => Event::TookOver,
            Role::Returning if standing.state == StateName::Supporting => Event::Supports,
            Role::Returning => Event::Returning,
            Role::Standby => Event::StoodDown,
        };
        let away = standing.role != Role::Standby;
        if away && self.running().is_none() {
            self.open(standing.since);
        }
        let entered = self.happened(standing.since, &standing.service, event);
        if let Some(running) = self.running_mut() {
            running.set_away(at, service, away);
        }
        entered || told
    }

    /// Beside a primary that fails and answers in turn the role means another thing than after it.
    fn would(&self, service: Service, role: Role) -> Event {
        let seen = self.verdicts.get(&service).map(|seen| seen.condition);
        match role {
            Role::Returning if seen == Some(Condition::Unstable) => Event::WouldSupport,
            role => Event::Would(role),
        }
    }

    /// Enters what was done into the disturbance that runs, or into the one just ended.
    fn happened(&mut self, at: Timestamp, service: &ServiceId, event: Event) -> bool {
        let Some(last) = self.disturbances.back_mut() else {
            return false;
        };
        let over = last
            .ended
            .is_some_and(|ended| at.millis() > ended.millis().saturating_add(AFTERMATH_MILLIS));
        if over {
            return false;
        }
        last.enter(Entry {
            at,
            service: service.service,
            event,
        })
    }

    fn say(&mut self, at: Timestamp, statement: &Statement) -> bool {
        let new = Said {
            id: statement.id.clone(),
            at,
            changed: None,
            text: clean(&statement.text),
            language: statement.language.clone(),
            by: statement.by.as_deref().map(one_line),
            reason: statement.reason,
        };
        let Some(known) = self.statements.iter_mut().find(|said| said.id == new.id) else {
            self.statements.push_back(new);
            self.forget_old_statements();
            return true;
        };
        let same = known.text == new.text && known.by == new.by && known.reason == new.reason;
        if same || at < known.changed.unwrap_or(known.at) {
            return false;
        }
        *known = Said {
            at: known.at,
            changed: Some(at),
            ..new
        };
        self.forget_old_statements();
        true
    }

    fn forget_old_statements(&mut self) {
        let mut bytes: usize = self.statements.iter().map(|said| said.text.len()).sum();
        while self.statements.len() > STATEMENTS || bytes > ALL_STATEMENT_BYTES {
            let Some(oldest) = self.statements.pop_front() else {
                return;
            };
            bytes = bytes.saturating_sub(oldest.text.len());
        }
    }
}

/// Plain text without control characters (XML 1.0 §2.2 forbids most of them), cut to its bound.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len().min(STATEMENT_BYTES));
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    for character in unified.chars() {
        if cleaned.len() + character.len_utf8() > STATEMENT_BYTES {
            cleaned.push('…');
            break;
        }
        match character {
            '\n' => cleaned.push('\n'),
            '\t' => cleaned.push(' '),
            '\u{FFFE}' | '\u{FFFF}' => {}
            other if other.is_control() => {}
            other => cleaned.push(other),
        }
    }
    // A line of blanks parts paragraphs like an empty one.
    let lines: Vec<&str> = cleaned.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

/// A short text in one line, for who said it.
fn one_line(text: &str) -> String {
    let line = clean(text).replace('\n', " ");
    line.chars().take(120).collect()
}
