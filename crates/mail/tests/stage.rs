//! The whole part, with a store in a folder, standings that a test sends, and the outlets' ends.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use host::{
    Clock, Drain, DrainTrigger, Handback, HandbackOutcome, Hint, Host, Outlets, Part, Reminder,
    Tasks, outlet,
};
use mail::config::{
    Config, Gate, General, Limits, MailConfig, NextHop, Notices, People, Protocol, Trust,
};
use mail::recipients::DomainRules;
use mail::recipients::import::{self, Format};
use mail::{Mail, MailHandle, Setting};
use model::{
    Condition, Epoch, Mode, OrganisationId, PlaceId, Question, QuestionId, Role, Service,
    ServiceId, Standing, Standings, StateName, Timestamp, Topic, Verdict,
};
use rustls::ServerConfig;
use store::{PassphraseCost, Store};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

pub(crate) const WORDS: &[u8] = b"five or six random words";
const CHEAP: PassphraseCost = PassphraseCost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Standby,
    /// Standby in mode observe.
    Observing,
    Acting,
    /// Acting, and the primary may be asked first.
    Supporting,
    HandingBack,
    /// Handing back was stopped, and a person is asked.
    Asked,
}

/// How the part is set up.
pub(crate) struct Set {
    pub(crate) primary: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) trust: Trust,
    /// A file of authorities for the primary.
    pub(crate) ca: Option<PathBuf>,
    /// What guests are shown.
    pub(crate) shown: Option<Arc<ServerConfig>>,
    pub(crate) reserve: u64,
    pub(crate) locked: bool,
    pub(crate) keep_unknown: bool,
    pub(crate) gate: Gate,
    /// How long a guest waits for a connection to the primary.
    pub(crate) place: Duration,
    pub(crate) quota: Option<u64>,
    pub(crate) rspamd: Option<SocketAddr>,
    pub(crate) notices: Notices,
    pub(crate) clock: Clock,
    /// Who answers DNS; nobody where none is said.
    pub(crate) resolver: Option<SocketAddr>,
    /// Who is on the list that is imported; nobody: none is.
    pub(crate) people: Vec<&'static str>,
}

impl Set {
    pub(crate) fn new(primary: SocketAddr) -> Self {
        Self {
            primary,
            protocol: Protocol::Smtp,
            trust: Trust::Opportunistic,
            ca: None,
            shown: None,
            reserve: 0,
            locked: false,
            keep_unknown: false,
            gate: Gate::Through,
            place: Duration::ZERO,
            quota: None,
            rspamd: None,
            notices: Notices::default(),
            clock: Clock::system(),
            resolver: None,
            people: vec!["anna@verein.test", "ben@verein.test", "cem@verein.test"],
        }
    }
}

pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) handle: MailHandle,
    pub(crate) handback: mpsc::Receiver<Handback>,
    pub(crate) hints: mpsc::Receiver<Hint>,
    pub(crate) reminders: mpsc::Receiver<Reminder>,
    pub(crate) metrics: host::metrics::Metrics,
    pub(crate) store: Store,
    standings: watch::Sender<Standings>,
    trigger: DrainTrigger,
    running: tokio::task::JoinHandle<Result<(), host::RunError>>,
    tasks: Tasks,
    folder: TempDir,
}

impl Stage {
    /// The part in this phase, before this primary.
    pub(crate) async fn of(primary: SocketAddr, phase: Phase) -> Self {
        Self::open(Set::new(primary), phase).await
    }

    pub(crate) async fn open(set: Set, phase: Phase) -> Self {
        Self::reopen(tempfile::tempdir().unwrap(), set, phase).await
    }

