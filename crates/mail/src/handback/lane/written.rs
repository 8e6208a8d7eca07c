//! What became of a message is written down while the next one is on its way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::{Lane, Report};
use crate::dsn::{Kind, Notification};
use crate::handback::attempt::Judgement;
use crate::handback::backoff;
use crate::handback::job::Job;
use crate::handback::judge::Wait;
use crate::metrics::Taken;
use crate::spool::Fate;

/// Commits that are waited for only when there are more.
const COMMITS: usize = 64;

impl Lane {
    /// The attempt is over: judges it over all, writes down what became of the message, and says
    /// what it shows. The commit is waited for later.
    pub(super) async fn finish(
        &mut self,
        mut job: Box<Job>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Report {
        let mut judgement = job.attempt.take_judgement();
        self.weigh(&job, &mut judgement);
        let report = Report::of(&judgement);
        let shared = Arc::clone(&self.shared);
        let now = shared.post.host.clock.now();
        let together = shared.conditions().note_pace(&job, &judgement, now.mono);
        // What everybody of them waits for was no attempt of its own.
        if !judgement.waits.is_empty() && together.is_none() {
            job.row.tries += 1;
            let since = *job.row.tried.get_or_insert(now.wall);
            let since = now.wall.since(since);
            judgement.set_aside(
                job.row.tries,
                since,
                shared.conditions().evidence.is_proved(),
            );
        }
        let waits = !judgement.waits.is_empty();
        if waits {
            shared.post.metrics.taken(Taken::Deferred);
            let due = together.unwrap_or_else(|| now.mono.after(backoff(job.row.tries)));
            shared.conditions().due.insert(job.position, due);
        } else {
            shared.conditions().due.remove(&job.position);
        }
        if judgement
            .waits
            .iter()
            .any(|(_, why, _)| *why != Wait::Missing)
        {
            shared.deferred.store(true, Ordering::Relaxed);
        }
        let notification = self.notification(&mut judgement);
        self.enter(&mut job, judgement);
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
        report
    }

    /// Writes down what became of some recipients before the others are named, and waits for it.
    pub(super) async fn write_partly(&mut self, job: &mut Job) {
        if !job.attempt.is_judged() {
            return;
        }
        let mut judgement = job.attempt.take_judgement();
        self.weigh(job, &mut judgement);
        let notification = self.notification(&mut judgement);
        // What waits is tried again after the rest.
        let waits = std::mem::take(&mut judgement.waits);
        self.enter(job, judgement);
        job.attempt.put_back(waits);
        let spool = &self.shared.office.spool;
        let (row, notification) = (job.row.clone(), notification.as_ref());
        let account = job.account().clone();
        let settling = spool.settle_and_notify(job.position, &row, &account, notification);
        if let Err(error) = settling.await {
            tracing::error!(%error, "what was handed back could not be written down");
            self.shared.broken.store(true, Ordering::Relaxed);
        }
    }

    /// What this message says of the primary.
    fn weigh(&self, job: &Job, judgement: &mut Judgement) {
        let pause = {
            let mut conditions = self.shared.conditions();
            conditions.evidence.weigh(&job.about(), judgement);
            conditions.evidence.speaks_for_a_pause()
        };
        if pause {
            self.shared.paused.store(true, Ordering::Relaxed);
        }
        if judgement.taken() {
            self.shared.delivered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A proved sender is told, unless a person decides otherwise before.
    fn notification(&self, judgement: &mut Judgement) -> Option<Notification> {
        let contents = std::mem::take(&mut judgement.contents);
        let after: Option<Duration> = self.shared.office.config.notices.failure;
        let after = after.filter(|_| !contents.is_empty())?;
        let now = self.shared.post.host.clock.now().wall;
        Some(Notification::new(Kind::Failure, contents, now.after(after)))
    }

    /// Enters it into row and account.
    fn enter(&self, job: &mut Job, judgement: Judgement) {
        let now = self.shared.post.host.clock.now().wall;
        for (index, _, words) in judgement.waits {
            if let Some(line) = job.account().lines.get_mut(index) {
                (line.when, line.reply) = (now, words);
            }
        }
        for (index, fate, reply) in judgement.fates {
            if let Some(place) = job.row.fates.get_mut(index) {
                *place = fate;
            }
            if let Some(line) = job.account().lines.get_mut(index) {
                (line.fate, line.when, line.reply) = (fate, now, reply);
            }
            self.shared.post.metrics.taken(match fate {
                Fate::Quarantined => Taken::Quarantined,
                _ => Taken::HandedBack,
            });
        }
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
