//! Whose results a field gives: the name at its beginning (RFC 8601 §2.2), by any reading of it.
//!
//! Readers differ: some undo comments, quotes and folds, some look for the first word only. A field
//! is ours, and so forged, as soon as one of them would take it for ours (§5).

/// What is known of the value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It speaks in our name.
    Ours,
    /// It speaks in another's.
    Others,
    /// Its name may still come.
    Open,
}

/// Whose results stand in `value`, which is `whole` or the beginning of one; `ours` is our name.
pub(crate) fn claim(value: &[u8], whole: bool, ours: &str) -> Claim {
    let Some(read) = read(value) else {
        // A comment or a quote without an end: where the name stands is anybody's guess.
        return match (has_word(value, ours), whole) {
            (true, _) => Claim::Ours,
            (false, true) => Claim::Others,
            (false, false) => Claim::Open,
        };
    };
    let first = value.split(|byte| *byte == b';').next();
    let plainly = has_word(first.unwrap_or_default(), ours);
    let name = |word: &str| is_name(word, ours);
    match plainly || read.words.iter().any(|word| name(word)) || name(&read.joined) {
        true => Claim::Ours,
        false if whole || read.ended => Claim::Others,
        false => Claim::Open,
    }
}

/// What stands before the first semicolon, without comments, quotes and folds.
struct Read {
    words: Vec<String>,
    /// The same without what divides the words.
    joined: String,
    /// The semicolon was there.
    ended: bool,
}

/// `None` where a comment or a quote does not end (RFC 5322 §3.2.2, §3.2.4).
fn read(value: &[u8]) -> Option<Read> {
    let mut read = Read {
        words: vec![String::new()],
        joined: String::new(),
        ended: false,
    };
    let (mut depth, mut quoted) = (0_usize, false);
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            // What stands behind a backslash is meant as it is, in quotes and outside of them.
            b'\\' if depth > 0 => {
                bytes.next();
            }
            b'\\' => read.push(bytes.next()?),
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => {
                depth += 1;
                read.divide();
            }
            b')' if !quoted => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            b';' if !quoted => {
                read.ended = true;
                break;
            }
            b' ' | b'\t' | b'\r' | b'\n' => read.divide(),
            byte => read.push(byte),
        }
    }
    (depth == 0 && !quoted).then_some(read)
}

impl Read {
    fn push(&mut self, byte: u8) {
        if byte.is_ascii_control() {
            // Some readers see none of these.
            return;
        }
        let letter = char::from(byte);
        self.joined.push(letter);
        if let Some(word) = self.words.last_mut() {
            word.push(letter);
        }
    }

    fn divide(&mut self) {
        self.words.push(String::new());
    }
}

/// Whether our name stands in `text` as a word of its own, whatever surrounds it.
fn has_word(text: &[u8], ours: &str) -> bool {
    let divides = |byte: &u8| byte.is_ascii_whitespace() || b"()\";=,<>".contains(byte);
    text.split(divides).any(|word| {
        let plain = word.iter().copied();
        let plain = plain.filter(|byte| !byte.is_ascii_control() && *byte != b'\\');
        is_name(&plain.map(char::from).collect::<String>(), ours)
    })
}

/// Whether a word is our name, in any case, with or without the root's dot and a version (§2.2).
fn is_name(word: &str, ours: &str) -> bool {
    let Some((head, rest)) = word.split_at_checked(ours.len()) else {
        return false;
    };
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    !ours.is_empty()
        && head.eq_ignore_ascii_case(ours)
        && rest.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "mx2.verein.test";

    #[test]
    fn our_name_is_seen_however_it_is_written() {
        for value in [
            " mx2.verein.test; spf=pass",
            "MX2.Verein.TEST 1; spf=pass",
            "\r\n\tmx2.verein.test\r\n ;\r\n spf=pass",
            " (a;b) mx2.verein.test; spf=pass",
            " (a (b;) \\) c) mx2.verein.test; spf=pass",
            " \"mx2.verein.test\"; spf=pass",
            " \"mx2\\.verein.te\\st\" 1; spf=pass",
            " \"mx2\".verein.test; spf=pass",
            " mx2(x).verein.test; spf=pass",
            " mx2.verein.test.; spf=pass",
            " mx2.verein.test/1; spf=pass",
            " mx2.verein.test",
            " (never closed mx2.verein.test; spf=pass",
            " \"never closed; mx2.verein.test; spf=pass",
            " \";\" mx2.verein.test; spf=pass",
            " mx2.ver\0ein.test; spf=pass",
        ] {
            let seen = claim(value.as_bytes(), true, NAME);
            assert_eq!(seen, Claim::Ours, "{value:?}");
        }
    }

    #[test]
    fn what_others_found_stays() {
        for value in [
            " mx.other.example; spf=pass smtp.helo=mx2.verein.test",
            " mx2.verein.test.other.example; none",
            " notmx2.verein.test; none",
            " mx.other.example (by mail); none",
            "",
            ";",
        ] {
            let seen = claim(value.as_bytes(), true, NAME);
            assert_eq!(seen, Claim::Others, "{value:?}");
        }
    }

    #[test]
    fn a_beginning_is_enough_where_the_name_is_over() {
        let seen = |value: &str| claim(value.as_bytes(), false, NAME);
        assert_eq!(seen(" mx.other.example; spf"), Claim::Others);
        assert_eq!(seen(" mx2.verein.test"), Claim::Ours);
        assert_eq!(seen(" (padding"), Claim::Open);
        assert_eq!(seen("   "), Claim::Open);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = claim(&bytes, true, NAME);
            let _ = claim(&bytes, false, NAME);
        }
    }
}
