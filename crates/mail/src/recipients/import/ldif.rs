//! What a directory exports: RFC 2849, as OpenLDAP, Active Directory (`ldifde`), 389 Directory
//! Server and Zimbra write it.
//!
//! An entry is somebody with `mail`; further addresses stand under many names. Disabled accounts
//! are taken: in Active Directory shared mailboxes are such, and mail reaches them.

use data_encoding::BASE64;

use super::Ignored;
use super::collect::{Collector, shown};
use super::found::Kind;

/// Attributes with somebody's own address.
const OWN: [&str; 4] = [
    "mail",
    "rfc822mailbox",
    "zimbramaildeliveryaddress",
    "mailprimaryaddress",
];
/// Attributes with further ones.
const FURTHER: [&str; 12] = [
    "mailalternateaddress",
    "mailalternativeaddress",
    "gosamailalternateaddress",
    "proxyaddresses",
    "maillocaladdress",
    "mailequivalentaddress",
    "mailalias",
    "mailaliases",
    "zimbramailalias",
    "zimbramailcatchalladdress",
    "emailaddress",
    "emailaddresses",
];

pub(super) fn read(text: &str, out: &mut Collector<'_>) {
    let mut entry = Entry::default();
    for (line, text) in unfolded(text) {
        if text.trim().is_empty() {
            std::mem::take(&mut entry).end(out);
            continue;
        }
        // RFC 2849: a comment.
        if text.starts_with('#') {
            continue;
        }
        let Some((name, value)) = divided(&text) else {
            out.lost(line, "no colon; RFC 2849 wants `attribute: value`");
            continue;
        };
        match value {
            Some(value) => entry.attribute(line, &name, &value, out),
            None if OWN.contains(&name.as_str()) || FURTHER.contains(&name.as_str()) => {
                let message = format!("the value of `{}` is not readable base64", shown(&name));
                out.lost(line, message);
            }
            // Pictures and the like.
            None => {}
        }
    }
    entry.end(out);
}

/// One entry of the directory, as far as it is about mail.
#[derive(Default)]
struct Entry {
    begun: bool,
    own: Vec<(usize, String)>,
    further: Vec<(usize, String)>,
    closed: bool,
    /// The line of a change that is no whole entry.
    change: Option<usize>,
}

impl Entry {
    fn attribute(&mut self, line: usize, name: &str, value: &str, out: &mut Collector<'_>) {
        match name {
            "dn" => {
                // Some exports leave the empty line away.
                if self.begun {
                    std::mem::take(self).end(out);
                }
                self.begun = true;
            }
            "changetype" if !value.eq_ignore_ascii_case("add") => self.change = Some(line),
            // ldapsearch(1) ends with what the server said: 0 is all of it.
            "result" if !self.begun && !value.starts_with("0 ") && value != "0" => {
                let message = format!(
                    "the directory's answer is not whole (`{}`); ask for all of it, in pages (`ldapsearch -E pr=500/noprompt`)",
                    shown(value)
                );
                out.lost(line, message);
            }
            "zimbraaccountstatus" if value.eq_ignore_ascii_case("closed") => self.closed = true,
            name if OWN.contains(&name) => self.own.push((line, value.to_owned())),
            name if FURTHER.contains(&name) => self.further.push((line, value.to_owned())),
            _ => {}
        }
    }

    fn end(self, out: &mut Collector<'_>) {
        if let Some(line) = self.change {
            let mend = "a change (`changetype`), not an entry; export the entries themselves";
            out.lost(line, mend);
        } else if self.closed {
            out.ignore(Ignored::Disabled);
        } else if self.begun && self.own.is_empty() && self.further.is_empty() {
            out.ignore(Ignored::NoAddress);
        } else {
            let kinds = std::iter::once(Kind::Person).chain(std::iter::repeat(Kind::Alias));
            for ((line, value), kind) in self.own.iter().zip(kinds) {
                out.proxy(*line, value, kind);
            }
            for (line, value) in &self.further {
                out.proxy(*line, value, Kind::Alias);
            }
        }
    }
}

/// The name in lower case without its options (`mail;lang-de`), and the value; `None` as the value
/// where it cannot be read.
fn divided(line: &str) -> Option<(String, Option<String>)> {
    let (name, value) = line.split_once(':')?;
    let name = name.split(';').next().unwrap_or_default().trim();
    let name = name.to_ascii_lowercase();
    // RFC 2849: `::` before base64, `:<` before the address of a file, which is not opened.
    let value = match value.strip_prefix(':') {
        Some(coded) => BASE64
            .decode(coded.trim().as_bytes())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok()),
        None => (!value.starts_with('<')).then(|| value.trim().to_owned()),
    };
    Some((name, value))
}

/// RFC 2849 §2: a line that begins with a blank continues the one before, a comment too.
fn unfolded(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut lines = text.lines().enumerate().peekable();
    std::iter::from_fn(move || {
        let (index, first) = lines.next()?;
        let mut whole = first.to_owned();
        while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with(' ')) {
            whole.push_str(more.get(1..).unwrap_or_default());
        }
        Some((index + 1, whole))
    })
}

/// Whether a text looks like this: its first line that says something does.
pub(super) fn looks_like(text: &str) -> bool {
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let begins = |line: &str| {
        let lower = line.to_ascii_lowercase();
        ["dn:", "version: 1"]
            .iter()
            .any(|name| lower.starts_with(name))
    };
    lines.take(2).any(begins)
}
