//! Outage arithmetic: what the record says of one outage.
//!
//! A pure fold over the record: the same function serves the page, `outage explain` and a dead
//! daemon's data. Gaps are gaps; nothing here is measured, only counted.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Cause, Condition, Fact, OutageId, Record, Role, ServiceId, StateName, Timestamp, Verdict,
};

/// One outage as the record tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// Its name.
    pub id: OutageId,
    /// Of which service.
    pub service: ServiceId,
    /// The last good observation before it.
    pub last_good: Option<Timestamp>,
    /// The first failed observation.
    pub since: Timestamp,
    /// When the verdict stood.
    pub noticed: Timestamp,
    /// The causes that were named, in order.
    pub causes: Vec<(Timestamp, Cause)>,
    /// When the standby began to act, or to stand in front; never in mode observe.
    pub acting: Option<Timestamp>,
    /// When the primary was reachable again (for good, as far as the record goes).
    pub back: Option<Timestamp>,
    /// When it was over: the primary has its traffic again.
    pub ended: Option<Timestamp>,
    /// The verdict that began it, with its evidence.
    pub verdict: Arc<Verdict>,
    /// Everything about this service from the first suspicion to the end, in order.
    pub events: Vec<Record>,
}

impl Outage {
    /// How long the primary was dark: first failure until back, or until `now`.
    pub fn dark_for(&self, now: Timestamp) -> Duration {
        self.back.unwrap_or(now).since(self.since)
    }

    /// From the last good observation until the standby acted: the recovery time as measured.
    pub fn recovery_time(&self) -> Option<Duration> {
        let from = self.last_good.unwrap_or(self.since);
        self.acting.map(|acting| acting.since(from))
    }

    /// How long the primary was dark and nobody served.
    pub fn uncovered(&self, now: Timestamp) -> Duration {
        let end = self.back.unwrap_or(now);
        self.acting.unwrap_or(end).min(end).since(self.since)
    }
}

/// At most so many events are kept of one outage; the record itself has them all.
const EVENTS: usize = 2000;

/// Folds the record into outages, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Outages {
    all: Vec<Outage>,
    /// The last verdicts that may begin an outage, of services whose outage has not been named yet.
    dark: Vec<Arc<Verdict>>,
}

impl Outages {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds all of `records`.
    pub fn of<'r>(records: impl IntoIterator<Item = &'r Record>) -> Self {
        let mut outages = Self::new();
        for record in records {
            outages.fold(record);
        }
        outages
    }

    /// All outages, oldest first.
    pub fn all(&self) -> &[Outage] {
        &self.all
    }

    /// The outage called `id`, or the one whose name ends so, or the last one for `last`.
    pub fn find(&self, id: &str) -> Option<&Outage> {
        if id == "last" {
            return self.all.last();
        }
        let named = self.all.iter().find(|outage| outage.id.as_str() == id);
        named.or_else(|| {
            self.all
                .iter()
                .rev()
                .find(|outage| outage.id.as_str().contains(id))
        })
    }

    /// Takes one record in.
    pub fn fold(&mut self, record: &Record) {
        match &record.fact {
            Fact::Verdict(verdict) if verdict.condition.is_outage() => {
                self.dark.retain(|old| old.service != verdict.service);
                self.dark.push(Arc::clone(verdict));
            }
            Fact::OutageBegan { outage, service } => self.begin(record, outage, service),
            // The alert of the recovery comes when the outage is over already.
            Fact::Alerted { outage, .. } => {
                if let Some(told) = self.all.iter_mut().rev().find(|one| one.id == *outage) {
                    told.take(record);
                }
            }
            _ => {}
        }
        let Some(service) = service_of(&record.fact) else {
            return;
        };
        let running = self
            .all
            .iter_mut()
            .rev()
            .find(|outage| outage.service == *service);
        let Some(outage) = running.filter(|outage| outage.ended.is_none()) else {
            return;
        };
        outage.take(record);
    }

    fn begin(&mut self, record: &Record, id: &OutageId, service: &ServiceId) {
        let Some(verdict) = self.dark.iter().find(|verdict| verdict.service == *service) else {
            return;
        };
        let verdict = Arc::clone(verdict);
        self.all.push(Outage {
            id: id.clone(),
            service: service.clone(),
            last_good: verdict.last_good,
            since: verdict.since,
            noticed: record.at,
            causes: verdict
                .cause
                .map(|cause| (verdict.at, cause))
                .into_iter()
                .collect(),
            acting: None,
            back: None,
            ended: None,
            // What began it belongs to it.
            events: vec![Record {
                at: verdict.at,
                place: record.place.clone(),
                fact: Fact::Verdict(Arc::clone(&verdict)),
            }],
            verdict,
        });
    }
}

impl Outage {
    fn take(&mut self, record: &Record) {
        match &record.fact {
            Fact::Verdict(verdict) => match verdict.condition {
                Condition::Reachable => self.back = self.back.or(Some(record.at)),
                Condition::Dark | Condition::Unstable => {
                    self.back = None;
                    let named = self.causes.last().map(|(_, cause)| *cause);
                    if let Some(cause) = verdict.cause.filter(|cause| Some(*cause) != named) {
                        self.causes.push((record.at, cause));
                    }
                }
                _ => {}
            },
            Fact::Standing(standing)
                if standing.role == Role::Acting || standing.state == StateName::Supporting =>
            {
                self.acting = self.acting.or(Some(record.at));
            }
            Fact::OutageEnded { outage, .. } if *outage == self.id => {
                self.ended = Some(record.at);
            }
            _ => {}
        }
        if self.events.len() < EVENTS {
            self.events.push(record.clone());
        }
    }
}

/// Which service a fact is about.
pub fn service_of(fact: &Fact) -> Option<&ServiceId> {
    match fact {
        Fact::Verdict(verdict) => Some(&verdict.service),
        Fact::Standing(standing) => Some(&standing.service),
        Fact::Would { service, .. }
        | Fact::OutageBegan { service, .. }
        | Fact::OutageEnded { service, .. }
        | Fact::HandedBack { service }
        | Fact::HandbackPaused { service }
        | Fact::Reconfigured { service }
        | Fact::Copy { service, .. } => Some(service),
        Fact::Order(order) => Some(&order.service),
        Fact::Asked(question) => Some(&question.service),
        Fact::Answered(answer) => Some(&answer.service),
        _ => None,
    }
}
