//! What the program does for its own data, whatever parts it has.

use std::time::Duration;

use host::{Drain, Host, chain};

/// How often what nobody needs is freed.
const SWEEP: Duration = Duration::from_secs(600);

/// Notices a disk that does not answer: one that refuses says so.
pub(super) fn look_at_the_disk(host: &Host, drain: &Drain) {
    let (store, clock, end) = (host.store.clone(), host.clock.clone(), drain.clone());
    let work = move || {
        let (store, clock, end) = (store.clone(), clock.clone(), end.clone());
        async move {
            while !end.has_begun() {
                store.look_at_the_disk();
                clock.sleep(Duration::from_secs(1)).await;
            }
        }
    };
    let clock = host.clock.clone();
    host.tasks.keep("disk", clock, drain.clone(), work);
}

/// Frees what no part needs any more, in an outage too: that is when room is needed.
pub(super) fn sweep(host: &Host, drain: &Drain) {
    let (host, end) = (host.clone(), drain.clone());
    let (tasks, clock) = (host.tasks.clone(), host.clock.clone());
    let work = move || {
        let (host, end) = (host.clone(), end.clone());
        async move {
            while !end.has_begun() {
                // Both arms are cancel-safe.
                tokio::select! {
                    () = end.begun() => return,
                    () = host.clock.sleep(SWEEP) => {}
                }
                let blobs = host.store.blobs().clone();
                match host.tasks.blocking("sweeping", move || blobs.sweep()).await {
                    Ok(Ok(swept)) => tracing::debug!(removed = swept.removed, "blobs were swept"),
                    Ok(Err(error)) => tracing::warn!(why = chain(&error), "blobs were not swept"),
                    Err(_) => {}
                }
            }
        }
    };
    tasks.keep("sweep", clock, drain.clone(), work);
}
