//! A conversation is a text file: what the other end says, what we say, and what is asked between.
//!
//! ```text
//! # a comment
//! C: MAIL FROM:<a@verein.test>      sent with CRLF; lines in a row arrive together
//! C| exact\x00bytes\r\n             sent as they are written, with escapes
//! ? Recipient(anna) -> unknown      a question, and what the script is told to answer
//! S: 550 5.1.1 …                    a line with CRLF; `…` at its end stands for the rest
//! S| no line end                    anything else, with escapes
//! = secure                          what follows: the handshake or `= close`
//! @ +5m                             moves the clock, with every wake-up on the way
//! @ secured, @ drain, @ closed      a handshake that went well, the drain, the other end's end
//! A: name words                     answers what [`Scripted::Later`] put off
//! ! words                           something that was not asked for
//! ```
//! What is said stands right behind what it answers, questions before bytes. The first of it,
//! before anybody has spoken, comes of [`Input::Opened`] (`@ secured` before it is TLS from the
//! first byte). Where we call ([`Ours::Client`]) `S` is what we hear and `C` what we say. Every
//! conversation is played twice, the second time byte by byte, and must be the same. `UPDATE=1`
//! writes what is said anew; look at what changed.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Mono, Now, Timestamp};

use super::exchange::{Exchange, Settled};
use super::{Input, QuestionNumber, Secured, Session, Then};

mod lines;

/// What a question is answered with.
#[derive(Debug)]
pub enum Scripted<A> {
    /// This, at once.
    Answer(A),
    /// Whatever a line `A: name …` says later.
    Later(String),
}

/// The surroundings of the session in a transcript.
pub trait Script<S: Session> {
    /// The question as it stands behind `?`, on one line.
    fn show(&self, question: &S::Question) -> String;

    /// Answers; `said` is what stands behind `->` in the transcript.
    fn answer(&mut self, question: &S::Question, said: Option<&str>) -> Scripted<S::Answer>;

    /// The answer that a line `A: name words` gives.
    fn late(&mut self, name: &str, words: &str) -> Option<S::Answer> {
        let _ = (name, words);
        None
    }

    /// The event that a line `! words` is.
    fn event(&mut self, words: &str) -> Option<S::Event> {
        let _ = words;
        None
    }
}

/// Which end of the connection the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// `C:` is heard, `S:` is said.
    Server,
    /// `S:` is heard, `C:` is said.
    Client,
}

/// Where a transcript and the session part. Shown in words, also by `unwrap`.
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.0)
    }
}

/// Plays every `.txt` in `folder` whose name begins with `prefix`, each to a session that `make`
/// makes for the name of the file; returns how many there were.
///
/// # Errors
/// The first line that was said otherwise, or what is wrong with a file.
pub fn play_folder<S: Session, T: Script<S>>(
    folder: &Path,
    prefix: &str,
    ours: Ours,
    mut make: impl FnMut(&str) -> (S, T),
) -> Result<usize, Failure> {
    let unreadable = |error| Failure(format!("{}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(prefix) && name.ends_with(".txt")
    });
    for path in &files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        play(path, ours, || make(&name))?;
    }
    Ok(files.len())
}

/// Plays one file.
///
/// # Errors
/// See [`play_folder`].
pub fn play<S: Session, T: Script<S>>(
    path: &Path,
    ours: Ours,
    mut make: impl FnMut() -> (S, T),
) -> Result<(), Failure> {
    let unreadable = |error| Failure(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let place = path.display().to_string();
    let (session, script) = make();
    let played = Player::new(session, script, ours, usize::MAX).play(&text, &place)?;
    let (session, script) = make();
    let pieces = Player::new(session, script, ours, 1).play(&text, &place)?;
    compare(&place, "byte by byte", &played, &pieces)?;
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(path, played).map_err(unreadable);
    }
    compare(&place, "", &text, &played)
}

