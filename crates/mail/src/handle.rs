//! What the operator's commands go through: what is kept, what became of it, people, quarantine.

mod export;
mod filter;
mod hand_back;
mod people;

use std::sync::Arc;

use model::{OrganisationId, Timestamp};
use serde::Serialize;

use crate::office::{ImportError, Office};
use crate::post::Post;
use crate::spool::{Account, Fate, SpoolError, Tally};
use crate::trial::{self, Trial, TrialError};
pub use filter::Filter;
pub use hand_back::HandBack;
pub use people::{ListOf, People};

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// About what is kept.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// About the list of people.
    #[error(transparent)]
    People(#[from] ImportError),
    /// A message is not in quarantine.
    #[error("message {0} is not in quarantine; `servergate mail quarantine` shows what is")]
    NotQuarantined(u64),
    /// A part of a message waits for the primary.
    #[error("message {0} still waits for some of its recipients; decide when they have it")]
    StillWaits(u64),
    /// The export could not be written.
    #[error("writing the export")]
    Export(#[source] std::io::Error),
}

/// One message, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub id: String,
    /// When it was taken.
    pub at: Timestamp,
    /// Its size in bytes.
    pub size: u64,
    /// From whom; `None` while it is locked.
    pub sender: Option<String>,
    /// To whom, and what became of it.
    pub recipients: Vec<(String, Fate, String)>,
    /// Whether the sender was told, one a recipient; empty where nothing is to be told.
    pub told: Vec<String>,
    /// How many copies more the primary may have, one a recipient: the connection was cut before
    /// its answer.
    pub cut: Vec<u32>,
}

/// The mail of one organisation, for commands. Cheap to clone; its calls block on the disk.
#[derive(Clone)]
pub struct MailHandle {
    post: Arc<Post>,
    office: Arc<Office>,
}

impl MailHandle {
    pub(crate) fn new(post: Arc<Post>, office: Arc<Office>) -> Self {
        Self { post, office }
    }

    /// Whose.
    pub fn organisation(&self) -> &OrganisationId {
        &self.office.config.organisation
    }

    /// How much is kept.
    pub fn tally(&self) -> Tally {
        self.office.spool.tally()
    }