    /// Opens what lies in `folder`.
    pub(crate) async fn reopen(folder: TempDir, set: Set, phase: Phase) -> Self {
        let store = store_in(folder.path(), set.reserve, set.locked);
        let (tasks, metrics) = (Tasks::default(), host::metrics::Metrics::default());
        let ((hints, hinted), (handback, ended)) = (outlet(16), outlet(16));
        let (reminders, reminded) = outlet(16);
        let host = Host {
            place: PlaceId::new("oslo"),
            clock: set.clock.clone(),
            net: host::net::Net::Real,
            store: store.clone(),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
            outlets: Outlets {
                records: outlet(1).0,
                hints,
                progress: outlet(1).0,
                observations: outlet(1).0,
                handback,
                reminders,
            },
            routes: host::web::Routes::default(),
            outbound: host::outbound::Outbound::default(),
        };
        let setting = Setting {
            config: config(&set),
            tls: set.shown.clone(),
        };
        let part = Mail::open(setting, host).await.unwrap();
        let address = part.addresses().first().copied().unwrap();
        let handle = part.handles().into_values().next().unwrap();
        let (standings, follow) = watch::channel(standing(phase));
        let (trigger, drain) = Drain::new();
        let running = tasks.spawn("mail", part.run(follow, drain));
        let stage = Self {
            address,
            handle,
            handback: ended,
            hints: hinted,
            reminders: reminded,
            metrics,
            store,
            standings,
            trigger,
            running,
            tasks,
            folder,
        };
        if !set.locked {
            until("people", || stage.handle.people().is_some()).await;
        }
        if !set.people.is_empty() && !set.locked && set.reserve == 0 {
            let imported =
                import::read(Format::Plain, &set.people.join("\n"), &stage.handle.scope());
            assert_eq!(
                stage.handle.import(&imported).await.unwrap(),
                set.people.len()
            );
        }
        settle().await;
        stage
    }

    /// Something else is decided, and heard of.
    pub(crate) async fn stand(&self, phase: Phase) {
        self.standings.send_replace(standing(phase));
        settle().await;
    }

    /// Ends the part and gives what is left of it.
    pub(crate) async fn close(self) -> TempDir {
        let Self {
            trigger,
            running,
            tasks,
            folder,
            handle,
            store,
            ..
        } = self;
        trigger.begin();
        within(running).await.unwrap().unwrap();
        drop((handle, store));
        until("end of tasks", || {
            tasks.list().iter().all(|one| one.running == 0)
        })
        .await;
        assert_eq!(tasks.panicked(), 0);
        folder
    }

    /// How the next hand-back ended.
    pub(crate) async fn ended(&mut self) -> HandbackOutcome {
        within(self.handback.recv()).await.unwrap().outcome
    }

    /// Waits until so many messages wait.
    pub(crate) async fn waiting(&self, count: usize) {
        until("waiting messages", || self.handle.tally().waiting == count).await;
    }

    /// Guests who are here.
    pub(crate) fn guests(&self) -> u64 {
        self.running("smtp guest")
    }

    /// Waits until all guests have left.
    pub(crate) async fn alone(&self) {
        until("the last guest's end", || self.guests() == 0).await;
    }

    /// Waits until nothing is under way to the primary.
    pub(crate) async fn idle(&self) {
        let works = ["smtp client", "mail lane", "mail settling", "mail reading"];
        let ended = || works.iter().all(|work| self.running(work) == 0);
        until("end of the round", ended).await;
        settle().await;
    }

    /// Waits until the message of this number was checked.
    pub(crate) async fn checked(&self, number: u64) {
        let organisation = OrganisationId::new("verein.test");
        let spool = mail::spool::Spool::open(self.store.clone(), organisation, None).unwrap();
        until("check", || spool.checks(number).unwrap().is_some()).await;
    }

    fn running(&self, task: &str) -> u64 {
        let listed = self.tasks.list().into_iter();
        let named = listed.filter(|one| one.name == task);
        named.map(|one| one.running).sum()
    }

    /// One of our counters, by the words in its line.
    pub(crate) fn counted(&self, words: &str) -> u64 {
        let text = self.metrics.text();
        let line = text.lines().find(|line| line.contains(words));
        let number = line.and_then(|line| line.rsplit(' ').next());
        number.map_or(0, |number| number.parse().unwrap())
    }
}

