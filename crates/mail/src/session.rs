//! The server's side of an SMTP conversation (RFC 5321), as a pure machine.
//!
//! ```text
//! Greeting ─EHLO─▶ Ready ─MAIL─▶ Transaction ─RCPT…─▶ Transaction ─DATA─▶ Data ─┐
//!    ▲               ▲                                            └BDAT─▶ Chunk ─┤ answered by
//!    └──STARTTLS─────┴───────────────────RSET, EHLO, end of message◀─────────────┘ its receipt
//! ```
//!
//! It knows the grammar, the order, the limits. What a recipient is worth, which way a message
//! goes and whether it is durable it asks its surroundings (`desk`), one question at a time; while
//! one is open it takes no bytes, so answers come in the order of the commands (RFC 2920).

mod body;
mod command;
mod reply;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use host::session::{Input, Output, QuestionNumber, Secured, Session};
use model::{Mono, Now};

use crate::envelope::{Client, Recipient, Sender};
use crate::spool::Kept;
use crate::wire::data::DataDecoder;
use crate::wire::line::{Line, take_line};
use crate::wire::reply::Reply;

pub(crate) use reply::NO_SEAT;

/// A command line may be so long (RFC 5321 §4.5.3.1.4, and what extensions add to it).
const LONGEST_LINE: usize = 2048;
/// Pieces of a body are handed on from this size on: so much of it waits with each guest who is slow.
const PIECE: usize = 16 << 10;

/// What is true of every conversation of a listener.
#[derive(Debug)]
pub struct Terms {
    /// Our name.
    pub name: String,
    /// Whether we have a certificate to show.
    pub starttls: bool,
    /// The largest message in bytes.
    pub message: u64,
    /// Recipients of one message (RFC 5321 §4.5.3.1.8 asks for at least 100).
    pub recipients: usize,
    /// Messages of one conversation (RFC 9422).
    pub messages: u32,
    /// Mistakes before it ends.
    pub mistakes: u32,
    /// Unknown recipients before it ends: somebody tries names.
    pub strangers: u32,
    /// Commands since the last message before it ends: a flood that wants nothing.
    pub idle: u32,
    /// How long the next command is waited for (RFC 5321 §4.5.3.2.7), and how long when many
    /// guests want in.
    pub patience: Patience,
}

/// How long a guest is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The next command, or the next piece of a body.
    pub usual: Duration,
    /// The same while nearly all seats are taken.
    pub tight: Duration,
}

impl Terms {
    /// The usual terms under this name.
    pub fn new(name: String, starttls: bool, message: u64) -> Self {
        Self {
            name,
            starttls,
            message,
            recipients: 1000,
            messages: 10_000,
            mistakes: 20,
            strangers: 20,
            idle: 100,
            patience: Patience {
                usual: Duration::from_secs(300),
                tight: Duration::from_secs(15),
            },
        }
    }
}

/// What it asks.
#[derive(Debug)]
pub enum Question {
    /// MAIL: a message begins.
    Begin {
        /// Who speaks.
        client: Client,
        /// What was said.
        sender: Sender,
        /// `SIZE`, if said.
        size: Option<u64>,
        /// Parameters that we do not know, as said.
        further: Vec<String>,
    },
    /// RCPT, with the parameters that we do not know.
    Recipient(Recipient, Vec<String>),
    /// DATA, or the first BDAT.
    Body,
    /// A piece of the body, decoded.
    Piece(Bytes),
    /// The rest of the body; the message is whole.
    End(Bytes),
    /// The message is given up. Needs no answer.
    Abort,
    /// Silence for a while: may the guest stay?
    Stay,
}

/// What it is answered.
#[derive(Debug)]
pub enum Answer {
    /// As asked; the usual positive reply.
    Go,
    /// This reply instead: a rule's refusal, or the primary's own word.
    Say(Reply),
    /// The message is durable.
    Kept(Kept),
    /// Whether a silent guest may stay.
    Stay(bool),
}

