//! How a crawl ends: the last probe, what stays from before, and what the guard is shown.

use std::sync::Arc;

use super::super::HOPS;
use super::{CaptureError, Captured, Crawl, Ending};
use crate::capture::fetch::{Fetched, Known};
use crate::capture::{frontier, start_of};
use crate::config::Primary;
use crate::guard::{Candidate, Portrait, Start};
use crate::wire::address::Address;

impl Crawl<'_> {
    /// What a path that nobody knows is answered with, asked once and then remembered.
    pub(super) async fn probe_unknown(&mut self) {
        if let Some(last) = self
            .previous
            .manifest()
            .filter(|last| !last.unknown.is_empty())
        {
            self.unknown = last.unknown.clone();
            return;
        }
        for host in self.config.hosts.clone() {
            let probe = Address::new(&host, "/servergate-asks-for-a-page-that-is-not-there");
            if self
                .robots
                .get(&probe.host)
                .is_some_and(|robots| !robots.allows(&probe))
            {
                continue;
            }
            self.pace(&host).await;
            self.tally.requests += 1;
            self.metrics.requests.inc();
            let fetched = self.fetcher.fetch(&probe, &Known::default()).await;
            if let Ok(Fetched::Page { status, .. }) = fetched {
                self.unknown
                    .push((Arc::clone(&probe.host), status.as_u16()));
            }
        }
    }

    /// Fills up from the last generation what was not asked for or failed, and sums up.
    pub(super) async fn finish(
        mut self,
        primary: Primary,
        ending: Ending,
    ) -> Result<Captured, CaptureError> {
        self.tally.refused = self.frontier.refused().values().sum();
        for (reason, count) in self.frontier.refused() {
            self.metrics.refused(*reason, *count);
        }
        let previous = Arc::clone(&self.previous);
        for (address, page) in previous.addresses() {
            let untouched = ending != Ending::Complete && !self.frontier.was_taken(address);
            let failed = self.failed.contains_key(address);
            if (untouched || failed) && self.may_keep(address) {
                self.builder
                    .carry(address, &previous, page.captured, page.linked);
            }
        }
        let failed_start = self.failed_start();
        let mut manifest = self.builder.finish();
        manifest.source = primary.to_string();
        manifest.unknown = self.unknown;
        let start = match failed_start {
            Some(start) => start,
            None => start_of(self.config, self.host, &mut manifest).await?,
        };
        let portrait = Portrait::of(&manifest);
        let (asked_again, lost) = (self.asked_again, self.lost);
        Ok(Captured {
            candidate: Candidate {
                start,
                portrait,
                asked_again,
                lost,
            },
            manifest,
            ending,
            unchanged: false,
            tally: self.tally,
        })
    }

    /// What is left out by the configuration or by robots.txt now does not stay from before either.
    fn may_keep(&self, address: &Address) -> bool {
        let robots = self.robots.get(&address.host);
        let forbidden = self.config.capture.robots && robots.is_some_and(|it| !it.allows(address));
        let excluded = frontier::is_excluded(address, &self.config.capture.exclude);
        self.scope.has(&address.host) && !excluded && !forbidden
    }

    /// A start page that failed just now is no good one, even though we have it from before.
    fn failed_start(&self) -> Option<Start> {
        let mut at = Address::new(self.config.hosts.first()?, "/");
        for _ in 0..=HOPS {
            if let Some(status) = self.failed.get(&at) {
                return Some(status.map_or(Start::Absent, |status| Start::Status(status.as_u16())));
            }
            let next = self.next_hop(&at)?;
            at = next;
        }
        None
    }
}
