//! A bulletin on a stage: a store in a folder of its own, a simulated clock, channels in hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulletin::{Bulletin, Config, Language, Organisation, RECORD_LOG};
use host::web::{Body, Outcome, Routes};
use host::{Clock, Drain, DrainTrigger, Host, Outlets, Part, Tasks, outlet};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use jiff::tz::TimeZone;
use model::{
    Cause, Condition, Effect, Epoch, Fact, Failure, Finding, Mode, OrganisationId, OutageId, Phase,
    PlaceId, PlaceView, Record, RecordSpec, Role, Service, ServiceId, Standing, Standings,
    StateName, Statement, Timestamp, Verdict,
};
use store::{Batch, Options, Store};
use tokio::sync::{mpsc, watch};

/// Noon in Berlin is 12:00 there: 2026-05-20T00:00 CEST.
const MIDNIGHT: i64 = 1_779_228_000_000;

/// A time of that day in Berlin: `at("09:14:03")`.
pub(crate) fn at(clock: &str) -> Timestamp {
    let parts: Vec<i64> = clock
        .split(':')
        .map(|part| part.parse().expect("a number"))
        .collect();
    let seconds = parts[0] * 3600 + parts[1] * 60 + parts.get(2).copied().unwrap_or(0);
    Timestamp::from_millis(MIDNIGHT + seconds * 1000)
}

pub(crate) fn verein() -> OrganisationId {
    OrganisationId::new("verein.test")
}

pub(crate) fn service(service: Service) -> ServiceId {
    ServiceId::new(verein(), service)
}

/// `Verein Beispiel` at `status.verein.test`, German first.
pub(crate) fn organisation() -> Organisation {
    Organisation {
        id: verein(),
        name: "Verein Beispiel".to_owned(),
        languages: vec![Language::German, Language::English],
        imprint: Some("https://verein.test/impressum".to_owned()),
        host: Some("status.verein.test".to_owned()),
        url: Some("https://status.verein.test/".to_owned()),
        zone: berlin(),
    }
}

/// By name where the machine has the data, by its rules otherwise: the tests run anywhere.
fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin")
        .or_else(|_| TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3"))
        .expect("rules of a time zone")
}

pub(crate) fn verdict(
    of: Service,
    condition: Condition,
    cause: Option<Cause>,
    since: &str,
) -> Verdict {
    let finding = |good: bool| match good {
        true => Finding::Good { identity: None },
        false => Finding::Failed(Failure::Silent {
            phase: Phase::Connect,
        }),
    };
    let places = ["oslo", "riga", "wien"];
    let fails = |index: usize| match condition {
        Condition::Reachable => false,
        Condition::BelowQuorum => index == 0,
        _ => true,
    };
    Verdict {
        service: service(of),
        condition,
        cause,
        at: Timestamp::from_millis(at(since).millis() + 17_000),
        since: at(since),
        last_good: Some(Timestamp::from_millis(at(since).millis() - 10_000)),
        identity: None,
        places: places
            .iter()
            .enumerate()
            .map(|(index, place)| PlaceView {
                place: PlaceId::new(*place),
                votes: condition != Condition::Blind,
                finding: Some(finding(!fails(index))),
                at: Some(at(since)),
            })
            .collect(),
        evidence: Vec::new(),
    }
}

/// A standing in mode act; `role` as given, verdict as measured.
pub(crate) fn standing(role: Role, since: &str, verdict: Verdict) -> Standing {
    let dark = verdict.condition == Condition::Dark;
    let effect: Option<Effect> = verdict
        .cause
        .map(|cause| cause.effect(verdict.service.service));
    let outage = OutageId::of(&verdict.service, verdict.since);
    Standing {
        service: verdict.service.clone(),
        role,
        epoch: Epoch(1),
        since: at(since),
        state: match role {
            Role::Standby => StateName::Following,
            Role::Acting => StateName::Serving,
            Role::Returning => StateName::Returning,
        },
        mode: Mode::Act,
        would: None,
        effect: effect.filter(|_| dark),
        relay: !dark,
        handback: false,
        doubt: None,
        outage: (dark || role != Role::Standby).then_some(outage),
        verdict: Some(Arc::new(verdict)),
        held_by: None,
        question: None,
    }
}

pub(crate) fn good(of: Service) -> Standing {
    let verdict = verdict(of, Condition::Reachable, None, "06:00");
    standing(Role::Standby, "06:00", verdict)
}

pub(crate) fn dark(of: Service, cause: Cause, since: &str) -> Standing {
    let verdict = verdict(of, Condition::Dark, Some(cause), since);
    standing(Role::Standby, "06:00", verdict)
}

pub(crate) fn snapshot(standings: impl IntoIterator<Item = Standing>) -> Standings {
    let map: BTreeMap<_, _> = standings
        .into_iter()
        .map(|standing| (standing.service.clone(), standing))
        .collect();
    Arc::new(map)
}

