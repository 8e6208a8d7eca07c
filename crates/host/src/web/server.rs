//! The web listeners: bound first, then served until the drain is over.
//!
//! The lead calls [`serve`] once at boot for `listen.http` and `listen.https`, and
//! [`serve_metrics`] for `listen.metrics`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::connection::{self, House};
use super::counters::{Counters, Refusal};
use super::front::{Arrival, Desk, Front};
use super::listen::{WebLimits, WebListen};
use super::transport::Opened;
use super::{Body, Handler, Handling, Outcome, Request, Response};
use crate::limits::Guests;
use crate::metrics::Metrics;
use crate::net::{Listener, Stream, within};
use crate::tls::Certificates;
use crate::{Drain, Held, Host, OpenError, Tasks};

/// Listeners that are bound and serve.
#[derive(Debug)]
pub struct Serving {
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    ended: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Where plain HTTP is served, in the order of the configuration, with the real ports.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where HTTPS is served, in the order of the configuration, with the real ports.
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// Returns when the drain is over: what ran has ended, or its time was up.
    pub async fn ended(self) {
        for task in self.ended {
            // A listener that panicked was reported by its task.
            let _ = task.await;
        }
    }
}

/// Binds all listeners, then serves what is registered in `host.routes` until `drain`.
///
/// # Errors
/// An address cannot be bound; then none is served. HTTPS without certificates.
pub async fn serve(
    listen: WebListen,
    host: &Host,
    certificates: Option<&Certificates>,
    drain: Drain,
) -> Result<Serving, OpenError> {
    let tls = match certificates {
        Some(certificates) => Some(TlsAcceptor::from(certificates.server_config())),
        None if listen.https.is_empty() => None,
        None => {
            let message = "listen.https needs a certificate of at least one organisation";
            return Err(OpenError::Config(message.to_owned()));
        }
    };
    let front = Front {
        desk: Desk::ByHost(host.routes.clone()),
        limits: listen.limits.clone(),
        trusted: listen.trusted_proxies.clone(),
        counters: Counters::register(&host.metrics, "web"),
        in_work: AtomicUsize::new(0),
    };
    start(listen, front, tls, host, drain).await
}

/// Serves the metrics as text at `/metrics`, for whoever can reach `at`.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve_metrics(
    at: SocketAddr,
    host: &Host,
    drain: Drain,
) -> Result<Serving, OpenError> {
    let limits = WebLimits {
        connections: 64,
        connections_per_network: 64,
        requests: 16,
        streams: 8,
        body_bytes: 0,
        drain: Duration::from_secs(1),
        ..WebLimits::default()
    };
    let front = Front {
        desk: Desk::One(Arc::new(Text(host.metrics.clone()))),
        limits: limits.clone(),
        trusted: Vec::new(),
        counters: Counters::register(&host.metrics, "metrics"),
        in_work: AtomicUsize::new(0),
    };
    let listen = WebListen {
        http: vec![at],
        limits,
        ..WebListen::default()
    };
    start(listen, front, None, host, drain).await
}

async fn start(
    listen: WebListen,
    front: Front,
    tls: Option<TlsAcceptor>,
    host: &Host,
    drain: Drain,
) -> Result<Serving, OpenError> {
    let http = bind(host, &listen.http, "http").await?;
    let https = bind(host, &listen.https, "https").await?;
    let addresses = |bound: &[Listener]| -> Result<Vec<_>, OpenError> {
        let local = |listener: &Listener| listener.local_addr();
        bound
            .iter()
            .map(local)
            .collect::<io::Result<_>>()
            .map_err(|source| OpenError::Local {
                what: "a listener does not say where it listens".to_owned(),
                source,
            })
    };
    let (http_at, https_at) = (addresses(&http)?, addresses(&https)?);
    let limits = front.limits.clone();
    let seats = limits.connections.min(Semaphore::MAX_PERMITS);
    let seats = Arc::new(Semaphore::new(seats));
    let door = Arc::new(Door {
        house: Arc::new(House {
            http: connection::builder(&limits, &host.tasks),
            front,
            clock: host.clock.clone(),
            drain,
            seats: Arc::clone(&seats),
        }),
        seats,
        guests: Guests::new(limits.connections, limits.connections_per_network),
        listen,
        tasks: host.tasks.clone(),
    });
    let plain = http.into_iter().map(|listener| (listener, None));
    let secure = https.into_iter().map(|listener| (listener, tls.clone()));
    let ended = plain.chain(secure).map(|(listener, tls)| {
        let (clock, drain) = (host.clock.clone(), door.house.drain.clone());
        let door = Arc::clone(&door);
        let work = move |listener| Arc::clone(&door).keep(listener, tls.clone());
        let listener = Some(listener);
        host.tasks
            .keep_with("web listener", clock, drain, listener, work)
    });
    Ok(Serving {
        http: http_at,
        https: https_at,
        ended: ended.collect(),
    })
}

