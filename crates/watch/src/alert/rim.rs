//! The rim of the alerts: follows the standings, delivers, writes down what was said.
//!
//! Called by [`crate::Watch`]. One task owns the machine; each delivery is a task of its own with
//! bounded tries. What was delivered is kept in the store before the machine hears of it: a crash
//! between the two tells a thing twice rather than never, and only then.

use std::path::Path;
use std::time::Duration;

use host::{Drain, Host, OpenError, Reminder, Tasks};
use model::{Fact, Standings};
use store::{CommitError, Store};
use tokio::sync::{mpsc, watch};

use super::deliver::Door;
use super::state::Alerts;
use super::words::{self, Phrasebook, Written};
use super::{Desk, Message, said};
use crate::config::{AlertConfig, AlertWay};
use crate::metrics::{AlertResult, Counters};
use crate::probe::Trust;

/// A message is tried so often before it is put off.
const TRIES: u32 = 5;
/// Deliveries whose end was not yet taken note of; each addressee has at most one under way.
const ENDS: usize = 64;

/// Follows the standings and tells people.
pub(crate) struct Rim {
    host: Host,
    desk: Desk,
    alerts: Alerts,
    /// Before the second try.
    retry: Duration,
    book: Phrasebook,
    counters: Counters,
    reminders: Option<mpsc::Receiver<Reminder>>,
}

/// How a delivery ended.
struct Ended {
    message: Message,
    delivered: bool,
}

impl Rim {
    /// Reads what was said before and makes the way out ready.
    pub(crate) async fn open(
        host: Host,
        config: AlertConfig,
        book: Phrasebook,
        counters: Counters,
    ) -> Result<Self, OpenError> {
        let door = door(&host, &config)?;
        let alerts = Alerts::new(host.place.clone(), host.clock.clone(), host.net, door);
        let unreadable = |error: store::ReadError| OpenError::Store(error.to_string().into());
        let (before, old) = said::load(&host.store, host.clock.now().wall).map_err(unreadable)?;
        if !old.is_empty()
            && let Err(error) = host.store.commit(old).await
        {
            tracing::warn!(%error, "old alerts could not be forgotten");
        }
        Ok(Self {
            host,
            desk: Desk::new(before, config.together),
            retry: config.retry,
            alerts,
            book,
            counters,
            reminders: None,
        })
    }

    /// Tells what comes from parts as well.
    pub(crate) fn hearing(self, reminders: Option<mpsc::Receiver<Reminder>>) -> Self {
        Self { reminders, ..self }
    }

    /// For whoever asks how alerts fare.
    pub(crate) fn handle(&self) -> Alerts {
        self.alerts.clone()
    }

