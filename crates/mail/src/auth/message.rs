//! What the checks read of a message: bounded, and without a question to anybody.

use std::borrow::Cow;

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Signature;

use super::verdict::{Dkim, Outcome};

/// Signatures that are looked at (RFC 6376 §6.1 leaves the number to the verifier).
const SIGNATURES: usize = 8;

/// Bytes of header that are looked at.
const HEADER: usize = 256 * 1024;

/// Fields of the header that are looked at, and names in a signature's `h=`: finding each named
/// field costs the product of the two.
const FIELDS: usize = 1000;
const SIGNED_FIELDS: usize = 100;

/// A message, read.
pub(super) struct Examined<'m> {
    /// The message without its signatures; `None` if it has no header, or one that is too large
    /// to be looked at.
    pub(super) message: Option<AuthenticatedMessage<'m>>,
    /// The same once more for each signature that is to be verified, so that each can be given
    /// up on its own.
    pub(super) signed: Vec<AuthenticatedMessage<'m>>,
    /// Signatures about which nobody needs to be asked.
    pub(super) refused: Vec<Dkim>,
    /// Whether the header is too large.
    pub(super) oversized: bool,
}

impl<'m> Examined<'m> {
    /// Reads all of `message`, and hashes its body as the signatures ask for.
    pub(super) fn whole(message: &'m [u8]) -> Self {
        let header = header_len(message);
        Self::read(message, header)
    }

    /// Reads the header of `message` only: what would be looked at, without the work.
    pub(super) fn header(message: &'m [u8]) -> Self {
        let header = header_len(message);
        Self::read(message.get(..header).unwrap_or(message), header)
    }

    fn read(message: &'m [u8], header: usize) -> Self {
        let mut examined = Self {
            message: None,
            signed: Vec::new(),
            refused: Vec::new(),
            oversized: header > HEADER || fields(message, header) > FIELDS,
        };
        if examined.oversized {
            let reason = "the header is too large to be examined";
            examined.refuse(Outcome::Neutral, String::new(), String::new(), reason);
            return examined;
        }
        let Some(mut whole) = AuthenticatedMessage::parse(message) else {
            return examined;
        };
        for error in std::mem::take(&mut whole.errors) {
            if error.name.eq_ignore_ascii_case(b"DKIM-Signature")
                && examined.refused.len() < SIGNATURES
            {
                let (result, reason) = unreadable(&error.header);
                examined.refuse(result, String::new(), String::new(), reason);
            }
        }
        let room = SIGNATURES - examined.refused.len();
        let signatures = std::mem::take(&mut whole.dkim_headers);
        for signature in signatures.into_iter().take(room) {
            if let Some((result, reason)) = unusable(&signature.header) {
                let (domain, selector) = (signature.header.d, signature.header.s);
                examined.refuse(result, domain, selector, reason);
                continue;
            }
            let mut signed = whole.clone();
            signed.dkim_headers = vec![signature];
            examined.signed.push(signed);
        }
        examined.message = Some(whole);
        examined
    }

    fn refuse(&mut self, result: Outcome, domain: String, selector: String, why: &'static str) {
        self.refused.push(Dkim {
            result,
            domain,
            selector,
            reason: Some(Cow::Borrowed(why)),
        });
    }

    /// The domain of the author, if there is exactly one (RFC 9989 §4.10: DMARC applies to a
    /// `From:` with one domain).
    pub(super) fn author_domain(&self) -> String {
        let from = self.message.iter().flat_map(|message| &message.from);
        let mut domains = from.filter_map(|address| address.rsplit_once('@'));
        let Some((_, first)) = domains.next() else {
            return String::new();
        };
        if domains.any(|(_, domain)| domain != first) {
            return String::new();
        }
        mail_auth::common::to_a_label(first).into_owned()
    }
}

/// The length of the header with the empty line that ends it (RFC 5322 §2.1).
pub(super) fn header_len(message: &[u8]) -> usize {
    let mut at = 0;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line == b"\r\n" || line == b"\n" || at > HEADER {
            break;
        }
    }
    at
}

