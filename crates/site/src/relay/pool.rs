//! Connections to the primary that lie idle for a moment: bounded in number and in time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use host::web::Body;
use hyper::client::conn::http1::SendRequest;
use model::Mono;

/// Common servers close after five seconds; a request should not meet that moment.
const IDLE: Duration = Duration::from_secs(4);
/// So many lie idle at most.
const MOST: usize = 32;
/// A connection given back is ready as soon as its task has run once more.
const READY: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Pool(Mutex<VecDeque<Lying>>);

struct Lying {
    /// The name that the handshake was made for.
    host: Box<str>,
    since: Mono,
    sender: SendRequest<Body>,
}

impl Pool {
    /// The connection that was used last, if one for `host` is alive.
    pub(super) async fn take(&self, host: &str, now: Mono) -> Option<SendRequest<Body>> {
        loop {
            let mut sender = self.pop(host, now)?;
            let ready = tokio::time::timeout(READY, sender.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                return Some(sender);
            }
        }
    }

    fn pop(&self, host: &str, now: Mono) -> Option<SendRequest<Body>> {
        let mut lying = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lying.retain(|one| now.since(one.since) < IDLE && !one.sender.is_closed());
        let at = lying.iter().rposition(|one| *one.host == *host)?;
        lying.remove(at).map(|one| one.sender)
    }

    /// Keeps a connection for the next request; the oldest gives way.
    pub(super) fn give_back(&self, host: &str, sender: SendRequest<Body>, now: Mono) {
        if sender.is_closed() {
            return;
        }
        let mut lying = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lying.len() >= MOST {
            lying.pop_front();
        }
        lying.push_back(Lying {
            host: Box::from(host),
            since: now,
            sender,
        });
    }
}
