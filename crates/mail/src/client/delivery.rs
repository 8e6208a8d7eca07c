//! What is said to hand messages over on one connection, and what the replies mean for the
//! connection: RFC 5321 §3.3, RFC 2033 §4.2, pipelined by RFC 2920. Pure; the hand-back drives it.
//!
//! ```text
//! begin ─▶ MAIL RCPT… DATA ─354─▶ contents, dot ─▶ over
//!             │ refused                             ▲ the next is announced together with the dot
//!             └─▶ over, and RSET before the next MAIL
//! ```
//!
//! Contents are sent only into the transaction that was announced for them. Whatever else the
//! other end says, the transaction is ended by RSET, or the connection is.

use std::collections::VecDeque;

use bytes::Bytes;

use super::peer::{Exit, State};
use super::{Command, Protocol, Verb};
use crate::wire::reply::Reply;

/// A message as it is announced.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// The line with MAIL.
    pub mail: Bytes,
    /// The lines with RCPT.
    pub recipients: Vec<Bytes>,
}

/// What was said of one message, as far as it was.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// To MAIL.
    pub mail: Option<Reply>,
    /// To each RCPT, in order.
    pub recipients: Vec<Reply>,
    /// To DATA.
    pub data: Option<Reply>,
    /// To the end of the contents; with LMTP one for each recipient that was accepted.
    pub end: Vec<Reply>,
    /// The contents were sent with their end: whoever was accepted may have them, said or not.
    pub sent: bool,
    /// So many replies to the end are due.
    pub due: usize,
    /// It is not known which transaction the replies are about.
    pub void: bool,
}

/// What is to be done next, in order.
#[derive(Debug)]
pub enum Step {
    /// This is said.
    Say(Command),
    /// The contents of the message are sent; then [`Delivery::contents_sent`].
    Contents,
    /// The message that was announced first is over.
    Over(Box<Said>),
    /// The connection is closed at once.
    Close,
}

/// Messages handed over on one connection.
#[derive(Debug)]
pub struct Delivery {
    protocol: Protocol,
    pipelining: bool,
    state: State,
    front: Option<Run>,
    /// Announced together with the end of the front's contents.
    behind: Option<Run>,
    /// Replies that are still to come.
    expected: usize,
    steps: VecDeque<Step>,
    closed: bool,
}

/// A message under way.
#[derive(Debug)]
struct Run {
    unsaid: VecDeque<(Verb, Bytes)>,
    recipients: usize,
    said: Said,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Announced,
    Contents,
    Ending,
    /// RFC 2920 §3.1: DATA was taken though no recipient was. A lone dot ends it, and whatever is
    /// answered, nobody has anything.
    EndingForNobody,
}

impl Run {
    fn new(what: Announcement) -> Self {
        let recipients = what.recipients.len();
        let mut unsaid = VecDeque::with_capacity(recipients + 2);
        unsaid.push_back((Verb::Mail, what.mail));
        unsaid.extend(what.recipients.into_iter().map(|line| (Verb::Rcpt, line)));
        unsaid.push_back((Verb::Data, Bytes::from_static(b"DATA\r\n")));
        Self {
            unsaid,
            recipients,
            said: Said::default(),
            stage: Stage::Announced,
        }
    }

    /// Leaves out what would be in vain.
    fn prune(&mut self) {
        let refused = |reply: &Reply| reply.code() / 100 != 2;
        let sender = self.said.mail.as_ref().is_some_and(refused);
        let all = self.said.recipients.len() == self.recipients
            && self.said.recipients.iter().all(refused);
        if sender || all {
            self.unsaid.clear();
        }
    }
}

impl Delivery {
    /// A connection that is ready for MAIL.
    pub fn new(protocol: Protocol, pipelining: bool) -> Self {
        Self {
            protocol,
            pipelining,
            state: State::Idle,
            front: None,
            behind: None,
            expected: 0,
            steps: VecDeque::new(),
            closed: false,
        }
    }

    /// Whether a message may be announced now.
    pub fn may_begin(&self) -> bool {
        let room = match &self.front {
            None => true,
            Some(front) => self.pipelining && front.stage == Stage::Ending,
        };
        !self.closed && self.behind.is_none() && room
    }

    /// Whether nothing is under way, so that another client may be introduced.
    pub fn is_idle(&self) -> bool {
        !self.closed && self.front.is_none() && self.expected == 0
    }

    /// Whether the connection is of no use any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// What was said so far of the message that was announced first.
    pub fn heard(&self) -> Option<&Said> {
        self.front.as_ref().map(|run| &run.said)
    }

