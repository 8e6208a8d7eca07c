//! Bytes to text: UTF-8, UTF-16 with and without a mark, Windows-1252 (which Latin-1 is a part of),
//! and line ends of all kinds.

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{NoList, Problem};

/// So much is looked at for the order of the bytes.
const LOOKED_AT: usize = 4096;

/// The text of a file, and what a person should know about how it was read.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) text: String,
    pub(super) problem: Option<Problem>,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, NoList> {
    // RFC 3629 §6, RFC 2781 §3.2: the mark says which it is.
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(NoList::new(1, "UTF-32; save it as UTF-8"));
        }
        [0xff, 0xfe, rest @ ..] => return wide(UTF_16LE, rest),
        [0xfe, 0xff, rest @ ..] => return wide(UTF_16BE, rest),
        _ => {}
    }
    if let Some(encoding) = unmarked_wide(bytes) {
        return wide(encoding, bytes);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    Ok(narrow(bytes))
}

fn wide(encoding: &'static encoding_rs::Encoding, bytes: &[u8]) -> Result<Decoded, NoList> {
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    if broken {
        let message = format!(
            "broken {}; save it as UTF-8, and look whether it was cut off",
            encoding.name()
        );
        return Err(NoList::new(1, message));
    }
    Ok(Decoded {
        text: lines(text.into_owned()),
        problem: None,
    })
}

/// UTF-16 without a mark: lists are mostly ASCII, so every second byte is nought.
fn unmarked_wide(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let start = bytes.get(..bytes.len().min(LOOKED_AT))?;
    let pairs = start.len() / 2;
    let noughts = |at: usize| {
        start
            .chunks_exact(2)
            .filter(|pair| pair.get(at) == Some(&0))
            .count()
    };
    let (first, second) = (noughts(0), noughts(1));
    match pairs {
        0..2 => None,
        _ if second * 4 > pairs * 3 && first * 20 < pairs => Some(UTF_16LE),
        _ if first * 4 > pairs * 3 && second * 20 < pairs => Some(UTF_16BE),
        _ => None,
    }
}

/// Line by line, because lists are put together from files of several hands: what is no UTF-8 is
/// Windows-1252, in which every byte means something.
fn narrow(bytes: &[u8]) -> Decoded {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Decoded {
            text: lines(text.to_owned()),
            problem: None,
        };
    }
    let mut text = String::with_capacity(bytes.len());
    let mut first = None;
    let mut count = 0_usize;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => {
                let (line, _) = WINDOWS_1252.decode_without_bom_handling(line);
                text.push_str(&line);
                first = first.or(Some(index + 1));
                count += 1;
            }
        }
    }
    let problem = first.map(|line| Problem {
        line,
        message: format!(
            "not UTF-8; {count} lines were read as Windows-1252 (Latin-1). Save the list as UTF-8 if an address looks wrong"
        ),
    });
    Decoded {
        text: lines(text),
        problem,
    }
}

/// A CR alone ends lines where no LF does (spreadsheets say "Macintosh"), and DOS ends a file by a
/// control character.
fn lines(mut text: String) -> String {
    if text.ends_with('\u{1a}') {
        text.pop();
    }
    match text.contains('\r') && !text.contains('\n') {
        true => text.replace('\r', "\n"),
        false => text,
    }
}
