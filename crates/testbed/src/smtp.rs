//! A sender that speaks SMTP (RFC 5321) line by line, for what `smtp-source` and `swaks` do not
//! tell: how long each answer took, and many messages of different people in little time.
//!
//! To be used on a host: see [`crate::lab::Host::inside`].

use std::io::{BufRead as _, BufReader, Error, ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The longest that an answer is waited for.
const PATIENCE: Duration = crate::lab::CEILING;

/// A conversation with a server.
#[derive(Debug)]
pub struct Smtp {
    lines: BufReader<TcpStream>,
    out: TcpStream,
}

impl Smtp {
    /// Calls, and says who we are.
    pub fn call(server: SocketAddr, name: &str) -> Result<Self> {
        let mut smtp = Self::of(TcpStream::connect_timeout(&server, PATIENCE)?)?;
        smtp.hear("220")?;
        smtp.ask(&format!("EHLO {name}"), "250")?;
        Ok(smtp)
    }

    /// A conversation in which nothing was heard yet.
    pub fn of(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            lines: BufReader::new(stream.try_clone()?),
            out: stream,
        })
    }

    /// Leaves a message (header and body, lines that end with LF); returns how long the answer
    /// to its end took.
    pub fn leave(&mut self, from: &str, to: &str, message: &str) -> Result<Duration> {
        self.ask(&format!("MAIL FROM:<{from}>"), "250")?;
        self.ask(&format!("RCPT TO:<{to}>"), "250")?;
        self.ask("DATA", "354")?;
        let body = dotted(message);
        let begun = Instant::now();
        self.out.write_all(body.as_bytes())?;
        self.hear("250")?;
        Ok(begun.elapsed())
    }

    /// Offers a message (header and body, lines that end with CRLF or LF): `mail` and `to` are
    /// what stands behind `MAIL FROM:` and `RCPT TO:`, with parameters. The last answer comes back,
    /// whatever it is; after a refusal the conversation may go on.
    pub fn offer(&mut self, mail: &str, to: &[String], message: &str) -> Result<String> {
        let said = self.ask(&format!("MAIL FROM:{mail}"), "")?;
        if !said.starts_with('2') {
            return Ok(said);
        }
        for recipient in to {
            let said = self.ask(&format!("RCPT TO:{recipient}"), "")?;
            if !said.starts_with('2') {
                self.ask("RSET", "250")?;
                return Ok(said);
            }
        }
        let said = self.ask("DATA", "")?;
        if !said.starts_with("354") {
            return Ok(said);
        }
        self.out.write_all(dotted(message).as_bytes())?;
        self.hear("")
    }

    /// Says a line, and wants an answer that begins with `code`.
    pub fn ask(&mut self, line: &str, code: &str) -> Result<String> {
        self.out.write_all(format!("{line}\r\n").as_bytes())?;
        self.hear(code)
            .with_context(|| format!("the answer to {line:?}"))
    }

    /// The next answer, which begins with `code`.
    pub fn hear(&mut self, code: &str) -> Result<String> {
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).map_err(named)? == 0 {
                bail!("the connection ended after {answer:?}");
            }
            ensure!(line.starts_with(code), "not {code} but {line:?}");
            answer.push_str(&line);
            // RFC 5321 §4.2.1: a hyphen behind the code of every line but the last.
            if line.get(3..4) != Some("-") {
                return Ok(answer);
            }
        }
    }

    /// Says good-bye.
    pub fn quit(mut self) -> Result<()> {
        self.ask("QUIT", "221").map(|_| ())
    }

    /// The connection, for somebody who goes on in another manner. Nothing must wait to be read.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.out
    }
}

/// A time-out reads as "Resource temporarily unavailable", which nobody understands.
fn named(error: Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            let words = format!("no answer within {} s", PATIENCE.as_secs());
            Error::new(ErrorKind::TimedOut, words)
        }
        _ => error,
    }
}

/// As it goes over the wire, with the line that ends it.
fn dotted(message: &str) -> String {
    let mut body = String::with_capacity(message.len() + message.len() / 16);
    for line in message.lines() {
        // RFC 5321 §4.5.2.
        body.push_str(if line.starts_with('.') { "." } else { "" });
        body.push_str(line);
        body.push_str("\r\n");
    }
    body.push_str(".\r\n");
    body
}
