//! The lines of a transcript.

/// Whether the line is something that the session says or asks; `says` is its letter.
pub(super) fn is_said(line: &str, says: char) -> bool {
    line.starts_with("? ") || line.starts_with("= ") || is_heard(line, says)
}

/// Whether the line is bytes of the end with the letter `hears`.
pub(super) fn is_heard(line: &str, hears: char) -> bool {
    let rest = line.strip_prefix(hears);
    rest.is_some_and(|rest| rest.starts_with([':', '|']))
}

/// Whether the line does nothing.
pub(super) fn is_silent(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// The bytes of a line `C: …` or `C| …`.
pub(super) fn heard(line: &str) -> Option<Vec<u8>> {
    let (mark, rest) = line.split_at_checked(2)?;
    let text = rest.strip_prefix(' ').unwrap_or(rest);
    if mark.ends_with(':') {
        return Some([text.as_bytes(), b"\r\n"].concat());
    }
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'x' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            other @ (b'\\' | b'"' | b'\'') => other,
            _ => return None,
        });
    }
    Some(bytes)
}

/// Bytes as lines of a transcript.
pub(super) fn shown(bytes: &[u8], says: char) -> Vec<String> {
    let show = |line: &[u8]| {
        let text = line.strip_suffix(b"\r\n");
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        match text.filter(|text| !text.contains(char::is_control) && !text.ends_with(' ')) {
            Some("") => format!("{says}:"),
            Some(text) => format!("{says}: {text}"),
            None => format!("{says}| {}", line.escape_ascii()),
        }
    };
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(show)
        .collect()
}

/// What the transcript says behind `->` of the question that comes after `before` others.
pub(super) fn told<'a>(expected: &[&'a str], before: usize, shown: &str) -> Option<&'a str> {
    let mut questions = expected.iter().filter_map(|line| line.strip_prefix("? "));
    let (question, said) = questions.nth(before)?.rsplit_once(" -> ")?;
    (question == shown).then_some(said)
}

/// What was said, with the expected line where it fits.
pub(super) fn merge(expected: &[&str], said: Vec<String>) -> Vec<String> {
    let mut expected = expected.iter();
    let mut fitting = |said: String| match expected.next() {
        Some(line) if fits(line, &said) => (*line).to_owned(),
        _ => said,
    };
    said.into_iter().map(&mut fitting).collect()
}

fn fits(expected: &str, said: &str) -> bool {
    match expected.strip_suffix('…') {
        Some(start) => said.starts_with(start),
        None => said == expected,
    }
}
