//! What is known over all messages of a hand-back and between its rounds: whom the primary refused,
//! when what waits is due, how much it takes, whether a person was asked. Pure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Mono;

use super::{attempt, evidence, job, lane, pace};

/// The first wait after a round in which something had to stay; doubled up to the longest.
pub(super) const RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// The longest wait of one message after many attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What is known over all messages of a hand-back.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// What speaks for an empty primary.
    pub(super) evidence: evidence::Evidence,
    /// When those that were tried in vain are tried again: as many as wait, at the most.
    pub(super) due: BTreeMap<u64, Mono>,
    /// How much the primary takes.
    pub(super) pace: pace::Pace,
    /// More connections it refused while so many stood.
    pub(super) connections: Option<usize>,
    pub(super) introductions: lane::Introductions,
}

impl Conditions {
    pub(super) fn is_due(&self, position: u64, now: Mono) -> bool {
        self.due.get(&position).is_none_or(|due| *due <= now)
    }

    /// Whether this message had better not be sent now, because of how many there were; then it is
    /// due when the others are whom that concerns.
    pub(super) fn puts_off(&mut self, job: &job::Job, now: Mono) -> bool {
        let client = job.client().address.ip();
        let until = self.pace.until(&job.sender, client, now);
        if let Some(until) = until {
            self.due.insert(job.position, until);
        }
        until.is_some()
    }

    /// What came of a message shows how much the primary takes. Until when it waits with the others
    /// whom that concerns, if it does.
    pub(super) fn note_pace(
        &mut self,
        job: &job::Job,
        judged: &attempt::Judgement,
        now: Mono,
    ) -> Option<Mono> {
        let client = job.client().address.ip();
        if judged.taken() {
            self.pace.taken(&job.sender, client, now);
        }
        let limited = judged.limited();
        limited.then(|| self.pace.put_off(job.position, &job.sender, client, now))?
    }

    /// Whatever waits is tried at once.
    pub(super) fn hurry(&mut self) {
        self.due.clear();
        self.pace = pace::Pace::default();
    }
}

/// How long a message waits that was tried in vain so often.
pub(super) fn backoff(tries: u32) -> Duration {
    let doubled = 1_u32
        .checked_shl(tries.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let longest = match tries {
        ..=24 => LONGEST_RETRY,
        _ => LONGEST_WAIT,
    };
    RETRY.saturating_mul(doubled).min(longest)
}

/// What is remembered between rounds.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) conditions: Arc<Mutex<Conditions>>,
    /// A canary was taken since the primary is back.
    pub(super) proved: bool,
    /// A round was paused because of refusals.
    pub(super) paused: bool,
    /// A person was asked because of that.
    pub(super) asked: bool,
    /// A person said yes: what is refused goes to quarantine.
    pub(super) released: bool,
    /// It was said that nothing waits any more.
    pub(super) told: bool,
    pub(super) retry: Option<(Mono, Duration)>,
}

impl Memory {
    /// Nothing may go out at the moment.
    pub(super) fn must_wait(&mut self, asked: bool) {
        (self.proved, self.told, self.retry) = (false, false, None);
        self.begin_anew();
        self.asked = asked && self.paused;
        self.paused &= asked;
    }

    /// Something may go out (again).
    pub(super) fn may_go_on(&mut self) {
        if std::mem::take(&mut self.asked) {
            // The question is gone and we may go on: a person said yes.
            self.paused = false;
            self.released = true;
            self.begin_anew();
        }
    }

    /// What was said before speaks for nothing now, and whatever waits is tried at once.
    pub(super) fn begin_anew(&mut self) {
        let evidence = evidence::Evidence::new(self.released);
        *self.conditions() = Conditions {
            evidence,
            ..Conditions::default()
        };
    }

    pub(super) fn conditions(&self) -> std::sync::MutexGuard<'_, Conditions> {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Others go on while a message waits: the next attempt is that of the first one due. `began`:
    /// the round, in which everything was tried that was due by then; what is still noted to be due
    /// before it is gone.
    pub(super) fn wait_for_the_first(&mut self, began: Mono, now: Mono) {
        let first = {
            let mut conditions = self.conditions();
            conditions.due.retain(|_, due| *due > began);
            conditions.due.values().min().copied()
        };
        match first.filter(|_| self.proved) {
            Some(first) => self.retry = Some((first, RETRY)),
            None => self.wait_longer(now),
        }
    }

    pub(super) fn wait_longer(&mut self, now: Mono) {
        let next = self
            .retry
            .map_or(RETRY, |(_, last)| (last * 2).min(LONGEST_RETRY));
        self.retry = Some((now.after(next), next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_waited_for_by_nobody() {
        let at = |seconds| Mono::default().after(Duration::from_secs(seconds));
        let mut memory = Memory {
            proved: true,
            ..Memory::default()
        };
        memory.conditions().due.extend([(1, at(5)), (2, at(30))]);
        memory.wait_for_the_first(at(10), at(12));
        assert_eq!(memory.retry, Some((at(30), RETRY)));
        memory.wait_for_the_first(at(40), at(42));
        assert_eq!(memory.retry, Some((at(42).after(RETRY * 2), RETRY * 2)));
    }
}
