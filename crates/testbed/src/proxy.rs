//! A TCP proxy between two mail servers that breaks connections at the worst moment: the server
//! has taken a message and said so, and the client never hears it. Nobody can tell such a message
//! from one that was not taken (RFC 1047).
//!
//! It understands just enough: it counts commands and answers (one answer a command, RFC 2920),
//! and it knows where the body after DATA ends. TLS and BDAT it does not understand; the server
//! behind it must not offer them.

mod dialogue;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use crate::generated_site::Chance;
use crate::lab::Host;
use dialogue::{Dialogue, Heard};

/// A running proxy. Ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    host: Host,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    over: AtomicBool,
    /// Of a hundred messages so many are cut off; 0 for none.
    percent: AtomicUsize,
    chance: Mutex<Chance>,
    cuts: AtomicUsize,
    passed: AtomicUsize,
}

impl Proxy {
    /// Listens on a port of the host's first address and passes everything on to `server`, which
    /// is called from the same host. Nothing is cut yet.
    pub fn start(host: &Host, port: u16, server: SocketAddr, seed: u64) -> Result<Self> {
        let address = SocketAddr::new(host.address()?, port);
        let shared = Arc::new(Shared {
            server,
            over: AtomicBool::new(false),
            percent: AtomicUsize::new(0),
            chance: Mutex::new(Chance(seed)),
            cuts: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
        });
        let inner = Arc::clone(&shared);
        host.inside(move || {
            let listener = TcpListener::bind(address).context("the proxy's port")?;
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

    /// From now on `percent` of the messages are cut off after they were taken.
    pub fn cut(&self, percent: usize) {
        self.shared.percent.store(percent, Ordering::Relaxed);
    }

    /// How many messages the server took and the client was not told of.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// How many messages the server took and the client was told so.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.shared.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Whoever waits for the next connection gets one, and sees that it is over.
        let _ = self.host.inside(|| Ok(TcpStream::connect(self.address)?));
    }
}

impl Shared {
    fn wants_to_cut(&self) -> bool {
        let percent = self.percent.load(Ordering::Relaxed);
        lock(&self.chance).below(100) < percent
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A server that cannot be called is a connection that ends.
            let _ = pass(&client, &shared);
        });
    }
}

/// One connection, both ways.
fn pass(client: &TcpStream, shared: &Shared) -> Result<()> {
    let server = TcpStream::connect(shared.server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let dialogue = Mutex::new(Dialogue::default());
    std::thread::scope(|scope| {
        let (server, dialogue) = (&server, &dialogue);
        scope.spawn(move || {
            let _ = up(client, server, dialogue);
            let _ = server.shutdown(Shutdown::Write);
        });
        if down(client, server, dialogue, shared).unwrap_or(false) {
            // A reset: what is closed with this setting does not say good-bye (tcp(7)).
            let at_once = linger {
                l_onoff: 1,
                l_linger: 0,
            };
            let _ = setsockopt(client, sockopt::Linger, &at_once);
            let _ = client.shutdown(Shutdown::Read);
        } else {
            let _ = client.shutdown(Shutdown::Both);
        }
        let _ = server.shutdown(Shutdown::Both);
    });
    Ok(())
}

/// From the client to the server.
fn up(mut client: &TcpStream, mut server: &TcpStream, dialogue: &Mutex<Dialogue>) -> Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = client.read(&mut bytes)?;
        let said = bytes.get(..read).unwrap_or_default();
        if said.is_empty() {
            return Ok(());
        }
        lock(dialogue).said(said);
        server.write_all(said)?;
    }
}

/// From the server to the client; `true` when the connection shall be cut.
fn down(
    mut client: &TcpStream,
    mut server: &TcpStream,
    dialogue: &Mutex<Dialogue>,
    shared: &Shared,
) -> Result<bool> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = server.read(&mut bytes)?;
        let answered = bytes.get(..read).unwrap_or_default();
        if answered.is_empty() {
            return Ok(false);
        }
        let mut pass = Vec::with_capacity(read);
        for byte in answered {
            // An answer is held back until it is whole, and passed on whole.
            match lock(dialogue).heard(*byte) {
                Heard::Part => {}
                Heard::Answer(line) => pass.extend_from_slice(&line),
                Heard::Taken(_) if shared.wants_to_cut() => {
                    shared.cuts.fetch_add(1, Ordering::Relaxed);
                    client.write_all(&pass)?;
                    return Ok(true);
                }
                Heard::Taken(line) => {
                    shared.passed.fetch_add(1, Ordering::Relaxed);
                    pass.extend_from_slice(&line);
                }
            }
        }
        client.write_all(&pass)?;
    }
}
