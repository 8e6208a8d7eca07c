//! A primary that keeps order (RFC 5321 section 4.1.4) and has bad manners: what it refuses it
//! refuses in the middle, its transactions go on until RSET, its replies come in pieces.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host::Tasks;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::primary::Received;

/// A reply to what contains the first.
type Replies = Vec<(String, &'static str)>;

/// What it does.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    pub(crate) offers: Vec<&'static str>,
    /// To MAIL; otherwise `250`.
    pub(crate) mails: Replies,
    /// To RCPT; otherwise `250`.
    pub(crate) recipients: Replies,
    /// To the end of a message; otherwise `250`.
    pub(crate) ends: Replies,
    /// To DATA though nobody was accepted; otherwise `503`. `354 Go on` it means.
    pub(crate) nobody: Option<&'static str>,
    /// It goes on with a transaction whose contents it refused.
    pub(crate) keeps_open: bool,
    /// Its replies come byte by byte.
    pub(crate) splits: bool,
    /// So many recipients it takes in one transaction.
    pub(crate) limit: Option<usize>,
    /// So many connections it takes at a time; to more it says 421.
    pub(crate) connections: Option<usize>,
    /// So many times it takes MAIL, and then no more until it is told so.
    pub(crate) mail: Option<usize>,
    /// To XCLIENT; otherwise `220`.
    pub(crate) clients: Replies,
    /// To EHLO behind such an XCLIENT.
    pub(crate) hellos: Replies,
}

fn reply(replies: &Replies, to: &str) -> Option<&'static str> {
    let found = replies.iter().find(|(in_it, _)| to.contains(in_it));
    found.map(|(_, reply)| *reply)
}

/// Conversations.
#[derive(Default)]
struct Standing {
    now: usize,
    refused: usize,
}

impl Standing {
    fn is_above(&mut self, most: Option<usize>) -> bool {
        let above = most.is_some_and(|most| self.now > most);
        self.refused += usize::from(above);
        above
    }
}

#[derive(Default)]
struct Shared {
    standing: Mutex<Standing>,
    manners: Mutex<Manners>,
    commands: Mutex<Vec<String>>,
    messages: Mutex<Vec<Received>>,
}

#[derive(Clone)]
pub(crate) struct Rude {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    changed: Arc<watch::Sender<usize>>,
}

/// What it believes of one conversation.
#[derive(Default)]
struct Belief {
    xclient: Option<String>,
    mail: Option<String>,
    recipients: Vec<String>,
}

