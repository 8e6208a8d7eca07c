//! Two visitors who ask for the same pages in the same instants, one without Servergate and one
//! with: names resolved anew, a new HTTPS connection, every byte compared with the folder.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use host::tls::ClientTls;
use host::{Clock, Drain, DrainTrigger, Tasks};
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use model::Mono;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::config::{HOST, Plan};
use super::ledger::{Outcome, Visit, Who};
use super::resolver::Resolver;
use super::site::{FILES, File};

/// From one instant to the next.
pub(crate) const STEP: Duration = Duration::from_millis(250);
/// A visitor's patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// Visits that ended and were not looked at yet.
const WAITING: usize = 256;
/// No page of the drill is longer.
const LONGEST: usize = 1 << 20;

/// Both visitors, browsing.
pub(crate) struct Visitors {
    visits: mpsc::Receiver<Visit>,
    stop: DrainTrigger,
}

impl Visitors {
    /// Sends them out; visits count their time from `began`.
    pub(crate) fn send_out(
        plan: &Plan,
        authority: &Path,
        began: Mono,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Result<Self> {
        let visitor = |who| Visitor::new(plan, authority, who, began, clock).map(Arc::new);
        let both = [visitor(Who::Without)?, visitor(Who::With)?];
        let (enter, visits) = mpsc::channel(WAITING);
        let (stop, drain) = Drain::new();
        let round = browse(both, enter, clock.clone(), tasks.clone(), drain);
        tasks.spawn("drill visitors", round);
        Ok(Self { visits, stop })
    }

    /// The next visit that ended; `None` when they have stopped and nothing is under way.
    /// Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Visit> {
        self.visits.recv().await
    }

    /// Lets them go; what is under way still ends.
    pub(crate) fn stop(&self) {
        self.stop.begin();
    }
}

async fn browse(
    both: [Arc<Visitor>; 2],
    enter: mpsc::Sender<Visit>,
    clock: Clock,
    tasks: Tasks,
    drain: Drain,
) {
    let mut instant = clock.now().mono;
    for (number, file) in FILES.iter().cycle().enumerate() {
        for visitor in &both {
            let (visitor, enter) = (Arc::clone(visitor), enter.clone());
            tasks.spawn("drill visit", async move {
                let visit = visitor.visit(number, file).await;
                // Nobody keeps the ledger any more: the drill is over.
                let _ = enter.send(visit).await;
            });
        }
        // A machine that stood still does not catch up with a crowd.
        instant = instant.after(STEP).max(clock.now().mono);
        tokio::select! {
            () = clock.sleep_until(instant) => {}
            () = drain.begun() => return,
        }
    }
}

struct Visitor {
    who: Who,
    resolver: Resolver,
    port: u16,
    tls: ClientTls,
    began: Mono,
    clock: Clock,
}

/// One visit to the start page, to see whether all is up.
pub(crate) async fn once(plan: &Plan, authority: &Path, who: Who, clock: &Clock) -> Result<Visit> {
    let visitor = Visitor::new(plan, authority, who, clock.now().mono, clock)?;
    let start = FILES.first().context("the site has no start page")?;
    Ok(visitor.visit(0, start).await)
}

impl Visitor {
    fn new(plan: &Plan, authority: &Path, who: Who, began: Mono, clock: &Clock) -> Result<Self> {
        let server = match who {
            Who::Without => plan.primary_dns(),
            Who::With => plan.standby_dns(),
        };
        Ok(Self {
            who,
            resolver: Resolver::new(server, HOST, clock.clone())?,
            port: plan.primary_web().port(),
            tls: ClientTls::new(Some(authority))?.offering(&[b"http/1.1"]),
            began,
            clock: clock.clone(),
        })
    }

    async fn visit(&self, number: usize, file: &File) -> Visit {
        let asked = self.clock.now().mono;
        let target = file.target();
        let mut led_to = None;
        let asking = async {
            let address = self.resolver.resolve().await?;
            led_to = Some(address);
            Some(self.page((address, self.port).into(), &target).await)
        };
        let outcome = match timeout(PATIENCE, asking).await {
            Err(_) => Outcome::Silent,
            Ok(None | Some(Err(_))) => Outcome::Broken,
            Ok(Some(Ok((200, body)))) if body == file.bytes => Outcome::Good,
            Ok(Some(Ok((200, _)))) => Outcome::Differs,
            Ok(Some(Ok((status, _)))) => Outcome::Status(status),
        };
        let at = asked.since(self.began);
        let took = self.clock.now().mono.since(asked);
        Visit {
            who: self.who,
            number,
            at,
            took,
            target: target.into(),
            led_to,
            outcome,
        }
    }

    async fn page(&self, server: SocketAddr, target: &str) -> Result<(u16, Bytes)> {
        let stream = TcpStream::connect(server).await?;
        exchange(self.tls.connect(HOST, stream).await?, HOST, target).await
    }
}

/// One page in clear, for the public page on this machine.
pub(crate) async fn plain(server: SocketAddr, host: &str, target: &str) -> Result<(u16, Bytes)> {
    let asking = async {
        let stream = TcpStream::connect(server).await?;
        exchange(stream, host, target).await
    };
    timeout(PATIENCE, asking)
        .await
        .context("no answer within a second")?
}

async fn exchange<S>(stream: S, host: &str, target: &str) -> Result<(u16, Bytes)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "servergate-drill")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let asking = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        let body = body.map_err(|error| anyhow!("the body broke off: {error}"))?;
        Ok((status, body.to_bytes()))
    };
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        answer = &mut asking => answer,
        // It ends when all bytes have come, which may be before they were looked at.
        _ = connection => asking.await,
    }
}
