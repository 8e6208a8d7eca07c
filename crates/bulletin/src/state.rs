//! What the record says, as far as the page shows it: a pure fold over the records.
//!
//! `lib.rs` folds the log at start and every new record after that. Folding is bounded
//! (statements, outages, entries), and a record that comes twice is no news.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{
    Cause, Condition, Fact, OrderKind, OrganisationId, OutageId, Record, Role, Service, ServiceId,
    Standing, StateName, Statement, Timestamp, Topic, Verdict,
};

mod chronicle;
mod disturbance;

pub use chronicle::{Chronicle, CopyHeld, Said};
pub use disturbance::{Disturbance, Entry, Event, Stretch};

/// At most so many statements are kept for one organisation; the log keeps all.
pub const STATEMENTS: usize = 200;
/// At most so many disturbances are kept for one organisation.
pub const DISTURBANCES: usize = 20;
/// At most so many entries are kept of one disturbance: its first ones and its last ones.
pub const ENTRIES: usize = 100;
/// At most so many bytes of all statements of one organisation are kept; the oldest go first.
pub const ALL_STATEMENT_BYTES: usize = 128 * 1024;
/// At most so many bytes of one statement are shown; the log keeps the rest.
pub const STATEMENT_BYTES: usize = 16 * 1024;

/// What the record says about the organisations that have a page.
#[derive(Clone, Debug, Default)]
pub struct State {
    organisations: BTreeMap<OrganisationId, Chronicle>,
}

impl State {
    /// Nothing yet, for these organisations. Records of others are passed over.
    pub fn of(organisations: impl IntoIterator<Item = OrganisationId>) -> Self {
        Self {
            organisations: organisations
                .into_iter()
                .map(|id| (id, Chronicle::default()))
                .collect(),
        }
    }

    /// What is known of one organisation.
    pub fn chronicle(&self, organisation: &OrganisationId) -> Option<&Chronicle> {
        self.organisations.get(organisation)
    }

    /// Takes in one record; says whose page it changes, if it changes any.
    pub fn fold(&mut self, record: &Record) -> Option<OrganisationId> {
        let organisation = organisation_of(&record.fact)?;
        let chronicle = self.organisations.get_mut(organisation)?;
        chronicle
            .fold(record.at, &record.fact)
            .then(|| organisation.clone())
    }
}

/// Whose page a fact may change. What concerns the machine alone is on nobody's page.
fn organisation_of(fact: &Fact) -> Option<&OrganisationId> {
    match fact {
        Fact::Verdict(verdict) => Some(&verdict.service.organisation),
        Fact::Standing(standing) => Some(&standing.service.organisation),
        Fact::Would { service, .. }
        | Fact::OutageBegan { service, .. }
        | Fact::OutageEnded { service, .. }
        | Fact::HandedBack { service } => Some(&service.organisation),
        Fact::Order(order) => Some(&order.service.organisation),
        Fact::Asked(question) => Some(&question.service.organisation),
        Fact::Answered(answer) => Some(&answer.service.organisation),
        Fact::Generation(generation) => Some(&generation.organisation),
        Fact::Statement(statement) => Some(&statement.organisation),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