impl Belief {
    fn forget(&mut self) {
        (self.mail, self.recipients) = (None, Vec::new());
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rude {
    pub(crate) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rude = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::default(),
            changed: Arc::new(watch::channel(0).0),
        };
        rude.told(|now| *now = manners);
        let serving = rude.clone();
        let tasks = Tasks::default();
        tasks.clone().spawn("rude primary", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let one = serving.clone();
                tasks.spawn("rude primary's guest", async move {
                    held(&one.shared.standing).now += 1;
                    one.converse(stream).await;
                    held(&one.shared.standing).now -= 1;
                });
            }
        });
        rude
    }

    /// How many conversations it refused.
    pub(crate) fn refused(&self) -> usize {
        held(&self.shared.standing).refused
    }

    /// Whether it takes no more at present.
    fn has_enough(&self) -> bool {
        let left = &mut held(&self.shared.manners).mail;
        let enough = *left == Some(0);
        *left = left.map(|left| left.saturating_sub(1));
        enough
    }

    /// It is told something else.
    pub(crate) fn told(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut held(&self.shared.manners));
    }

    /// Every line that it heard.
    pub(crate) fn commands(&self, verb: &str) -> Vec<String> {
        let commands = held(&self.shared.commands);
        let of_verb = commands.iter().filter(|line| line.starts_with(verb));
        of_verb.cloned().collect()
    }

    /// What it took for somebody.
    pub(crate) fn taken(&self) -> Vec<Received> {
        let all = held(&self.shared.messages).clone().into_iter();
        all.filter(|one| one.taken() && !one.recipients.is_empty())
            .collect()
    }

    /// Waits until it heard what makes `enough` true.
    pub(crate) async fn until(&self, enough: impl Fn() -> bool, what: &str) {
        let mut changed = self.changed.subscribe();
        let waiting = changed.wait_for(|_| enough());
        let waited = tokio::time::timeout(crate::stage::CEILING, waiting).await;
        assert!(waited.is_ok(), "no {what} in time");
    }

    async fn converse(&self, stream: TcpStream) -> Option<()> {
        let (read, mut write) = stream.into_split();
        let (mut read, mut belief) = (BufReader::new(read), Belief::default());
        let most = held(&self.shared.manners).connections;
        if held(&self.shared.standing).is_above(most) {
            let words = "421 4.7.0 rude.test Error: too many connections";
            return self.say(&mut write, words).await;
        }
        self.say(&mut write, "220 rude.test ESMTP").await?;
        loop {
            let mut line = Vec::new();
            if read.read_until(b'\n', &mut line).await.ok()? == 0 {
                return None;
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            held(&self.shared.commands).push(line.clone());
            self.changed.send_modify(|count| *count += 1);
            let mut said = self.answer(&line, &mut belief);
            if said == "354" || said == "354 Go on" {
                self.say(&mut write, "354 Go on").await?;
                let data = contents(&mut read).await?;
                said = self.take(&mut belief, data);
            }
            self.say(&mut write, &said).await?;
            if said.starts_with("421") || line == "QUIT" {
                return None;
            }
        }
    }

    fn answer(&self, line: &str, belief: &mut Belief) -> String {
        let manners = held(&self.shared.manners).clone();
        let said = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => {
                belief.forget();
                let client = belief.xclient.as_deref().unwrap_or_default();
                let refusal = reply(&manners.hellos, client).filter(|_| !client.is_empty());
                let offers = manners.offers.iter().map(|one| format!("250-{one}\r\n"));
                let offer = || format!("250-rude.test\r\n{}250 HELP", offers.collect::<String>());
                return refusal.map_or_else(offer, str::to_owned);
            }
            "XCLIENT" => {
                belief.forget();
                belief.xclient = Some(line.to_owned());
                reply(&manners.clients, line).unwrap_or("220 rude.test again")
            }
            "RSET" => {
                belief.forget();
                "250 2.0.0 Ok"
            }
            "MAIL" if belief.mail.is_some() => "503 5.5.1 Error: nested MAIL command",
            "MAIL" if self.has_enough() => "450 4.7.1 Error: too much mail from 127.0.0.1",
            "MAIL" => match reply(&manners.mails, line) {
                Some(refusal) => refusal,
                None => {
                    belief.mail = Some(line.to_owned());
                    "250 2.1.0 Ok"
                }
            },
            "RCPT" if belief.mail.is_none() => "503 5.5.1 Error: need MAIL command",
            "RCPT"
                if manners
                    .limit
                    .is_some_and(|most| belief.recipients.len() >= most) =>
            {
                "452 4.5.3 Error: too many recipients"
            }
            "RCPT" => match reply(&manners.recipients, line) {
                Some(refusal) => refusal,
                None => {
                    belief.recipients.push(line.to_owned());
                    "250 2.1.5 Ok"
                }
            },
            "DATA" if belief.mail.is_none() => "503 5.5.1 Error: need MAIL command",
            "DATA" if belief.recipients.is_empty() => manners
                .nobody
                .unwrap_or("503 5.5.1 Error: need RCPT command"),
            "DATA" => "354",
            "QUIT" => "221 2.0.0 Bye",
            _ => "502 5.5.2 Error: command not recognized",
        };
        said.to_owned()
    }

    /// What it says to a whole message.
    fn take(&self, belief: &mut Belief, data: Vec<u8>) -> String {
        let manners = held(&self.shared.manners).clone();
        let text = String::from_utf8_lossy(&data).into_owned();
        let refusal = reply(&manners.ends, &text);
        let said = refusal.unwrap_or("250 2.6.0 Taken").to_owned();
        held(&self.shared.messages).push(Received {
            xclient: belief.xclient.clone(),
            secure: false,
            mail: belief.mail.clone().unwrap_or_default(),
            recipients: belief.recipients.clone(),
            data,
            said: Some(said.clone()),
        });
        self.changed.send_modify(|count| *count += 1);
        if refusal.is_none() || !manners.keeps_open {
            belief.forget();
        }
        said
    }

    async fn say(&self, write: &mut OwnedWriteHalf, said: &str) -> Option<()> {
        let splits = held(&self.shared.manners).splits;
        let line = format!("{said}\r\n");
        let length = if splits { 1 } else { line.len() };
        for piece in line.as_bytes().chunks(length) {
            write.write_all(piece).await.ok()?;
            tokio::task::yield_now().await;
        }
        Some(())
    }
}

/// Reads the contents of a message, without their dots.
async fn contents<R: AsyncRead + Unpin>(read: &mut BufReader<R>) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        if read.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        match line.as_slice() {
            b".\r\n" => return Some(data),
            [b'.', rest @ ..] => data.extend_from_slice(rest),
            whole => data.extend_from_slice(whole),
        }
    }
}
