//! The header section of a message on its way in, looked at field by field while it streams by.
//!
//! Both ways use it: what passes through and what is kept. Whatever its length, no field escapes:
//!
//! | field | what is done |
//! |---|---|
//! | `Authentication-Results` in our name | taken out (RFC 8601 §5) |
//! | `X-Servergate-Id` | taken out: it is ours to give |
//! | `X-Spam-Status` | taken out where a spam filter of ours writes one |
//! | `Received` | counted (RFC 5321 §6.3) |
//! | anything else | passed on as it is |
//!
//! Only a field that may have to go waits in memory, and never more than [`MOST`] bytes of it.
//!
//! **A first line that begins with a space** continues a field (RFC 5322 §2.2.3), and there is none
//! before it but ours. So it belongs to no header: the empty line that divides header and body
//! (§2.1) is put before it, and all that came is body.

use bytes::{Buf, Bytes, BytesMut};

use crate::auth::claim::{Claim, claim};
use crate::trace::{ID_FIELD, MOST_HOPS};

/// So much of a field waits until it is known what it is. Nobody's is longer before its first
/// semicolon.
const MOST: usize = 16 << 10;

/// What must not come from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ours {
    /// Our name.
    pub(crate) name: String,
    /// We write `X-Spam-Status`.
    pub(crate) spam: bool,
}

/// Why a message is refused for its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    /// A field whose kind cannot be told within its first [`MOST`] bytes.
    TooLarge,
    /// Too many hops.
    Circles,
}

/// Where in the message we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Start,
    LineStart,
    /// The first byte of a line is a CR: perhaps the empty line.
    MaybeEmpty,
    InLine,
    Body,
}

/// What is done with the field that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field {
    /// Its name has not come yet.
    #[default]
    Unnamed,
    /// Nothing of it is ours.
    Passing,
    /// It gives results; whose, is not known yet.
    Results,
    Dropping,
}

/// The header section of one message.
#[derive(Debug, Default)]
pub(crate) struct Head {
    at: At,
    field: Field,
    /// What waits of the open field.
    waiting: BytesMut,
    hops: usize,
    removed: u64,
    /// A byte above 127 was in it.
    eight_bit: bool,
}

const RESULTS: &str = "Authentication-Results";
const SPAM: &str = "X-Spam-Status";
const RECEIVED: &str = "Received";
const WATCHED: [&str; 4] = [RESULTS, ID_FIELD, SPAM, RECEIVED];

impl Head {
    /// How many fields were taken out.
    pub(crate) fn removed(&self) -> u64 {
        self.removed
    }

    /// Whether a field is not ASCII (RFC 6532 §3.2).
    pub(crate) fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Takes the next piece of the message; gives what of it goes on.
    pub(crate) fn feed(&mut self, mut piece: Bytes, ours: &Ours) -> Result<Bytes, HeadFault> {
        if self.at == At::Body {
            return Ok(piece);
        }
        let mut out = BytesMut::with_capacity(piece.len() + 2);
        while let Some(&byte) = piece.first() {
            match self.at {
                At::Start if matches!(byte, b' ' | b'\t') => {
                    out.extend_from_slice(b"\r\n");
                    self.at = At::Body;
                }
                At::Start => self.at = At::LineStart,
                At::LineStart => self.line(byte, &mut piece, ours, &mut out),
                At::MaybeEmpty if byte == b'\n' => {
                    piece.advance(1);
                    self.close(ours, &mut out);
                    out.extend_from_slice(b"\r\n");
                    self.at = At::Body;
                }
                At::MaybeEmpty => {
                    self.open(ours, &mut out);
                    self.grow(b"\r", ours, &mut out)?;
                }
                At::InLine => {
                    let end = memchr::memchr(b'\n', &piece).map(|end| end + 1);
                    let line = piece.split_to(end.unwrap_or(piece.len()));
                    if end.is_some() {
                        self.at = At::LineStart;
                    }
                    self.grow(&line, ours, &mut out)?;
                }
                At::Body => {
                    out.extend_from_slice(&piece);
                    break;
                }
            }
        }
        Ok(out.freeze())
    }

    /// The message is whole; gives what was still waiting.
    pub(crate) fn finish(&mut self, ours: &Ours) -> Bytes {
        let mut out = BytesMut::new();
        if self.at == At::MaybeEmpty {
            self.open(ours, &mut out);
            out.extend_from_slice(b"\r");
        }
        if self.at != At::Body {
            self.close(ours, &mut out);
        }
        out.freeze()
    }

