//! Datagrams: a batch is received with one call, answered from one snapshot, and sent with one
//! call. Each worker has its own socket at the same address (`SO_REUSEPORT`), so workers share
//! nothing but the snapshot.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use host::Drain;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::answer::Transport;
use crate::desk::{Desk, Handled};
use crate::metrics::Refused;

/// Datagrams per call.
const BATCH: usize = 32;
/// No question is larger; a datagram that fills it may be cut and is dropped.
const LARGEST: usize = 2048;

/// What one thread reuses from batch to batch. Kernel structures with pointers do not travel
/// between threads, so they stay with the thread and not with the task.
struct Scratch {
    headers: MultiHeaders<SockaddrStorage>,
    received: Box<[[u8; LARGEST]; BATCH]>,
    answers: Vec<Vec<u8>>,
    to: Vec<(usize, SocketAddr)>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        headers: MultiHeaders::preallocate(BATCH, None),
        received: Box::new([[0; LARGEST]; BATCH]),
        answers: std::iter::repeat_with(|| Vec::with_capacity(1232)).take(BATCH).collect(),
        to: Vec::with_capacity(BATCH),
    });
}

/// Answers at one socket until the drain begins.
pub(crate) async fn work(socket: std::net::UdpSocket, desk: Arc<Desk>, drain: Drain) {
    let socket = match UdpSocket::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(%error, "a DNS socket cannot be used");
            return;
        }
    };
    loop {
        tokio::select! {
            () = drain.begun() => return,
            ready = socket.readable() => {
                if ready.is_err() {
                    return;
                }
            }
        }
        // Until the socket is empty, but never so long that others starve.
        for _ in 0..8 {
            let batch = socket.try_io(Interest::READABLE, || {
                SCRATCH.with_borrow_mut(|scratch| scratch.batch(&socket, &desk))
            });
            match batch {
                Ok(count) if count == BATCH => {}
                _ => break,
            }
        }
        tokio::task::yield_now().await;
    }
}

impl Scratch {
    /// Receives, answers and sends one batch; how many came.
    fn batch(&mut self, socket: &UdpSocket, desk: &Desk) -> io::Result<usize> {
        self.to.clear();
        let count = {
            let mut slices = self
                .received
                .each_mut()
                .map(|buffer| [IoSliceMut::new(buffer)]);
            let fd = socket.as_raw_fd();
            let flags = MsgFlags::MSG_DONTWAIT;
            let results = recvmmsg(fd, &mut self.headers, slices.iter_mut(), flags, None)?;
            let mut count = 0;
            for (index, message) in results.enumerate() {
                count += 1;
                let Some(peer) = message.address.as_ref().and_then(address) else {
                    continue;
                };
                if message.bytes >= LARGEST {
                    desk.counters.refused(Refused::Oversized);
                    continue;
                }
                // The place carries the length until the answer is there.
                self.to.push((index << 16 | message.bytes, peer));
            }
            count
        };
        let zones = desk.published.load();
        let mut answered = 0;
        for place in 0..self.to.len() {
            let Some((packed, peer)) = self.to.get(place).copied() else {
                break;
            };
            let (index, len) = (packed >> 16, packed & 0xffff);
            let message = self
                .received
                .get(index)
                .and_then(|buffer| buffer.get(..len));
            let (Some(message), Some(out)) = (message, self.answers.get_mut(answered)) else {
                continue;
            };
            let handled = desk.handle(&zones, message, peer.ip(), Transport::Udp, out);
            if let (Handled::Answer, Some(slot)) = (handled, self.to.get_mut(answered)) {
                *slot = (answered, peer);
                answered += 1;
            }
        }
        self.to.truncate(answered);
        self.send(socket, desk);
        Ok(count)
    }

    fn send(&mut self, socket: &UdpSocket, desk: &Desk) {
        let peers: Vec<SocketAddrAny> = self
            .to
            .iter()
            .map(|(_, peer)| SocketAddrAny::from(*peer))
            .collect();
        let slices: Vec<[IoSlice<'_>; 1]> = self
            .answers
            .iter()
            .take(peers.len())
            .map(|answer| [IoSlice::new(answer)])
            .collect();
        let mut no_control: Vec<SendAncillaryBuffer<'_, '_, '_>> = peers
            .iter()
            .map(|_| SendAncillaryBuffer::default())
            .collect();
        let parts = peers.iter().zip(&slices).zip(&mut no_control);
        let mut messages: Vec<MMsgHdr<'_>> = parts
            .map(|((peer, slices), control)| MMsgHdr::new_with_addr(peer, slices, control))
            .collect();
        let mut rest = messages.as_mut_slice();
        while !rest.is_empty() {
            let sent = match sendmmsg(socket, rest, SendFlags::DONTWAIT) {
                Ok(sent) => sent,
                Err(_) => {
                    // One guest that cannot be reached does not cost the others their answer.
                    desk.counters.refused(Refused::Unsent);
                    1
                }
            };
            rest = rest.get_mut(sent.max(1)..).unwrap_or_default();
        }
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddr::new(IpAddr::V6(v6.ip()), v6.port()))
}
