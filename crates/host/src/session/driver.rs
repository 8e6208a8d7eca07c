//! The driver: reads, writes, shakes hands and waits for a [`Session`]. No task, no box and no
//! buffer of its own while nothing happens.
//!
//! All waiting is done in one place ([`Run::wait`]). What can be taken in is taken in before
//! anything is written, so that the replies to a batch of commands leave together; what waits to
//! be written bounds what is taken in.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use model::{Mono, Now};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use super::channel::Channel;
use super::exchange::{Exchange, Settled};
use super::{Counters, Input, Inward, Session, Surroundings, Then};
use crate::net::within;
use crate::tls::HopTls;
use crate::{Clock, Drain};

/// After so many steps in a row without a pause what waits is written and others have their turn.
const BATCH: u32 = 64;
/// A session that wants to be woken in the past is woken no more often than this.
const GRAIN: Duration = Duration::from_millis(1);
/// After the farewell the other end has so long to close. Until then what it still sends is read
/// and dropped: a reset would take the farewell from it (RFC 1122 §4.2.2.13).
const LINGER: Duration = Duration::from_secs(1);
/// And it may send so much meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// Which end of the connection is ours.
#[derive(Clone, Debug)]
pub enum Side {
    /// We were called.
    Server(Option<std::sync::Arc<ServerConfig>>),
    /// We called.
    Client {
        /// Whom to believe; without it no handshake succeeds.
        tls: Option<HopTls>,
        /// The host name that was called, for the handshake.
        name: String,
    },
}

/// A connection that nobody has spoken on yet.
#[derive(Debug)]
pub struct Connection<W> {
    /// The bytes' way.
    pub stream: W,
    /// Which end is ours.
    pub side: Side,
    /// Whether the handshake comes before everything else (RFC 8314 §3).
    pub implicit_tls: bool,
}

/// How much a driver bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes kept that the session has not taken.
    pub inbound: usize,
    /// While so many bytes wait to be written nothing is taken in.
    pub high_water: usize,
    /// Whoever takes nothing for so long, though something waits for it, is given up.
    pub write_stall: Duration,
    /// For the handshake.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbound: 64 * 1024,
            high_water: 64 * 1024,
            write_stall: Duration::from_secs(60),
            handshake: Duration::from_secs(30),
        }
    }
}

/// How a conversation ended.
#[derive(Debug)]
pub enum Ended {
    /// The session closed, and all that it said was written.
    BySession,
    /// The other end had nothing more to say.
    ByPeer,
    /// The other end took nothing any more.
    Stalled,
    /// The connection broke.
    Broken(io::Error),
    /// There is no TLS with the other end.
    Handshake(io::Error),
    /// The session wants bytes and takes none off a full buffer: a defect of the session.
    Overfull,
}

/// Drives the sessions of one listener, or of one kind of client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The one clock.
    pub clock: Clock,
    /// Bounds.
    pub limits: Limits,
    /// Tells the sessions that the program is about to end.
    pub drain: Drain,
    /// What is counted.
    pub counters: Counters,
}

impl Driver {
    /// Lets `session` speak over `connection` until one of them ends. Dropping the future cuts the
    /// connection off, and then the session is not told.
    pub async fn drive<S, E, W>(
        &self,
        session: &mut S,
        surroundings: &mut E,
        connection: Connection<W>,
    ) -> Ended
    where
        S: Session,
        E: Surroundings<S>,
        W: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let _open = self.counters.open();
        let mut run = Run {
            driver: self,
            session,
            surroundings,
            exchange: Exchange::default(),
            channel: Channel::new(connection.stream),
            side: connection.side,
            sent: Sent::default(),
            busy: 0,
            ticked: Mono::default(),
            is_told: false,
        };
        let ended = run.converse(connection.implicit_tls).await;
        if !matches!(ended, Ended::BySession) {
            run.tell_closed().await;
        }
        self.counters.ended(&ended);
        ended
    }

    fn now(&self) -> Now {
        self.clock.now()
    }
}

/// What came of waiting.
enum Step<A, E> {
    Inward(Inward<A, E>),
    Read(usize),
    /// Less waits to be written than before.
    Eased,
    /// All is written, and something follows that.
    Flushed,
    Drain,
    Alarm,
    Broken(io::Error),
}

/// Whether what is written gets away.
#[derive(Default)]
struct Sent {
    /// Bytes on the wire when that was looked at last.
    written: u64,
    /// Since when nothing moves.
    stuck: Option<Mono>,
}

/// A sleep that is only set anew when it has to end sooner: most deadlines move on and on.
struct Alarm<'a, F, M> {
    sleep: Pin<&'a mut Option<F>>,
    set: Option<Mono>,
    make: M,
}

