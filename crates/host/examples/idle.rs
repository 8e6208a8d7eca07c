//! How much memory a conversation takes: `idle [COUNT] [tls] [slow]` opens so many over loopback,
//! lets each say a line (with `slow` half a line more), and prints the growth of resident memory
//! and of the driver's future. The other ends are bare sockets, or with `tls` tasks that are
//! counted too, so that half of that growth is theirs.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::io::{Read, Write};
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use host::session::{Connection, Counters, Driver, Input, Inward, Limits, Output, Session, Side};
use host::session::{QuestionNumber, Surroundings};
use host::tls::{CertificateFiles, Certificates, HopTls};
use host::{Clock, Drain, Tasks, metrics::Metrics};
use model::{Mono, Now, OrganisationId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Answers each line.
struct Lines(Option<Mono>);

impl Session for Lines {
    type Question = ();
    type Answer = ();
    type Event = ();

    fn handle(&mut self, now: Now, input: Input<'_, (), ()>, out: &mut Output<()>) {
        self.0 = Some(now.mono.after(std::time::Duration::from_secs(300)));
        if let Input::Bytes(bytes) = input {
            self.line(bytes, out);
        }
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn next_wakeup(&self) -> Option<Mono> {
        self.0
    }
}

impl Lines {
    fn line(&mut self, bytes: &mut BytesMut, out: &mut Output<()>) {
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            bytes.advance(end + 1);
            out.write(b"250 so\r\n");
        }
    }
}

struct Nobody;

impl Surroundings<Lines> for Nobody {
    fn ask(&mut self, _: QuestionNumber, (): ()) -> Option<()> {
        None
    }

    async fn next(&mut self) -> Inward<(), ()> {
        std::future::pending().await
    }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn certificate() -> Arc<rustls::ServerConfig> {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["mail.verein.test".to_owned()]).unwrap();
    let files = CertificateFiles {
        organisation: OrganisationId::new("verein.test"),
        chain: folder.path().join("chain.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.chain, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let certificates = Certificates::open(vec![files], &Metrics::default()).unwrap();
    certificates.server_config_for(&[], None).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().collect();
    let count: usize = words
        .iter()
        .find_map(|word| word.parse().ok())
        .unwrap_or(2000);
    let (tls, slow) = (
        words.contains(&"tls".to_owned()),
        words.contains(&"slow".to_owned()),
    );
    let line: &[u8] = if slow {
        b"NOOP\r\nMAIL FROM:<some"
    } else {
        b"NOOP\r\n"
    };
    let config = tls.then(certificate);
    let hop = HopTls::opportunistic().unwrap();
    let (_trigger, drain) = Drain::new();
    let driver = Driver {
        clock: Clock::system(),
        limits: Limits::default(),
        drain,
        counters: Counters::default(),
    };
    let driver = Arc::new(driver);
    let tasks = Tasks::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (mut bare, mut dressed) = (Vec::new(), Vec::new());
    let mut before = resident();
    for number in 0..=count {
        if number == 1 {
            before = resident();
        }
        let guest = std::net::TcpStream::connect(at).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let connection = Connection {
            stream,
            side: Side::Server(config.clone()),
            implicit_tls: tls,
        };
        let driver = Arc::clone(&driver);
        let drive = async move {
            driver
                .drive(&mut Lines(None), &mut Nobody, connection)
                .await
        };
        if number == 0 {
            println!("{} bytes of future", size_of_val(&drive));
        }
        tasks.spawn("guest", drive);
        let mut answer = [0; 8];
        if tls {
            guest.set_nonblocking(true).unwrap();
            let guest = tokio::net::TcpStream::from_std(guest).unwrap();
            let (mut guest, _) = hop.connect("mail.verein.test", guest).await.unwrap();
            guest.write_all(line).await.unwrap();
            guest.read_exact(&mut answer).await.unwrap();
            dressed.push(guest);
        } else {
            (&guest).write_all(line).unwrap();
            tokio::task::yield_now().await;
            while {
                guest.set_nonblocking(true).unwrap();
                (&guest).read(&mut answer).is_err()
            } {
                tokio::task::yield_now().await;
            }
            bare.push(guest);
        }
    }
    let grown = resident().saturating_sub(before);
    println!(
        "{count} conversations: {} bytes resident each",
        grown / count
    );
    drop((bare, dressed));
}
