//! Rows that a simulated network carries: a server with scripted manners, asked by the real
//! probes of a real `watch`, judged by the real decision. All rows share one network.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use host::metrics::Metrics;
use host::net::Net;
use host::web::Routes;
use host::{Clock, Drain, Host, Outlets, Part, Tasks, outlet};
use model::{Observation, PlaceId, Restored, ServiceId, Standing, Standings, Target};
use servergate::decide::{Decider, Told, Wanted};
use store::{Committer, Options, Store};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch as channel};
use tokio_rustls::TlsAcceptor;
use watch::{Burst, HttpProbe, OrganisationWatch, Probe, SmtpProbe, TargetConfig, Watch};

use super::papers::{NAME, Papers, Shows};
use super::{Input, Row, at, decided, service};

/// The mark that a right page bears.
pub(crate) const MARK: &str = "Verein Beispiel";

/// One thing that a server does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads a request's head.
    Head,
    /// Reads a line.
    Line,
    Say(Vec<u8>),
    /// Says nothing more, and holds the connection.
    Hang,
}

/// What asks it, and what it does from the moment of the fault on.
pub(crate) struct Server {
    pub(crate) asked: Asked,
    /// Nobody listens any more, where there is nothing.
    pub(crate) does: Option<Vec<Step>>,
}

/// How it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Http,
    /// What it shows from the fault on.
    Https(Shows),
    /// It does its steps without TLS.
    HttpsInClear,
    Smtp,
}

impl Asked {
    /// How it behaves while all is well.
    fn usual(self) -> Vec<Step> {
        match self {
            Self::Smtp => smtp("220 mail.verein.test ESMTP", "250 mail.verein.test"),
            _ => vec![Step::Head, Step::Say(page(200, "", MARK))],
        }
    }
}

/// An answer with its length.
pub(crate) fn page(status: u16, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\n{fields}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A mail server that greets, answers EHLO, and takes leave.
pub(crate) fn smtp(greeting: &str, ehlo: &str) -> Vec<Step> {
    let line = |text: &str| Step::Say(format!("{text}\r\n").into_bytes());
    vec![
        line(greeting),
        Step::Line,
        line(ehlo),
        Step::Line,
        line("221 Bye"),
    ]
}

const PRIMARY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 80);
const STANDBY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const REFERENCE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
/// All is well for so long, and then nothing is.
const GOOD: Duration = Duration::from_secs(40);
const LONG: Duration = Duration::from_secs(60);

/// Each row has a port of its own.
fn port(index: usize) -> u16 {
    10_000 + u16::try_from(index).expect("few rows")
}

type Decisions = Arc<Mutex<Standings>>;

/// Plays all rows of this kind at once.
pub(crate) fn play(rows: &[Row]) -> BTreeMap<ServiceId, Standing> {
    let folder = tempfile::tempdir().expect("a folder");
    let (papers, ca) = (Arc::new(Papers::new()), folder.path().join("ca.pem"));
    papers.write(&ca);
    let broken = Arc::new(AtomicBool::new(false));
    let mut sim = turmoil::Builder::new()
        .rng_seed(7)
        .tick_duration(Duration::from_millis(20))
        .simulation_duration(Duration::from_secs(600))
        .min_message_latency(Duration::from_millis(10))
        .max_message_latency(Duration::from_millis(40))
        .build();
    let mut doors = Vec::new();
    let mut targets = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let Input::Served(server) = &row.input else {
            continue;
        };
        doors.push(Door::new(index, server, &papers));
        targets.push(target(service(index, row), index, server.asked, &ca));
    }
    let served: Vec<ServiceId> = targets
        .iter()
        .map(|one| one.target.service.clone())
        .collect();
    {
        let broken = Arc::clone(&broken);
        sim.host(IpAddr::from(PRIMARY), move || {
            serve(doors.clone(), Arc::clone(&broken))
        });
    }
    sim.host(IpAddr::from(REFERENCE), reference);
    let decisions = Decisions::default();
    let folder = folder.path().join("store");
    {
        let decisions = Arc::clone(&decisions);
        sim.host(IpAddr::from(STANDBY), move || {
            observe(folder.clone(), targets.clone(), Arc::clone(&decisions))
        });
    }
    let mut pass = |until: Duration| {
        while sim.elapsed() < until {
            sim.step().expect("every machine does its work");
        }
    };
    pass(GOOD);
    let well = Arc::clone(&decisions.lock().expect("nobody panicked"));
    for service in &served {
        let condition = well.get(service).and_then(Standing::condition);
        assert_eq!(condition, Some(model::Condition::Reachable), "{service}");
    }
    broken.store(true, Ordering::Relaxed);
    pass(GOOD + LONG);
    let standings = decisions.lock().expect("nobody panicked");
    let of = |service: &ServiceId| Some((service.clone(), standings.get(service)?.clone()));
    served.iter().filter_map(of).collect()
}

fn target(service: ServiceId, index: usize, asked: Asked, ca: &Path) -> TargetConfig {
    let address = SocketAddr::from((PRIMARY, port(index)));
    let ca = Some(ca.to_owned());
    let probe = match asked {
        Asked::Smtp => Probe::Smtp(SmtpProbe {
            address,
            protocol: model::MailProtocol::Smtp,
            name: "mail.verein.test".to_owned(),
            verify: false,
            ca,
        }),
        _ => Probe::Http(HttpProbe {
            address,
            tls: asked != Asked::Http,
            host: NAME.to_owned(),
            path: "/".to_owned(),
            expect: Some(MARK.to_owned()),
            hosts: vec![NAME.to_owned(), "verein.test".to_owned()],
            ca,
        }),
    };
    OrganisationWatch::default().steering(&service.organisation, service.service, probe)
}

