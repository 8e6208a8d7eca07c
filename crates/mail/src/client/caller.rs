//! The handle of a conversation with a next hop, for whoever has mail to pass on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::outbound::Permit;
use host::session::{Connection, Driver, Ended, Inward, QuestionNumber, Side, Surroundings};
use host::tls::HopTls;
use host::{Host, net};
use tokio::sync::mpsc;

use super::{Command, Lost, Opening, Outbound, Protocol, Report, TlsWish, Verb};
use crate::config::NextHop;
use crate::envelope::{Recipient, Sender};
use crate::wire::reply::{Capabilities, Reply};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Commands under way to the machine.
const COMMANDS: usize = 32;
/// Reports under way back: with LMTP the answers for one message, and those to the next one.
const REPORTS: usize = 2100;

/// Why the next hop could not be asked.
#[derive(Clone, Debug)]
pub enum CallError {
    /// No connection.
    Unreachable(Arc<str>),
    /// It broke off.
    Lost(Lost),
    /// It does not want to talk to us at all.
    Refused(Reply),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "no connection: {why}"),
            Self::Lost(Lost::Closed) => write!(f, "the connection was closed"),
            Self::Lost(Lost::Late) => write!(f, "no answer in time"),
            Self::Lost(Lost::Malformed) => write!(f, "an answer that is no SMTP"),
            Self::Lost(Lost::Handshake) => write!(f, "the TLS handshake failed"),
            Self::Lost(Lost::NoTls) => write!(f, "TLS is required and not offered"),
            Self::Refused(reply) => write!(f, "refused: {reply}"),
        }
    }
}

/// A conversation that is ready for commands.
#[derive(Debug)]
pub struct Caller {
    commands: mpsc::Sender<Command>,
    reports: mpsc::Receiver<Report>,
    capabilities: Capabilities,
    protocol: Protocol,
}

/// What the machine reports to.
struct Line {
    commands: mpsc::Receiver<Command>,
    reports: mpsc::Sender<Report>,
    hung_up: bool,
}

impl Surroundings<Outbound> for Line {
    fn ask(&mut self, _: QuestionNumber, report: Report) -> Option<std::convert::Infallible> {
        // Bounded by what was asked; a caller that has gone reads nothing any more.
        let _ = self.reports.try_send(report);
        None
    }

    async fn next(&mut self) -> Inward<std::convert::Infallible, Command> {
        if self.hung_up {
            std::future::pending::<()>().await;
        }
        // Cancel-safe: `recv` loses nothing.
        match self.commands.recv().await {
            Some(command) => Inward::Event(command),
            None => {
                self.hung_up = true;
                Inward::Event(Command::Break)
            }
        }
    }
}

impl Caller {
    /// Connects and says hello; `permit` is given back when the connection is over.
    ///
    /// # Errors
    /// There is no connection, or the other end does not want to.
    pub async fn open(
        host: &Host,
        hop: &NextHop,
        tls: &HopTls,
        opening: Opening,
        driver: &Driver,
        permit: Option<Permit>,
    ) -> Result<Self, CallError> {
        let connecting = net::within(CONNECT, host.net.connect(hop.address));
        let stream = connecting.await.map_err(|error| unreachable(&error))?;
        let (commands, heard) = mpsc::channel(COMMANDS);
        let (told, reports) = mpsc::channel(REPORTS);
        let side = match opening.tls {
            TlsWish::Never => Side::Client {
                tls: None,
                name: hop.name.clone(),
            },
            _ => Side::Client {
                tls: Some(tls.clone()),
                name: hop.name.clone(),
            },
        };
        let (driver, protocol) = (driver.clone(), opening.protocol);
        host.tasks.spawn("smtp client", async move {
            let mut session = Outbound::new(opening);
            let mut line = Line {
                commands: heard,
                reports: told,
                hung_up: false,
            };
            let connection = Connection {
                stream,
                side,
                implicit_tls: false,
            };
            let ended = driver.drive(&mut session, &mut line, connection).await;
            drop(permit);
            let why = match ended {
                Ended::BySession => return,
                Ended::Handshake(_) => Lost::Handshake,
                Ended::Stalled => Lost::Late,
                _ => Lost::Closed,
            };
            let _ = line.reports.try_send(Report::Lost(why));
        });
        let mut caller = Self {
            commands,
            reports,
            capabilities: Capabilities::default(),
            protocol,
        };
        match caller.reports.recv().await {
            Some(Report::Ready(capabilities)) => {
                caller.capabilities = *capabilities;
                Ok(caller)
            }
            other => Err(lost(other)),
        }
    }

    /// What the other end can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Says MAIL and does not wait.
    pub async fn send_mail(&mut self, sender: &Sender, size: Option<u64>) -> Result<(), CallError> {
        self.send_mail_with(sender, size, &[]).await
    }

    /// The same with parameters that a guest said and only the other end may know.
    pub async fn send_mail_with(
        &mut self,
        sender: &Sender,
        size: Option<u64>,
        further: &[String],
    ) -> Result<(), CallError> {
        let line = mail_line(sender, sender.utf8, size, &self.capabilities, true);
        self.send(Command::Line(Verb::Mail, with(line, further)))
            .await
    }

    /// Says RCPT and does not wait.
    pub async fn send_rcpt(&mut self, recipient: &Recipient) -> Result<(), CallError> {
        self.send_rcpt_with(recipient, &[]).await
    }