impl<F: Future<Output = ()>, M: Fn(Mono) -> F> Alarm<'_, F, M> {
    /// Ready at `deadline` or at an earlier one that was asked for before.
    fn poll(&mut self, context: &mut Context<'_>, deadline: Option<Mono>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        if self.set.is_none_or(|set| set > deadline) {
            self.sleep.set(Some((self.make)(deadline)));
            self.set = Some(deadline);
        }
        if let Some(sleep) = self.sleep.as_mut().as_pin_mut() {
            ready!(sleep.poll(context));
        }
        self.sleep.set(None);
        self.set = None;
        Poll::Ready(())
    }
}

/// One conversation.
struct Run<'a, S: Session, E, W> {
    driver: &'a Driver,
    session: &'a mut S,
    surroundings: &'a mut E,
    exchange: Exchange<S>,
    channel: Channel<W>,
    side: Side,
    sent: Sent,
    /// Steps in a row without a pause.
    busy: u32,
    /// When the session was woken last.
    ticked: Mono,
    /// The session was told that the connection is closed.
    is_told: bool,
}

impl<S, E, W> Run<'_, S, E, W>
where
    S: Session,
    E: Surroundings<S>,
    W: AsyncRead + AsyncWrite + Unpin + Send,
{
    async fn converse(&mut self, implicit_tls: bool) -> Ended {
        let driver = self.driver;
        let mut drain = pin!(Some(driver.drain.begun()));
        let mut alarm = Alarm {
            sleep: pin!(None),
            set: None,
            make: |at| driver.clock.sleep_until(at),
        };
        if implicit_tls && let Err(error) = self.secure().await {
            return Ended::Handshake(error);
        }
        self.hand(Input::Opened);
        loop {
            self.settle(driver.limits.high_water).await;
            if self
                .exchange
                .is_overfull(self.session, driver.limits.inbound)
            {
                return Ended::Overfull;
            }
            let step = self.wait(drain.as_mut(), &mut alarm).await;
            match step {
                Step::Inward(Inward::Answer(number, answer)) => {
                    self.hand(Input::Answer(number, answer));
                }
                Step::Inward(Inward::Event(event)) => self.hand(Input::Event(event)),
                Step::Read(0) => {
                    // It may still listen, as `printf … | nc` does: what is to say is said.
                    self.tell_closed().await;
                }
                Step::Read(_) => self.exchange.arrived(),
                Step::Eased => {}
                Step::Flushed => {
                    if let Some(ended) = self.follow_up().await {
                        return ended;
                    }
                }
                Step::Drain => {
                    drain.set(None);
                    self.hand(Input::Drain);
                }
                Step::Alarm => {
                    if self.is_stalled() {
                        return Ended::Stalled;
                    }
                    self.tick();
                }
                Step::Broken(_) if self.is_told => return Ended::ByPeer,
                Step::Broken(error) => return Ended::Broken(error),
            }
        }
    }

    /// Waits for whatever comes first. Cancel-safe: what a poll has taken is in `self` or is
    /// returned in the same poll, and `Surroundings::next` is cancel-safe by contract.
    async fn wait<D, F, M>(
        &mut self,
        mut drain: Pin<&mut Option<D>>,
        alarm: &mut Alarm<'_, F, M>,
    ) -> Step<S::Answer, S::Event>
    where
        D: Future<Output = ()>,
        F: Future<Output = ()>,
        M: Fn(Mono) -> F,
    {
        let limits = &self.driver.limits;
        let open = self.exchange.out.then.is_none();
        let easy = self.exchange.out.bytes.len() < limits.high_water;
        let room = limits.inbound.saturating_sub(self.exchange.inbound.len());
        let reads = open && easy && room > 0 && self.session.wants_bytes();
        // One who wants to be woken in the past is woken a moment later.
        let wakeup = self.session.next_wakeup().filter(|_| open);
        let wakeup = wakeup.map(|at| at.max(self.ticked.after(GRAIN)));
        let writes_first = self.busy >= BATCH;
        if writes_first {
            self.busy = 0;
            tokio::task::yield_now().await;
        }
        let mut next = pin!(self.surroundings.next());
        let (exchange, channel, sent) = (&mut self.exchange, &mut self.channel, &mut self.sent);
        let clock = &self.driver.clock;
        let busy = &mut self.busy;
        *busy += 1;
        poll_fn(|context| {
            if writes_first && let Poll::Ready(Err(error)) = exchange.send(channel, context) {
                return Poll::Ready(Step::Broken(error));
            }
            if open
                && easy
                && let Poll::Ready(inward) = next.as_mut().poll(context)
            {
                return Poll::Ready(Step::Inward(inward));
            }
            if reads && let Poll::Ready(read) = exchange.receive(channel, context, room) {
                return Poll::Ready(read.map_or_else(Step::Broken, Step::Read));
            }
            if open
                && let Some(drain) = drain.as_mut().as_pin_mut()
                && drain.poll(context).is_ready()
            {
                return Poll::Ready(Step::Drain);
            }
            let stall = match exchange.send(channel, context) {
                Poll::Ready(Err(error)) => return Poll::Ready(Step::Broken(error)),
                Poll::Ready(Ok(())) => {
                    sent.stuck = None;
                    if !open {
                        return Poll::Ready(Step::Flushed);
                    }
                    None
                }
                Poll::Pending => {
                    let since = sent.since(channel.written(), clock);
                    Some(since.after(limits.write_stall))
                }
            };
            if open && !easy && exchange.out.bytes.len() < limits.high_water {
                return Poll::Ready(Step::Eased);
            }
            *busy = 0;
            exchange.rest();
            let deadline = [wakeup, stall].into_iter().flatten().min();
            alarm.poll(context, deadline).map(|()| Step::Alarm)
        })
        .await
    }

    fn hand(&mut self, input: Input<'_, S::Answer, S::Event>) {
        self.exchange.hand(self.session, self.driver.now(), input);
    }

    async fn settle(&mut self, high_water: usize) {
        let surroundings = &mut *self.surroundings;
        loop {
            let now = self.driver.now();
            let settled =
                self.exchange
                    .settle(self.session, now, high_water, |number, question| {
                        surroundings.ask(number, question)
                    });
            match settled {
                Settled::Rests => return,
                Settled::GoesOn => tokio::task::yield_now().await,
            }
        }
    }

    /// Tells the session, once and last of all, and asks what it still asks.
    async fn tell_closed(&mut self) {
        if !std::mem::replace(&mut self.is_told, true) {
            // What lies here is the beginning of something that will not be whole.
            self.exchange.inbound = BytesMut::new();
            self.hand(Input::Closed);
            self.exchange.out.close();
            self.settle(usize::MAX).await;
        }
    }

    /// Wakes the session if it wants that now; an alarm may have been set for an earlier time.
    fn tick(&mut self) {
        let now = self.driver.now();
        let due = self.session.next_wakeup().is_some_and(|at| at <= now.mono);
        if due && self.exchange.out.then.is_none() {
            self.ticked = now.mono;
            self.hand(Input::Tick);
        }
    }

    fn is_stalled(&self) -> bool {
        let stall = self.driver.limits.write_stall;
        let stuck = self.sent.stuck;
        stuck.is_some_and(|since| self.driver.now().mono.since(since) >= stall)
    }

    /// All is written: what the session wanted after that.
    async fn follow_up(&mut self) -> Option<Ended> {
        match self.exchange.out.then? {
            Then::Secure => {
                self.exchange.out.clear_then();
                // RFC 3207 §4.2, CVE-2011-0411: what was sent in clear is not taken for secure.
                let early = std::mem::take(&mut self.exchange.inbound);
                self.driver.counters.thrown_away(early.len());
                self.secure().await.err().map(Ended::Handshake)
            }
            Then::Close => {
                // What was not asked while much waited to be written.
                self.settle(usize::MAX).await;
                self.farewell().await;
                Some(match self.is_told {
                    true => Ended::ByPeer,
                    false => Ended::BySession,
                })
            }
        }
    }

    async fn secure(&mut self) -> io::Result<()> {
        // The handshake's future is large, and soon gone.
        let handshake = Box::pin(self.channel.secure(&self.side));
        let secured = within(self.driver.limits.handshake, handshake).await?;
        self.sent = Sent::default();
        self.hand(Input::Secured(secured));
        Ok(())
    }

    /// Shuts down and lets the other end read what was said.
    async fn farewell(&mut self) {
        let channel = &mut self.channel;
        let shutdown = poll_fn(|context| channel.poll_shutdown(context));
        let shut = within(self.driver.limits.write_stall, shutdown).await;
        if shut.is_err() || self.is_told {
            return;
        }
        let mut left = LINGER_BYTES;
        let mut dropped = BytesMut::new();
        let linger = poll_fn(|context| {
            loop {
                dropped.clear();
                match channel.poll_receive(context, &mut dropped, left) {
                    Poll::Ready(Ok(read)) if read > 0 => left = left.saturating_sub(read),
                    Poll::Ready(_) => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let _ = within(LINGER, linger).await;
    }
}

impl Sent {
    /// Since when nothing has moved.
    fn since(&mut self, written: u64, clock: &Clock) -> Mono {
        if written != self.written {
            self.written = written;
            self.stuck = None;
        }
        *self.stuck.get_or_insert_with(|| clock.now().mono)
    }
}

impl<S: Session> Exchange<S> {
    fn send<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        channel: &mut Channel<W>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        channel.poll_send(context, &mut self.out.bytes)
    }

    fn receive<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        channel: &mut Channel<W>,
        context: &mut Context<'_>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        channel.poll_receive(context, &mut self.inbound, room)
    }
}
