//! Which messages wait for so long that somebody who asked for it is told.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use super::decide::wants;
use super::record::{Kind, Notification};
use crate::office::Office;
use crate::post::Post;
use crate::spool::{Fate, SpoolError};

/// Looked at in one go.
const BATCH: usize = 256;

/// Looks at the messages that have waited for `after` since the last look, each once.
pub(super) async fn look(
    post: &Post,
    office: &Arc<Office>,
    after: Duration,
) -> Result<(), SpoolError> {
    loop {
        let (now, reading) = (post.host.clock.now().wall, Arc::clone(office));
        let reading = move || old(&reading, now, after);
        let reading = post.host.tasks.blocking("mail dsn reading", reading);
        // If it panicked, which was counted, the next look begins there again.
        let Ok(found) = reading.await else {
            return Ok(());
        };
        let Some((up_to, delays)) = found? else {
            return Ok(());
        };
        office.spool.look_at(up_to, &delays).await?;
    }
}

/// The last of the next messages that are old enough, and the delays among them that are told.
/// Blocks on the disk.
#[allow(clippy::type_complexity)] // a number, and numbered notifications
fn old(
    office: &Office,
    now: Timestamp,
    after: Duration,
) -> Result<Option<(u64, Vec<(u64, Notification)>)>, SpoolError> {
    let spool = &office.spool;
    let (mut up_to, mut delays) = (None, Vec::new());
    for position in spool.waiting(spool.looked_at()?, BATCH) {
        let row = match spool.row(position) {
            Ok(row) if now.since(row.at) < after => break,
            Ok(row) => row,
            // Settled meanwhile.
            Err(SpoolError::Gone(_)) => continue,
            Err(error) => return Err(error),
        };
        up_to = Some(position);
        let Ok(message) = spool.read(position) else {
            continue;
        };
        let recipients = message.meta.envelope.recipients.iter().zip(&row.fates);
        let told = recipients
            .enumerate()
            .filter(|(_, (one, fate))| **fate == Fate::Waiting && wants(Kind::Delay, one));
        let told: Vec<_> = told.map(|(index, _)| index).collect();
        if !told.is_empty() {
            delays.push((position, Notification::new(Kind::Delay, told, now)));
        }
    }
    Ok(up_to.map(|up_to| (up_to, delays)))
}
