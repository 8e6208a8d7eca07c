//! Notifications to senders: what is to be decided, what is on its way, what became of each.
//!
//! One that a refusal brings about is written with the refusal, in the same commit. Each stays as
//! long as the account of its message.

use std::collections::BTreeSet;

use model::Timestamp;
use store::{Batch, Key, Table};

use super::{Spool, SpoolError, versioned};
use crate::dsn::{Kind, Notification, State, Why};

const NOTIFICATIONS: Table = Table::sealed("mail-dsn");
const LOOKED_AT: Table = Table::new("mail-dsn-delay");
/// Read in one go.
const PAGE: usize = 1024;
/// Forgotten in one go.
const FORGOTTEN: usize = 10_000;
/// The place of a message's delay among its notifications, which else have that of a recipient.
const DELAY: u64 = u64::MAX;

/// Where a notification is kept: the message's number, and its place among those of the message.
pub(crate) type Place = (u64, u64);

/// Those about which something is to be done, by when.
pub(super) type Due = BTreeSet<(Timestamp, Place)>;

/// Where a notification has its place.
fn place(position: u64, notification: &Notification) -> Place {
    let first = notification.recipients.first().map(|index| *index as u64);
    match notification.kind {
        Kind::Failure => (position, first.unwrap_or(0)),
        Kind::Delay => (position, DELAY),
    }
}

impl Spool {
    fn notification_key(&self, (position, number): Place) -> Key {
        self.at(NOTIFICATIONS, position).with_number(number)
    }

    /// Takes the notifications of a message away with its account. Those of a message's later
    /// recipients are forgotten at the next start.
    pub(super) fn without_notifications(&self, batch: Batch, position: u64) -> Batch {
        [0, DELAY].into_iter().fold(batch, |batch, number| {
            batch.delete(self.notification_key((position, number)))
        })
    }

    /// Adds a notification to what is written of its message, unless there is one already: nobody
    /// is told twice. Blocks on the disk.
    pub(super) fn with_notification(
        &self,
        batch: Batch,
        position: u64,
        notification: &Notification,
    ) -> Result<(Batch, Option<(Timestamp, Place)>), SpoolError> {
        let place = place(position, notification);
        let again = match self.notification(place)? {
            None => true,
            // A person decided, and it was refused once more.
            Some(before) => matches!(
                before.state,
                State::NotSent {
                    why: Why::Settled,
                    ..
                }
            ),
        };
        if !again {
            return Ok((batch, None));
        }
        let value = versioned::encode(notification).map_err(|_| SpoolError::Damaged(position))?;
        let batch = batch.put(self.notification_key(place), value);
        Ok((batch, notification.next().map(|next| (next, place))))
    }

    /// Something is to be done about a notification.
    pub(super) fn now_due(&self, due: Option<(Timestamp, Place)>) {
        if let Some(due) = due {
            self.held().notifications.insert(due);
            self.0.notifications.notify_one();
        }
    }

    /// One notification. Blocks on the disk.
    pub(crate) fn notification(&self, place: Place) -> Result<Option<Notification>, SpoolError> {
        let found = self.0.store.get(&self.notification_key(place))?;
        match found {
            None => Ok(None),
            Some(found) => versioned::decode(&found.value)
                .map(Some)
                .ok_or(SpoolError::Damaged(place.0)),
        }
    }

