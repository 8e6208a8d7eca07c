//! A primary that does what it is told, and remembers what it was told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host::Tasks;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What it does.
#[derive(Clone, Default)]
pub(crate) struct Script {
    /// It speaks LMTP.
    pub(crate) lmtp: bool,
    /// What it offers.
    pub(crate) offers: Vec<&'static str>,
    /// What it says to a RCPT that contains the first; otherwise `250`.
    pub(crate) recipients: Vec<(&'static str, &'static str)>,
    /// What it says to a MAIL that contains the first; otherwise `250`.
    pub(crate) senders: Vec<(&'static str, &'static str)>,
    /// What it says to the end of a message that contains the first; otherwise `250`. With LMTP
    /// the recipient is looked at as well.
    pub(crate) ends: Vec<(&'static str, &'static str)>,
    /// It goes away when it hears this verb.
    pub(crate) gone_at: Option<&'static str>,
    /// It goes away in the middle of a body.
    pub(crate) gone_in_body: bool,
    /// So often it takes a message and goes away before it says so.
    pub(crate) cuts: usize,
    /// It goes away after so many messages of one connection, and says nothing of that.
    pub(crate) per_connection: Option<usize>,
    /// It offers XCLIENT and refuses it.
    pub(crate) distrusts: bool,
    /// It does so once to a message that contains this.
    pub(crate) cut_of: Option<&'static str>,
    /// With LMTP it goes away after so many answers to the end.
    pub(crate) answers: Option<usize>,
    /// Its replies come byte by byte.
    pub(crate) dribbles: bool,
    /// So many connections it takes at once; others hear 421.
    pub(crate) most: Option<usize>,
    /// It offers STARTTLS and shows this.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Script {
    fn offer(&self, secure: bool) -> String {
        // RFC 5321 section 4.1.1.1: the first line is its name.
        let offers = self.offers.iter().map(|one| format!("250-{one}\r\n"));
        let tls = match self.tls.is_some() && !secure {
            true => "250-STARTTLS\r\n",
            false => "",
        };
        let offers = offers.collect::<String>();
        format!("250-primary.test\r\n{tls}{offers}250 HELP")
    }

    fn reply_to_sender(&self, line: &str) -> String {
        let found = self.senders.iter().find(|(in_it, _)| line.contains(in_it));
        found
            .map_or("250 2.1.0 Sender known", |(_, reply)| reply)
            .to_owned()
    }

    /// Writes a reply as it does: at once, or in pieces.
    async fn write<W: AsyncWrite + Unpin>(&self, write: &mut W, said: &str) -> Option<()> {
        let said = format!("{said}\r\n");
        let length = if self.dribbles { 1 } else { said.len() };
        for piece in said.as_bytes().chunks(length) {
            write.write_all(piece).await.ok()?;
            write.flush().await.ok()?;
            tokio::task::yield_now().await;
        }
        Some(())
    }
}

/// A message that it took, or of which it saw the end.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The last XCLIENT of the conversation.
    pub(crate) xclient: Option<String>,
    /// Over TLS.
    pub(crate) secure: bool,
    pub(crate) mail: String,
    /// RCPT lines that were accepted.
    pub(crate) recipients: Vec<String>,
    pub(crate) data: Vec<u8>,
    /// What it said; `None` where it went away.
    pub(crate) said: Option<String>,
}

impl Received {
    /// Whether it was taken, said or not.
    pub(crate) fn taken(&self) -> bool {
        self.said.as_ref().is_none_or(|said| said.starts_with('2'))
    }

    /// What follows the name of the field, in the message.
    pub(crate) fn subject(&self) -> String {
        let text = String::from_utf8_lossy(&self.data).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        line.unwrap_or_default().to_owned()
    }
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    commands: Mutex<Vec<String>>,
    messages: Mutex<Vec<Received>>,
    connections: Mutex<Connections>,
}

/// Connections of this moment, and the most there were at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connections {
    pub(crate) now: usize,
    pub(crate) most: usize,
}

/// The primary.
#[derive(Clone)]
pub(crate) struct Primary {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    changed: Arc<watch::Sender<usize>>,
}