    /// The next step; `None` where a reply must be waited for.
    pub fn step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Whether replies are still to come.
    pub fn expects(&self) -> bool {
        !self.closed && self.expected > 0
    }

    /// Announces a message, if one may be announced. It is over exactly once.
    pub fn begin(&mut self, what: Announcement) {
        if !self.may_begin() {
            return;
        }
        let place = match self.front {
            None => &mut self.front,
            Some(_) => &mut self.behind,
        };
        *place = Some(Run::new(what));
        self.speak();
    }

    /// The contents were sent.
    pub fn contents_sent(&mut self) {
        let State::Contents { recipients } = self.state else {
            return;
        };
        let replies = match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        if let Some(front) = &mut self.front {
            (front.stage, front.said.sent, front.said.due) = (Stage::Ending, true, replies);
            self.end(replies);
        }
    }

    /// A reply came.
    pub fn replied(&mut self, verb: Verb, reply: Reply) {
        if self.closed {
            return;
        }
        self.expected = self.expected.saturating_sub(1);
        let before = std::mem::take(&mut self.state);
        self.state = before.replied(verb, &reply);
        if let Some(front) = &mut self.front {
            let said = &mut front.said;
            match verb {
                Verb::Mail => {
                    said.void |= before != State::Idle;
                    said.mail = Some(reply);
                }
                Verb::Rcpt => said.recipients.push(reply),
                Verb::Data => said.data = Some(reply),
                Verb::End if front.stage == Stage::Ending => said.end.push(reply),
                _ => {}
            }
            said.void |= self.state == State::Unknown && verb != Verb::End;
        }
        self.go_on(verb);
    }

    /// The connection broke.
    pub fn lost(&mut self) {
        self.give_up();
    }

    fn go_on(&mut self, verb: Verb) {
        if self.state == State::Lost {
            return self.give_up();
        }
        let Some(front) = &mut self.front else {
            return;
        };
        if !self.pipelining {
            front.prune();
        }
        let answered = front.unsaid.is_empty() && self.expected == 0 && front.said.mail.is_some();
        match front.stage {
            Stage::Announced if answered => match self.state {
                State::Contents { recipients: 0 } if self.protocol == Protocol::Smtp => {
                    front.stage = Stage::EndingForNobody;
                    self.end(1);
                }
                // RFC 2033 §4.2: nobody can tell how many answers would come.
                State::Contents { recipients: 0 } => self.give_up(),
                State::Contents { .. } => {
                    front.stage = Stage::Contents;
                    self.steps.push_back(Step::Contents);
                }
                _ => self.over(false),
            },
            Stage::Ending if verb == Verb::End && front.said.end.len() == front.said.due => {
                // It should have ended by itself. Not all believe that of what they refused.
                let all_good = |said: &Said| said.end.iter().all(|end| end.code() / 100 == 2);
                let doubtful = !all_good(&front.said);
                self.over(doubtful);
            }
            Stage::EndingForNobody if verb == Verb::End => self.over(true),
            _ => self.speak(),
        }
    }

    /// The front is over; the connection is brought to where the next MAIL may be said.
    fn over(&mut self, doubtful: bool) {
        if let Some(front) = self.front.take() {
            self.steps.push_back(Step::Over(Box::new(front.said)));
        }
        self.front = self.behind.take();
        if self.front.is_some() {
            // Announced already: RSET would come too late. What does not fit is seen by its replies.
            return self.speak();
        }
        match self.state.exit() {
            Exit::Ready if !doubtful => {}
            Exit::Ready | Exit::Reset => {
                let line = Bytes::from_static(b"RSET\r\n");
                self.say(Command::Line(Verb::Reset, line), 1);
            }
            Exit::Close => self.give_up(),
        }
    }

    fn give_up(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        for run in [self.front.take(), self.behind.take()]
            .into_iter()
            .flatten()
        {
            self.steps.push_back(Step::Over(Box::new(run.said)));
        }
        self.steps.push_back(Step::Close);
    }

    fn end(&mut self, replies: usize) {
        self.say(Command::End { replies }, replies);
    }

    fn say(&mut self, command: Command, replies: usize) {
        self.expected += replies;
        self.steps.push_back(Step::Say(command));
    }

    /// Says what may be said of what is announced.
    fn speak(&mut self) {
        let run = match &mut self.behind {
            Some(behind) => Some(behind),
            None => self.front.as_mut(),
        };
        let Some(run) = run else { return };
        while self.pipelining || self.expected == 0 {
            let Some((verb, line)) = run.unsaid.pop_front() else {
                return;
            };
            self.expected += 1;
            self.steps.push_back(Step::Say(Command::Line(verb, line)));
        }
    }
}

#[cfg(test)]
mod tests;
