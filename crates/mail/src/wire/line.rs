//! Lines end with CR and LF, and with nothing else (RFC 5321 §2.3.8).

use bytes::{Buf, Bytes, BytesMut};

/// What was found at the front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its end.
    Whole(Bytes),
    /// It has no end yet.
    Partial,
    /// It is longer than allowed.
    TooLong,
    /// A CR or LF alone: others may see another line here than we do.
    Bare,
}

/// Takes a line off the front.
pub fn take_line(input: &mut BytesMut, longest: usize) -> Line {
    let Some(end) = memchr::memchr(b'\n', input) else {
        // The last byte may be the CR of an end that has not come yet.
        let seen = input.len().saturating_sub(1);
        let bare = memchr::memchr(b'\r', input.get(..seen).unwrap_or_default()).is_some();
        return match (bare, input.len() > longest) {
            (true, _) => Line::Bare,
            (false, true) => Line::TooLong,
            (false, false) => Line::Partial,
        };
    };
    let Some(length) = end.checked_sub(1) else {
        return Line::Bare;
    };
    if memchr::memchr(b'\r', input.get(..end).unwrap_or_default()) != Some(length) {
        return Line::Bare;
    }
    if length > longest {
        return Line::TooLong;
    }
    let line = input.split_to(length).freeze();
    input.advance(2);
    Line::Whole(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cr_and_lf_together_end_a_line() {
        let take = |bytes: &[u8]| take_line(&mut BytesMut::from(bytes), 10);
        assert_eq!(
            take(b"NOOP\r\nRSET\r\n"),
            Line::Whole(Bytes::from_static(b"NOOP"))
        );
        assert_eq!(take(b"\r\n"), Line::Whole(Bytes::new()));
        for partial in [&b""[..], b"NOOP", b"NOOP\r"] {
            assert_eq!(take(partial), Line::Partial);
        }
        for bare in [
            &b"NOOP\n"[..],
            b"\n",
            b"NO\rOP\r\n",
            b"NO\rOP",
            b"NOOP\r\r\n",
            b"\r\r",
        ] {
            assert_eq!(take(bare), Line::Bare, "{bare:?}");
        }
        assert_eq!(take(b"0123456789a\r\n"), Line::TooLong);
        assert_eq!(take(b"0123456789ab"), Line::TooLong);
    }
}