    /// When the oldest message that is kept was taken.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn oldest(&self) -> Result<Option<Timestamp>, HandleError> {
        Ok(self.office.spool.oldest()?)
    }

    /// Whether something was taken so long ago that a person should look.
    pub fn is_long(&self, oldest: Timestamp) -> bool {
        let after = self.office.config.notices.reminder;
        let age = self.post.host.clock.now().wall.since(oldest);
        after.is_some_and(|after| age >= after)
    }

    /// Up to `limit` messages that wait, after number `after`.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn waiting(&self, after: u64, limit: usize) -> Result<Vec<Summary>, HandleError> {
        let numbers = self.office.spool.waiting(after, limit);
        numbers
            .into_iter()
            .map(|number| self.summary(number))
            .collect()
    }

    /// How many messages wait after number `after`.
    pub fn count_waiting(&self, after: u64) -> usize {
        self.office.spool.waiting(after, usize::MAX).len()
    }

    /// What the primary refused.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn quarantine(&self) -> Result<Vec<Summary>, HandleError> {
        let all = self.quarantined(&Filter::default(), 0, usize::MAX)?;
        Ok(all.0)
    }

    /// Up to `limit` messages in quarantine that `filter` means, after number `after`, and whether
    /// there are more.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn quarantined(
        &self,
        filter: &Filter,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<Summary>, bool), HandleError> {
        let mut found = Vec::new();
        for number in self.office.spool.quarantined() {
            if number <= after {
                continue;
            }
            let message = match self.summary(number) {
                // It was decided about meanwhile.
                Err(HandleError::Spool(SpoolError::Gone(_))) => continue,
                message => message?,
            };
            if !filter.means(&message) {
                continue;
            }
            if found.len() >= limit {
                return Ok((found, true));
            }
            found.push(message);
        }
        Ok((found, false))
    }

    /// The primary's last words about up to `limit` messages that wait, each once.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn last_words(&self, limit: usize) -> Result<Vec<String>, HandleError> {
        let mut words = Vec::new();
        for number in self.office.spool.waiting(0, limit) {
            let account = match self.office.spool.account(number) {
                Ok(account) => account,
                Err(SpoolError::Read(store::ReadError::Sealed { .. })) => return Ok(words),
                Err(error) => return Err(error.into()),
            };
            for line in account.iter().flat_map(|account| &account.lines) {
                if line.fate == Fate::Waiting
                    && !line.reply.is_empty()
                    && !words.contains(&line.reply)
                {
                    words.push(line.reply.clone());
                }
            }
        }
        Ok(words)
    }

    /// Accounts of messages that were handed back, wholly or in part, after number `after`.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn accounts(&self, after: u64, limit: usize) -> Result<Vec<(u64, Account)>, HandleError> {
        Ok(self.office.spool.accounts(after, limit)?)
    }

    /// Whether the sender of a message was told of it, for one recipient; empty where nothing is to
    /// be told.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn told(&self, number: u64, recipients: usize) -> Result<Vec<String>, HandleError> {
        let all = self.office.spool.notifications(number)?;
        let words = |recipient| {
            let words = all.iter().filter_map(|one| one.words(recipient));
            words.collect::<Vec<_>>().join("; ")
        };
        Ok((0..recipients).map(words).collect())
    }

    /// How many accounts there are.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn count_accounts(&self) -> Result<usize, HandleError> {
        Ok(self.office.spool.count_accounts()?)
    }

    /// One message that is kept, or the account of one that was.
    ///
    /// # Errors
    /// It was never here, or the store could not be read.
    pub fn show(&self, number: u64) -> Result<Summary, HandleError> {
        match self.summary(number) {
            Err(HandleError::Spool(SpoolError::Gone(_))) => {
                let account = self.office.spool.account(number)?;
                let account = account.ok_or(SpoolError::Gone(number))?;
                let told = self.told(number, account.lines.len())?;
                Ok(of_account(number, &account, told))
            }
            other => other,
        }
    }

    fn summary(&self, number: u64) -> Result<Summary, HandleError> {
        let row = self.office.spool.row(number)?;
        let message = match self.office.spool.read(number) {
            Ok(message) => Some(message),
            Err(SpoolError::Read(store::ReadError::Sealed { .. })) => None,
            Err(error) => return Err(error.into()),
        };
        let account = match message.is_some() {
            true => self.office.spool.account(number)?,
            false => None,
        };
        let said = |index: usize| {
            let line = account
                .as_ref()
                .and_then(|account| account.lines.get(index));
            line.map(|line| line.reply.clone()).unwrap_or_default()
        };
        let envelope = message.as_ref().map(|message| &message.meta.envelope);
        let name = |index: usize| {
            let recipient = envelope.and_then(|envelope| envelope.recipients.get(index));
            recipient.map_or("(locked)".to_owned(), |one| one.mailbox.to_string())
        };
        let cut = (0..row.fates.len())
            .map(|index| {
                let line = account
                    .as_ref()
                    .and_then(|account| account.lines.get(index));
                line.map_or(0, |line| line.cut)
            })
            .collect();
        let told = match message.is_some() {
            true => self.told(number, row.fates.len())?,
            false => Vec::new(),
        };
        let fates = row.fates.iter().enumerate();
        Ok(Summary {
            number,
            id: row.id.clone(),
            at: row.at,
            size: row.size,
            sender: envelope.map(|envelope| envelope.sender.path.to_string()),
            recipients: fates
                .map(|(index, fate)| (name(index), *fate, said(index)))
                .collect(),
            told,
            cut,
        })
    }

    /// Lets a message in quarantine be tried again, or gives it up (`fate` = dropped).
    ///
    /// # Errors
    /// It is not in quarantine, or the store does not take it.
    pub async fn decide(&self, number: u64, fate: Fate) -> Result<(), HandleError> {
        let spool = &self.office.spool;
        let mut row = match spool.row(number) {
            Err(SpoolError::Gone(_)) => return Err(HandleError::NotQuarantined(number)),
            row => row?,
        };
        if !row.fates.contains(&Fate::Quarantined) {
            return Err(HandleError::NotQuarantined(number));
        }
        if row.waits() {
            // A part of it may be on its way to the primary at this moment.
            return Err(HandleError::StillWaits(number));
        }
        let mut account = match spool.account(number)? {
            Some(account) => account,
            None => Account::begin(&spool.read(number)?.meta),
        };
        let now = self.post.host.clock.now().wall;
        for (place, line) in row.fates.iter_mut().zip(&mut account.lines) {
            if *place == Fate::Quarantined {
                *place = fate;
                (line.fate, line.when) = (fate, now);
            }
        }
        spool.settle(number, &row, &account).await?;
        self.office.hurry.notify_one();
        Ok(())
    }

    /// Asks the primary whether it would take what is handed back; nothing is sent.
    ///
    /// # Errors
    /// It could not be asked.
    pub async fn trial(&self) -> Result<Trial, TrialError> {
        trial::run(&self.post, &self.office).await
    }
}

fn of_account(number: u64, account: &Account, told: Vec<String>) -> Summary {
    let line = |line: &crate::spool::Line| (line.recipient.clone(), line.fate, line.reply.clone());
    Summary {
        number,
        id: account.id.clone(),
        at: account.at,
        size: 0,
        sender: Some(account.sender.clone()),
        recipients: account.lines.iter().map(line).collect(),
        told,
        cut: account.lines.iter().map(|line| line.cut).collect(),
    }
}
