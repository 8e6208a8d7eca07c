//! The client's side of SMTP (RFC 5321) and LMTP (RFC 2033), as a pure machine.
//!
//! ```text
//! Greeting ─▶ Hello ─[STARTTLS ─▶ handshake ─▶ Hello]─[XCLIENT ─▶ Hello]─▶ Ready ⇄ commands
//! ```
//!
//! Once ready it takes commands as events and reports every reply with the command it answers.
//! Where the other end offers PIPELINING commands are written at once (RFC 2920), otherwise one
//! after the other. Which transaction the other end is in [`peer`] knows, and [`delivery`] hands
//! messages over by it. [`caller`] is the handle for whoever has mail to pass on; it alone knows
//! of the rest of this crate.

pub mod caller;
pub mod delivery;
pub mod peer;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use host::session::{Input, Output, QuestionNumber, Session};
pub use model::MailProtocol as Protocol;
use model::{Mono, Now};

use crate::wire::data::DataEncoder;
use crate::wire::reply::{Capabilities, Reply, ReplyReader};

/// RFC 5321 §4.5.3.2: for the greeting and for each command.
const COMMAND_TIME: Duration = Duration::from_secs(60);
/// RFC 5321 §4.5.3.2.6: for the answer to the end of the data.
const END_TIME: Duration = Duration::from_secs(600);

/// How a conversation with a next hop begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What we call ourselves.
    pub name: String,
    /// What the other end speaks.
    pub protocol: Protocol,
    /// Whether the handshake is asked for where it is offered; `required` ends without.
    pub tls: TlsWish,
    /// The whole XCLIENT command for what is offered, if wanted: given when offered.
    pub xclient: Option<crate::wire::xclient::Attributes>,
    /// How long the greeting is waited for.
    pub patience: Duration,
}

/// Whether a conversation shall be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsWish {
    /// Where it is offered.
    Offered,
    /// Not without.
    Required,
    /// The other end was found unable to shake hands.
    Never,
}

/// A command for the other end.
#[derive(Debug)]
pub enum Command {
    /// A line with its CRLF, and what it is.
    Line(Verb, Bytes),
    /// A piece of the body, undecoded.
    Piece(Bytes),
    /// The end of the body; LMTP answers once for each of so many recipients.
    End {
        /// How many replies will come.
        replies: usize,
    },
    /// Another client's message follows: XCLIENT anew, and EHLO after it.
    Introduce(Box<crate::wire::xclient::Attributes>),
    /// The end of the conversation.
    Quit,
    /// The end at once: what is under way is given up and nothing more is said.
    Break,
}

/// What a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The final dot.
    End,
    /// RSET.
    Reset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// XCLIENT after the beginning.
    Introduce,
}

/// What it tells.
#[derive(Debug)]
pub enum Report {
    /// Commands may come.
    Ready(Box<Capabilities>),
    /// The other end does not want to, or not as we do.
    Refused(Reply),
    /// A reply to a command.
    Reply(Verb, Reply),
    /// The next message's client is introduced, and this is offered to it.
    Introduced(Box<Capabilities>),
    /// Nothing more will come.
    Lost(Lost),
}

/// Why a conversation ended too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The connection broke, or was closed.
    Closed,
    /// No answer in time.
    Late,
    /// Bytes that are no reply.
    Malformed,
    /// TLS was required and is not offered.
    NoTls,
    /// The handshake failed, or the certificate is not the one that is trusted.
    Handshake,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    Hello,
    /// HELO after a refused EHLO.
    OldHello,
    StartTls,
    Shaking,
    Xclient,
    /// The greeting that Postfix gives anew after XCLIENT was its reply; EHLO follows.
    Ready,
    Over,
}

/// One conversation with a next hop.
#[derive(Debug)]
pub struct Outbound {
    opening: Opening,
    stage: Stage,
    secure: bool,
    introduced: bool,
    /// XCLIENT and EHLO in the middle: reported when done.
    introducing: bool,
    capabilities: Capabilities,
    reader: ReplyReader,
    encoder: DataEncoder,
    expected: VecDeque<Verb>,
    held: VecDeque<Command>,
    deadline: Option<Mono>,
}

