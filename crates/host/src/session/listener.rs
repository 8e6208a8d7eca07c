//! The door of a TCP protocol: lets guests in, one task each, and refuses those for whom there is
//! no seat, without waiting for any of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::Counters;
use super::counters::Refusal;
use crate::limits::{Guests, Seat};
use crate::net::{Listener, Stream, within};
use crate::web::Network;
use crate::{Clock, Drain, Tasks};

pub use crate::web::Opened;

/// A machine without a free descriptor is given a moment.
const BREATH: Duration = Duration::from_millis(50);

/// What all guests of a listener have in common.
#[derive(Clone, Debug)]
pub struct Door {
    /// The name of the guests' tasks.
    pub name: &'static str,
    /// Seats; several listeners may share them.
    pub guests: Guests,
    /// Where guests are served.
    pub tasks: Tasks,
    /// The one clock.
    pub clock: Clock,
    /// Ends the listening.
    pub drain: Drain,
    /// Whoever is still here so long after the drain began is cut off.
    pub patience: Duration,
    /// What a guest without a seat is told, for example `421 …\r\n`; nothing where TLS comes first.
    pub refusal: &'static [u8],
    /// Proxies of our own that begin each connection with the PROXY protocol (version 1 or 2).
    pub proxies: Vec<Network>,
    /// For a proxy to say whom it brings.
    pub header: Duration,
    /// What is counted.
    pub counters: Counters,
}

/// A listener with its door, for as long as guests are let in, and until the last one is gone.
pub struct Listening<G> {
    listener: Option<Listener>,
    house: Arc<(Door, G)>,
    here: Option<mpsc::Sender<()>>,
    gone: mpsc::Receiver<()>,
}

impl<G, F> Listening<G>
where
    G: Fn(Opened, SocketAddr, Seat) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    /// Nobody is let in yet. `per_guest` holds the seat for as long as the guest stays.
    pub fn new(listener: Listener, door: Door, per_guest: G) -> Self {
        let (here, gone) = mpsc::channel(1);
        Self {
            listener: Some(listener),
            house: Arc::new((door, per_guest)),
            here: Some(here),
            gone,
        }
    }

    /// Lets guests in until the drain begins; returns when all have gone, or had to. May be begun
    /// again.
    pub async fn run(&mut self) {
        let door = &self.house.0;
        while let (Some(listener), Some(here)) = (&self.listener, &self.here) {
            // Both arms are cancel-safe: `accept` by contract, the other only waits.
            let accepted = tokio::select! {
                biased;
                () = door.drain.begun() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => let_in(&self.house, stream, peer, here.clone()),
                // The guest went before it was let in.
                Err(error) if is_the_guests(&error) => {}
                Err(error) => {
                    tracing::debug!("accept: {error}");
                    door.counters.refuse(Refusal::Accept);
                    door.clock.sleep(BREATH).await;
                }
            }
        }
        self.listener = None;
        self.here = None;
        // Nothing is ever sent: this ends when the last guest's end of it is dropped.
        let _ = self.gone.recv().await;
    }
}

/// Whether `accept` failed because of the one guest and the next may be let in at once.
fn is_the_guests(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

fn let_in<G, F>(house: &Arc<(Door, G)>, stream: Stream, peer: SocketAddr, here: mpsc::Sender<()>)
where
    G: Fn(Opened, SocketAddr, Seat) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let door = &house.0;
    let is_proxy = door.proxies.iter().any(|it| it.contains(peer.ip()));
    let seat = match is_proxy {
        true => door.guests.admit_unnamed(),
        false => door.guests.admit(peer.ip()),
    };
    let Some(seat) = seat else {
        door.counters.refuse(Refusal::Seats);
        return refuse(stream, door.refusal);
    };
    let house = Arc::clone(house);
    door.tasks.spawn(door.name, async move {
        let (door, per_guest) = &*house;
        let guest = async {
            match is_proxy {
                true => bring_in(door, stream, peer, seat, per_guest).await,
                false => per_guest(Opened::new(stream), peer, seat).await,
            }
        };
        // Dropping a guest is what is wanted of the second arm, which only waits.
        tokio::select! {
            () = guest => {}
            () = patience_is_over(door) => {}
        }
        drop(here);
    });
}

async fn patience_is_over(door: &Door) {
    door.drain.begun().await;
    door.clock.sleep(door.patience).await;
}

/// Waits for the proxy to say whom it brings.
async fn bring_in<G, F>(
    door: &Door,
    stream: Stream,
    proxy: SocketAddr,
    mut seat: Seat,
    per_guest: &G,
) where
    G: Fn(Opened, SocketAddr, Seat) -> F,
    F: Future<Output = ()>,
{
    let Ok((mut stream, guest)) = within(door.header, Opened::proxied(stream)).await else {
        return door.counters.refuse(Refusal::ProxyHeader);
    };
    // A proxy's own check counts for nobody's network.
    let named = guest.is_none_or(|guest| seat.name(guest.ip()));
    if !named {
        door.counters.refuse(Refusal::Seats);
        let _ = within(BREATH, stream.write_all(door.refusal)).await;
        return;
    }
    per_guest(stream, guest.unwrap_or(proxy), seat).await;
}

/// Says why and closes. A fresh connection has room for a line, so nothing waits; a simulated one
/// is only closed.
fn refuse(stream: Stream, words: &[u8]) {
    use std::io::Write as _;

    match stream {
        Stream::Real(stream) => {
            if let Ok(mut stream) = stream.into_std() {
                let _ = stream.write(words);
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
        }
        #[cfg(feature = "simulation")]
        Stream::Simulated(stream) => drop(stream),
    }
}
