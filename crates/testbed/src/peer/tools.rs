//! Programs that send and take mail by the thousand or line by line: Postfix' `smtp-source` and
//! `smtp-sink`, and `swaks`; and how they find their server.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{require_many_users, socket, utf8, wait_listening};
use crate::generated_mail::{Kind, Mail};
use crate::lab::{Finished, Host, Process};

/// How long a server may take to let somebody connect.
const PATIENCE: Duration = Duration::from_secs(2);

/// What `smtp-source` sends: many messages over several connections at once.
#[derive(Clone, Debug)]
pub struct Source {
    /// The server.
    pub server: SocketAddr,
    /// Envelope sender.
    pub from: String,
    /// Envelope recipient.
    pub to: String,
    /// How many messages.
    pub messages: usize,
    /// How many connections at once.
    pub sessions: usize,
    /// Length of each message, in bytes.
    pub length: usize,
    /// More of its options.
    pub more: Vec<String>,
}

impl Source {
    /// One message of 1 KB over one connection.
    #[must_use]
    pub fn new(server: SocketAddr, from: &str, to: &str) -> Self {
        Self {
            server,
            from: from.to_owned(),
            to: to.to_owned(),
            messages: 1,
            sessions: 1,
            length: 1024,
            more: Vec::new(),
        }
    }

    fn words(&self) -> Vec<String> {
        let mut words = vec![
            "-m".to_owned(),
            self.messages.to_string(),
            "-s".to_owned(),
            self.sessions.to_string(),
            "-l".to_owned(),
            self.length.to_string(),
            "-f".to_owned(),
            self.from.clone(),
            "-t".to_owned(),
            self.to.clone(),
        ];
        words.extend(self.more.iter().cloned());
        words.push(of_postfix(self.server.ip(), self.server.port()));
        words
    }
}

/// Runs `smtp-source` to its end; an error when the server refused anything.
pub fn smtp_source(host: &Host, source: &Source) -> Result<()> {
    let words = source.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    host.run_well("/usr/sbin/smtp-source", &words).map(|_| ())
}

/// Starts `smtp-source` and lets it run beside.
pub fn spawn_smtp_source(host: &Host, source: &Source) -> Result<Process> {
    let words = source.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    host.spawn("/usr/sbin/smtp-source", &words, &[])
}

/// A running `smtp-sink`: takes everything and keeps nothing.
#[derive(Debug)]
pub struct Sink {
    /// The program's process.
    pub process: Process,
}

/// Starts `smtp-sink` on a port of the host's first address, with more of its options (`-f` and
/// `-r` answer commands with errors, `-q` disconnects, `-w` and `-W` wait).
pub fn smtp_sink(host: &Host, port: u16, options: &[&str]) -> Result<Sink> {
    require_many_users("smtp-sink")?;
    let place = of_postfix(host.address()?, port);
    let words = [&["-c", "-u", "postfix"], options, &[place.as_str(), "256"]].concat();
    let mut process = host.spawn("/usr/sbin/smtp-sink", &words, &[])?;
    wait_listening(host, &mut process, port)?;
    Ok(Sink { process })
}

