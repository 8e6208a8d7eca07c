//! A part with everything around it, on loopback: a store in a folder of its own, ports of the
//! machine's choice, standings that the test sets, and guests that speak plain DNS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::base::iana::Rtype;
use domain::base::{Message, MessageBuilder, Name as WireName};
use host::{Clock, Drain, DrainTrigger, Host, OutletReceiver, Outlets, Part, Tasks, outlet};
use model::{
    Epoch, Fact, Mode, OrganisationId, PlaceId, Role, Service, ServiceId, Standing, Standings,
    StateName, Timestamp,
};
use names::config::{Config, Organisation, Source};
use names::wire::Name;
use names::{Handle, Limits, Names};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;

use crate::ask::{Reply, read};

/// Nothing on loopback takes so long.
pub(crate) const SOON: Duration = Duration::from_secs(180);

pub(crate) struct House {
    pub(crate) handle: Handle,
    pub(crate) at: SocketAddr,
    pub(crate) facts: OutletReceiver<Fact>,
    pub(crate) host: Host,
    standings: watch::Sender<Standings>,
    drain: DrainTrigger,
    running: tokio::task::JoinHandle<Result<(), host::RunError>>,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn organisation(zone: &str, source: Source) -> Organisation {
    Organisation {
        id: OrganisationId::new("verein.test"),
        zones: vec![name(zone)],
        source,
        key: Some(key("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")),
        notify_from: Vec::new(),
        transfer_from: None,
        notify: Vec::new(),
        serve_past_expire: true,
        steer: None,
    }
}

pub(crate) fn key(secret: &str) -> Arc<domain::tsig::Key> {
    let key = names::config::key(&name("servergate"), domain::tsig::Algorithm::Sha256, secret);
    Arc::new(key.unwrap())
}

pub(crate) fn standings(service: Service, role: Role, epoch: u64) -> Standings {
    let service = ServiceId::new(OrganisationId::new("verein.test"), service);
    let standing = Standing {
        service: service.clone(),
        role,
        epoch: Epoch(epoch),
        since: Timestamp::default(),
        state: StateName::Following,
        mode: Mode::Act,
        would: None,
        effect: None,
        relay: true,
        handback: false,
        doubt: None,
        verdict: None,
        outage: None,
        held_by: None,
        question: None,
    };
    Arc::new(BTreeMap::from([(service, standing)]))
}

impl House {
    pub(crate) async fn open(folder: &Path, organisation: Organisation) -> Self {
        Self::open_with(folder, vec![organisation], Limits::default()).await
    }

    pub(crate) async fn open_with(
        folder: &Path,
        organisations: Vec<Organisation>,
        limits: Limits,
    ) -> Self {
        Self::open_all(folder, organisations, limits, names::RateLimit::default()).await
    }

    /// With another limit for guests than by default.
    pub(crate) async fn open_limited(
        folder: &Path,
        organisation: Organisation,
        rate: names::RateLimit,
    ) -> Self {
        Self::open_all(folder, vec![organisation], Limits::default(), rate).await
    }

    async fn open_all(
        folder: &Path,
        organisations: Vec<Organisation>,
        limits: Limits,
        rate: names::RateLimit,
    ) -> Self {
        let (records, facts) = outlet(64);
        let outlets = Outlets {
            records,
            hints: outlet(1).0,
            progress: outlet(1).0,
            observations: outlet(1).0,
            handback: outlet(1).0,
            reminders: outlet(1).0,
        };
        let host = Host {
            place: PlaceId::new("oslo"),
            clock: Clock::system(),
            net: host::net::Net::Real,
            store: store::Store::open(folder, store::Options::default()).unwrap(),
            tasks: Tasks::default(),
            metrics: host::metrics::Metrics::default(),
            outlets,
            routes: host::web::Routes::default(),
            outbound: host::outbound::Outbound::default(),
        };
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let config = Config {
            rate,
            listen,
            workers: 2,
            organisations,
        };
        let part = Names::open(config, host.clone())
            .await
            .unwrap()
            .with_limits(limits);
        let (handle, at) = (part.handle(), part.addresses()[0]);
        let (sender, receiver) = watch::channel(Standings::default());
        let (trigger, drain) = Drain::new();
        let running = host.tasks.spawn("part", part.run(receiver, drain));
        Self {
            handle,
            at,
            facts,
            host,
            standings: sender,
            drain: trigger,
            running,
        }
    }

    pub(crate) fn decide(&self, standings: Standings) {
        self.standings.send_replace(standings);
    }

    /// The next zone that is served from now on.
    pub(crate) async fn transferred(&mut self) -> u32 {
        let fact = tokio::time::timeout(SOON, self.facts.recv()).await;
        match fact.expect("a transfer in time") {
            Some(Fact::Transfer(fact)) => fact.serial,
            other => panic!("not a transfer: {other:?}"),
        }
    }

    /// Asks until the answer is as wanted: for what has no event of its own.
    pub(crate) async fn until(&self, question: &[u8], want: impl Fn(&Reply) -> bool) -> Reply {
        let work = async {
            loop {
                let reply = udp(self.at, question).await;
                if want(&reply) {
                    return reply;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, work)
            .await
            .expect("the answer in time")
    }

    pub(crate) fn counted(&self, metric: &str) -> u64 {
        let text = self.host.metrics.text();
        let line = text.lines().find(|line| line.starts_with(metric));
        let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or("0");
        value.parse().unwrap_or(0)
    }

    /// Ends in order; the store is free afterwards.
    pub(crate) async fn close(self) {
        self.drain.begin();
        // Without a deadline: where the clock is paused, it would jump there at once.
        self.running.await.unwrap().unwrap();
        self.host.store.clone().close();
    }
}

pub(crate) async fn udp(at: SocketAddr, question: &[u8]) -> Reply {
    read(&udp_bytes(at, question).await)
}

pub(crate) async fn udp_bytes(at: SocketAddr, question: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    socket.send(question).await.unwrap();
    let mut answer = vec![0; 4096];
    let len = tokio::time::timeout(SOON, socket.recv(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer.truncate(len);
    answer
}

pub(crate) async fn send(stream: &mut TcpStream, message: &[u8]) {
    let mut framed = (message.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await.unwrap();
}

pub(crate) async fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let read = async {
        let len = usize::from(stream.read_u16().await?);
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    };
    tokio::time::timeout(SOON, read)
        .await
        .expect("an answer in time")
}

/// A question of any opcode and type, with a SOA of this serial where one belongs.
pub(crate) fn message(zone: &str, rtype: Rtype, opcode: domain::base::iana::Opcode) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(99);
    builder.header_mut().set_opcode(opcode);
    let mut builder = builder.question();
    builder
        .push((zone.parse::<WireName<Vec<u8>>>().unwrap(), rtype))
        .unwrap();
    builder.finish()
}

pub(crate) fn rcode(bytes: &[u8]) -> String {
    Message::from_octets(bytes)
        .unwrap()
        .header()
        .rcode()
        .to_string()
}
