//! A visitor's resolver: one name server, one name, and a cache that honours the TTL.
//!
//! While the server is silent the last answer is kept (RFC 8767): whoever had the address before
//! has it still.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::A;
use host::Clock;
use model::Mono;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// A name server on loopback that answers at all has answered by then.
const PATIENCE: Duration = Duration::from_millis(300);

/// Asks one server for the address of one name.
pub(crate) struct Resolver {
    server: SocketAddr,
    name: Name<Vec<u8>>,
    clock: Clock,
    last: Mutex<Option<Answer>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    address: Ipv4Addr,
    until: Mono,
}

impl Resolver {
    /// `name` must be a domain name.
    pub(crate) fn new(server: SocketAddr, name: &str, clock: Clock) -> io::Result<Self> {
        let name = name.parse().map_err(io::Error::other)?;
        Ok(Self {
            server,
            name,
            clock,
            last: Mutex::default(),
        })
    }

    /// The address, from the cache while its TTL lasts. `None` if nobody ever answered.
    pub(crate) async fn resolve(&self) -> Option<Ipv4Addr> {
        let last = *self.lock();
        let now = self.clock.now().mono;
        if let Some(answer) = last.filter(|answer| now < answer.until) {
            return Some(answer.address);
        }
        let Ok((address, ttl)) = self.ask().await else {
            return last.map(|last| last.address);
        };
        let until = self.clock.now().mono.after(ttl);
        *self.lock() = Some(Answer { address, until });
        Some(address)
    }

    /// Asks the server itself.
    pub(crate) async fn ask(&self) -> io::Result<(Ipv4Addr, Duration)> {
        let (question, id) = question(&self.name)?;
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(self.server).await?;
        let asking = async {
            socket.send(&question).await?;
            let mut buffer = vec![0; 4096];
            let length = socket.recv(&mut buffer).await?;
            buffer.truncate(length);
            address(buffer, id).ok_or_else(|| io::Error::other("an answer without an address"))
        };
        timeout(PATIENCE, asking)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Answer>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn question(name: &Name<Vec<u8>>) -> io::Result<(Vec<u8>, u16)> {
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_random_id();
    let id = message.header().id();
    let mut message = message.question();
    message
        .push((name, Rtype::A, Class::IN))
        .map_err(|_| io::Error::other("too long a name"))?;
    Ok((message.finish(), id))
}

/// The first address of an answer with authority, and how long it may be kept.
fn address(bytes: Vec<u8>, id: u16) -> Option<(Ipv4Addr, Duration)> {
    let message = Message::from_octets(bytes).ok()?;
    let header = message.header();
    let ours = header.id() == id && header.qr() && header.aa() && header.rcode() == Rcode::NOERROR;
    if !ours {
        return None;
    }
    let records = message.answer().ok()?;
    let record = records.limit_to::<A>().next()?.ok()?;
    let ttl = Duration::from_secs(u64::from(record.ttl().as_secs()));
    Some((record.data().addr(), ttl))
}

#[cfg(test)]
mod tests {
    use domain::base::Ttl;

    use super::*;

    /// A name server that says `ttl` and counts up with every answer.
    async fn server(answers: u8, ttl: u32) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        let task = host::Tasks::default().spawn("name server", async move {
            for count in 1..=answers {
                let mut buffer = vec![0; 512];
                let (length, guest) = socket.recv_from(&mut buffer).await.unwrap();
                buffer.truncate(length);
                let asked = Message::from_octets(buffer).unwrap();
                let mut answer = MessageBuilder::new_vec()
                    .start_answer(&asked, Rcode::NOERROR)
                    .unwrap();
                answer.header_mut().set_aa(true);
                let name: Name<Vec<u8>> = "www.verein.test".parse().unwrap();
                let data = A::from_octets(127, 0, 0, count);
                answer.push((name, Ttl::from_secs(ttl), data)).unwrap();
                socket.send_to(&answer.finish(), guest).await.unwrap();
            }
        });
        (at, task)
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_time_and_beyond_it_while_the_server_is_gone() {
        for (ttl, second) in [(0, 2), (60, 1)] {
            let (at, task) = server(2, ttl).await;
            let resolver = Resolver::new(at, "www.verein.test", Clock::system()).unwrap();
            assert_eq!(resolver.resolve().await, Some(Ipv4Addr::new(127, 0, 0, 1)));
            assert_eq!(
                resolver.resolve().await,
                Some(Ipv4Addr::new(127, 0, 0, second))
            );
            task.abort();
            let last = resolver.resolve().await;
            assert_eq!(
                last,
                Some(Ipv4Addr::new(127, 0, 0, second)),
                "with a TTL of {ttl}"
            );
        }
    }

    #[test]
    fn an_answer_to_somebody_else_is_none() {
        let (bytes, id) = question(&"www.verein.test".parse().unwrap()).unwrap();
        assert_eq!(address(bytes, id), None, "a question is no answer");
        assert_eq!(address(vec![1, 2, 3], id), None);
    }
}
