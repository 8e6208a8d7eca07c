//! What loads a mail server and what counts: smtp-source, smtp-sink, strace, one message by hand.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::lab::{Host, Process, until_some};

const SOURCE: &str = "/usr/sbin/smtp-source";
const SIZE: &str = "4096";
pub(super) const RECIPIENT: &str = "vorstand@verein.test";
/// The longest that one load may take.
const LIMIT: Duration = Duration::from_secs(120);

/// How handing back went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Back {
    /// Messages a second from the first to the last.
    pub(super) rate: f64,
    /// From the command to the first message.
    pub(super) first: Duration,
    /// CPU µs a message of the server.
    pub(super) micros: f64,
}

/// Leaves `messages` of one sender at `port` over `sessions` connections at once.
pub(super) fn one_sender(
    host: &Host,
    port: u16,
    [sessions, messages]: [u64; 2],
    kept: bool,
) -> Result<Duration> {
    let begun = Instant::now();
    finish(source(
        host,
        port,
        [sessions, messages],
        kept,
        "absender@elsewhere.test",
    )?)?;
    Ok(begun.elapsed())
}

/// The same from as many senders as there are connections, which are kept.
pub(super) fn many_senders(host: &Host, sessions: u64, messages: u64) -> Result<Duration> {
    let begun = Instant::now();
    let one = |number| {
        let sender = format!("absender{number}@elsewhere.test");
        source(host, 25, [1, messages / sessions], true, &sender)
    };
    let running: Vec<Process> = (0..sessions).map(one).collect::<Result<_>>()?;
    running.into_iter().try_for_each(finish)?;
    Ok(begun.elapsed())
}

fn source(
    host: &Host,
    port: u16,
    [sessions, messages]: [u64; 2],
    kept: bool,
    sender: &str,
) -> Result<Process> {
    let (sessions, messages) = (sessions.to_string(), messages.to_string());
    let to = SocketAddr::new(host.address()?, port).to_string();
    let mut words = vec!["-s", &sessions, "-l", SIZE, "-m", &messages];
    words.extend(["-f", sender, "-t", RECIPIENT, "-M", "client.elsewhere.test"]);
    if kept {
        words.push("-d");
    }
    words.push(&to);
    host.spawn(SOURCE, &words, &[])
}

fn finish(source: Process) -> Result<()> {
    let finished = source.finish(LIMIT)?;
    let (out, err) = (finished.stdout, finished.stderr);
    ensure!(finished.status.success(), "smtp-source: {out}\n{err}");
    Ok(())
}

/// A primary that takes everything and counts it.
pub(super) struct Sink(Process);

impl Sink {
    pub(super) fn start(host: &Host, port: u16) -> Result<Self> {
        let at = SocketAddr::new(host.address()?, port).to_string();
        let mut process = host.spawn(
            "/usr/sbin/smtp-sink",
            &["-c", "-u", "postfix", &at, "1000"],
            &[],
        )?;
        crate::peer::wait_listening(host, &mut process, port)?;
        Ok(Self(process))
    }

    /// Waits for `messages`; returns the rate from the first seen to the last, and when the first
    /// was seen.
    pub(super) fn wait(&mut self, messages: u64, begun: Instant) -> Result<(f64, Duration)> {
        let mut first = None;
        let what = format!("{messages} messages to come back");
        let last = until_some(&what, LIMIT, || {
            self.0.require_running()?;
            let count = count_of(&self.0.stdout());
            let now = begun.elapsed();
            if count > 0 && first.is_none() {
                first = Some((count, now));
            }
            Ok((count >= messages).then_some((count, now)))
        });
        let seen = count_of(&self.0.stdout());
        let (count, end) = last.with_context(|| format!("{seen} came, the first at {first:?}"))?;
        let (early, start) = first.context("all came at once")?;
        let seconds = end.saturating_sub(start).as_secs_f64();
        Ok(((count - early) as f64 / seconds, start))
    }

    pub(super) fn stop(self) -> Result<()> {
        self.0.stop().map(|_| ())
    }
}

/// The last of smtp-sink's counters: `sess=3 quit=2 mesg=17`, a carriage return after each.
fn count_of(said: &str) -> u64 {
    // The last one may be half written.
    let whole = said.rsplit_once('\r').map_or("", |(whole, _)| whole);
    let digits = whole.rsplit_once("mesg=").map_or("", |(_, digits)| digits);
    digits.trim().parse().unwrap_or(0)
}

