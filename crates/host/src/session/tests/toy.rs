//! A protocol that has everything a driver must bear, and nothing else.
//!
//! `ECHO words`, `ASK name` (goes on meanwhile), `WAIT name` (takes nothing meanwhile), `BODY n`
//! (n bytes follow, each piece is a question), `GIVE n` (n kilobytes, each a question), `STARTTLS`,
//! `QUIT`. `STUBBORN` takes nothing any more, `RESTLESS` wants to be woken always.

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Buf, Bytes};
use model::{Mono, Now};
use tokio::sync::mpsc;

use super::super::*;

pub(super) const PATIENCE: Duration = Duration::from_secs(300);
const LONGEST: usize = 1000;

#[derive(Debug)]
pub(in crate::session) enum Question {
    Name(String),
    Piece(Bytes),
    More,
    Gone,
}

#[derive(Default)]
pub(in crate::session) struct Toy {
    asked: HashMap<QuestionNumber, String>,
    waits: Option<QuestionNumber>,
    body: usize,
    give: usize,
    deadline: Option<Mono>,
    stubborn: bool,
    restless: bool,
    pub(super) ticks: u32,
    pub(super) secured: Option<Secured>,
    pub(super) closed: u32,
}

impl Session for Toy {
    type Question = Question;
    type Answer = String;
    type Event = String;

    fn handle(&mut self, now: Now, input: Input<'_, String, String>, out: &mut Output<Question>) {
        match input {
            Input::Opened => out.write(b"HELLO\r\n"),
            Input::Bytes(bytes) => self.bytes(bytes, out),
            Input::Answer(number, answer) => self.answer(number, &answer, out),
            Input::Event(event) => out.write(format!("* {event}\r\n").as_bytes()),
            Input::Secured(secured) => self.secured = Some(secured),
            Input::Tick if self.restless => {
                self.ticks += 1;
                if self.ticks == 50 {
                    self.restless = false;
                }
            }
            Input::Tick => {
                out.write(b"TIMEOUT\r\n");
                out.close();
            }
            Input::Drain => {
                out.write(b"DRAIN\r\n");
                out.close();
            }
            Input::Closed => {
                self.closed += 1;
                out.ask(Question::Gone);
            }
        }
        if !self.restless {
            self.deadline = Some(now.mono.after(PATIENCE));
        }
    }

    fn wants_bytes(&self) -> bool {
        self.waits.is_none()
    }

    fn next_wakeup(&self) -> Option<Mono> {
        self.deadline
    }
}

impl Toy {
    fn bytes(&mut self, bytes: &mut BytesMut, out: &mut Output<Question>) {
        if self.stubborn {
            return;
        }
        if self.body > 0 {
            let piece = bytes.split_to(bytes.len().min(self.body)).freeze();
            self.body -= piece.len();
            self.waits = Some(out.ask(Question::Piece(piece)));
            return;
        }
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            if bytes.len() > LONGEST {
                out.write(b"TOO LONG\r\n");
                out.close();
            }
            return;
        };
        let line = String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned();
        bytes.advance(end + 1);
        self.command(&line, out);
    }

    fn command(&mut self, line: &str, out: &mut Output<Question>) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "ECHO" => out.write(format!("{rest}\r\n").as_bytes()),
            "ASK" => {
                let number = out.ask(Question::Name(rest.to_owned()));
                self.asked.insert(number, rest.to_owned());
            }
            "WAIT" => {
                let number = out.ask(Question::Name(rest.to_owned()));
                self.asked.insert(number, rest.to_owned());
                self.waits = Some(number);
            }
            "BODY" => self.body = rest.parse().unwrap_or(0),
            "GIVE" => {
                self.give = rest.parse().unwrap_or(0);
                self.waits = Some(out.ask(Question::More));
            }
            "STARTTLS" => {
                out.write(b"GO\r\n");
                out.secure();
            }
            "STUBBORN" => self.stubborn = true,
            "RESTLESS" => {
                self.restless = true;
                self.deadline = Some(Mono::default());
            }
            "QUIT" => {
                out.write(b"BYE\r\n");
                out.close();
            }
            _ => out.write(b"WHAT?\r\n"),
        }
    }

    fn answer(&mut self, number: QuestionNumber, answer: &str, out: &mut Output<Question>) {
        if self.waits == Some(number) {
            self.waits = None;
        }
        if let Some(name) = self.asked.remove(&number) {
            out.write(format!("{name} is {answer}\r\n").as_bytes());
        } else if self.give > 0 {
            self.give -= 1;
            out.write(&[b'x'; 1024]);
            match self.give {
                0 => out.write(b"\r\nGIVEN\r\n"),
                _ => self.waits = Some(out.ask(Question::More)),
            }
        } else if self.waits.is_none() && self.body == 0 && answer == "taken" {
            out.write(b"GOT\r\n");
        }
    }
}

/// Answers at once what begins with `now`; the rest goes to the test, which answers when it likes.
pub(super) struct World {
    pub(super) asked: mpsc::UnboundedSender<(QuestionNumber, String)>,
    pub(super) says: mpsc::Receiver<Inward<String, String>>,
    /// Bytes of bodies, and the largest piece.
    pub(super) taken: (usize, usize),
    pub(super) given: usize,
    pub(super) gone: u32,
}

impl Surroundings<Toy> for World {
    fn ask(&mut self, number: QuestionNumber, question: Question) -> Option<String> {
        match question {
            Question::Name(name) if name.starts_with("now") => Some("known".to_owned()),
            Question::Name(name) => {
                let _ = self.asked.send((number, name));
                None
            }
            Question::Piece(piece) => {
                self.taken.0 += piece.len();
                self.taken.1 = self.taken.1.max(piece.len());
                Some("taken".to_owned())
            }
            Question::More => {
                self.given += 1;
                Some(String::new())
            }
            Question::Gone => {
                self.gone += 1;
                None
            }
        }
    }

    /// Cancel-safe: `recv` is.
    async fn next(&mut self) -> Inward<String, String> {
        match self.says.recv().await {
            Some(inward) => inward,
            None => std::future::pending().await,
        }
    }
}
