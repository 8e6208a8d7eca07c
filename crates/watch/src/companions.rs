//! What is asked beside a failing target: our own references, and what tells the cause.
//!
//! Called by `observe` alone. The references answer the question "are we ourselves connected?";
//! companions (echo, other ports, neighbours, routers) tell a machine that is off from a network
//! that is gone. They run beside the probe, so that evidence costs no time of its own.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use host::Clock;
use host::net::Net;
use model::{Companion, CompanionKind, Mono, Reply, Sees};
use tokio::sync::Mutex;

use crate::probe::{self, Tools};
use crate::target::{Companions, Probe};

/// How long what the references said is believed: many targets that fail together ask once.
const BELIEVED: Duration = Duration::from_secs(1);
/// A reference that says nothing for so long is silent; a lost SYN is sent again after 1 s
/// (RFC 6298 §2.1).
const REFERENCE_LIMIT: Duration = Duration::from_millis(1_500);
/// Only who was asked for so long and said nothing may be called silent.
const PATIENCE: Duration = Duration::from_secs(1);

/// The look at ourselves, shared by all targets of this place.
#[derive(Debug)]
pub(crate) struct SelfCheck {
    references: Vec<SocketAddr>,
    seen: Mutex<Option<(Mono, Sees)>>,
}

impl SelfCheck {
    pub(crate) fn new(references: Vec<SocketAddr>) -> Self {
        Self {
            references,
            seen: Mutex::new(None),
        }
    }

    /// Whether any reference answers; asked anew at most once a second, and once at a time.
    pub(crate) async fn look(&self, clock: &Clock, net: Net) -> Sees {
        if self.references.is_empty() {
            return Sees::NotConfigured;
        }
        let mut seen = self.seen.lock().await;
        if let Some((at, sees)) = *seen
            && clock.now().mono.since(at) < BELIEVED
        {
            return sees;
        }
        let sees = ask_references(Tools { clock, net }, &self.references).await;
        *seen = Some((clock.now().mono, sees));
        sees
    }
}

/// Asks all at once; the first that lives suffices.
async fn ask_references(tools: Tools<'_>, references: &[SocketAddr]) -> Sees {
    let mut asked: Vec<Asking<'_>> = references
        .iter()
        .map(|reference| Asking::new(None, probe::knock(tools, *reference)))
        .collect();
    let alive = std::future::poll_fn(|context| {
        let mut waiting = false;
        for asking in &mut asked {
            match asking.poll(context) {
                Some(reply) if reply.shows_life() => return Poll::Ready(true),
                Some(_) => {}
                None => waiting = true,
            }
        }
        if waiting {
            Poll::Pending
        } else {
            Poll::Ready(false)
        }
    });
    match tokio::time::timeout(REFERENCE_LIMIT, alive).await {
        Ok(true) => Sees::References,
        Ok(false) | Err(_) => Sees::Nothing,
    }
}

/// One question under way, or its reply.
struct Asking<'a> {
    kind: Option<CompanionKind>,
    future: Option<Pin<Box<dyn Future<Output = Reply> + Send + 'a>>>,
    reply: Option<Reply>,
}

impl<'a> Asking<'a> {
    fn new(kind: Option<CompanionKind>, future: impl Future<Output = Reply> + Send + 'a) -> Self {
        Self {
            kind,
            future: Some(Box::pin(future)),
            reply: None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Option<Reply> {
        if let Some(future) = &mut self.future
            && let Poll::Ready(reply) = future.as_mut().poll(context)
        {
            self.future = None;
            self.reply = Some(reply);
        }
        self.reply
    }
}

/// All that is asked beside one probe, and the look at ourselves. Asking begins at the first
/// poll; what has come may be taken at any time.
pub(crate) struct Beside<'a> {
    asking: Vec<Asking<'a>>,
    look: Looking<'a>,
    since: Mono,
}

enum Looking<'a> {
    Yet(Pin<Box<dyn Future<Output = Sees> + Send + 'a>>),
    Done(Sees),
}

impl<'a> Beside<'a> {
    /// No question lasts longer than `limit`. Without `companions` only `look` is asked.
    pub(crate) fn new(
        tools: Tools<'a>,
        probe: &Probe,
        companions: Option<&Companions>,
        limit: Duration,
        look: impl Future<Output = Sees> + Send + 'a,
    ) -> Self {
        Self {
            asking: companions
                .map(|companions| ask(tools, probe, companions, limit))
                .unwrap_or_default(),
            look: Looking::Yet(Box::pin(look)),
            since: tools.clock.now().mono,
        }
    }

    /// Ready when all companions have replied and we know how we are connected.
    pub(crate) fn poll_all(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.poll_sees(context).is_pending();
        for asking in &mut self.asking {
            waiting |= asking.poll(context).is_none();
        }
        if waiting {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Ready when we know how we are connected.
    pub(crate) fn poll_sees(&mut self, context: &mut Context<'_>) -> Poll<Sees> {
        match &mut self.look {
            Looking::Done(sees) => Poll::Ready(*sees),
            Looking::Yet(look) => {
                let sees = std::task::ready!(look.as_mut().poll(context));
                self.look = Looking::Done(sees);
                Poll::Ready(sees)
            }
        }
    }

    /// What came up to now. Who was not given the time to answer was not asked.
    pub(crate) fn replies(&self, now: Mono) -> Vec<Companion> {
        let missing = if now.since(self.since) >= PATIENCE {
            Reply::Silent
        } else {
            Reply::NotAsked
        };
        let companion = |asking: &Asking<'_>| {
            Some(Companion {
                kind: asking.kind?,
                reply: asking.reply.unwrap_or(missing),
            })
        };
        self.asking.iter().filter_map(companion).collect()
    }
}

fn ask<'a>(
    tools: Tools<'a>,
    probe: &Probe,
    companions: &Companions,
    limit: Duration,
) -> Vec<Asking<'a>> {
    let ip = probe.ip();
    let mut asking = Vec::new();
    let mut echo = |kind, to| {
        if !tools.net.has_datagrams() {
            return;
        }
        asking.push(Asking::new(Some(kind), probe::echo(tools.clock, to, limit)));
    };
    // Our own kernel answers for all of loopback: that says nothing of who is asked.
    if !matches!(probe, Probe::Icmp { .. }) && !ip.is_loopback() {
        echo(CompanionKind::Echo, ip);
    }
    for neighbour in &companions.neighbours {
        echo(CompanionKind::Neighbour(*neighbour), *neighbour);
    }
    for router in &companions.routers {
        echo(CompanionKind::Router(*router), *router);
    }
    for port in &companions.ports {
        if probe.tcp_port() == Some(*port) {
            continue;
        }
        let to = SocketAddr::new(ip, *port);
        let kind = CompanionKind::Port(*port);
        asking.push(Asking::new(Some(kind), knock(tools, to, limit)));
    }
    asking
}

async fn knock(tools: Tools<'_>, to: SocketAddr, limit: Duration) -> Reply {
    tokio::time::timeout(limit, probe::knock(tools, to))
        .await
        .unwrap_or(Reply::Silent)
}
