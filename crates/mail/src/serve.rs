//! The listeners and the guests: the only file of the server's side with sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host::limits::{Guests, Seat};
use host::session::listener::{self, Listening, Opened};
use host::session::{Connection, Driver, Side};
use host::{Drain, Held, OpenError};
use rustls::ServerConfig;

use crate::config::Limits;
use crate::desk::Desk;
use crate::post::Post;
use crate::session::{Inbound, NO_SEAT, Terms};

/// Whoever is still in the middle of a message so long after the drain began is cut off.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the gauges are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What every guest's conversation is made of.
pub(crate) struct Door {
    pub(crate) post: Arc<Post>,
    pub(crate) terms: Arc<Terms>,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) guests: Guests,
    pub(crate) driver: Driver,
    pub(crate) drain: Drain,
}

impl Door {
    /// One conversation.
    async fn converse(&self, stream: Opened, from: SocketAddr, seat: Seat) {
        let _seat = seat;
        let mut session = Inbound::new(Arc::clone(&self.terms), from);
        let mut desk = Desk::new(Arc::clone(&self.post), self.guests.clone());
        let connection = Connection {
            stream,
            side: Side::Server(self.tls.clone()),
            implicit_tls: false,
        };
        let ended = self.driver.drive(&mut session, &mut desk, connection).await;
        tracing::trace!(?ended, "a guest is gone");
    }
}

/// Binds all addresses.
///
/// # Errors
/// One of them is not ours, or in use.
pub(crate) async fn bind(
    post: &Post,
    addresses: &[SocketAddr],
) -> Result<Vec<host::net::Listener>, OpenError> {
    let mut bound = Vec::with_capacity(addresses.len());
    for address in addresses {
        let listening = post.host.net.listen(*address).await;
        bound.push(listening.map_err(|source| OpenError::Local {
            what: format!("smtp cannot listen on {address}"),
            source,
        })?);
    }
    Ok(bound)
}

/// Serves guests until the drain begins, and those who are there to the end of their message.
pub(crate) async fn run(door: Arc<Door>, listeners: Vec<host::net::Listener>) {
    let tasks = door.post.host.tasks.clone();
    let mut serving = Vec::new();
    for listener in listeners {
        let outer = listener::Door {
            name: "smtp guest",
            guests: door.guests.clone(),
            tasks: tasks.clone(),
            clock: door.post.host.clock.clone(),
            drain: door.drain.clone(),
            patience: PATIENCE,
            refusal: NO_SEAT,
            proxies: Vec::new(),
            header: PATIENCE,
            counters: door.driver.counters.clone(),
        };
        let inner = Arc::clone(&door);
        let accepting = Listening::new(listener, outer, move |stream, from, seat| {
            let door = Arc::clone(&inner);
            async move { door.converse(stream, from, seat).await }
        });
        let (clock, drain) = (door.post.host.clock.clone(), door.drain.clone());
        let work = |mut held: Held<Listening<_>>| async move { held.run().await };
        serving.push(tasks.keep_with("smtp listener", clock, drain, accepting, work));
    }
    look(&door).await;
    for listener in serving {
        // A listener that panicked has been counted.
        let _ = listener.await;
    }
}

/// Keeps the gauges right until the drain begins.
async fn look(door: &Door) {
    loop {
        door.post.metrics.look(door.post.offices(), &door.guests);
        // Both arms are cancel-safe.
        tokio::select! {
            () = door.drain.begun() => return,
            () = door.post.host.clock.sleep(LOOK) => {}
        }
    }
}

/// Bounds on guests.
pub(crate) fn guests(limits: &Limits) -> Guests {
    Guests::new(limits.guests, limits.guests_per_network)
}
