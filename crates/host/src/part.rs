//! What a part is, and what it is given.

use std::future::Future;
use std::sync::Arc;

use model::{PlaceId, Standings};
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::net::Net;
use crate::outbound::Outbound;
use crate::web::Routes;
use crate::{Clock, Drain, Outlets, Tasks};

/// Everything a part gets from its surroundings. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    /// The name of this standby, which is the place it probes from.
    pub place: PlaceId,
    /// The one clock.
    pub clock: Clock,
    /// Sockets, real or simulated.
    pub net: Net,
    /// What is durable.
    pub store: store::Store,
    /// Named tasks.
    pub tasks: Tasks,
    /// Counters for whoever watches us.
    pub metrics: Metrics,
    /// Ways out.
    pub outlets: Outlets,
    /// Who answers for which host name on the web listeners.
    pub routes: Routes,
    /// How many connections there are to an organisation's own servers.
    pub outbound: Outbound,
}

/// A part could not be opened. Says whose fault it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration asks for something that cannot be.
    #[error("configuration: {0}")]
    Config(String),
    /// The machine refused: a port in use, a file not readable.
    #[error("{what}")]
    Local {
        /// What was tried, and how to mend it.
        what: String,
        /// What the machine said.
        #[source]
        source: std::io::Error,
    },
    /// The store could not be read or written.
    #[error("the store: {0}")]
    Store(Arc<str>),
}

/// A part ended by itself, which it never should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Why.
    #[error("{0}")]
    Ended(String),
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

/// One part of the standby: opened once, run until drained.
pub trait Part: Sized {
    /// What the configuration says about it.
    type Config;

    /// Makes ready: binds, loads what is held, registers routes. Serves nothing yet.
    fn open(
        config: Self::Config,
        host: Host,
    ) -> impl Future<Output = Result<Self, OpenError>> + Send;

    /// Works until the drain begins, following the standings.
    fn run(
        self,
        standings: watch::Receiver<Standings>,
        drain: Drain,
    ) -> impl Future<Output = Result<(), RunError>> + Send;
}
