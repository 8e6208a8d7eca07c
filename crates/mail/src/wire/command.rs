//! One command line (RFC 5321 §4.1.1 and the extensions that we offer), without its CRLF.

use super::parameter::{each, is_xtext};
use super::path::{ForwardPath, Mailbox, ReversePath};
use super::reply::Reply;

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// EHLO with a name.
    Ehlo(String),
    /// HELO with a name.
    Helo(String),
    /// LHLO with a name (RFC 2033).
    Lhlo(String),
    /// MAIL.
    Mail(MailCommand),
    /// RCPT.
    Rcpt(RcptCommand),
    /// DATA.
    Data,
    /// BDAT (RFC 3030).
    Bdat {
        /// So many bytes follow the line.
        size: u64,
        /// They are the last.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth,
    /// XCLIENT and what follows it.
    Xclient(String),
    /// A verb that nobody knows.
    Unknown,
}

/// MAIL (RFC 5321 §4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailCommand {
    /// The reverse path.
    pub from: ReversePath,
    /// `SIZE` (RFC 1870).
    pub size: Option<u64>,
    /// `BODY=8BITMIME` (RFC 6152).
    pub eight_bit: bool,
    /// `SMTPUTF8` (RFC 6531).
    pub utf8: bool,
    /// `RET` (RFC 3461 §4.3): `FULL` or `HDRS`.
    pub ret: Option<String>,
    /// `ENVID` (RFC 3461 §4.4), as said.
    pub envid: Option<String>,
    /// Parameters that we do not know, as said: the primary may.
    pub further: Vec<String>,
}

/// RCPT (RFC 5321 §4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptCommand {
    /// Whom.
    pub to: Mailbox,
    /// Hosts to go through were named.
    pub routed: bool,
    /// `NOTIFY` (RFC 3461 §4.1), as said.
    pub notify: Option<String>,
    /// `ORCPT` (RFC 3461 §4.2), as said.
    pub orcpt: Option<String>,
    /// Parameters that we do not know, as said: the primary may.
    pub further: Vec<String>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that no command has.
    Bytes,
    /// No name after EHLO or HELO, or none that can be one.
    Name,
    /// No sender, or none that can be one.
    Sender,
    /// No recipient, or none that can be one.
    Recipient,
    /// Parameters that make no sense.
    Parameters,
    /// A parameter whose value we do not offer.
    Value,
    /// Something behind a command that stands alone.
    Arguments,
}

impl Fault {
    /// What is answered (RFC 5321 §4.2.2).
    pub fn reply(self) -> Reply {
        match self {
            Self::Bytes => Reply::fixed(500, (5, 5, 2), "Not a command"),
            Self::Name => Reply::fixed(501, (5, 5, 4), "A name or an address literal is needed"),
            Self::Sender => Reply::fixed(501, (5, 1, 7), "Not an address"),
            Self::Recipient => Reply::fixed(501, (5, 1, 3), "Not an address"),
            Self::Parameters => Reply::fixed(501, (5, 5, 4), "Parameters not understood"),
            Self::Value => Reply::fixed(504, (5, 5, 4), "Parameter value not supported"),
            Self::Arguments => Reply::fixed(501, (5, 5, 4), "Nothing can follow this command"),
        }
    }
}

/// So much is kept of what a client calls itself (RFC 5321 §4.5.3.1.2).
const LONGEST_NAME: usize = 255;

impl Command {
    /// Reads one line.
    ///
    /// # Errors
    /// It is a command that is not written as the RFC says.
    pub fn parse(line: &[u8]) -> Result<Self, Fault> {
        if let Some(hello) = hello(line) {
            return hello;
        }
        let text = std::str::from_utf8(line).map_err(|_| Fault::Bytes)?;
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Fault::Bytes);
        }
        let text = text.trim_matches(BLANK);
        let (verb, rest) = text.split_once(BLANK).unwrap_or((text, ""));
        let rest = rest.trim_start_matches(BLANK);
        let alone = |command: Self| match rest.is_empty() {
            true => Ok(command),
            false => Err(Fault::Arguments),
        };
        match verb.to_ascii_uppercase().as_str() {
            // They were looked for above, and need a name.
            "EHLO" | "HELO" | "LHLO" => Err(Fault::Name),
            "MAIL" => mail(rest).map(Self::Mail),
            "RCPT" => rcpt(rest).map(Self::Rcpt),
            "DATA" => alone(Self::Data),
            "BDAT" => bdat(rest),
            "RSET" => alone(Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "QUIT" => alone(Self::Quit),
            "VRFY" => Ok(Self::Vrfy),
            "EXPN" => Ok(Self::Expn),
            "HELP" => Ok(Self::Help),
            "STARTTLS" => alone(Self::StartTls),
            "AUTH" => Ok(Self::Auth),
            "XCLIENT" => Ok(Self::Xclient(rest.to_owned())),
            _ => Ok(Self::Unknown),
        }
    }
}

/// What divides words, as Postfix reads commands.
const BLANK: [char; 2] = [' ', '\t'];