fn compare(place: &str, how: &str, expected: &str, got: &str) -> Result<(), Failure> {
    let (mut wanted, mut said) = (expected.lines(), got.lines());
    for number in 1.. {
        let (want, is) = (wanted.next(), said.next());
        if want.is_none() && is.is_none() {
            break;
        }
        if want != is {
            let show = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
            let (want, is) = (show(want), show(is));
            return Err(Failure(format!(
                "{place}:{number}: {how}\n  expected {want}\n       got {is}\n"
            )));
        }
    }
    Ok(())
}

const SECURED: &str = "@ secured";

struct Player<S: Session, T> {
    session: S,
    script: T,
    exchange: Exchange<S>,
    now: Now,
    ours: Ours,
    /// How many bytes arrive at once.
    piece: usize,
    put_off: Vec<(String, QuestionNumber)>,
    /// What was asked since the last line from outside.
    asked: Vec<String>,
    /// What was to follow when that was shown last.
    follows: Option<Then>,
}

impl<S: Session, T: Script<S>> Player<S, T> {
    fn new(session: S, script: T, ours: Ours, piece: usize) -> Self {
        let now = Now {
            mono: Mono::at(Duration::from_secs(30 * 24 * 3600)),
            wall: Timestamp::from_millis(1_779_268_443_000),
        };
        Self {
            session,
            script,
            exchange: Exchange::default(),
            now,
            ours,
            piece,
            put_off: Vec::new(),
            asked: Vec::new(),
            follows: None,
        }
    }

    /// The text with everything that the session says as it says it.
    fn play(mut self, text: &str, place: &str) -> Result<String, Failure> {
        let (hears, says) = match self.ours {
            Ours::Server => ('C', 'S'),
            Ours::Client => ('S', 'C'),
        };
        let mut out = String::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((_, line)) = lines.next_if(|(_, line)| lines::is_silent(line)) {
            let _ = writeln!(out, "{line}");
        }
        let secured = lines.next_if(|(_, line)| *line == SECURED);
        let _ = secured.map(|_| writeln!(out, "{SECURED}"));
        let mut expected = Vec::new();
        let is_said = |line: &(usize, &str)| lines::is_said(line.1, says);
        while let Some((_, line)) = lines.next_if(is_said) {
            expected.push(line);
        }
        if secured.is_some() {
            self.secured(&expected);
        }
        self.hand(Input::Opened, &expected);
        loop {
            for line in lines::merge(&expected, self.said(says)) {
                let _ = writeln!(out, "{line}");
            }
            let Some((number, line)) = lines.next() else {
                return Ok(out);
            };
            expected.clear();
            if lines::is_said(line, says) {
                // Nobody said this: it is missing from what is played.
                continue;
            }
            let _ = writeln!(out, "{line}");
            if lines::is_silent(line) {
                continue;
            }
            let mut group = vec![(number + 1, line)];
            let more = |line: &(usize, &str)| lines::is_heard(line.1, hears);
            while more(&(number, line))
                && let Some((number, line)) = lines.next_if(more)
            {
                let _ = writeln!(out, "{line}");
                group.push((number + 1, line));
            }
            while let Some((_, line)) = lines.next_if(is_said) {
                expected.push(line);
            }
            self.obey(&group, hears, &expected)
                .map_err(|(number, why)| Failure(format!("{place}:{number}: {why}")))?;
        }
    }