/// How many fields the header has: lines that do not go on with the one before.
fn fields(message: &[u8], header: usize) -> usize {
    let header = message.get(..header).unwrap_or(message);
    let lines = header.split(|byte| *byte == b'\n');
    let first = |line: &&[u8]| line.first().is_some_and(|byte| !b" \t\r".contains(byte));
    lines.filter(first).count()
}

/// Why a signature is not worth verifying.
fn unusable(signature: &Signature) -> Option<(Outcome, &'static str)> {
    if signature.a == Algorithm::RsaSha1 {
        // RFC 8301 §3.1: rsa-sha1 is neither made nor accepted any more.
        return Some((Outcome::PermError, "rsa-sha1 is not accepted"));
    }
    let mut names = signature.h.iter();
    if !names.any(|name| name.trim().eq_ignore_ascii_case("from")) {
        // RFC 6376 §6.1.1: a signature that does not cover From: is to be ignored.
        return Some((Outcome::PermError, "From is not signed"));
    }
    if signature.h.len() > SIGNED_FIELDS {
        return Some((Outcome::Policy, "too many fields are signed"));
    }
    None
}

fn unreadable(error: &mail_auth::Error) -> (Outcome, &'static str) {
    use mail_auth::Error::Dkim;
    use mail_auth::dkim::DkimError::SignatureLength;
    match error {
        // RFC 6376 §8.2: what is appended behind l= is anybody's.
        Dkim(SignatureLength) => (Outcome::Policy, "l= is not accepted"),
        _ => (Outcome::Neutral, "the signature cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_ends_at_the_first_empty_line() {
        assert_eq!(header_len(b"A: b\r\n\r\nbody\r\n\r\n"), 8);
        assert_eq!(header_len(b"A: b\r\n"), 6);
        assert_eq!(header_len(b""), 0);
        assert_eq!(fields(b"A: b\r\n c\r\nD: e\r\n\r\nx\r\n", 18), 2);
    }

    #[test]
    fn a_header_without_end_is_not_read() {
        let long = [b"X: ".as_slice(), &[b'a'; HEADER]].concat();
        let many = "X: y\r\n".repeat(FIELDS + 1);
        for message in [long.as_slice(), many.as_bytes()] {
            let examined = Examined::whole(message);
            assert!(examined.oversized && examined.message.is_none());
            assert_eq!(examined.refused.len(), 1);
        }
    }

    #[test]
    fn signatures_are_counted_and_weak_ones_refused() {
        let signature =
            |tags: &str| format!("DKIM-Signature: v=1; d=a.test; s=s; bh=YQ==; b=YQ==; {tags}\r\n");
        let from = "From: a@a.test\r\n\r\nbody\r\n";
        let names = "from:".repeat(SIGNED_FIELDS + 1);
        let cases = [
            ("a=rsa-sha1; h=from", Outcome::PermError),
            ("a=rsa-sha256; h=to", Outcome::PermError),
            ("a=rsa-sha256; h=from; l=3", Outcome::Policy),
            ("a=rsa-sha256", Outcome::Neutral),
            (&format!("a=rsa-sha256; h={names}to"), Outcome::Policy),
        ];
        for (tags, result) in cases {
            let message = signature(tags) + from;
            let examined = Examined::whole(message.as_bytes());
            let results: Vec<_> = examined.refused.iter().map(|dkim| dkim.result).collect();
            assert_eq!(results, [result], "{tags}");
            assert!(examined.signed.is_empty());
            assert_eq!(examined.author_domain(), "a.test");
        }
        let message = signature("a=rsa-sha256; h=from").repeat(20) + from;
        assert_eq!(Examined::whole(message.as_bytes()).signed.len(), SIGNATURES);
    }

    #[test]
    fn two_authors_of_two_domains_are_nobodys() {
        let domain = |from: &str| {
            let message = format!("From: {from}\r\n\r\n");
            Examined::header(message.as_bytes()).author_domain()
        };
        assert_eq!(domain("a@B.test, c@b.test"), "b.test");
        assert_eq!(domain("a@b.test, c@d.test"), "");
        assert_eq!(domain("nobody"), "");
    }
}
