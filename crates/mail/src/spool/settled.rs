//! What is known of a message beside itself: its checks, and what became of it.

use store::{Batch, CommitError, Expect, Key, Position};

use super::{
    ACCOUNTS, Account, BODIES, CHECKS, HELD, KeepError, LEDGER, Row, Spool, SpoolError, versioned,
};
use crate::auth::verdict::Verdicts;
use crate::dsn::Notification;

impl Spool {
    /// What the checks of a message gave, if they were made. Blocks on the disk.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn checks(&self, position: u64) -> Result<Option<Verdicts>, SpoolError> {
        let found = self.0.store.get(&self.at(CHECKS, position))?;
        match found {
            None => Ok(None),
            Some(found) => versioned::decode(&found.value)
                .map(Some)
                .ok_or(SpoolError::Damaged(position)),
        }
    }

    /// Writes down what the checks of a message gave.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn checked(&self, position: u64, verdicts: &Verdicts) -> Result<(), KeepError> {
        let value = versioned::encode(verdicts)?;
        // Only while it is still kept: what is gone needs no checks.
        let batch = Batch::new().put_if(self.at(CHECKS, position), value, Expect::Absent);
        match self.0.store.commit(batch).await {
            Ok(_) | Err(CommitError::Precondition { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down what became of the recipients of a message. When nothing waits any more and
    /// nothing is in quarantine the message itself goes, and its account stays.
    ///
    /// # Errors
    /// The store does not take it. Until a restart it is remembered ([`Self::settle_again`]), and
    /// the message is not among those that wait.
    pub async fn settle(
        &self,
        position: u64,
        row: &Row,
        account: &Account,
    ) -> Result<(), SpoolError> {
        self.settle_and_notify(position, row, account, None).await
    }

    /// As [`Self::settle`], and the sender may have to be told.
    ///
    /// # Errors
    /// As [`Self::settle`].
    pub async fn settle_and_notify(
        &self,
        position: u64,
        row: &Row,
        account: &Account,
        notification: Option<&Notification>,
    ) -> Result<(), SpoolError> {
        let written = self.write(position, row, account, notification).await;
        let mut held = self.held();
        held.remove(position);
        if let Err(error) = written {
            let what = (row.clone(), account.clone(), notification.cloned());
            held.unsettled.insert(position, what);
            return Err(error);
        }
        if !row.is_done() {
            held.add(position, row);
        }
        Ok(())
    }

    /// Tries to write down again what the store did not take.
    ///
    /// # Errors
    /// It still does not.
    pub async fn settle_again(&self) -> Result<(), SpoolError> {
        loop {
            let next = self.held().unsettled.pop_first();
            let Some((position, (row, account, notification))) = next else {
                return Ok(());
            };
            let notification = notification.as_ref();
            self.settle_and_notify(position, &row, &account, notification)
                .await?;
        }
    }

    async fn write(
        &self,
        position: u64,
        row: &Row,
        account: &Account,
        notification: Option<&Notification>,
    ) -> Result<(), SpoolError> {
        let damaged = |_| SpoolError::Damaged(position);
        let value = account.encode().map_err(damaged)?;
        let done = row.is_done();
        let batch = match done {
            true => self.removal(position, &row.id),
            false => Batch::new().put(self.at(HELD, position), row.encode().map_err(damaged)?),
        };
        let mut batch = batch.put(self.at(LEDGER, position), value);
        if let Some(old) = position.checked_sub(ACCOUNTS) {
            batch = batch.delete(self.at(LEDGER, old));
            batch = self.without_notifications(batch, old);
        }
        let mut due = None;
        if let Some(notification) = notification {
            (batch, due) = self.with_notification(batch, position, notification)?;
        }
        match self.0.store.commit(batch).await {
            // On a full disk only what removes is taken: making room matters more than the account.
            Err(CommitError::NoSpace { .. }) if done => {
                self.0.store.commit(self.removal(position, &row.id)).await?;
            }
            committed => {
                committed?;
                self.now_due(due);
            }
        }
        Ok(())
    }

    /// What takes a message away.
    fn removal(&self, position: u64, id: &str) -> Batch {
        Batch::new()
            .erase(&self.0.log, Position::from_number(position))
            .delete(self.at(HELD, position))
            .delete(self.at(CHECKS, position))
            .delete(self.key(BODIES).with(id))
    }

    /// The accounts of up to `limit` messages after number `after`, oldest first. Blocks on the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn accounts(&self, after: u64, limit: usize) -> Result<Vec<(u64, Account)>, SpoolError> {
        let prefix = self.key(LEDGER);
        let from = prefix.clone().with_number(after);
        let rows = self.0.store.scan_after(&prefix, &from, limit)?;
        let account = |(key, value): (Key, store::Versioned)| {
            let position = key.number(1).ok_or(SpoolError::Damaged(0))?;
            let account = Account::decode(&value.value).ok_or(SpoolError::Damaged(position))?;
            Ok((position, account))
        };
        rows.into_iter().map(account).collect()
    }

    /// The account of one message, if there is one. Blocks on the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn account(&self, position: u64) -> Result<Option<Account>, SpoolError> {
        let found = self.0.store.get(&self.at(LEDGER, position))?;
        match found {
            None => Ok(None),
            Some(found) => Account::decode(&found.value)
                .map(Some)
                .ok_or(SpoolError::Damaged(position)),
        }
    }

    /// How many accounts there are. Blocks on the disk.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn count_accounts(&self) -> Result<usize, SpoolError> {
        const PAGE: usize = 1024;
        let (mut after, mut count) = (0, 0);
        loop {
            let page = self.accounts(after, PAGE)?;
            let Some((last, _)) = page.last() else {
                return Ok(count);
            };
            after = *last;
            count += page.len();
        }
    }
}
