//! Messages out of a seed, with what makes real ones hard to pass on unchanged, and the check
//! that each arrived exactly once and as it was. The same seed gives the same bytes.
//!
//! ```text
//!   Corpus --messages--> sender ... primary --> Dovecot
//!      |                                           |
//!      +---- Checker::sent ----> Checker::check <--+ delivered()
//! ```

mod checker;

use std::fmt::Write as _;

pub use checker::{Checker, Verdict};

/// Header that carries the message's number; always the message's own first one, so that what
/// servers put in front (trace fields) can be told from it.
pub const NUMBER: &str = "X-Test-Number";

/// The longest line that RFC 5322 allows, without its end.
const LONGEST: usize = 998;
/// Size of a big message.
const BIG: usize = 20 * 1024 * 1024;

/// What is special about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ASCII and short lines.
    Plain,
    /// UTF-8 in the body (8BITMIME).
    EightBit,
    /// UTF-8 in both addresses and in the header (SMTPUTF8).
    Utf8Addresses,
    /// Lines of 998 characters.
    LongLines,
    /// Lines that begin with dots, and lines that are nothing else.
    Dots,
    /// Several parts, one of them base64.
    Multipart,
    /// 20 MB.
    Big,
}

/// The kinds that come in turn; big ones are counted apart.
const TURNS: &[Kind] = &[
    Kind::Plain,
    Kind::EightBit,
    Kind::LongLines,
    Kind::Dots,
    Kind::Multipart,
    Kind::Utf8Addresses,
];

/// One message, its envelope and its number.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Unique in its corpus, from `Recipe::first` on.
    pub number: u32,
    /// Envelope sender.
    pub from: String,
    /// Envelope recipient.
    pub to: String,
    /// What is special about it.
    pub kind: Kind,
    /// Header and body; every line ends with CRLF, dots are not doubled.
    pub bytes: Vec<u8>,
}

/// What a corpus is made of.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Number of the first message.
    pub first: u32,
    /// How many messages, without the big ones.
    pub count: u32,
    /// How many big ones come at the end.
    pub big: u32,
    /// Domain of the senders.
    pub sender: String,
    /// Recipients with ASCII addresses, in turn.
    pub recipients: Vec<String>,
    /// Recipients with UTF-8 addresses, in turn; without them no such message is made.
    pub utf8_recipients: Vec<String>,
}

impl Recipe {
    /// `count` messages and no big one to these recipients, told apart by their characters.
    #[must_use]
    pub fn new(seed: u64, count: u32, sender: &str, recipients: &[&str]) -> Self {
        let (ascii, utf8): (Vec<&str>, Vec<&str>) = recipients
            .iter()
            .copied()
            .partition(|address| address.is_ascii());
        let owned = |list: Vec<&str>| list.into_iter().map(ToOwned::to_owned).collect();
        Self {
            seed,
            first: 1,
            count,
            big: 0,
            sender: sender.to_owned(),
            recipients: owned(ascii),
            utf8_recipients: owned(utf8),
        }
    }

    /// Makes message number `number` (from `first` on), without making the others: for runs
    /// whose messages would not fit into memory together.
    #[must_use]
    pub fn mail(&self, number: u32) -> Mail {
        let index = number.saturating_sub(self.first);
        let turn = usize::try_from(index).unwrap_or(0);
        let kind = if index >= self.count {
            Kind::Big
        } else {
            TURNS[turn % TURNS.len()]
        };
        let kind = match kind {
            Kind::Utf8Addresses if self.utf8_recipients.is_empty() => Kind::Plain,
            kind => kind,
        };
        let (from, list) = match kind {
            Kind::Utf8Addresses => ("jürgen", &self.utf8_recipients),
            _ => ("anna", &self.recipients),
        };
        let from = format!("{from}@{}", self.sender);
        let round = turn / TURNS.len() + turn % TURNS.len();
        let to = match list.len() {
            0 => String::new(),
            some => list[round % some].clone(),
        };
        let mut chance = Chance(self.seed ^ (u64::from(number) << 32));
        let bytes = message(&mut chance, self, number, kind, (&from, &to));
        Mail {
            number,
            from,
            to,
            kind,
            bytes,
        }
    }

    /// All numbers.
    #[must_use]
    pub fn numbers(&self) -> std::ops::Range<u32> {
        let all = self.count.saturating_add(self.big);
        self.first..self.first.saturating_add(all)
    }

    /// All messages.
    pub fn mails(&self) -> impl Iterator<Item = Mail> + '_ {
        self.numbers().map(|number| self.mail(number))
    }
}

/// Numbers by SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 12] = [
            "Protokoll",
            "der",
            "Sitzung",
            "vom",
            "Montag",
            "und",
            "die",
            "Kasse",
            "stimmt",
            "nicht",
            "From",
            "wieder",
        ];
        let at = usize::try_from(self.below(12)).unwrap_or(0);
        WORDS[at % WORDS.len()]
    }

    fn sentence(&mut self, words: u64) -> String {
        let words: Vec<&str> = (0..words).map(|_| self.word()).collect();
        words.join(" ")
    }

    /// Characters of base64, `count` of them.
    fn letters(&mut self, count: usize) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::with_capacity(count);
        let mut pool = 0;
        for at in 0..count {
            if at % 10 == 0 {
                pool = self.next();
            }
            text.push(char::from(LETTERS[usize::try_from(pool & 63).unwrap_or(0)]));
            pool >>= 6;
        }
        text
    }
}

