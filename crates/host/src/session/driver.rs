//! The driver: reads, writes, shakes hands and waits for a [`Session`]. No task, no box and no
//! buffer of its own while nothing happens.
//!
//! All waiting is done in one place (`run.rs`). What can be taken in is taken in before
//! anything is written, so that the replies to a batch of commands leave together; what waits to
//! be written bounds what is taken in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Counters, Session, Surroundings};
use crate::tls::HopTls;
use crate::{Clock, Drain};

mod alarm;
mod run;

/// Which end of the connection is ours.
#[derive(Clone, Debug)]
pub enum Side {
    /// We were called.
    Server(Option<Arc<ServerConfig>>),
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
        let mut run = run::Run::new(
            self,
            session,
            surroundings,
            connection.side,
            connection.stream,
        );
        let ended = run.converse(connection.implicit_tls).await;
        if !matches!(ended, Ended::BySession) {
            run.tell_closed().await;
        }
        self.counters.ended(&ended);
        ended
    }
}
