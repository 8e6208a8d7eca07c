//! The mail of the day: when it begins, what is waited for, and the count at its end.

use std::time::Duration;

use anyhow::{Context, Result};
use model::{Condition, Service};

use super::super::bench::{Bench, START};
use super::super::config::{MX_HOST, ORGANISATION, PACE};
use super::super::letters::sender::Sender;
use super::super::letters::{Arrived, Balance};
use crate::protocol::{self, MailRequest, Request};

/// Letters that were deferred have so long to arrive when the day is over.
const LAST: Duration = Duration::from_secs(20);

impl Bench {
    /// A sender begins to write, once the standby sees the primary's mail server.
    pub(super) async fn begin_mail(&mut self) -> Result<()> {
        let reachable =
            |bench: &Self| bench.witness.condition_of(Service::Mail) == Some(Condition::Reachable);
        self.until("the standby to see the mail server", START, reachable)
            .await?;
        let at = self.plan.standby_mail();
        self.sender = Some(Sender::begin(at, self.began, &self.clock, &self.tasks));
        let passed = |bench: &Self| !bench.letters.taken().is_empty();
        self.until(
            "the first letter to pass through the standby",
            START,
            passed,
        )
        .await?;
        self.event("a sender writes to the standby, a letter a second; it passes them on");
        Ok(())
    }

    /// Waits until the standby keeps what comes after the primary fell silent.
    pub(super) async fn until_kept(&mut self, silent: Duration) -> Result<()> {
        let kept = move |bench: &Self| bench.letters.taken().values().any(|at| *at > silent);
        self.until("the standby to keep mail", PACE.recovered() * 3, kept)
            .await?;
        self.event("the standby keeps the mail that comes");
        Ok(())
    }

    /// Waits until all that was kept is handed back.
    pub(super) async fn until_handed_back(&mut self, limit: Duration) -> Result<()> {
        let back = |bench: &Self| bench.witness.mail_is_back();
        self.until("the mail to be handed back", limit, back)
            .await?;
        self.event("the mail that was kept is handed back");
        Ok(())
    }

    /// The sender stops, what was deferred arrives, and everything is counted.
    pub(super) async fn end_mail(&mut self, pulled: &[Duration]) -> Result<Balance> {
        let Some(sender) = &self.sender else {
            return Ok(Balance::default());
        };
        sender.stop();
        let sent = sender.sent();
        let end = self.clock.now().mono.after(LAST);
        while self.clock.now().mono < end && Balance::of(&self.letters, sent, &[], pulled).open > 0
        {
            self.round().await?;
        }
        let export = Request::Mail {
            organisation: Some(ORGANISATION.to_owned()),
            what: MailRequest::Export {
                to: self.files.arrived(),
            },
        };
        protocol::ask(&self.files.primary_socket(), &export)
            .await
            .context("asking the primary for the mail it has")?;
        Ok(Balance::of(&self.letters, sent, &self.arrived()?, pulled))
    }

    /// What the primary has, as it wrote it down.
    fn arrived(&self) -> Result<Vec<Option<Arrived>>> {
        let folder = self.files.arrived();
        let mut arrived = Vec::new();
        for file in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let message = std::fs::read(file?.path())?;
            arrived.push(Arrived::read(&String::from_utf8_lossy(&message), MX_HOST));
        }
        Ok(arrived)
    }
}
