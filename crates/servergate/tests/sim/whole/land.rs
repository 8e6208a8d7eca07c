//! The simulated world: its machines, its cables, its time, and the standby in it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use host::Clock;
use host::net::Net;
use model::{Record, RecordSpec, Timestamp};
use servergate::boot::{Surroundings, stand_by};
use servergate::config::{Config, read};
use store::{Committer, LogName, Options, Position, Store};
use tempfile::TempDir;
use tokio::sync::watch;
use turmoil::Sim;

use super::papers::Papers;
use super::primary::{HOST, MARK, Pages, be_there, serve};
use super::visitor::{Diary, Finds, PATIENCE, Visit, browse};

pub(super) const PRIMARY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 80);
pub(super) const STANDBY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
pub(super) const REFERENCE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
/// Finds the site by its name.
const VISITOR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
/// Always asks the standby.
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 6);

/// The name that is steered.
pub(super) const STEERED: &str = "www.gate.verein.test";

/// When the simulation begins, in milliseconds: 2026-05-20T09:14:03Z.
const BEGINNING: i64 = 1_779_268_443_000;
/// How finely time passes: a packet arrives at the next multiple.
const TICK: Duration = Duration::from_millis(50);

/// How a primary goes dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Darkness {
    /// Packets to it are not heard of again.
    Silent,
    /// The machine says that nobody listens there.
    Refusing,
}

/// The world while it turns.
pub(super) struct Land {
    sim: Sim<'static>,
    folder: TempDir,
    /// The visitors go to bed.
    late: watch::Sender<bool>,
    /// The standby ends.
    stop: watch::Sender<bool>,
    replaced: Arc<AtomicBool>,
    /// From its next start on the standby's disk is full but for its reserve.
    full: Arc<AtomicBool>,
    visitor: Diary,
    neighbour: Diary,
}

/// What is left of it at the end.
pub(super) struct Remains {
    /// What the standby wrote down.
    pub(super) records: Vec<Record>,
    /// Who finds the site by its name.
    pub(super) visitor: Vec<Visit>,
    /// Who always asks the standby.
    pub(super) neighbour: Vec<Visit>,
    /// Every record as its bytes on disk, and every visit: what two runs are compared by.
    pub(super) lines: Vec<String>,
}

impl Remains {
    /// One number for all of it.
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.lines.hash(&mut hasher);
        hasher.finish()
    }
}

