//! The committer: the one place that writes.
//!
//! Whoever calls `Store::commit` hands a batch over a bounded queue and waits. The committer takes
//! what waits (one group), checks each batch's conditions against the tables and the batches of
//! the group before it, writes the group as one atomic batch of the engine with one `fdatasync`,
//! and only then makes receipts. Readers and watchers never see what is not durable.
//! After a failed write or sync nothing is tried again, for the kernel reports a lost page once:
//! the files are opened again (`reopen`), and what they hold then is written anew.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use fjall::PersistMode;
use tokio::sync::oneshot;

use crate::disk;
use crate::engine::{self, Engine};
use crate::log::Firsts;
use crate::open::Lock;
use crate::room::Room;
use crate::seal::Sealing;
use crate::stage::{Accepted, Staged, Writer};
use crate::stats::Counters;
use crate::table::Watchers;
use crate::{Batch, Blobs, CommitError, LogName, Position, ReadError, Receipt, ReopenError};

/// Records removed from a log in one step, so that a long trim does not keep commits waiting.
const TRIM_STEP: usize = 2048;

/// What is asked of the committer.
#[derive(Debug)]
pub(crate) enum Request {
    Commit {
        batch: Batch,
        size: usize,
        turn: Turn,
        reply: oneshot::Sender<Result<Receipt, CommitError>>,
    },
    /// One step of a trim; answers whether more is left.
    Trim {
        log: LogName,
        below: u64,
        reply: oneshot::Sender<Result<bool, CommitError>>,
    },
    /// Open the files again after a failed write.
    Reopen {
        reply: SyncSender<Result<(), ReopenError>>,
    },
    /// Finish what was asked before, then stop.
    Close,
}

impl Request {
    fn size(&self) -> usize {
        match self {
            Self::Commit { size, .. } => *size,
            Self::Trim { .. } | Self::Reopen { .. } | Self::Close => 0,
        }
    }
}

/// Whose a batch is that waits: the committer takes it, or who asked withdraws it, once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Takes it; `false`: the other one has.
    pub(crate) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// How much is taken into one group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupLimits {
    pub(crate) batches: usize,
    pub(crate) bytes: usize,
}

/// Everything the committer owns.
pub(crate) struct Core {
    pub(crate) engine: Engine,
    pub(crate) blobs: Blobs,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) firsts: Arc<Firsts>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) sealing: Arc<Sealing>,
    pub(crate) identity: [u8; 16],
    pub(crate) revision: u64,
    /// The next position of each log written since opening.
    pub(crate) next: HashMap<LogName, u64>,
    pub(crate) dir: PathBuf,
    pub(crate) reserve: u64,
    pub(crate) room: Room,
    pub(crate) lock: Lock,
}

/// A reply that waits for the sync.
enum Waiting {
    Commit(oneshot::Sender<Result<Receipt, CommitError>>, Accepted),
    Trim(oneshot::Sender<Result<bool, CommitError>>, bool),
}

/// The body of the committer's thread: until closed or nobody can ask any more.
pub(crate) fn run(mut core: Core, requests: &Receiver<Request>, limits: GroupLimits) {
    let mut held_over = None;
    loop {
        let Some(first) = held_over.take().or_else(|| requests.recv().ok()) else {
            return;
        };
        let mut bytes = first.size();
        let mut group = vec![first];
        while group.len() < limits.batches && bytes < limits.bytes {
            let Ok(request) = requests.try_recv() else {
                break;
            };
            bytes = bytes.saturating_add(request.size());
            if bytes > limits.bytes {
                held_over = Some(request);
                break;
            }
            group.push(request);
        }
        let closing = group
            .iter()
            .any(|request| matches!(request, Request::Close));
        core.commit_group(group);
        if closing {
            return;
        }
    }
}

