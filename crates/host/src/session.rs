//! One conversation of a protocol: a pure machine, and the driver that gives it hands.
//!
//! A [`Session`] takes bytes and answers in and gives bytes and questions out; it knows neither
//! socket nor clock. The driver reads and writes for it, shakes hands for TLS when
//! it asks for that, wakes it when it wants to be woken, and hands its questions to the
//! [`Surroundings`], which answer at once or later, in any order, and may speak up unasked (new
//! mail for IDLE, a routed stanza, a command for a client).
//!
//! Bodies are streams: a session asks a question for each piece and wants no bytes until that is
//! answered. While much waits to be written nothing is taken in, neither bytes nor events, so that
//! a guest that does not read holds up itself and nobody else.

use std::collections::VecDeque;

use bytes::BytesMut;
use model::{Mono, Now};

use crate::tls::SpkiHash;

mod channel;
mod counters;
mod driver;
mod exchange;
pub mod listener;
#[cfg(any(test, feature = "transcripts"))]
pub mod transcript;

pub use counters::Counters;
pub use driver::{Connection, Driver, Ended, Limits, Side};

/// Names one open question of a session; counted from 1, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionNumber(pub u64);

/// What a session is told.
#[derive(Debug)]
pub enum Input<'a, A, E> {
    /// The connection is there.
    Opened,
    /// What was read and not yet taken. The session takes what it understands off the front; what
    /// it leaves comes again with more behind it.
    Bytes(&'a mut BytesMut),
    /// The answer to a question.
    Answer(QuestionNumber, A),
    /// Something that was not asked for.
    Event(E),
    /// The handshake that it asked for succeeded.
    Secured(Secured),
    /// The time it wanted to be woken at has come.
    Tick,
    /// The program is about to end: say farewell when it is convenient.
    Drain,
    /// The other end has nothing more to say, or the connection broke. Nothing can be expected
    /// any more; what was written may not arrive.
    Closed,
}

/// What is known of the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// `TLSv1.3`, `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite's standard name.
    pub cipher: String,
    /// The key that the other end has proved to hold; `None` where it is a guest, who shows none.
    pub peer: Option<SpkiHash>,
}

/// What a session wants done, in order: bytes first, then the handshake or the end.
#[derive(Debug)]
pub struct Output<Q> {
    bytes: BytesMut,
    questions: VecDeque<(QuestionNumber, Q)>,
    asked: u64,
    then: Option<Then>,
}

/// What follows once all bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The TLS handshake. What the other end sent before it is thrown away.
    Secure,
    /// The end of the connection.
    Close,
}

impl<Q> Default for Output<Q> {
    fn default() -> Self {
        Self {
            bytes: BytesMut::new(),
            questions: VecDeque::new(),
            asked: 0,
            then: None,
        }
    }
}

impl<Q> Output<Q> {
    /// Where bytes for the other end are put.
    pub fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Puts bytes for the other end.
    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Asks the surroundings.
    pub fn ask(&mut self, question: Q) -> QuestionNumber {
        self.asked += 1;
        let number = QuestionNumber(self.asked);
        self.questions.push_back((number, question));
        number
    }

    /// Shakes hands once all bytes are written (RFC 3207 §4.2: what was learned before is void).
    pub fn secure(&mut self) {
        self.then = Some(Then::Secure);
    }

    /// Ends the connection once all bytes are written.
    pub fn close(&mut self) {
        self.then = Some(Then::Close);
    }

    /// The questions since the last call, oldest first.
    pub fn take_questions(&mut self) -> Vec<(QuestionNumber, Q)> {
        self.questions.drain(..).collect()
    }

    /// What follows the bytes.
    pub fn then(&self) -> Option<Then> {
        self.then
    }

    /// Forgets what follows the bytes: it was done.
    pub fn clear_then(&mut self) {
        self.then = None;
    }
}

/// One conversation: a function of (state, now, input).
///
/// After [`Output::close`] it hears nothing more. However else the connection ends, it is told
/// [`Input::Closed`] once, last of all, even if it was never told [`Input::Opened`] because the
/// handshake failed. What it has asked by then is asked, and the answers are not given to it.
pub trait Session: Send {
    /// What it asks its surroundings.
    type Question: Send;
    /// What they answer.
    type Answer: Send;
    /// What they say unasked.
    type Event: Send;

    /// Takes one input in.
    fn handle(
        &mut self,
        now: Now,
        input: Input<'_, Self::Answer, Self::Event>,
        out: &mut Output<Self::Question>,
    );

    /// Whether it can take bytes now; `false` while it waits for an answer.
    fn wants_bytes(&self) -> bool;

    /// When it wants a [`Input::Tick`], if nothing happens before.
    fn next_wakeup(&self) -> Option<Mono>;
}

/// What a session's surroundings say, asked or not.
#[derive(Debug)]
pub enum Inward<A, E> {
    /// The answer to a question.
    Answer(QuestionNumber, A),
    /// Something that was not asked for.
    Event(E),
}

/// What a session's questions go to.
pub trait Surroundings<S: Session>: Send {
    /// Takes a question; gives the answer if it is known at once, otherwise it comes by
    /// [`Surroundings::next`].
    fn ask(&mut self, number: QuestionNumber, question: S::Question) -> Option<S::Answer>;

    /// The next answer or event; pends for ever where there is none. Must be cancel-safe.
    fn next(&mut self) -> impl Future<Output = Inward<S::Answer, S::Event>> + Send;
}

#[cfg(test)]
mod tests;
