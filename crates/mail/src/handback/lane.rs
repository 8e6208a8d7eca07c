//! One connection over which is handed back, message after message.
//!
//! The next message's MAIL, RCPT and DATA are sent together with the end of the one before
//! (RFC 2920 §3.1 allows that: DATA is the last of its group), so a message costs one round trip.
//! What the primary took is written down (`written`) while the next is on its way.

mod written;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::body::Reading;
use super::job::Job;
use super::judge::{self, Judgement, Said};
use super::round::Shared;
use crate::client::Verb;
use crate::client::caller::{CallError, Caller};
use crate::desk::{attributes, call};
use crate::envelope::Client;
use crate::metrics::Taken;
use crate::spool::{Account, Fate, SpoolError};
use crate::wire::reply::Reply;

/// How often the connection may break at one message before the round is given up, or before the
/// others have their turn if that was so in earlier rounds.
const BREAKS: u32 = 3;
/// How often a lane calls again after a cut before it gives up.
const CALLS: u32 = 5;

/// What came of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Taken,
    /// The primary refused it, or broke off: nothing more goes out now.
    NotTaken,
    /// The primary wants it later, which may be because of whom it is for.
    Deferred,
    /// The primary cannot take this one, whoever it is for: it says nothing about the others.
    Unfit,
}

impl Report {
    fn of(judgement: &Judgement) -> Self {
        match judgement {
            Judgement { taken: true, .. } => Self::Taken,
            Judgement { pause: true, .. } => Self::NotTaken,
            _ => Self::Deferred,
        }
    }
}

/// A job and the permit to have it under way.
type Work = (Box<Job>, Option<OwnedSemaphorePermit>);

/// One connection.
pub(super) struct Lane {
    shared: Arc<Shared>,
    caller: Option<Caller>,
    /// Whom the primary believes to talk to.
    introduced: Option<Client>,
    commits: VecDeque<JoinHandle<Result<(), SpoolError>>>,
    refusals: u32,
    calls: u32,
}