impl Core {
    /// Does everything in `group` with one sync, and answers.
    pub(crate) fn commit_group(&mut self, mut group: Vec<Request>) {
        let size: usize = group.iter().map(Request::size).sum();
        let asked = group
            .iter()
            .filter(|request| matches!(request, Request::Commit { .. } | Request::Trim { .. }))
            .count() as u64;
        // What was withdrawn meanwhile is not done any more, and what is begun is not withdrawn.
        group.retain(|request| match request {
            Request::Commit { turn, .. } => turn.take(),
            _ => true,
        });
        // Held over the write, so that no blob is swept between being looked for and linked.
        let blobs = self.blobs.clone();
        let links = |request: &Request| match request {
            Request::Commit { batch, .. } => !batch.links.is_empty(),
            _ => false,
        };
        let gate = group.iter().any(links).then(|| blobs.gate());

        let mut staged = Staged::default();
        let mut waiting = Vec::with_capacity(group.len());
        let available = disk::available(&self.dir);
        let mut reopen = Vec::new();
        for request in group {
            match request {
                Request::Reopen { reply } => reopen.push(reply),
                other => waiting.extend(self.stage(other, available, &mut staged)),
            }
        }
        let written = if waiting.is_empty() {
            Ok(())
        } else {
            self.write(&staged)
        };
        drop(gate);
        self.counters.leave_queue(size);
        self.counters.waiting.fetch_sub(asked, Ordering::Relaxed);
        self.counters.group_answered();
        match written {
            Ok(()) => {
                self.room.see_to_the_journal(self.reserve);
                self.answer(waiting, staged);
            }
            Err(error) => self.poison(waiting, &error),
        }
        for reply in reopen {
            let _ = reply.send(self.reopen());
        }
    }

    /// Prepares one request; refuses it here, or says what waits for the sync.
    fn stage(
        &mut self,
        request: Request,
        available: Option<u64>,
        staged: &mut Staged,
    ) -> Option<Waiting> {
        match request {
            Request::Commit { batch, reply, .. } => {
                match self.stage_batch(batch, available, staged) {
                    Ok(accepted) => Some(Waiting::Commit(reply, accepted)),
                    Err(error) => {
                        self.counters.refused.fetch_add(1, Ordering::Relaxed);
                        let _ = reply.send(Err(error));
                        None
                    }
                }
            }
            Request::Trim { log, below, reply } => match self.stage_trim(&log, below, staged) {
                Ok(Some(more)) => Some(Waiting::Trim(reply, more)),
                Ok(None) => {
                    let _ = reply.send(Ok(false));
                    None
                }
                Err(error) => {
                    let _ = reply.send(Err(error));
                    None
                }
            },
            Request::Reopen { .. } | Request::Close => None,
        }
    }

    fn stage_batch(
        &mut self,
        batch: Batch,
        available: Option<u64>,
        staged: &mut Staged,
    ) -> Result<Accepted, CommitError> {
        if self.counters.is_poisoned() {
            return Err(CommitError::Poisoned);
        }
        if let Some(available) = available.filter(|&available| available < self.reserve)
            && !batch.may_take_of_the_reserve()
        {
            return Err(CommitError::NoSpace { available });
        }
        let erased = batch.erases.iter().map(|(log, _)| log);
        for log in batch.appends.iter().map(|append| &append.log).chain(erased) {
            self.learn_next(log).map_err(read_failed)?;
        }
        let seals = batch.seals();
        // Everything that can be refused is above the line where the revision moves on.
        let plan = staged.check(&self.engine, &self.blobs, batch)?;
        let data_key = seals.then(|| self.sealing.current()).transpose()?;
        let writer = Writer {
            identity: self.identity,
            revision: self.revision + 1,
            data_key: data_key.as_deref(),
        };
        let accepted = staged.apply(plan, &writer, &mut self.next, &self.firsts)?;
        self.revision += 1;
        Ok(accepted)
    }

    /// Finds the next position of `log` if it was not written since opening.
    fn learn_next(&mut self, log: &LogName) -> Result<u64, ReadError> {
        if let Some(next) = self.next.get(log) {
            return Ok(*next);
        }
        let last = self.engine.last_position(log)?.unwrap_or(0);
        let mark = self.engine.trim_mark(log)?.map_or(1, |(_, next)| next);
        let next = mark.max(last.saturating_add(1));
        self.next.insert(log.clone(), next);
        Ok(next)
    }