fn message(
    chance: &mut Chance,
    recipe: &Recipe,
    number: u32,
    kind: Kind,
    (from, to): (&str, &str),
) -> Vec<u8> {
    let domain = &recipe.sender;
    let unique = chance.next();
    let mut lines = vec![
        format!("{NUMBER}: {number}"),
        format!("Message-ID: <{number}.{unique:016x}@{domain}>"),
        "Date: Mon, 02 Nov 2026 10:00:00 +0100".to_owned(),
        format!("From: Anna <{from}>"),
        format!("To: {to}"),
    ];
    let subject = match kind {
        Kind::Utf8Addresses => "Grüße",
        _ => "Protokoll",
    };
    // A folded field, with a tab that has to stay a tab.
    lines.push(format!(
        "Subject: {subject} {number} {kind:?}\r\n\t{}",
        chance.sentence(4)
    ));
    lines.push("MIME-Version: 1.0".to_owned());
    let (content, encoding) = match kind {
        Kind::Multipart | Kind::Big => ("multipart/mixed; boundary=\"=_teil\"", "7bit"),
        Kind::EightBit | Kind::Utf8Addresses => ("text/plain; charset=utf-8", "8bit"),
        _ => ("text/plain; charset=us-ascii", "7bit"),
    };
    lines.push(format!("Content-Type: {content}"));
    lines.push(format!("Content-Transfer-Encoding: {encoding}"));
    lines.push(String::new());
    body(chance, kind, &mut lines);
    let mut bytes = lines.join("\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn body(chance: &mut Chance, kind: Kind, lines: &mut Vec<String>) {
    let paragraph = |chance: &mut Chance, lines: &mut Vec<String>| {
        for _ in 0..chance.below(20) + 2 {
            lines.push(chance.sentence(8));
        }
    };
    paragraph(chance, lines);
    match kind {
        Kind::Plain => {
            // Blanks at a line's end, an empty line, and what old mailboxes took for a new mail.
            lines.extend(["blank ", "", "From here on", "\ttab\t"].map(str::to_owned));
        }
        Kind::EightBit | Kind::Utf8Addresses => {
            lines.push("Grüße aus Köln, 12 € und ein Herz: \u{1f49a}".to_owned());
        }
        Kind::LongLines => {
            lines.push(chance.letters(LONGEST));
            // A dot in front makes it longer on the wire.
            lines.push(format!(".{}", chance.letters(LONGEST.saturating_sub(1))));
            lines.push(chance.letters(LONGEST));
        }
        Kind::Dots => {
            lines.extend(
                [
                    ".", "..", "...", ".", "", ".text", "..text", " .", ".\t", ".",
                ]
                .map(str::to_owned),
            );
        }
        Kind::Multipart | Kind::Big => {
            let rows = if kind == Kind::Big { BIG / 78 } else { 40 };
            parts(chance, rows, lines);
        }
    }
}

/// A text and an attachment of so many lines.
fn parts(chance: &mut Chance, rows: usize, lines: &mut Vec<String>) {
    let mut head = String::from("--=_teil\r\nContent-Type: text/plain; charset=utf-8\r\n");
    let _ = write!(
        head,
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe {}=",
        chance.word()
    );
    lines.push(head);
    lines.push(String::new());
    lines.push("--=_teil\r\nContent-Type: application/octet-stream".to_owned());
    lines.push("Content-Transfer-Encoding: base64\r\n".to_owned());
    for _ in 0..rows {
        lines.push(chance.letters(76));
    }
    lines.push("--=_teil--".to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe::new(
            7,
            24,
            "sender.test",
            &["a@x.test", "müller@x.test", "b@x.test"],
        )
    }

    #[test]
    fn a_seed_gives_the_same_bytes_again() {
        for (one, other) in recipe().mails().zip(recipe().mails()) {
            assert_eq!(one.bytes, other.bytes);
        }
    }

    #[test]
    fn lines_are_as_long_as_allowed_and_end_with_crlf() {
        for mail in recipe().mails() {
            assert!(mail.bytes.ends_with(b"\r\n"));
            let text = String::from_utf8(mail.bytes).unwrap();
            assert!(text.starts_with(NUMBER));
            let longest = text.split("\r\n").map(str::len).max().unwrap();
            assert!(longest <= LONGEST, "{longest} in {:?}", mail.kind);
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        }
    }

    #[test]
    fn every_kind_comes_and_every_recipient() {
        let mut recipe = recipe();
        recipe.big = 1;
        let mails: Vec<Mail> = recipe.mails().collect();
        assert!(
            TURNS
                .iter()
                .chain(&[Kind::Big])
                .all(|kind| mails.iter().any(|mail| mail.kind == *kind))
        );
        for to in ["a@x.test", "b@x.test", "müller@x.test"] {
            assert!(mails.iter().any(|mail| mail.to == to), "{to}");
        }
        assert!(mails.last().unwrap().bytes.len() >= BIG);
    }
}