/// What was sent of a message when the connection broke.
enum Broken {
    /// Its end was sent: the primary may have it.
    AfterEnd(CallError),
    Before(CallError),
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            caller: None,
            introduced: None,
            commits: VecDeque::new(),
            refusals: 0,
            calls: 0,
        }
    }

    /// Hands one message back alone.
    pub(super) async fn canary(&mut self, job: Job) -> Report {
        let mut todo = VecDeque::from([(Box::new(job), None)]);
        self.work(&mut todo, None, true).await
    }

    /// Hands back what comes until nothing comes any more.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<(Job, OwnedSemaphorePermit)>) {
        let mut todo = VecDeque::new();
        while let Some((job, permit)) = jobs.recv().await {
            todo.push_back((Box::new(job), Some(permit)));
            self.work(&mut todo, Some(&mut jobs), false).await;
            if !todo.is_empty() {
                // The round is over; what is left stays kept.
                jobs.close();
                break;
            }
        }
        self.end().await;
    }

    /// Ends the connection politely and waits until everything is written down.
    pub(super) async fn end(mut self) {
        if let Some(caller) = self.caller.take() {
            caller.quit().await;
        }
        self.settled(0).await;
    }

    /// Works off `todo`, and what comes meanwhile.
    async fn work(
        &mut self,
        todo: &mut VecDeque<Work>,
        mut more: Option<&mut mpsc::Receiver<(Job, OwnedSemaphorePermit)>>,
        canary: bool,
    ) -> Report {
        let mut report = Report::NotTaken;
        // The message at the front has been announced to the primary.
        let mut announced = false;
        while let Some((mut job, permit)) = todo.pop_front() {
            if !announced {
                if !self.shared.goes_on() {
                    todo.push_front((job, permit));
                    return report;
                }
                match self.begin(&job).await {
                    Ok(None) => {}
                    Ok(Some(unfit)) => {
                        report = Report::Unfit;
                        self.write_down(job, permit, unfit).await;
                        continue;
                    }
                    Err(error) => {
                        todo.push_front((job, permit));
                        if !self.call_again(&error) {
                            return report;
                        }
                        continue;
                    }
                }
            }
            announced = false;
            let next = match &mut more {
                Some(jobs) if todo.is_empty() && self.shared.goes_on() => jobs.try_recv().ok(),
                _ => None,
            };
            if let Some((job, permit)) = next {
                todo.push_back((Box::new(job), Some(permit)));
            }
            match self
                .deliver(&job, todo.front().map(|(job, _)| job.as_ref()), canary)
                .await
            {
                Ok((judgement, next_announced)) => {
                    announced = next_announced;
                    report = Report::of(&judgement);
                    self.write_down(job, permit, judgement).await;
                }
                Err(broken) => {
                    let error = match broken {
                        Broken::AfterEnd(error) => {
                            self.cut(&mut job);
                            error
                        }
                        Broken::Before(error) => error,
                    };
                    job.breaks += 1;
                    let again = self.call_again(&error) && !canary;
                    if again && job.breaks < BREAKS {
                        // It is not known to have arrived, so it goes again, and first.
                        todo.push_front((job, permit));
                        continue;
                    }
                    // One at which the primary always breaks off keeps back no other.
                    let aside = again && job.is_stuck();
                    let later = Judgement::later(job.waiting(), &error.to_string());
                    self.write_down(job, permit, later).await;
                    if !aside {
                        self.shared.broken.store(true, Ordering::Relaxed);
                        return report;
                    }
                }
            }
        }
        report
    }

    /// Gives the connection up; whether another shall be tried.
    fn call_again(&mut self, error: &CallError) -> bool {
        tracing::debug!(%error, "the connection over which mail is handed back broke");
        self.caller = None;
        self.introduced = None;
        self.calls += 1;
        let again = self.calls < CALLS && self.shared.goes_on();
        if !again {
            self.shared.broken.store(true, Ordering::Relaxed);
        }
        again
    }

    /// The primary may have a copy that it did not acknowledge: that is said in the account.
    fn cut(&self, job: &mut Job) {
        self.shared.post.metrics.taken(Taken::Cut);
        let account = job
            .account
            .get_or_insert_with(|| Account::begin(&job.message.meta));
        for line in &mut account.lines {
            if line.fate == Fate::Waiting {
                line.cut += 1;
            }
        }
    }

    /// Calls, and announces the message unless the primary cannot take it.
    async fn begin(&mut self, job: &Job) -> Result<Option<Judgement>, CallError> {
        let client = &job.message.meta.envelope.client;
        if self.caller.is_none() {
            let Shared { post, office, .. } = &*self.shared;
            self.caller = Some(call(post, office, Some(client)).await?);
            self.introduced = Some(client.clone());
        }
        let can = self.caller.as_ref().map(Caller::capabilities);
        if let Some(unfit) = can.and_then(|can| job.unfit(can)) {
            return Ok(Some(unfit));
        }
        self.announce(job).await.map(|()| None)
    }

    /// MAIL, RCPT and DATA, without waiting for answers.
    async fn announce(&mut self, job: &Job) -> Result<(), CallError> {
        let envelope = &job.message.meta.envelope;
        let differs = self.introduced.as_ref() != Some(&envelope.client);
        let Some(caller) = &mut self.caller else {
            return Ok(());
        };
        if differs
            && !caller.capabilities().xclient.is_empty()
            && self.shared.office.config.primary.xclient
        {
            caller.introduce(attributes(&envelope.client)).await?;
            self.introduced = Some(envelope.client.clone());
        }
        caller
            .send_mail(&envelope.sender, Some(job.message.meta.size))
            .await?;
        for (recipient, fate) in envelope.recipients.iter().zip(&job.row.fates) {
            if *fate == Fate::Waiting {
                caller.send_rcpt(recipient).await?;
            }
        }
        caller.send_verb(Verb::Data).await
    }

    /// Whether the next message can be announced together with the end of this one.
    fn goes_along(&self, next: &Job) -> bool {
        let Some(caller) = &self.caller else {
            return false;
        };
        let same = self.introduced.as_ref() == Some(&next.message.meta.envelope.client);
        let anonymous =
            caller.capabilities().xclient.is_empty() || !self.shared.office.config.primary.xclient;
        let can = caller.capabilities();
        can.pipelining && (same || anonymous) && next.unfit(can).is_none() && self.shared.goes_on()
    }

    /// Reads the answers to an announced message, sends its body, announces the next, and judges.
    async fn deliver(
        &mut self,
        job: &Job,
        next: Option<&Job>,
        canary: bool,
    ) -> Result<(Judgement, bool), Broken> {
        let lost = || Broken::Before(CallError::Lost(crate::client::Lost::Closed));
        let (mail, recipients, data) = {
            let caller = self.caller.as_mut().ok_or_else(lost)?;
            answers(caller, job).await.map_err(Broken::Before)?
        };
        let accepted = recipients
            .iter()
            .filter(|(_, _, reply)| reply.code() / 100 == 2)
            .count();
        let mut replies = 0;
        if data.code() == 354 {
            let caller = self.caller.as_mut().ok_or_else(lost)?;
            if accepted > 0 {
                self.shared.send_body(caller, job).await?;
            }
            replies = caller.send_end(accepted).await.map_err(Broken::AfterEnd)?;
        }
        let mut announced = false;
        if let Some(next) = next.filter(|next| self.goes_along(next)) {
            self.announce(next).await.map_err(Broken::AfterEnd)?;
            announced = true;
        }
        let caller = self.caller.as_mut().ok_or_else(lost)?;
        let mut end = Vec::with_capacity(replies);
        for _ in 0..replies {
            end.push(caller.reply(Verb::End).await.map_err(Broken::AfterEnd)?);
        }
        self.calls = 0;
        let said = Said {
            mail: &mail,
            recipients: &recipients,
            data: &data,
            end: &end,
        };
        let judgement = judge::judge(&said, canary, self.shared.released);
        Ok((judgement, announced))
    }
}

/// The answers to MAIL, to each RCPT, and to DATA.
async fn answers(
    caller: &mut Caller,
    job: &Job,
) -> Result<(Reply, Vec<(usize, bool, Reply)>, Reply), CallError> {
    let mail = caller.reply(Verb::Mail).await?;
    let mut recipients = Vec::with_capacity(job.row.fates.len());
    for (index, fate) in job.row.fates.iter().enumerate() {
        if *fate == Fate::Waiting {
            let known = job.known.get(index).copied().unwrap_or(false);
            recipients.push((index, known, caller.reply(Verb::Rcpt).await?));
        }
    }
    let data = caller.reply(Verb::Data).await?;
    Ok((mail, recipients, data))
}

impl Shared {
    async fn send_body(&self, caller: &mut Caller, job: &Job) -> Result<(), Broken> {
        let unreadable = |error: SpoolError| {
            tracing::error!(%error, "a kept message cannot be read");
            Broken::Before(CallError::Lost(crate::client::Lost::Closed))
        };
        let mut reading = Reading::begin(&job.message, job.verdicts.as_ref(), &self.post.name)
            .map_err(unreadable)?;
        while let Some(piece) = reading.next().map_err(unreadable)? {
            caller.send_piece(piece).await.map_err(Broken::Before)?;
        }
        Ok(())
    }
}
