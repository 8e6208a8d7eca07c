//! Header sections: their fields found, and our own trace fields written (RFC 5322 §2.2, RFC 5321 §4.4).

use std::net::IpAddr;
use std::ops::Range;

use model::Timestamp;

use super::path::Mailbox;

/// The header section's fields: name, and range of the whole field with its folds and its CRLF.
pub fn fields(message: &[u8]) -> impl Iterator<Item = (&[u8], Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at;
            let first = next_line(message, start)?;
            let line = message.get(first.clone())?;
            if matches!(line, b"\r\n" | b"\n") {
                return None;
            }
            at = first.end;
            while matches!(message.get(at), Some(b' ' | b'\t')) {
                at = next_line(message, at)?.end;
            }
            // A line without a colon is no field, and hides none that stands behind it.
            if let Some(colon) = memchr::memchr(b':', line) {
                let name = line.get(..colon)?.trim_ascii_end();
                return Some((name, start..at));
            }
        }
    })
}

fn next_line(message: &[u8], from: usize) -> Option<Range<usize>> {
    let rest = message.get(from..).filter(|rest| !rest.is_empty())?;
    let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    Some(from..from + length)
}

/// What a `Received` field says.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// What the client called itself.
    pub helo: &'a str,
    /// Where it connected from.
    pub address: IpAddr,
    /// Our name.
    pub by: &'a str,
    /// The protocol (RFC 3848).
    pub with: &'a str,
    /// The message's name.
    pub id: &'a str,
    /// Protocol version and cipher suite.
    pub tls: Option<(&'a str, &'a str)>,
    /// The recipient, if there is one only.
    pub only: Option<&'a Mailbox>,
    /// When.
    pub at: Timestamp,
}

/// Writes a `Received` field (RFC 5321 §4.4), folded. Nothing that a client said can end it, or look
/// like another part of it.
pub fn write_received(received: &Received<'_>, out: &mut Vec<u8>) {
    let literal = match received.address.to_canonical() {
        IpAddr::V4(v4) => format!("[{v4}]"),
        IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
    };
    let helo = match received.helo {
        "" => "unknown",
        helo => helo,
    };
    // RFC 5321 §4.4 wants a domain here; what is none must not look like more than a word.
    let plain = |c: char| match c.is_alphanumeric() || "-._:[]".contains(c) {
        true => c,
        false => '?',
    };
    let helo: String = helo.chars().map(plain).collect();
    let mut text = format!(
        "Received: from {helo} ({literal})\r\n\tby {} with {}",
        received.by, received.with
    );
    if let Some((version, cipher)) = received.tls {
        text.push_str(&format!(" ({version} {cipher})"));
    }
    text.push_str(&format!("\r\n\tid {}", received.id));
    if let Some(only) = received.only {
        text.push_str(&format!("\r\n\tfor <{only}>"));
    }
    text.push_str(&format!(";\r\n\t{}\r\n", date(received.at)));
    out.extend_from_slice(text.as_bytes());
}

/// RFC 5322 §3.3, in universal time.
pub fn date(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    moment.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &[u8] = b"Received: from a\r\n\tby b\r\nAuthentication-Results: (a (b)) MX.Test\r\n 1;\r\n\tspf=pass\r\n\
        received: from c\r\nAuthentication-Results: other.test; spf=pass\r\nSubject: x\r\n\r\nReceived: not a field\r\n";

    #[test]
    fn fields_are_found_with_their_folds() {
        let names: Vec<_> = fields(MESSAGE)
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "Received",
                "Authentication-Results",
                "received",
                "Authentication-Results",
                "Subject"
            ]
        );
        let hidden = b"no field\r\nReceived: a\r\n\r\nReceived: body\r\n";
        assert_eq!(fields(hidden).count(), 1);
    }

    #[test]
    fn a_trace_field_says_what_is_known_and_cannot_be_broken() {
        let only = Mailbox::parse("c@verein.test").unwrap();
        let received = Received {
            helo: "a)\r\nEvil: x",
            address: "2001:db8::1".parse().unwrap(),
            by: "mx.test",
            with: "ESMTPS",
            id: "x1",
            tls: Some(("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
            only: Some(&only),
            at: Timestamp::from_millis(1_779_268_443_000),
        };
        let mut out = Vec::new();
        write_received(&received, &mut out);
        assert_eq!(fields(&out).count(), 1);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "Received: from a???Evil:?x ([IPv6:2001:db8::1])\r\n\tby mx.test with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\
             \tid x1\r\n\tfor <c@verein.test>;\r\n\tWed, 20 May 2026 09:14:03 +0000\r\n"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = fields(&bytes).count();
        }
    }
}
