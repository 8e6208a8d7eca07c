//! A hoster's fire: hundreds of organisations on a few addresses go silent in one moment. Probes,
//! timetable, detectors, decision and alerts are the product's own; time and packets are not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use host::metrics::Metrics;
use host::net::{Listener, Net, Stream};
use host::web::Routes;
use host::{Clock, Drain, Host, OutletReceiver, Outlets, Part, Tasks, outlet};
use model::{
    Condition, DetectorConfig, Mode, Observation, OrganisationId, PlaceId, Policy, Restored, Role,
    Service, ServiceId, Standing, Standings, Target,
};
use names::steer::{Direction, direction};
use servergate::decide::{Decided, Decider, Told, Wanted};
use store::{Committer, Options, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch as channel};
use turmoil::Sim;
use watch::{
    AlertConfig, AlertWay, Burst, OrganisationWatch, Probe, TargetConfig, Watch, WebPrimary,
};

use super::whole::wall;

const STANDBY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const REFERENCE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 53));
const WEBHOOK: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 80));
/// All addresses of the hoster.
const ADDRESSES: u8 = 20;
/// What one decision takes, as on a slow disk.
const SYNC: Duration = Duration::from_millis(20);

/// What was seen, with when.
type Seen<T> = Arc<Mutex<Vec<(Duration, T)>>>;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn address(nth: usize) -> IpAddr {
    let last = u8::try_from(nth % usize::from(ADDRESSES)).expect("a few addresses") + 1;
    Ipv4Addr::new(198, 51, 100, last).into()
}

/// Web and mail of so many organisations, in turn at the addresses.
fn targets(organisations: usize) -> Vec<TargetConfig> {
    let watch = OrganisationWatch::default();
    let both = |nth: usize| {
        let organisation = OrganisationId::new(format!("org{nth:03}.test"));
        let hosts = [organisation.to_string()];
        let at = |port| SocketAddr::new(address(nth), port);
        let primary = WebPrimary {
            tls: false,
            address: at(80),
        };
        let web = watch.web(&organisation, primary, &hosts, None);
        let mail = Probe::Tcp { address: at(25) };
        [
            web.expect("a host"),
            watch.steering(&organisation, Service::Mail, mail),
        ]
    };
    (0..organisations).flat_map(both).collect()
}

struct Mass {
    sim: Sim<'static>,
    shown: Seen<Standings>,
    alerts: Seen<String>,
    _folder: TempDir,
}

impl Mass {
    fn new(organisations: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sim = turmoil::Builder::new()
            .rng_seed(5)
            .tick_duration(Duration::from_millis(50))
            .simulation_duration(seconds(3_600))
            .min_message_latency(Duration::from_millis(10))
            .max_message_latency(Duration::from_millis(100))
            .tcp_capacity(4096)
            .build();
        for nth in 0..usize::from(ADDRESSES) {
            sim.host(address(nth), || async {
                let tasks = Tasks::simulated();
                tasks.spawn("mail server", serve(25, |_| async { Ok(()) }));
                serve(80, page).await;
                Ok(())
            });
        }
        sim.host(REFERENCE, || async {
            serve(53, |_| async { Ok(()) }).await;
            Ok(())
        });
        let alerts: Seen<String> = Seen::default();
        let told = Arc::clone(&alerts);
        sim.host(WEBHOOK, move || {
            let told = Arc::clone(&told);
            async move {
                let hear = move |stream| hear(stream, Arc::clone(&told));
                serve(80, hear).await;
                Ok(())
            }
        });
        let shown: Seen<Standings> = Seen::default();
        let (path, seen) = (folder.path().join("store"), Arc::clone(&shown));
        sim.host(STANDBY, move || {
            let (path, seen) = (path.clone(), Arc::clone(&seen));
            async move {
                let options = Options {
                    committer: Committer::Inline,
                    identity: Some([7; 16]),
                    ..Options::default()
                };
                let store = Store::open(&path, options).expect("a store");
                stand_by(store, targets(organisations), seen).await;
                Ok(())
            }
        });
        Self {
            sim,
            shown,
            alerts,
            _folder: folder,
        }
    }

    fn pass(&mut self, span: Duration) {
        let until = self.sim.elapsed() + span;
        while self.sim.elapsed() < until {
            self.sim.step().expect("every machine does its work");
        }
    }

