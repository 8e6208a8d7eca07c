//! What cannot be a list, said in words: a login page, a workbook, an archive, a mailbox, an error
//! message. Whoever would take one for a list would refuse everybody afterwards.

use std::fmt;

use super::{Ignored, Imported};

/// So much of a text is looked at, in bytes.
const LOOKED_AT: usize = 64 << 10;

/// Why a file is no list of people. It names no people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoList {
    /// The line, from 1.
    pub line: usize,
    /// What it is instead, and what to do.
    pub message: String,
}

impl NoList {
    pub(super) fn new(line: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { line, message }
    }
}

impl fmt::Display for NoList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for NoList {}

/// First bytes, what they begin, and what to do instead.
const MAGIC: [(&[u8], &str); 18] = [
    (b"%PDF", "a PDF; export the list as CSV"),
    (
        b"\xd0\xcf\x11\xe0",
        "an old Office document; save it as CSV (UTF-8)",
    ),
    (b"\x1f\x8b", "packed with gzip; unpack it first"),
    (b"BZh", "packed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "packed with xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd; unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"SQLite format 3\0", "an SQLite database; export a table"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (
        b"{\\rtf",
        "a text with formatting (RTF); save it as plain text",
    ),
    (b"%!PS", "PostScript; export the list as CSV"),
    (b"-----BEGIN ", "a key or a certificate (PEM)"),
    (b"#!/", "a script"),
];

/// What the first bytes show.
pub(super) fn by_bytes(bytes: &[u8]) -> Result<(), NoList> {
    let found = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, what)) = found {
        return Err(is(1, what));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(is(1, zipped(bytes)));
    }
    if bytes
        .get(257..)
        .is_some_and(|rest| rest.starts_with(b"ustar"))
    {
        return Err(is(1, "a tar archive; unpack it first"));
    }
    // Berkeley DB: hash and btree, in both orders of bytes.
    let magic = bytes.get(12..16).unwrap_or_default();
    if [
        [0x61, 0x15, 0x06, 0],
        [0, 0x06, 0x15, 0x61],
        [0x62, 0x31, 0x05, 0],
        [0, 0x05, 0x31, 0x62],
    ]
    .iter()
    .any(|one| magic == one)
    {
        let mend = "a compiled map; import what `postmap -s` prints of it";
        return Err(is(1, mend));
    }
    Ok(())
}

fn zipped(bytes: &[u8]) -> &'static str {
    let start = bytes
        .get(..bytes.len().min(LOOKED_AT))
        .unwrap_or_default()
        .windows(16);
    let mut what = "a ZIP archive; unpack it first";
    for window in start {
        if window.starts_with(b"xl/") || window.starts_with(b"[Content_Types]") {
            what = "a workbook (Excel); save it as CSV (UTF-8)";
        } else if window.starts_with(b"word/") {
            return "a document (Word); save it as plain text";
        } else if window.starts_with(b"opendocument.") {
            return "a workbook or document (OpenDocument); save it as CSV (UTF-8)";
        }
    }
    what
}

fn is(line: usize, what: &str) -> NoList {
    NoList::new(line, format!("not a list of recipients but {what}"))
}

/// What the text shows.
pub(super) fn by_text(text: &str) -> Result<(), NoList> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        let message = "the file is empty; look whether the export went wrong";
        return Err(NoList::new(1, message));
    }
    let start = text.trim_start();
    let before = text.len() - start.len();
    let line = text
        .get(..before)
        .map_or(1, |blank| blank.matches('\n').count() + 1);
    let looked = start
        .get(..start.floor_char_boundary(LOOKED_AT))
        .unwrap_or(start);
    if let Some(what) = is_markup(looked, text)
        .or_else(|| is_data(looked, text))
        .or_else(|| is_mail(looked))
    {
        return Err(is(line, what));
    }
    if is_error(text) {
        let shown = super::collect::shown(start.lines().next().unwrap_or_default());
        let message = format!(
            "not a list of recipients but an error message (`{shown}`); look at what wrote the file"
        );
        return Err(NoList::new(line, message));
    }
    let odd = |sign: char| sign.is_control() && !"\t\r\n\u{b}\u{c}\0".contains(sign);
    if looked.chars().filter(|sign| odd(*sign)).count() * 50 > looked.len() {
        return Err(is(line, "binary data; export the list as text"));
    }
    Ok(())
}

