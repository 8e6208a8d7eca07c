//! What became of the attempts to refresh one zone: what `status`, `ready` and the log say of it, and
//! the answer to a person who asked for it. The keeper of the zone tells it.

use std::time::Duration;

use model::{Mono, Now, Timestamp};
use tokio::sync::oneshot;

/// So many reasons are told in one row of failures: a primary that fails in turns does not fill the
/// log.
const MOST_REASONS: usize = 4;
/// So many people may wait for one zone.
const MOST_WAITING: usize = 16;

/// Why a zone cannot be refreshed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When the first attempt of this row failed.
    pub since: Timestamp,
    /// Why the last one did, in words.
    pub reason: String,
    /// When the primary is asked again.
    pub next_try: Mono,
}

/// What came of a refresh that a person asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// The primary has what we have.
    Unchanged {
        /// The serial.
        serial: u32,
    },
    /// A version was taken.
    New {
        /// The serial before, if there was a version.
        from: Option<u32>,
        /// The serial now.
        to: u32,
    },
    /// The primary's serial is older than ours; nothing was taken.
    Behind {
        /// Our serial.
        ours: u32,
        /// The primary's.
        primary: u32,
    },
    /// It failed.
    Failed {
        /// Why, in words.
        reason: String,
        /// How long until the next try.
        next_try: Duration,
    },
    /// The zone is not transferred from anybody.
    NotTransferred,
    /// The standby is ending.
    Ending,
}

/// What an attempt ended with, beside what the timetable knows.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Why it failed, if it did.
    pub(crate) fault: Option<String>,
    /// The serial held now.
    pub(crate) serial: Option<u32>,
    /// The primary's serial, where it is older than ours.
    pub(crate) behind: Option<u32>,
    /// When the primary is asked again.
    pub(crate) next_try: Mono,
}

/// What is worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It fails, for a reason that was not told before in this row.
    Fails,
    /// It works again.
    WorksAgain,
    /// The primary's serial went backwards.
    Behind(u32),
}

/// The story of one zone.
#[derive(Debug, Default)]
pub(crate) struct Story {
    trouble: Option<Trouble>,
    told: Vec<String>,
    behind: Option<u32>,
    /// The serial before the attempt under way, and who waits for what comes of it.
    before: Option<u32>,
    waiting: Vec<oneshot::Sender<Came>>,
    /// What came of it.
    came: Option<Came>,
}

impl Story {
    /// Why the zone cannot be refreshed now.
    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Somebody waits for the attempt that begins now, at this serial. One too many hears nothing.
    pub(crate) fn waits(&mut self, came: oneshot::Sender<Came>, serial: Option<u32>) {
        self.before = serial;
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push(came);
        }
    }

    /// An attempt ended.
    pub(crate) fn ended(&mut self, now: Now, ended: Ended) -> Vec<News> {
        let Ended {
            fault,
            serial,
            behind,
            next_try,
        } = ended;
        let mut news = Vec::new();
        let came = match (fault, serial) {
            (None, Some(serial)) => {
                if self.trouble.take().is_some() {
                    self.told.clear();
                    news.push(News::WorksAgain);
                }
                match behind {
                    Some(primary) => Came::Behind {
                        ours: serial,
                        primary,
                    },
                    None if self.before == Some(serial) => Came::Unchanged { serial },
                    None => Came::New {
                        from: self.before,
                        to: serial,
                    },
                }
            }
            (fault, _) => {
                let reason = fault.unwrap_or_else(|| "nothing came".to_owned());
                if !self.told.contains(&reason) && self.told.len() < MOST_REASONS {
                    self.told.push(reason.clone());
                    news.push(News::Fails);
                }
                let since = self
                    .trouble
                    .as_ref()
                    .map_or(now.wall, |before| before.since);
                self.trouble = Some(Trouble {
                    since,
                    reason: reason.clone(),
                    next_try,
                });
                Came::Failed {
                    reason,
                    next_try: next_try.since(now.mono),
                }
            }
        };
        if self.behind != behind {
            self.behind = behind;
            news.extend(behind.map(News::Behind));
        }
        self.came = Some(came);
        news
    }

    /// Tells those who wait what came of it, once everybody else can see it.
    pub(crate) fn answer(&mut self) {
        let Some(came) = self.came.take() else { return };
        for waiting in self.waiting.drain(..) {
            // Whoever left does not want to know.
            let _ = waiting.send(came.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(seconds: u64) -> Now {
        Now {
            mono: Mono::at(Duration::from_secs(seconds)),
            wall: Timestamp::from_millis(i64::try_from(seconds).expect("small") * 1000),
        }
    }

    fn ended(fault: Option<&str>, serial: Option<u32>, behind: Option<u32>, at: u64) -> Ended {
        Ended {
            fault: fault.map(str::to_owned),
            serial,
            behind,
            next_try: now(at).mono,
        }
    }

    #[test]
    fn a_row_of_failures_is_told_once_for_each_reason() {
        let mut story = Story::default();
        let refused = |at| ended(Some("refused"), Some(7), None, at);
        assert_eq!(story.ended(now(10), refused(20)), [News::Fails]);
        assert_eq!(story.ended(now(20), refused(30)), []);
        let silent = ended(Some("silent"), Some(7), None, 40);
        assert_eq!(story.ended(now(30), silent), [News::Fails]);
        assert_eq!(story.ended(now(40), refused(50)), []);
        let trouble = story.trouble().expect("it fails");
        assert_eq!(
            (trouble.since, trouble.next_try),
            (now(10).wall, now(50).mono)
        );
        assert_eq!(trouble.reason, "refused");
        let good = ended(None, Some(7), None, 90);
        assert_eq!(story.ended(now(50), good), [News::WorksAgain]);
        assert_eq!(story.trouble(), None);
        // The next row is told again.
        assert_eq!(story.ended(now(60), refused(70)), [News::Fails]);
    }

    #[test]
    fn a_serial_that_went_backwards_is_told_when_it_changes() {
        let mut story = Story::default();
        let behind = |serial| ended(None, Some(7), Some(serial), 90);
        assert_eq!(story.ended(now(10), behind(5)), [News::Behind(5)]);
        assert_eq!(story.ended(now(20), behind(5)), []);
        assert_eq!(story.ended(now(30), behind(6)), [News::Behind(6)]);
        assert_eq!(story.ended(now(40), ended(None, Some(7), None, 90)), []);
        assert_eq!(story.ended(now(50), behind(6)), [News::Behind(6)]);
    }

    #[test]
    fn whoever_waits_hears_what_came_of_it() {
        let cases = [
            (
                ended(None, Some(8), None, 90),
                Came::New {
                    from: Some(7),
                    to: 8,
                },
            ),
            (
                ended(None, Some(7), None, 90),
                Came::Unchanged { serial: 7 },
            ),
            (
                ended(None, Some(7), Some(3), 90),
                Came::Behind {
                    ours: 7,
                    primary: 3,
                },
            ),
            (
                ended(Some("silent"), Some(7), None, 90),
                Came::Failed {
                    reason: "silent".to_owned(),
                    next_try: Duration::from_secs(80),
                },
            ),
        ];
        for (ended, want) in cases {
            let mut story = Story::default();
            let (sender, mut receiver) = oneshot::channel();
            story.waits(sender, Some(7));
            story.ended(now(10), ended);
            assert!(receiver.try_recv().is_err(), "not before it can be seen");
            story.answer();
            assert_eq!(receiver.try_recv(), Ok(want));
        }
    }
}