#[derive(Debug)]
enum Stage {
    /// Nothing was said, or EHLO is due again after STARTTLS.
    Greeting,
    Ready,
    Transaction(Transaction),
    Data(Box<DataDecoder>, Body),
    /// Between two BDAT commands, or inside one with so many bytes left.
    Chunk(Transaction, Body, Chunk),
    /// STARTTLS was answered: nothing is heard until the handshake is over.
    Shaking,
    /// The end was said.
    Over,
}

#[derive(Debug, Default)]
struct Transaction {
    recipients: usize,
    /// The body was asked for and may come.
    open: bool,
}

/// A body on its way.
#[derive(Debug, Default)]
struct Body {
    piece: BytesMut,
    length: u64,
    fault: Option<BodyFault>,
    /// The last byte was a CR: BDAT may cut lines anywhere.
    after_cr: bool,
    /// What the surroundings said while it was still coming.
    said: Option<Reply>,
}

/// Why a body will be refused at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyFault {
    TooLarge,
    /// A CR or LF alone.
    Bare,
    /// The surroundings already said no.
    Refused,
}

#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    left: u64,
    last: bool,
    inside: bool,
}

/// What the open question was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Begin,
    Recipient,
    Data,
    FirstChunk { size: u64, last: bool },
    Piece,
    End,
    Stay,
}

/// One conversation.
#[derive(Debug)]
pub struct Inbound {
    terms: Arc<Terms>,
    client: Client,
    stage: Stage,
    open: Option<(QuestionNumber, Asked)>,
    mistakes: u32,
    strangers: u32,
    messages: u32,
    /// Commands since the last message that bring none nearer.
    idle: u32,
    /// When the guest last got on.
    progress: Mono,
    /// When we look whether it did.
    wake: Option<Mono>,
    draining: bool,
}

impl Inbound {
    /// A conversation with who connected from `address`.
    pub fn new(terms: Arc<Terms>, address: SocketAddr) -> Self {
        Self {
            terms,
            client: Client {
                address,
                helo: String::new(),
                esmtp: false,
                tls: None,
            },
            stage: Stage::Greeting,
            open: None,
            mistakes: 0,
            strangers: 0,
            messages: 0,
            idle: 0,
            progress: Mono::default(),
            wake: None,
            draining: false,
        }
    }

    fn ask(&mut self, question: Question, about: Asked, out: &mut Output<Question>) {
        self.open = Some((out.ask(question), about));
    }

    fn say(&self, reply: &Reply, out: &mut Output<Question>) {
        reply.write_to(out.bytes());
    }

    /// The last word: what comes after it is not looked at.
    fn farewell(&mut self, reply: &Reply, out: &mut Output<Question>) {
        self.give_up(out);
        self.say(reply, out);
        self.stage = Stage::Over;
        out.close();
    }

    /// Drops the message that was begun, if any.
    fn give_up(&mut self, out: &mut Output<Question>) {
        if matches!(
            self.stage,
            Stage::Transaction(_) | Stage::Data(..) | Stage::Chunk(..)
        ) {
            out.ask(Question::Abort);
            self.stage = Stage::Ready;
        }
    }

    fn take(&mut self, now: Now, input: &mut BytesMut, out: &mut Output<Question>) {
        while self.open.is_none() && !input.is_empty() {
            match &self.stage {
                Stage::Over | Stage::Shaking => input.clear(),
                Stage::Data(..) => self.take_data(now, input, out),
                Stage::Chunk(_, _, chunk) if chunk.inside => self.take_chunk(now, input, out),
                _ => match take_line(input, LONGEST_LINE) {
                    Line::Partial => return,
                    Line::Whole(line) => {
                        self.got_on(now);
                        self.command(&line, !input.is_empty(), out);
                    }
                    Line::TooLong => self.farewell(&reply::LINE_TOO_LONG, out),
                    // Only CRLF ends a line (RFC 5321 §2.3.8); whoever sends less may hide a
                    // second conversation in the first.
                    Line::Bare => self.farewell(&reply::BARE_LINE_END, out),
                },
            }
        }
    }

