//! A name server for tests, on a loopback port of its own: what it is told, and its silences.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::base::iana::{Rcode, Rtype};
use domain::base::message_builder::{AnswerBuilder, MessageBuilder};
use domain::base::{Message, Name, ParsedName};
use domain::rdata::{A, Aaaa, Mx, Ptr, Tlsa, Txt};
use host::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

type Dnsname = Name<Vec<u8>>;

/// One thing that a name has.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    A(&'static str),
    Aaaa(&'static str),
    Txt(String),
    Mx(u16, &'static str),
    Ptr(&'static str),
    Tlsa(u8, u8, u8, Vec<u8>),
    /// Every question about the name is answered SERVFAIL.
    Broken,
    /// No question about the name is answered.
    Mute,
    /// Over UDP the answers about the name are truncated.
    Large,
}

/// The server; ends with the runtime it runs on.
pub(crate) struct TestDns {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    names: Mutex<HashMap<String, Vec<Data>>>,
    asked: AtomicU64,
    over_tcp: AtomicU64,
}

impl TestDns {
    /// Answers with `names`, and that there is no other name.
    pub(crate) async fn serve(names: &[(&str, Data)]) -> Self {
        let state = Arc::new(State {
            names: Mutex::default(),
            asked: AtomicU64::new(0),
            over_tcp: AtomicU64::new(0),
        });
        let (udp, tcp) = sockets().await;
        let dns = Self {
            address: udp.local_addr().unwrap(),
            state,
        };
        for (name, data) in names {
            dns.add(name, data.clone());
        }
        let tasks = Tasks::default();
        let state = dns.state.clone();
        tasks.spawn("dns", async move {
            let mut buffer = [0; 4096];
            loop {
                let Ok((size, client)) = udp.recv_from(&mut buffer).await else {
                    continue;
                };
                if let Some(answer) = state.answer(&buffer[..size], true) {
                    udp.send_to(&answer, client).await.unwrap();
                }
            }
        });
        let state = dns.state.clone();
        tasks.spawn("dns-tcp", async move {
            while let Ok((stream, _)) = tcp.accept().await {
                let _ = over_tcp(&state, stream).await;
            }
        });
        dns
    }

    pub(crate) fn add(&self, name: &str, data: Data) {
        let mut names = self.state.names.lock().unwrap();
        names.entry(name.to_lowercase()).or_default().push(data);
    }

    pub(crate) fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn over_tcp(&self) -> u64 {
        self.state.over_tcp.load(Ordering::Relaxed)
    }
}

/// The same port for both, which takes a few tries where others take ports too.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both");
}

async fn over_tcp(state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    let size = stream.read_u16().await?;
    let mut question = vec![0; usize::from(size)];
    stream.read_exact(&mut question).await?;
    if let Some(answer) = state.answer(&question, false) {
        state.over_tcp.fetch_add(1, Ordering::Relaxed);
        stream
            .write_u16(u16::try_from(answer.len()).unwrap())
            .await?;
        stream.write_all(&answer).await?;
    }
    Ok(())
}

impl State {
    fn answer(&self, question: &[u8], udp: bool) -> Option<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let message = Message::from_octets(question).unwrap();
        let asked = message.sole_question().unwrap();
        let names = self.names.lock().unwrap();
        let name = asked.qname().to_string().to_lowercase();
        let found = names.get(&name);
        let has = |test: fn(&Data) -> bool| found.is_some_and(|all| all.iter().any(test));
        if has(|data| matches!(data, Data::Mute)) {
            return None;
        }
        let code = match found {
            None => Rcode::NXDOMAIN,
            Some(_) if has(|data| matches!(data, Data::Broken)) => Rcode::SERVFAIL,
            Some(_) => Rcode::NOERROR,
        };
        let builder = MessageBuilder::new_vec();
        let mut builder = builder.start_answer(&message, code).unwrap();
        if udp && has(|data| matches!(data, Data::Large)) {
            builder.header_mut().set_tc(true);
            return Some(builder.finish());
        }
        for data in found.into_iter().flatten() {
            push(&mut builder, asked.qname(), asked.qtype(), data);
        }
        Some(builder.finish())
    }
}

fn push(builder: &mut AnswerBuilder<Vec<u8>>, name: &ParsedName<&[u8]>, kind: Rtype, data: &Data) {
    let target = |text: &str| Dnsname::from_str(text).unwrap();
    match (data, kind) {
        (Data::A(text), Rtype::A) => {
            let address = Ipv4Addr::from_str(text).unwrap();
            builder.push((name, 60, A::new(address))).unwrap();
        }
        (Data::Aaaa(text), Rtype::AAAA) => {
            let address = Ipv6Addr::from_str(text).unwrap();
            builder.push((name, 60, Aaaa::new(address))).unwrap();
        }
        (Data::Txt(text), Rtype::TXT) => {
            let text = Txt::<Vec<u8>>::build_from_slice(text.as_bytes()).unwrap();
            builder.push((name, 60, text)).unwrap();
        }
        (Data::Mx(preference, host), Rtype::MX) => {
            let mx = Mx::new(*preference, target(host));
            builder.push((name, 60, mx)).unwrap();
        }
        (Data::Ptr(host), Rtype::PTR) => {
            builder.push((name, 60, Ptr::new(target(host)))).unwrap();
        }
        (Data::Tlsa(usage, selector, matching, data), Rtype::TLSA) => {
            let (usage, selector) = ((*usage).into(), (*selector).into());
            let tlsa = Tlsa::new(usage, selector, (*matching).into(), data.clone());
            builder.push((name, 60, tlsa)).unwrap();
        }
        _ => {}
    }
}