    /// Tells people until the drain begins.
    pub(crate) async fn run(mut self, mut standings: watch::Receiver<Standings>, drain: &Drain) {
        let (ends, mut ended) = mpsc::channel(ENDS);
        let mut out = Vec::new();
        let mut followed = true;
        let mut reminders = self.reminders.take();
        let mut disk = self.host.store.failing();
        disk.mark_changed();
        standings.mark_changed();
        loop {
            let clock = self.host.clock.clone();
            let wakeup = self.desk.next_wakeup(clock.now());
            let wake = async {
                match wakeup {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // All arms are cancel-safe.
            tokio::select! {
                biased;
                () = drain.begun() => return,
                changed = standings.changed(), if followed => match changed {
                    Ok(()) => {
                        let snapshot = standings.borrow_and_update().clone();
                        self.desk.follow(self.host.clock.now(), snapshot, &mut out);
                    }
                    Err(_) => followed = false,
                },
                // The store outlives us.
                Ok(()) = disk.changed() => {
                    let failing = *disk.borrow_and_update();
                    self.desk.look_at_the_disk(self.host.clock.now(), failing, &mut out);
                }
                Some(end) = ended.recv() => self.ended(end, &mut out).await,
                reminder = next(&mut reminders) => match reminder {
                    Some(reminder) => self.desk.remind(self.host.clock.now(), reminder, &mut out),
                    None => reminders = None,
                },
                () = wake => self.desk.wake(self.host.clock.now(), &mut out),
            }
            for message in out.drain(..) {
                self.deliver(message, ends.clone());
            }
        }
    }

    /// Delivers as a task of its own, with its tries.
    fn deliver(&self, message: Message, ends: mpsc::Sender<Ended>) {
        let written = words::write(&message, self.desk.standings(), &self.book);
        let trying = Trying {
            host: self.host.clone(),
            alerts: self.alerts.clone(),
            retry: self.retry,
            counters: self.counters.clone(),
        };
        let tasks = self.host.tasks.clone();
        self.host.tasks.spawn("alert", async move {
            let trying = async move { trying.deliver(&written).await };
            let delivered = has_ended_well(&tasks, trying).await;
            let _ = ends.send(Ended { message, delivered }).await;
        });
    }

    async fn ended(&mut self, end: Ended, out: &mut Vec<Message>) {
        let Ended { message, delivered } = end;
        if !delivered {
            return self.desk.failed(self.host.clock.now(), &message, out);
        }
        keep(&self.host.store, &message).await;
        for told in &message.outages {
            let fact = |recovered| Fact::Alerted {
                outage: told.outage.clone(),
                recovered,
            };
            // One message may tell beginning and end at once; the record has both.
            if !told.begin_told {
                self.host.outlets.records.send(fact(false)).await;
            }
            if told.over {
                self.host.outlets.records.send(fact(true)).await;
            }
        }
        self.desk.sent(self.host.clock.now(), &message, out);
    }
}

/// Whether the tries brought a message to its addressee. One that breaks has not, and says so: else
/// it would be taken to be under way for ever, and whoever is to be told would hear nothing any more.
async fn has_ended_well(
    tasks: &Tasks,
    trying: impl Future<Output = bool> + Send + 'static,
) -> bool {
    // That it panicked was counted.
    tasks.spawn("alert delivery", trying).await.unwrap_or(false)
}

/// The next reminder. Cancel-safe.
async fn next(reminders: &mut Option<mpsc::Receiver<Reminder>>) -> Option<Reminder> {
    match reminders {
        Some(reminders) => reminders.recv().await,
        None => std::future::pending().await,
    }
}

async fn keep(store: &Store, message: &Message) {
    for batch in said::keep(message) {
        match store.commit(batch).await {
            // It was said before, which the store knew already.
            Ok(_) | Err(CommitError::Precondition { .. }) => {}
            Err(error) => {
                tracing::error!(%error, "an alert went out and could not be kept; a restart may repeat it");
            }
        }
    }
}

/// What one delivery's task holds.
struct Trying {
    host: Host,
    alerts: Alerts,
    retry: Duration,
    counters: Counters,
}

impl Trying {
    /// Whether it was delivered, in bounded tries.
    async fn deliver(&self, written: &Written) -> bool {
        let mut wait = self.retry;
        for nth in 1..=TRIES {
            match self.alerts.door.deliver(self.host.net, written).await {
                Ok(()) => {
                    self.alerts.tried(None);
                    self.counters.alert(AlertResult::Sent);
                    tracing::info!(kind = written.kind, "alert sent");
                    return true;
                }
                Err(error) => {
                    self.alerts.tried(Some(error.to_string()));
                    self.counters.alert(AlertResult::Failed);
                    tracing::warn!(%error, "an alert could not be delivered");
                }
            }
            if nth < TRIES {
                self.host.clock.sleep(wait).await;
                wait = wait.saturating_mul(4);
            }
        }
        self.counters.alert(AlertResult::GivenUp);
        false
    }
}

fn door(host: &Host, config: &AlertConfig) -> Result<Door, OpenError> {
    match &config.way {
        AlertWay::Command(path) => Ok(Door::Command(path.clone())),
        AlertWay::Webhook(url) => {
            let extra: Option<&Path> = config.ca.as_deref();
            let trust = match url.scheme() {
                "https" => Some(
                    Trust::load(host.clock.clone(), extra)
                        .map_err(|error| OpenError::Config(format!("alert: {error}")))?,
                ),
                _ => None,
            };
            let url = url.clone();
            Ok(Door::Webhook { url, trust })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_delivery_that_breaks_has_failed_and_is_not_under_way_for_ever() {
        let tasks = Tasks::default();
        assert!(has_ended_well(&tasks, async { true }).await);
        assert!(!has_ended_well(&tasks, async { false }).await);
        assert!(!has_ended_well(&tasks, async { panic!("for the test") }).await);
        assert_eq!(tasks.panicked(), 1);
    }
}
