//! The loop of one site: captures when it is due and may be, judges, and puts on the shelf.

use std::sync::Arc;
use std::time::Duration;

use host::Drain;
use model::{Mono, Standings};
use tokio::sync::{mpsc, oneshot, watch};

use crate::capture::{self, Captured, Ending, Stop, Tally};
use crate::guard::{self, Portrait};
use crate::handle::{Attempt, CaptureOutcome, HandleError, SiteHandle};
use crate::metrics::Outcome;
use crate::shelf::State;
use crate::wire::manifest::Manifest;

/// Somebody wants a capture now.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) reply: oneshot::Sender<CaptureOutcome>,
}

/// Renews the copy of one site until the drain begins.
pub(crate) struct Follower {
    handle: SiteHandle,
    requests: mpsc::Receiver<Request>,
    failures: u32,
}

impl Follower {
    pub(crate) fn new(handle: SiteHandle, requests: mpsc::Receiver<Request>) -> Self {
        Self {
            handle,
            requests,
            failures: 0,
        }
    }

    pub(crate) async fn run(&mut self, standings: watch::Receiver<Standings>, drain: Drain) {
        let clock = self.handle.desk().host.clock.clone();
        let mut due = self.first_due();
        loop {
            let stop = self.stop(&standings, &drain);
            // All arms are cancel-safe.
            let request = tokio::select! {
                () = drain.begun() => return,
                request = self.requests.recv() => request,
                () = clock.sleep_until(due) => {
                    let allowed = stop.allowed();
                    // Due, but the primary is not to be asked: wait until that changes.
                    tokio::select! {
                        () = drain.begun() => return,
                        request = self.requests.recv() => request,
                        () = allowed => None,
                    }
                }
            };
            let outcome = self.renew(stop).await;
            let now = clock.now().mono;
            due = now.after(capture::pause_after(self.failures, self.refresh()));
            if let Some(request) = request {
                // Who asked may be gone.
                let _ = request.reply.send(outcome);
            }
        }
    }

    fn refresh(&self) -> Duration {
        self.handle.desk().config.refresh
    }

    fn stop(&self, standings: &watch::Receiver<Standings>, drain: &Drain) -> Stop {
        Stop::new(&self.handle.desk().config, standings.clone(), drain.clone())
    }

    /// A restart does not make the primary pay: the refresh goes on where it was.
    fn first_due(&self) -> Mono {
        let desk = self.handle.desk();
        let now = desk.host.clock.now();
        let current = self
            .handle
            .copy()
            .current()
            .map(|generation| generation.number);
        let entry = current.and_then(|number| desk.shelf.entry(number).ok().flatten());
        entry.map_or(now.mono, |entry| {
            now.mono_at(entry.verified).after(desk.config.refresh)
        })
    }

    /// Captures once, and does with it what is right.
    async fn renew(&mut self, stop: Stop) -> CaptureOutcome {
        self.handle.begins();
        let mut tally = None;
        let outcome = match self.try_renew(stop, &mut tally).await {
            Ok(outcome) => outcome,
            Err(reason) => CaptureOutcome::Failed { reason },
        };
        let (good, kind, words) = said(&outcome);
        self.failures = if good {
            0
        } else {
            self.failures.saturating_add(1)
        };
        let desk = self.handle.desk();
        desk.metrics.capture(kind);
        let organisation = self.handle.organisation();
        match &outcome {
            CaptureOutcome::Failed { reason } | CaptureOutcome::Rejected { reason, .. } => {
                tracing::warn!(%organisation, reason, "the copy was not renewed");
            }
            _ => tracing::debug!(%organisation, outcome = words, "capture ended"),
        }
        let at = desk.host.clock.now().wall;
        self.handle.ended(Attempt {
            at,
            outcome: words,
            good,
            tally,
        });
        outcome
    }

