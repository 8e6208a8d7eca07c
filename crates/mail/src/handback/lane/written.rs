//! What became of a message is written down while the next one is on its way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;

use super::Lane;
use crate::dsn::{Kind, Notification};
use crate::handback::job::Job;
use crate::handback::judge::{Judgement, REFUSALS_IN_A_ROW};
use crate::metrics::Taken;
use crate::spool::{Account, Fate};

/// Commits that are waited for only when there are more.
const COMMITS: usize = 64;

impl Lane {
    /// Writes down what became of a message; the commit is waited for later.
    pub(super) async fn write_down(
        &mut self,
        mut job: Box<Job>,
        permit: Option<OwnedSemaphorePermit>,
        judgement: Judgement,
    ) {
        let shared = &self.shared;
        self.refusals = match (judgement.refused, judgement.taken) {
            (_, true) => 0,
            (true, false) => self.refusals + 1,
            (false, false) => self.refusals,
        };
        let many = self.refusals >= REFUSALS_IN_A_ROW && !shared.released;
        if judgement.pause || many {
            shared.paused.store(true, Ordering::Relaxed);
        }
        let now = shared.post.host.clock.now().wall;
        if judgement.deferred {
            shared.deferred.store(true, Ordering::Relaxed);
            shared.post.metrics.taken(Taken::Deferred);
            job.row.tries += 1;
            job.row.tried.get_or_insert(now);
        }
        let account = job
            .account
            .get_or_insert_with(|| Account::begin(&job.message.meta));
        for (index, words) in judgement.waits {
            if let Some(line) = account.lines.get_mut(index) {
                (line.when, line.reply) = (now, words);
            }
        }
        // A proved sender is told, unless a person decides otherwise before.
        let failure = shared.office.config.notices.failure;
        let failure = failure.filter(|_| !judgement.contents.is_empty());
        let notification = failure
            .map(|after| Notification::new(Kind::Failure, judgement.contents, now.after(after)));
        for (index, fate, reply) in judgement.fates {
            if let Some(place) = job.row.fates.get_mut(index) {
                *place = fate;
            }
            if let Some(line) = account.lines.get_mut(index) {
                (line.fate, line.when, line.reply) = (fate, now, reply);
            }
            shared.post.metrics.taken(match fate {
                Fate::Quarantined => Taken::Quarantined,
                _ => Taken::HandedBack,
            });
        }
        if judgement.taken {
            shared.delivered.fetch_add(1, Ordering::Relaxed);
        }
        let office = Arc::clone(&shared.office);
        let writing = async move {
            let _permit = permit;
            let Job {
                position,
                row,
                account,
                ..
            } = *job;
            match account {
                Some(account) => {
                    let notification = notification.as_ref();
                    let spool = &office.spool;
                    spool
                        .settle_and_notify(position, &row, &account, notification)
                        .await
                }
                None => Ok(()),
            }
        };
        let task = shared.post.host.tasks.spawn("mail settling", writing);
        self.commits.push_back(task);
        self.settled(COMMITS).await;
    }

    /// Waits until at most `left` commits are under way.
    pub(super) async fn settled(&mut self, left: usize) {
        while self.commits.len() > left {
            let Some(commit) = self.commits.pop_front() else {
                return;
            };
            if let Ok(Err(error)) = commit.await {
                tracing::error!(%error, "what was handed back could not be written down");
                self.shared.broken.store(true, Ordering::Relaxed);
            }
        }
    }
}
