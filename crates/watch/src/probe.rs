//! Native probes: each asks one target once and says what was seen, phase by phase.
//!
//! Called by `run` for targets and by `companions` for what is asked beside them. A probe has
//! one time-out for all of its phases; what had not come by then is silence of the phase that
//! waited. Times come from the host's clock.

mod datagram;
mod dns;
mod fault;
mod http;
mod icmp;
mod smtp;
mod tcp;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use host::Clock;
use host::net::Net;
use host::outbound::Outbound;
use model::{Failure, Finding, Identity, Mono, Phase, PhaseTime};

use crate::target::{HttpProbe, Probe, TlsProbe};

pub(crate) use self::http::USER_AGENT;
pub(crate) use self::icmp::{Permission, echo, permission};
pub(crate) use self::tcp::knock;
pub(crate) use self::tls::{Trust, TrustError};

/// What one probe saw.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The phases that were completed, and the one that failed, in order.
    pub(crate) phases: Vec<PhaseTime>,
    /// The result.
    pub(crate) finding: Finding,
}

impl Measured {
    pub(crate) fn is_good(&self) -> bool {
        self.finding.is_good()
    }
}

/// What probes need of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tools<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) net: Net,
}

/// A probe with all that was read and checked once.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    probe: Probe,
    trust: Option<Trust>,
    mark: Option<Arc<http::Mark>>,
    tolerant: bool,
    outbound: Outbound,
}

impl Prepared {
    /// `trust` judges certificates where the probe meets any; `tolerant` takes a refusal of the
    /// prober (403, 429; 421, 550 and 554 of a mail server) as good, for servers that are not ours to judge.
    pub(crate) fn new(probe: Probe, trust: Option<Trust>, tolerant: bool) -> Self {
        let mark = match &probe {
            Probe::Http(HttpProbe { expect, .. }) => expect.as_deref().map(http::Mark::new),
            _ => None,
        };
        Self {
            probe,
            trust,
            mark: mark.map(Arc::new),
            tolerant,
            outbound: Outbound::default(),
        }
    }

    /// The same on a standby that has these connections to the same servers.
    pub(crate) fn beside(self, outbound: Outbound) -> Self {
        Self { outbound, ..self }
    }

    /// Asks once. `known` is who answered before, where the protocol proves it; `connected` is
    /// called as soon as a connection stands.
    pub(crate) async fn ask(
        &self,
        tools: Tools<'_>,
        limit: Duration,
        known: Option<&Identity>,
        connected: &(dyn Fn() + Send + Sync),
    ) -> Measured {
        let mut watch = Stopwatch::new(tools.clock);
        watch.connected = Some(connected);
        let asking = self.ask_unbounded(tools, limit, known, &mut watch);
        let result = match tokio::time::timeout(limit, asking).await {
            Ok(result) => result,
            Err(_) => watch.silence(),
        };
        let finding = match result {
            Ok(identity) => Finding::Good { identity },
            Err(failure) => Finding::Failed(failure),
        };
        Measured {
            phases: watch.stop(),
            finding,
        }
    }

    async fn ask_unbounded(
        &self,
        tools: Tools<'_>,
        limit: Duration,
        known: Option<&Identity>,
        watch: &mut Stopwatch<'_>,
    ) -> Found {
        match &self.probe {
            Probe::Http(page) => {
                let asked = http::Asked {
                    page,
                    mark: self.mark.as_deref(),
                    tolerant: self.tolerant,
                    trust: self.trust.as_ref(),
                    known,
                };
                http::ask(tools, asked, watch).await
            }
            Probe::Tcp { address } => tcp::ask(tools, *address, watch).await.map(|_| None),
            Probe::Tls(TlsProbe { address, name, .. }) => {
                let stream = tcp::ask(tools, *address, watch).await?;
                watch.begin(Phase::Tls);
                let trust = self.trust.as_ref().ok_or(Failure::Local)?;
                let (_, identity) = trust.handshake(stream, name, &[], known).await?;
                Ok(Some(identity))
            }
            Probe::Smtp(server) => {
                let asked = smtp::Asked {
                    server,
                    tolerant: self.tolerant,
                    outbound: &self.outbound,
                    trust: self.trust.as_ref(),
                    known,
                };
                smtp::ask(tools, asked, watch).await
            }
            Probe::Dns { address, zone } => {
                let asking = dns::ask(tools, *address, zone, limit, watch);
                asking.await.map(|()| None)
            }
            Probe::Icmp { address } => {
                watch.begin(Phase::Echo);
                icmp::ask(tools.clock, *address, limit).await.map(|()| None)
            }
        }
    }
}

/// What a probe found: who answered, where that is proved, or what was wrong.
type Found = Result<Option<Identity>, Failure>;

/// Takes the time of each phase.
pub(crate) struct Stopwatch<'a> {
    clock: &'a Clock,
    /// Called when the first phase after a connection begins.
    connected: Option<&'a (dyn Fn() + Send + Sync)>,
    done: Vec<PhaseTime>,
    running: Option<(Phase, Mono)>,
    heard: Option<Found>,
}

impl<'a> Stopwatch<'a> {
    fn new(clock: &'a Clock) -> Self {
        Self {
            clock,
            connected: None,
            done: Vec::with_capacity(4),
            running: None,
            heard: None,
        }
    }

    /// Ends the phase that runs and begins another, which has to be heard of by itself.
    fn begin(&mut self, phase: Phase) {
        let now = self.clock.now().mono;
        if matches!(self.running, Some((Phase::Connect, _)))
            && let Some(connected) = self.connected.take()
        {
            connected();
        }
        self.end(now);
        self.running = Some((phase, now));
        self.heard = None;
    }

    /// Ends the phase that runs: what is still done is nobody's time.
    fn rest(&mut self) {
        self.end(self.clock.now().mono);
    }

    /// Something came that was not the whole answer. It counts if nothing better comes.
    fn heard(&mut self, found: Found) {
        self.heard = Some(found);
    }

    /// What it means that the time is over.
    fn silence(&mut self) -> Found {
        let phase = self.running.map_or(Phase::Connect, |(phase, _)| phase);
        self.heard.take().unwrap_or(Err(Failure::Silent { phase }))
    }

    fn end(&mut self, now: Mono) {
        if let Some((phase, began)) = self.running.take() {
            let micros = u64::try_from(now.since(began).as_micros()).unwrap_or(u64::MAX);
            self.done.push(PhaseTime { phase, micros });
        }
    }

    fn stop(mut self) -> Vec<PhaseTime> {
        self.rest();
        self.done
    }
}

#[cfg(test)]
mod tests;
