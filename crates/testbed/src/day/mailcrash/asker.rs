//! Asks a standby for everything that it does, several times a second, and keeps what was answered: the log of
//! somebody who depends on it, while its disk is in trouble.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::lab::{CEILING, Host, until};

/// Longer nobody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// From one round of questions to the next.
const EVERY: Duration = Duration::from_millis(250);
/// So many rounds are looked upon as a while.
const WHILE: usize = 12;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A steered name, over UDP.
    Name,
    /// The website's start page, its style and its picture.
    Start,
    /// Another page, each time another one.
    Other,
    /// The public page.
    Page,
    /// SMTP as far as RCPT.
    Mail,
}

/// One answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) kind: Kind,
    /// Status, reply or code; the error if there was none.
    pub(super) said: Result<u16, String>,
    pub(super) took: Duration,
}

/// Somebody who asks.
pub(super) struct Asker {
    /// The standby is there; what is asked while it is not does not count.
    there: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    stop: Sender<()>,
    thread: JoinHandle<Result<Vec<Answer>>>,
}

impl Asker {
    /// Asks from `host` until [`Asker::stop`]; `pages` are those other pages.
    pub(super) fn begin(host: &Host, server: IpAddr, pages: usize) -> Self {
        let (stop, stopped) = channel();
        let there = Arc::new(AtomicBool::new(true));
        let rounds = Arc::new(AtomicUsize::new(0));
        let (host, seen, count) = (host.clone(), Arc::clone(&there), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            host.inside(move || {
                let mut answers = Vec::new();
                let mut round = 0;
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    let before = seen.load(Ordering::SeqCst);
                    let found = ask_everything(server, round % pages);
                    if before && seen.load(Ordering::SeqCst) {
                        answers.extend(found);
                    }
                    round += 1;
                    count.store(round, Ordering::SeqCst);
                }
                Ok(answers)
            })
        });
        Self {
            there,
            rounds,
            stop,
            thread,
        }
    }

    /// Lets a while pass, in which everything is asked again and again.
    pub(super) fn dwell(&self) -> Result<()> {
        let wanted = self.rounds.load(Ordering::SeqCst) + WHILE;
        until("everything to be asked for", CEILING, || {
            self.rounds.load(Ordering::SeqCst) >= wanted
        })
    }

    /// From now on silence counts, or no longer.
    pub(super) fn is_there(&self, there: bool) {
        self.there.store(there, Ordering::SeqCst);
    }

    /// Everything that was answered.
    pub(super) fn stop(self) -> Result<Vec<Answer>> {
        drop(self.stop);
        self.thread
            .join()
            .map_err(|_| anyhow!("the asker panicked"))?
    }
}

fn ask_everything(server: IpAddr, page: usize) -> Vec<Answer> {
    let other = format!("/seite-{page}.html");
    let questions: [(Kind, &dyn Fn() -> Result<u16>); 7] = [
        (Kind::Name, &|| name(server)),
        (Kind::Start, &|| get(server, "www.verein.test", "/")),
        (Kind::Start, &|| get(server, "www.verein.test", "/stil.css")),
        (Kind::Start, &|| get(server, "www.verein.test", "/bild.png")),
        (Kind::Other, &|| get(server, "www.verein.test", &other)),
        (Kind::Page, &|| get(server, "status.verein.test", "/")),
        (Kind::Mail, &|| mail(server)),
    ];
    let ask = |(kind, question): (Kind, &dyn Fn() -> Result<u16>)| {
        let begun = Instant::now();
        let said = question().map_err(|error| format!("{error:#}"));
        let took = begun.elapsed();
        Answer { kind, said, took }
    };
    questions.into_iter().map(ask).collect()
}

/// Asks for the steered name's address; the number of answers.
fn name(server: IpAddr) -> Result<u16> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect((server, 53))?;
    // RFC 1035 §4.1: one question, for an address, in the class of the Internet.
    let mut question = vec![0x5e, 0x12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["www", "verein", "test"] {
        question.push(u8::try_from(label.len())?);
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    socket.send(&question)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    let head = answer.get(..length.min(12)).unwrap_or_default();
    let [0x5e, 0x12, _, flags, _, _, high, low, ..] = *head else {
        return Err(anyhow!("{length} bytes that are no answer"));
    };
    ensure!(flags & 0x0f == 0, "answered with code {}", flags & 0x0f);
    Ok(u16::from_be_bytes([high, low]))
}

/// Asks for a page and reads all of it; its status.
pub(super) fn get(server: IpAddr, host: &str, path: &str) -> Result<u16> {
    let mut stream = connect(server, 80)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let status = answer
        .get(9..12)
        .and_then(|it| std::str::from_utf8(it).ok());
    status.context("no answer")?.parse().context("no status")
}

/// Offers a message as far as its recipient; the last reply.
fn mail(server: IpAddr) -> Result<u16> {
    let mut out = connect(server, 25)?;
    let mut lines = BufReader::new(out.try_clone()?);
    let mut code = reply(&mut lines).context("no greeting")?;
    for line in [
        "EHLO asker.sender.test",
        "MAIL FROM:<anna@sender.test>",
        "RCPT TO:<presse@verein.test>",
    ] {
        if !matches!(code, 220 | 250) {
            return Ok(code);
        }
        out.write_all(format!("{line}\r\n").as_bytes())?;
        code = reply(&mut lines).with_context(|| format!("no answer to {line}"))?;
    }
    out.write_all(b"QUIT\r\n")?;
    Ok(code)
}

fn reply(lines: &mut BufReader<TcpStream>) -> Result<u16> {
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        ensure!(line.len() > 3, "the connection ended at {line:?}");
        if line.as_bytes().get(3) == Some(&b' ') {
            return line.get(..3).unwrap_or_default().parse().context("no code");
        }
    }
}

fn connect(server: IpAddr, port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::new(server, port), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
