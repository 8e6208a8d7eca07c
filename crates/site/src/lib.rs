//! The website: keeps a fresh copy and serves it under the same name while the primary is dark.
//!
//! [`Site`] is the part. At opening it serves the last complete generation at once; while it runs
//! it captures the site again and again for as long as the primary lives ([`capture`]), lets the
//! [`guard`] judge what came, and puts what is good on the [`shelf`]. [`serve`] answers the guests.
//! The operator's commands go through [`SiteHandle`].

pub mod capture;
pub mod config;
pub mod difference;
mod export;
mod follow;
mod front;
pub mod generation;
pub mod guard;
mod handle;
mod metrics;
mod negotiate;
mod relay;
pub mod serve;
pub mod shelf;
pub mod trial;
pub mod wire;
pub mod withhold;

use std::collections::BTreeMap;
use std::sync::Arc;

use host::tls::ClientTls;
use host::web::Handler;
use host::{Drain, Host, OpenError, Part, RunError, chain};
use model::{Fact, OrganisationId, Service, ServiceId, Standings};
use tokio::sync::{mpsc, watch};

use config::{Source, WebConfig};
use follow::{Follower, Request};
use metrics::SiteMetrics;
use serve::{Bodies, ServeCounters, SiteHandler, SiteSources};

pub use handle::{Attempt, CaptureOutcome, HandleError, SiteHandle, SiteStatus};

/// The websites of all organisations of this standby.
pub struct Site {
    host: Host,
    sites: Vec<One>,
}

struct One {
    handle: SiteHandle,
    handler: SiteHandler,
    requests: mpsc::Receiver<Request>,
}

impl Site {
    /// What the operator's commands go through, for each organisation.
    pub fn handles(&self) -> BTreeMap<OrganisationId, SiteHandle> {
        let named = |site: &One| (site.handle.organisation().clone(), site.handle.clone());
        self.sites.iter().map(named).collect()
    }
}

impl Part for Site {
    /// One for each organisation that has a website.
    type Config = Vec<WebConfig>;

    async fn open(config: Vec<WebConfig>, host: Host) -> Result<Self, OpenError> {
        let metrics = SiteMetrics::register(&host.metrics);
        let bodies = Bodies::new(&host);
        let counters = ServeCounters::register(&host.metrics);
        let mut sites = Vec::with_capacity(config.len());
        let memory = front::share(config.len());
        for config in config {
            let config = Arc::new(config);
            let primary = primary(&config)?;
            let opening = handle::open(Arc::clone(&config), &host, metrics.clone(), memory);
            let (handle, requests) = opening
                .await
                .map_err(|error| OpenError::Store(chain(&error).into()))?;
            let sources = SiteSources {
                organisation: config.organisation.clone(),
                primary,
                copy: Arc::clone(handle.copy()),
                withhold: handle.withheld().clone(),
                lead_to_https: lead_to_https(&config),
                blocked_by: config.blocked_by.clone(),
                bodies: bodies.clone(),
                counters: counters.clone(),
            };
            let handler = SiteHandler::new(sources, &host);
            for name in &config.hosts {
                let handler: Arc<dyn Handler> = Arc::new(handler.clone());
                host.routes.register(name, handler);
            }
            sites.push(One {
                handle,
                handler,
                requests,
            });
        }
        Ok(Self { host, sites })
    }

    async fn run(
        self,
        standings: watch::Receiver<Standings>,
        drain: Drain,
    ) -> Result<(), RunError> {
        let mut following = Vec::new();
        let mut handlers = Vec::new();
        for site in self.sites {
            // What was captured before this start can be served: whoever decides must know.
            let held = Fact::Copy {
                service: ServiceId::new(site.handle.organisation().clone(), Service::Web),
                held: site.handle.copy().current().is_some(),
            };
            self.host.outlets.records.send(held).await;
            handlers.push(site.handler);
            // Nobody would miss it before the copy is old: it is begun again if it breaks.
            let follower = Follower::new(site.handle, site.requests);
            let follower = Arc::new(tokio::sync::Mutex::new(follower));
            let (standings, end) = (standings.clone(), drain.clone());
            let work = move || {
                let (follower, standings, end) =
                    (Arc::clone(&follower), standings.clone(), end.clone());
                async move { follower.lock().await.run(standings, end).await }
            };
            let clock = self.host.clock.clone();
            let tasks = &self.host.tasks;
            following.push(tasks.keep("site capture", clock, drain.clone(), work));
        }
        turn_handlers(&handlers, standings, &drain).await;
        for follower in following {
            // A follower that panicked has been counted; the others end in order.
            let _ = follower.await;
        }
        Ok(())
    }
}

/// Tells the handlers of every change of the standings until the drain begins.
async fn turn_handlers(
    handlers: &[SiteHandler],
    mut standings: watch::Receiver<Standings>,
    drain: &Drain,
) {
    loop {
        let now = Arc::clone(&standings.borrow_and_update());
        handlers.iter().for_each(|handler| handler.follow(&now));
        // Both arms are cancel-safe.
        let changed = tokio::select! {
            changed = standings.changed() => changed,
            () = drain.begun() => return,
        };
        if changed.is_err() {
            // Nobody decides any more; the last standing holds.
            drain.begun().await;
            return;
        }
    }
}

/// A primary that is asked by HTTPS leads there, and we can once we have a certificate.
fn lead_to_https(config: &WebConfig) -> bool {
    let secure = matches!(&config.source, Source::Primary(primary) if primary.secure);
    secure && config.certificate.is_some()
}

/// Where the primary is and how it is trusted.
fn primary(config: &WebConfig) -> Result<Option<(config::Primary, ClientTls)>, OpenError> {
    match &config.source {
        Source::Folder(_) => Ok(None),
        Source::Primary(primary) => {
            let tls = ClientTls::new(config.ca.as_deref())
                .map_err(|error| OpenError::Config(chain(&error)))?;
            Ok(Some((*primary, tls)))
        }
    }
}
