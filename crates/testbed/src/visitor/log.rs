//! A visitor's log, and what can be read out of it: how long it was dark, who served when, and how
//! late the machine itself was.

use std::fmt::Write as _;
use std::time::Duration;

use super::Visit;

/// What a visitor lived through.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// All visits in their order.
    pub visits: Vec<Visit>,
}

impl Log {
    /// How many visits were not served.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.visits
            .iter()
            .filter(|visit| !visit.is_served())
            .count()
    }

    /// How long a page took that was served, but for one in ten that took longer. On an idle
    /// machine that is a few hundredths of a second: the rest is how late the machine itself was.
    #[must_use]
    pub fn usual(&self) -> Duration {
        let served = self.visits.iter().filter(|visit| visit.is_served());
        let mut times: Vec<Duration> = served.map(|visit| visit.took).collect();
        times.sort_unstable();
        times.get(times.len() * 9 / 10).copied().unwrap_or_default()
    }

    /// Dark time: from the asking of each first failed visit to the end of the next one that
    /// was served (or of the last one there is), added up.
    #[must_use]
    pub fn dark(&self) -> Duration {
        let (mut dark, mut since) = (Duration::ZERO, None);
        let mut last = Duration::ZERO;
        for visit in &self.visits {
            last = visit.at + visit.took;
            match (visit.is_served(), since) {
                (false, None) => since = Some(visit.at),
                (true, Some(begin)) => {
                    dark += last.saturating_sub(begin);
                    since = None;
                }
                _ => {}
            }
        }
        dark + since.map_or(Duration::ZERO, |begin| last.saturating_sub(begin))
    }

    /// From the end of the last page that `before` served to the end of the first one after it
    /// that `after` served; nothing if there was no such change of hands.
    #[must_use]
    pub fn handover(&self, before: &str, after: &str) -> Option<Handover> {
        let served_by = |visit: &&Visit, who| visit.is_served() && visit.from() == Some(who);
        let known = self
            .visits
            .iter()
            .position(|visit| served_by(&visit, before))?;
        let come = |visit: &Visit| served_by(&visit, after);
        let first = known + self.visits.iter().skip(known).position(come)?;
        let (old, new) = self.visits.split_at(first);
        let last = old.iter().rev().find(|visit| served_by(visit, before))?;
        let begin = last.at + last.took;
        let end = new.first().map(|visit| visit.at + visit.took)?;
        let lost = |visit: &&Visit| visit.at >= last.at && !visit.is_served();
        Some(Handover {
            took: end.saturating_sub(begin),
            at: end,
            lost: old.iter().filter(lost).count(),
        })
    }

    /// The log as text, one line a visit.
    #[must_use]
    pub fn text(&self) -> String {
        self.visits.iter().fold(String::new(), |mut text, visit| {
            let _ = writeln!(text, "{}", visit.line());
            text
        })
    }
}

/// Another server's pages instead of those that came before, as one visitor saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// From the last page of the one to the first page of the other.
    pub took: Duration,
    /// When that first page was there, counted from the visitor's first day.
    pub at: Duration,
    /// How many visits between the two were not served.
    pub lost: usize,
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn visit(at: u64, status: Option<u16>) -> Visit {
        let outcome = match status {
            Some(status) => Outcome::Answer {
                status,
                from: String::new(),
                headers: String::new(),
                body: Vec::new(),
            },
            None => Outcome::Nothing {
                number: 28,
                words: String::new(),
            },
        };
        Visit {
            at: Duration::from_secs(at),
            took: Duration::from_secs(1),
            url: String::new(),
            outcome,
        }
    }

    #[test]
    fn dark_time_runs_from_the_first_failure_to_the_next_page() {
        let visits = vec![
            visit(0, Some(200)),
            visit(10, None),
            visit(20, Some(502)),
            visit(30, Some(200)),
        ];
        let log = Log { visits };
        assert_eq!((log.dark(), log.failed()), (Duration::from_secs(21), 2));
    }

    #[test]
    fn one_slow_page_does_not_make_the_machine_late() {
        let mut visits: Vec<Visit> = (0..20).map(|at| visit(at, Some(200))).collect();
        visits[3].took = Duration::from_secs(9);
        visits.push(visit(30, None));
        assert_eq!(Log { visits }.usual(), Duration::from_secs(1));
        assert_eq!(Log::default().usual(), Duration::ZERO);
    }

    #[test]
    fn a_log_that_ends_dark_counts_to_its_end() {
        let log = Log {
            visits: vec![visit(0, Some(200)), visit(5, None), visit(9, None)],
        };
        assert_eq!(log.dark(), Duration::from_secs(5));
    }

    #[test]
    fn a_handover_runs_from_page_to_page() {
        let mut visits: Vec<Visit> = [Some(200), Some(200), None, None, Some(200)]
            .into_iter()
            .zip([0, 10, 20, 30, 40])
            .map(|(status, at)| visit(at, status))
            .collect();
        let names = ["old", "old", "", "", "new"];
        for (visit, name) in visits.iter_mut().zip(names) {
            if let Outcome::Answer { from, .. } = &mut visit.outcome {
                name.clone_into(from);
            }
        }
        let handover = Log { visits }.handover("old", "new").unwrap();
        let seconds = Duration::from_secs;
        assert_eq!((handover.took, handover.lost), (seconds(30), 2));
        assert_eq!(handover.at, seconds(41));
        assert_eq!(Log::default().handover("old", "new"), None);
    }
}
