//! The reminder that mail is kept for long: for a person, once in a while, through the outlets.
//!
//! When it is due is decided here and written down before anybody is told; whoever tells people
//! hears it again and again until it does, and knows by its time that it is the same.

use std::sync::Arc;
use std::time::Duration;

use host::{Drain, Host, Reminder};
use model::{Fact, Timestamp};

use crate::office::Office;
use crate::spool::SpoolError;

/// How often we look.
const LOOK: Duration = Duration::from_secs(3600);

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Nothing is kept for long.
    Nothing,
    /// It is so since the reminder of that time, and the next is not due.
    Still(Timestamp),
    /// A reminder is due now.
    Due,
}

/// Whether a reminder is due: once in each span of `after` while something is kept for longer.
fn look(
    now: Timestamp,
    oldest: Option<Timestamp>,
    last: Option<Timestamp>,
    after: Duration,
) -> Found {
    match (oldest, last) {
        (Some(oldest), _) if now.since(oldest) < after => Found::Nothing,
        (None, _) => Found::Nothing,
        (Some(_), Some(last)) if now.since(last) < after => Found::Still(last),
        (Some(_), _) => Found::Due,
    }
}

/// Reminds until the drain begins.
pub(crate) async fn run(host: Host, office: Arc<Office>, after: Duration, drain: Drain) {
    loop {
        if let Err(error) = once(&host, &office, after).await {
            tracing::error!(%error, "whether mail is kept for long is not known");
        }
        // Both arms are cancel-safe.
        tokio::select! {
            () = drain.begun() => return,
            () = host.clock.sleep(LOOK) => {}
        }
    }
}

async fn once(host: &Host, office: &Office, after: Duration) -> Result<(), SpoolError> {
    let (spool, now) = (&office.spool, host.clock.now().wall);
    let oldest = spool.oldest()?;
    let (at, due) = match look(now, oldest, spool.reminded()?, after) {
        Found::Nothing => return Ok(()),
        Found::Still(at) => (at, false),
        Found::Due => (now, true),
    };
    let Some(oldest) = oldest else { return Ok(()) };
    let tally = spool.tally();
    let service = office.service.clone();
    let messages = (tally.waiting + tally.quarantined) as u64;
    if due {
        spool.remind(now).await?;
        let fact = Fact::KeptLong {
            service: service.clone(),
            messages,
            oldest,
        };
        host.outlets.records.offer(fact);
    }
    host.outlets.reminders.offer(Reminder {
        service,
        at,
        messages,
        oldest,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;
    const AFTER: Duration = Duration::from_secs(30 * DAY);

    fn day(day: u64) -> Timestamp {
        Timestamp::from_millis(1_750_000_000_000).after(Duration::from_secs(day * DAY))
    }

    #[test]
    fn a_reminder_is_due_once_in_thirty_days() {
        let mut told = Vec::new();
        let mut last = None;
        for now in 0..100 {
            if look(day(now), Some(day(0)), last, AFTER) == Found::Due {
                last = Some(day(now));
                told.push(now);
            }
        }
        assert_eq!(told, [30, 60, 90]);
    }

    #[test]
    fn nothing_old_is_no_reminder_and_between_two_it_is_the_same() {
        assert_eq!(look(day(99), None, None, AFTER), Found::Nothing);
        assert_eq!(look(day(29), Some(day(0)), None, AFTER), Found::Nothing);
        // What was reminded of is gone, and something younger is kept.
        let gone = look(day(40), Some(day(20)), Some(day(30)), AFTER);
        assert_eq!(gone, Found::Nothing);
        let still = look(day(59), Some(day(0)), Some(day(30)), AFTER);
        assert_eq!(still, Found::Still(day(30)));
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_flood() {
        let back = look(day(35), Some(day(0)), Some(day(40)), AFTER);
        assert_eq!(back, Found::Still(day(40)));
    }
}
