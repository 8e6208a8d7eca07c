//! Notifications, as a sender's server and a sender read them.

use mail_parser::{MessageParser, MimeHeaders};

use super::*;
use crate::envelope::{Client, Sender};
use crate::wire::path::{Mailbox, ReversePath};

const MESSAGE: &[u8] = b"Received: from client.test\r\nX-Servergate-Id: oslo-1\r\n\
    From: <s@client.test>\r\nSubject: Hello\r\n\r\nSecret.\r\n.\r\n";

struct Case {
    kind: Kind,
    ret: Option<&'static str>,
    envid: Option<&'static str>,
    recipients: Vec<(&'static str, Option<&'static str>, &'static str)>,
    message: &'static [u8],
}

impl Case {
    fn usual() -> Self {
        Self {
            kind: Kind::Failure,
            ret: None,
            envid: None,
            recipients: vec![("anna@verein.test", None, "554 5.7.1 No thanks")],
            message: MESSAGE,
        }
    }

    fn written(&self) -> String {
        let at = Timestamp::from_millis(1_779_268_443_000);
        let recipient = |(mailbox, orcpt, _): &(&str, Option<&str>, &str)| Recipient {
            mailbox: Mailbox::parse(mailbox).unwrap(),
            notify: None,
            orcpt: orcpt.map(str::to_owned),
        };
        let envelope = Envelope {
            client: Client {
                address: "192.0.2.1:4711".parse().unwrap(),
                helo: "client.test".to_owned(),
                esmtp: true,
                tls: None,
            },
            sender: Sender {
                path: ReversePath::Mailbox(Mailbox::parse("s@client.test").unwrap()),
                eight_bit: false,
                utf8: false,
                ret: self.ret.map(str::to_owned),
                envid: self.envid.map(str::to_owned),
            },
            recipients: self.recipients.iter().map(recipient).collect(),
        };
        let concerned = envelope.recipients.iter().zip(&self.recipients);
        let concerned: Vec<_> = concerned
            .map(|(recipient, (.., reply))| Concerned {
                recipient,
                reply,
                when: at,
            })
            .collect();
        let text = write(&Content {
            kind: self.kind,
            name: "mx2.verein.test",
            id: "oslo-0123456789abcdef0123",
            at,
            arrived: Timestamp::from_millis(1_779_264_843_000),
            to: "s@client.test",
            envelope: &envelope,
            primary: "mail.verein.test",
            recipients: &concerned,
            message: self.message,
            whole: self.message.len() <= WHOLE,
        });
        assert!(text.is_ascii());
        assert!(is_plain(text.as_bytes()), "{text}");
        text
    }
}

/// The part after `head`, up to the next boundary.
fn part<'t>(text: &'t str, head: &str) -> &'t str {
    let (_, rest) = text
        .split_once(head)
        .unwrap_or_else(|| panic!("{head} in {text}"));
    let (part, _) = rest.split_once("\r\n--servergate-").unwrap();
    part
}

#[test]
fn a_failure_is_what_the_rfc_says() {
    let text = Case {
        envid: Some("QQ+2B1"),
        recipients: vec![
            (
                "anna@verein.test",
                Some("rfc822;a+2Bb@old.test"),
                "554 5.7.1 No thanks",
            ),
            ("ben@verein.test", None, "550 Not here"),
        ],
        ..Case::usual()
    }
    .written();
    assert_eq!(
        part(&text, "message/delivery-status\r\n\r\n"),
        "Original-Envelope-Id: QQ+1\r\n\
         Reporting-MTA: dns; mx2.verein.test\r\n\
         Arrival-Date: Wed, 20 May 2026 08:14:03 +0000\r\n\
         \r\n\
         Original-Recipient: rfc822;a+b@old.test\r\n\
         Final-Recipient: rfc822; anna@verein.test\r\n\
         Action: failed\r\n\
         Status: 5.7.1\r\n\
         Remote-MTA: dns; mail.verein.test\r\n\
         Diagnostic-Code: smtp; 554 5.7.1 No thanks\r\n\
         Last-Attempt-Date: Wed, 20 May 2026 09:14:03 +0000\r\n\
         \r\n\
         Final-Recipient: rfc822; ben@verein.test\r\n\
         Action: failed\r\n\
         Status: 5.0.0\r\n\
         Remote-MTA: dns; mail.verein.test\r\n\
         Diagnostic-Code: smtp; 550 Not here\r\n\
         Last-Attempt-Date: Wed, 20 May 2026 09:14:03 +0000\r\n"
    );
    let end = "X-Servergate-Id: oslo-1\r\nFrom: <s@client.test>\r\nSubject: Hello\r\n";
    assert!(
        part(&text, "text/rfc822-headers\r\n\r\n").ends_with(end),
        "{text}"
    );
    assert!(!text.contains("Secret"), "only the header comes back");
}

