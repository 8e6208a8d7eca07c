//! Parameters of MAIL and RCPT (RFC 5321 §4.1.2: `esmtp-param`).

use super::command::Fault;

/// `KEYWORD` or `KEYWORD=value`, one after the other.
pub(super) fn each(text: &str) -> impl Iterator<Item = Result<(String, Option<&str>), Fault>> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(|word| {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let named = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
            && keyword
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-');
        let valued = value.is_none_or(|value| {
            !value.is_empty()
                && value
                    .chars()
                    .all(|c| c != '=' && !c.is_control() && c != ' ')
        });
        match named && valued {
            true => Ok((keyword.to_ascii_uppercase(), value)),
            false => Err(Fault::Parameters),
        }
    })
}

/// RFC 3461 §4: printable ASCII with `+XX` for everything else, at most `longest` characters once
/// that is undone.
pub(super) fn is_xtext(text: &str, longest: usize) -> bool {
    let bytes = text.as_bytes();
    let hex = |at: usize| {
        bytes
            .get(at)
            .is_some_and(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(b))
    };
    let escapes = bytes.iter().filter(|byte| **byte == b'+').count();
    let short = bytes.len() <= longest + 2 * escapes;
    short
        && bytes.iter().enumerate().all(|(at, byte)| match byte {
            b'+' => hex(at + 1) && hex(at + 2),
            b'=' => false,
            byte => byte.is_ascii_graphic(),
        })
}
