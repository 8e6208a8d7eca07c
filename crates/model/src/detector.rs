//! The detector: from observations of many places to one verdict.
//!
//! A failure anywhere starts a confirmation burst at every place. A majority of the places that
//! vote must fail all of it. A place that does not see its own references does not vote; a place
//! that is alone and has no references withholds the verdict.
//!
//! ```text
//!            failure                all of the burst failed at a majority
//! Reachable ─────────▶ Suspect ─────────────────────────────────────────▶ Dark
//!     ▲                   │ a minority failed all of it                    │
//!     │◀──────────────────┼──────────▶ BelowQuorum                         │
//!     │   burst denied    │                                                │
//!     └───────────────────┴──────── a majority finds it good ◀─────────────┘
//! from anywhere: no place can judge ──▶ Blind; a place that sees again leads back
//! ```
//!
//! Failures that are too short for a burst and come again and again are `Unstable`: at a majority
//! more than a quarter of the last minutes' probes failed, and it answered in between
//! ([`steadiness`]). That lasts until a majority finds it clean for [`DetectorConfig::calm`]; a
//! failure starts a burst all the same, and what fails all of it is Dark in the usual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Cause, Condition, Failure, Finding, Identity, Mono, Now, Observation, PlaceId, PlaceView,
    Purpose, Sees, ServiceId, Timestamp, Verdict,
};
use places::{Ballot, blind};
use steadiness::Steadiness;

pub(crate) mod cause;
mod places;
mod steadiness;
#[cfg(test)]
mod tests;

/// How a detector judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectorConfig {
    /// The places that report.
    pub places: Vec<PlaceId>,
    /// How many probes a burst has at each place.
    pub burst: u32,
    /// How long a burst takes at the most, from the request to the last report.
    pub burst_time: Duration,
    /// A place that was not heard for so long has no vote.
    pub stale: Duration,
    /// From probe to probe. Eighteen of it are the time that is looked back upon to tell what
    /// fails and answers in turn.
    pub interval: Duration,
    /// What fails and answers in turn is reachable again after so long without a failure. As long
    /// as [`Policy::clean`](crate::Policy::clean), which need not be waited for a second time then.
    pub calm: Duration,
}

impl DetectorConfig {
    /// Three probes three seconds apart, three seconds each, and as much again for the way here;
    /// a place is stale after three intervals of ten seconds.
    pub fn new(places: Vec<PlaceId>) -> Self {
        let seconds = Duration::from_secs;
        Self {
            places,
            burst: 3,
            burst_time: seconds(12),
            stale: seconds(35),
            interval: seconds(10),
            calm: seconds(180),
        }
    }
}

/// What a detector is told.
#[derive(Clone, Debug)]
pub enum DetectorInput {
    /// A place observed.
    Observation(Box<Observation>),
    /// A part noticed a failure by itself.
    Hint,
    /// Time passed.
    Tick,
}

/// What a detector wants.
#[derive(Clone, Debug, PartialEq)]
pub enum DetectorAction {
    /// Every place shall probe the service in a burst.
    Burst {
        /// The burst's number, to be carried by its observations.
        number: u64,
        /// The service.
        service: ServiceId,
    },
    /// Another verdict was reached.
    Verdict(Arc<Verdict>),
}

/// What is known of one place.
#[derive(Clone, Debug, Default)]
struct PlaceState {
    last: Option<Observation>,
    heard: Option<Mono>,
    /// When it began to fail; what it did not see itself changes nothing.
    failing_since: Option<Timestamp>,
    /// Failed observations of the running burst.
    failed: u32,
    /// Whether the running burst (or anything since its start) was good here.
    denied: bool,
    /// The last observation that failed and that had a vote.
    last_failed: Option<Observation>,
    steadiness: Steadiness,
}

#[derive(Clone, Copy, Debug)]
struct Confirming {
    number: u64,
    deadline: Mono,
    /// What had been reported of it at the last deadline.
    reported: u32,
}

/// One detector per (organisation, service).
#[derive(Clone, Debug)]
pub struct Detector {
    service: ServiceId,
    config: DetectorConfig,
    places: BTreeMap<PlaceId, PlaceState>,
    confirming: Option<Confirming>,
    bursts: u64,
    condition: Option<Condition>,
    cause: Option<Cause>,
    since: Timestamp,
    last_good: Option<Timestamp>,
    identity: Option<Identity>,
}

impl Detector {
    /// A detector that has heard nothing yet.
    pub fn new(service: ServiceId, config: DetectorConfig) -> Self {
        let places = config
            .places
            .iter()
            .map(|p| (p.clone(), PlaceState::default()))
            .collect();
        Self {
            service,
            config,
            places,
            confirming: None,
            bursts: 0,
            condition: None,
            cause: None,
            since: Timestamp::default(),
            last_good: None,
            identity: None,
        }
    }