    async fn try_renew(
        &self,
        stop: Stop,
        tally: &mut Option<Tally>,
    ) -> Result<CaptureOutcome, String> {
        let desk = self.handle.desk();
        if let Some(reason) = stop.reason() {
            return Ok(CaptureOutcome::Stopped {
                reason: reason.to_string(),
            });
        }
        // A large site takes longer than what nobody keeps yet is left alone for.
        let blobs = desk.host.store.blobs().clone();
        let holding = desk.host.tasks.blocking("site shelf", move || blobs.hold());
        let _held = holding.await.map_err(|error| error.to_string())?;
        let last = self.last().await.map_err(|error| crate::chain(&error))?;
        let first = last.is_none();
        let captured =
            capture::capture(&desk.config, &desk.host, &desk.metrics, last.clone(), stop)
                .await
                .map_err(|error| crate::chain(&error))?;
        *tally = Some(captured.tally);
        let started = matches!(captured.candidate.start, guard::Start::Good { .. });
        let fails = matches!(captured.ending, Ending::Failing(_));
        if !captured.ending.is_usable(first) || fails && !started {
            let reason = captured.ending.to_string();
            return Ok(CaptureOutcome::Stopped { reason });
        }
        self.judge(captured, last)
            .await
            .map_err(|error| crate::chain(&error))
    }

    /// The generation that is served, whole. One that is damaged is as good as none.
    async fn last(&self) -> Result<Option<Arc<Manifest>>, HandleError> {
        let Some(current) = self.handle.copy().current() else {
            return Ok(None);
        };
        Ok(Some(self.handle.desk().shelf.load(current.number).await?))
    }

    async fn judge(
        &self,
        captured: Captured,
        last: Option<Arc<Manifest>>,
    ) -> Result<CaptureOutcome, HandleError> {
        let desk = self.handle.desk();
        let now = desk.host.clock.now().wall;
        let portrait = last.as_deref().map(Portrait::of);
        let judgement = guard::judge(&captured.candidate, portrait.as_ref());
        if let Err(objection) = judgement {
            let reason = reason(&objection.to_string(), &captured);
            let state = State::Rejected {
                reason: reason.clone(),
            };
            let added = desk.shelf.add(captured.manifest, state).await?;
            desk.shelf.thin(desk.config.generations, now).await?;
            return Ok(CaptureOutcome::Rejected {
                entry: added.entry,
                reason,
            });
        }
        let organisation = self.handle.organisation().as_str();
        if let Some(last) = last.filter(|_| captured.unchanged) {
            // A capture that ended early has not looked at everything.
            let entry = match captured.ending {
                Ending::Complete => desk.shelf.verified(last.number, now).await?,
                _ => desk.shelf.known(last.number)?,
            };
            desk.metrics.verified(organisation, entry.verified);
            return Ok(CaptureOutcome::Unchanged { entry });
        }
        let turn = desk.turning.lock().await;
        let added = desk.shelf.add(captured.manifest, State::Kept).await?;
        if added.served {
            self.handle.show(&added.manifest).await;
            desk.metrics.verified(organisation, now);
        }
        drop(turn);
        desk.shelf.thin(desk.config.generations, now).await?;
        Ok(CaptureOutcome::New {
            entry: added.entry,
            served: added.served,
        })
    }
}

/// An objection in words that help: where a marking is what kept the start page out, say so.
fn reason(objection: &str, captured: &Captured) -> String {
    let private = captured.tally.private;
    if private > 0 && captured.candidate.start == guard::Start::Absent {
        return format!(
            "{objection}; {private} pages are marked as private: if they are the same for every \
             reader, write `capture = {{ marked_private = true }}`"
        );
    }
    if captured.tally.robots > 0 && captured.candidate.start == guard::Start::Absent {
        return format!(
            "{objection}; robots.txt forbids it: write `capture = {{ robots = false }}`"
        );
    }
    objection.to_owned()
}

/// Whether it was good, as what it counts, and in words.
fn said(outcome: &CaptureOutcome) -> (bool, Outcome, String) {
    match outcome {
        CaptureOutcome::New { entry, served } => {
            let but = if *served {
                ""
            } else {
                ", not served: another one is pinned"
            };
            let words = format!("generation {}, {}{but}", entry.number, entry.ending);
            (true, Outcome::New, words)
        }
        CaptureOutcome::Unchanged { entry } => (
            true,
            Outcome::Unchanged,
            format!("as generation {}", entry.number),
        ),
        CaptureOutcome::Rejected { entry, reason } => {
            let words = format!("generation {} rejected: {reason}", entry.number);
            (false, Outcome::Rejected, words)
        }
        CaptureOutcome::Stopped { reason } => (false, Outcome::Stopped, reason.clone()),
        CaptureOutcome::Failed { reason } => (false, Outcome::Failed, reason.clone()),
    }
}