    /// A line begins: with the empty one the header ends, with a space the field goes on.
    fn line(&mut self, first: u8, piece: &mut Bytes, ours: &Ours, out: &mut BytesMut) {
        match first {
            b' ' | b'\t' => self.at = At::InLine,
            b'\r' => {
                piece.advance(1);
                self.at = At::MaybeEmpty;
            }
            _ => self.open(ours, out),
        }
    }

    /// Another field begins.
    fn open(&mut self, ours: &Ours, out: &mut BytesMut) {
        self.close(ours, out);
        self.at = At::InLine;
    }

    /// The open field is over.
    fn close(&mut self, ours: &Ours, out: &mut BytesMut) {
        if self.field == Field::Results && self.claimed(true, ours) == Claim::Ours {
            self.drop_it();
        }
        out.extend_from_slice(&self.waiting.split());
        self.field = Field::Unnamed;
    }

    /// The open field goes on.
    fn grow(&mut self, bytes: &[u8], ours: &Ours, out: &mut BytesMut) -> Result<(), HeadFault> {
        self.eight_bit |= !bytes.is_ascii();
        match self.field {
            Field::Passing => out.extend_from_slice(bytes),
            Field::Dropping => {}
            Field::Unnamed => {
                self.waiting.extend_from_slice(bytes);
                self.name(ours)?;
            }
            Field::Results => self.waiting.extend_from_slice(bytes),
        }
        if self.field == Field::Results && self.waiting.len() > MOST {
            match self.claimed(false, ours) {
                Claim::Ours => self.drop_it(),
                Claim::Others => self.field = Field::Passing,
                Claim::Open => return Err(HeadFault::TooLarge),
            }
        }
        if self.field == Field::Passing {
            out.extend_from_slice(&self.waiting.split());
        }
        Ok(())
    }

    /// Decides what the open field is, as soon as its name is there.
    fn name(&mut self, ours: &Ours) -> Result<(), HeadFault> {
        let colon = memchr::memchr(b':', &self.waiting);
        let said = self.waiting.get(..colon.unwrap_or(self.waiting.len()));
        // A reader may overlook spaces and control characters in a name, or a fold before the colon.
        let said: Vec<u8> = said
            .unwrap_or_default()
            .iter()
            .filter(|byte| byte.is_ascii_graphic())
            .copied()
            .collect();
        let is = |name: &str| said.eq_ignore_ascii_case(name.as_bytes());
        let begins = |name: &str| {
            let head = name.as_bytes().get(..said.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(&said))
        };
        self.field = match colon {
            None if !WATCHED.into_iter().any(begins) => Field::Passing,
            None if self.waiting.len() > MOST => return Err(HeadFault::TooLarge),
            None => Field::Unnamed,
            Some(_) if is(RESULTS) => Field::Results,
            Some(_) if is(ID_FIELD) || (ours.spam && is(SPAM)) => {
                self.drop_it();
                Field::Dropping
            }
            Some(_) if is(RECEIVED) => {
                self.hops += 1;
                if self.hops > MOST_HOPS {
                    return Err(HeadFault::Circles);
                }
                Field::Passing
            }
            Some(_) => Field::Passing,
        };
        Ok(())
    }

    fn claimed(&self, whole: bool, ours: &Ours) -> Claim {
        let colon = memchr::memchr(b':', &self.waiting).map_or(0, |colon| colon + 1);
        let value = self.waiting.get(colon..).unwrap_or_default();
        claim(value, whole, &ours.name)
    }

