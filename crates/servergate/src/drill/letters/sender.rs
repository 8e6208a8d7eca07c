//! Somebody's mail server: it sends a letter a second to the standby, and what is deferred once
//! more, as a mail server does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use host::{Clock, Drain, DrainTrigger, Tasks};
use model::Mono;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Answer, Attempt, FROM, SENDER_HOST, TO, text};

/// From one letter to the next.
const STEP: Duration = Duration::from_secs(1);
/// What was deferred is tried again after this; outside of a drill it is minutes.
const RETRY: Duration = Duration::from_secs(1);
/// A whole conversation is given up after this, which is longer than a cable is out.
const PATIENCE: Duration = Duration::from_secs(30);
/// Attempts that ended and were not looked at yet.
const WAITING: usize = 256;

/// The sender, at work.
pub(crate) struct Sender {
    attempts: mpsc::Receiver<Attempt>,
    sent: Arc<AtomicUsize>,
    stop: DrainTrigger,
}

/// What every letter on its way needs.
#[derive(Clone)]
struct Way {
    at: SocketAddr,
    began: Mono,
    clock: Clock,
    enter: mpsc::Sender<Attempt>,
}

impl Sender {
    /// Begins to write to whoever listens at `at`; attempts count their time from `began`.
    pub(crate) fn begin(at: SocketAddr, began: Mono, clock: &Clock, tasks: &Tasks) -> Self {
        let (enter, attempts) = mpsc::channel(WAITING);
        let (stop, drain) = Drain::new();
        let sent = Arc::new(AtomicUsize::new(0));
        let way = Way {
            at,
            began,
            clock: clock.clone(),
            enter,
        };
        let writing = write(way, Arc::clone(&sent), tasks.clone(), drain);
        tasks.spawn("drill sender", writing);
        Self {
            attempts,
            sent,
            stop,
        }
    }

    /// The next attempt that ended; `None` when the sender has stopped and no letter is left.
    /// Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Attempt> {
        self.attempts.recv().await
    }

    /// So many letters were begun.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// No more letters; those that were deferred are still tried again.
    pub(crate) fn stop(&self) {
        self.stop.begin();
    }
}

async fn write(way: Way, sent: Arc<AtomicUsize>, tasks: Tasks, drain: Drain) {
    let mut instant = way.clock.now().mono;
    loop {
        let letter = sent.fetch_add(1, Ordering::Relaxed);
        tasks.spawn("drill letter", deliver(way.clone(), letter));
        // A machine that stood still does not catch up with a crowd.
        instant = instant.after(STEP).max(way.clock.now().mono);
        tokio::select! {
            () = way.clock.sleep_until(instant) => {}
            () = drain.begun() => return,
        }
    }
}

/// Tries until the letter is taken, or refused for good.
async fn deliver(way: Way, letter: usize) {
    loop {
        let asked = way.clock.now().mono;
        let mut whole = false;
        let code = timeout(PATIENCE, post(way.at, letter, &mut whole)).await;
        let answer = match code {
            Ok(Ok(code)) => Answer::of(code, whole),
            Ok(Err(_)) | Err(_) => Answer::Silent,
        };
        let now = way.clock.now().mono;
        let attempt = Attempt {
            letter,
            at: asked.since(way.began),
            took: now.since(asked),
            whole,
            answer,
        };
        let heard = way.enter.send(attempt).await;
        // Nobody counts any more: the drill is over.
        if heard.is_err() || matches!(answer, Answer::Taken | Answer::Refused(_)) {
            return;
        }
        way.clock.sleep_until(now.after(RETRY)).await;
    }
}

/// One conversation; gives the code that ended it. `whole` is set when the letter's end was sent.
async fn post(at: SocketAddr, letter: usize, whole: &mut bool) -> io::Result<u16> {
    let mut line = BufReader::new(TcpStream::connect(at).await?);
    line.get_ref().set_nodelay(true)?;
    let commands = [
        (String::new(), 220),
        (format!("EHLO {SENDER_HOST}\r\n"), 250),
        (format!("MAIL FROM:<{FROM}>\r\n"), 250),
        (format!("RCPT TO:<{TO}>\r\n"), 250),
        ("DATA\r\n".to_owned(), 354),
    ];
    for (command, wanted) in commands {
        line.write_all(command.as_bytes()).await?;
        let code = reply(&mut line).await?;
        if code != wanted {
            return Ok(code);
        }
    }
    let stuffed = text(letter).replace("\r\n.", "\r\n..");
    // A part of it may have gone out even if this fails.
    *whole = true;
    line.write_all(format!("{stuffed}.\r\n").as_bytes()).await?;
    let code = reply(&mut line).await?;
    // It has been answered; how the conversation ends does not matter.
    let _ = line.write_all(b"QUIT\r\n").await;
    Ok(code)
}

/// The code of the next reply, which may have several lines (RFC 5321 §4.2.1).
async fn reply(line: &mut BufReader<TcpStream>) -> io::Result<u16> {
    loop {
        let mut text = String::new();
        if line.read_line(&mut text).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if text.as_bytes().get(3) == Some(&b'-') {
            continue;
        }
        let code = text.get(..3).and_then(|code| code.parse().ok());
        return code.ok_or_else(|| io::ErrorKind::InvalidData.into());
    }
}
