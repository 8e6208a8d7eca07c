//! Verdicts as a field of the header: Authentication-Results (RFC 8601).

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::claim::{Claim, claim};
use super::message::header_len;
use super::verdict::{Dkim, Dmarc, Identity, Outcome, Policy, Spf, Verdicts};

/// RFC 5322 §2.1.1: lines of 78 characters, where that can be.
const LINE: usize = 78;

const NAME: &str = "Authentication-Results";

/// The field, with the line end, to be put on top of the message.
pub fn header(authserv_id: &str, verdicts: &Verdicts) -> String {
    let mut field = Field::new(&token(authserv_id));
    spf(&mut field, &verdicts.spf);
    if verdicts.dkim.is_empty() {
        field.next("dkim=none".to_owned());
    }
    for one in &verdicts.dkim {
        dkim(&mut field, one);
    }
    dmarc(&mut field, &verdicts.dmarc);
    field.finish()
}

/// Where `message` has fields that claim to be ours, with their line ends. RFC 8601 §5: whoever
/// adds such a field takes away what others wrote in the same name.
pub fn forged(message: &[u8], authserv_id: &str) -> Vec<Range<usize>> {
    let header = message.get(..header_len(message)).unwrap_or(message);
    let mut found = Vec::new();
    let mut field = 0..0;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        let goes_on = line.first().is_some_and(|byte| b" \t".contains(byte));
        if !goes_on {
            found.extend(claims(header, &field, authserv_id));
            field.start = field.end;
        }
        field.end += line.len();
    }
    found.extend(claims(header, &field, authserv_id));
    found
}

/// `message`, or its beginning, without the fields that claim to be ours.
pub fn without_forged(message: &Bytes, authserv_id: &str) -> Bytes {
    let forged = forged(message, authserv_id);
    if forged.is_empty() {
        return message.clone();
    }
    let mut out = BytesMut::with_capacity(message.len());
    let mut from = 0;
    for range in forged {
        out.extend_from_slice(message.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    out.extend_from_slice(message.get(from..).unwrap_or_default());
    out.freeze()
}

fn claims(header: &[u8], field: &Range<usize>, authserv_id: &str) -> Option<Range<usize>> {
    let text = String::from_utf8_lossy(header.get(field.clone())?);
    let (name, value) = text.split_once(':')?;
    if !name.trim_end().eq_ignore_ascii_case(NAME) {
        return None;
    }
    let ours = claim(value.as_bytes(), true, authserv_id) == Claim::Ours;
    ours.then(|| field.clone())
}

fn spf(field: &mut Field, spf: &Spf) {
    field.next(format!("spf={}", word(spf.result)));
    let property = match spf.identity {
        Identity::MailFrom => "smtp.mailfrom",
        Identity::Helo => "smtp.helo",
    };
    field.property(property, &spf.domain);
}

fn dkim(field: &mut Field, dkim: &Dkim) {
    field.next(format!("dkim={}", word(dkim.result)));
    if let Some(reason) = &dkim.reason {
        field.token(&format!("reason=\"{}\"", quoted(reason)));
    }
    field.property("header.d", &dkim.domain);
    field.property("header.s", &dkim.selector);
}

fn dmarc(field: &mut Field, dmarc: &Dmarc) {
    field.next(format!("dmarc={}", word(dmarc.result)));
    match dmarc.policy {
        None => {}
        Some(Policy::None) => field.token("(p=none)"),
        Some(Policy::Quarantine) => field.token("(p=quarantine)"),
        Some(Policy::Reject) => field.token("(p=reject)"),
    }
    field.property("header.from", &dmarc.domain);
}

fn word(result: Outcome) -> &'static str {
    match result {
        Outcome::Pass => "pass",
        Outcome::Fail => "fail",
        Outcome::SoftFail => "softfail",
        Outcome::Neutral => "neutral",
        Outcome::Policy => "policy",
        Outcome::None => "none",
        Outcome::TempError => "temperror",
        Outcome::PermError => "permerror",
    }
}

/// `value` as a token (RFC 2045 §5.1): no octet of a guest gets out of its place.
fn token(value: &str) -> String {
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() || "-._".contains(letter) {
            letter
        } else {
            '_'
        }
    };
    value.chars().take(253).map(safe).collect()
}

/// `value` as the inside of a quoted string.
fn quoted(value: &str) -> String {
    let safe = |letter: char| match letter {
        '"' | '\\' => '\'',
        ' '..='~' => letter,
        _ => '_',
    };
    value.chars().take(120).map(safe).collect()
}

/// A field that is folded while it grows.
struct Field {
    text: String,
    column: usize,
}

