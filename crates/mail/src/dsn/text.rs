//! A notification in bytes: `multipart/report` (RFC 3462) of words for people, of
//! `message/delivery-status` (RFC 3464) for machines, and of what came back. 7 bits throughout, so
//! that every server takes it.

mod encode;

use model::Timestamp;

use self::encode::{addr_xtext, folded, is_plain, printable, quoted_printable, xtext};
use super::record::Kind;
use super::words;
use crate::envelope::{Envelope, Recipient};
use crate::wire::header::date;

/// A larger message is not returned whole.
pub(super) const WHOLE: usize = 64 << 10;
/// So much of a header section is returned.
const HEAD: usize = 32 << 10;

/// What a notification says.
pub(crate) struct Content<'a> {
    pub(crate) kind: Kind,
    /// Our name.
    pub(crate) name: &'a str,
    /// A name for the notification.
    pub(crate) id: &'a str,
    pub(crate) at: Timestamp,
    /// When the message was taken.
    pub(crate) arrived: Timestamp,
    /// To whom.
    pub(crate) to: &'a str,
    pub(crate) envelope: &'a Envelope,
    /// The primary's name.
    pub(crate) primary: &'a str,
    pub(crate) recipients: &'a [Concerned<'a>],
    /// The message as it is kept.
    pub(crate) message: &'a [u8],
    /// Whether that is all of it.
    pub(crate) whole: bool,
}

/// One recipient.
pub(crate) struct Concerned<'a> {
    pub(crate) recipient: &'a Recipient,
    /// The primary's words; empty where it was not reached.
    pub(crate) reply: &'a str,
    /// When it said so.
    pub(crate) when: Timestamp,
}

/// Writes it.
pub(crate) fn write(content: &Content<'_>) -> String {
    let Content { name, id, to, .. } = content;
    // Nobody can guess it, so nothing that is returned holds it.
    let boundary = format!("servergate-{id}");
    let subject = words::subject(content.kind);
    let mut text = String::with_capacity(8 << 10);
    for line in [
        format!("Date: {}", date(content.at)),
        format!("From: Mail Delivery System <MAILER-DAEMON@{name}>"),
        format!("To: <{to}>"),
        format!("Subject: {subject}"),
        format!("Message-ID: <{id}@{name}>"),
        // RFC 3834 §5.
        "Auto-Submitted: auto-replied".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: multipart/report; report-type=delivery-status;".to_owned(),
        format!("\tboundary=\"{boundary}\""),
        String::new(),
        format!("--{boundary}"),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: quoted-printable".to_owned(),
        String::new(),
    ] {
        text.push_str(&line);
        text.push_str("\r\n");
    }
    text.push_str(&quoted_printable(words::body(content).as_bytes()));
    text.push_str(&format!("\r\n--{boundary}\r\n"));
    text.push_str("Content-Type: message/delivery-status\r\n\r\n");
    text.push_str(&status(content));
    text.push_str(&format!("\r\n--{boundary}\r\n"));
    returned(content, &mut text);
    text.push_str(&format!("\r\n--{boundary}--\r\n"));
    text
}

/// RFC 3464 §2.2 and §2.3.
fn status(content: &Content<'_>) -> String {
    let mut text = String::new();
    if let Some(envid) = &content.envelope.sender.envid
        && let Some(envid) = xtext(envid).filter(|envid| printable(envid))
    {
        // RFC 3464 §2.2.1: as the sender gave it to its own server.
        text.push_str(&folded("Original-Envelope-Id", &envid));
    }
    text.push_str(&format!("Reporting-MTA: dns; {}\r\n", content.name));
    text.push_str(&format!("Arrival-Date: {}\r\n", date(content.arrived)));
    for one in content.recipients {
        text.push_str("\r\n");
        text.push_str(&recipient(content, one));
    }
    text
}

fn recipient(content: &Content<'_>, one: &Concerned<'_>) -> String {
    let mut text = String::new();
    if let Some(orcpt) = &one.recipient.orcpt
        && let Some((kind, address)) = orcpt.split_once(';')
        && let Some(address) = xtext(address).filter(|address| printable(address))
        && printable(kind)
    {
        // RFC 3464 §2.3.1.
        text.push_str(&folded("Original-Recipient", &format!("{kind};{address}")));
    }
    let mailbox = &one.recipient.mailbox;
    let shown = match mailbox.needs_utf8() {
        false => format!("rfc822; {mailbox}"),
        // RFC 6533 §3: the form that goes through 7 bits.
        true => format!("utf-8; {}", addr_xtext(&mailbox.to_string())),
    };
    text.push_str(&folded("Final-Recipient", &shown));
    let (action, otherwise) = match content.kind {
        Kind::Failure => ("failed", "5.0.0"),
        // RFC 3463 §3.5: X.4.1, no answer from host.
        Kind::Delay => ("delayed", "4.4.1"),
    };
    text.push_str(&format!("Action: {action}\r\n"));
    let status = match content.kind {
        Kind::Failure => enhanced(one.reply).unwrap_or(otherwise),
        Kind::Delay => otherwise,
    };
    text.push_str(&format!("Status: {status}\r\n"));
    if !one.reply.is_empty() && content.kind == Kind::Failure {
        text.push_str(&format!("Remote-MTA: dns; {}\r\n", content.primary));
        text.push_str(&folded("Diagnostic-Code", &format!("smtp; {}", one.reply)));
        text.push_str(&format!("Last-Attempt-Date: {}\r\n", date(one.when)));
    }
    text
}

/// The enhanced code (RFC 3463 §2) in a reply: `554 5.7.1 …`.
fn enhanced(reply: &str) -> Option<&str> {
    let code = reply.split(' ').nth(1)?;
    let mut parts = code.split('.');
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let class = parts.next()? == "5";
    let right = class && digits(parts.next()?, 3) && digits(parts.next()?, 3);
    (right && parts.next().is_none()).then_some(code)
}

/// RFC 3461 §4.3: all of it where that was asked for, and it is small and needs no 8 bits; else its
/// header section.
fn returned(content: &Content<'_>, text: &mut String) {
    let full = content.envelope.sender.ret.as_deref();
    let full = full.is_some_and(|ret| ret.eq_ignore_ascii_case("FULL"));
    // RFC 3461 §4.3: RET is about failures; a delay returns the header.
    let full = full && content.kind == Kind::Failure && content.whole;
    if full
        && content.message.len() <= WHOLE
        && is_plain(content.message)
        && let Ok(message) = std::str::from_utf8(content.message)
    {
        text.push_str("Content-Type: message/rfc822\r\n\r\n");
        text.push_str(message);
        return;
    }
    let head = head(content.message);
    text.push_str("Content-Type: text/rfc822-headers\r\n");
    match std::str::from_utf8(head) {
        Ok(plain) if is_plain(head) => {
            text.push_str("\r\n");
            text.push_str(plain);
        }
        _ => {
            text.push_str("Content-Transfer-Encoding: quoted-printable\r\n\r\n");
            text.push_str(&quoted_printable(head));
        }
    }
}

/// The whole fields of a header section, as many as are returned.
pub(super) fn head(message: &[u8]) -> &[u8] {
    let fields = crate::wire::header::fields(message);
    let fitting = fields.map(|(_, range)| range.end);
    let end = fitting.take_while(|end| *end <= HEAD).last();
    message.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
