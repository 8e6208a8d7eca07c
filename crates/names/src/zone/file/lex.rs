//! The lines of a zone file (RFC 1035 §5.1): comments and parentheses are gone, words are as they
//! were written, quotes and escapes included.

/// One entry, however many lines it spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// Whether it begins with a blank: then the owner is the last one.
    pub(super) indented: bool,
    /// Its words; octets beyond ASCII are escaped.
    pub(super) words: Vec<String>,
}

/// A place and what is wrong there.
pub(super) type Problem = (usize, String);

/// All entries, or what is never closed.
pub(super) fn entries(text: &[u8]) -> Result<Vec<Entry>, Problem> {
    let mut all = Vec::new();
    let mut entry = Entry::default();
    let mut word: Option<String> = None;
    let (mut line, mut open, mut quoted) = (1, None, None);
    let mut begins = true;
    // Windows ends its lines with two octets, some editors begin a file with a mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut octets = text.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        let at_start = std::mem::take(&mut begins);
        if entry.words.is_empty() && word.is_none() && at_start {
            entry.line = line;
            entry.indented = matches!(octet, b' ' | b'\t');
        }
        match octet {
            b'\\' => {
                let word = word.get_or_insert_default();
                word.push('\\');
                match octets.next() {
                    Some(b'\n') | None => return Err((line, "a line ends with `\\`".to_owned())),
                    Some(next) => push(word, next),
                }
            }
            b'"' => {
                word.get_or_insert_default().push('"');
                quoted = match quoted {
                    None => Some(line),
                    Some(_) => {
                        entry.words.extend(word.take());
                        None
                    }
                };
            }
            b'\n' if quoted.is_some() => {
                return Err((line, "a quote is not closed on its line".to_owned()));
            }
            _ if quoted.is_some() => push(word.get_or_insert_default(), octet),
            b';' => {
                entry.words.extend(word.take());
                while octets.next_if(|next| *next != b'\n').is_some() {}
            }
            b'(' | b')' => {
                entry.words.extend(word.take());
                match (octet, open) {
                    (b'(', None) => open = Some(line),
                    (b')', Some(_)) => open = None,
                    (b'(', Some(_)) => return Err((line, "a `(` within `(`".to_owned())),
                    _ => return Err((line, "a `)` without a `(`".to_owned())),
                }
            }
            b' ' | b'\t' | b'\r' => entry.words.extend(word.take()),
            b'\n' => {
                entry.words.extend(word.take());
                line += 1;
                if open.is_none() {
                    begins = true;
                    if !entry.words.is_empty() {
                        all.push(std::mem::take(&mut entry));
                    }
                }
            }
            octet => push(word.get_or_insert_default(), octet),
        }
    }
    entry.words.extend(word.take());
    if quoted.is_some() {
        return Err((line, "a quote is not closed on its line".to_owned()));
    }
    if let Some(opened) = open {
        return Err((opened, "a `(` is not closed".to_owned()));
    }
    if !entry.words.is_empty() {
        all.push(entry);
    }
    Ok(all)
}

fn push(word: &mut String, octet: u8) {
    match octet {
        0x20..=0x7e => word.push(char::from(octet)),
        octet => {
            let escaped = format!("\\{octet:03}");
            word.push_str(&escaped);
        }
    }
}

/// The octets that a word stands for: without its quotes, escapes resolved (RFC 1035 §5.1).
pub(super) fn octets(word: &str) -> Option<Vec<u8>> {
    let inner = word
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let mut rest = inner.unwrap_or(word).as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        match rest {
            [
                a @ b'0'..=b'9',
                b @ b'0'..=b'9',
                c @ b'0'..=b'9',
                after @ ..,
            ] => {
                let digit = |octet: &u8| u16::from(*octet - b'0');
                let value = digit(a) * 100 + digit(b) * 10 + digit(c);
                out.push(u8::try_from(value).ok()?);
                rest = after;
            }
            [other, after @ ..] => {
                out.push(*other);
                rest = after;
            }
            [] => return None,
        }
    }
    Some(out)
}

/// A time as BIND writes it: seconds, or numbers with s, m, h, d, w.
pub(super) fn seconds(word: &str) -> Option<u32> {
    if !word.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let (mut total, mut number, mut digits) = (0u64, 0u64, false);
    for letter in word.bytes() {
        if letter.is_ascii_digit() {
            number = number
                .checked_mul(10)?
                .checked_add(u64::from(letter - b'0'))?;
            digits = true;
            continue;
        }
        let unit = match letter.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        if !std::mem::take(&mut digits) {
            return None;
        }
        total = total.checked_add(std::mem::take(&mut number).checked_mul(unit)?)?;
    }
    // RFC 2181 §8: 31 bits.
    let total = total.checked_add(number)?;
    u32::try_from(total)
        .ok()
        .filter(|total| *total <= i32::MAX.unsigned_abs())
}
