//! The public page of an organisation's services: what is measured, what the organisation says.
//!
//! For citizens who find a website dark: a page on a host name of its own and an honest 503, with
//! the standing of each service, what was measured from how many places, what the organisation
//! says, and the course of the disturbance; an Atom feed and `status.json` beside it. Measured and
//! said are never mixed: see [`state`] for what comes from the record, `view` for how it is told.
//!
//! The boot list makes a [`Config`] and runs [`Bulletin`] as a part. It writes everything when
//! standings or records change and serves bytes that lie ready.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use host::web::{Handler, Notice};
use host::{Drain, Host, OpenError, Part, RunError};
use model::{OrganisationId, Record, RecordSpec, Role, Service, Standing, Standings, Timestamp};
use store::{LogName, Position};
use tokio::sync::{mpsc, watch};

pub mod config;
mod feed;
mod language;
mod metrics;
mod moment;
mod notice;
mod page;
mod sentence;
mod serve;
mod shelf;
pub mod state;
mod status;
mod view;
mod wire;

pub use config::{Config, Organisation};
pub use language::Language;

use language::Words;
use metrics::Metrics;
use serve::Desk;
use shelf::Shelf;
use state::State;

/// The log that the deciding task appends [`RecordSpec`]s to.
pub const RECORD_LOG: LogName = LogName::new("record");
/// So many records are read or taken in at once.
const PAGE: usize = 256;

/// What the page says that was measured of one service, times in UTC: for a manual that shows the
/// very words.
pub fn measured_sentence(language: Language, standing: &Standing) -> String {
    let words = Words::of(language);
    let zone = jiff::tz::TimeZone::UTC;
    let measured = view::measured::told(&words, moment::Moments::new(&zone, &words), standing);
    measured.sentence().plain()
}

/// The part.
#[derive(Debug)]
pub struct Bulletin {
    records: mpsc::Receiver<Record>,
    writer: Writer,
}

impl Part for Bulletin {
    type Config = Config;

    async fn open(config: Config, host: Host) -> Result<Self, OpenError> {
        let metrics = Metrics::register(&host.metrics);
        let opened = host.clock.now().wall;
        let mut writer = Writer::new(config.organisations, host.store, opened, metrics.clone());
        writer.catch_up().map_err(OpenError::Store)?;
        writer.write_all();
        let desk = Arc::new(Desk::new(Arc::clone(&writer.shelf), metrics));
        for organisation in writer.organisations.values() {
            if let Some(name) = &organisation.host {
                host.routes
                    .register(name, Arc::clone(&desk) as Arc<dyn Handler>);
            }
        }
        host.routes.register_notice(desk as Arc<dyn Notice>);
        Ok(Self {
            records: config.records,
            writer,
        })
    }

    async fn run(
        self,
        mut standings: watch::Receiver<Standings>,
        drain: Drain,
    ) -> Result<(), RunError> {
        let Self {
            mut records,
            mut writer,
        } = self;
        let mut batch = Vec::with_capacity(PAGE);
        standings.mark_changed();
        loop {
            // Every arm is cancel-safe: what was not taken stays in its channel.
            tokio::select! {
                biased; // an end in order is no failure, even if the sender is gone already
                () = drain.begun() => return Ok(()),
                changed = standings.changed() => {
                    if changed.is_err() {
                        return Err(RunError::Ended("nobody publishes standings any more".to_owned()));
                    }
                    let snapshot = Arc::clone(&standings.borrow_and_update());
                    let changed = writer.catch_up_if_it_can();
                    writer.follow(&snapshot, changed);
                }
                taken = records.recv_many(&mut batch, PAGE), if !records.is_closed() || !records.is_empty() => {
                    // The log has them, in order, with those that found no room in the channel.
                    if taken > 0 {
                        batch.clear();
                        let changed = writer.catch_up_if_it_can();
                        writer.write(&changed);
                    }
                }
            }
        }
    }
}

/// Holds what the pages are made of, and writes those that change.
#[derive(Debug)]
struct Writer {
    organisations: BTreeMap<OrganisationId, Arc<Organisation>>,
    words: BTreeMap<Language, Words>,
    state: State,
    store: store::Store,
    /// Up to here the log was taken in.
    from: Position,
    standings: BTreeMap<OrganisationId, Vec<Standing>>,
    opened: Timestamp,
    shelf: Arc<ArcSwap<Shelf>>,
    metrics: Metrics,
}