    fn got_on(&mut self, now: Now) {
        self.progress = now.mono;
    }

    fn tick(&mut self, now: Now, out: &mut Output<Question>) {
        let silent = now.mono.since(self.progress);
        let Patience { usual, tight } = self.terms.patience;
        self.wake = None;
        if self.open.is_some() {
            // It is we who are slow.
            self.progress = now.mono;
        } else if silent >= usual {
            self.farewell(&reply::too_slow(&self.terms.name), out);
        } else if silent >= tight {
            self.ask(Question::Stay, Asked::Stay, out);
        }
    }

    fn answered(&mut self, now: Now, about: Asked, answer: Answer, out: &mut Output<Question>) {
        if about != Asked::Stay {
            self.got_on(now);
        }
        match (about, answer) {
            (Asked::Stay, Answer::Stay(true)) => {
                let later = now.mono.after(self.terms.patience.tight);
                self.wake = Some(later.min(self.progress.after(self.terms.patience.usual)));
            }
            (Asked::Stay, _) => self.farewell(&reply::too_slow(&self.terms.name), out),
            (Asked::Begin, answer) => self.begun(answer, out),
            (Asked::Recipient, answer) => self.recipient_answered(answer, out),
            (Asked::Data, answer) => self.data_answered(answer, out),
            (Asked::FirstChunk { size, last }, answer) => {
                self.first_chunk_answered(size, last, answer);
                self.after_chunk(out);
            }
            (Asked::Piece, answer) => self.piece_answered(answer, out),
            (Asked::End, answer) => self.end_answered(answer, out),
        }
        if self.draining && matches!(self.stage, Stage::Ready) {
            self.farewell(&reply::shutting_down(&self.terms.name), out);
        }
    }

    fn drain(&mut self, out: &mut Output<Question>) {
        self.draining = true;
        // A message that is on its way is finished first; its sender waits for our word.
        if matches!(self.stage, Stage::Greeting | Stage::Ready) && self.open.is_none() {
            self.farewell(&reply::shutting_down(&self.terms.name), out);
        }
    }

    fn secured(&mut self, secured: Secured) {
        // RFC 3207 §4.2: what was learned before the handshake is forgotten.
        self.client.tls = Some((secured.version.to_owned(), secured.cipher));
        self.client.helo.clear();
        self.client.esmtp = false;
        self.stage = Stage::Greeting;
    }
}

impl Session for Inbound {
    type Question = Question;
    type Answer = Answer;
    type Event = std::convert::Infallible;

    fn handle(
        &mut self,
        now: Now,
        input: Input<'_, Answer, Self::Event>,
        out: &mut Output<Question>,
    ) {
        match input {
            Input::Opened => {
                self.got_on(now);
                reply::greeting(&self.terms.name).write_to(out.bytes());
            }
            Input::Bytes(bytes) => self.take(now, bytes, out),
            Input::Answer(number, answer) => {
                if let Some((_, about)) = self.open.take_if(|(open, _)| *open == number) {
                    self.answered(now, about, answer, out);
                }
            }
            Input::Event(never) => match never {},
            Input::Secured(secured) => {
                self.got_on(now);
                self.secured(secured);
            }
            Input::Tick => self.tick(now, out),
            Input::Drain => self.drain(out),
            Input::Closed => {
                self.give_up(out);
                self.stage = Stage::Over;
            }
        }
    }

    fn wants_bytes(&self) -> bool {
        self.open.is_none() && !matches!(self.stage, Stage::Over | Stage::Shaking)
    }

    fn next_wakeup(&self) -> Option<Mono> {
        match self.stage {
            Stage::Over => None,
            _ => Some(
                self.wake
                    .unwrap_or_else(|| self.progress.after(self.terms.patience.tight)),
            ),
        }
    }
}