#[test]
fn a_mail_program_reads_it() {
    let text = Case::usual().written();
    let parsed = MessageParser::default().parse(text.as_bytes()).unwrap();
    let kind = parsed.content_type().unwrap();
    assert_eq!(
        (kind.ctype(), kind.subtype()),
        ("multipart", Some("report"))
    );
    assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
    let to = parsed.to().unwrap().first().unwrap();
    assert_eq!(to.address(), Some("s@client.test"));
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!(from.address(), Some("MAILER-DAEMON@mx2.verein.test"));
    assert_eq!(
        parsed.message_id(),
        Some("oslo-0123456789abcdef0123@mx2.verein.test")
    );
    let automatic = parsed.header_raw("Auto-Submitted").unwrap();
    assert_eq!(automatic.trim(), "auto-replied");
    let words = parsed.body_text(0).unwrap().replace("\r\n", "\n");
    assert!(
        words.contains("Mailserver des Empfängers (mail.verein.test)"),
        "{words}"
    );
    assert!(words.contains("Your message was not delivered."), "{words}");
    assert!(
        words.contains("<anna@verein.test>\n        554 5.7.1 No thanks"),
        "{words}"
    );
    // The report itself, the words, the status, what came back.
    let kinds: Vec<_> = parsed
        .parts
        .iter()
        .filter_map(|part| part.content_type()?.subtype())
        .collect();
    let all = ["report", "plain", "delivery-status", "rfc822-headers"];
    assert_eq!(kinds, all);
}

#[test]
fn all_of_it_comes_back_where_that_was_asked_for_and_can_be() {
    let full = |message| {
        Case {
            ret: Some("full"),
            message,
            ..Case::usual()
        }
        .written()
    };
    assert!(part(&full(MESSAGE), "message/rfc822\r\n\r\n").contains("Secret."));
    let odd = b"From: <s@client.test>\r\nSubject: x\r\n\r\nM\xfcller\r\n";
    assert!(full(odd).contains("text/rfc822-headers"));
    let large: &'static [u8] = [MESSAGE, &vec![b'x'; WHOLE]].concat().leak();
    assert!(full(large).contains("text/rfc822-headers"));
    let headers = Case {
        ret: Some("HDRS"),
        ..Case::usual()
    };
    assert!(!headers.written().contains("Secret"));
}

#[test]
fn a_delay_says_that_it_is_tried_on() {
    let text = Case {
        kind: Kind::Delay,
        ret: Some("FULL"),
        recipients: vec![("anna@verein.test", None, "")],
        ..Case::usual()
    }
    .written();
    let status = part(&text, "message/delivery-status\r\n\r\n");
    assert!(
        status.ends_with("Action: delayed\r\nStatus: 4.4.1\r\n"),
        "{status}"
    );
    let parsed = MessageParser::default().parse(text.as_bytes()).unwrap();
    let words = parsed.body_text(0).unwrap();
    assert!(words.contains("noch nicht zugestellt"), "{words}");
    assert!(words.contains("you need not send it again"), "{words}");
    assert!(!text.contains("Secret"));
}

#[test]
fn nothing_that_others_said_breaks_it() {
    let text = Case {
        envid: Some("a+0D+0AEvil: x"),
        recipients: vec![(
            "m\u{fc}ller@verein.test",
            Some("rfc822;x+0D+0AEvil:+20y"),
            "554 5.7.1 \u{fc}\u{7}Evil words of a primary that says more than would ever fit into one line of seventy-six",
        )],
        message: b"Subject: \xff\r\n no\r\nFrom: a\n\r\nbody\r\n",
        ..Case::usual()
    }
    .written();
    assert!(
        text.lines().all(|line| !line.starts_with("Evil:")),
        "{text}"
    );
    let status = part(&text, "message/delivery-status\r\n\r\n");
    assert!(!status.contains("Original-"), "{status}");
    let address = "Final-Recipient: utf-8; m\\x{FC}ller@verein.test\r\n";
    assert!(status.contains(address), "{status}");
    assert!(status.lines().all(|line| line.len() <= 78), "{status}");
    let returned = part(&text, "text/rfc822-headers\r\n");
    assert!(returned.contains("Subject: =FF\r\n no\r\n"), "{returned}");
}

#[test]
fn an_enhanced_code_is_one_of_the_fifth_class() {
    assert_eq!(enhanced("554 5.7.1 no"), Some("5.7.1"));
    assert_eq!(enhanced("552 5.3.4 no"), Some("5.3.4"));
    for none in [
        "554 no",
        "554",
        "554 4.7.1 no",
        "554 5.7 no",
        "554 5.7.1.2 no",
        "",
    ] {
        assert_eq!(enhanced(none), None, "{none}");
    }
}