    /// When the detector wants a `Tick`, if nothing happens before.
    pub fn next_wakeup(&self) -> Option<Mono> {
        let heard = self.places.values().filter_map(|place| place.heard).max();
        let stale = heard.map(|heard| heard.after(self.config.stale));
        let stale = stale.filter(|_| self.condition != Some(Condition::Blind));
        let deadline = self.confirming.map(|confirming| confirming.deadline);
        [stale, deadline].into_iter().flatten().min()
    }

    /// Takes one input in. `out` receives what follows from it, in order.
    pub fn handle(&mut self, now: Now, input: DetectorInput, out: &mut Vec<DetectorAction>) {
        match input {
            DetectorInput::Observation(observation) => self.observe(now, *observation, out),
            DetectorInput::Hint => {
                // A hint is never an observation: it only makes us look.
                if self.condition == Some(Condition::Reachable) && self.confirming.is_none() {
                    self.start_burst(now, out);
                }
            }
            DetectorInput::Tick => self.judge(now, out),
        }
    }

    fn observe(&mut self, now: Now, observation: Observation, out: &mut Vec<DetectorAction>) {
        let number = self.confirming.map(|confirming| confirming.number);
        let Some(place) = self.places.get_mut(&observation.place) else {
            return;
        };
        let good = observation.finding.is_good();
        if good {
            place.denied = true;
            place.failing_since = None;
            self.last_good = self.last_good.max(Some(observation.at));
            if let Finding::Good { identity } = &observation.finding {
                // Who answers without a proof is not the one who proved it before.
                self.identity = identity.clone();
            }
        } else if number.is_some_and(|number| observation.purpose == Purpose::Burst(number)) {
            place.failed += 1;
        }
        let sighted = !blind(&observation);
        if !good && sighted {
            place.failing_since.get_or_insert(observation.at);
        }
        let newly_failing = !good
            && place
                .last
                .as_ref()
                .is_none_or(|last| last.finding.is_good() || blind(last));
        if place
            .heard
            .is_some_and(|heard| now.mono.since(heard) >= self.config.stale)
        {
            place.steadiness.interrupt();
        }
        place.heard = Some(now.mono);
        let name = observation.place.clone();
        place.last = Some(observation);
        self.note(now, &name);
        let look = match self.condition {
            // A dark service needs no confirmation that it is dark.
            Some(Condition::Dark | Condition::Suspect) => false,
            // No failure of what is called reachable goes without a look, also where the burst
            // that was asked for before it was denied by an answer in the middle.
            Some(Condition::Reachable | Condition::Unstable) => !good && self.confirming.is_none(),
            _ => newly_failing,
        };
        // Whoever sees nothing has no failure to be looked at.
        if look && sighted && !self.all_blind(now) {
            self.suspect(now, out);
        }
        self.judge(now, out);
    }

    /// Counts a place's last observation, if the place has a vote.
    fn note(&mut self, now: Now, name: &PlaceId) {
        let times = (self.config.interval, self.config.calm);
        let Some(place) = self.places.get(name) else {
            return;
        };
        let votes = self.votes(now, place);
        let Some(place) = self.places.get_mut(name) else {
            return;
        };
        let Some(last) = place.last.as_ref().filter(|_| votes) else {
            return place.steadiness.interrupt();
        };
        let good = last.finding.is_good();
        place.steadiness.note(now.mono, times, good, last.at);
        if !good {
            place.last_failed = Some(last.clone());
        }
    }

    /// A failure was seen: say so, and have it confirmed unless that is under way.
    fn suspect(&mut self, now: Now, out: &mut Vec<DetectorAction>) {
        // What fails and answers in turn is known to fail: only whether it has stopped answering.
        if self.condition != Some(Condition::Unstable) {
            self.since = self.first_failure();
            self.condition_is(now, Condition::Suspect, None, out);
        }
        if self.confirming.is_none() {
            self.start_burst(now, out);
        }
    }

    fn start_burst(&mut self, now: Now, out: &mut Vec<DetectorAction>) {
        self.bursts += 1;
        for place in self.places.values_mut() {
            place.failed = 0;
            place.denied = false;
        }
        let deadline = now.mono.after(self.config.burst_time);
        self.confirming = Some(Confirming {
            number: self.bursts,
            deadline,
            reported: 0,
        });
        let service = self.service.clone();
        out.push(DetectorAction::Burst {
            number: self.bursts,
            service,
        });
    }

    fn judge(&mut self, now: Now, out: &mut Vec<DetectorAction>) {
        if self.all_blind(now) {
            self.confirming = None;
            let why = self.why_nobody_judges(now);
            if (self.condition, self.cause) != (Some(Condition::Blind), Some(why)) {
                self.since = now.wall;
                self.condition_is(now, Condition::Blind, Some(why), out);
            }
            return;
        }
        match self.confirming {
            Some(confirming) => self.count_burst(now, confirming, out),
            None => self.count_steady(now, out),
        }
        // What is suspected waits for its burst.
        let open = matches!(
            self.condition,
            Some(Condition::Reachable | Condition::BelowQuorum)
        );
        if open && self.fails_in_turn(now) {
            self.unstable(now, out);
        }
    }

