//! Guests who are slow, by the thousand, from many networks.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};

use crate::lab::{CEILING, Host};
use crate::smtp::Smtp;

/// A guest says one byte so often, if it says anything.
const BEAT: Duration = Duration::from_secs(1);

/// How a guest is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slow {
    /// Says EHLO and nothing more.
    Idle,
    /// One byte a second in a command.
    Command,
    /// One byte a second in a body.
    Body,
    /// Asks much and reads no answer.
    Deaf,
    /// Says most of a body at once, as much as is kept in memory, and nothing more.
    Heavy,
    /// Names as many recipients as one message may have, and says nothing more.
    Many,
}

/// Those that cost little.
pub(super) const LIGHT: &[Slow] = &[Slow::Idle, Slow::Command, Slow::Body, Slow::Deaf];

/// What a heavy guest says of its body.
const HEAVY: usize = 250 << 10;
/// Recipients of one message.
const MANY: usize = 1000;

/// All of them, at work on a thread of their own.
pub(super) struct Crowd {
    stop: Sender<()>,
    work: JoinHandle<Vec<Guest>>,
}

/// What became of the crowd when it was told to end.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// The server had ended them and told them why: `421`, too slow.
    pub(super) told: usize,
    /// The server had ended them without that.
    pub(super) silently: usize,
    /// Still there.
    pub(super) there: usize,
}

struct Guest {
    stream: TcpStream,
    kind: Slow,
    /// What was not read before: the server's last words.
    heard: Vec<u8>,
    ended: bool,
}

impl Crowd {
    /// `each` guests from each of these addresses of the host, of each kind as many; all are in
    /// the middle of what they do.
    pub(super) fn gather(
        host: &Host,
        (server, to): (SocketAddr, &str),
        addresses: &[IpAddr],
        each: usize,
        kinds: &[Slow],
    ) -> Result<Self> {
        let (stop, told) = mpsc::channel();
        let work = host.inside(move || {
            let mut guests = Vec::with_capacity(addresses.len() * each);
            for address in addresses {
                for number in 0..each {
                    let kind = kinds[number % kinds.len()];
                    let guest = Guest::arrive(*address, server, kind, to)
                        .with_context(|| format!("{kind:?} guest {} of all", guests.len()))?;
                    guests.push(guest);
                }
            }
            Ok(std::thread::spawn(move || dawdle(guests, &told)))
        })?;
        Ok(Self { stop, work })
    }

    /// Ends it; what the server had already ended is told apart.
    pub(super) fn disperse(self) -> Result<Gone> {
        drop(self.stop);
        let Ok(guests) = self.work.join() else {
            bail!("the crowd panicked");
        };
        let mut gone = Gone::default();
        for guest in guests {
            match (guest.ended, guest.was_told()) {
                (false, _) => gone.there += 1,
                (true, true) => gone.told += 1,
                (true, false) => gone.silently += 1,
            }
        }
        Ok(gone)
    }
}

/// Until it is told to end, which is when nobody is left who could tell.
fn dawdle(mut guests: Vec<Guest>, told: &mpsc::Receiver<()>) -> Vec<Guest> {
    loop {
        guests.iter_mut().for_each(Guest::beat);
        match told.recv_timeout(BEAT) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => break,
        }
    }
    guests.iter_mut().for_each(Guest::listen);
    guests
}

impl Guest {
    fn arrive(from: IpAddr, server: SocketAddr, kind: Slow, to: &str) -> Result<Self> {
        let mut smtp = Smtp::of(connect_from(from, server, kind)?)?;
        smtp.hear("220")?;
        smtp.ask("EHLO slow.sender.test", "250")?;
        let recipients = match kind {
            Slow::Body | Slow::Heavy => 1,
            Slow::Many => MANY,
            Slow::Idle | Slow::Command | Slow::Deaf => 0,
        };
        if recipients > 0 {
            smtp.ask("MAIL FROM:<slow@sender.test>", "250")?;
        }
        for _ in 0..recipients {
            smtp.ask(&format!("RCPT TO:<{to}>"), "250")?;
        }
        if matches!(kind, Slow::Body | Slow::Heavy) {
            smtp.ask("DATA", "354")?;
        }
        let mut stream = smtp.into_stream();
        if kind == Slow::Deaf {
            stream.write_all("VRFY somebody\r\n".repeat(90).as_bytes())?;
        }
        if kind == Slow::Heavy {
            stream.write_all("eine Zeile von vielen\r\n".repeat(HEAVY / 23).as_bytes())?;
        }
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            kind,
            heard: Vec::new(),
            ended: false,
        })
    }

    fn beat(&mut self) {
        if matches!(self.kind, Slow::Command | Slow::Body) && !self.ended {
            self.listen();
            // What cannot be sent is not sent.
            let _ = self.stream.write(b"x");
        }
    }

    /// Whether the last that was heard is that it was too slow.
    fn was_told(&self) -> bool {
        let heard = String::from_utf8_lossy(&self.heard);
        let last = heard.lines().last().unwrap_or_default();
        last.starts_with("421 4.4.2 ")
    }

    /// Takes what the server has said meanwhile.
    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        while !self.ended {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(read) => self.heard.extend(bytes.iter().take(read)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.ended = true,
            }
        }
    }
}

fn connect_from(from: IpAddr, server: SocketAddr, kind: Slow) -> Result<TcpStream> {
    let (IpAddr::V4(from), SocketAddr::V4(server)) = (from, server) else {
        bail!("the crowd has IPv4 only");
    };
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
    if kind == Slow::Deaf {
        setsockopt(&fd, sockopt::RcvBuf, &2048)?;
    }
    bind(
        fd.as_raw_fd(),
        &SockaddrIn::from(SocketAddrV4::new(from, 0)),
    )?;
    connect(fd.as_raw_fd(), &SockaddrIn::from(server))?;
    Ok(TcpStream::from(fd))
}

/// Calls once more from this address and returns what is heard before the server closes.
pub(super) fn turned_away(host: &Host, from: IpAddr, server: SocketAddr) -> Result<String> {
    host.inside(move || {
        let mut stream = connect_from(from, server, Slow::Idle)?;
        stream.set_read_timeout(Some(CEILING))?;
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        ensure!(!heard.is_empty(), "turned away without a word");
        Ok(heard)
    })
}