/// Where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Primary {
    /// One that offers what most do, but XCLIENT.
    pub(crate) async fn usual() -> Self {
        let offers = vec!["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8"];
        Self::start(Script {
            offers,
            ..Script::default()
        })
        .await
    }

    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let primary = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::default(),
            changed: Arc::new(watch::channel(0).0),
        };
        primary.told(|now| *now = script);
        let serving = primary.clone();
        let tasks = Tasks::default();
        tasks.clone().spawn("primary", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let one = serving.clone();
                tasks.spawn("primary's guest", async move { one.greet(stream).await });
            }
        });
        primary
    }

    /// It is told something else.
    pub(crate) fn told(&self, change: impl FnOnce(&mut Script)) {
        change(&mut held(&self.shared.script));
    }

    /// Every line that it heard.
    pub(crate) fn commands(&self, verb: &str) -> Vec<String> {
        let commands = held(&self.shared.commands);
        let of_verb = commands.iter().filter(|line| line.starts_with(verb));
        of_verb.cloned().collect()
    }

    /// Messages so far.
    pub(crate) fn messages(&self) -> Vec<Received> {
        held(&self.shared.messages).clone()
    }

    /// Messages as soon as it took so many.
    pub(crate) async fn taken(&self, count: usize) -> Vec<Received> {
        let taken = || -> Vec<Received> {
            let all = self.messages().into_iter();
            all.filter(Received::taken).collect()
        };
        self.until(|| taken().len() >= count, "messages").await;
        taken()
    }

    /// Waits until it heard what makes `enough` true.
    pub(crate) async fn until(&self, enough: impl Fn() -> bool, what: &str) {
        let mut changed = self.changed.subscribe();
        let waiting = changed.wait_for(|_| enough());
        let waited = tokio::time::timeout(crate::stage::CEILING, waiting).await;
        let number = self.messages().len();
        assert!(waited.is_ok(), "no {what} in time; {number} messages");
    }

    fn reply_to_recipient(&self, line: &str) -> String {
        let script = held(&self.shared.script);
        let found = script
            .recipients
            .iter()
            .find(|(in_it, _)| line.contains(in_it));
        found
            .map_or("250 2.1.5 Known", |(_, reply)| reply)
            .to_owned()
    }

    fn reply_to_end(&self, recipient: &str, data: &[u8]) -> String {
        let script = held(&self.shared.script);
        let text = String::from_utf8_lossy(data);
        let meant = |in_it: &str| recipient.contains(in_it) || text.contains(in_it);
        let found = script.ends.iter().find(|(in_it, _)| meant(in_it));
        found
            .map_or("250 2.6.0 Taken by the primary", |(_, reply)| reply)
            .to_owned()
    }

    /// One for all, or with LMTP one for each.
    fn replies_to_end(&self, script: &Script, recipients: &[String], data: &[u8]) -> Vec<String> {
        match script.lmtp {
            true => recipients
                .iter()
                .map(|one| self.reply_to_end(one, data))
                .collect(),
            false => vec![self.reply_to_end("", data)],
        }
    }

    /// Whether it goes away now that it has this.
    fn cuts(&self, data: &[u8]) -> bool {
        let mut script = held(&self.shared.script);
        let text = String::from_utf8_lossy(data);
        if script
            .cut_of
            .take_if(|in_it| text.contains(*in_it))
            .is_some()
        {
            return true;
        }
        let cuts = script.cuts > 0;
        script.cuts = script.cuts.saturating_sub(1);
        cuts
    }

    /// How many connections there are and were.
    pub(crate) fn connections(&self) -> Connections {
        *held(&self.shared.connections)
    }

    async fn greet(&self, mut stream: TcpStream) -> Option<()> {
        let most = held(&self.shared.script).most;
        let now = {
            let mut connections = held(&self.shared.connections);
            connections.now += 1;
            connections.most = connections.most.max(connections.now);
            connections.now
        };
        let done = if most.is_some_and(|most| now > most) {
            let refusal = b"421 4.7.0 Too many connections from your address\r\n";
            stream.write_all(refusal).await.ok()
        } else {
            self.serve(stream).await
        };
        held(&self.shared.connections).now -= 1;
        done
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let greeting = b"220 primary.test ESMTP\r\n";
        stream.write_all(greeting).await.ok()?;
        let stream = self.converse(stream, false).await?;
        let tls = held(&self.shared.script).tls.clone()?;
        let stream = TlsAcceptor::from(tls).accept(stream).await.ok()?;
        self.converse(stream, true).await.map(|_| ())
    }

    /// Gives the stream back when TLS is to begin.
    async fn converse<S>(&self, stream: S, secure: bool) -> Option<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (read, mut write) = tokio::io::split(stream);
        let mut read = BufReader::new(read);
        let (mut xclient, mut mail, mut recipients) = (None, String::new(), Vec::new());
        let mut count = 0;
        loop {
            let mut line = Vec::new();
            if read.read_until(b'\n', &mut line).await.ok()? == 0 {
                return None;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            held(&self.shared.commands).push(line.clone());
            self.changed.send_modify(|count| *count += 1);
            let script = held(&self.shared.script).clone();
            let verb = line.split(' ').next().unwrap_or_default().to_owned();
            if script.gone_at == Some(verb.as_str()) {
                return None;
            }
            let said = match verb.as_str() {
                verb @ ("EHLO" | "LHLO") => match script.lmtp == (verb == "LHLO") {
                    true => script.offer(secure),
                    // RFC 2033 section 4.1: neither takes the other's.
                    false => "500 5.5.1 What?".to_owned(),
                },
                "STARTTLS" if script.tls.is_some() && !secure => {
                    write.write_all(b"220 2.0.0 Go on\r\n").await.ok()?;
                    return Some(read.into_inner().unsplit(write));
                }
                "XCLIENT" if script.distrusts => "550 5.7.0 Not from you".to_owned(),
                "XCLIENT" => {
                    xclient = Some(line);
                    "220 primary.test again".to_owned()
                }
                "MAIL" if !line.is_ascii() && !line.contains(" SMTPUTF8") => {
                    mail.clear();
                    "553 5.6.7 Not ASCII".to_owned()
                }
                "MAIL" => {
                    recipients.clear();
                    mail.clear();
                    let said = script.reply_to_sender(&line);
                    if said.starts_with('2') {
                        mail = line;
                    }
                    said
                }
                "RCPT" if mail.is_empty() => "503 5.5.1 Who says so?".to_owned(),
                "RCPT" => {
                    let said = self.reply_to_recipient(&line);
                    if said.starts_with('2') {
                        recipients.push(line);
                    }
                    said
                }
                "DATA" if recipients.is_empty() => "503 5.5.1 Nobody".to_owned(),
                "DATA" => {
                    write.write_all(b"354 Go on\r\n").await.ok()?;
                    let data = body(&mut read, script.gone_in_body).await?;
                    let cut = self.cuts(&data);
                    let said = self.replies_to_end(&script, &recipients, &data);
                    held(&self.shared.messages).push(Received {
                        xclient: xclient.clone(),
                        secure,
                        mail: mail.clone(),
                        recipients: std::mem::take(&mut recipients),
                        data,
                        said: (!cut).then(|| said.join("; ")),
                    });
                    self.changed.send_modify(|count| *count += 1);
                    if cut {
                        return None;
                    }
                    let some = script.answers.unwrap_or(said.len()).min(said.len());
                    if some < said.len() {
                        script.write(&mut write, &said[..some].join("\r\n")).await?;
                        return None;
                    }
                    said.join("\r\n")
                }
                "QUIT" => "221 Bye".to_owned(),
                _ => "250 Ok".to_owned(),
            };
            script.write(&mut write, &said).await?;
            count += usize::from(verb == "DATA");
            if script.per_connection.is_some_and(|most| count >= most) {
                return None;
            }
        }
    }
}

/// Reads a body, without its dots. `None` where it breaks off.
async fn body<R: AsyncBufReadExt + Unpin>(read: &mut R, gone: bool) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        if read.read_until(b'\n', &mut line).await.ok()? == 0 || gone {
            return None;
        }
        match line.as_slice() {
            b".\r\n" => return Some(data),
            [b'.', rest @ ..] => data.extend_from_slice(rest),
            whole => data.extend_from_slice(whole),
        }
    }
}