    /// Stages the removal of the first records below `below`. `None`: nothing is left to remove.
    fn stage_trim(
        &mut self,
        log: &LogName,
        below: u64,
        staged: &mut Staged,
    ) -> Result<Option<bool>, CommitError> {
        if self.counters.is_poisoned() {
            return Err(CommitError::Poisoned);
        }
        let next = self.learn_next(log).map_err(read_failed)?;
        let range = log.at(self.firsts.get(log))..log.at(below);
        if range.is_empty() {
            return Ok(None);
        }
        let mut removed = 0;
        let mut first = 0;
        let spaces = self.engine.spaces().map_err(read_failed)?;
        for guard in spaces.log.range(range).take(TRIM_STEP) {
            let key = guard.key().map_err(|error| read_failed(error.into()))?;
            first = engine::position_of(&key)
                .map_err(read_failed)?
                .saturating_add(1);
            staged.log.insert(key.to_vec(), None);
            removed += 1;
        }
        if removed == 0 {
            return Ok(None);
        }
        staged
            .kv
            .insert(engine::trim_key(log), Some(engine::trim_mark(first, next)));
        staged.firsts.push((log.prefix(), first));
        Ok(Some(removed == TRIM_STEP))
    }

    /// One batch of the engine, one sync.
    fn write(&mut self, staged: &Staged) -> Result<(), fjall::Error> {
        // Only this thread closes it.
        let spaces = self.engine.spaces().map_err(|_| fjall::Error::Poisoned)?;
        let waited = spaces.wait_for_workers()?;
        self.counters.waited_for_workers(waited);
        let mut batch = spaces.db.batch().durability(Some(PersistMode::SyncData));
        for (entries, keyspace) in [(&staged.kv, &spaces.kv), (&staged.log, &spaces.log)] {
            for (key, value) in entries {
                match value {
                    Some(value) => batch.insert(keyspace, key.as_slice(), value.as_slice()),
                    None => batch.remove(keyspace, key.as_slice()),
                }
            }
        }
        let revision = self.revision.to_be_bytes();
        batch.insert(&spaces.kv, engine::OWN_REVISION, revision);
        batch.commit()
    }

    fn answer(&self, waiting: Vec<Waiting>, staged: Staged) {
        if waiting.is_empty() {
            return;
        }
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        self.counters
            .records
            .fetch_add(staged.appended, Ordering::Relaxed);
        for (log, first) in staged.firsts {
            self.firsts.set(log, first);
        }
        self.watchers.tell(&staged.changes);
        for reply in waiting {
            match reply {
                Waiting::Commit(
                    reply,
                    Accepted {
                        revision,
                        positions,
                    },
                ) => {
                    self.counters.commits.fetch_add(1, Ordering::Relaxed);
                    // Who gave up waiting gets no receipt; the batch stays.
                    let _ = reply.send(Ok(Receipt {
                        revision,
                        positions,
                    }));
                }
                Waiting::Trim(reply, more) => {
                    let _ = reply.send(Ok(more));
                }
            }
        }
    }

    fn poison(&self, waiting: Vec<Waiting>, error: &fjall::Error) {
        self.counters.poison();
        self.room.drop_ballast();
        let error = CommitError::Io(crate::EngineError::of(error));
        tracing::error!(%error, "a write failed; nothing more is accepted until the files are opened again");
        for reply in waiting {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            match reply {
                Waiting::Commit(reply, _) => drop(reply.send(Err(error.clone()))),
                Waiting::Trim(reply, _) => drop(reply.send(Err(error.clone()))),
            }
        }
    }
}

/// The answer of a trim step, as `Store::trim` waits for it.
pub(crate) fn trim_request(
    log: &LogName,
    below: Position,
) -> (Request, oneshot::Receiver<Result<bool, CommitError>>) {
    let (reply, answer) = oneshot::channel();
    let request = Request::Trim {
        log: log.clone(),
        below: below.0,
        reply,
    };
    (request, answer)
}

fn read_failed(error: ReadError) -> CommitError {
    CommitError::Read(Arc::new(error))
}

#[cfg(test)]
mod tests;
