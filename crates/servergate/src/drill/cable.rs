//! Cables on loopback: relays that can be pulled out, and are then as silent as a dead machine.
//!
//! A refused connection is an answer, and a dead machine gives none. So a pulled line stops
//! accepting and lets its accept queue run full: from then on the kernel drops every further SYN,
//! and whoever connects waits until their own time is up. What was connected carries no more
//! bytes, datagrams are dropped, and nothing is said about any of it.
//!
//! The drill lays one cable between everybody and the primary, and one between the standby and
//! everything that it looks at.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host::Tasks;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::timeout;

/// How many connections may wait while a line carries.
const BACKLOG: i32 = 256;
/// How many while it is pulled: few, so that the queue is full at once. With 0 some kernels log a
/// flood of SYNs that there is not.
const DEAF: i32 = 1;
/// On loopback a connection that is accepted at all is there within this.
const AT_ONCE: Duration = Duration::from_millis(60);
/// A datagram that was not answered for so long will not be.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest datagram there is.
const DATAGRAM: usize = 65_535;

/// Somebody else's machine at `at`: it takes every connection and has nothing to say.
pub(crate) fn reference(at: SocketAddr, tasks: &Tasks) -> io::Result<()> {
    let listener = listen(at)?;
    tasks.spawn("drill reference", async move {
        loop {
            let _ = listener.accept().await;
        }
    });
    Ok(())
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A drill right after a drill finds old connections on their way out.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG.unsigned_abs())
}

/// Which cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cable {
    /// Between everybody and the primary.
    Primary,
    /// Between the standby and everything it looks at.
    Observer,
}

/// Which cables are plugged in.
#[derive(Clone, Copy, Debug)]
struct Plugs {
    primary: bool,
    observer: bool,
}

impl Plugs {
    fn carry(self, through: &[Cable]) -> bool {
        through.iter().all(|cable| match cable {
            Cable::Primary => self.primary,
            Cable::Observer => self.observer,
        })
    }
}

/// All cables, and the lines that run through them.
pub(crate) struct Cables {
    tasks: Tasks,
    plugs: watch::Sender<Plugs>,
    lines: Vec<(&'static [Cable], watch::Receiver<bool>)>,
}

impl Cables {
    /// All plugged in, and no line yet.
    pub(crate) fn new(tasks: Tasks) -> Self {
        let (plugs, _) = watch::channel(Plugs {
            primary: true,
            observer: true,
        });
        Self {
            tasks,
            plugs,
            lines: Vec::new(),
        }
    }

    /// Lays a line for connections: whoever connects to `at` reaches `to`. With port 0 a free one
    /// is taken; the address it got comes back.
    pub(crate) fn lay_tcp(
        &mut self,
        at: SocketAddr,
        to: SocketAddr,
        through: &'static [Cable],
    ) -> io::Result<SocketAddr> {
        let listener = listen(at)?;
        let at = listener.local_addr()?;
        let (line, carries) = self.line(through);
        let tasks = self.tasks.clone();
        self.tasks.spawn(
            "drill line",
            relay_connections(listener, to, line, carries, tasks),
        );
        Ok(at)
    }

    /// Lays a line for questions and answers in datagrams.
    pub(crate) async fn lay_udp(
        &mut self,
        at: SocketAddr,
        to: SocketAddr,
        through: &'static [Cable],
    ) -> io::Result<SocketAddr> {
        let socket = UdpSocket::bind(at).await?;
        let at = socket.local_addr()?;
        let (line, carries) = self.line(through);
        // A datagram line has no state of its own: it looks at the plugs for every datagram.
        drop(carries);
        self.lines.pop();
        let tasks = self.tasks.clone();
        self.tasks
            .spawn("drill line", relay_datagrams(socket, to, line, tasks));
        Ok(at)
    }

    fn line(&mut self, through: &'static [Cable]) -> (Line, watch::Sender<bool>) {
        let (carries, seen) = watch::channel(true);
        self.lines.push((through, seen));
        (
            Line {
                through,
                plugs: self.plugs.subscribe(),
            },
            carries,
        )
    }

    /// Pulls a cable; returns when all its lines are silent.
    pub(crate) async fn pull(&self, cable: Cable) {
        self.set(cable, false).await;
    }

