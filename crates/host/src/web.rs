//! The web listeners' inside: who answers for which host name.
//!
//! Parts never import parts, so `site` and `bulletin` meet here: each registers the host names
//! it answers for. A handler that has no honest answer returns [`Outcome::Unavailable`], and the
//! registered [`Notice`] (the bulletin) renders the 503 page.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use model::OrganisationId;

mod activity;
mod body;
mod connection;
mod counters;
mod exchange;
mod framing;
mod front;
mod listen;
mod metered;
mod proxied;
mod server;
mod target;
mod transport;

pub use body::{Body, BodyError};
pub use exchange::{Answered, ExchangeError, exchange};
pub use listen::{InvalidNetwork, Network, WebLimits, WebListen};
pub use metered::UploadError;
pub use server::{Serving, serve, serve_metrics};
pub use transport::Opened;

/// A request as a handler sees it. Extensions hold a [`Guest`].
pub type Request = http::Request<Body>;
/// A response as a handler gives it.
pub type Response = http::Response<Body>;

/// Who asks, put into the request's extensions by the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The address of the guest (of the trusted proxy's guest, where there is one).
    pub address: SocketAddr,
    /// Whether the guest came by HTTPS.
    pub secure: bool,
}

/// What a handler makes of a request.
pub enum Outcome {
    /// An answer.
    Answer(Response),
    /// Nothing honest to answer: the registered notice says so with a 503.
    Unavailable {
        /// Whose page would have been here.
        organisation: OrganisationId,
        /// `Retry-After` in seconds.
        retry_after: u32,
    },
}

/// A future that a handler returns.
pub type Handling<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Answers requests for the host names it is registered for.
pub trait Handler: Send + Sync {
    /// Answers one request. The host name is one of those registered, lower case, without port.
    fn handle<'a>(&'a self, host: &'a str, request: Request) -> Handling<'a>;
}

/// Renders the page that says honestly that there is none: always 503 with `Retry-After`.
pub trait Notice: Send + Sync {
    /// `head` tells the language (Accept-Language), the path and the method.
    fn unavailable(
        &self,
        organisation: &OrganisationId,
        retry_after: u32,
        head: &http::request::Parts,
    ) -> Response;
}

/// Who answers for which host name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Routes(Arc<RwLock<Table>>);

#[derive(Default)]
struct Table {
    handlers: HashMap<String, Arc<dyn Handler>>,
    notice: Option<Arc<dyn Notice>>,
}

impl Routes {
    /// Registers `handler` for `host` (lower case, without port). The last one wins.
    pub fn register(&self, host: &str, handler: Arc<dyn Handler>) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.handlers.insert(host.to_ascii_lowercase(), handler);
    }

    /// Registers who renders the 503 page.
    pub fn register_notice(&self, notice: Arc<dyn Notice>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .notice = Some(notice);
    }

    /// Who answers for `host`; `None` means 421 Misdirected Request.
    pub fn handler(&self, host: &str) -> Option<Arc<dyn Handler>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .handlers
            .get(host)
            .cloned()
    }

    /// Who renders the 503 page.
    pub fn notice(&self) -> Option<Arc<dyn Notice>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .notice
            .clone()
    }
}
