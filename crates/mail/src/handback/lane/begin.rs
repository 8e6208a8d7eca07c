//! Before a message is announced: there is a connection, its client is introduced, and the primary
//! can take it.

use std::sync::Arc;

use super::{Lane, Line};
use crate::client::caller::{CallError, Caller};
use crate::client::delivery::Delivery;
use crate::desk::{attributes, call};
use crate::handback::job::Job;
use crate::handback::judge::Wait;
use crate::handback::meaning::{Meaning, meaning};
use crate::handback::round::{Shared, Stands};

/// So many different clients are refused before anybody was introduced, and it is not tried again.
const REFUSED: u32 = 2;

/// Whether the primary lets true clients be introduced (XCLIENT), in this hand-back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::handback) struct Introductions {
    /// It does, though perhaps not everybody.
    taken: bool,
    refused: u32,
}

impl Introductions {
    /// It offers that and lets us introduce nobody: we are not trusted there.
    fn are_in_vain(self) -> bool {
        !self.taken && self.refused >= REFUSED
    }
}

/// What came of the beginning.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It is announced.
    Announced,
    /// It is not tried now: there were too many of its sender's, its client's or anybody's.
    PutOff,
    /// The attempt is over before anything was said of it.
    Over,
    /// It is to be begun again, over another connection.
    Again,
    /// There is no connection.
    Broken,
}

impl Lane {
    /// Announces a message.
    pub(super) async fn begin(&mut self, job: &mut Job, canary: bool) -> Begun {
        if job.attempt.is_over() {
            return Begun::Over;
        }
        // What has begun with others goes on with them.
        if !canary && !job.has_begun() && self.shared.puts_off(job) {
            return Begun::PutOff;
        }
        let foreign = |line: &Line| line.introduced.is_some();
        let closed = |line: &Line| line.delivery.is_closed();
        if self.line.as_ref().is_some_and(closed) {
            self.line = None;
        }
        if self.goes_without(job) && self.line.as_ref().is_some_and(foreign) {
            // It must not be taken for the former client's.
            self.hang_up().await;
        }
        if self.line.is_none() {
            let (post, office) = (&self.shared.post, &self.shared.office);
            match call(post, office, None).await {
                Ok(caller) => self.line = Some(Line::new(caller, &self.shared)),
                // Others have one: it is no sign that the primary is gone.
                Err(_) if self.shared.is_crowded() => return Begun::Broken,
                Err(error) => return self.failed(&error),
            }
        }
        match self.introduce(job).await {
            Ok(None) => {}
            Ok(Some(begun)) => return begun,
            Err(error) => return self.failed(&error),
        }
        let Some(line) = &mut self.line else {
            return Begun::Again;
        };
        let can = line.caller.capabilities();
        if let Some(words) = job.unfit(can) {
            job.attempt.refuse(&words);
            return Begun::Over;
        }
        let announcement = job.announcement(can, self.most);
        line.delivery.begin(announcement);
        Begun::Announced
    }

    fn failed(&mut self, error: &CallError) -> Begun {
        match self.call_again(error) {
            true => Begun::Again,
            false => Begun::Broken,
        }
    }

    /// Whether the primary is not told this message's client.
    fn goes_without(&self, job: &Job) -> bool {
        let in_vain = self.shared.conditions().introductions.are_in_vain();
        job.anonymous || in_vain || !self.shared.office.config.primary.xclient
    }

    /// Tells the primary whose message follows, where it wants to know. A refusal concerns this
    /// client alone, and the connection is given up: nobody can tell for whom it counts now.
    async fn introduce(&mut self, job: &mut Job) -> Result<Option<Begun>, CallError> {
        if self.goes_without(job) {
            return Ok(None);
        }
        let Some(line) = &mut self.line else {
            return Ok(Some(Begun::Again));
        };
        let known = line.introduced.as_ref() == Some(job.client());
        if known || line.caller.capabilities().xclient.is_empty() {
            return Ok(None);
        }
        // What is still to be answered (RSET) is answered before.
        while line.delivery.expects() {
            while let Some(step) = line.delivery.step() {
                if let crate::client::delivery::Step::Say(command) = step {
                    line.caller.say(command).await?;
                }
            }
            let (verb, reply) = line.caller.next_reply().await?;
            line.delivery.replied(verb, reply);
        }
        if line.delivery.is_closed() {
            self.line = None;
            return Ok(Some(Begun::Again));
        }
        let refused = match line.caller.introduce(attributes(job.client())).await {
            Ok(None) => {
                line.introduced = Some(job.client().clone());
                self.shared.conditions().introductions.taken = true;
                return Ok(None);
            }
            Ok(Some(reply)) => Some(reply),
            // It hangs up as soon as it hears of this client.
            Err(CallError::Lost(_)) => None,
            Err(error) => return Err(error),
        };
        self.line = None;
        match refused {
            // Not now, for this client: that is the answer to this message.
            Some(reply) if matches!(meaning(&reply), Meaning::Later | Meaning::Limited) => {
                let now = self.shared.post.host.clock.now().mono;
                let client = job.client().address.ip();
                let pace = &mut self.shared.conditions().pace;
                pace.put_off_client(client, now);
                job.attempt.give_up(Wait::Later, &reply.to_string());
                Ok(Some(Begun::Over))
            }
            _ => {
                job.anonymous = true;
                self.shared.conditions().introductions.refused += 1;
                Ok(Some(Begun::Again))
            }
        }
    }

    /// Announces the next message together with the end of this one, where that is possible.
    pub(super) fn announce_next(&mut self, job: &Job, next: Option<&mut Job>) -> bool {
        let Some(next) = next else { return false };
        if self.one_by_one || !self.shared.goes_on() || self.shared.puts_off(next) {
            return false;
        }
        let without = self.goes_without(next);
        let Some(line) = &mut self.line else {
            return false;
        };
        let can = line.caller.capabilities();
        let as_before = match without {
            true => line.introduced.is_none(),
            false => can.xclient.is_empty() || line.introduced.as_ref() == Some(next.client()),
        };
        // This one goes on first, in another transaction.
        let heard = line.delivery.heard();
        let goes_on = heard.is_none_or(|said| job.attempt.goes_on(&job.named, said));
        if !as_before || goes_on || !line.delivery.may_begin() || next.unfit(can).is_some() {
            return false;
        }
        let announcement = next.announcement(can, self.most);
        line.delivery.begin(announcement);
        true
    }
}

impl Line {
    fn new(caller: Caller, shared: &Arc<Shared>) -> Self {
        let protocol = shared.office.config.primary.protocol;
        let pipelining = caller.capabilities().pipelining;
        Self {
            caller,
            delivery: Delivery::new(protocol, pipelining),
            introduced: None,
            _stands: Stands::new(shared),
        }
    }
}
