//! Who receives mail here, for commands: how many are known, what an import would change, the
//! import.

use std::time::Duration;

use model::Timestamp;
use serde::Serialize;

use super::{HandleError, MailHandle};
use crate::office::ImportError;
use crate::recipients::Changed;
use crate::recipients::import::{Imported, Scope};

/// What is known of an organisation's people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct People {
    /// By import.
    pub imported: usize,
    /// Mailboxes, by import.
    pub mailboxes: usize,
    /// From the primary's answers.
    pub learned: usize,
    /// When the list was imported.
    pub at: Option<Timestamp>,
    /// Whether it is believed to be whole.
    pub fresh: bool,
}

/// Which list an import replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOf {
    /// Who can receive mail.
    Recipients,
    /// Who has a mailbox here.
    Mailboxes,
}

impl MailHandle {
    /// How many people are known: imported, learned, and when the list was imported.
    pub fn people(&self) -> Option<People> {
        let now = self.post.host.clock.now().wall;
        let fresh = |book: &crate::recipients::Book| {
            self.office
                .config
                .domains
                .iter()
                .all(|domain| book.is_fresh(domain, now))
        };
        self.office.with_book(|book| {
            let counts = book.counts();
            People {
                imported: counts.listed,
                mailboxes: counts.mailboxes,
                learned: counts.valid,
                at: book.list().map(crate::recipients::List::imported_at),
                fresh: fresh(book),
            }
        })
    }

    /// Waits until the list of people was read after what is about people was opened, for `most` at
    /// the longest; whether it is. Cancel-safe.
    pub async fn people_within(&self, most: Duration) -> bool {
        let clock = &self.post.host.clock;
        // Both arms are cancel-safe.
        tokio::select! {
            () = self.office.people_read() => true,
            () = clock.sleep(most) => false,
        }
    }

    /// What an import would change about the list that is there; `None` where there is none. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// The list could not be read, or it is locked.
    pub fn would_change(
        &self,
        what: ListOf,
        imported: &Imported,
    ) -> Result<Option<Changed>, HandleError> {
        let kept = self.office.kept().ok_or(ImportError::Locked)?;
        let now = self.post.host.clock.now().wall;
        let changed = match what {
            ListOf::Recipients => kept.would_change(imported, now),
            ListOf::Mailboxes => kept.would_change_mailboxes(imported, now),
        };
        Ok(changed.map_err(ImportError::from)?)
    }

    /// Replaces the list of people.
    ///
    /// # Errors
    /// The store does not take it, or it is locked.
    pub async fn import(&self, imported: &Imported) -> Result<usize, HandleError> {
        Ok(self
            .office
            .import(imported, self.post.host.clock.now().wall)
            .await?)
    }

    /// Replaces the mailboxes.
    ///
    /// # Errors
    /// The store does not take them, or it is locked.
    pub async fn import_mailboxes(&self, imported: &Imported) -> Result<usize, HandleError> {
        let now = self.post.host.clock.now().wall;
        Ok(self.office.import_mailboxes(imported, now).await?)
    }

    /// What an import may hold.
    pub fn scope(&self) -> Scope {
        self.office.scope()
    }
}