impl Outbound {
    /// A conversation that begins so.
    pub fn new(opening: Opening) -> Self {
        Self {
            opening,
            stage: Stage::Greeting,
            secure: false,
            introduced: false,
            introducing: false,
            capabilities: Capabilities::default(),
            reader: ReplyReader::default(),
            encoder: DataEncoder::default(),
            expected: VecDeque::new(),
            held: VecDeque::new(),
            deadline: None,
        }
    }

    fn lose(&mut self, why: Lost, out: &mut Output<Report>) {
        if self.stage != Stage::Over {
            self.stage = Stage::Over;
            self.deadline = None;
            out.ask(Report::Lost(why));
            out.close();
        }
    }

    fn refuse(&mut self, reply: Reply, out: &mut Output<Report>) {
        self.stage = Stage::Over;
        self.deadline = None;
        out.ask(Report::Refused(reply));
        out.write(b"QUIT\r\n");
        out.close();
    }

    fn read(&mut self, now: Now, bytes: &mut BytesMut, out: &mut Output<Report>) {
        while !matches!(self.stage, Stage::Over | Stage::Shaking) {
            match self.reader.read(bytes) {
                Ok(Some(reply)) => self.replied(now, reply, out),
                Ok(None) => return,
                Err(_) => return self.lose(Lost::Malformed, out),
            }
        }
        if self.stage == Stage::Over {
            bytes.clear();
        }
    }

    fn replied(&mut self, now: Now, reply: Reply, out: &mut Output<Report>) {
        let good = reply.code() / 100 == 2;
        match self.stage {
            Stage::Greeting if good => self.hello(now, out),
            Stage::Hello if good => {
                self.capabilities = Capabilities::of(&reply);
                self.after_hello(now, out);
            }
            Stage::Hello if self.is_old(&reply) => {
                // RFC 5321 §3.2: a server from before EHLO.
                self.stage = Stage::OldHello;
                self.line(now, &format!("HELO {}\r\n", self.opening.name), out);
            }
            Stage::OldHello if good => {
                self.capabilities = Capabilities::default();
                self.after_hello(now, out);
            }
            Stage::StartTls if good => {
                self.stage = Stage::Shaking;
                self.deadline = None;
                out.secure();
            }
            Stage::StartTls if self.opening.tls == TlsWish::Offered => self.introduce(now, out),
            Stage::Xclient if good => {
                self.introduced = true;
                self.hello(now, out);
            }
            // It offered and refuses: we are not trusted there. It goes on without; but not in the
            // middle, where it would take the next message for the former client's.
            Stage::Xclient if reply.code() != 421 && !self.introducing => {
                self.introduced = true;
                self.ready(now, out);
            }
            Stage::Ready => self.answered(now, reply, out),
            Stage::Over | Stage::Shaking => {}
            // This client is not wanted, which says nothing of others.
            _ if self.introducing => {
                self.stage = Stage::Over;
                self.deadline = None;
                out.ask(Report::Reply(Verb::Introduce, reply));
                out.write(b"QUIT\r\n");
                out.close();
            }
            _ => self.refuse(reply, out),
        }
    }

    /// Whether it may be a server that does not know EHLO. Once it knew it, it refuses the client.
    fn is_old(&self, reply: &Reply) -> bool {
        reply.code() / 100 == 5 && self.opening.protocol == Protocol::Smtp && !self.introducing
    }

    fn line(&mut self, now: Now, line: &str, out: &mut Output<Report>) {
        out.write(line.as_bytes());
        self.deadline = Some(now.mono.after(COMMAND_TIME));
    }

    fn hello(&mut self, now: Now, out: &mut Output<Report>) {
        self.stage = Stage::Hello;
        let verb = match self.opening.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        self.line(now, &format!("{verb} {}\r\n", self.opening.name), out);
    }

    fn after_hello(&mut self, now: Now, out: &mut Output<Report>) {
        match self.opening.tls {
            TlsWish::Offered | TlsWish::Required if !self.secure && self.capabilities.starttls => {
                self.stage = Stage::StartTls;
                self.line(now, "STARTTLS\r\n", out);
            }
            TlsWish::Required if !self.secure => self.lose(Lost::NoTls, out),
            _ => self.introduce(now, out),
        }
    }

    fn introduce(&mut self, now: Now, out: &mut Output<Report>) {
        let line = match &self.opening.xclient {
            Some(client) if !self.introduced => client.line(&self.capabilities.xclient),
            _ => None,
        };
        match line {
            Some(line) => {
                self.stage = Stage::Xclient;
                self.line(now, &line, out);
            }
            None => self.ready(now, out),
        }
    }

