//! E-mail: passed through while the primary lives, taken durably while it is dark, handed back.
//!
//! [`Mail`] is the part. A guest's conversation is a [`session`]; what it asks goes to its desk,
//! which passes the message on to the primary ([`client`]) or keeps it in the [`spool`], as the
//! standing says ([`way`]). When the primary is back [`handback`] gives it everything. Who can
//! receive mail [`recipients`] knows; what SPF, DKIM and DMARC say of a message [`auth`] finds out
//! after it was accepted. Senders who were proved are told of refusals and delays ([`dsn`]). The operator's commands go through [`MailHandle`].

pub mod auth;
mod budget;
pub mod client;
pub mod config;
mod desk;
pub mod dsn;
pub mod envelope;
pub mod escape;
pub mod fuzz;
pub mod handback;
mod handle;
mod head;
mod inspect;
mod memory;
mod metrics;
pub mod mta_sts;
mod office;
mod post;
pub mod recipients;
mod remind;
mod serve;
pub mod session;
pub mod spam;
pub mod spool;
#[cfg(test)]
mod testing;
mod trace;
pub mod trial;
pub mod way;
pub mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use host::outbound::Shares;
use host::session::{Counters, Driver, Limits};
use host::tls::{ClientTls, HopTls};
use host::{Drain, DrainTrigger, Held, Host, OpenError, Part, RunError, chain};
use model::{OrganisationId, Standings};
use rustls::ServerConfig;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use config::{Config, MailConfig, Trust};
use head::Ours;
use metrics::MailMetrics;
use office::Office;
use post::{Post, ToCheck};
use recipients::Change;
use serve::Door;
use session::Terms;
use spam::Rspamd;
use spool::Spool;

pub use handle::{Filter, HandBack, HandleError, ListOf, MailHandle, People, Summary};
pub use office::ImportError;

/// Messages that wait for their checks.
const CHECKS: usize = 1024;

/// The mail of all organisations of this standby.
pub struct Mail {
    post: Arc<Post>,
    config: Config,
    listeners: Vec<host::net::Listener>,
    tls: Option<Arc<ServerConfig>>,
    standings: watch::Sender<Standings>,
    learned: Vec<(Arc<Office>, mpsc::Receiver<Change>)>,
    checks: mpsc::Receiver<ToCheck>,
    _calls_end: DrainTrigger,
}

/// What the part is told: its configuration, and the certificates that guests are shown.
#[derive(Clone)]
pub struct Setting {
    /// What TOML says.
    pub config: Config,
    /// For STARTTLS; not offered without.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Mail {
    /// Where guests are heard.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let bound = self.listeners.iter();
        bound.filter_map(|one| one.local_addr().ok()).collect()
    }

    /// What the operator's commands go through, for each organisation.
    pub fn handles(&self) -> BTreeMap<OrganisationId, MailHandle> {
        let named = |office: &Arc<Office>| {
            let handle = MailHandle::new(Arc::clone(&self.post), Arc::clone(office));
            (office.config.organisation.clone(), handle)
        };
        self.post.offices().iter().map(named).collect()
    }
}

impl Part for Mail {
    type Config = Setting;

    async fn open(setting: Setting, host: Host) -> Result<Self, OpenError> {
        let Setting { config, tls } = setting;
        let metrics = MailMetrics::register(&host.metrics);
        let (standings, follow) = watch::channel(Standings::default());
        let mut learned = Vec::new();
        let mut offices = Vec::new();
        for one in &config.organisations {
            let (office, changes) = open_office(one, &host, follow.clone()).await?;
            offices.push(Arc::clone(&office));
            learned.push((office, changes));
        }
        let (to_check, checks) = mpsc::channel(CHECKS);
        // Calls end with the conversation they serve; nobody tells them of the end before.
        let (end, drain) = Drain::new();
        let calls = Driver {
            clock: host.clock.clone(),
            limits: Limits::default(),
            drain,
            counters: Counters::register(&host.metrics, "smtp_client"),
        };
        let post = Arc::new(Post::new(
            host,
            metrics,
            calls,
            config.general.limits.messages_per_network,
            Ours {
                name: config.name.clone(),
                spam: config.general.rspamd.is_some(),
            },
            offices,
            to_check,
        ));
        let listeners = serve::bind(&post, &config.listen).await?;
        Ok(Self {
            post,
            config,
            listeners,
            tls,
            standings,
            learned,
            checks,
            _calls_end: end,
        })
    }

