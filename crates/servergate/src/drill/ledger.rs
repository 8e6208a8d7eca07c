//! What visitors lived through, and the arithmetic on it.
//!
//! Dark time and failed requests come from here alone: from what two visitors saw, never from
//! what the standby thinks of itself. All of it is pure.

use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::config::Server;
use super::visitor::{PATIENCE, STEP};

/// Which visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Knows the primary's name server only.
    Without,
    /// The standby's name server is in the delegation.
    With,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Without => "without",
            Self::With => "with",
        })
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200, and every byte as in the folder.
    Good,
    /// 200, and other bytes.
    Differs,
    /// Another status.
    Status(u16),
    /// Nothing came within the visitor's time.
    Silent,
    /// The connection failed or broke.
    Broken,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("good"),
            Self::Differs => f.write_str("differs"),
            Self::Status(code) => write!(f, "status {code}"),
            Self::Silent => f.write_str("silent"),
            Self::Broken => f.write_str("broken"),
        }
    }
}

/// One request. Times count from the start of the drill.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) who: Who,
    /// Both visitors' requests of one instant bear the same number.
    pub(crate) number: usize,
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    pub(crate) target: Arc<str>,
    /// Where the name led.
    pub(crate) led_to: Option<Ipv4Addr>,
    pub(crate) outcome: Outcome,
}

impl Visit {
    pub(crate) fn is_good(&self) -> bool {
        self.outcome == Outcome::Good
    }

    /// When it was answered, or given up.
    pub(crate) fn ended(&self) -> Duration {
        self.at + self.took
    }

    pub(crate) fn server(&self) -> Option<Server> {
        Server::at(self.led_to?.into())
    }
}

/// A time without a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dark {
    /// The last good answer before it; where there was none, the first failed request.
    pub(crate) from: Duration,
    /// The first good answer after it.
    pub(crate) to: Option<Duration>,
    /// How many requests failed.
    pub(crate) failed: usize,
    /// The last thing that is known, where it has not ended.
    until: Duration,
}

impl Dark {
    /// How long it lasted, or has lasted.
    pub(crate) fn length(&self) -> Duration {
        self.to.unwrap_or(self.until).saturating_sub(self.from)
    }
}

/// All visits, in the order in which they ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Vec<Visit>);

impl Ledger {
    pub(crate) fn enter(&mut self, visit: Visit) {
        self.0.push(visit);
    }

    /// One visitor's requests, in the order in which they were asked.
    pub(crate) fn of(&self, who: Who) -> Vec<&Visit> {
        let mut visits: Vec<_> = self.0.iter().filter(|visit| visit.who == who).collect();
        visits.sort_by_key(|visit| visit.number);
        visits
    }

    /// One visitor's requests that were asked from `from` to before `to`.
    pub(crate) fn between(&self, who: Who, from: Duration, to: Duration) -> Vec<&Visit> {
        let mut visits = self.of(who);
        visits.retain(|visit| (from..to).contains(&visit.at));
        visits
    }

    /// The last request of a visitor that is known.
    pub(crate) fn last(&self, who: Who) -> Option<&Visit> {
        self.0.iter().rev().find(|visit| visit.who == who)
    }

    /// What counts, and how much does not: requests that were not answered while this machine
    /// itself stood still. That is seen from our own clock alone: both visitors ask at fixed
    /// instants, and here they could not.
    pub(crate) fn counted(&self) -> (Self, usize) {
        let stalls = self.stalls();
        let unheard = |visit: &Visit| matches!(visit.outcome, Outcome::Silent | Outcome::Broken);
        let stood_still = |visit: &Visit| stalls.iter().any(|stall| stall.contains(&visit.at));
        let (left, kept): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .cloned()
            .partition(|visit| unheard(visit) && stood_still(visit));
        (Self(kept), left.len())
    }

    /// When visitors could not ask in time, and what was near it.
    fn stalls(&self) -> Vec<Range<Duration>> {
        let mut asked: Vec<_> = self.0.iter().map(|visit| visit.at).collect();
        asked.sort_unstable();
        let pairs = asked.iter().zip(asked.iter().skip(1));
        let late = pairs.filter(|(one, next)| next.saturating_sub(**one) >= STEP * 2);
        late.map(|(one, next)| one.saturating_sub(PATIENCE)..*next + PATIENCE)
            .collect()
    }

    /// The log as CSV, in the order in which visits were asked.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::from("number,visitor,asked_ms,took_ms,page,led_to,outcome\n");
        let mut visits: Vec<_> = self.0.iter().collect();
        visits.sort_by_key(|visit| (visit.number, visit.who == Who::With));
        for visit in visits {
            let Visit {
                who,
                number,
                target,
                outcome,
                ..
            } = visit;
            let (at, took) = (visit.at.as_millis(), visit.took.as_millis());
            let led_to = visit
                .led_to
                .map_or_else(String::new, |address| address.to_string());
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{number},{who},{at},{took},{target},{led_to},{outcome}"
            );
        }
        text
    }
}