/// Whoever waits longer waits for ever: no test depends on how busy the machine is.
pub(crate) const CEILING: Duration = Duration::from_secs(180);

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(CEILING, work).await;
    done.unwrap_or_else(|_| panic!("nothing in time"))
}

/// Looks again and again, for a while.
pub(crate) async fn until(what: &str, enough: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    // A look that takes long must not keep what it looks for from happening.
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for _ in 0..90_000 {
        if enough() {
            return;
        }
        looks.tick().await;
    }
    panic!("no {what} for 20 s");
}

/// Nothing happens for so long.
pub(crate) async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

/// All that is ready is done.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn store_in(folder: &std::path::Path, reserve: u64, locked: bool) -> Store {
    let options = store::Options {
        reserve_bytes: reserve,
        passphrase_cost: CHEAP,
        ..store::Options::default()
    };
    let store = Store::open(&folder.join("store"), options).unwrap();
    match (store.seal().state(), locked) {
        (store::SealState::Locked, false) => store.seal().unlock(WORDS).unwrap(),
        (store::SealState::Locked | store::SealState::Unlocked, _) => {}
        _ => store.seal().set_up(WORDS).unwrap(),
    }
    store
}

fn config(set: &Set) -> Config {
    // Nobody answers there, and says so at once.
    let silent = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr();
    let resolver = set.resolver.unwrap_or_else(|| silent().unwrap());
    let rules = DomainRules {
        catch_all: false,
        delimiter: Some('+'),
    };
    Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        name: "mx2.verein.test".to_owned(),
        general: General {
            limits: Limits {
                guests_per_network: 2000,
                ..Limits::default()
            },
            rspamd: set.rspamd,
        },
        resolver: Some(resolver),
        organisations: vec![MailConfig {
            organisation: OrganisationId::new("verein.test"),
            domains: vec!["verein.test".to_owned()],
            mx: None,
            primary: NextHop {
                address: set.primary,
                name: "mail.verein.test".to_owned(),
                protocol: set.protocol,
                trust: set.trust.clone(),
                ca: set.ca.clone(),
                xclient: true,
            },
            gate: set.gate,
            people: People {
                domains: BTreeMap::from([("verein.test".to_owned(), rules)]),
                fresh: Duration::from_secs(3600),
                keep_unknown: set.keep_unknown,
            },
            quota: set.quota,
            lanes: 8,
            connections: 20,
            place: set.place,
            certificate: None,
            notices: set.notices.clone(),
        }],
    }
}

fn standing(phase: Phase) -> Standings {
    let service = ServiceId::new(OrganisationId::new("verein.test"), Service::Mail);
    let now = Timestamp::from_millis(1_750_000_000_000);
    let (role, state, condition) = match phase {
        Phase::Standby | Phase::Observing => {
            (Role::Standby, StateName::Following, Condition::Reachable)
        }
        Phase::Acting => (Role::Acting, StateName::Serving, Condition::Dark),
        Phase::Supporting => (Role::Acting, StateName::Serving, Condition::Reachable),
        Phase::HandingBack | Phase::Asked => {
            (Role::Standby, StateName::HandingBack, Condition::Reachable)
        }
    };
    let verdict = Verdict {
        service: service.clone(),
        condition,
        cause: None,
        at: now,
        since: now,
        last_good: None,
        identity: None,
        places: Vec::new(),
        evidence: Vec::new(),
    };
    let question = Question {
        id: QuestionId::new("q"),
        service: service.clone(),
        topic: Topic::HandBack,
        asked: now,
    };
    let standing = Standing {
        service: service.clone(),
        role,
        epoch: Epoch(1),
        since: now,
        state,
        mode: match phase {
            Phase::Observing => Mode::Observe,
            _ => Mode::Act,
        },
        would: None,
        effect: None,
        relay: condition == Condition::Reachable,
        handback: phase == Phase::HandingBack,
        doubt: None,
        verdict: Some(Arc::new(verdict)),
        outage: None,
        held_by: None,
        question: (phase == Phase::Asked).then_some(question),
    };
    Arc::new(BTreeMap::from([(service, standing)]))
}
