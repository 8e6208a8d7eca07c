//! What the places say together: who has a vote, who sees it failing, who sees it steady.

use super::{
    Cause, Condition, Detector, Failure, Finding, Now, Observation, PlaceState, Sees, Timestamp,
};

/// How a place stands to the running burst.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ballot {
    Blind,
    Confirmed,
    Denied,
    Pending,
}

impl Detector {
    pub(super) fn ballot(&self, now: Now, place: &PlaceState) -> Ballot {
        if place.denied {
            Ballot::Denied
        } else if place.failed >= self.config.burst && self.votes(now, place) {
            Ballot::Confirmed
        } else if self.votes(now, place) {
            Ballot::Pending
        } else {
            Ballot::Blind
        }
    }

    pub(super) fn fresh(&self, now: Now, place: &PlaceState) -> bool {
        place
            .heard
            .is_some_and(|heard| now.mono.since(heard) < self.config.stale)
    }

    pub(super) fn votes(&self, now: Now, place: &PlaceState) -> bool {
        let Some(last) = &place.last else {
            return false;
        };
        if !self.fresh(now, place) || blind(last) {
            return false;
        }
        // One place alone needs references, or it withholds the verdict.
        let heard = self.places.values().filter(|place| self.fresh(now, place));
        let alone = heard.count() == 1;
        last.finding.is_good() || !alone || last.sees == Sees::References
    }

    pub(super) fn voters(&self, now: Now) -> impl Iterator<Item = &PlaceState> {
        self.places
            .values()
            .filter(move |place| self.votes(now, place))
    }

    pub(super) fn failing(&self, now: Now) -> impl Iterator<Item = &Observation> {
        self.voters(now)
            .filter_map(|place| place.last.as_ref())
            .filter(|last| !last.finding.is_good())
    }

    /// Whether a failing place that votes sees its references.
    pub(super) fn sees_references(&self, now: Now) -> bool {
        self.failing(now).any(|last| last.sees == Sees::References)
    }

    /// Somebody was heard once, and nobody can judge now.
    pub(super) fn all_blind(&self, now: Now) -> bool {
        self.places.values().any(|place| place.heard.is_some()) && self.voters(now).count() == 0
    }

    /// Only who looked for its references, and has none that answers, is cut off. Everybody else
    /// did not probe in time, or could not: that says nothing of the network.
    pub(super) fn why_nobody_judges(&self, now: Now) -> Cause {
        let heard = self.places.values().filter(|place| self.fresh(now, place));
        let cut_off = |last: &Observation| {
            !last.finding.is_good() && matches!(last.sees, Sees::Nothing | Sees::NotConfigured)
        };
        let mut last = heard.filter_map(|place| place.last.as_ref());
        match last.any(cut_off) {
            true => Cause::Observer,
            false => Cause::NotMeasured,
        }
    }

    /// Since when it fails without a break: for one place that is its first failure, whatever
    /// became of bursts since. Where places disagreed before, the last one that joined counts.
    pub(super) fn first_failure(&self) -> Timestamp {
        let failing = self.places.values().filter_map(|place| place.failing_since);
        failing.max().unwrap_or_default()
    }

    /// The places that have a vote and see it fail and answer in turn.
    pub(super) fn turning(&self, now: Now) -> impl Iterator<Item = &PlaceState> {
        let slot = self.config.interval;
        self.voters(now)
            .filter(move |place| place.steadiness.is_unstable(now.mono, slot))
    }

    /// Whether a majority sees it fail and answer in turn.
    pub(super) fn fails_in_turn(&self, now: Now) -> bool {
        self.turning(now).count() * 2 > self.voters(now).count()
    }

    /// Whether a majority saw no failure for long enough.
    pub(super) fn is_calm(&self, now: Now) -> bool {
        let calm = self.config.calm;
        let clean = |place: &&PlaceState| place.steadiness.is_clean(now.mono, calm);
        self.voters(now).filter(clean).count() * 2 > self.voters(now).count()
    }

    /// The observations that speak for a condition.
    pub(super) fn evidence(&self, now: Now, condition: Condition) -> Vec<Observation> {
        let last = self.places.values().filter_map(|place| place.last.as_ref());
        match condition {
            Condition::Reachable => Vec::new(),
            Condition::Unstable => {
                let failed = self
                    .turning(now)
                    .filter_map(|place| place.last_failed.as_ref());
                failed.cloned().collect()
            }
            _ => last
                .filter(|last| !last.finding.is_good())
                .cloned()
                .collect(),
        }
    }
}

/// Whether an observation says more about the observer than about the target.
pub(super) fn blind(observation: &Observation) -> bool {
    match observation.finding {
        Finding::Good { .. } => false,
        Finding::Failed(Failure::Local) => true,
        Finding::Failed(_) => observation.sees == Sees::Nothing,
    }
}
