//! The one place where what is answered changes: zones, standings and overlays go in, one
//! immutable set comes out and replaces the last one atomically.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use model::{Mono, Standings};

use crate::answer::{Served, ZoneSet};
use crate::config::{Organisation, Steer, Via};
use crate::keep::Version;
use crate::steer::{self, Direction, Overlay, WhyNot};
use crate::story::Trouble;
use crate::wire::Name;
use crate::zone::Zone;

/// What is answered from, and what it was made of.
#[derive(Debug)]
pub(crate) struct Published {
    set: ArcSwap<ZoneSet>,
    made_of: Mutex<MadeOf>,
    organisations: Arc<[Organisation]>,
}

/// What the keeper of a zone knows beside the version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// When it will no longer be served.
    pub(crate) expires: Option<Mono>,
    /// The primary's serial, where it is older than ours.
    pub(crate) behind: Option<u32>,
    /// Why it cannot be refreshed.
    pub(crate) trouble: Option<Trouble>,
}

#[derive(Debug, Default)]
struct MadeOf {
    set: ZoneSet,
    standings: Standings,
    zones: BTreeMap<Name, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    organisation: usize,
    version: Option<Version>,
    live: bool,
    report: Report,
}

impl Published {
    pub(crate) fn new(organisations: Arc<[Organisation]>) -> Self {
        let published = Self {
            set: ArcSwap::default(),
            made_of: Mutex::default(),
            organisations: Arc::clone(&organisations),
        };
        let mut made_of = published.lock();
        for (index, organisation) in organisations.iter().enumerate() {
            for zone in &organisation.zones {
                let entry = Entry {
                    organisation: index,
                    ..Entry::default()
                };
                made_of.zones.insert(zone.clone(), entry);
            }
        }
        published.make_all(&mut made_of);
        drop(made_of);
        published
    }

    /// The set to answer from; for one batch of questions.
    pub(crate) fn load(&self) -> Guard<Arc<ZoneSet>> {
        self.set.load()
    }

    /// What is held of a zone, served or not.
    pub(crate) fn version(&self, apex: &Name) -> Option<Version> {
        self.lock().zones.get(apex)?.version.clone()
    }

    /// The version that is served, if one is.
    pub(crate) fn serving(&self, apex: &Name) -> Option<Version> {
        self.lock()
            .zones
            .get(apex)
            .filter(|entry| entry.live)?
            .version
            .clone()
    }

    /// Serves a version from now on.
    pub(crate) fn put(&self, apex: &Name, version: Version, live: bool) {
        let mut made_of = self.lock();
        if let Some(entry) = made_of.zones.get_mut(apex) {
            entry.version = Some(version);
            entry.live = live;
            self.make(&mut made_of, apex);
        }
    }

    /// Serves what is held, or stops.
    pub(crate) fn set_live(&self, apex: &Name, live: bool) {
        let mut made_of = self.lock();
        if let Some(entry) = made_of.zones.get_mut(apex) {
            entry.live = live;
            self.make(&mut made_of, apex);
        }
    }

    /// Keeps what the keeper of a zone knows.
    pub(crate) fn report(&self, apex: &Name, report: Report) {
        if let Some(entry) = self.lock().zones.get_mut(apex) {
            entry.report = report;
        }
    }

    /// Each zone with its organisation, what is held of it, whether that is served, and what its
    /// keeper knows.
    pub(crate) fn each<T>(
        &self,
        mut look: impl FnMut(&Name, &Organisation, Option<&Version>, bool, &Report) -> T,
    ) -> Vec<T> {
        let made_of = self.lock();
        let mut all = Vec::with_capacity(made_of.zones.len());
        for (apex, entry) in &made_of.zones {
            if let Some(organisation) = self.organisations.get(entry.organisation) {
                let version = entry.version.as_ref();
                all.push(look(apex, organisation, version, entry.live, &entry.report));
            }
        }
        all
    }

    /// The standings that are followed now.
    pub(crate) fn standings(&self) -> Standings {
        Arc::clone(&self.lock().standings)
    }

    /// Whose names these are.
    pub(crate) fn organisations(&self) -> &[Organisation] {
        &self.organisations
    }

    /// Follows new standings.
    pub(crate) fn follow(&self, standings: Standings) {
        let mut made_of = self.lock();
        made_of.standings = standings;
        self.make_all(&mut made_of);
    }

    /// How many zones should be answered from and cannot.
    pub(crate) fn unavailable(&self) -> usize {
        let made_of = self.lock();
        made_of
            .zones
            .values()
            .filter(|entry| !entry.live || entry.version.is_none())
            .count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, MadeOf> {
        self.made_of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one zone anew and puts the set in place.
    fn make(&self, made_of: &mut MadeOf, apex: &Name) {
        if let Some(entry) = made_of.zones.get(apex) {
            let served = self.served(entry, &made_of.standings);
            made_of.set.insert(apex.clone(), served);
        }
        self.set.store(Arc::new(made_of.set.clone()));
    }

    /// The same for all zones: the standings changed.
    fn make_all(&self, made_of: &mut MadeOf) {
        for (apex, entry) in &made_of.zones {
            made_of
                .set
                .insert(apex.clone(), self.served(entry, &made_of.standings));
        }
        for organisation in self.organisations.iter() {
            if let Some((apex, zone)) = own_zone(organisation, &made_of.standings) {
                made_of.set.insert(apex, Served::new(zone, None));
            }
        }
        self.set.store(Arc::new(made_of.set.clone()));
    }

    fn served(&self, entry: &Entry, standings: &Standings) -> Served {
        let zone = entry.version.as_ref().filter(|_| entry.live);
        let zone = zone.map(|version| Arc::clone(&version.zone));
        let organisation = self.organisations.get(entry.organisation);
        let overlay = match (&zone, organisation) {
            (Some(zone), Some(organisation)) => overlay(zone, organisation, standings).0,
            _ => None,
        };
        Served::new(zone, overlay.map(Arc::new))
    }
}

/// What is laid over one zone of an organisation, and what cannot be.
pub(crate) fn overlay(
    zone: &Zone,
    organisation: &Organisation,
    standings: &Standings,
) -> (Option<Overlay>, Vec<WhyNot>) {
    let Some(steer) = organisation
        .steer
        .as_ref()
        .filter(|steer| steer.via == Via::Secondary)
    else {
        return (None, Vec::new());
    };
    let (names, wrong) = steer::steerable(zone, &steer.names, &steer.addresses);
    if names.is_empty() {
        return (None, wrong);
    }
    let (direction, _) = steer::direction(standings, &organisation.id);
    let leads = (direction == Direction::Standby).then_some(&steer.addresses);
    (Some(Overlay::new(names, leads)), wrong)
}

/// The standby zone of an organisation, if it has one.
fn own_zone(
    organisation: &Organisation,
    standings: &Standings,
) -> Option<(Name, Option<Arc<Zone>>)> {
    let Steer {
        via,
        names,
        addresses,
        primary,
    } = organisation.steer.as_ref()?;
    let Via::Zone {
        apex,
        servers,
        glue,
    } = via
    else {
        return None;
    };
    let (direction, epoch) = steer::direction(standings, &organisation.id);
    let leads = match direction {
        Direction::Primary => primary,
        Direction::Standby => addresses,
    };
    let zone = steer::standby_zone(apex, servers, glue, names, leads, epoch).ok();
    Some((apex.clone(), zone.map(Arc::new)))
}
