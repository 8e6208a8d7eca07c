//! One connection over which is handed back, message after message.
//!
//! The next message's MAIL, RCPT and DATA are sent together with the end of the one before
//! (RFC 2920 §3.1 allows that: DATA is the last of its group), so a message costs one round trip.
//! What is said, and when, [`Delivery`] decides; whose fault it is, [`super::attempt`] and
//! [`super::evidence`]. What the primary took is written down (`written`) while the next is on its
//! way.

mod begin;
mod written;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::attempt::{Judgement, RECIPIENTS};
use super::body::Reading;
use super::job::Job;
use super::judge::Wait;
use super::meaning::{Meaning, meaning};
use super::round::{Shared, Stands};
use crate::client::Lost;
use crate::client::caller::{CallError, Caller};
use crate::client::delivery::{Delivery, Said, Step};
use crate::config::Protocol;
use crate::envelope::Client;
use crate::metrics::Taken;
use crate::spool::SpoolError;
use crate::wire::reply::Reply;

use begin::Begun;
pub(super) use begin::Introductions;

/// How often the connection may break at one message before the round is given up, or before the
/// others have their turn if that was so in earlier rounds.
const BREAKS: u32 = 3;
/// How often a lane calls again in vain before it gives up.
const CALLS: u32 = 5;

/// What came of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Taken,
    /// The primary broke off, or nothing more may go out now.
    Stopped,
    /// The primary wants it later, which may be because of whom it is for.
    Deferred,
    /// That concerns this message alone, and says nothing about the others.
    Other,
}

impl Report {
    fn of(judgement: &Judgement) -> Self {
        let later =
            |(_, why, _): &(usize, Wait, String)| matches!(why, Wait::Later | Wait::Limited);
        match judgement {
            judgement if judgement.taken() => Self::Taken,
            Judgement { waits, .. } if waits.iter().any(later) => Self::Deferred,
            _ => Self::Other,
        }
    }
}

/// A job and the permit to have it under way.
type Work = (Box<Job>, Option<OwnedSemaphorePermit>);
type More<'a> = Option<&'a mut mpsc::Receiver<(Job, OwnedSemaphorePermit)>>;

/// One connection, or the next one.
pub(super) struct Lane {
    shared: Arc<Shared>,
    line: Option<Line>,
    /// Recipients of one transaction: what the primary takes.
    most: usize,
    /// It goes on with transactions that have ended: nothing is announced before an end is answered.
    one_by_one: bool,
    commits: VecDeque<JoinHandle<Result<(), SpoolError>>>,
    calls: u32,
}

/// A connection that stands.
struct Line {
    caller: Caller,
    delivery: Delivery,
    /// Whom the primary believes to talk to.
    introduced: Option<Client>,
    _stands: Stands,
}

