//! One conversation from its greeting to its farewell.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use model::Mono;
use tokio::io::{AsyncRead, AsyncWrite};

use super::alarm::{Alarm, Sent};
use super::{Driver, Ended, Side};
use crate::net::within;
use crate::session::channel::Channel;
use crate::session::exchange::{Exchange, Settled};
use crate::session::{Input, Inward, Session, Surroundings, Then};

/// After so many steps in a row without a pause others have their turn, what waits is written, and
/// deadlines are looked at.
const BATCH: u32 = 64;
/// A session that wants to be woken in the past is woken no more often than this.
const GRAIN: Duration = Duration::from_millis(1);
/// After the farewell the other end has so long to close. Until then what it still sends is read
/// and dropped: a reset would take the farewell from it (RFC 1122 §4.2.2.13).
const LINGER: Duration = Duration::from_secs(1);
/// And it may send so much meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

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

/// One conversation.
pub(super) struct Run<'a, S: Session, E, W> {
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

impl<'a, S, E, W> Run<'a, S, E, W>
where
    S: Session,
    E: Surroundings<S>,
    W: AsyncRead + AsyncWrite + Unpin + Send,
{
    pub(super) fn new(
        driver: &'a Driver,
        session: &'a mut S,
        surroundings: &'a mut E,
        side: Side,
        stream: W,
    ) -> Self {
        Self {
            driver,
            session,
            surroundings,
            exchange: Exchange::default(),
            channel: Channel::new(stream),
            side,
            sent: Sent::default(),
            busy: 0,
            ticked: Mono::default(),
            is_told: false,
        }
    }

    pub(super) async fn converse(&mut self, implicit_tls: bool) -> Ended {
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
        let takes = open && self.exchange.out.bytes.len() < limits.high_water;
        let room = limits.inbound.saturating_sub(self.exchange.inbound.len());
        let reads = takes && room > 0 && self.session.wants_bytes();
        // One who wants to be woken in the past is woken a moment later.
        let wakeup = self.session.next_wakeup().filter(|_| open);
        let wakeup = wakeup.map(|at| at.max(self.ticked.after(GRAIN)));
        let is_due = self.busy >= BATCH;
        if is_due {
            self.busy = 0;
            tokio::task::yield_now().await;
        }
        // Neither those around nor the other end can keep each other from being heard.
        let hears_first = self.busy % 2 == 1;
        let driver = self.driver;
        let mut next = pin!(self.surroundings.next());
        let (exchange, channel, sent) = (&mut self.exchange, &mut self.channel, &mut self.sent);
        let busy = &mut self.busy;
        *busy += 1;
        poll_fn(|context| {
            if is_due {
                if let Poll::Ready(Err(error)) = exchange.send(channel, sent, driver, context) {
                    return Poll::Ready(Step::Broken(error));
                }
                if open && drain.is_some() && driver.drain.has_begun() {
                    return Poll::Ready(Step::Drain);
                }
                if wakeup.is_some_and(|at| at <= driver.clock.now().mono) {
                    return Poll::Ready(Step::Alarm);
                }
            }
            for hears in [hears_first, !hears_first] {
                if hears
                    && reads
                    && let Poll::Ready(read) = exchange.receive(channel, context, room)
                {
                    return Poll::Ready(read.map_or_else(Step::Broken, Step::Read));
                }
                if !hears
                    && takes
                    && let Poll::Ready(inward) = next.as_mut().poll(context)
                {
                    return Poll::Ready(Step::Inward(inward));
                }
            }
            if open
                && let Some(drain) = drain.as_mut().as_pin_mut()
                && drain.poll(context).is_ready()
            {
                return Poll::Ready(Step::Drain);
            }
            match exchange.send(channel, sent, driver, context) {
                Poll::Ready(Err(error)) => return Poll::Ready(Step::Broken(error)),
                Poll::Ready(Ok(())) if !open => return Poll::Ready(Step::Flushed),
                _ => {}
            }
            if open && !takes && exchange.out.bytes.len() < limits.high_water {
                return Poll::Ready(Step::Eased);
            }
            *busy = 0;
            exchange.rest();
            let stall = sent.stuck.map(|since| since.after(limits.write_stall));
            let deadline = [wakeup, stall].into_iter().flatten().min();
            alarm.poll(context, deadline).map(|()| Step::Alarm)
        })
        .await
    }

    fn hand(&mut self, input: Input<'_, S::Answer, S::Event>) {
        self.exchange
            .hand(self.session, self.driver.clock.now(), input);
    }

    async fn settle(&mut self, high_water: usize) {
        let surroundings = &mut *self.surroundings;
        loop {
            let now = self.driver.clock.now();
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
    pub(super) async fn tell_closed(&mut self) {
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
        let now = self.driver.clock.now();
        let due = self.session.next_wakeup().is_some_and(|at| at <= now.mono);
        if due && self.exchange.out.then.is_none() {
            self.ticked = now.mono;
            self.hand(Input::Tick);
        }
    }

    fn is_stalled(&self) -> bool {
        let stall = self.driver.limits.write_stall;
        let stuck = self.sent.stuck;
        stuck.is_some_and(|since| self.driver.clock.now().mono.since(since) >= stall)
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

impl<S: Session> Exchange<S> {
    fn send<W: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        channel: &mut Channel<W>,
        sent: &mut Sent,
        driver: &Driver,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = channel.poll_send(context, &mut self.out.bytes);
        match polled {
            Poll::Ready(_) => sent.stuck = None,
            Poll::Pending => sent.waits(channel.written(), &driver.clock),
        }
        polled
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