impl Land {
    /// All machines up, nothing has happened yet. `seed` decides how long every packet takes.
    pub(super) fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (papers, others) = (Papers::new(HOST, 1), Papers::new(HOST, 2));
        papers.write(folder.path(), &others).expect("papers");
        let pages = Pages::new();
        let replaced = Arc::new(AtomicBool::new(false));
        let full = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = watch::channel(false);
        let (late, is_late) = watch::channel(false);
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .simulation_duration(Duration::from_secs(3600))
            .min_message_latency(Duration::from_millis(10))
            .max_message_latency(Duration::from_millis(150))
            // What is held back for minutes arrives in one moment.
            .tcp_capacity(4096)
            .build();
        {
            let (pages, replaced) = (pages.clone(), Arc::clone(&replaced));
            sim.host(ip(PRIMARY), move || {
                match replaced.load(Ordering::Relaxed) {
                    false => serve(pages.clone(), papers.clone()),
                    true => serve(Pages::of_somebody_else(), others.clone()),
                }
            });
        }
        sim.host(ip(REFERENCE), || be_there(53));
        let config = config(&folder);
        let is_full = Arc::clone(&full);
        sim.host(ip(STANDBY), move || {
            let is_full = is_full.load(Ordering::Relaxed);
            standby(config.clone(), stopped.clone(), is_full)
        });
        let (visitor, neighbour) = (Diary::default(), Diary::default());
        for (address, finds, diary) in [
            (VISITOR, Finds::ByName, &visitor),
            (NEIGHBOUR, Finds::AtTheStandby, &neighbour),
        ] {
            let (diary, pages) = (Arc::clone(diary), pages.clone());
            let (at, late) = (folder.path().to_owned(), is_late.clone());
            sim.host(ip(address), move || {
                let diary = Arc::clone(&diary);
                browse(finds, late.clone(), at.clone(), pages.clone(), diary)
            });
        }
        Self {
            sim,
            folder,
            late,
            stop,
            replaced,
            full,
            visitor,
            neighbour,
        }
    }

    /// Since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Lets the world turn for `span`.
    pub(super) fn pass(&mut self, span: Duration) {
        let until = self.sim.elapsed() + span;
        while self.sim.elapsed() < until {
            self.sim.step().expect("every machine does its work");
        }
    }

    /// Pulls the primary's plug.
    pub(super) fn darken(&mut self, how: Darkness) {
        for other in [STANDBY, VISITOR, NEIGHBOUR, REFERENCE] {
            match how {
                Darkness::Silent => self.sim.hold(ip(PRIMARY), ip(other)),
                Darkness::Refusing => self.sim.partition(ip(PRIMARY), ip(other)),
            }
        }
    }

    /// Puts it back.
    pub(super) fn relight(&mut self, how: Darkness) {
        for other in [STANDBY, VISITOR, NEIGHBOUR, REFERENCE] {
            match how {
                Darkness::Silent => self.sim.release(ip(PRIMARY), ip(other)),
                Darkness::Refusing => self.sim.repair(ip(PRIMARY), ip(other)),
            }
        }
    }

    /// Somebody else has the primary's address from now on.
    pub(super) fn replace_primary(&mut self) {
        self.replaced.store(true, Ordering::Relaxed);
        self.sim.bounce(ip(PRIMARY));
    }

    /// Takes the standby's power away for a moment.
    pub(super) fn restart_standby(&mut self) {
        self.sim.crash(ip(STANDBY));
        self.sim.bounce(ip(STANDBY));
    }

    /// The standby restarts, and its disk is full but for its reserve.
    pub(super) fn restart_with_a_full_disk(&mut self) {
        self.full.store(true, Ordering::Relaxed);
        self.restart_standby();
    }

    /// Cuts the standby's cable to the world outside; who asks it still can.
    pub(super) fn cut_off(&mut self) {
        self.sim.hold(ip(STANDBY), ip(PRIMARY));
        self.sim.hold(ip(STANDBY), ip(REFERENCE));
    }

    /// Mends it.
    pub(super) fn reconnect(&mut self) {
        self.sim.release(ip(STANDBY), ip(PRIMARY));
        self.sim.release(ip(STANDBY), ip(REFERENCE));
    }

    /// Ends the standby in order after the last visit, and collects what everybody wrote down.
    pub(super) fn end(mut self) -> Remains {
        // In which order those are told who wait for the same moment is the runtime's secret; so
        // nobody is under way when it comes.
        self.late.send_replace(true);
        self.pass(PATIENCE);
        self.stop.send_replace(true);
        while self.sim.is_host_running(ip(STANDBY)) {
            self.sim.step().expect("the standby ends in order");
        }
        let Self {
            sim,
            folder,
            visitor,
            neighbour,
            ..
        } = self;
        drop(sim);
        let visits = |diary: &Diary| diary.lock().expect("nobody panicked").clone();
        let (visitor, neighbour) = (visits(&visitor), visits(&neighbour));
        let store = Store::open_read_only(&folder.path().join("data")).expect("the record");
        let mut lines = Vec::new();
        let mut records = Vec::new();
        let entries = store.read(&LogName::new("record"), Position::from_number(1), 100_000);
        for entry in entries.expect("the record") {
            lines.push(String::from_utf8_lossy(&entry.bytes).into_owned());
            let RecordSpec::V1(record) = serde_json::from_slice(&entry.bytes).expect("a record");
            records.push(record);
        }
        lines.extend(visitor.iter().map(ToString::to_string));
        lines.extend(neighbour.iter().map(ToString::to_string));
        Remains {
            records,
            visitor,
            neighbour,
            lines,
        }
    }
}

fn ip(address: Ipv4Addr) -> IpAddr {
    address.into()
}

/// When it was, on the record's clock.
pub(in crate::sim) fn wall(elapsed: Duration) -> Timestamp {
    Timestamp::from_millis(BEGINNING).after(elapsed)
}

async fn standby(
    config: Config,
    mut stopped: watch::Receiver<bool>,
    full: bool,
) -> turmoil::Result {
    let usual = Options::default().reserve_bytes;
    let options = Options {
        reserve_bytes: if full { u64::MAX } else { usual },
        committer: Committer::Inline,
        identity: Some([7; 16]),
        ..Options::default()
    };
    let clock = Clock::simulated(wall(turmoil::elapsed()));
    let around = Surroundings::simulated(clock, Net::Simulated, options);
    let until = async move {
        // Who could stop it has gone: then it is the end too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
        Ok(())
    };
    stand_by(config, around, until).await.map_err(Into::into)
}

fn config(folder: &TempDir) -> Config {
    let text = format!(
        r#"
        version = 1
        mode = "act"

        [standby]
        name = "oslo"
        addresses = ["{STANDBY}"]
        data = "data"
        references = ["{REFERENCE}:53"]

        [listen]
        dns = ["0.0.0.0:53"]
        https = ["0.0.0.0:443"]

        [[organisation]]
        name = "Verein Beispiel"
        domains = ["verein.test"]

        [organisation.names.steer]
        via = "zone"
        zone = "gate.verein.test"
        ns = ["ns1.standby.example"]
        names = ["{STEERED}"]
        primary = ["{PRIMARY}"]

        [organisation.web]
        hosts = ["{HOST}"]
        primary = "https://{PRIMARY}"
        expect = "{MARK}"
        certificate = {{ chain = "chain.pem", key = "key.pem" }}
        ca = "ca.pem"
        refresh = "1m"
        clean = "1m"
        "#
    );
    let path = folder.path().join("servergate.toml");
    std::fs::write(&path, text).expect("the configuration");
    let reading = read(&path).expect("the configuration");
    reading
        .config
        .unwrap_or_else(|| panic!("{:?}", reading.problems))
}
