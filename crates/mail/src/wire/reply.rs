//! Replies (RFC 5321 §4.2), written and read, and what an EHLO reply offers.

use std::borrow::Cow;
use std::fmt;

use bytes::{Buf, BytesMut};

/// A reply: code, enhanced code (RFC 2034), words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<(u8, u16, u16)>,
    words: Words,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Words {
    One(Cow<'static, str>),
    Many(Vec<String>),
}

impl Reply {
    /// A reply in fixed words.
    pub const fn fixed(code: u16, enhanced: (u8, u16, u16), words: &'static str) -> Self {
        Self {
            code,
            enhanced: Some(enhanced),
            words: Words::One(Cow::Borrowed(words)),
        }
    }

    /// A reply in fixed words without an enhanced code.
    pub const fn plain(code: u16, words: &'static str) -> Self {
        Self {
            code,
            enhanced: None,
            words: Words::One(Cow::Borrowed(words)),
        }
    }

    /// A reply in one line of words.
    pub fn owned(code: u16, enhanced: Option<(u8, u16, u16)>, words: String) -> Self {
        Self {
            code,
            enhanced,
            words: Words::One(Cow::Owned(words)),
        }
    }

    /// A reply of several lines.
    pub fn of_lines(code: u16, lines: Vec<String>) -> Self {
        Self {
            code,
            enhanced: None,
            words: Words::Many(lines),
        }
    }

    /// Three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code, if it has one.
    pub fn enhanced(&self) -> Option<(u8, u16, u16)> {
        self.enhanced
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match &self.words {
            Words::One(one) => (Some(one.as_ref()), None),
            Words::Many(many) => (None, Some(many.iter().map(String::as_str))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Writes it, with a hyphen in all lines but the last (RFC 5321 §4.2.1).
    pub fn write_to(&self, out: &mut BytesMut) {
        use std::fmt::Write;
        let last = match &self.words {
            Words::One(_) => 0,
            Words::Many(lines) => lines.len().saturating_sub(1),
        };
        for (number, line) in self.lines().enumerate() {
            let between = if number == last { ' ' } else { '-' };
            // Writing to memory does not fail.
            let _ = write!(out, "{}{between}", self.code);
            if let Some((class, subject, detail)) = self.enhanced {
                let _ = write!(out, "{class}.{subject}.{detail} ");
            }
            let _ = write!(out, "{}\r\n", Clean(line));
        }
    }
}

/// Words from elsewhere must not end a line too early.
struct Clean<'a>(&'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split(|c: char| c.is_control()) {
            f.write_str(part)?;
        }
        Ok(())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some((class, subject, detail)) = self.enhanced {
            write!(f, " {class}.{subject}.{detail}")?;
        }
        for line in self.lines() {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

/// Bytes that are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A longer line is no reply of anybody (RFC 5321 §4.5.3.1.5 says 512).
const LONGEST_LINE: usize = 4096;
const MOST_LINES: usize = 128;

/// Reads replies from bytes as they come.
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    lines: Vec<String>,
}

impl ReplyReader {
    /// Takes one reply off the front, if it is whole.
    ///
    /// # Errors
    /// The bytes are no reply, or too long for one.
    pub fn read(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, Malformed> {
        loop {
            let Some(end) = memchr::memchr(b'\n', input) else {
                return match input.len() > LONGEST_LINE {
                    true => Err(Malformed),
                    false => Ok(None),
                };
            };
            if end > LONGEST_LINE || self.lines.len() >= MOST_LINES {
                return Err(Malformed);
            }
            let line = input.split_to(end);
            input.advance(1);
            // COMPAT: a reply that ends with LF alone can hide nothing here.
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if self.line(line)? {
                let code = self.code.take().ok_or(Malformed)?;
                return Ok(Some(put_together(code, std::mem::take(&mut self.lines))));
            }
        }
    }

    /// One line; whether it is the last.
    fn line(&mut self, line: &[u8]) -> Result<bool, Malformed> {
        let (digits, rest) = line.split_at_checked(3).ok_or(Malformed)?;
        let digits = std::str::from_utf8(digits).map_err(|_| Malformed)?;
        let code: u16 = digits.parse().map_err(|_| Malformed)?;
        if !(200..600).contains(&code) || self.code.is_some_and(|first| first != code) {
            return Err(Malformed);
        }
        self.code = Some(code);
        let (last, words) = match rest.split_first() {
            None => (true, &[][..]),
            Some((b' ', words)) => (true, words),
            Some((b'-', words)) => (false, words),
            Some(_) => return Err(Malformed),
        };
        self.lines.push(String::from_utf8_lossy(words).into_owned());
        Ok(last)
    }
}

/// Takes the enhanced code off the words (RFC 2034 §4: the same on each line).
fn put_together(code: u16, mut lines: Vec<String>) -> Reply {
    let enhanced = lines.first().and_then(|line| enhanced_of(line, code));
    if enhanced.is_some() {
        for line in &mut lines {
            // COMPAT: some say it on the first line only.
            if enhanced_of(line, code) == enhanced
                && let Some((_, rest)) = line.split_once(' ')
            {
                *line = rest.to_owned();
            }
        }
    }
    let words = match <[String; 1]>::try_from(lines) {
        Ok([one]) => Words::One(Cow::Owned(one)),
        Err(many) => Words::Many(many),
    };
    Reply {
        code,
        enhanced,
        words,
    }
}

fn enhanced_of(line: &str, code: u16) -> Option<(u8, u16, u16)> {
    let word = line.split(' ').next()?;
    let mut numbers = word.split('.');
    let (class, subject, detail) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let class: u8 = class.parse().ok()?;
    let right = numbers.next().is_none() && u16::from(class) == code / 100;
    right.then_some((class, subject.parse().ok()?, detail.parse().ok()?))
}

/// What a server offers (RFC 5321 §4.1.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// `SIZE` is known.
    pub has_size: bool,
    /// The largest message it takes, if it says so.
    pub size: Option<u64>,
    /// `8BITMIME`.
    pub eightbitmime: bool,
    /// `SMTPUTF8`.
    pub smtputf8: bool,
    /// `PIPELINING`.
    pub pipelining: bool,
    /// `CHUNKING`.
    pub chunking: bool,
    /// `DSN`.
    pub dsn: bool,
    /// `STARTTLS`.
    pub starttls: bool,
    /// The attributes that `XCLIENT` takes; empty where it is not offered.
    pub xclient: Vec<String>,
}

impl Capabilities {
    /// What a reply to EHLO or LHLO offers.
    pub fn of(reply: &Reply) -> Self {
        let mut can = Self::default();
        for line in reply.lines().skip(1) {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            match words
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
                .as_str()
            {
                "SIZE" => {
                    can.has_size = true;
                    can.size = words
                        .next()
                        .and_then(|size| size.parse().ok())
                        .filter(|size| *size > 0);
                }
                "8BITMIME" => can.eightbitmime = true,
                "SMTPUTF8" => can.smtputf8 = true,
                "PIPELINING" => can.pipelining = true,
                "CHUNKING" => can.chunking = true,
                "DSN" => can.dsn = true,
                "STARTTLS" => can.starttls = true,
                "XCLIENT" => can.xclient = words.map(str::to_ascii_uppercase).collect(),
                _ => {}
            }
        }
        can
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Reply>, Malformed> {
        ReplyReader::default().read(&mut BytesMut::from(bytes))
    }

    #[test]
    fn replies_are_read_and_what_they_offer() {
        let ehlo = b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 XCLIENT NAME ADDR\r\n";
        let reply = read(ehlo).unwrap().unwrap();
        let can = Capabilities::of(&reply);
        assert!(can.pipelining && can.has_size && !can.starttls);
        assert_eq!((can.size, can.xclient.len()), (Some(1000), 2));
        let refused = read(b"550 5.1.1 <a@b.test> No such user\r\n")
            .unwrap()
            .unwrap();
        assert_eq!((refused.code(), refused.enhanced()), (550, Some((5, 1, 1))));
        assert_eq!(refused.to_string(), "550 5.1.1 <a@b.test> No such user");
        let first = read(b"550-5.7.1 no\r\n550 see https://x.test\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(first.to_string(), "550 5.7.1 no see https://x.test");
        assert_eq!(read(b"250\r\n").unwrap().unwrap().code(), 250);
        assert_eq!(read(b"250-a\r\n"), Ok(None));
        assert_eq!(read(b"250 a"), Ok(None));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bytes in [
            &b"hello\r\n"[..],
            b"25\r\n",
            b"250-a\r\n251 b\r\n",
            b"999 a\r\n",
            b"250?a\r\n",
        ] {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(read(&vec![b'2'; LONGEST_LINE + 1]), Err(Malformed));
        assert_eq!(read(&b"250-a\r\n".repeat(MOST_LINES + 1)), Err(Malformed));
    }

    #[test]
    fn words_from_elsewhere_end_no_line() {
        let mut out = BytesMut::new();
        Reply::owned(250, None, "a\r\n354 b".to_owned()).write_to(&mut out);
        assert_eq!(&out[..], b"250 a354 b\r\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            code in 200_u16..600,
            lines in proptest::collection::vec("[a-z][ -~]{0,30}", 1..5),
            cut in 0_usize..40,
        ) {
            let mut out = BytesMut::new();
            Reply::of_lines(code, lines.clone()).write_to(&mut out);
            let mut reader = ReplyReader::default();
            let mut first = out.split_to(cut.min(out.len()));
            let early = reader.read(&mut first).unwrap();
            first.unsplit(out);
            let reply = match early {
                Some(reply) => reply,
                None => reader.read(&mut first).unwrap().unwrap(),
            };
            prop_assert_eq!(reply.code(), code);
            prop_assert_eq!(reply.lines().collect::<Vec<_>>(), lines);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
