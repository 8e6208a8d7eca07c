//! The standby's record, followed while the drill runs, by the way that every command takes.

use std::path::PathBuf;

use anyhow::{Context, Result};
use model::{
    Condition, Fact, GenerationFact, Record, Role, Service, Standing, StateName, Timestamp, Verdict,
};

use crate::protocol::{self, Request};

/// Reads the record and answers what has happened in it.
pub(crate) struct Witness {
    admin: PathBuf,
    next: u64,
    records: Vec<Record>,
}

impl Witness {
    pub(crate) fn new(admin: PathBuf) -> Self {
        Self {
            admin,
            next: 1,
            records: Vec::new(),
        }
    }

    /// Reads what is new.
    pub(crate) async fn look(&mut self) -> Result<()> {
        loop {
            let request = Request::Records { from: self.next };
            let mut reply = protocol::ask(&self.admin, &request).await?;
            let page = reply.get_mut("records").map(serde_json::Value::take);
            let page: Vec<Record> = serde_json::from_value(page.unwrap_or_default())?;
            let next = reply.get("next").and_then(serde_json::Value::as_u64);
            let next = next.context("a reply without `next`")?;
            self.records.extend(page);
            if next == self.next {
                return Ok(());
            }
            self.next = next;
        }
    }

    /// How many records there are: a moment in the record, for [`Witness::since`].
    pub(crate) fn length(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn all(&self) -> &[Record] {
        &self.records
    }

    /// What happened after the first `length` records.
    pub(crate) fn since(&self, length: usize) -> &[Record] {
        self.records.get(length..).unwrap_or_default()
    }

    /// The zone was transferred.
    pub(crate) fn has_zone(&self) -> bool {
        self.records
            .iter()
            .any(|record| matches!(record.fact, Fact::Transfer(_)))
    }

    /// The newest copy of the site that was there at `at`, and when it was completed.
    pub(crate) fn copy(&self, at: Timestamp) -> Option<(&GenerationFact, Timestamp)> {
        let copies = self.records.iter().filter(|record| record.at <= at);
        copies.rev().find_map(|record| match &record.fact {
            Fact::Generation(copy) => Some((copy, record.at)),
            _ => None,
        })
    }

    /// What the places say of the website now.
    pub(crate) fn condition(&self) -> Option<Condition> {
        self.condition_of(Service::Web)
    }

    /// What the places say of a service now.
    pub(crate) fn condition_of(&self, service: Service) -> Option<Condition> {
        let mut newest = self.records.iter().rev();
        newest.find_map(|record| match &record.fact {
            Fact::Verdict(verdict) if verdict.service.service == service => Some(verdict.condition),
            _ => None,
        })
    }

    /// The primary has its mail again: nothing is handed back any more, and no outage runs.
    pub(crate) fn mail_is_back(&self) -> bool {
        let mut newest = self.records.iter().rev();
        let standing = newest.find_map(|record| match &record.fact {
            Fact::Standing(standing) if standing.service.service == Service::Mail => Some(standing),
            _ => None,
        });
        standing.is_some_and(|standing| {
            standing.state == StateName::Following && standing.outage.is_none()
        })
    }

    /// The role for the website now.
    pub(crate) fn role(&self) -> Option<Role> {
        let standings = self.records.iter().rev().filter_map(standing);
        standings.map(|standing| standing.role).next()
    }
}

/// The standing of the website that a record shows.
pub(crate) fn standing(record: &Record) -> Option<&Standing> {
    match &record.fact {
        Fact::Standing(standing) if standing.service.service == Service::Web => Some(standing),
        _ => None,
    }
}

/// All verdicts on the website.
pub(crate) fn verdicts(
    records: &[Record],
) -> impl DoubleEndedIterator<Item = (Timestamp, &Verdict)> {
    records.iter().filter_map(|record| match &record.fact {
        Fact::Verdict(verdict) if verdict.service.service == Service::Web => {
            Some((record.at, &**verdict))
        }
        _ => None,
    })
}
