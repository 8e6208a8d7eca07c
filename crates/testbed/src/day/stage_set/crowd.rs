//! Visitors who browse all day, and what they lived through together.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{HOST, Pace, STANDBY, WEB};
use crate::lab::until;
use crate::report::Report;
use crate::visitor::{Browsing, Handover, Log, Visitor};

/// Between two visits of one person.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a visitor's browser tries to connect before it gives up.
const PATIENCE: Duration = Duration::from_secs(2);
const PAGES: [&str; 4] = [
    "/",
    "/artikel/1.html",
    "/bereich/3/",
    "/suche?thema=2&seite=1",
];

/// Some visitors, browsing.
pub(in crate::day) struct Crowd {
    browsing: Vec<Browsing>,
}

/// What they lived through.
pub(in crate::day) struct Diaries {
    logs: Vec<Log>,
}

impl Crowd {
    /// So many visitors sit down.
    pub(in crate::day) fn sit_down(visitor: &Visitor, count: usize) -> Self {
        let pages: Vec<String> = PAGES
            .iter()
            .map(|page| format!("https://{HOST}{page}"))
            .collect();
        let browsing = (0..count).map(|first| {
            let mut pages = pages.clone();
            pages.rotate_left(first % PAGES.len());
            visitor.browse(pages, PAUSE)
        });
        Self {
            browsing: browsing.collect(),
        }
    }

    /// Waits until every one of them reads pages from this address.
    pub(in crate::day) fn all_read_from(&self, address: &str, within: Duration) -> Result<()> {
        let what = format!("all visitors to read from {address}");
        until(&what, within, || {
            self.browsing
                .iter()
                .all(|browsing| browsing.latest() == address)
        })
    }

    /// They get up; their logs are kept beside what the programs wrote.
    pub(in crate::day) fn get_up(self, report: &Report) -> Result<Diaries> {
        let logs: Vec<Log> = self
            .browsing
            .into_iter()
            .map(Browsing::stop)
            .collect::<Result<_>>()?;
        for (number, log) in logs.iter().enumerate() {
            fs::write(
                report.dir().join(format!("visitor-{number}.log")),
                log.text(),
            )?;
        }
        Ok(Diaries { logs })
    }
}

impl Diaries {
    /// All visits and how many of them were not served.
    pub(in crate::day) fn counts(&self) -> (usize, usize) {
        let visits = self.logs.iter().map(|log| log.visits.len()).sum();
        (visits, self.logs.iter().map(Log::failed).sum())
    }

    /// How late the machine itself was, at the most, in what lies between two pages: a probe's
    /// start, its three confirmations, the decision, the visitor. Each may be as late as a page.
    pub(in crate::day) fn lateness(&self) -> Duration {
        const STEPS: u32 = 6;
        let usual = self.logs.iter().map(Log::usual).max();
        usual.unwrap_or_default() * STEPS
    }

    /// The slowest change from the primary's pages to the standby's, which must be within what
    /// the pace promises and a visit of a dark address that began just before, beside what the
    /// machine itself was late. No page failed before it.
    pub(in crate::day) fn taken_over(&self, report: &mut Report, pace: Pace) -> Result<Handover> {
        let slowest = self.slowest(WEB, STANDBY)?;
        let promised = pace.recovery();
        let late = self.lateness();
        let bound = promised + PATIENCE + PAUSE + late;
        ensure!(
            slowest.took <= bound,
            "from the last good page to the first one of the standby: {:.1} s, more than {:.1} s",
            slowest.took.as_secs_f32(),
            bound.as_secs_f32()
        );
        report.note(format_args!(
            "from the last good page to the first one of the standby: {:.1} s ({} of this one's \
             visits lost, {} visitors); bound {:.1} s = {} s, one visit in vain, and {:.1} s that the \
             machine may be late; margin {:.1} s",
            slowest.took.as_secs_f32(),
            slowest.lost,
            self.logs.len(),
            bound.as_secs_f32(),
            promised.as_secs(),
            late.as_secs_f32(),
            (bound.saturating_sub(slowest.took)).as_secs_f32()
        ));
        Ok(slowest)
    }

    /// The slowest change back, on which no visit may be lost.
    pub(in crate::day) fn given_back(&self, report: &mut Report) -> Result<Handover> {
        let slowest = self.slowest(STANDBY, WEB)?;
        let lost: usize = self
            .handovers(STANDBY, WEB)
            .map(|handover| handover.lost)
            .sum();
        ensure!(
            lost == 0,
            "{lost} visits were lost when the primary got its visitors back"
        );
        let (visits, failed) = self.counts();
        report.note(format_args!(
            "back at the primary without a lost visit; the whole day: {visits} visits, {failed} \
             not served, dark for {:.1} s at the most",
            self.logs
                .iter()
                .map(Log::dark)
                .max()
                .unwrap_or_default()
                .as_secs_f32()
        ));
        Ok(slowest)
    }

    /// An error if any visit was not served by the primary.
    pub(in crate::day) fn nothing_moved(&self) -> Result<usize> {
        let visits = self.logs.iter().flat_map(|log| &log.visits);
        for visit in visits {
            ensure!(
                visit.is_served() && visit.from() == Some(WEB),
                "{}",
                visit.line()
            );
        }
        Ok(self.counts().0)
    }

    fn handovers<'a>(
        &'a self,
        before: &'a str,
        after: &'a str,
    ) -> impl Iterator<Item = Handover> + 'a {
        self.logs
            .iter()
            .filter_map(move |log| log.handover(before, after))
    }

    fn slowest(&self, before: &str, after: &str) -> Result<Handover> {
        let found = self.handovers(before, after).count();
        ensure!(
            found == self.logs.len(),
            "only {found} of {} visitors came from {before} to {after}",
            self.logs.len()
        );
        let slowest = self
            .handovers(before, after)
            .max_by_key(|handover| handover.took);
        slowest.context("no visitors")
    }
}