    fn drop_it(&mut self) {
        self.waiting.clear();
        self.field = Field::Dropping;
        self.removed += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours(spam: bool) -> Ours {
        Ours {
            name: "mx2.verein.test".to_owned(),
            spam,
        }
    }

    /// What goes on of a message that comes in pieces of this length.
    fn through(message: &[u8], length: usize) -> Result<Vec<u8>, HeadFault> {
        let (mut head, mut out) = (Head::default(), Vec::new());
        for piece in message.chunks(length) {
            out.extend(head.feed(Bytes::copy_from_slice(piece), &ours(true))?);
        }
        out.extend(head.finish(&ours(true)));
        Ok(out)
    }

    const FORGED: &str =
        "Authentication-Results: mx2.verein.test; dkim=pass header.d=bank.test\r\n";

    #[test]
    fn what_is_ours_goes_wherever_it_stands_and_the_rest_stays() {
        let padding = "X-Padding: 0123456789012345678901234567890123456789\r\n".repeat(8000);
        let forged = [
            FORGED,
            "AUTHENTICATION-RESULTS : (a;b)\r\n\tMX2.verein.test\r\n 1; spf=pass\r\n",
            "Authentication-Results\r\n : mx2.verein.test; spf=pass\r\n",
            "Authentication-\0Results: mx2.verein.test; spf=pass\r\n",
            "x-servergate-id: oslo-1234\r\n folded\r\n",
            "X-Spam-Status: No, score=-99\r\n",
        ];
        let kept = [
            "Authentication-Results: mx.other.example; spf=pass\r\n",
            "Authentication-Results-Original: mx2.verein.test; spf=pass\r\n",
            "Received: from a by b\r\n",
            "no colon here\r\n",
            "Subject: x\r\n",
        ];
        for length in [1, 7, 4096, usize::MAX] {
            // Byte by byte takes long; the length of the padding is nothing to it.
            let padding = if length < 100 { "X-A: b\r\n" } else { &padding };
            for one in forged {
                let message = format!("{}{padding}{one}{}\r\n{one}", kept[0], kept[1..].concat());
                let meant = format!("{}{padding}{}\r\n{one}", kept[0], kept[1..].concat());
                let seen = through(message.as_bytes(), length).unwrap();
                assert!(seen == meant.as_bytes(), "{length} {one:?}");
            }
        }
        // Without a body, and without the last line's end.
        assert_eq!(through(FORGED.as_bytes(), 5).unwrap(), b"");
        assert_eq!(through(FORGED.trim_end().as_bytes(), 5).unwrap(), b"");
    }

    #[test]
    fn a_first_line_that_begins_with_a_space_is_body() {
        for space in [" ", "\t"] {
            let message = format!("{space}folds: into what?\r\n{FORGED}\r\nbody\r\n");
            for length in [1, 3, usize::MAX] {
                let seen = through(message.as_bytes(), length).unwrap();
                assert_eq!(seen, format!("\r\n{message}").as_bytes());
            }
        }
    }

    #[test]
    fn a_field_that_hides_what_it_is_is_too_large() {
        let hidden = format!("Authentication-Results: ({})", "x".repeat(MOST));
        let spaced = format!("Authentication-Results{}: x", " ".repeat(MOST));
        for message in [hidden, spaced] {
            let seen = through(message.as_bytes(), 4096);
            assert_eq!(seen, Err(HeadFault::TooLarge));
        }
        // One that says early whose it is may be of any length.
        for (name, left) in [("mx2.verein.test", false), ("mx.other.example", true)] {
            let long = "spf=pass x;\r\n\t".repeat(MOST);
            let message = format!("Authentication-Results: {name}; {long}\r\n\r\nbody");
            let seen = through(message.as_bytes(), 4096).unwrap();
            assert_eq!(seen == message.as_bytes(), left, "{name}");
            assert!(seen.ends_with(b"\r\n\r\nbody") || seen == b"\r\nbody");
        }
    }

    #[test]
    fn hops_are_counted_to_the_end_of_the_header() {
        let padding = format!("X-A: {}\r\n", "x".repeat(400 << 10));
        let hops = |count| "Received: from a\r\n\tby b\r\n".repeat(count);
        let message = |count| format!("{padding}{}\r\n{}", hops(count), hops(200));
        let seen = through(message(MOST_HOPS).as_bytes(), 4096).unwrap();
        assert!(seen == message(MOST_HOPS).as_bytes());
        let seen = through(message(MOST_HOPS + 1).as_bytes(), 4096);
        assert_eq!(seen, Err(HeadFault::Circles));
    }

    proptest! {
        #[test]
        fn every_cut_gives_the_same(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just(FORGED), Just(" fold\r\n"), Just("\r\n"), Just("A: b\r\n"), Just("x\r\n"),
                    Just("Authentication-Results: a\r\n"), Just("X-Servergate-Id: 1\r\n"),
                    Just("\r"), Just("Auth"),
                ], 0..12),
            length in 1_usize..40,
        ) {
            let message = lines.concat();
            let whole = through(message.as_bytes(), usize::MAX);
            prop_assert_eq!(through(message.as_bytes(), length), whole);
        }
    }
}