    fn ready(&mut self, now: Now, out: &mut Output<Report>) {
        self.stage = Stage::Ready;
        self.deadline = None;
        if std::mem::take(&mut self.introducing) {
            out.ask(Report::Introduced(Box::new(self.capabilities.clone())));
        } else {
            out.ask(Report::Ready(Box::new(self.capabilities.clone())));
        }
        self.go_on(now, out);
    }

    fn answered(&mut self, now: Now, reply: Reply, out: &mut Output<Report>) {
        let Some(verb) = self.expected.pop_front() else {
            // RFC 5321 §3.8: 421 may come at any time; anything else unasked is nonsense.
            return match reply.code() {
                421 => self.refuse(reply, out),
                _ => self.lose(Lost::Malformed, out),
            };
        };
        let ending = verb == Verb::Quit;
        out.ask(Report::Reply(verb, reply));
        if ending {
            self.stage = Stage::Over;
            self.deadline = None;
            return out.close();
        }
        self.wait(now);
        self.go_on(now, out);
    }

    /// Sets the time until which the next reply must be there.
    fn wait(&mut self, now: Now) {
        self.deadline = self.expected.front().map(|verb| {
            now.mono.after(match verb {
                Verb::End => END_TIME,
                _ => COMMAND_TIME,
            })
        });
    }

    /// Writes what was held back.
    fn go_on(&mut self, now: Now, out: &mut Output<Report>) {
        while self.stage == Stage::Ready && self.may_write() {
            let Some(command) = self.held.pop_front() else {
                return;
            };
            self.write(now, command, out);
        }
    }

    fn may_write(&self) -> bool {
        match self.held.front() {
            // RFC 2920 §3.1: bodies, and what changes everything, follow their answers. The
            // caller sends no body before it has read 354.
            Some(Command::Piece(_) | Command::End { .. } | Command::Break) => true,
            Some(Command::Introduce(_) | Command::Quit) => self.expected.is_empty(),
            _ => self.capabilities.pipelining || self.expected.is_empty(),
        }
    }

    fn write(&mut self, now: Now, command: Command, out: &mut Output<Report>) {
        match command {
            Command::Line(verb, line) => {
                out.write(&line);
                self.expected.push_back(verb);
            }
            Command::Piece(bytes) => {
                self.encoder.encode(&bytes, out.bytes());
                return;
            }
            Command::End { replies } => {
                std::mem::take(&mut self.encoder).finish(out.bytes());
                self.expected
                    .extend(std::iter::repeat_n(Verb::End, replies));
            }
            Command::Introduce(client) => {
                self.opening.xclient = Some(*client);
                self.introduced = false;
                self.introducing = true;
                return self.introduce(now, out);
            }
            Command::Quit => {
                out.write(b"QUIT\r\n");
                self.expected.push_back(Verb::Quit);
            }
            Command::Break => {
                self.stage = Stage::Over;
                self.deadline = None;
                return out.close();
            }
        }
        if self.deadline.is_none() {
            self.wait(now);
        }
    }
}

impl Session for Outbound {
    type Question = Report;
    type Answer = std::convert::Infallible;
    type Event = Command;

    fn handle(
        &mut self,
        now: Now,
        input: Input<'_, Self::Answer, Command>,
        out: &mut Output<Report>,
    ) {
        match input {
            Input::Opened => self.deadline = Some(now.mono.after(self.opening.patience)),
            Input::Bytes(bytes) => self.read(now, bytes, out),
            Input::Event(command) => {
                self.held.push_back(command);
                self.go_on(now, out);
            }
            Input::Answer(QuestionNumber(_), never) => match never {},
            Input::Secured(_) => {
                self.secure = true;
                self.hello(now, out);
            }
            Input::Tick => {
                if self.deadline.is_some_and(|deadline| now.mono >= deadline) {
                    self.lose(Lost::Late, out);
                }
            }
            // Whoever calls decides when it ends: a message under way is finished.
            Input::Drain => {}
            Input::Closed => self.lose(Lost::Closed, out),
        }
    }

    fn wants_bytes(&self) -> bool {
        !matches!(self.stage, Stage::Over | Stage::Shaking)
    }

    fn next_wakeup(&self) -> Option<Mono> {
        self.deadline
    }
}
