//! The fault matrix: what is seen, what it is called, what Servergate does, what the page says.
//!
//! Each row of [`rows`] goes through the product's own code: those that a simulated network can
//! carry through real probes ([`served`]), the others as what a probe would have seen ([`seen`]);
//! then through detector, standby machine and the public page's sentences. `docs/causes.md` is
//! written from what comes out.
#![allow(clippy::too_many_lines, reason = "a table is read whole")]

mod papers;
mod rows;
mod rows_of_addresses;
mod rows_of_mail;
mod seen;
mod served;
mod written;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{
    Cause, DetectorConfig, Mode, Now, OrganisationId, PlaceId, Policy, Role, Service, ServiceId,
    Standing, Timestamp, Topic,
};
use servergate::decide::Decided;

/// One line of the table.
pub(crate) struct Row {
    /// Under which heading it stands.
    pub(crate) group: &'static str,
    /// What happens, for an administrator.
    pub(crate) what: String,
    pub(crate) service: Service,
    pub(crate) input: Input,
    /// What it is called; nothing where all is well.
    pub(crate) cause: Option<Cause>,
    pub(crate) does: Does,
}

/// What happens, for the machines.
pub(crate) enum Input {
    /// A server in the simulated network, asked by a real probe.
    Served(served::Server),
    /// What each place sees, second by second after the fault began.
    Seen(seen::Before, Vec<seen::Script>),
}

/// What Servergate does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// All is well.
    Nothing,
    /// It is said, and nothing moves.
    Says,
    TakesOver,
    /// Helps in front of a primary that lives.
    Helps,
    /// Stands in front, and asks it first.
    RelaysFirst,
    /// Serves the zones on.
    ServesOn,
    Asks,
    /// Asks, and shows the primary's own notice until somebody has answered.
    Withholds,
}

impl Does {
    fn of(standing: &Standing) -> Self {
        let topic = standing.question.as_ref().map(|question| question.topic);
        match (standing.role, topic, standing.cause()) {
            (_, Some(Topic::Permission), _) => Self::Withholds,
            (_, Some(_), _) => Self::Asks,
            (Role::Standby, None, None) => Self::Nothing,
            (Role::Standby, None, Some(_)) => Self::Says,
            (Role::Acting | Role::Returning, None, _) => match standing.effect {
                Some(model::Effect::ServeOn) => Self::ServesOn,
                Some(model::Effect::RelayFirst) => Self::RelaysFirst,
                Some(model::Effect::Support) => Self::Helps,
                _ => Self::TakesOver,
            },
        }
    }
}

/// 2026-05-20T09:14:00Z.
const BEGINNING: i64 = 1_779_268_440_000;

pub(crate) fn at(elapsed: Duration) -> Now {
    let start = Now {
        wall: Timestamp::from_millis(BEGINNING),
        ..Now::default()
    };
    start.after(elapsed)
}

/// Each row is an organisation of its own.
pub(crate) fn service(index: usize, row: &Row) -> ServiceId {
    let organisation = OrganisationId::new(format!("row{index}.test"));
    ServiceId::new(organisation, row.service)
}

pub(crate) fn decided(service: ServiceId, places: &[PlaceId]) -> Decided {
    Decided {
        detector: Some(DetectorConfig::new(places.to_vec())),
        policy: Policy {
            mode: Mode::Act,
            hands_back: service.service == Service::Mail,
            ..Policy::default()
        },
        service,
    }
}

/// Plays all rows; gives what became of each.
fn play(rows: &[Row]) -> Vec<Standing> {
    let mut standings: BTreeMap<ServiceId, Standing> = served::play(rows);
    for (index, row) in rows.iter().enumerate() {
        if let Input::Seen(before, scripts) = &row.input {
            let service = service(index, row);
            standings.insert(service.clone(), seen::play(&service, *before, scripts));
        }
    }
    let of = |(index, row): (usize, &Row)| standings.remove(&service(index, row));
    rows.iter()
        .enumerate()
        .map(of)
        .map(|standing| standing.expect("every row was played"))
        .collect()
}

#[test]
fn every_fault_has_its_cause_its_effect_and_a_sentence_that_says_no_more() {
    let rows = rows::all();
    assert!(rows.len() >= 90, "{} rows", rows.len());
    let standings = play(&rows);
    let mut wrong = Vec::new();
    for (row, standing) in rows.iter().zip(&standings) {
        let (cause, does) = (standing.cause(), Does::of(standing));
        if (cause, does) != (row.cause, row.does) {
            let seen = standing.verdict.as_deref().and_then(|one| one.failure());
            wrong.push(format!(
                "{} ({}): {cause:?}, {does:?} instead of {:?}, {:?}; seen: {seen:?}",
                row.what, row.service, row.cause, row.does
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    written::check(&rows, &standings);
}
