//! The part as the program runs it: targets, bursts, references, alerts, on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that fails may panic

mod alerts;
mod identity;
mod observing;

use std::net::SocketAddr;
use std::time::Duration;

use host::metrics::Metrics;
use host::net::{Listener, Net};
use host::web::Routes;
use host::{Clock, Drain, DrainTrigger, Host, OutletReceiver, Outlets, Part, Tasks, outlet};
use model::{Fact, Observation, OrganisationId, PlaceId, Service, ServiceId, Standings};
use store::{Options, Store};
use tokio::sync::mpsc;
use tokio::sync::watch as channel;
use tokio::task::JoinHandle;
use watch::{Burst, Config, OrganisationWatch, Probe, TargetConfig, Watch};

/// A standby with nothing in it but this part.
struct Standby {
    folder: tempfile::TempDir,
    host: Host,
    observations: OutletReceiver<Observation>,
    records: OutletReceiver<Fact>,
}

/// The part, running.
struct Running {
    bursts: mpsc::Sender<Burst>,
    standings: channel::Sender<Standings>,
    drain: DrainTrigger,
    task: JoinHandle<()>,
}

impl Standby {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Options::default()).unwrap();
        let (records, recorded) = outlet(64);
        let (observations, observed) = outlet(64);
        let outlets = Outlets {
            records,
            hints: outlet(1).0,
            progress: outlet(1).0,
            observations,
            handback: outlet(1).0,
            reminders: outlet(1).0,
        };
        let host = Host {
            place: PlaceId::new("oslo"),
            clock: Clock::system(),
            net: Net::Real,
            store,
            tasks: Tasks::default(),
            metrics: Metrics::default(),
            outlets,
            routes: Routes::default(),
            outbound: host::outbound::Outbound::default(),
        };
        Self {
            folder,
            host,
            observations: observed,
            records: recorded,
        }
    }

    /// Opens and runs the part; `adjust` fills in the configuration.
    async fn run(&self, adjust: impl FnOnce(&mut Config)) -> Running {
        let (bursts, asked) = mpsc::channel(16);
        let (standings, followed) = channel::channel(Standings::default());
        let (trigger, drain) = Drain::new();
        let mut config = Config::new(asked);
        adjust(&mut config);
        let part = Watch::open(config, self.host.clone()).await.unwrap();
        let task = self.host.tasks.spawn("watch", async move {
            part.run(followed, drain).await.unwrap();
        });
        Running {
            bursts,
            standings,
            drain: trigger,
            task,
        }
    }

    async fn observed(&mut self) -> Observation {
        self.observations.recv().await.unwrap()
    }
}

impl Running {
    /// Ends the part as the program does.
    async fn end(self) {
        self.drain.begin();
        self.task.await.unwrap();
    }
}

fn organisation() -> OrganisationId {
    OrganisationId::new("verein.test")
}

fn web() -> ServiceId {
    ServiceId::new(organisation(), Service::Web)
}

/// A steering target that is asked often.
fn target(probe: Probe) -> TargetConfig {
    let mut watch = OrganisationWatch::default();
    watch.companions.ports = Vec::new();
    let mut config = watch.steering(&organisation(), Service::Web, probe);
    config.interval = Duration::from_millis(50);
    config.burst_spacing = Duration::from_millis(50);
    config
}

async fn listen() -> (Listener, SocketAddr) {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Net::Real.listen(any).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    listen().await.1
}