    fn darken_all(&mut self) {
        for nth in 0..usize::from(ADDRESSES) {
            self.sim.hold(STANDBY, address(nth));
        }
    }

    /// Since when every service in the last snapshot was what it is there, by `wanted`.
    fn since_all(&self, wanted: impl Fn(&Standings, &Standing) -> bool) -> Option<Duration> {
        let shown = self.shown.lock().expect("nobody panicked");
        let all = |standings: &Standings| {
            let mut each = standings.values();
            each.all(|standing| wanted(standings, standing))
        };
        let first = shown.iter().find(|(_, standings)| all(standings));
        first.map(|(at, _)| *at)
    }

    fn ever(&self, wanted: impl Fn(&Standing) -> bool) -> Option<Standing> {
        let shown = self.shown.lock().expect("nobody panicked");
        let mut each = shown.iter().flat_map(|(_, standings)| standings.values());
        each.find(|standing| wanted(standing)).cloned()
    }

    fn alerts(&self) -> Vec<String> {
        let alerts = self.alerts.lock().expect("nobody panicked");
        alerts.iter().map(|(_, text)| text.clone()).collect()
    }
}

/// Accepts whoever comes and has each served.
async fn serve<F>(port: u16, each: impl Fn(Stream) -> F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let listener: Listener = Net::Simulated.listen(any).await.expect("a port");
    let tasks = Tasks::simulated();
    while let Ok((stream, _)) = listener.accept().await {
        tasks.spawn("guest", each(stream));
    }
}

async fn read_head(stream: &mut Stream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn page(mut stream: Stream) -> std::io::Result<()> {
    read_head(&mut stream).await?;
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    stream.write_all(page).await
}

async fn hear(mut stream: Stream, told: Seen<String>) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    let length = head.split("content-length: ").nth(1).expect("a length");
    let length = length.split("\r\n").next().and_then(|it| it.parse().ok());
    let mut body = vec![0; length.expect("a number")];
    stream.read_exact(&mut body).await?;
    let text = String::from_utf8(body).expect("JSON");
    told.lock()
        .expect("nobody panicked")
        .push((turmoil::elapsed(), text));
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        .await
}

/// The part and the decision, as the program has them.
async fn stand_by(store: Store, targets: Vec<TargetConfig>, seen: Seen<Standings>) {
    let (observations, mut observed) = outlet(1024);
    let place = PlaceId::new("oslo");
    let host = Host {
        place: place.clone(),
        clock: Clock::simulated(wall(turmoil::elapsed())),
        net: Net::Simulated,
        store,
        tasks: Tasks::simulated(),
        metrics: Metrics::default(),
        outbound: host::outbound::Outbound::default(),
        outlets: Outlets {
            records: outlet(4096).0,
            hints: outlet(1).0,
            progress: outlet(1).0,
            observations,
            handback: outlet(1).0,
            reminders: outlet(1).0,
        },
        routes: Routes::default(),
    };
    let (bursts, asked) = mpsc::channel(targets.len());
    let mut config = watch::Config::new(asked);
    config.references = vec![SocketAddr::new(REFERENCE, 53)];
    let url = format!("http://{WEBHOOK}/").parse().expect("an address");
    config.alert = Some(AlertConfig::new(AlertWay::Webhook(url)));
    config.targets = targets;
    let by_service: BTreeMap<ServiceId, Target> = config
        .targets
        .iter()
        .map(|one| (one.target.service.clone(), one.target.clone()))
        .collect();
    let decided = by_service.keys().map(|service| Decided {
        service: service.clone(),
        detector: Some(DetectorConfig::new(vec![place.clone()])),
        policy: Policy {
            mode: Mode::Act,
            ..Policy::default()
        },
    });
    let now = host.clock.now();
    let mut decider = Decider::new(place.clone(), decided.collect(), |_| Restored::Fresh, now);
    let (standings, follow) = channel::channel(decider.standings());
    let (_trigger, drain) = Drain::new();
    let part = Watch::open(config, host.clone()).await.expect("it opens");
    host.tasks.spawn("watch", async move {
        part.run(follow, drain).await.expect("it runs");
    });
    loop {
        let Some(out) = decide(&mut decider, &host, &mut observed).await else {
            return;
        };
        let mut last = None;
        for wanted in out {
            match wanted {
                Wanted::Burst { number, service } => {
                    let target = by_service[&service].clone();
                    bursts
                        .try_send(Burst { number, target })
                        .expect("there is room for all");
                }
                Wanted::Publish(snapshot) => last = Some(snapshot),
                _ => {}
            }
        }
        if let Some(snapshot) = last {
            host.clock.sleep(SYNC).await;
            seen.lock()
                .expect("nobody panicked")
                .push((turmoil::elapsed(), Arc::clone(&snapshot)));
            standings.send_replace(snapshot);
        }
    }
}

