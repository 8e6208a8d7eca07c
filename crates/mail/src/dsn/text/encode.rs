//! How text is written in 7 bits, and what clients wrote so is read.

/// RFC 2045 §2.7: ASCII in lines of at most 998 bytes that end with CRLF.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n');
    let ended = bytes.is_empty() || bytes.ends_with(b"\r\n");
    let plain = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.len() <= 998 && line.iter().all(|b| b.is_ascii() && !matches!(b, 0 | b'\r'))
    };
    ended && lines.into_iter().all(plain)
}

/// RFC 2045 §6.7, for text whose lines end with CRLF or LF; so do those of what it gives, CRLF.
pub(super) fn quoted_printable(bytes: &[u8]) -> String {
    const WIDTH: usize = 75;
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut width = 0;
        for (at, byte) in line.iter().enumerate() {
            let last = at + 1 == line.len();
            let plain = match byte {
                b' ' | b'\t' => !last,
                b'=' => false,
                byte => byte.is_ascii_graphic(),
            };
            let piece = match plain {
                true => char::from(*byte).to_string(),
                false => format!("={byte:02X}"),
            };
            if width + piece.len() > WIDTH {
                text.push_str("=\r\n");
                width = 0;
            }
            width += piece.len();
            text.push_str(&piece);
        }
        text.push_str("\r\n");
    }
    text
}

/// A field, folded where there are spaces (RFC 5322 §2.2.3). Nothing in the value can end it.
pub(super) fn folded(name: &str, value: &str) -> String {
    const WIDTH: usize = 76;
    /// RFC 5321 §4.5.3.1.5 has shorter replies; one of many lines is cut.
    const LONGEST: usize = 900;
    let clean: String = value
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            c if c.is_control() => ' ',
            c if c.is_ascii() => c,
            _ => '?',
        })
        .collect();
    let mut text = format!("{name}:");
    let mut width = text.len();
    for word in clean.split(' ').filter(|word| !word.is_empty()) {
        let first = width == name.len() + 1;
        if width + 1 + word.len() > WIDTH && !first {
            text.push_str("\r\n ");
            width = 1;
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += word.len();
    }
    text.push_str("\r\n");
    text
}

/// RFC 3461 §4: `+XX` is the byte of that number; `None` where that is no text.
pub(super) fn xtext(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'+' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Whether it can stand in a field as it is.
pub(super) fn printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// RFC 6533 §3, `utf-8-addr-xtext`.
pub(super) fn addr_xtext(text: &str) -> String {
    let one = |c: char| match c {
        '+' | '=' | '\\' => format!("\\x{{{:02X}}}", u32::from(c)),
        c if c.is_ascii_graphic() => c.to_string(),
        c => format!("\\x{{{:02X}}}", u32::from(c)),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_through_seven_bits() {
        assert_eq!(
            quoted_printable("für = \n".as_bytes()),
            "f=C3=BCr =3D=20\r\n"
        );
        let long = quoted_printable("ü".repeat(100).as_bytes());
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
        assert_eq!(long.replace("=\r\n", "").matches("=C3=BC").count(), 100);
        assert!(is_plain(b"a\r\nb\r\n") && is_plain(b""));
        for odd in [&b"a\nb"[..], b"\xff\r\n", b"a\r\n\0\r\n", b"a\rb\r\n"] {
            assert!(!is_plain(odd), "{odd:?}");
        }
    }

    #[test]
    fn a_field_cannot_be_ended_by_its_value() {
        let field = folded("X", &format!("a\r\nEvil: {} b", "c".repeat(2000)));
        assert!(field.ends_with("\r\n") && field.len() < 1100);
        assert!(
            field.lines().skip(1).all(|line| line.starts_with(' ')),
            "{field}"
        );
    }

    #[test]
    fn what_clients_wrote_is_read() {
        assert_eq!(xtext("a+2Bb+3Dc").as_deref(), Some("a+b=c"));
        assert_eq!(xtext("a+0D+0A").as_deref(), Some("a\r\n"));
        assert!(!printable("a\r\n") && !printable(""));
        assert_eq!(xtext("a+2"), None);
        assert_eq!(xtext("+FF"), None);
        assert_eq!(addr_xtext("mü+x@a"), "m\\x{FC}\\x{2B}x@a");
    }
}
