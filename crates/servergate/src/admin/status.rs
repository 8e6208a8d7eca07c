//! What `servergate status` shows: standings, questions with what the primary said, what is locked.

use std::collections::BTreeMap;

use anyhow::Result;
use model::Standing;
use serde_json::{Value, json};

use super::{Desk, mail};
use crate::ready;

/// So many waiting messages are looked at for what the primary said.
const LOOKED_AT: usize = 200;
/// So many different replies are shown.
const SHOWN: usize = 3;

impl Desk {
    pub(super) async fn status(&self) -> Result<Value> {
        let standings: Vec<Standing> = self.standings.borrow().values().cloned().collect();
        let tasks = self.host.tasks.list();
        let tasks: BTreeMap<_, _> = tasks.iter().map(|task| (task.name, task.running)).collect();
        let said = self.primary_s_words().await?;
        let restarts = self.host.tasks.restarts();
        let restarts: BTreeMap<_, _> = restarts.iter().map(|one| (one.name, one.times)).collect();
        Ok(json!({
            "place": self.host.place,
            "mode": self.config.mode,
            "started": self.started.to_string(),
            "now": self.host.clock.now().wall.to_string(),
            "standings": standings,
            "observations": self.observed.all(),
            "held": ready::held(self),
            "progress": self.progress.json(),
            "tasks": tasks,
            "alerts": self.alerts.as_ref().map(|alerts| super::alerts_json(&alerts.state())),
            "panicked": self.host.tasks.panicked(),
            "restarts": restarts,
            "store": self.host.store.has_room().err().map(|error| error.to_string()),
            "undurable": self.undurable(),
            "sealing": self.sealing(),
            "said": said,
        }))
    }

    /// What was decided and is not durable; `None` while the disk takes everything.
    fn undurable(&self) -> Option<Value> {
        let unwritten = self.undurable.held();
        let since = unwritten.since()?.to_string();
        let (machines, records, lost) = unwritten.count();
        Some(json!({
            "since": since, "why": unwritten.why(), "standings": machines, "records": records, "records_lost": lost,
        }))
    }

    /// Whether what is about people is open; `None` where nothing of it is kept here.
    fn sealing(&self) -> Option<&'static str> {
        let state = mail::sealing(self);
        match state {
            _ if self.mails.is_empty() => None,
            "locked" | "not-set-up" if mail::is_opening(self) => Some("opening"),
            state => Some(state),
        }
    }

    /// What the primary said last to what waits, by organisation: whoever is asked about it, or
    /// wonders why it waits, sees why.
    pub(super) async fn primary_s_words(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let waits = |mail: &&::mail::MailHandle| mail.tally().waiting > 0;
        let mails: Vec<_> = self.mails.values().filter(waits).cloned().collect();
        let reading = move || {
            let each = mails.into_iter().map(|mail| {
                let mut words = mail.last_words(LOOKED_AT)?;
                words.truncate(SHOWN);
                anyhow::Ok((mail.organisation().to_string(), words))
            });
            each.collect()
        };
        tokio::task::spawn_blocking(reading).await?
    }
}
