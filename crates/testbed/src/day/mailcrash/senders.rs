//! Several senders at once, each with a connection that it keeps, and a note of every answer to
//! the end of a message.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::book;
use crate::lab::{Host, until, until_asked};

/// Senders at once.
const SENDERS: usize = 6;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the standby may be away.
const AWAY: Duration = crate::lab::CEILING;

/// What the senders share.
#[derive(Debug)]
pub(super) struct Senders {
    host: Host,
    server: SocketAddr,
    next: AtomicU32,
    /// No message after this one.
    last: AtomicU32,
    acknowledged: AtomicUsize,
    over: AtomicBool,
}

/// What one of them, or all, noted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Answered with 250, and when the answer was read.
    pub(super) acknowledged: Vec<(u32, Instant)>,
    /// Given to the standby without an answer, or refused in the end: it may have it.
    pub(super) unanswered: Vec<u32>,
    /// Refusals, as they were said.
    pub(super) refusals: Vec<String>,
}

/// How a message ended.
enum End {
    Taken,
    Refused(String),
}

impl Senders {
    pub(super) fn new(host: &Host, server: SocketAddr) -> Self {
        Self {
            host: host.clone(),
            server,
            next: AtomicU32::new(1),
            last: AtomicU32::new(u32::MAX),
            acknowledged: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// They send, at most `most` messages, while `work` is done; then they stop.
    pub(super) fn during<T>(
        &self,
        most: u32,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Notes)> {
        self.over.store(false, Ordering::Relaxed);
        let next = self.next.load(Ordering::Relaxed);
        self.last
            .store(next.saturating_add(most), Ordering::Relaxed);
        std::thread::scope(|scope| {
            let one = |number| move || self.host.inside(|| self.send_until_over(number));
            let running: Vec<_> = (0..SENDERS)
                .map(|number| scope.spawn(one(number)))
                .collect();
            let done = work();
            self.over.store(true, Ordering::Relaxed);
            let mut all = Notes::default();
            for sender in running {
                let notes = sender.join().map_err(|_| anyhow!("a sender panicked"))??;
                all.acknowledged.extend(notes.acknowledged);
                all.unanswered.extend(notes.unanswered);
                all.refusals.extend(notes.refusals);
            }
            Ok((done?, all))
        })
    }

    /// How many messages were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `count` more are acknowledged, and then so long.
    pub(super) fn wait_for(&self, count: usize, then: Duration) -> Result<()> {
        let wanted = self.acknowledged() + count;
        until("the senders to be answered", AWAY, || {
            self.acknowledged() >= wanted
        })?;
        let begun = Instant::now();
        until("a moment", AWAY, || begun.elapsed() >= then)
    }

    /// One message of its own; the words of the refusal if it was refused.
    pub(super) fn one(&self, notes: &mut Notes) -> Result<Option<String>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let end = self.host.inside(|| {
            let mut dialogue = Dialogue::begin(TcpStream::connect(self.server)?)?;
            dialogue.message(number, SENDERS)
        })?;
        match end {
            End::Taken => {
                notes.acknowledged.push((number, Instant::now()));
                Ok(None)
            }
            End::Refused(said) => {
                notes.unanswered.push(number);
                Ok(Some(said))
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn send_until_over(&self, sender: usize) -> Result<Notes> {
        let mut notes = Notes::default();
        while let Some(stream) = self.call()? {
            // The standby dies: that is what this is about.
            let _ = self.session(stream, sender, &mut notes);
        }
        Ok(notes)
    }

    /// A connection, unless it is over.
    fn call(&self) -> Result<Option<TcpStream>> {
        until_asked("the standby to listen", AWAY, || {
            if self.is_over() {
                return Ok(Some(None));
            }
            if self.next.load(Ordering::Relaxed) >= self.last.load(Ordering::Relaxed) {
                return Ok(None);
            }
            Ok(TcpStream::connect(self.server).ok().map(Some))
        })
    }

    fn session(&self, stream: TcpStream, sender: usize, notes: &mut Notes) -> Result<()> {
        let mut dialogue = Dialogue::begin(stream)?;
        while !self.is_over() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.last.load(Ordering::Relaxed) {
                break;
            }
            match dialogue.message(number, sender) {
                Ok(End::Taken) => {
                    notes.acknowledged.push((number, Instant::now()));
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Ok(End::Refused(said)) => {
                    notes.unanswered.push(number);
                    notes.refusals.push(said);
                    return self.rest();
                }
                Err(error) => {
                    notes.unanswered.push(number);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Who was refused comes back a little later.
    fn rest(&self) -> Result<()> {
        let mut looks = 0;
        until_asked("the next try", AWAY, || {
            looks += 1;
            Ok((looks > 2 || self.is_over()).then_some(()))
        })
    }
}

/// A connection to a server that is told one thing after the other (RFC 5321 §3.3).
struct Dialogue {
    lines: BufReader<TcpStream>,
    out: TcpStream,
}

impl Dialogue {
    fn begin(out: TcpStream) -> Result<Self> {
        out.set_read_timeout(Some(PATIENCE))?;
        out.set_write_timeout(Some(PATIENCE))?;
        out.set_nodelay(true)?;
        let lines = BufReader::new(out.try_clone()?);
        let mut dialogue = Self { lines, out };
        let greeting = dialogue.reply()?;
        ensure!(greeting.starts_with("220"), "greeted with {greeting}");
        let hello = dialogue.ask("EHLO client.sender.test")?;
        ensure!(hello.starts_with("250"), "EHLO: {hello}");
        Ok(dialogue)
    }

    fn message(&mut self, number: u32, sender: usize) -> Result<End> {
        let mail = book::letter(number);
        let from = format!("MAIL FROM:<anna{sender}@sender.test> BODY=8BITMIME");
        for (said, code) in [
            (from, "250"),
            (format!("RCPT TO:<{}>", mail.to), "250"),
            ("DATA".to_owned(), "354"),
        ] {
            let reply = self.ask(&said)?;
            if !reply.starts_with(code) {
                return Ok(End::Refused(format!("{reply} (to {said})")));
            }
        }
        let mut wire = Vec::with_capacity(mail.bytes.len() + 64);
        for line in mail.bytes.split_inclusive(|byte| *byte == b'\n') {
            // RFC 5321 §4.5.2.
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        wire.extend_from_slice(b".\r\n");
        self.out.write_all(&wire)?;
        let reply = self.reply()?;
        if reply.starts_with("250") {
            return Ok(End::Taken);
        }
        Ok(End::Refused(format!("{reply} (to the end)")))
    }

    fn ask(&mut self, said: &str) -> Result<String> {
        self.out.write_all(format!("{said}\r\n").as_bytes())?;
        self.reply()
    }

    /// The last line of a reply.
    fn reply(&mut self) -> Result<String> {
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line)?;
            ensure!(line.ends_with('\n'), "the connection ended at {line:?}");
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}
