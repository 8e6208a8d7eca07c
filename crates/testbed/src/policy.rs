//! A mail server's bad manners, as a policy service of Postfix (its "SMTP access policy delegation
//! protocol": lines `name=value`, an empty line, one `action=`). What it says of a message depends
//! on how its sender is called, so that a scenario knows what becomes of each.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::lab::Host;

/// How long who is unknown has to wait (postgrey's default is five minutes).
const GREY: Duration = Duration::from_secs(5);

/// What is wrong with a message, in the primary's eyes. The sender's address begins with it:
/// `grey-17@sender.test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// Greylisted: `450` until it comes back after a while.
    Grey,
    /// The client is on a list: `554 5.7.1` to RCPT.
    Blocked,
    /// The mailbox is full: `552 5.2.2` to RCPT.
    Full,
    /// The mailbox is full, which is noticed at the end: `552 5.2.2` after DATA.
    FullAtEnd,
    /// The contents are unwanted: `550 5.7.1` after DATA.
    Spam,
    /// The recipient has left: `550 5.1.1` to RCPT.
    Gone,
}

impl Manner {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Grey, "grey"),
        (Self::Blocked, "blocked"),
        (Self::Full, "full"),
        (Self::FullAtEnd, "fullatend"),
        (Self::Spam, "spam"),
        (Self::Gone, "gone"),
    ];

    /// The word with which such a sender's address begins.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(manner, _)| *manner == self);
        found.map_or("", |(_, word)| word)
    }

    fn of(sender: &str) -> Option<Self> {
        let word = sender.split(['-', '@']).next()?;
        let found = Self::ALL.iter().find(|(_, known)| *known == word);
        found.map(|(manner, _)| *manner)
    }
}

/// A running service on the loopback of a host. Ends when it is dropped.
#[derive(Debug)]
pub struct Policy {
    host: Host,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    /// Everybody is welcome.
    mild: AtomicBool,
    refusals: AtomicUsize,
    /// When a sender and recipient first came.
    seen: Mutex<BTreeMap<(String, String), Instant>>,
}

impl Policy {
    /// Listens on this port.
    pub fn start(host: &Host, port: u16) -> Result<Self> {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        host.inside(move || {
            let listener = TcpListener::bind(address).context("the policy's port")?;
            // Threads are where the thread is that starts them.
            std::thread::spawn(move || serve(&listener, &inner));
            Ok(())
        })?;
        Ok(Self {
            host: host.clone(),
            address,
            shared,
        })
    }

    /// From now on nobody is refused: the mailboxes were emptied, the lists cleaned.
    pub fn be_mild(&self) {
        self.shared.mild.store(true, Ordering::Relaxed);
    }

    /// How often it has refused something, for now or for good.
    #[must_use]
    pub fn refusals(&self) -> usize {
        self.shared.refusals.load(Ordering::Relaxed)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Whoever waits for the next connection gets one, and sees that it is over.
        let _ = self.host.inside(|| Ok(TcpStream::connect(self.address)?));
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().flatten() {
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // Postfix calls again if a conversation breaks.
            let _ = converse(client, &shared);
        });
    }
}

fn converse(client: TcpStream, shared: &Shared) -> Result<()> {
    let mut out = client.try_clone()?;
    let mut request = BTreeMap::new();
    for line in BufReader::new(client).lines() {
        let line = line?;
        if let Some((name, value)) = line.split_once('=') {
            request.insert(name.to_owned(), value.to_owned());
            continue;
        }
        let action = shared.action(&request, Instant::now());
        request.clear();
        out.write_all(format!("action={action}\n\n").as_bytes())?;
    }
    Ok(())
}

impl Shared {
    fn action(&self, request: &BTreeMap<String, String>, now: Instant) -> &'static str {
        let value = |name| request.get(name).map(String::as_str).unwrap_or_default();
        let (sender, recipient) = (value("sender"), value("recipient"));
        if self.mild.load(Ordering::Relaxed) {
            return "DUNNO";
        }
        let first = || {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let copy = (sender.to_owned(), recipient.to_owned());
            *seen.entry(copy).or_insert(now)
        };
        let action = match (value("protocol_state"), Manner::of(sender)) {
            ("RCPT", Some(Manner::Grey)) if now.duration_since(first()) < GREY => {
                "450 4.2.0 Greylisted, see http://postgrey.test/help/verein.test.html"
            }
            ("RCPT", Some(Manner::Blocked)) => {
                "554 5.7.1 Service unavailable; Client host [203.0.113.40] blocked using \
                 zen.spamhaus.test; https://www.spamhaus.test/query/ip/203.0.113.40"
            }
            ("RCPT", Some(Manner::Full)) => "552 5.2.2 Mailbox full",
            ("RCPT", Some(Manner::Gone)) => {
                "550 5.1.1 Recipient address rejected: User unknown in virtual mailbox table"
            }
            ("END-OF-MESSAGE", Some(Manner::FullAtEnd)) => {
                "552 5.2.2 Quota exceeded (mailbox for user is full)"
            }
            ("END-OF-MESSAGE", Some(Manner::Spam)) => {
                "550 5.7.1 Message rejected as spam by content filtering"
            }
            _ => return "DUNNO",
        };
        self.refusals.fetch_add(1, Ordering::Relaxed);
        action
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(state: &str, sender: &str) -> BTreeMap<String, String> {
        [
            ("protocol_state", state),
            ("sender", sender),
            ("recipient", "a@x.test"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn who_is_greylisted_is_let_in_after_a_while() {
        let (shared, now) = (Shared::default(), Instant::now());
        let ask = |at| shared.action(&request("RCPT", "grey-1@y.test"), at);
        assert!(ask(now).starts_with("450 4.2.0"));
        assert!(ask(now + GREY / 2).starts_with("450 4.2.0"));
        assert_eq!(ask(now + GREY), "DUNNO");
        assert_eq!(shared.refusals.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn each_manner_speaks_where_it_is_its_turn_and_a_mild_one_never() {
        let (shared, now) = (Shared::default(), Instant::now());
        let mut said = BTreeMap::new();
        for (manner, word) in Manner::ALL {
            assert_eq!(Manner::of(&format!("{word}-3@y.test")), Some(manner));
            for state in ["RCPT", "END-OF-MESSAGE"] {
                let action = shared.action(&request(state, &format!("{word}-3@y.test")), now);
                if action != "DUNNO" {
                    assert_eq!(said.insert(manner, state), None);
                }
            }
        }
        assert_eq!(said.len(), Manner::ALL.len());
        assert_eq!(shared.action(&request("RCPT", "anna@y.test"), now), "DUNNO");
        shared.mild.store(true, Ordering::Relaxed);
        assert_eq!(
            shared.action(&request("RCPT", "full-1@y.test"), now),
            "DUNNO"
        );
    }
}