    /// Does what the lines from outside say.
    fn obey(
        &mut self,
        group: &[(usize, &str)],
        hears: char,
        expected: &[&str],
    ) -> Result<(), (usize, String)> {
        let mut bytes = Vec::new();
        for (number, line) in group {
            let wrong = |why: &str| (*number, format!("{why}: {line}"));
            if lines::is_heard(line, hears) {
                let heard = lines::heard(line).ok_or_else(|| wrong("unknown escape"))?;
                bytes.extend(heard);
                continue;
            }
            let (mark, words) = line.split_once(' ').unwrap_or((line, ""));
            match (mark, words) {
                ("@", "secured") => {
                    if self.exchange.out.then() != Some(Then::Secure) {
                        return Err(wrong("no handshake was asked for"));
                    }
                    self.secured(expected);
                }
                ("@", "drain") => self.hand(Input::Drain, expected),
                ("@", "closed") => {
                    self.exchange
                        .hand(&mut self.session, self.now, Input::Closed);
                    self.exchange.out.close();
                    self.follows = Some(Then::Close);
                    self.settle(expected);
                }
                ("@", span) => {
                    let span = span.strip_prefix('+').and_then(crate::config::duration);
                    let Some(span) = span else {
                        return Err(wrong("what is this"));
                    };
                    self.pass(span, expected).map_err(wrong)?;
                }
                ("!", words) => {
                    let event = self.script.event(words);
                    let event = event.ok_or_else(|| wrong("no such event"))?;
                    self.hand(Input::Event(event), expected);
                }
                ("A:", words) => {
                    let (name, words) = words.split_once(' ').unwrap_or((words, ""));
                    let at = self.put_off.iter().position(|(put_off, _)| put_off == name);
                    let at = at.ok_or_else(|| wrong("nothing of that name was put off"))?;
                    let (_, asked) = self.put_off.remove(at);
                    let answer = self.script.late(name, words);
                    let answer = answer.ok_or_else(|| wrong("the script has no such answer"))?;
                    self.hand(Input::Answer(asked, answer), expected);
                }
                _ => return Err(wrong("what is this")),
            }
        }
        for piece in bytes.chunks(self.piece) {
            self.exchange.inbound.extend_from_slice(piece);
            self.exchange.arrived();
            self.settle(expected);
        }
        Ok(())
    }

    /// Lets time pass, with every wake-up on the way.
    fn pass(&mut self, span: Duration, expected: &[&str]) -> Result<(), &'static str> {
        let end = self.now.after(span);
        for _ in 0..10_000 {
            let wakeup = self.session.next_wakeup().filter(|at| *at <= end.mono);
            let Some(at) = wakeup.filter(|_| self.exchange.out.then().is_none()) else {
                self.now = end;
                return Ok(());
            };
            self.now = self.now.after(at.since(self.now.mono));
            self.hand(Input::Tick, expected);
        }
        Err("it wants to be woken again and again")
    }

    fn secured(&mut self, expected: &[&str]) {
        self.exchange.out.clear_then();
        // As the driver does (RFC 3207 §4.2).
        self.exchange.inbound.clear();
        let secured = Secured {
            version: "TLSv1.3",
            cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
            peer: None,
        };
        self.hand(Input::Secured(secured), expected);
    }

    fn hand(&mut self, input: Input<'_, S::Answer, S::Event>, expected: &[&str]) {
        self.exchange.hand(&mut self.session, self.now, input);
        self.settle(expected);
    }

    fn settle(&mut self, expected: &[&str]) {
        let (script, asked, put_off) = (&mut self.script, &mut self.asked, &mut self.put_off);
        let mut ask = |number, question: S::Question| {
            let shown = script.show(&question);
            let said = lines::told(expected, asked.len(), &shown);
            asked.push(match said {
                Some(said) => format!("? {shown} -> {said}"),
                None => format!("? {shown}"),
            });
            match script.answer(&question, said) {
                Scripted::Answer(answer) => Some(answer),
                Scripted::Later(name) => {
                    put_off.push((name, number));
                    None
                }
            }
        };
        while self
            .exchange
            .settle(&mut self.session, self.now, usize::MAX, &mut ask)
            == Settled::GoesOn
        {}
    }

    /// What was asked and said since the last line from outside.
    fn said(&mut self, says: char) -> Vec<String> {
        let mut said = std::mem::take(&mut self.asked);
        let bytes = self.exchange.out.bytes().split();
        said.extend(lines::shown(&bytes, says));
        let follows = self.exchange.out.then();
        match follows.filter(|_| follows != self.follows) {
            Some(Then::Secure) => said.push("= secure".to_owned()),
            Some(Then::Close) => said.push("= close".to_owned()),
            None => {}
        }
        self.follows = follows;
        said
    }
}

#[cfg(test)]
mod tests;
