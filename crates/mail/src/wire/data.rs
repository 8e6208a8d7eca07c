//! Bodies as DATA carries them (RFC 5321 §4.5.2): dots doubled, ended by CRLF, dot, CRLF.
//!
//! Nothing else ends a body, and a CR or LF alone is refused wherever it stands: servers that took
//! `LF . LF` or the like for an end let a second message be smuggled in (CVE-2023-51764, -51765,
//! -51766).

use bytes::{Buf, BytesMut};

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataProgress {
    /// All bytes were taken, more are to come.
    More,
    /// The body is whole; what is left is not part of it.
    End,
    /// A CR or LF alone.
    Bare,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// At the beginning of a line.
    #[default]
    Start,
    /// After a dot at the beginning of a line.
    Dot,
    /// After that dot and a CR.
    DotCr,
    /// Inside a line.
    Inside,
    /// After a CR.
    Cr,
}

/// Takes the dots away and finds the end.
#[derive(Debug, Default)]
pub struct DataDecoder(At);

impl DataDecoder {
    /// Takes bytes off the front of `input`, and puts the body's to `out`.
    pub fn feed(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> DataProgress {
        while let Some(&byte) = input.first() {
            match (self.0, byte) {
                (At::Start, b'.') => {
                    input.advance(1);
                    self.0 = At::Dot;
                }
                (At::Dot, b'\r') => {
                    input.advance(1);
                    self.0 = At::DotCr;
                }
                (At::DotCr, b'\n') => {
                    input.advance(1);
                    return DataProgress::End;
                }
                (At::Cr, b'\n') => {
                    input.advance(1);
                    out.extend_from_slice(b"\r\n");
                    self.0 = At::Start;
                }
                (At::DotCr | At::Cr, _) | (_, b'\n') => return DataProgress::Bare,
                // A line that began with a dot has lost it.
                (At::Start | At::Inside, b'\r') => {
                    input.advance(1);
                    self.0 = At::Cr;
                }
                (At::Start | At::Dot | At::Inside, _) => {
                    let end = memchr::memchr2(b'\r', b'\n', input).unwrap_or(input.len());
                    out.extend_from_slice(input.get(..end).unwrap_or_default());
                    input.advance(end);
                    self.0 = At::Inside;
                }
            }
        }
        DataProgress::More
    }
}

/// Doubles the dots and writes the end.
#[derive(Debug, Default)]
pub struct DataEncoder {
    /// The last two bytes that were written, where they matter.
    at: Written,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Written {
    #[default]
    Line,
    Inside,
    Cr,
}

impl DataEncoder {
    /// Writes a piece of a body to `out`.
    pub fn encode(&mut self, mut piece: &[u8], out: &mut BytesMut) {
        out.reserve(piece.len() + 16);
        while let Some(&first) = piece.first() {
            if self.at == Written::Line && first == b'.' {
                out.extend_from_slice(b".");
            }
            let end = memchr::memchr(b'\n', piece).map_or(piece.len(), |end| end + 1);
            let (line, rest) = piece.split_at(end);
            out.extend_from_slice(line);
            let cr_before = match line.len() {
                1 => self.at == Written::Cr,
                length => line.get(length - 2) == Some(&b'\r'),
            };
            self.at = match line.last() {
                Some(b'\n') if cr_before => Written::Line,
                Some(b'\r') => Written::Cr,
                _ => Written::Inside,
            };
            piece = rest;
        }
    }

    /// Writes the end; a last line without CRLF gets one.
    pub fn finish(self, out: &mut BytesMut) {
        if self.at != Written::Line {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> (DataProgress, Vec<u8>, Vec<u8>) {
        let (mut decoder, mut out, mut left) =
            (DataDecoder::default(), BytesMut::new(), BytesMut::new());
        let mut progress = DataProgress::More;
        for piece in pieces {
            left.extend_from_slice(piece);
            if progress == DataProgress::More {
                progress = decoder.feed(&mut left, &mut out);
            }
        }
        (progress, out.to_vec(), left.to_vec())
    }

    #[test]
    fn dots_are_taken_away_and_the_end_is_found() {
        let (progress, body, left) = decode(&[b"a\r\n..b\r\n.c\r\n\r\n.\r\nRSET\r\n"]);
        assert_eq!(progress, DataProgress::End);
        assert_eq!(body, b"a\r\n.b\r\nc\r\n\r\n");
        assert_eq!(left, b"RSET\r\n");
        assert_eq!(decode(&[b".\r\n"]), (DataProgress::End, vec![], vec![]));
    }

    #[test]
    fn no_other_end_is_an_end() {
        for ending in [
            &b"a\n.\n"[..],
            b"a\n.\r\n",
            b"a\r\n.\n",
            b"a\r.\r",
            b"a\r.\r\n",
            b"a\r\n.\r\r\n",
            b"a\r\n.\rb",
            b"a\r\r\n",
            b"\n",
            b".\n",
        ] {
            assert_eq!(decode(&[ending]).0, DataProgress::Bare, "{ending:?}");
        }
        let (progress, body, _) = decode(&[b"a\r\n\0.\r\nb\r\n.\0\r\n"]);
        assert_eq!(
            (progress, body),
            (DataProgress::More, b"a\r\n\0.\r\nb\r\n\0\r\n".to_vec())
        );
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        vec(
            prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')],
            0..40,
        )
    }

    proptest! {
        #[test]
        fn every_cut_gives_the_same(bytes in bytes(), cut in 0_usize..40, again in 0_usize..40) {
            let (low, high) = (cut.min(again).min(bytes.len()), cut.max(again).min(bytes.len()));
            let whole = decode(&[&bytes]);
            let cut = decode(&[&bytes[..low], &bytes[low..high], &bytes[high..]]);
            prop_assert_eq!(whole.0, cut.0);
            prop_assert_eq!(whole.1, cut.1);
            if whole.0 == DataProgress::End {
                prop_assert_eq!(whole.2, cut.2);
            }
        }

        #[test]
        fn what_is_encoded_is_decoded(lines in vec("[.a\\-]{0,6}", 0..8), cut in 0_usize..50) {
            let body: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
            let (first, second) = body.split_at(cut.min(body.len()));
            let (mut encoder, mut out) = (DataEncoder::default(), BytesMut::new());
            encoder.encode(first, &mut out);
            encoder.encode(second, &mut out);
            encoder.finish(&mut out);
            prop_assert_eq!(decode(&[&out]), (DataProgress::End, body, vec![]));
        }
    }
}