impl Field {
    fn new(id: &str) -> Self {
        let mut field = Self {
            text: format!("{NAME}:"),
            column: NAME.len() + 1,
        };
        field.token(id);
        field
    }

    /// Begins the next result.
    fn next(&mut self, token: String) {
        self.text.push(';');
        // The semicolon has a place on the line that `token` left free.
        self.column += 1;
        self.token(&token);
    }

    fn property(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.token(&format!("{name}={}", token(value)));
        }
    }

    fn token(&mut self, token: &str) {
        // One for the space before it, one for a semicolon behind it.
        if self.column + 2 + token.len() > LINE {
            self.text.push_str("\r\n\t");
            self.column = 1;
        } else {
            self.text.push(' ');
            self.column += 1;
        }
        self.text.push_str(token);
        self.column += token.len();
    }

    fn finish(mut self) -> String {
        self.text.push_str("\r\n");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::verdict::Heard;
    use super::*;

    fn verdicts() -> Verdicts {
        Verdicts {
            spf: Spf {
                result: Outcome::Pass,
                identity: Identity::MailFrom,
                domain: "bounce.verein.test".to_owned(),
            },
            dkim: vec![
                Dkim {
                    result: Outcome::Pass,
                    domain: "verein.test".to_owned(),
                    selector: "spring".to_owned(),
                    reason: None,
                },
                Dkim {
                    result: Outcome::Fail,
                    domain: "list.test".to_owned(),
                    selector: "s1".to_owned(),
                    reason: Some(Cow::Borrowed("the body was changed")),
                },
            ],
            dmarc: Dmarc {
                result: Outcome::Fail,
                domain: "verein.test".to_owned(),
                policy: Some(Policy::Reject),
            },
            spam: None,
            heard: Heard::Answered,
        }
    }

    #[test]
    fn it_reads_as_the_standard_says_and_is_folded() {
        let expected = "Authentication-Results: mx.standby.example; spf=pass\r\n\
            \tsmtp.mailfrom=bounce.verein.test; dkim=pass header.d=verein.test\r\n\
            \theader.s=spring; dkim=fail reason=\"the body was changed\" header.d=list.test\r\n\
            \theader.s=s1; dmarc=fail (p=reject) header.from=verein.test\r\n";
        let written = header("mx.standby.example", &verdicts());
        assert_eq!(written, expected);
        assert!(written.lines().all(|line| line.len() <= LINE));
        let mut none = verdicts();
        none.dkim.clear();
        none.spf.identity = Identity::Helo;
        none.dmarc.domain.clear();
        let written = header("mx.standby.example", &none);
        assert!(written.contains(" dkim=none;"), "{written}");
        assert!(written.contains("smtp.helo=bounce.verein.test"));
        assert!(written.ends_with(" dmarc=fail (p=reject)\r\n"), "{written}");
    }

    #[test]
    fn a_guest_cannot_write_beyond_a_value() {
        let mut evil = verdicts();
        let text = "x; dkim=pass\r\nSubject: \"é\u{0}(a)\\ =@";
        evil.spf.domain = text.to_owned();
        evil.dkim[0].selector = text.repeat(100);
        evil.dkim[1].reason = Some(Cow::Owned(text.repeat(100)));
        evil.dmarc.domain = text.to_owned();
        let written = header(text, &evil);
        assert_eq!(
            written.matches('\n').count(),
            written.matches("\r\n\t").count() + 1
        );
        assert!(written.is_ascii());
        let parts: Vec<&str> = written.split('"').collect();
        let [before, _, after] = parts[..] else {
            panic!("{written}");
        };
        let bare = [before, after].concat();
        assert_eq!(bare.matches(';').count(), 4);
        assert_eq!(bare.matches("dkim=").count(), 2);
        assert_eq!(bare.matches('(').count(), 1, "(p=reject)");
        assert!(written.lines().all(|line| line.len() < 998));
    }

    #[test]
    fn what_others_wrote_in_our_name_is_found() {
        let ours = "authentication-results : (hm) MX.standby.example 1;\r\n\tspf=pass x\r\n";
        let theirs = "Authentication-Results: mx.other.example; spf=pass\r\n";
        let rest = "Subject: Authentication-Results: mx.standby.example; none\r\n";
        let message = format!("{theirs}{ours}{rest}{ours}\r\n{ours}");
        let found = forged(message.as_bytes(), "mx.standby.example");
        let first = theirs.len()..theirs.len() + ours.len();
        let second = first.end + rest.len()..first.end + rest.len() + ours.len();
        assert_eq!(found, [first, second]);
        assert_eq!(forged(b"", "mx"), []);
    }
}
