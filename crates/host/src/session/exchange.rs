//! What passes between a session and its surroundings without waiting. Pure: the driver and the
//! transcripts share it, so that both keep to the same order.

use bytes::BytesMut;
use model::Now;

use super::{Input, Output, QuestionNumber, Session, Then};

/// After so many steps without a pause others have their turn.
const STEPS: usize = 128;
/// A buffer with more room than this is given back when nothing comes, and what little is in it is
/// moved: whoever sends half a line behind a thousand does not hold the room of all of them.
const KEPT: usize = 1024;

/// What a session has said and what it has not yet taken.
#[derive(Debug)]
pub(super) struct Exchange<S: Session> {
    pub(super) out: Output<S::Question>,
    pub(super) inbound: BytesMut,
    /// The session has looked at just these bytes and took none of them.
    looked_at: bool,
}

/// How far [`Exchange::settle`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing can be done without something from outside.
    Rests,
    /// There is more to do, after others had their turn.
    GoesOn,
}

impl<S: Session> Default for Exchange<S> {
    fn default() -> Self {
        Self {
            out: Output::default(),
            inbound: BytesMut::new(),
            looked_at: false,
        }
    }
}

impl<S: Session> Exchange<S> {
    /// Hands one input in that is not bytes.
    pub(super) fn hand(
        &mut self,
        session: &mut S,
        now: Now,
        input: Input<'_, S::Answer, S::Event>,
    ) {
        self.looked_at = false;
        session.handle(now, input, &mut self.out);
    }

    /// There is more behind what the session has looked at.
    pub(super) fn arrived(&mut self) {
        self.looked_at = false;
    }

    /// Asks the open questions, hands in what is answered at once, and offers what was read for as
    /// long as the session takes some of it and wants more. Nothing of that while `high_water`
    /// bytes or more wait to be written. A session that has closed is not told any answers.
    pub(super) fn settle(
        &mut self,
        session: &mut S,
        now: Now,
        high_water: usize,
        mut ask: impl FnMut(QuestionNumber, S::Question) -> Option<S::Answer>,
    ) -> Settled {
        for _ in 0..STEPS {
            if self.out.bytes.len() >= high_water {
                return Settled::Rests;
            }
            if let Some((number, question)) = self.out.questions.pop_front() {
                let answer = ask(number, question);
                if let Some(answer) = answer
                    && self.out.then != Some(Then::Close)
                {
                    self.hand(session, now, Input::Answer(number, answer));
                }
            } else if self.can_offer(session) {
                let before = self.inbound.len();
                session.handle(now, Input::Bytes(&mut self.inbound), &mut self.out);
                self.looked_at = self.inbound.len() == before;
            } else {
                return Settled::Rests;
            }
        }
        Settled::GoesOn
    }

    fn can_offer(&self, session: &S) -> bool {
        // What came before a handshake or the end is not looked at any more.
        let open = self.out.then.is_none() && !self.looked_at;
        open && !self.inbound.is_empty() && session.wants_bytes()
    }

    /// Whether `most` bytes lie here of which the session, which wants more, took none.
    pub(super) fn is_overfull(&self, session: &S, most: usize) -> bool {
        self.looked_at && self.inbound.len() >= most && session.wants_bytes()
    }

    /// Gives back what is not needed while nothing comes.
    pub(super) fn rest(&mut self) {
        release(&mut self.inbound);
        release(&mut self.out.bytes);
    }
}

fn release(buffer: &mut BytesMut) {
    // What was taken off the front still lies in memory, and `capacity` does not say so.
    if buffer.len() <= KEPT && buffer.try_reclaim(KEPT) {
        *buffer = BytesMut::from(&**buffer);
    }
}