    /// The notifications about one message. Blocks on the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn notifications(&self, position: u64) -> Result<Vec<Notification>, SpoolError> {
        let found = self.0.store.scan(&self.at(NOTIFICATIONS, position), PAGE)?;
        let read = |(_, value): (Key, store::Versioned)| {
            versioned::decode(&value.value).ok_or(SpoolError::Damaged(position))
        };
        found.into_iter().map(read).collect()
    }

    /// Writes down how far a notification is.
    pub(crate) async fn notify(
        &self,
        place: Place,
        notification: &Notification,
    ) -> Result<(), SpoolError> {
        let value = versioned::encode(notification).map_err(|_| SpoolError::Damaged(place.0))?;
        let batch = Batch::new().put(self.notification_key(place), value);
        self.0.store.commit(batch).await?;
        self.now_due(notification.next().map(|next| (next, place)));
        Ok(())
    }

    /// Takes up to `most` of those about which something is to be done now.
    pub(crate) fn take_due(&self, now: Timestamp, most: usize) -> Vec<Place> {
        let mut held = self.held();
        let mut taken = Vec::new();
        while taken.len() < most
            && held.notifications.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, place)) = held.notifications.pop_first()
        {
            taken.push(place);
        }
        taken
    }

    /// Something is to be done about it at `at`, and not before.
    pub(crate) fn put_off(&self, place: Place, at: Timestamp) {
        self.held().notifications.insert((at, place));
    }

    /// When something is to be done next.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.held().notifications.first().map(|(at, _)| *at)
    }

    /// Returns when there is another notification. Cancel-safe.
    pub(crate) async fn notification_news(&self) {
        self.0.notifications.notified().await;
    }

    /// Reads what is under way, and gives to whom and when something was decided to be sent after
    /// `since`. What belongs to no account any more is forgotten with it. Blocks on the disk.
    pub(crate) fn load_notifications(
        &self,
        since: Timestamp,
    ) -> Result<(Vec<(Timestamp, String)>, Batch), SpoolError> {
        let prefix = self.key(NOTIFICATIONS);
        let (mut after, mut decided, mut old) = (prefix.clone(), Vec::new(), Batch::new());
        let mut forgotten = 0;
        loop {
            let page = self.0.store.scan_after(&prefix, &after, PAGE)?;
            let Some((last, _)) = page.last() else {
                return Ok((decided, old));
            };
            after = last.clone();
            for (key, value) in page {
                let place = (key.number(1).unwrap_or(0), key.number(2).unwrap_or(0));
                let Some(one) = versioned::decode::<Notification>(&value.value) else {
                    tracing::error!(number = place.0, "a notification is damaged");
                    continue;
                };
                if let Some((to, at)) = one.decided().filter(|(_, at)| *at > since) {
                    decided.push((at, to.to_owned()));
                }
                match one.next() {
                    Some(next) => self.put_off(place, next),
                    None if forgotten < FORGOTTEN && self.is_forgotten(place.0)? => {
                        forgotten += 1;
                        old = old.delete(key);
                    }
                    None => {}
                }
            }
        }
    }

    /// Whether neither a message nor its account is here any more.
    fn is_forgotten(&self, position: u64) -> Result<bool, SpoolError> {
        if self.account(position)?.is_some() {
            return Ok(false);
        }
        match self.row(position) {
            Err(SpoolError::Gone(_)) => Ok(true),
            row => row.map(|_| false),
        }
    }

    /// Forgets what [`Self::load_notifications`] said is old.
    pub(crate) async fn forget(&self, old: Batch) -> Result<(), SpoolError> {
        if !old.is_empty() {
            self.0.store.commit(old).await?;
        }
        Ok(())
    }

    /// Up to which message was looked whether somebody wants to hear of its delay. Blocks on the
    /// disk.
    pub(crate) fn looked_at(&self) -> Result<u64, SpoolError> {
        let found = self.0.store.get(&self.key(LOOKED_AT))?;
        let text = found.map(|found| String::from_utf8_lossy(&found.value).into_owned());
        Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// It was looked up to this message, and these want to hear of it: one commit, so that each is
    /// asked about once.
    pub(crate) async fn look_at(
        &self,
        up_to: u64,
        delays: &[(u64, Notification)],
    ) -> Result<(), SpoolError> {
        let mut batch = Batch::new().put(self.key(LOOKED_AT), up_to.to_string());
        let mut all = Vec::new();
        for (position, notification) in delays {
            let due;
            (batch, due) = self.with_notification(batch, *position, notification)?;
            all.push(due);
        }
        self.0.store.commit(batch).await?;
        all.into_iter().for_each(|due| self.now_due(due));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