impl Sink {
    /// How many messages it has taken.
    pub fn messages(&self) -> usize {
        // It counts sessions, connections and messages in one line, written again and again.
        let said = self.process.stdout();
        let last = said.rsplit('\r').find(|line| !line.trim().is_empty());
        last.and_then(messages_in).unwrap_or(0)
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

fn messages_in(line: &str) -> Option<usize> {
    let words: Vec<&str> = line
        .split([' ', '='])
        .filter(|word| !word.is_empty())
        .collect();
    let at = words.iter().position(|word| word.starts_with("mesg"))?;
    words.get(at.checked_add(1)?)?.trim().parse().ok()
}

/// Postfix' tools want `inet:` and brackets only around IPv6.
fn of_postfix(address: IpAddr, port: u16) -> String {
    format!("inet:{}", socket(address, port))
}

/// What `swaks` saw of a dialogue.
#[derive(Debug)]
pub struct Dialogue {
    /// Its exit code: 0 when the message was taken.
    pub code: i32,
    /// The dialogue, with `->` and `<-` in front of the lines (`<**` before a refusal).
    pub text: String,
}

impl Dialogue {
    /// Whether the server took the message.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.code == 0
    }

    /// Whether the server said a line that begins so, for instance `550 5.1.1`.
    #[must_use]
    pub fn said(&self, begin: &str) -> bool {
        self.text.lines().any(|line| {
            let from_server = line.trim_start();
            let answer = ["<-  ", "<** ", "<~  ", "<~* "]
                .iter()
                .find_map(|mark| from_server.strip_prefix(mark));
            answer.is_some_and(|answer| answer.starts_with(begin))
        })
    }
}

/// Runs `swaks`: one dialogue with a server, told by options such as `--from`, `--to`, `--data`,
/// `--xclient-addr`, `--tls`.
pub fn swaks(host: &Host, server: SocketAddr, options: &[&str]) -> Result<Dialogue> {
    let (address, port) = (server.ip().to_string(), server.port().to_string());
    let words = [
        &["--server", &address, "--port", &port, "--timeout", "30"],
        options,
    ]
    .concat();
    let finished = host.run("/usr/bin/swaks", &words)?;
    let Some(code) = finished.status.code() else {
        bail!("swaks: {}", finished.status);
    };
    let text = [finished.stdout, finished.stderr].concat();
    Ok(Dialogue { code, text })
}

/// Runs `swaks` with a whole message, header and body.
pub fn swaks_message(
    host: &Host,
    server: SocketAddr,
    from: &str,
    to: &str,
    message: &[u8],
) -> Result<Dialogue> {
    let file = host.dir().join("swaks-message");
    // With the final dot in the file it adds no line; it doubles the other dots itself.
    fs::write(&file, [message, b"."].concat())?;
    let data = format!("@{}", utf8(&file)?);
    let words = ["--from", from, "--to", to, "--data", &data];
    // Twenty megabytes need not be printed.
    swaks(host, server, &[&words[..], &["--suppress-data"]].concat())
}

/// The mail servers of a domain, the preferred one first (RFC 5321 §5.1), asked from the resolver
/// of the host.
pub fn mail_servers(host: &Host, domain: &str) -> Result<Vec<SocketAddr>> {
    let ask = |name: &str, kind: &str| {
        let words = ["+short", "+timeout=5", "+retry=2", name, kind];
        host.run_well("/usr/bin/kdig", &words)
    };
    let mut names = Vec::new();
    for line in ask(domain, "MX")?.lines() {
        let (preference, name) = line.split_once(' ').context("an MX without preference")?;
        names.push((preference.parse::<u16>()?, name.to_owned()));
    }
    names.sort();
    let mut servers = Vec::new();
    for (_, name) in names {
        for line in ask(&name, "A")?.lines() {
            servers.push(SocketAddr::new(line.trim().parse()?, 25));
        }
    }
    ensure!(!servers.is_empty(), "{domain} has no mail server");
    Ok(servers)
}

/// The first of these servers that lets the host connect, as a sender finds it.
pub fn first_answering(host: &Host, servers: &[SocketAddr]) -> Result<SocketAddr> {
    host.inside(|| {
        let answers = |server: &&SocketAddr| TcpStream::connect_timeout(server, PATIENCE).is_ok();
        let first = servers.iter().find(answers).copied();
        first.context("no mail server answers")
    })
}

/// What a client says to hand over all of these in one session, without waiting for answers: for
/// `sendmail -bs` with ESMTP, for `exim4 -bS` without (it takes every octet as it is).
#[must_use]
pub fn dialogue(mails: &[Mail], extended: bool) -> Vec<u8> {
    let hello = if extended { "EHLO" } else { "HELO" };
    let mut said = format!("{hello} localhost\r\n").into_bytes();
    for mail in mails {
        let more = match mail.kind {
            _ if !extended => "",
            Kind::Utf8Addresses => " BODY=8BITMIME SMTPUTF8",
            _ => " BODY=8BITMIME",
        };
        let (from, to) = (&mail.from, &mail.to);
        let envelope = format!("MAIL FROM:<{from}>{more}\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        said.extend_from_slice(envelope.as_bytes());
        for line in mail.bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                said.push(b'.');
            }
            said.extend_from_slice(line);
        }
        said.extend_from_slice(b".\r\n");
    }
    said.extend_from_slice(b"QUIT\r\n");
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialogue_doubles_dots_and_names_what_is_beyond_ascii() {
        let mail = |kind, from: &str| Mail {
            number: 1,
            from: from.to_owned(),
            to: "b@x.test".to_owned(),
            kind,
            bytes: b"A: b\r\n\r\n.\r\n..c\r\n".to_vec(),
        };
        let mails = [
            mail(Kind::Utf8Addresses, "ä@y.test"),
            mail(Kind::Dots, "a@y.test"),
        ];
        let said = String::from_utf8(dialogue(&mails[..1], true)).unwrap();
        assert_eq!(
            said,
            "EHLO localhost\r\nMAIL FROM:<ä@y.test> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<b@x.test>\r\n\
             DATA\r\nA: b\r\n\r\n..\r\n...c\r\n.\r\nQUIT\r\n"
        );
        let said = String::from_utf8(dialogue(&mails[1..], false)).unwrap();
        assert!(
            said.starts_with("HELO localhost\r\nMAIL FROM:<a@y.test>\r\n"),
            "{said}"
        );
    }
}