    /// The same with parameters that a guest said and only the other end may know.
    pub async fn send_rcpt_with(
        &mut self,
        recipient: &Recipient,
        further: &[String],
    ) -> Result<(), CallError> {
        let line = rcpt_line(recipient, &self.capabilities, true);
        self.send(Command::Line(Verb::Rcpt, with(line, further)))
            .await
    }

    /// Says a verb without arguments and does not wait.
    pub async fn send_verb(&mut self, verb: Verb) -> Result<(), CallError> {
        let line: &'static [u8] = match verb {
            Verb::Data => b"DATA\r\n",
            Verb::Reset => b"RSET\r\n",
            _ => b"NOOP\r\n",
        };
        self.send(Command::Line(verb, Bytes::from_static(line)))
            .await
    }

    /// Sends a piece of the body. Waits while the other end is slow.
    pub async fn send_piece(&mut self, piece: Bytes) -> Result<(), CallError> {
        self.send(Command::Piece(piece)).await
    }

    /// Says that the body is whole; so many replies will come (LMTP: one a recipient that was
    /// accepted, RFC 2033 §4.2; SMTP: one).
    pub async fn send_end(&mut self, accepted: usize) -> Result<usize, CallError> {
        let replies = match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => accepted,
        };
        self.send(Command::End { replies }).await?;
        Ok(replies)
    }

    /// Says who the next message is from and waits. `Some`: it is refused, and the connection is
    /// of no use any more.
    pub async fn introduce(
        &mut self,
        client: crate::wire::xclient::Attributes,
    ) -> Result<Option<Reply>, CallError> {
        self.send(Command::Introduce(Box::new(client))).await?;
        match self.reports.recv().await {
            Some(Report::Introduced(capabilities)) => {
                self.capabilities = *capabilities;
                Ok(None)
            }
            Some(Report::Reply(Verb::Introduce, reply)) => Ok(Some(reply)),
            Some(Report::Reply(..)) => Err(CallError::Lost(Lost::Malformed)),
            other => Err(lost(other)),
        }
    }

    /// Says what a delivery has to say, and does not wait.
    pub async fn say(&mut self, command: Command) -> Result<(), CallError> {
        self.send(command).await
    }

    /// The next reply, with what it answers.
    pub async fn next_reply(&mut self) -> Result<(Verb, Reply), CallError> {
        match self.reports.recv().await {
            Some(Report::Reply(verb, reply)) => Ok((verb, reply)),
            other => Err(lost(other)),
        }
    }

    /// The next reply, which must be to `verb`.
    pub async fn reply(&mut self, verb: Verb) -> Result<Reply, CallError> {
        match self.reports.recv().await {
            Some(Report::Reply(answered, reply)) if answered == verb => Ok(reply),
            Some(Report::Reply(..)) => Err(CallError::Lost(Lost::Malformed)),
            other => Err(lost(other)),
        }
    }

    /// Says QUIT and waits for no answer.
    pub async fn quit(self) {
        let _ = self.commands.send(Command::Quit).await;
    }

    async fn send(&mut self, command: Command) -> Result<(), CallError> {
        if self.commands.send(command).await.is_ok() {
            return Ok(());
        }
        // The last report says why.
        let mut last = None;
        while let Ok(report) = self.reports.try_recv() {
            last = Some(report);
        }
        Err(lost(last))
    }
}

fn lost(report: Option<Report>) -> CallError {
    match report {
        Some(Report::Refused(reply)) => CallError::Refused(reply),
        Some(Report::Lost(why)) => CallError::Lost(why),
        _ => CallError::Lost(Lost::Closed),
    }
}

fn unreachable(error: &io::Error) -> CallError {
    CallError::Unreachable(error.to_string().into())
}

/// A line with further parameters before its end.
fn with(line: String, further: &[String]) -> Bytes {
    let mut line = line;
    for parameter in further {
        line.insert_str(line.len() - 2, &format!(" {parameter}"));
    }
    line.into()
}

/// MAIL with the parameters that the other end knows (RFC 1870, 6152, 6531, 3461), with or without
/// those that are about notifications. `utf8`: it needs SMTPUTF8.
pub fn mail_line(
    sender: &Sender,
    utf8: bool,
    size: Option<u64>,
    can: &Capabilities,
    dsn: bool,
) -> String {
    let mut line = format!("MAIL FROM:<{}>", sender.path);
    if let Some(size) = size.filter(|_| can.has_size) {
        line.push_str(&format!(" SIZE={size}"));
    }
    if sender.eight_bit && can.eightbitmime {
        line.push_str(" BODY=8BITMIME");
    }
    if utf8 && can.smtputf8 {
        line.push_str(" SMTPUTF8");
    }
    if can.dsn && dsn {
        for (name, value) in [("RET", &sender.ret), ("ENVID", &sender.envid)] {
            if let Some(value) = value {
                line.push_str(&format!(" {name}={value}"));
            }
        }
    }
    line.push_str("\r\n");
    line
}

/// RCPT with the parameters that the other end knows (RFC 3461), or without any.
pub fn rcpt_line(recipient: &Recipient, can: &Capabilities, dsn: bool) -> String {
    let mut line = format!("RCPT TO:<{}>", recipient.mailbox);
    if can.dsn && dsn {
        for (name, value) in [("NOTIFY", &recipient.notify), ("ORCPT", &recipient.orcpt)] {
            if let Some(value) = value {
                line.push_str(&format!(" {name}={value}"));
            }
        }
    }
    line.push_str("\r\n");
    line
}