    /// Plugs it in again; returns when its lines carry.
    pub(crate) async fn plug_in(&self, cable: Cable) {
        self.set(cable, true).await;
    }

    async fn set(&self, cable: Cable, plugged: bool) {
        self.plugs.send_modify(|plugs| match cable {
            Cable::Primary => plugs.primary = plugged,
            Cable::Observer => plugs.observer = plugged,
        });
        let plugs = *self.plugs.borrow();
        for (through, carries) in &self.lines {
            let wanted = plugs.carry(through);
            // A line whose task has ended carries nothing, as wanted or not.
            let _ = carries.clone().wait_for(|carries| *carries == wanted).await;
        }
    }
}

/// What a line knows of its cables.
#[derive(Clone)]
struct Line {
    through: &'static [Cable],
    plugs: watch::Receiver<Plugs>,
}

impl Line {
    fn carries(&self) -> bool {
        self.plugs.borrow().carry(self.through)
    }

    /// Returns when the line carries, or no longer does. Cancel-safe. Where the cables are gone
    /// it never does.
    async fn until(&mut self, carries: bool) {
        let through = self.through;
        if self
            .plugs
            .wait_for(|plugs| plugs.carry(through) == carries)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

async fn relay_connections(
    listener: TcpListener,
    to: SocketAddr,
    mut line: Line,
    carries: watch::Sender<bool>,
    tasks: Tasks,
) {
    loop {
        // Both arms are cancel-safe.
        let guest = tokio::select! {
            accepted = listener.accept() => accepted,
            () = line.until(false) => {
                let stuffing = deafen(&listener).await;
                carries.send_replace(false);
                line.until(true).await;
                // Whoever is in the queue is served now, late; our own have hung up.
                drop(stuffing);
                // Fails only for a socket that does not listen.
                let _ = SockRef::from(&listener).listen(BACKLOG);
                carries.send_replace(true);
                continue;
            }
        };
        let Ok((guest, _)) = guest else { continue };
        tasks.spawn("drill connection", carry(guest, to, line.clone()));
    }
}

/// Makes the listener deaf: nobody accepts, and what comes back keeps the queue full.
async fn deafen(listener: &TcpListener) -> Vec<TcpStream> {
    let mut stuffing = Vec::new();
    let Ok(at) = listener.local_addr() else {
        return stuffing;
    };
    // Listening again with another backlog is how Linux changes it.
    if SockRef::from(listener).listen(DEAF).is_err() {
        return stuffing;
    }
    // Others may be in the queue already, so it is filled until a connection fails.
    while let Ok(Ok(stream)) = timeout(AT_ONCE, TcpStream::connect(at)).await {
        stuffing.push(stream);
    }
    stuffing
}

/// Carries bytes both ways for as long as the cable is in. A connection that was cut stays open
/// and silent, and ends when the cable is back.
async fn carry(mut guest: TcpStream, to: SocketAddr, mut line: Line) {
    let mut cut = line.clone();
    let carrying = async {
        let mut host = TcpStream::connect(to).await?;
        guest.set_nodelay(true)?;
        host.set_nodelay(true)?;
        tokio::io::copy_bidirectional(&mut guest, &mut host).await
    };
    let mut carrying = std::pin::pin!(carrying);
    tokio::select! {
        _ = &mut carrying => return,
        () = cut.until(false) => {}
    }
    // `carrying` holds both streams and is not asked any more: nothing moves, nothing closes.
    line.until(true).await;
}

async fn relay_datagrams(socket: UdpSocket, to: SocketAddr, line: Line, tasks: Tasks) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let Ok((length, guest)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if !line.carries() {
            continue;
        }
        let question = buffer.get(..length).unwrap_or_default().to_vec();
        let (socket, line) = (Arc::clone(&socket), line.clone());
        tasks.spawn("drill datagram", async move {
            let Ok(Ok(answer)) = timeout(PATIENCE, ask(to, &question)).await else {
                return;
            };
            if line.carries() {
                // Whoever asked may have gone.
                let _ = socket.send_to(&answer, guest).await;
            }
        });
    }
}

async fn ask(to: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(to).await?;
    socket.send(question).await?;
    let mut answer = vec![0; DATAGRAM];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

#[cfg(test)]
mod tests;
