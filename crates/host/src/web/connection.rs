//! One connection from its first byte to its last: opening, handshake, requests, judgement, end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::{Builder, Connection};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Judge, Judgement};
use super::counters::{Counters, Refusal};
use super::front::{Arrival, Front};
use super::listen::WebLimits;
use super::metered::Metered;
use super::transport::{Opened, Transport};
use crate::net::within;
use crate::{Clock, Drain, Tasks};

/// Runs the streams of HTTP/2 as named tasks.
#[derive(Clone)]
pub(super) struct Streams(pub(super) Tasks);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        self.0.spawn("web stream", work);
    }
}

/// What every connection of a set of listeners needs.
pub(super) struct House {
    pub(super) front: Front,
    pub(super) http: Builder<Streams>,
    pub(super) clock: Clock,
    pub(super) drain: Drain,
    /// One for each connection.
    pub(super) seats: Arc<Semaphore>,
}

impl House {
    /// While three quarters of the seats are taken, who says nothing is waited for less long.
    fn patience(&self, usual: Duration) -> Duration {
        let free = self.seats.available_permits();
        match free < self.front.limits.connections / 4 {
            true => usual / 5,
            false => usual,
        }
    }
}

/// How hyper is set up.
pub(super) fn builder(limits: &WebLimits, tasks: &Tasks) -> Builder<Streams> {
    let mut builder = Builder::new(Streams(tasks.clone()));
    // No timer of hyper's own: the judge below bounds heads and idleness for both versions,
    // without a timer for each request.
    builder
        .http1()
        .keep_alive(true)
        .half_close(false)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8192))
        .ignore_invalid_headers(false);
    builder
        .http2()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(128 * 1024);
    builder
}

/// Shakes hands, if the listener does.
pub(super) async fn open(
    caller: Opened,
    tls: Option<TlsAcceptor>,
    house: &House,
    activity: &Arc<Activity>,
) -> io::Result<Transport> {
    let activity = Arc::clone(activity);
    let Some(tls) = tls else {
        return Ok(Transport::plain(caller, activity));
    };
    let stream = within(house.front.limits.handshake, tls.accept(caller)).await?;
    Ok(Transport::tls(stream, activity))
}

/// Answers the requests of one connection until it ends.
pub(super) async fn attend(
    caller: Opened,
    tls: Option<TlsAcceptor>,
    arrival: Arrival,
    house: Arc<House>,
) {
    let activity = Arc::new(Activity::default());
    let Ok(transport) = open(caller, tls, &house, &activity).await else {
        house.front.counters.refuse(Refusal::Handshake);
        return;
    };
    let service = Service {
        house: Arc::clone(&house),
        activity: Arc::clone(&activity),
        arrival,
    };
    let connection = house
        .http
        .serve_connection(TokioIo::new(transport), service);
    follow(Box::pin(connection), &activity, &house).await;
}

type Conversation<'a> = Pin<Box<Connection<'a, TokioIo<Transport>, Service, Streams>>>;

/// Drives the connection and looks at it from time to time.
async fn follow(mut connection: Conversation<'_>, activity: &Activity, house: &House) {
    let limits = &house.front.limits;
    let counters = &house.front.counters;
    let mut judge = Judge::default();
    let first = house.patience(limits.first_request);
    let mut next = house.clock.now().mono.after(first);
    let mut last = None;
    let mut draining = false;
    loop {
        // All arms are cancel-safe: the connection keeps its own state, the others only wait.
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    count_end(error.as_ref(), activity, counters);
                }
                return;
            }
            () = house.clock.sleep_until(next) => {}
            () = house.drain.begun(), if !draining => {
                draining = true;
                last = Some(Refusal::Drain);
                next = house.clock.now().mono.after(limits.drain);
                connection.as_mut().graceful_shutdown();
                continue;
            }
        }
        let now = house.clock.now().mono;
        if let Some(reason) = last {
            // It was asked to end and did not.
            counters.refuse(reason);
            return;
        }
        match judge.look(activity, limits) {
            _ if activity.is_rapid_reset() => {
                counters.refuse(Refusal::RapidReset);
                return;
            }
            Judgement::Wait(span) => next = now.after(span),
            Judgement::Rest(span) => next = now.after(house.patience(span)),
            Judgement::SlowReader => {
                counters.refuse(Refusal::SlowReader);
                return;
            }
            Judgement::Idle => {
                last = Some(Refusal::Idle);
                next = now.after(FAREWELL.min(limits.stall));
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// How long a guest may take to read the farewell (GOAWAY, the rest of an answer).
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a connection broke, as far as it was our decision.
fn count_end(error: &(dyn std::error::Error + 'static), activity: &Activity, counters: &Counters) {
    if activity.is_rapid_reset() {
        counters.refuse(Refusal::RapidReset);
        return;
    }
    let Some(error) = error.downcast_ref::<hyper::Error>() else {
        return;
    };
    if error.is_parse_too_large() {
        counters.refuse(Refusal::Head);
    } else if error.is_parse() {
        counters.refuse(Refusal::Protocol);
    }
}

/// What hyper asks for each request.
struct Service {
    house: Arc<House>,
    activity: Arc<Activity>,
    arrival: Arrival,
}

type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Metered>, Infallible>> + Send>>;

impl hyper::service::Service<http::Request<Incoming>> for Service {
    type Response = http::Response<Metered>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: http::Request<Incoming>) -> Answering {
        let work = self.activity.begin();
        let house = Arc::clone(&self.house);
        let arrival = self.arrival;
        Box::pin(async move { Ok(house.front.answer(arrival, request, work).await) })
    }
}