/// What waits is decided in one go.
async fn decide(
    decider: &mut Decider,
    host: &Host,
    observed: &mut OutletReceiver<Observation>,
) -> Option<Vec<Wanted>> {
    let wake = decider.next_wakeup(host.clock.now());
    let mut told = vec![tokio::select! {
        biased;
        observation = observed.recv() => Told::Observation(Box::new(observation?)),
        () = host.clock.sleep_until(wake.unwrap_or(model::Mono::at(seconds(1 << 40)))) => Told::Tick,
    }];
    while let Ok(observation) = observed.try_recv() {
        told.push(Told::Observation(Box::new(observation)));
    }
    let mut out = Vec::new();
    for told in told {
        decider.handle(host.clock.now(), told, &mut out);
    }
    Some(out)
}

#[test]
fn three_hundred_organisations_on_twenty_addresses_are_led_over_within_thirty_seconds() {
    let mut mass = Mass::new(300);
    mass.pass(seconds(25));
    assert_eq!(
        mass.ever(|standing| standing.role != Role::Standby),
        None,
        "all is well"
    );
    let fire = mass.sim.elapsed();
    mass.darken_all();
    mass.pass(seconds(60));
    let over = mass.since_all(|standings, standing| {
        let organisation = &standing.service.organisation;
        let led = direction(standings, organisation).0 == Direction::Standby;
        // Taken and kept: nothing is passed on to who does not answer.
        led && standing.role == Role::Acting && !standing.relay
    });
    let took = over.expect("everybody is led over") - fire;
    println!("everybody was led over after {took:?}");
    assert!(took <= seconds(30), "{took:?}");
    // Since is the first failure, not when its burst had its turn.
    let late = mass.ever(|standing| {
        let verdict = standing.verdict.as_ref();
        let since = verdict.filter(|verdict| verdict.condition == Condition::Dark);
        since.is_some_and(|verdict| verdict.since > wall(fire + seconds(14)))
    });
    assert_eq!(late, None);
    // Everybody's outage was told, in a few messages.
    let alerts = mass.alerts();
    assert!(!alerts.is_empty() && alerts.len() <= 4, "{}", alerts.len());
    let all = alerts.concat();
    for nth in 0..300 {
        let organisation = format!("\"organisation\":\"org{nth:03}.test\"");
        assert!(all.contains(&organisation), "{organisation} was not told");
    }
}

#[test]
fn an_observer_that_is_cut_off_moves_nothing_for_three_hundred() {
    let mut mass = Mass::new(300);
    mass.pass(seconds(25));
    mass.darken_all();
    mass.sim.hold(STANDBY, REFERENCE);
    mass.pass(seconds(90));
    assert_eq!(mass.ever(|standing| standing.role != Role::Standby), None);
    assert_eq!(
        mass.ever(|standing| standing.condition() == Some(Condition::Dark)),
        None
    );
    assert_eq!(mass.alerts(), [""; 0]);
}

#[test]
fn a_healthy_first_start_with_five_hundred_alerts_nobody_and_blinds_nobody() {
    let mut mass = Mass::new(500);
    mass.pass(seconds(60));
    let wrong = mass.ever(|standing| {
        !matches!(standing.condition(), None | Some(Condition::Reachable))
            || standing.role != Role::Standby
    });
    assert_eq!(wrong, None);
    assert!(
        mass.since_all(|_, standing| standing.condition() == Some(Condition::Reachable))
            .is_some(),
        "everybody was measured"
    );
    assert_eq!(mass.alerts(), [""; 0]);
}