/// RFC 5321 §4.1.1.1, and any name: what a client calls itself is kept for the record and proves
/// nothing. COMPAT: printers, scanners and routers say anything here, and Postfix takes it.
fn hello(line: &[u8]) -> Option<Result<Command, Fault>> {
    let (verb, rest) = line.split_at_checked(4)?;
    let make = match verb.to_ascii_uppercase().as_slice() {
        b"EHLO" => Command::Ehlo,
        b"HELO" => Command::Helo,
        b"LHLO" => Command::Lhlo,
        _ => return None,
    };
    if !matches!(rest.first(), Some(b' ' | b'\t')) {
        return None;
    }
    let text = String::from_utf8_lossy(rest);
    let text = text.trim_matches(BLANK);
    if text.is_empty() || text.contains('\0') {
        return Some(Err(Fault::Name));
    }
    let shown = |c: char| if c.is_control() { '?' } else { c };
    Some(Ok(make(
        text.chars().map(shown).take(LONGEST_NAME).collect(),
    )))
}

/// What follows `FROM:` or `TO:`, which are written in any case.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    // COMPAT: many senders put a space behind the colon.
    head.eq_ignore_ascii_case(word)
        .then(|| rest.trim_start_matches(BLANK))
}

fn mail(text: &str) -> Result<MailCommand, Fault> {
    let path = after(text, "FROM:").ok_or(Fault::Sender)?;
    let (from, rest) = ReversePath::read(path).ok_or(Fault::Sender)?;
    let mut mail = MailCommand {
        from,
        size: None,
        eight_bit: false,
        utf8: false,
        ret: None,
        envid: None,
        further: Vec::new(),
    };
    if !rest.is_empty() && !rest.starts_with(BLANK) {
        return Err(Fault::Sender);
    }
    for parameter in each(rest) {
        let (keyword, value) = parameter?;
        match (keyword.as_str(), value) {
            // RFC 1870 §3: up to 20 digits; what does not fit is too large in any case.
            ("SIZE", Some(value))
                if value.len() <= 20 && value.bytes().all(|b| b.is_ascii_digit()) =>
            {
                mail.size = Some(value.parse().unwrap_or(u64::MAX));
            }
            ("BODY", Some(value)) => match value.to_ascii_uppercase().as_str() {
                "7BIT" => mail.eight_bit = false,
                "8BITMIME" => mail.eight_bit = true,
                // BINARYMIME is not offered (RFC 3030 §3).
                _ => return Err(Fault::Value),
            },
            ("SMTPUTF8", None) => mail.utf8 = true,
            ("RET", Some(value)) => match value.to_ascii_uppercase().as_str() {
                ret @ ("FULL" | "HDRS") => mail.ret = Some(ret.to_owned()),
                _ => return Err(Fault::Value),
            },
            ("ENVID", Some(value)) if is_xtext(value, 100) => {
                mail.envid = Some(value.to_owned());
            }
            // RFC 4954 §5: understood by whoever relays, and believed from nobody.
            ("AUTH", Some(_)) => {}
            ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => {
                return Err(Fault::Parameters);
            }
            _ => mail.further.push(said(&keyword, value)),
        }
    }
    Ok(mail)
}

fn rcpt(text: &str) -> Result<RcptCommand, Fault> {
    let path = after(text, "TO:").ok_or(Fault::Recipient)?;
    let (path, rest) = ForwardPath::read(path).ok_or(Fault::Recipient)?;
    if !rest.is_empty() && !rest.starts_with(BLANK) {
        return Err(Fault::Recipient);
    }
    let mut rcpt = RcptCommand {
        to: path.mailbox,
        routed: path.routed,
        notify: None,
        orcpt: None,
        further: Vec::new(),
    };
    for parameter in each(rest) {
        let (keyword, value) = parameter?;
        match (keyword.as_str(), value) {
            ("NOTIFY", Some(value)) => {
                let value = value.to_ascii_uppercase();
                let words = value.split(',');
                let right = value == "NEVER"
                    || words
                        .into_iter()
                        .all(|word| matches!(word, "SUCCESS" | "FAILURE" | "DELAY"));
                rcpt.notify = Some(right.then_some(value).ok_or(Fault::Parameters)?);
            }
            ("ORCPT", Some(value)) if value.len() <= 500 && value.contains(';') => {
                rcpt.orcpt = Some(value.to_owned());
            }
            ("NOTIFY" | "ORCPT", _) => return Err(Fault::Parameters),
            _ => rcpt.further.push(said(&keyword, value)),
        }
    }
    Ok(rcpt)
}

/// A parameter that we do not know, as it is said to the primary.
fn said(keyword: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{keyword}={value}"),
        None => keyword.to_owned(),
    }
}

/// RFC 3030 §2: `BDAT size [LAST]`.
fn bdat(text: &str) -> Result<Command, Fault> {
    let mut words = text.split(BLANK).filter(|word| !word.is_empty());
    let size = words
        .next()
        .filter(|size| size.bytes().all(|b| b.is_ascii_digit()));
    let size = size
        .and_then(|size| size.parse().ok())
        .ok_or(Fault::Parameters)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(Fault::Parameters),
    };
    match words.next() {
        None => Ok(Command::Bdat { size, last }),
        Some(_) => Err(Fault::Parameters),
    }
}

#[cfg(test)]
mod tests;