/// The dark times among `visits`, which are one visitor's in the order in which they were asked.
/// A request that was asked early and answered late does not end what a later one ended before.
pub(crate) fn dark(visits: &[&Visit]) -> Vec<Dark> {
    let mut spells: Vec<Dark> = Vec::new();
    let mut last_good = None;
    let mut running: Option<Dark> = None;
    for visit in visits {
        if visit.is_good() {
            last_good = last_good.max(Some(visit.ended()));
            if let Some(spell) = running.take() {
                spells.push(Dark {
                    to: Some(visit.ended()),
                    ..spell
                });
            }
            continue;
        }
        let from = last_good.unwrap_or(visit.at);
        let spell = running.get_or_insert(Dark {
            from,
            to: None,
            failed: 0,
            until: from,
        });
        spell.failed += 1;
        spell.until = spell.until.max(visit.ended());
    }
    spells.extend(running);
    spells
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Visits every 250 ms: `.` is good from the primary, `s` good from the standby, `x` silent,
    /// `!` wrong bytes.
    pub(in super::super) fn visits(who: Who, outcomes: &str) -> Vec<Visit> {
        let visit = |(number, outcome): (usize, char)| {
            let at = Duration::from_millis(250) * u32::try_from(number).unwrap();
            let (outcome, took) = match outcome {
                'x' => (Outcome::Silent, 1000),
                '!' => (Outcome::Differs, 10),
                _ => (Outcome::Good, 10),
            };
            let last = if outcomes.chars().nth(number) == Some('s') {
                3
            } else {
                2
            };
            Visit {
                who,
                number,
                at,
                took: Duration::from_millis(took),
                target: "/".into(),
                led_to: Some(Ipv4Addr::new(127, 0, 0, last)),
                outcome,
            }
        };
        outcomes.chars().enumerate().map(visit).collect()
    }

    fn spells(outcomes: &str) -> Vec<(u128, Option<u128>, usize)> {
        let all = visits(Who::With, outcomes);
        let spells = dark(&all.iter().collect::<Vec<_>>());
        let numbers = |dark: &Dark| {
            (
                dark.from.as_millis(),
                dark.to.map(|to| to.as_millis()),
                dark.failed,
            )
        };
        spells.iter().map(numbers).collect()
    }

    #[test]
    fn dark_is_from_the_last_good_answer_to_the_first_one_after() {
        assert_eq!(spells("...."), []);
        assert_eq!(spells("..xxx.."), [(260, Some(1260), 3)]);
        assert_eq!(spells(".x.xx."), [(10, Some(510), 1), (510, Some(1260), 2)]);
    }

    #[test]
    fn what_has_not_ended_counts_to_the_last_that_is_known() {
        let all = visits(Who::With, "..xx");
        let [spell] = dark(&all.iter().collect::<Vec<_>>())[..] else {
            panic!("one spell")
        };
        assert_eq!(
            (spell.to, spell.length()),
            (None, Duration::from_millis(750 + 1000 - 260))
        );
        assert_eq!(spells("xx."), [(0, Some(510), 2)]);
    }

    #[test]
    fn wrong_bytes_are_not_good() {
        assert_eq!(spells(".!."), [(10, Some(510), 1)]);
    }

    #[test]
    fn what_was_not_heard_while_this_machine_stood_still_does_not_count() {
        let mut ledger = Ledger::default();
        for mut visit in visits(Who::With, "....xx!x......x.") {
            // The sixth instant came three quarters of a second late.
            if visit.number >= 5 {
                visit.at += Duration::from_millis(750);
            }
            ledger.enter(visit);
        }
        let (counted, left) = ledger.counted();
        let outcomes: Vec<_> = counted
            .of(Who::With)
            .iter()
            .filter(|visit| !visit.is_good())
            .map(|visit| (visit.number, visit.outcome))
            .collect();
        assert_eq!(left, 3);
        assert_eq!(outcomes, [(6, Outcome::Differs), (14, Outcome::Silent)]);
    }

    #[test]
    fn the_log_is_in_the_order_of_asking() {
        let mut ledger = Ledger::default();
        let with = visits(Who::With, "s!");
        for visit in with.into_iter().rev().chain(visits(Who::Without, ".x")) {
            ledger.enter(visit);
        }
        assert_eq!(
            ledger.csv(),
            "number,visitor,asked_ms,took_ms,page,led_to,outcome\n\
             0,without,0,10,/,127.0.0.2,good\n\
             0,with,0,10,/,127.0.0.3,good\n\
             1,without,250,1000,/,127.0.0.2,silent\n\
             1,with,250,10,/,127.0.0.2,differs\n"
        );
    }
}
