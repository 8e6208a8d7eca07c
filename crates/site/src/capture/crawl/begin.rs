//! How a crawl begins: robots.txt of every host, then start pages, sitemaps and what was known.

use std::sync::Arc;
use std::time::Duration;

use super::super::HOPS;
use super::{CaptureError, Crawl, Ending, Step};
use crate::capture::frontier::Origin;
use crate::capture::robots::Robots;
use crate::wire::Kind;
use crate::wire::address::{Address, Leads};
use crate::wire::manifest::PageSpec;

/// A page that nothing leads to any more is still asked for, for so long.
const UNLINKED: Duration = Duration::from_secs(30 * 24 * 3600);
/// More sitemaps than this are not read.
const MOST_SITEMAPS: usize = 200;
/// What every site may have, beside what leads to it.
const WELL_KNOWN: &[&str] = &["/favicon.ico", "/.well-known/security.txt"];

impl Crawl<'_> {
    /// Asks every host for its robots.txt and puts the first addresses into the queue.
    pub(super) async fn begin(&mut self) -> Step {
        for host in self.config.hosts.clone() {
            let robots = Address::new(&host, "/robots.txt");
            self.offer(robots, Origin::Start, None);
        }
        // RFC 9309 §2.3.1.2: redirects of robots.txt are followed; they are put into the queue.
        while let Some(task) = self.frontier.next() {
            if let Some(ending) = self.visit(&task).await? {
                return Ok(Some(ending));
            }
            // RFC 9309 §2.3.1.4: a robots.txt that fails forbids everything for now.
            if self.config.capture.robots && self.failed.contains_key(&task.address) {
                let why = format!("robots.txt: {}", self.last_failure);
                return Ok(Some(Ending::Failing(why)));
            }
        }
        self.holds_links = false;
        for host in self.config.hosts.clone() {
            self.read_robots(&host).await?;
            self.offer(Address::new(&host, "/"), Origin::Start, None);
            self.offer_sitemaps(&host);
            for target in WELL_KNOWN {
                self.offer(
                    Address::new(&host, target),
                    Origin::Link(Kind::Requisite),
                    None,
                );
            }
        }
        self.offer_known();
        Ok(None)
    }

    async fn read_robots(&mut self, host: &str) -> Result<(), CaptureError> {
        let address = Address::new(host, "/robots.txt");
        let page = self.landing(&address).filter(|page| page.status == 200);
        let robots = match page.map(|page| page.body.0) {
            Some(id) => Robots::read(&self.head_of(id).await?),
            None => Robots::default(),
        };
        self.robots.insert(address.host, robots);
        Ok(())
    }

    /// The page of this capture at which a reader of `address` ends.
    fn landing(&self, address: &Address) -> Option<&PageSpec> {
        let mut at = address.clone();
        for _ in 0..HOPS {
            let page = self.builder.page(&at)?;
            let Some(next) = self.next_hop(&at) else {
                return Some(page);
            };
            at = next;
        }
        None
    }

    /// Where the page at `at` redirects to, if it does and stays on the site.
    pub(super) fn next_hop(&self, at: &Address) -> Option<Address> {
        let page = self
            .builder
            .page(at)
            .filter(|page| (300..400).contains(&page.status))?;
        let location = self.builder.header(page, "location")?;
        match self.scope.resolve(&at.url()?, location) {
            Leads::Inside(next) => Some(next),
            Leads::Outside | Leads::Nowhere => None,
        }
    }

    fn offer_sitemaps(&mut self, host: &str) {
        let base = Address::new(host, "/");
        let named: Vec<String> = match self.robots.get(host) {
            Some(robots) if !robots.sitemaps.is_empty() => robots.sitemaps.clone(),
            _ => vec!["/sitemap.xml".to_owned()],
        };
        let Some(url) = base.url() else { return };
        for sitemap in named {
            if let Leads::Inside(address) = self.scope.resolve(&url, &sitemap) {
                self.offer_sitemap(address);
            }
        }
    }

    pub(super) fn offer_sitemap(&mut self, address: Address) {
        if self.sitemaps.len() < MOST_SITEMAPS && self.sitemaps.insert(address.clone()) {
            self.offer(address, Origin::Start, None);
        }
    }

    /// Good pages of the last generation are asked for again although nothing may lead there now.
    fn offer_known(&mut self) {
        let now = self.host.clock.now().wall;
        let previous = Arc::clone(&self.previous);
        for (address, page) in previous.addresses() {
            let remembered = now.since(page.linked) < UNLINKED;
            if page.status == 200 && remembered && self.scope.has(&address.host) {
                self.offer(address.clone(), Origin::Known, None);
            }
        }
    }
}