/// Calls of `fsync` and `fdatasync` in the processes `ids` and those they start during `work`.
pub(super) fn syncs(host: &Host, ids: &[i32], work: impl FnOnce() -> Result<()>) -> Result<u64> {
    let file = host.dir().join("syncs");
    let path = file.to_str().context("a path that is not UTF-8")?;
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut words = vec!["-f", "-c", "-e", "trace=fsync,fdatasync", "-o", path];
    for id in &ids {
        words.extend(["-p", id]);
    }
    let mut strace = host.spawn("/usr/bin/strace", &words, &[])?;
    for id in &ids {
        strace.wait_for(&format!("Process {id} attached"), Duration::from_secs(10))?;
    }
    work()?;
    strace.signal(Signal::SIGINT)?;
    strace.finish(Duration::from_secs(20))?;
    let text = fs::read_to_string(&file)?;
    calls_of(&text).with_context(|| format!("strace said {text:?}"))
}

/// A program that strace started and stops at its syncs only. One that is attached to is stopped
/// at every system call, and then fewer messages meet in a group.
pub(super) struct Traced {
    process: Process,
    file: PathBuf,
}

impl Traced {
    pub(super) fn start(host: &Host, program: &[&str]) -> Result<Self> {
        let file = host.dir().join("each-sync");
        let path = file.to_str().context("a path that is not UTF-8")?;
        let words = ["-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-o"];
        let process = host.spawn(
            "/usr/bin/strace",
            &[&words, &[path][..], program].concat(),
            &[],
        )?;
        Ok(Self { process, file })
    }

    /// Calls so far.
    pub(super) fn calls(&mut self) -> Result<u64> {
        self.process.require_running()?;
        // A call that another thread's interrupts is written as `fsync(7 <unfinished ...>`, later
        // as `<... fsync resumed>`.
        let text = fs::read_to_string(&self.file)?;
        let calls = text.lines().filter(|line| line.contains("sync("));
        Ok(calls.count() as u64)
    }
}

/// The sum of the column `calls`.
fn calls_of(summary: &str) -> Option<u64> {
    let lines = summary
        .lines()
        .filter(|line| line.ends_with("fsync") || line.ends_with("fdatasync"));
    lines
        .map(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok())
        .sum()
}

/// Leaves one message as soon as anybody takes it; returns when the 250 came.
pub(super) fn first_accepted(host: &Host, begun: Instant) -> Result<Duration> {
    let address = host.address()?;
    host.inside(|| {
        let mut last = String::new();
        let accepted = until_some("a message to be accepted", LIMIT, || {
            match leave_one(address) {
                Ok(()) => return Ok(Some(begun.elapsed())),
                Err(error) => last = format!("{error:#}"),
            }
            Ok(None)
        });
        accepted.with_context(|| format!("at last: {last}"))
    })
}

fn leave_one(address: IpAddr) -> Result<()> {
    let stream = TcpStream::connect(SocketAddr::new(address, 25))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    let mut expect = |code: &str| -> Result<()> {
        loop {
            let mut line = String::new();
            lines.read_line(&mut line)?;
            ensure!(line.starts_with(code), "heard {line:?}");
            if line.get(3..4) != Some("-") {
                return Ok(());
            }
        }
    };
    expect("220")?;
    let body = format!(
        "Subject: 1\r\n\r\n{}\r\n.\r\n",
        "0123456789\r\n".repeat(340)
    );
    for (said, code) in [
        ("EHLO client.elsewhere.test\r\n", "250"),
        ("MAIL FROM:<einer@elsewhere.test>\r\n", "250"),
        (&format!("RCPT TO:<{RECIPIENT}>\r\n"), "250"),
        ("DATA\r\n", "354"),
        (&body, "250"),
    ] {
        out.write_all(said.as_bytes())?;
        expect(code)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{calls_of, count_of};

    #[test]
    fn the_last_whole_counter_counts() {
        assert_eq!(count_of(""), 0);
        assert_eq!(
            count_of("sess=1 quit=0 mesg=4\rsess=1 quit=0 mesg=5\rsess=1 quit=0 me"),
            5
        );
    }

    #[test]
    fn calls_are_added_up() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ----------------\n\
                    \x20100.00    0.001000          10       100           fdatasync\n\
                    \x20  0.00    0.000000           0        11           fsync\n\
                    100.00    0.001000          10       111           total\n";
        assert_eq!(calls_of(text), Some(111));
    }
}