/// What came of a transaction.
struct Heard {
    said: Said,
    /// The next message was announced meanwhile.
    announced: bool,
    /// Why the connection broke, if it did.
    error: Option<CallError>,
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            line: None,
            most: RECIPIENTS,
            one_by_one: false,
            commits: VecDeque::new(),
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
        self.hang_up().await;
        self.settled(0).await;
    }

    async fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            line.caller.quit().await;
        }
    }

    /// Works off `todo`, and what comes meanwhile.
    async fn work(
        &mut self,
        todo: &mut VecDeque<Work>,
        mut more: More<'_>,
        canary: bool,
    ) -> Report {
        let mut report = Report::Stopped;
        // The message at the front has been announced to the primary.
        let mut announced = false;
        while let Some((mut job, permit)) = todo.pop_front() {
            if !announced {
                if !self.shared.goes_on() {
                    todo.push_front((job, permit));
                    return report;
                }
                match self.begin(&mut job, canary).await {
                    Begun::Announced => {}
                    Begun::PutOff => {
                        report = Report::Deferred;
                        continue;
                    }
                    Begun::Over => {
                        report = self.finish(job, permit).await;
                        continue;
                    }
                    Begun::Again => {
                        todo.push_front((job, permit));
                        continue;
                    }
                    Begun::Broken => {
                        todo.push_front((job, permit));
                        return report;
                    }
                }
            }
            let next = match &mut more {
                Some(jobs) if todo.is_empty() && self.shared.goes_on() => jobs.try_recv().ok(),
                _ => None,
            };
            if let Some((job, permit)) = next {
                todo.push_back((Box::new(job), Some(permit)));
            }
            let next = todo.front_mut().map(|(next, _)| next.as_mut());
            let heard = self.exchange(&mut job, next).await;
            announced = heard.announced;
            let lmtp = self.is_lmtp();
            let (named, dsn) = (std::mem::take(&mut job.named), job.dsn);
            let broken = job.attempt.said(&named, &heard.said, lmtp, dsn);
            self.one_by_one |= heard.said.void;
            self.learn_limit(&heard.said);
            // What was cut is gone; what the primary ended itself is too, and it said why.
            let mut call_again = true;
            if let Some(error) = &heard.error {
                call_again = self.call_again(error);
            }
            if broken && !self.is_worth_it(&mut job, call_again, canary) {
                let aside = call_again && job.is_stuck();
                let words = heard
                    .error
                    .map_or_else(String::new, |error| error.to_string());
                job.attempt.give_up(Wait::Broken, &words);
                report = self.finish(job, permit).await;
                if !aside {
                    self.shared.broken.store(true, Ordering::Relaxed);
                    return report;
                }
                continue;
            }
            if job.attempt.is_over() {
                report = self.finish(job, permit).await;
            } else {
                // For the others there is another transaction. What became of these is durable
                // before that, so that nobody gets a second copy.
                self.write_partly(&mut job).await;
                todo.push_front((job, permit));
            }
        }
        report
    }

    /// The connection broke at this message: whether it goes again at once. It is not known to have
    /// arrived, so it goes first.
    fn is_worth_it(&self, job: &mut Job, call_again: bool, canary: bool) -> bool {
        if job.note_cuts() {
            self.shared.post.metrics.taken(Taken::Cut);
        }
        job.breaks += 1;
        let again = call_again && !canary && job.breaks < BREAKS;
        if again {
            job.attempt.again();
        }
        again
    }

    /// Gives the connection up; whether another shall be tried.
    fn call_again(&mut self, error: &CallError) -> bool {
        tracing::debug!(%error, "the connection over which mail is handed back broke");
        self.line = None;
        self.calls += 1;
        let again = self.calls < CALLS && self.shared.goes_on();
        if !again {
            self.shared.broken.store(true, Ordering::Relaxed);
        }
        again
    }

    fn is_lmtp(&self) -> bool {
        self.shared.office.config.primary.protocol == Protocol::Lmtp
    }

    /// A primary that takes fewer recipients in one transaction is told fewer from then on.
    fn learn_limit(&mut self, said: &Said) {
        let accepted = said.recipients.iter().filter(|one| one.code() / 100 == 2);
        let accepted = accepted.count();
        let too_many = |reply: &Reply| meaning(reply) == Meaning::TooMany;
        if accepted > 0 && said.recipients.iter().any(too_many) {
            self.most = self.most.min(accepted);
        }
    }

    /// Hears the answers to an announced message, sends its contents, announces the next.
    async fn exchange(&mut self, job: &mut Job, mut next: Option<&mut Job>) -> Heard {
        let mut announced = false;
        let mut error: Option<CallError> = None;
        loop {
            let Some(line) = &mut self.line else {
                return Heard {
                    said: Said::default(),
                    announced: false,
                    error: error.or(Some(CallError::Lost(Lost::Closed))),
                };
            };
            let done = match line.delivery.step() {
                Some(Step::Over(said)) => {
                    // Whoever is taken proves that calling again is not in vain.
                    if said.end.iter().any(|end| end.code() / 100 == 2) {
                        self.calls = 0;
                    }
                    let closed = line.delivery.is_closed();
                    // RSET, where that is the way out.
                    while let (false, Some(Step::Say(command))) = (closed, line.delivery.step()) {
                        if let Err(broken) = line.caller.say(command).await {
                            error.get_or_insert(broken);
                        }
                    }
                    let by_itself = closed.then_some(CallError::Lost(Lost::Closed));
                    let error = error.or_else(|| by_itself.map(|other| said_last(&said, other)));
                    return Heard {
                        said: *said,
                        announced: announced && !closed,
                        error,
                    };
                }
                Some(Step::Say(command)) => line.caller.say(command).await,
                Some(Step::Close) => Err(CallError::Lost(Lost::Closed)),
                Some(Step::Contents) => {
                    let sent = self.contents(job).await;
                    if sent.is_ok() {
                        announced = self.announce_next(job, next.take());
                    }
                    sent
                }
                None => match line.caller.next_reply().await {
                    Ok((verb, reply)) => {
                        line.delivery.replied(verb, reply);
                        Ok(())
                    }
                    Err(broken) => Err(broken),
                },
            };
            if let Err(broken) = done {
                error.get_or_insert(broken);
                if let Some(line) = &mut self.line {
                    line.delivery.lost();
                }
            }
        }
    }

    /// Sends the contents, and lets their end follow.
    async fn contents(&mut self, job: &Job) -> Result<(), CallError> {
        let Some(line) = &mut self.line else {
            return Err(CallError::Lost(Lost::Closed));
        };
        let unreadable = |error: SpoolError| {
            tracing::error!(%error, "a kept message cannot be read");
            CallError::Lost(Lost::Closed)
        };
        let name = &self.shared.post.name;
        let reading = Reading::begin(&job.message, job.verdicts.as_ref(), name);
        let mut reading = reading.map_err(unreadable)?;
        while let Some(piece) = reading.next().map_err(unreadable)? {
            line.caller.send_piece(piece).await?;
        }
        line.delivery.contents_sent();
        Ok(())
    }
}

/// Why the primary ended the conversation by itself: what it said last.
fn said_last(said: &Said, otherwise: CallError) -> CallError {
    let all = said.mail.iter().chain(&said.recipients);
    let last = all.chain(&said.data).chain(&said.end).last();
    match last {
        Some(reply) if reply.code() == 421 => CallError::Refused(reply.clone()),
        _ => otherwise,
    }
}
