//! A guest that speaks SMTP over a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Whom most of the messages are for.
pub(crate) const ANNA: [&str; 1] = ["anna@verein.test"];

/// Nothing takes longer.
const PATIENCE: Duration = crate::stage::CEILING;

pub(crate) struct Guest(BufReader<TcpStream>);

impl Guest {
    /// Connects and hears the greeting.
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let mut guest = Self(BufReader::new(TcpStream::connect(to).await.unwrap()));
        let greeting = guest.reply().await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        guest
    }

    /// The same from another address of this machine.
    pub(crate) async fn hello_from(from: [u8; 4], to: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut guest = Self(BufReader::new(socket.connect(to).await.unwrap()));
        let greeting = guest.reply().await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        assert!(guest.say("EHLO client.test").await.starts_with("250"));
        guest
    }

    /// Connects and says EHLO.
    pub(crate) async fn hello(to: SocketAddr) -> Self {
        let mut guest = Self::connect(to).await;
        assert!(guest.say("EHLO client.test").await.starts_with("250"));
        guest
    }

    /// Where it speaks from.
    pub(crate) fn port(&self) -> u16 {
        self.0.get_ref().local_addr().unwrap().port()
    }

    /// Sends bytes; whether the other end still took them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sending = self.0.get_mut().write_all(bytes);
        tokio::time::timeout(PATIENCE, sending)
            .await
            .is_ok_and(|sent| sent.is_ok())
    }

    /// A whole reply; empty at the end of the conversation.
    pub(crate) async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            let reading = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line));
            let read = reading
                .await
                .unwrap_or_else(|_| panic!("no reply after {reply:?}"));
            reply.push_str(&line);
            if read.is_err() || line.as_bytes().get(3) != Some(&b'-') {
                return reply.trim_end().to_owned();
            }
        }
    }

    /// Sends a line and gives the reply.
    pub(crate) async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// Everything until the other end closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let reading = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest));
        assert!(reading.await.is_ok(), "not closed");
        String::from_utf8(rest).unwrap()
    }

    /// MAIL, RCPT and DATA; the first refusal, or the reply to DATA.
    pub(crate) async fn begin(&mut self, from: &str, to: &[&str]) -> String {
        let mut last = self.say(&format!("MAIL FROM:<{from}>")).await;
        for recipient in to {
            if last.starts_with("250") {
                last = self.say(&format!("RCPT TO:<{recipient}>")).await;
            }
        }
        if last.starts_with("250") {
            last = self.say("DATA").await;
        }
        last
    }

    /// A whole message; the first refusal, or the reply to its end.
    pub(crate) async fn post(&mut self, from: &str, to: &[&str], message: &[u8]) -> String {
        let last = self.begin(from, to).await;
        if !last.starts_with("354") {
            return last;
        }
        self.send(&stuffed(message)).await;
        self.reply().await
    }

    /// As `post`, and breaks off without waiting for the reply.
    pub(crate) async fn post_and_leave(mut self, from: &str, to: &[&str], message: &[u8]) {
        assert!(self.begin(from, to).await.starts_with("354"));
        self.send(&stuffed(message)).await;
        self.0.get_ref().set_zero_linger().unwrap();
    }
}

/// What goes over the line for it: dots doubled (RFC 5321 section 4.5.2), and the end.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    sent.extend_from_slice(b".\r\n");
    sent
}

/// A message with this subject.
pub(crate) fn message(subject: &str) -> Vec<u8> {
    format!("From: <sender@client.test>\r\nSubject: {subject}\r\n\r\nHello.\r\n").into_bytes()
}

/// A large one: long lines, lone dots, bytes above 127.
pub(crate) fn large(subject: &str, size: usize) -> Vec<u8> {
    let mut bytes = message(subject);
    let mut number = 0_u32;
    while bytes.len() < size {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend_from_slice(
            format!(".{number}\r\n.\r\n..\r\nM\u{fc}ller {number:0700}\r\n").as_bytes(),
        );
    }
    bytes
}