    async fn run(
        self,
        standings: watch::Receiver<Standings>,
        drain: Drain,
    ) -> Result<(), RunError> {
        let Self {
            post,
            config,
            listeners,
            tls,
            standings: told,
            learned,
            checks,
            _calls_end,
        } = self;
        let (tasks, clock) = (post.host.tasks.clone(), post.host.clock.clone());
        let mut running = Vec::new();
        told.send_replace(standings.borrow().clone());
        let (held, end) = ((standings, told), drain.clone());
        let following = move |held| follow(held, end.clone());
        let (name, now) = ("mail standings", clock.clone());
        running.push(tasks.keep_with(name, now, drain.clone(), held, following));
        for (office, changes) in learned {
            running.extend(work_of(&post, &office, changes, config.resolver, &drain));
        }
        let limits = config.general.limits;
        let filter = config.general.rspamd.map(|address| {
            let host = &post.host;
            Rspamd::new(address, host.net, host.clock.clone())
        });
        let asked = inspect::Asked {
            resolver: config.resolver,
            filter,
        };
        let (inner, end) = (Arc::clone(&post), drain.clone());
        let inspecting =
            move |held| inspect::run(Arc::clone(&inner), asked.clone(), held, end.clone());
        running.push(tasks.keep_with("mail checks", clock, drain.clone(), checks, inspecting));
        let terms = Terms::new(config.name, tls.is_some(), limits.message);
        let door = Door {
            guests: serve::guests(&limits),
            driver: Driver {
                clock: post.host.clock.clone(),
                limits: Limits::default(),
                drain: drain.clone(),
                counters: Counters::register(&post.host.metrics, "smtp"),
            },
            terms: Arc::new(terms),
            tls,
            drain: drain.clone(),
            post,
        };
        serve::run(Arc::new(door), listeners).await;
        for task in running {
            // A task that panicked has been counted; the others end in order.
            let _ = task.await;
        }
        Ok(())
    }
}

/// Begins what goes on for one organisation as long as the program runs. Nobody would miss it before
/// it is needed, so it is begun again if it breaks.
fn work_of(
    post: &Arc<Post>,
    office: &Arc<Office>,
    changes: mpsc::Receiver<Change>,
    resolver: Option<SocketAddr>,
    drain: &Drain,
) -> Vec<JoinHandle<()>> {
    let (tasks, clock) = (&post.host.tasks, &post.host.clock);
    let all = || (Arc::clone(post), Arc::clone(office), drain.clone());
    let mut running = Vec::new();
    let (inner, own, end) = all();
    let keeping =
        move |held| office::keep_learned(inner.host.clone(), Arc::clone(&own), held, end.clone());
    let (name, now) = ("mail people", clock.clone());
    running.push(tasks.keep_with(name, now, drain.clone(), changes, keeping));
    let notices = &office.config.notices;
    if let Some(after) = notices.reminder {
        let (inner, own, end) = all();
        let reminding =
            move || remind::run(inner.host.clone(), Arc::clone(&own), after, end.clone());
        running.push(tasks.keep("mail reminder", clock.clone(), drain.clone(), reminding));
    }
    if notices.failure.is_some() || notices.delay.is_some() {
        let (inner, own, end) = all();
        let telling = move || dsn::run(Arc::clone(&inner), Arc::clone(&own), resolver, end.clone());
        running.push(tasks.keep("mail dsn", clock.clone(), drain.clone(), telling));
    }
    let (inner, own, end) = all();
    let handing = move || handback::run(Arc::clone(&inner), Arc::clone(&own), end.clone());
    running.push(tasks.keep("mail hand back", clock.clone(), drain.clone(), handing));
    running
}

/// Tells the offices of every change of the standings until the drain begins.
async fn follow(
    mut held: Held<(watch::Receiver<Standings>, watch::Sender<Standings>)>,
    drain: Drain,
) {
    let (standings, told) = &mut *held;
    loop {
        // Both arms are cancel-safe.
        let changed = tokio::select! {
            changed = standings.changed() => changed,
            () = drain.begun() => return,
        };
        if changed.is_err() {
            // Nobody decides any more; the last standing holds.
            return drain.begun().await;
        }
        told.send_replace(standings.borrow_and_update().clone());
    }
}

async fn open_office(
    config: &MailConfig,
    host: &Host,
    standings: watch::Receiver<Standings>,
) -> Result<(Arc<Office>, mpsc::Receiver<Change>), OpenError> {
    let hop = &config.primary;
    let tls = match &hop.trust {
        Trust::Opportunistic => HopTls::opportunistic(),
        Trust::Pinned(keys) => HopTls::pinned(keys.clone()),
        Trust::Verified => ClientTls::new(hop.ca.as_deref()).map(|tls| HopTls::verified(&tls)),
    };
    let tls = tls.map_err(|error| OpenError::Config(chain(&error)))?;
    let shares = Shares::of(config.connections, config.lanes);
    host.outbound.bound(hop.address.ip(), shares);
    let spool = Spool::open(
        host.store.clone(),
        config.organisation.clone(),
        config.quota,
    )
    .map_err(|error| OpenError::Store(chain(&error).into()))?;
    Ok(Office::new(config.clone(), host, spool, tls, standings))
}