async fn bind(host: &Host, at: &[SocketAddr], key: &str) -> Result<Vec<Listener>, OpenError> {
    let mut bound = Vec::with_capacity(at.len());
    for address in at {
        let listener = host
            .net
            .listen(*address)
            .await
            .map_err(|source| OpenError::Local {
                what: format!(
                    "listen.{key}: {address} cannot be bound; is another server using it, or may \
                 this account not use the port?"
                ),
                source,
            })?;
        bound.push(listener);
    }
    Ok(bound)
}

/// Lets guests in.
struct Door {
    house: Arc<House>,
    listen: WebListen,
    /// One for each connection, whoever it is from.
    seats: Arc<Semaphore>,
    /// For those whose network is known.
    guests: Guests,
    tasks: Tasks,
}

/// A machine without a free descriptor is given a moment.
const BREATH: Duration = Duration::from_millis(50);

impl Door {
    async fn keep(self: Arc<Self>, mut held: Held<Option<Listener>>, tls: Option<TlsAcceptor>) {
        while let Some(listener) = held.as_ref() {
            // Both arms are cancel-safe: `accept` by contract, the other only waits.
            let accepted = tokio::select! {
                biased;
                () = self.house.drain.begun() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.let_in(stream, peer, tls.clone()),
                Err(error) => {
                    tracing::debug!("accept: {error}");
                    self.counters().refuse(Refusal::Connections);
                    self.house.clock.sleep(BREATH).await;
                }
            }
        }
        held.take();
        let all = u32::try_from(self.listen.limits.connections).unwrap_or(u32::MAX);
        // Each connection ends itself at this time; the second is for the farewell.
        let limit = self.listen.limits.drain + Duration::from_secs(1);
        let _ = tokio::time::timeout(limit, self.seats.acquire_many(all)).await;
    }

    fn let_in(self: &Arc<Self>, stream: Stream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
        let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
            self.counters().refuse(Refusal::Connections);
            return;
        };
        let networks = &self.listen.trusted_proxies;
        let trusted = networks.iter().any(|network| network.contains(peer.ip()));
        let door = Arc::clone(self);
        let arrival = Arrival {
            address: peer,
            secure: tls.is_some(),
            speaks_for_others: trusted && !self.listen.proxy_protocol,
        };
        if trusted && self.listen.proxy_protocol {
            self.tasks.spawn("web guest", async move {
                door.bring_in(stream, arrival, tls, seat).await;
            });
            return;
        }
        let place = match trusted {
            // A proxy brings many guests from one address.
            true => None,
            false => match self.guests.admit(peer.ip()) {
                Some(place) => Some(place),
                None => return self.counters().refuse(Refusal::Network),
            },
        };
        self.tasks.spawn("web guest", async move {
            let _held = (place, seat);
            door.attend(Opened::new(stream), arrival, tls).await;
        });
    }

    /// Waits for the proxy to say whom it brings.
    async fn bring_in(
        self: Arc<Self>,
        stream: Stream,
        mut arrival: Arrival,
        tls: Option<TlsAcceptor>,
        _seat: OwnedSemaphorePermit,
    ) {
        let limit = self.listen.limits.handshake;
        let Ok((stream, guest)) = within(limit, Opened::proxied(stream)).await else {
            return self.counters().refuse(Refusal::ProxyHeader);
        };
        let mut place = None;
        if let Some(guest) = guest {
            arrival.address = guest;
            place = self.guests.admit(guest.ip());
            if place.is_none() {
                return self.counters().refuse(Refusal::Network);
            }
        }
        self.attend(stream, arrival, tls).await;
        drop(place);
    }

    async fn attend(&self, stream: Opened, arrival: Arrival, tls: Option<TlsAcceptor>) {
        let connections = &self.counters().connections;
        connections.inc();
        connection::attend(stream, tls, arrival, Arc::clone(&self.house)).await;
        connections.dec();
    }

    fn counters(&self) -> &Counters {
        &self.house.front.counters
    }
}

/// The metrics page.
struct Text(Metrics);

impl Handler for Text {
    fn handle<'a>(&'a self, _host: &'a str, request: Request) -> Handling<'a> {
        let response = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => {
                let mut response = Response::new(Bytes::from(self.0.text()).into());
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
                response
            }
            _ => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        };
        Box::pin(std::future::ready(Outcome::Answer(response)))
    }
}

#[cfg(test)]
mod tests;
