//! Conversations with next hops as transcripts (`tests/transcripts/client-*.txt`).

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use host::session::transcript::{Ours, Script, Scripted, play_folder};

use super::{Command, Opening, Outbound, Protocol, Report, TlsWish, Verb};
use crate::wire::xclient::Attributes;

struct Caller;

fn client(address: &str) -> Attributes {
    Attributes {
        address: address.parse().unwrap(),
        helo: "client.test".to_owned(),
        esmtp: true,
    }
}

impl Script<Outbound> for Caller {
    fn show(&self, report: &Report) -> String {
        match report {
            Report::Ready(can) => format!(
                "Ready(pipelining {}, xclient {})",
                can.pipelining,
                can.xclient.len()
            ),
            Report::Introduced(can) => format!("Introduced(xclient {})", can.xclient.len()),
            Report::Refused(reply) => format!("Refused({reply})"),
            Report::Reply(verb, reply) => format!("Reply({verb:?}, {reply})"),
            Report::Lost(why) => format!("Lost({why:?})"),
        }
    }

    fn answer(&mut self, _: &Report, _: Option<&str>) -> Scripted<std::convert::Infallible> {
        // Reports are not answered.
        Scripted::Later("never".to_owned())
    }

    fn event(&mut self, words: &str) -> Option<Command> {
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        let line = |verb, text: &str| Command::Line(verb, Bytes::from(format!("{text}\r\n")));
        Some(match verb {
            "mail" => line(Verb::Mail, "MAIL FROM:<a@b.test>"),
            "rcpt" => line(Verb::Rcpt, &format!("RCPT TO:<{rest}>")),
            "data" => line(Verb::Data, "DATA"),
            "piece" => Command::Piece(Bytes::from(rest.replace("\\r\\n", "\r\n"))),
            "end" => Command::End {
                replies: rest.parse().ok()?,
            },
            "introduce" => Command::Introduce(Box::new(client(rest))),
            "quit" => Command::Quit,
            "break" => Command::Break,
            _ => return None,
        })
    }
}

#[test]
fn every_conversation_goes_as_its_transcript_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let make = |name: &str| {
        let tls = match name {
            name if name.ends_with("tls") => TlsWish::Offered,
            name if name.ends_with("required") => TlsWish::Required,
            _ => TlsWish::Never,
        };
        let protocol = match name.ends_with("lmtp") {
            true => Protocol::Lmtp,
            false => Protocol::Smtp,
        };
        let opening = Opening {
            name: "mx2.test".to_owned(),
            protocol,
            tls,
            xclient: Some(client("192.0.2.1:4711")),
            patience: Duration::from_secs(10),
        };
        (Outbound::new(opening), Caller)
    };
    let played = play_folder(&folder, "client-", Ours::Client, make).unwrap();
    assert!(played >= 6, "{played}");
}