impl Writer {
    fn new(
        organisations: Vec<Organisation>,
        store: store::Store,
        opened: Timestamp,
        metrics: Metrics,
    ) -> Self {
        let words = Language::ALL
            .into_iter()
            .map(|language| (language, Words::of(language)))
            .collect();
        let organisations: BTreeMap<_, _> = organisations
            .into_iter()
            .map(|organisation| (organisation.id.clone(), Arc::new(organisation)))
            .collect();
        Self {
            state: State::of(organisations.keys().cloned()),
            organisations,
            words,
            store,
            from: Position::START,
            standings: BTreeMap::new(),
            opened,
            shelf: Arc::default(),
            metrics,
        }
    }

    /// Takes in what the log has beyond what was taken in, page by page; says whose pages that
    /// changes. A record that this version cannot read is passed over and counted: an old page is
    /// better than none.
    /// As [`Self::catch_up`]. A disk that cannot be read leaves the page as it is, and what is
    /// measured now is shown all the same; the next record wakes us again.
    fn catch_up_if_it_can(&mut self) -> BTreeSet<OrganisationId> {
        self.catch_up().unwrap_or_else(|why| {
            tracing::warn!(why = &*why, "the record cannot be read for the public page");
            BTreeSet::new()
        })
    }

    fn catch_up(&mut self) -> Result<BTreeSet<OrganisationId>, Arc<str>> {
        let mut changed = BTreeSet::new();
        loop {
            let page = self
                .store
                .read(&RECORD_LOG, self.from, PAGE)
                .map_err(|error| error.to_string())?;
            let Some(last) = page.last() else {
                return Ok(changed);
            };
            self.from = last.position.next();
            for entry in &page {
                match serde_json::from_slice(&entry.bytes) {
                    Ok(RecordSpec::V1(record)) => {
                        self.metrics.records.inc();
                        changed.extend(self.state.fold(&record));
                    }
                    Err(error) => {
                        self.metrics.unreadable_records.inc();
                        tracing::debug!(%error, "a record cannot be read");
                    }
                }
            }
        }
    }

    /// Takes over a new snapshot of standings, and writes the pages that it changes and those that
    /// are known to have changed.
    fn follow(&mut self, snapshot: &Standings, mut changed: BTreeSet<OrganisationId>) {
        let mut standings: BTreeMap<OrganisationId, Vec<Standing>> = BTreeMap::new();
        for (service, standing) in snapshot.iter() {
            if self.organisations.contains_key(&service.organisation) {
                standings
                    .entry(service.organisation.clone())
                    .or_default()
                    .push(standing.clone());
            }
        }
        let differ = |id: &&OrganisationId| standings.get(id) != self.standings.get(id);
        changed.extend(self.organisations.keys().filter(differ).cloned());
        self.standings = standings;
        self.write(&changed);
    }

    fn write_all(&mut self) {
        let all = self.organisations.keys().cloned().collect();
        self.write(&all);
    }

    /// Writes the pages of some organisations. One that cannot be written keeps what it has.
    fn write(&mut self, changed: &BTreeSet<OrganisationId>) {
        if changed.is_empty() {
            return;
        }
        let mut shelf = Shelf::clone(&self.shelf.load());
        for organisation in changed.iter().filter_map(|id| self.organisations.get(id)) {
            let standings = self.standings.get(&organisation.id);
            let standings = standings.map_or(&[][..], Vec::as_slice);
            let standings = without_a_copy(&self.state, &organisation.id, standings);
            let stand = shelf::write(
                organisation,
                &self.words,
                &standings,
                &self.state,
                self.opened,
            );
            match stand {
                Ok(stand) => {
                    self.metrics.renderings.inc();
                    shelf.put(stand);
                }
                Err(error) => {
                    self.metrics.rendering_failures.inc();
                    tracing::error!(%error, organisation = %organisation.id, "a page could not be written");
                }
            }
        }
        self.shelf.store(Arc::new(shelf));
    }
}

/// A standby that acts for a website of which it holds no copy helps nobody to read it: to the
/// public the website is as dark as it was measured.
fn without_a_copy<'s>(
    state: &State,
    organisation: &OrganisationId,
    standings: &'s [Standing],
) -> Cow<'s, [Standing]> {
    let held = state
        .chronicle(organisation)
        .is_some_and(|one| one.copy().is_some());
    let empty_handed = |standing: &Standing| {
        !held && standing.service.service == Service::Web && standing.role == Role::Acting
    };
    if !standings.iter().any(empty_handed) {
        return Cow::Borrowed(standings);
    }
    let mut shown = standings.to_vec();
    for standing in shown.iter_mut().filter(|standing| empty_handed(standing)) {
        standing.role = Role::Standby;
    }
    Cow::Owned(shown)
}
