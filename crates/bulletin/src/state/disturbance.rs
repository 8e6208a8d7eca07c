//! One disturbance of an organisation: all outages of its services that overlap, with what was
//! measured and done in the course of it.

use super::{BTreeMap, BTreeSet, Cause, ENTRIES, OrderKind, OutageId, Role, Service, Timestamp};

/// The first entries of a disturbance, which are kept whatever comes after them.
const FIRST: usize = 40;

/// One thing in the course of a disturbance. Measured or done; what is said is never here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first failed observation, where its cause is not known.
    Began,
    /// What was measured, when it changed.
    Cause(Cause),
    /// The primary answers again.
    Answers,
    /// The standby serves.
    TookOver,
    /// The standby stands in front of a primary that fails and answers in turn.
    Supports,
    /// The standby relays to the primary, names still lead here.
    Returning,
    /// The primary serves.
    StoodDown,
    /// In mode observe: the role that would have been taken.
    Would(Role),
    /// In mode observe: it would stand in front of the primary.
    WouldSupport,
    /// A person was asked whether to take over.
    AskedTakeOver,
    /// A person was asked whether to hand back.
    AskedReturn,
    /// A person was asked because the primary refuses what is handed back to it.
    AskedHandBack,
    /// The primary has all that was kept for it.
    HandedBack,
    /// A person answered.
    Answered(bool),
    /// A person gave an order.
    Ordered(OrderKind),
    /// The outage is over.
    Ended,
}

impl Event {
    /// Whether the measurement saw it; otherwise it was done, by the standby or by a person.
    pub fn is_measured(self) -> bool {
        matches!(
            self,
            Self::Began | Self::Cause(_) | Self::Answers | Self::Ended
        )
    }
}

/// An event with its time and its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Which service.
    pub service: Service,
    /// What.
    pub event: Event,
}

/// One outage of one service, from when to when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its name, stable for feeds.
    pub outage: OutageId,
    /// Which service.
    pub service: Service,
    /// The first failed observation.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// What was measured last.
    pub cause: Option<Cause>,
    /// When something was last added.
    pub updated: Timestamp,
}

/// One disturbance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// The first sign of it.
    pub began: Timestamp,
    /// When all of it was over.
    pub ended: Option<Timestamp>,
    /// How many entries are left out, after the first ones.
    pub omitted: usize,
    entries: Vec<Entry>,
    stretches: Vec<Stretch>,
    /// Services whose outage runs.
    dark: BTreeSet<Service>,
    /// Services that the standby serves or hands back.
    away: BTreeSet<Service>,
    /// The last cause entered for each service.
    causes: BTreeMap<Service, Cause>,
}

impl Disturbance {
    pub(super) fn beginning(at: Timestamp) -> Self {
        Self {
            began: at,
            ended: None,
            omitted: 0,
            entries: Vec::new(),
            stretches: Vec::new(),
            dark: BTreeSet::new(),
            away: BTreeSet::new(),
            causes: BTreeMap::new(),
        }
    }

    /// What happened, in the order of time.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The outages of single services in it.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    pub(super) fn concerns(&self, service: Service) -> bool {
        self.dark.contains(&service) || self.away.contains(&service)
    }

    /// Enters an event; one that is there already changes nothing.
    pub(super) fn enter(&mut self, entry: Entry) -> bool {
        if self.entries.contains(&entry) {
            return false;
        }
        let place = self.entries.partition_point(|known| known.at <= entry.at);
        self.entries.insert(place, entry);
        if self.entries.len() > ENTRIES {
            self.entries.remove(FIRST);
            self.omitted = self.omitted.saturating_add(1);
        }
        true
    }

    /// An outage begins; with what was measured at its beginning, where that is known.
    pub(super) fn begin(
        &mut self,
        since: Timestamp,
        outage: &OutageId,
        service: Service,
        cause: Option<Cause>,
    ) -> bool {
        if self.stretches.iter().any(|known| known.outage == *outage) {
            return false;
        }
        self.began = self.began.min(since);
        self.dark.insert(service);
        self.stretches.push(Stretch {
            outage: outage.clone(),
            service,
            began: since,
            ended: None,
            cause: None,
            updated: since,
        });
        if self.stretches.len() > ENTRIES {
            self.stretches.remove(0);
        }
        match cause {
            Some(cause) => self.cause(since, service, cause),
            None => self.enter(Entry {
                at: since,
                service,
                event: Event::Began,
            }),
        };
        true
    }

    pub(super) fn cause(&mut self, at: Timestamp, service: Service, cause: Cause) -> bool {
        if self.causes.get(&service) == Some(&cause) {
            return false;
        }
        self.causes.insert(service, cause);
        if let Some(stretch) = self.running(service) {
            stretch.cause = Some(cause);
            stretch.updated = stretch.updated.max(at);
        }
        self.enter(Entry {
            at,
            service,
            event: Event::Cause(cause),
        })
    }

    /// The primary answers again: the next cause is news, even if it is the same one.
    pub(super) fn answers(&mut self, at: Timestamp, service: Service) -> bool {
        if self.causes.remove(&service).is_none() {
            return false;
        }
        self.enter(Entry {
            at,
            service,
            event: Event::Answers,
        })
    }

    pub(super) fn end(&mut self, at: Timestamp, outage: &OutageId, service: Service) -> bool {
        let Some(stretch) = self
            .stretches
            .iter_mut()
            .find(|known| known.outage == *outage && known.ended.is_none())
        else {
            return false;
        };
        stretch.ended = Some(at);
        stretch.updated = stretch.updated.max(at);
        self.dark.remove(&service);
        self.causes.remove(&service);
        self.enter(Entry {
            at,
            service,
            event: Event::Ended,
        });
        self.close(at);
        true
    }

    /// Notes whether the standby serves the service (or hands it back).
    pub(super) fn set_away(&mut self, at: Timestamp, service: Service, away: bool) {
        if away {
            self.away.insert(service);
        } else {
            self.away.remove(&service);
        }
        self.close(at);
    }

    fn close(&mut self, at: Timestamp) {
        if self.dark.is_empty() && self.away.is_empty() && self.ended.is_none() {
            self.ended = Some(at);
        }
    }

    fn running(&mut self, service: Service) -> Option<&mut Stretch> {
        self.stretches
            .iter_mut()
            .rev()
            .find(|stretch| stretch.service == service && stretch.ended.is_none())
    }
}