pub(crate) fn record(at: Timestamp, fact: Fact) -> Record {
    Record {
        at,
        place: PlaceId::new("oslo"),
        fact,
    }
}

pub(crate) fn statement(id: &str, when: &str, text: &str, reason: bool) -> Record {
    let statement = Statement {
        organisation: verein(),
        id: id.to_owned(),
        text: text.to_owned(),
        language: Some("de".to_owned()),
        by: Some("Pressestelle".to_owned()),
        reason,
    };
    record(at(when), Fact::Statement(statement))
}

/// The records of an outage that begins at `since`, up to its beginning.
pub(crate) fn outage_of(of: Service, cause: Cause, since: &str) -> Vec<Record> {
    let verdict = verdict(of, Condition::Dark, Some(cause), since);
    let outage = OutageId::of(&verdict.service, verdict.since);
    let when = verdict.at;
    let service = verdict.service.clone();
    vec![
        record(when, Fact::Verdict(Arc::new(verdict))),
        record(when, Fact::OutageBegan { outage, service }),
    ]
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) async fn of(response: host::web::Response) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body in memory");
        Self {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes().to_vec(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("ASCII"))
    }
}

pub(crate) struct Stage {
    pub(crate) routes: Routes,
    pub(crate) metrics: host::metrics::Metrics,
    standings: watch::Sender<Standings>,
    records: mpsc::Sender<Record>,
    store: Store,
    trigger: DrainTrigger,
    running: tokio::task::JoinHandle<Result<(), host::RunError>>,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Opens a bulletin on a log with these records.
    pub(crate) async fn open(organisations: Vec<Organisation>, log: &[Record]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("store"), Options::default()).expect("a store");
        append(&store, log).await;
        Self::on(folder, store, organisations).await
    }

    pub(crate) async fn on(
        folder: tempfile::TempDir,
        store: Store,
        organisations: Vec<Organisation>,
    ) -> Self {
        let routes = Routes::default();
        let metrics = host::metrics::Metrics::default();
        let tasks = Tasks::default();
        let host = Host {
            place: PlaceId::new("oslo"),
            clock: Clock::simulated(at("06:00")),
            net: host::net::Net::Real,
            store: store.clone(),
            tasks: tasks.clone(),
            metrics: metrics.clone(),
            outlets: Outlets {
                records: outlet(1).0,
                hints: outlet(1).0,
                progress: outlet(1).0,
                observations: outlet(1).0,
                handback: outlet(1).0,
                reminders: outlet(1).0,
            },
            routes: routes.clone(),
            outbound: host::outbound::Outbound::default(),
        };
        let (records, receiver) = mpsc::channel(16);
        let config = Config {
            organisations,
            records: receiver,
        };
        let bulletin = Bulletin::open(config, host).await.expect("opens");
        let (standings, snapshots) = watch::channel(Standings::default());
        let (trigger, drain) = Drain::new();
        let running = tasks.spawn("bulletin", bulletin.run(snapshots, drain));
        Self {
            routes,
            metrics,
            standings,
            records,
            store,
            trigger,
            running,
            _folder: folder,
        }
    }

    /// Ends the stream of records.
    pub(crate) fn stop_records(&mut self) {
        self.records = mpsc::channel(1).0;
    }

    /// Publishes standings and lets the bulletin follow.
    pub(crate) async fn stand(&self, standings: impl IntoIterator<Item = Standing>) {
        self.standings.send_replace(snapshot(standings));
        settle().await;
    }

    /// Appends new records to the log, tells of them and lets the bulletin follow.
    pub(crate) async fn feed(&self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            append(&self.store, std::slice::from_ref(&record)).await;
            self.records.send(record).await.expect("the bulletin runs");
        }
        settle().await;
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let name = "status.verein.test";
        let handler = self.routes.handler(name).expect("registered");
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        match handler.handle(name, request).await {
            Outcome::Answer(response) => Reply::of(response).await,
            Outcome::Unavailable { .. } => panic!("the bulletin always has an answer"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[]).await
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        reply.text().to_owned()
    }

    /// Drains; the part must end well.
    pub(crate) async fn close(self) {
        self.trigger.begin();
        let ended = self.running.await.expect("no panic");
        assert!(ended.is_ok(), "{ended:?}");
    }
}

/// On the tests' single thread a task that has something to do does it when we stand back.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// As the deciding task does it.
pub(crate) async fn append(store: &Store, records: &[Record]) {
    let mut batch = Batch::new();
    for record in records {
        let bytes = serde_json::to_vec(&RecordSpec::V1(record.clone())).expect("JSON");
        batch = batch.append(&RECORD_LOG, bytes);
    }
    if !batch.is_empty() {
        store.commit(batch).await.expect("a receipt");
    }
}
