//! Authoritative DNS for organisations whose primary may go dark.
//!
//! A secondary of the primary's zones (AXFR, IXFR, NOTIFY, TSIG), a small zone of our own, and
//! the steering that leads web names here while we act. The binary makes one [`Names`] for all
//! organisations, asks it through its [`Handle`], and gives it the standings.
//!
//! ```text
//!  primary ──▶ transfer ──▶ keeper ──▶ store            standings
//!                (secondary: the timetable)  │                │
//!                                            ▼                ▼
//!  guests ──▶ serve ──▶ desk ──▶ answer ◀── publish ◀── steer (overlay, standby zone)
//! ```

pub mod answer;
pub mod config;
mod cookies;
mod delegation;
mod desk;
pub mod fuzz;
mod keep;
mod keeper;
mod metrics;
mod notices;
mod origin;
mod publish;
mod rate;
mod reach;
mod ready;
pub mod secondary;
mod serve;
pub mod steer;
mod story;
mod transfer;
pub mod wire;
pub mod zone;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use host::limits::Guests;
use host::{Drain, Held, Host, OpenError, Part, RunError};
use model::Standings;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

pub use delegation::{PORT, answers, delegation};
pub use rate::RateLimit;
pub use reach::{Reach, Server, by_hand, reach};
pub use ready::{Coverage, Handle, SteerFacts, ZoneFacts, coverage};
pub use story::{Came, Trouble};
pub use transfer::Limits;

use config::{Config, Organisation, Source, Via};
use cookies::Cookies;
use desk::{Desk, Directory, KNOCKS, Knock, rights};
use keep::{KeepFault, Place};
use keeper::{Keeper, TALKS};
use metrics::Counters;
use notices::Notices;
use origin::Origin;
use publish::Published;
use rate::Limiter;
use secondary::{Saved, Settings};
use serve::Bound;
use serve::tcp::{Counterpart, GUESTS, Patience, TRANSFERS};
use story::Story;
use wire::Name;

/// The part: every zone of every organisation.
#[derive(Debug)]
pub struct Names {
    host: HostBox,
    desk: Arc<Desk>,
    bound: Vec<Bound>,
    kept: Vec<Kept>,
    limits: Limits,
}

/// The host has nothing worth printing.
struct HostBox(Host);

impl std::fmt::Debug for HostBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}

/// A zone with what its keeper will need.
#[derive(Debug)]
struct Kept {
    organisation: Organisation,
    apex: Name,
    door: Option<mpsc::Receiver<Knock>>,
    place: Option<Place>,
    restored: Option<Saved>,
}

impl Names {
    /// A way to ask it while it runs.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.desk))
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|bound| bound.at).collect()
    }

    /// Bounds transfers in otherwise than by default.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Part for Names {
    type Config = Config;

    async fn open(config: Config, host: Host) -> Result<Self, OpenError> {
        let organisations: Arc<[Organisation]> = config.organisations.into();
        let published = Arc::new(Published::new(Arc::clone(&organisations)));
        let mut directory = Directory::default();
        let mut kept = Vec::new();
        for organisation in organisations.iter() {
            for apex in &organisation.zones {
                let (rights, zone) = open_zone(&host, &published, organisation, apex)?;
                if directory.insert(apex.clone(), rights).is_some() {
                    let what = format!("the zone {apex} is configured twice");
                    return Err(OpenError::Config(what));
                }
                kept.push(zone);
            }
        }
        own_zones_are_alone(&organisations)?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|error| OpenError::Local {
            what: "the machine gives no random numbers for DNS cookies".to_owned(),
            source: std::io::Error::other(error.to_string()),
        })?;
        let counters = Counters::register(&host.metrics);
        let clock = host.clock.clone();
        let desk = Arc::new(Desk {
            published,
            directory,
            counters,
            clock,
            cookies: Cookies::new(secret),
            limiter: Limiter::new(config.rate),
        });
        let mut bound = Vec::new();
        for at in config.listen {
            let sockets = serve::bind(host.net, at, config.workers).await;
            bound.push(sockets.map_err(|source| OpenError::Local {
                what: format!("DNS cannot listen at {at}; is another name server running there?"),
                source,
            })?);
        }
        Ok(Self {
            host: HostBox(host),
            desk,
            bound,
            kept,
            limits: Limits::default(),
        })
    }

    async fn run(
        self,
        mut standings: watch::Receiver<Standings>,
        drain: Drain,
    ) -> Result<(), RunError> {
        let Self {
            host: HostBox(host),
            desk,
            bound,
            kept,
            limits,
        } = self;
        desk.published
            .follow(Arc::clone(&standings.borrow_and_update()));
        let mut tasks = Vec::new();
        let counterpart = Counterpart {
            desk: Arc::clone(&desk),
            guests: Guests::new(GUESTS.0, GUESTS.1),
            transfers: Arc::new(Semaphore::new(TRANSFERS)),
            patience: Patience::default(),
            tasks: host.tasks.clone(),
        };
        for Bound { tcp, udp, .. } in bound {
            for socket in udp {
                let (desk, end) = (Arc::clone(&desk), drain.clone());
                let socket = Arc::new(socket);
                let work =
                    move || serve::udp::work(Arc::clone(&socket), Arc::clone(&desk), end.clone());
                let clock = host.clock.clone();
                let kept = host
                    .tasks
                    .keep("names-datagrams", clock, drain.clone(), work);
                tasks.push(kept);
            }
            let (shared, end) = (counterpart.clone(), drain.clone());
            let work = move |tcp| serve::tcp::accept(tcp, shared.clone(), end.clone());
            let (name, clock) = ("names-accept", host.clock.clone());
            tasks.push(host.tasks.keep_with(name, clock, drain.clone(), tcp, work));
        }
        let talks = Arc::new(Semaphore::new(TALKS));
        for zone in kept {
            let work = keep_zone(zone, &host, &desk, limits, &talks, &standings, &drain);
            tasks.extend(work);
        }
        loop {
            tokio::select! {
                () = drain.begun() => break,
                changed = standings.changed() => match changed {
                    Ok(()) => desk.published.follow(Arc::clone(&standings.borrow_and_update())),
                    // Nobody decides any more; what was decided stays.
                    Err(_) => drain.begun().await,
                },
            }
        }
        for task in tasks {
            // A task that panicked was counted where it happened.
            let _ = task.await;
        }
        Ok(())
    }
}

