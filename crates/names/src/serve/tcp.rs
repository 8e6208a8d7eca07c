//! Streams: several questions on one connection, answered in their order (RFC 7766), with limits
//! on how many guests there are and how slow one may be; transfers out go here alone.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use host::limits::{Guests, Seat};
use host::net::{Listener, Stream, within};
use host::{Drain, Held, Tasks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::answer::Transport;
use crate::desk::{Asked, Desk, Guest, Handled};
use crate::metrics::Refused;
use crate::transfer::{Outward, Plan, tsig_time};
use crate::wire::{Frames, push_frame};

/// How patient we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// With a connection on which nothing is asked (RFC 7766 §6.2.3).
    pub(crate) idle: Duration,
    /// With a question that was begun.
    pub(crate) question: Duration,
    /// With a guest who does not take the answer.
    pub(crate) answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(10),
            question: Duration::from_secs(5),
            answer: Duration::from_secs(10),
        }
    }
}

/// Connections altogether, and from one network.
pub(crate) const GUESTS: (usize, usize) = (1000, 100);
/// Transfers out at once.
pub(crate) const TRANSFERS: usize = 8;
/// Questions on one connection; after them the guest may come again.
const QUESTIONS: usize = 10_000;

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Counterpart {
    pub(crate) desk: Arc<Desk>,
    pub(crate) guests: Guests,
    pub(crate) transfers: Arc<Semaphore>,
    pub(crate) patience: Patience,
    pub(crate) tasks: Tasks,
}

/// Accepts until the drain begins.
pub(crate) async fn accept(listener: Held<Listener>, shared: Counterpart, drain: Drain) {
    loop {
        let accepted = tokio::select! {
            () = drain.begun() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or a guest that left: both pass.
                tracing::debug!(%error, "a connection was not accepted");
                shared.desk.clock.sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let Some(seat) = shared.guests.admit(peer.ip()) else {
            shared.desk.counters.refused(Refused::Connection);
            continue;
        };
        let (connection, drain) = (shared.clone(), drain.clone());
        shared.tasks.spawn("names-stream", async move {
            let served = Box::pin(serve(stream, peer.ip(), &connection, seat));
            let result = tokio::select! {
                () = drain.begun() => return,
                result = served => result,
            };
            if result.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                connection.desk.counters.refused(Refused::Slow);
            }
        });
    }
}

async fn serve(
    mut stream: Stream,
    peer: std::net::IpAddr,
    shared: &Counterpart,
    _seat: Seat,
) -> io::Result<()> {
    let patience = shared.patience;
    let mut frames = Frames::default();
    let mut input = [0; 1024];
    let (mut answer, mut output) = (Vec::new(), Vec::new());
    let mut left = QUESTIONS;
    loop {
        let len = if frames.pending() == 0 {
            match within(patience.idle, stream.read(&mut input)).await {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(()),
                other => other?,
            }
        } else {
            // The rest of a question that was begun; one deadline for all of it.
            let rest = async {
                let len = stream.read(&mut input).await?;
                frames.extend(input.get(..len).unwrap_or_default());
                while len > 0 && !frames.is_complete() {
                    let more = stream.read(&mut input).await?;
                    if more == 0 {
                        return Ok(0);
                    }
                    frames.extend(input.get(..more).unwrap_or_default());
                }
                Ok(len)
            };
            if within(patience.question, rest).await? == 0 {
                return Ok(());
            }
            usize::MAX
        };
        match len {
            0 => return Ok(()),
            usize::MAX => {}
            len => frames.extend(input.get(..len).unwrap_or_default()),
        }
        while let Some(message) = frames.next() {
            let zones = shared.desk.published.load();
            let guest = Guest {
                peer,
                transport: Transport::Tcp,
                now: shared.desk.clock.now(),
            };
            let handled = shared.desk.handle(&zones, message, guest, &mut answer);
            drop(zones);
            output.clear();
            match handled {
                Handled::Answer => {
                    push_frame(&mut output, &answer);
                    within(patience.answer, stream.write_all(&output)).await?;
                }
                Handled::Nothing => return Ok(()),
                Handled::Transfer(asked) => send(&mut stream, *asked, shared).await?,
            }
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
    }
}

/// Sends a transfer; the snapshot it began with stays until it ends.
async fn send(stream: &mut Stream, asked: Asked, shared: &Counterpart) -> io::Result<()> {
    let desk = &shared.desk;
    let Ok(_permit) = shared.transfers.try_acquire() else {
        desk.counters.refused(Refused::Busy);
        return Err(io::ErrorKind::WouldBlock.into());
    };
    let Some(version) = desk.published.serving(&asked.apex) else {
        desk.counters.refused(Refused::Transfer);
        return Err(io::ErrorKind::NotFound.into());
    };
    let plan = Plan::of(&version.zone, &version.history, asked.serial);
    let mut outward = Outward::new(&version.zone, &plan, &asked.request, asked.transaction);
    let mut output = Vec::new();
    while let Some(message) = outward.next_message(tsig_time(desk.clock.now().wall)) {
        output.clear();
        push_frame(&mut output, &message);
        within(shared.patience.answer, stream.write_all(&output)).await?;
    }
    desk.counters.transfers_out.inc();
    Ok(())
}