/// HTML, XML, or a whole HTTP answer.
fn is_markup(start: &str, text: &str) -> Option<&'static str> {
    const PAGE: &str = "an HTML page (of a login or an error?); download the list itself";
    let lower = start.to_ascii_lowercase();
    if lower.starts_with("http/1.") || lower.starts_with("http/2") {
        return Some("the answer of a web server; download the list itself");
    }
    let page = ["<!doctype html", "<html", "<head", "<body", "</html>"];
    if page.iter().any(|tag| lower.contains(tag)) || text.trim_end().ends_with("</html>") {
        return Some(PAGE);
    }
    if lower.starts_with("<?xml") {
        return Some("XML; export the list as CSV or LDIF");
    }
    // `<anna@verein.test>` is an address, and `<div class="login">` is none.
    let tag = lower.strip_prefix('<')?.split('>').next()?;
    let begins = tag.starts_with(|sign: char| sign.is_ascii_alphabetic() || "!/?".contains(sign));
    (begins && !tag.contains('@')).then_some(PAGE)
}

/// What programs write for programs.
fn is_data(start: &str, text: &str) -> Option<&'static str> {
    let json = ["{\"", "[{", "[\"", "{\n", "{\r\n", "{ \"", "[\n", "[\r\n"];
    let whole = || {
        let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
        parsed.is_ok()
    };
    if json.iter().any(|begin| start.starts_with(begin))
        || (start.starts_with(['{', '[']) && whole())
    {
        return Some("JSON; export the list as CSV or LDIF, or one address a line");
    }
    let upper = start
        .get(..start.floor_char_boundary(4096))
        .unwrap_or(start)
        .to_ascii_uppercase();
    if upper.starts_with("BEGIN:VCARD") {
        return Some("an address book (vCard); export it as CSV");
    }
    if upper.starts_with("BEGIN:VCALENDAR") {
        return Some("a calendar");
    }
    let sql = [
        "CREATE TABLE",
        "INSERT INTO",
        "-- MYSQL DUMP",
        "-- POSTGRESQL",
    ];
    if sql.iter().any(|word| upper.contains(word)) {
        return Some("a dump of a database (SQL); export a table as CSV");
    }
    None
}

/// A mailbox (mbox) or a message: RFC 4155 and RFC 5322 §3.6.
fn is_mail(start: &str) -> Option<&'static str> {
    let first = start.lines().next().unwrap_or_default();
    let words = first.split_ascii_whitespace().count();
    if first.starts_with("From ") && words >= 6 && first.contains(':') {
        return Some("a mailbox with messages (mbox)");
    }
    let usual = [
        "return-path:",
        "received:",
        "delivered-to:",
        "from:",
        "to:",
        "subject:",
        "date:",
        "message-id:",
        "mime-version:",
    ];
    let mut seen = 0_u32;
    for line in start.lines().take(30).take_while(|line| !line.is_empty()) {
        let lower = line.to_ascii_lowercase();
        let at = usual.iter().position(|name| lower.starts_with(name));
        seen |= at.map_or(0, |at| 1 << at);
    }
    (seen.count_ones() >= 4).then_some("a message")
}

/// One or two lines that a program wrote in the place of a list.
fn is_error(text: &str) -> bool {
    if text.contains('@') || text.lines().filter(|line| !line.trim().is_empty()).count() > 3 {
        return false;
    }
    let lower = text.to_lowercase();
    let mut words = lower.split(|sign: char| !sign.is_alphanumeric());
    let phrase = ["not found", "no such", "timed out"];
    let said = |word: &str| {
        [
            "error",
            "denied",
            "failed",
            "failure",
            "unauthorized",
            "forbidden",
            "invalid",
            "refused",
            "expired",
            "usage",
            "exception",
            "cannot",
        ]
        .contains(&word)
    };
    // A single word may be somebody's name.
    let several = text.split_whitespace().count() > 1;
    several && (words.any(said) || phrase.iter().any(|phrase| lower.contains(phrase)))
}

/// What reading it showed: where most entries are not understood, the rest are chance.
pub(super) fn by_lines(imported: &Imported) -> Result<(), NoList> {
    let lost = imported.ignored.get(&Ignored::NotUnderstood);
    let lost = lost.copied().unwrap_or(0);
    if lost <= imported.understood {
        return Ok(());
    }
    let first = imported.problems.iter().find(|problem| problem.line > 0);
    let (line, words) = first.map_or((1, ""), |one| (one.line, one.message.as_str()));
    let all = lost + imported.understood;
    let message = match all {
        1 => words.to_owned(),
        _ => format!(
            "{lost} of {all} entries are not understood, so this is not taken for a list of recipients; the first: {words}. If it is one, say how it is written with `--format`"
        ),
    };
    Err(NoList::new(line, message))
}