/// No zone is both ours and somebody else's, or ours twice.
fn own_zones_are_alone(organisations: &[Organisation]) -> Result<(), OpenError> {
    let mut taken: BTreeSet<&Name> = organisations
        .iter()
        .flat_map(|organisation| &organisation.zones)
        .collect();
    for steer in organisations
        .iter()
        .filter_map(|organisation| organisation.steer.as_ref())
    {
        if let Via::Zone { apex, .. } = &steer.via
            && !taken.insert(apex)
        {
            return Err(OpenError::Config(format!(
                "the standby zone {apex} is also configured elsewhere; give it a name of its own"
            )));
        }
    }
    Ok(())
}

/// Loads what is held of a zone and opens its door.
fn open_zone(
    host: &Host,
    published: &Published,
    organisation: &Organisation,
    apex: &Name,
) -> Result<(desk::Rights, Kept), OpenError> {
    let mut zone = Kept {
        organisation: organisation.clone(),
        apex: apex.clone(),
        door: None,
        place: None,
        restored: None,
    };
    match &organisation.source {
        Source::None => Ok((rights(organisation, None), zone)),
        Source::File(path) => {
            published.put(apex, origin::open(apex, path)?, true);
            Ok((rights(organisation, None), zone))
        }
        Source::Primary(_) => {
            let (place, held) = match Place::open(&host.store, apex) {
                Ok(found) => found,
                Err(fault @ (KeepFault::Newer(_) | KeepFault::Read(_))) => {
                    return Err(OpenError::Store(fault.to_string().into()));
                }
                // A damaged copy is fetched again; the primary has the truth.
                Err(fault) => {
                    tracing::warn!(zone = %apex, %fault, "the zone will be transferred anew");
                    (Place::empty(&host.store, apex), None)
                }
            };
            if let Some((version, saved)) = held {
                // Whether it is still good is the timetable's to say, right after the start.
                published.put(apex, version, false);
                zone.restored = Some(saved);
            }
            let (door, knocks) = mpsc::channel(KNOCKS);
            zone.door = Some(knocks);
            zone.place = Some(place);
            Ok((rights(organisation, Some(door)), zone))
        }
    }
}

/// The work of one zone.
fn keep_zone(
    zone: Kept,
    host: &Host,
    desk: &Arc<Desk>,
    limits: Limits,
    talks: &Arc<Semaphore>,
    standings: &watch::Receiver<Standings>,
    drain: &Drain,
) -> Option<JoinHandle<()>> {
    let Kept {
        organisation,
        apex,
        door,
        place,
        restored,
    } = zone;
    let notices = Notices {
        to: organisation.notify.clone().into(),
        from: organisation.transfer_from,
        key: organisation.key.clone(),
        desk: Arc::clone(desk),
        clock: host.clock.clone(),
        tasks: host.tasks.clone(),
        drain: drain.clone(),
        running: Arc::new(Mutex::new(HashMap::new())),
    };
    let (host, desk, drain) = (host.clone(), Arc::clone(desk), drain.clone());
    let id = organisation.id.clone();
    match (organisation.source, place, door) {
        (Source::Primary(address), Some(place), Some(door)) => {
            let primary = transfer::Primary {
                net: host.net,
                clock: host.clock.clone(),
                address,
                from: organisation.transfer_from,
                key: organisation.key,
                limits,
            };
            let spread = spread(&apex);
            let settings = Settings {
                serve_past_expire: organisation.serve_past_expire,
                spread,
            };
            let (talks, standings) = (Arc::clone(talks), standings.clone());
            let keeper = Keeper {
                story: Story::default(),
                host: host.clone(),
                desk,
                organisation: id,
                apex,
                place,
                restored,
                primary,
                settings,
                talks,
                notices,
            };
            let (tasks, clock, end) = (host.tasks, host.clock, drain.clone());
            let work = move |mut held: Held<(Keeper, _)>| {
                let (standings, end) = (standings.clone(), end.clone());
                async move {
                    let (keeper, door) = &mut *held;
                    keeper.run(standings, door, &end).await;
                }
            };
            let keeping = tasks.keep_with("names-keeper", clock, drain, (keeper, door), work);
            Some(keeping)
        }
        (Source::File(path), ..) => {
            let origin = Origin {
                host: host.clone(),
                desk,
                organisation: id,
                apex,
                path,
                notices,
            };
            let origin = Arc::new(origin);
            let (tasks, clock, end) = (host.tasks, host.clock, drain.clone());
            let work = move || Arc::clone(&origin).run(end.clone());
            Some(tasks.keep("names-keeper", clock, drain, work))
        }
        _ => None,
    }
}

/// A number from 0 to 999 that differs from zone to zone.
fn spread(apex: &Name) -> u16 {
    let sum = apex.as_wire().iter().fold(7u32, |sum, octet| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*octet))
    });
    u16::try_from(sum % 1000).unwrap_or(0)
}
