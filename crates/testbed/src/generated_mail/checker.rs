//! What was sent against what lies in the mailboxes: lost, doubled, altered.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::{Result, bail};

use super::{Mail, NUMBER};
use crate::peer::dovecot::Delivered;

/// A message for a recipient.
type Copy = (u32, String);

/// Keeps of each sent message what is needed to know it again.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    sent: BTreeMap<Copy, Sent>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    print: Print,
    acknowledged: bool,
}

/// Length and hash of a message with LF as line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    length: u64,
    hash: u64,
}

/// What is wrong; empty lists are right.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Copies that were compared.
    pub compared: usize,
    /// Acknowledged and in no mailbox.
    pub lost: Vec<Copy>,
    /// In the recipient's mailbox more than once, and how often.
    pub duplicated: Vec<(Copy, usize)>,
    /// In the mailbox, and not as it was sent.
    pub altered: Vec<Copy>,
    /// In a mailbox, and sent to nobody there (the file).
    pub unexpected: Vec<String>,
    /// Never acknowledged and delivered all the same: allowed.
    pub extra: usize,
}

impl Checker {
    /// A message whose delivery the server has promised for its own recipient.
    pub fn sent(&mut self, mail: &Mail) {
        self.sent_to(mail, &mail.to);
    }

    /// A message whose delivery the server has promised for this recipient.
    pub fn sent_to(&mut self, mail: &Mail, to: &str) {
        self.keep(mail, to, true);
    }

    /// A message that was tried without an answer: it may arrive, and it may not.
    pub fn tried(&mut self, mail: &Mail) {
        let copy = (mail.number, mail.to.clone());
        // A later try does not take back a promise.
        if !self.sent.contains_key(&copy) {
            self.keep(mail, &mail.to, false);
        }
    }

    fn keep(&mut self, mail: &Mail, to: &str, acknowledged: bool) {
        let print = print(&mail.bytes);
        self.sent.insert(
            (mail.number, to.to_owned()),
            Sent {
                print,
                acknowledged,
            },
        );
    }

    /// How many copies were promised.
    #[must_use]
    pub fn promised(&self) -> usize {
        self.sent.values().filter(|sent| sent.acknowledged).count()
    }

    /// Compares with the mailboxes.
    #[must_use]
    pub fn check(&self, delivered: &[Delivered]) -> Verdict {
        let mut verdict = Verdict::default();
        let mut seen: BTreeMap<Copy, usize> = BTreeMap::new();
        for file in delivered {
            let found = own_part(&file.bytes)
                .map(|(number, own)| ((number, file.user.clone()), own))
                .and_then(|(copy, own)| self.sent.get(&copy).map(|sent| (copy, own, sent)));
            let Some((copy, own, sent)) = found else {
                verdict.unexpected.push(file.path.display().to_string());
                continue;
            };
            verdict.compared += 1;
            if print(own) != sent.print {
                verdict.altered.push(copy.clone());
            }
            let times = seen.entry(copy).or_default();
            *times += 1;
            if !sent.acknowledged && *times == 1 {
                verdict.extra += 1;
            }
        }
        for (copy, sent) in &self.sent {
            match seen.get(copy) {
                None if sent.acknowledged => verdict.lost.push(copy.clone()),
                Some(times) if *times > 1 => verdict.duplicated.push((copy.clone(), *times)),
                _ => {}
            }
        }
        verdict
    }
}

impl Verdict {
    /// Nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty()
            && self.duplicated.is_empty()
            && self.altered.is_empty()
            && self.unexpected.is_empty()
    }

    /// An error that names what is wrong.
    pub fn require_clean(&self) -> Result<()> {
        if !self.is_clean() {
            bail!(
                "{self}; lost {:?}, doubled {:?}, altered {:?}, unexpected {:?}",
                few(&self.lost),
                few(&self.duplicated),
                few(&self.altered),
                few(&self.unexpected)
            );
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} compared: {} lost, {} doubled, {} altered, {} unexpected, {} never promised",
            self.compared,
            self.lost.len(),
            self.duplicated.len(),
            self.altered.len(),
            self.unexpected.len(),
            self.extra
        )
    }
}

fn few<T>(list: &[T]) -> &[T] {
    list.get(..5).unwrap_or(list)
}

/// The number, and the bytes from the message's own first header field on. What servers put in
/// front of it is theirs.
fn own_part(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, next) = rest.split_at_checked(end.checked_add(1)?)?;
        if line.trim_ascii().is_empty() {
            return None;
        }
        if let Some(value) = line.strip_prefix(NUMBER.as_bytes()) {
            let text = std::str::from_utf8(value).ok()?;
            return Some((text.trim_start_matches(':').trim().parse().ok()?, rest));
        }
        rest = next;
    }
}

/// Mailboxes hold LF where the wire has CRLF; a CR elsewhere counts.
fn print(bytes: &[u8]) -> Print {
    let mut hasher = DefaultHasher::new();
    let mut length = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        // The same pieces for both line ends.
        let (text, end): (&[u8], &[u8]) = match line.strip_suffix(b"\n") {
            Some(text) => (text.strip_suffix(b"\r").unwrap_or(text), b"\n"),
            None => (line, b""),
        };
        for piece in [text, end] {
            hasher.write(piece);
            length += u64::try_from(piece.len()).unwrap_or(0);
        }
    }
    length.hash(&mut hasher);
    Print {
        length,
        hash: hasher.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recipe;
    use super::*;

    fn delivered(mail: &Mail) -> Delivered {
        let text = String::from_utf8(mail.bytes.clone()).unwrap();
        let text = format!("Received: by x\n\tid 1\n{}", text.replace("\r\n", "\n"));
        Delivered {
            user: mail.to.clone(),
            path: format!("/{}", mail.number).into(),
            bytes: text.into_bytes(),
        }
    }

    fn three() -> (Checker, Vec<Delivered>) {
        let recipe = Recipe::new(1, 3, "sender.test", &["a@x.test"]);
        let mut checker = Checker::default();
        recipe.mails().for_each(|mail| checker.sent(&mail));
        (
            checker,
            recipe.mails().map(|mail| delivered(&mail)).collect(),
        )
    }

    #[test]
    fn all_is_well() {
        let (checker, files) = three();
        checker.check(&files).require_clean().unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (checker, mut files) = three();
        // A blank before the last line's end.
        files[0].bytes.pop();
        files[0].bytes.extend_from_slice(b" \n");
        files[1] = files[2].clone();
        let mut foreign = files[2].clone();
        foreign.user = "b@x.test".to_owned();
        files.push(foreign);
        let verdict = checker.check(&files);
        let a = || "a@x.test".to_owned();
        assert_eq!(verdict.altered, [(1, a())]);
        assert_eq!(verdict.lost, [(2, a())]);
        assert_eq!(verdict.duplicated, [((3, a()), 2)]);
        assert_eq!(verdict.unexpected, ["/3"]);
    }

    #[test]
    fn what_was_never_promised_may_come_or_not() {
        let recipe = Recipe::new(1, 2, "sender.test", &["a@x.test"]);
        let mut checker = Checker::default();
        recipe.mails().for_each(|mail| checker.tried(&mail));
        let verdict = checker.check(&[delivered(&recipe.mail(1))]);
        assert!(verdict.is_clean() && verdict.extra == 1, "{verdict}");
    }
}