    fn count_burst(&mut self, now: Now, confirming: Confirming, out: &mut Vec<DetectorAction>) {
        let over = now.mono >= confirming.deadline;
        let count = |wanted| {
            self.places
                .values()
                .filter(|place| self.ballot(now, place) == wanted)
                .count()
        };
        let (confirmed, denied) = (count(Ballot::Confirmed), count(Ballot::Denied));
        // Places that did not report in time have no vote.
        let pending = if over { 0 } else { count(Ballot::Pending) };
        let voters = confirmed + denied + pending;
        if over && voters == 1 && confirmed == 1 && !self.sees_references(now) {
            self.confirming = None;
            self.condition_is(now, Condition::BelowQuorum, Some(Cause::BelowQuorum), out);
        } else if confirmed > 0 && confirmed * 2 > voters {
            self.confirming = None;
            let cause = cause::agreed(self.failing(now));
            if self.condition == Some(Condition::Unstable) {
                self.since = self.first_failure();
            }
            self.condition_is(now, Condition::Dark, Some(cause), out);
        } else if pending == 0 && confirmed > 0 {
            self.confirming = None;
            if self.condition == Some(Condition::Unstable) && !self.is_calm(now) {
                return;
            }
            self.condition_is(now, Condition::BelowQuorum, Some(Cause::Path), out);
        } else if pending == 0 && denied > 0 {
            self.confirming = None;
            self.answers(now, out);
        } else if over {
            self.wait_or_look_again(now, confirming, out);
        }
    }

    /// Nobody brought the burst to an end in time, and nothing is claimed. Where it goes on, as in
    /// a mass of bursts that wait for one another, its reports are waited for; else we look again.
    fn wait_or_look_again(
        &mut self,
        now: Now,
        confirming: Confirming,
        out: &mut Vec<DetectorAction>,
    ) {
        let reported = self.places.values().map(|place| place.failed).sum();
        if reported > confirming.reported {
            self.confirming = Some(Confirming {
                deadline: now.mono.after(self.config.burst_time),
                reported,
                ..confirming
            });
        } else {
            self.start_burst(now, out);
        }
    }

    fn count_steady(&mut self, now: Now, out: &mut Vec<DetectorAction>) {
        let failing = self.failing(now).count();
        let voters = self.voters(now).count();
        match self.condition {
            Some(Condition::Dark) if failing * 2 <= voters => self.answers(now, out),
            Some(Condition::Dark) => {
                let cause = cause::agreed(self.failing(now));
                if Some(cause) != self.cause {
                    self.condition_is(now, Condition::Dark, Some(cause), out);
                }
            }
            Some(Condition::Suspect) => {}
            Some(Condition::Unstable) => self.answers(now, out),
            _ if failing == 0 && voters > 0 => self.answers(now, out),
            // What failed while we were blind is looked at properly once we see again.
            Some(Condition::Blind) | None if failing > 0 => self.suspect(now, out),
            // The places that reached it fell silent; those that do not are the majority now.
            Some(Condition::BelowQuorum) if voters > 1 && failing * 2 > voters => {
                self.suspect(now, out);
            }
            _ => {}
        }
    }

    /// It answers: it is reachable, or it is unstable.
    fn answers(&mut self, now: Now, out: &mut Vec<DetectorAction>) {
        let unstable = match self.condition {
            Some(Condition::Reachable) => return,
            Some(Condition::Unstable) if !self.is_calm(now) => return,
            Some(Condition::Unstable) => false,
            _ => self.fails_in_turn(now),
        };
        if unstable {
            return self.unstable(now, out);
        }
        self.since = self.last_good.unwrap_or(now.wall);
        self.condition_is(now, Condition::Reachable, None, out);
    }

    fn unstable(&mut self, now: Now, out: &mut Vec<DetectorAction>) {
        let first = self
            .turning(now)
            .filter_map(|place| place.steadiness.unsettled());
        self.since = first.min().unwrap_or(now.wall);
        self.condition_is(now, Condition::Unstable, Some(Cause::Unstable), out);
    }

    fn condition_is(
        &mut self,
        now: Now,
        condition: Condition,
        cause: Option<Cause>,
        out: &mut Vec<DetectorAction>,
    ) {
        self.condition = Some(condition);
        self.cause = cause;
        out.push(DetectorAction::Verdict(Arc::new(
            self.verdict(now, condition),
        )));
    }

    fn verdict(&self, now: Now, condition: Condition) -> Verdict {
        let view = |(name, place): (&PlaceId, &PlaceState)| PlaceView {
            place: name.clone(),
            votes: self.votes(now, place),
            finding: place.last.as_ref().map(|last| last.finding.clone()),
            at: place.last.as_ref().map(|last| last.at),
        };
        Verdict {
            service: self.service.clone(),
            condition,
            cause: self.cause,
            at: now.wall,
            since: self.since,
            last_good: self.last_good,
            identity: self.identity.clone(),
            places: self.places.iter().map(view).collect(),
            evidence: self.evidence(now, condition),
        }
    }
}