/// A port with somebody behind it.
#[derive(Clone)]
struct Door {
    port: u16,
    usual: Vec<Step>,
    usual_tls: Option<TlsAcceptor>,
    then: Option<Vec<Step>>,
    then_tls: Option<TlsAcceptor>,
}

impl Door {
    fn new(index: usize, server: &Server, papers: &Papers) -> Self {
        let shows = |shows| Some(papers.acceptor(shows));
        let (usual_tls, then_tls) = match server.asked {
            Asked::Http | Asked::Smtp => (None, None),
            Asked::Https(then) => (shows(Shows::Own), shows(then)),
            Asked::HttpsInClear => (shows(Shows::Own), None),
        };
        Self {
            port: port(index),
            usual: server.asked.usual(),
            usual_tls,
            then: server.does.clone(),
            then_tls,
        }
    }
}

async fn serve(doors: Vec<Door>, broken: Arc<AtomicBool>) -> turmoil::Result {
    let tasks = Tasks::simulated();
    for door in doors {
        let broken = Arc::clone(&broken);
        let (inner, at) = (tasks.clone(), SocketAddr::from(([0, 0, 0, 0], door.port)));
        tasks.spawn("a door", async move {
            let listener = turmoil::net::TcpListener::bind(at).await.expect("a port");
            loop {
                // Whoever does not listen any more ends with the first guest that comes too late.
                let (stream, _) = listener.accept().await.expect("a guest");
                let (steps, tls) = match (broken.load(Ordering::Relaxed), &door.then) {
                    (false, _) => (door.usual.clone(), door.usual_tls.clone()),
                    (true, Some(then)) => (then.clone(), door.then_tls.clone()),
                    (true, None) => return,
                };
                inner.spawn("a guest", async move {
                    match tls {
                        None => talk(stream, steps).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, steps).await;
                            }
                        }
                    }
                });
            }
        });
    }
    std::future::pending().await
}

/// Does its steps; a guest that leaves early ends it.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, steps: Vec<Step>) {
    for step in steps {
        let done = match step {
            Step::Head => read_until(&mut stream, b"\r\n\r\n").await,
            Step::Line => read_until(&mut stream, b"\r\n").await,
            Step::Say(bytes) => stream.write_all(&bytes).await.is_ok(),
            Step::Hang => std::future::pending().await,
        };
        if !done || stream.flush().await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) -> bool {
    let mut heard = Vec::new();
    while !heard.ends_with(end) {
        match stream.read_u8().await {
            Ok(byte) => heard.push(byte),
            Err(_) => return false,
        }
    }
    true
}

async fn reference() -> turmoil::Result {
    let listener = turmoil::net::TcpListener::bind(("0.0.0.0", 53)).await?;
    loop {
        drop(listener.accept().await?);
    }
}

/// The standby: `watch` and the decision, and between them what the program puts there.
async fn observe(
    folder: PathBuf,
    targets: Vec<TargetConfig>,
    decisions: Decisions,
) -> turmoil::Result {
    let options = Options {
        committer: Committer::Inline,
        ..Options::default()
    };
    let (observations, mut observed) = outlet::<Observation>(1024);
    let clock = Clock::simulated(at(turmoil::elapsed()).wall);
    let host = Host {
        place: PlaceId::new("oslo"),
        clock: clock.clone(),
        net: Net::Simulated,
        store: Store::open(&folder, options)?,
        tasks: Tasks::simulated(),
        metrics: Metrics::default(),
        outbound: host::outbound::Outbound::default(),
        outlets: Outlets {
            records: outlet(1).0,
            hints: outlet(1).0,
            progress: outlet(1).0,
            observations,
            handback: outlet(1).0,
            reminders: outlet(1).0,
        },
        routes: Routes::default(),
    };
    let (bursts, asked) = mpsc::channel(1024);
    let mut config = watch::Config::new(asked);
    config.references = vec![SocketAddr::from((REFERENCE, 53))];
    config.targets.clone_from(&targets);
    let places = [PlaceId::new("oslo")];
    let (services, by_service): (Vec<_>, BTreeMap<ServiceId, Target>) = targets
        .into_iter()
        .map(|one| one.target)
        .map(|target| {
            let service = target.service.clone();
            (decided(service.clone(), &places), (service, target))
        })
        .unzip();
    let fresh = |_: &ServiceId| Restored::Fresh;
    let mut decider = Decider::new(PlaceId::new("oslo"), services, fresh, clock.now());
    let (standings, followed) = channel::channel(Standings::default());
    let (_trigger, drain) = Drain::new();
    let part = Watch::open(config, host.clone()).await?;
    host.tasks.spawn("watch", async move {
        part.run(followed, drain).await.expect("it runs");
    });
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        let told = tokio::select! {
            biased;
            observation = observed.recv() => match observation {
                Some(observation) => Told::Observation(Box::new(observation)),
                None => return Ok(()),
            },
            _ = second.tick() => Told::Tick,
        };
        let mut out = Vec::new();
        decider.handle(clock.now(), told, &mut out);
        for wanted in out {
            match wanted {
                Wanted::Burst { number, service } => {
                    let target = by_service.get(&service).expect("it is watched").clone();
                    bursts.try_send(Burst { number, target })?;
                }
                Wanted::Publish(all) => {
                    standings.send_replace(Arc::clone(&all));
                    *decisions.lock().expect("nobody panicked") = all;
                }
                Wanted::Record(_) | Wanted::Persist(..) | Wanted::Handback(..) => {}
            }
        }
    }
}
