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
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that no command has.
    Bytes,
    /// No name after EHLO or HELO, or none that can be one.
    Name,
    /// No path, or none that can be one.
    Path,
    /// Parameters that make no sense.
    Parameters,
    /// A parameter that we do not know, or do not offer.
    UnknownParameter,
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
            Self::Path => Reply::fixed(501, (5, 1, 7), "Not an address"),
            Self::Parameters => Reply::fixed(501, (5, 5, 4), "Parameters not understood"),
            Self::UnknownParameter => Reply::fixed(555, (5, 5, 4), "Parameter not known"),
            Self::Value => Reply::fixed(504, (5, 5, 4), "Parameter value not supported"),
            Self::Arguments => Reply::fixed(501, (5, 5, 4), "Nothing can follow this command"),
        }
    }
}

/// A longer HELO name is none (RFC 5321 §4.5.3.1.2).
const LONGEST_NAME: usize = 255;

impl Command {
    /// Reads one line.
    ///
    /// # Errors
    /// It is a command that is not written as the RFC says.
    pub fn parse(line: &[u8]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(line).map_err(|_| Fault::Bytes)?;
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Fault::Bytes);
        }
        let text = text.trim_end_matches([' ', '\t']);
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let alone = |command: Self| match rest.is_empty() {
            true => Ok(command),
            false => Err(Fault::Arguments),
        };
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => name(rest).map(Self::Ehlo),
            "HELO" => name(rest).map(Self::Helo),
            "LHLO" => name(rest).map(Self::Lhlo),
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

/// RFC 5321 §4.1.1.1. What a client calls itself is kept for the record and proves nothing, so
/// anything that cannot break a trace field is let through.
fn name(text: &str) -> Result<String, Fault> {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || "-._:[]".contains(c) || (!c.is_ascii() && c.is_alphanumeric())
    };
    let right = !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(plain);
    right.then(|| text.to_owned()).ok_or(Fault::Name)
}

/// What follows `FROM:` or `TO:`, which are written in any case.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    // COMPAT: many senders put a space behind the colon.
    head.eq_ignore_ascii_case(word)
        .then(|| rest.trim_start_matches(' '))
}

fn mail(text: &str) -> Result<MailCommand, Fault> {
    let path = after(text, "FROM:").ok_or(Fault::Path)?;
    let (from, rest) = ReversePath::read(path).ok_or(Fault::Path)?;
    let mut mail = MailCommand {
        from,
        size: None,
        eight_bit: false,
        utf8: false,
        ret: None,
        envid: None,
    };
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(Fault::Path);
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
            _ => return Err(Fault::UnknownParameter),
        }
    }
    Ok(mail)
}

fn rcpt(text: &str) -> Result<RcptCommand, Fault> {
    let path = after(text, "TO:").ok_or(Fault::Path)?;
    let (path, rest) = ForwardPath::read(path).ok_or(Fault::Path)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(Fault::Path);
    }
    let mut rcpt = RcptCommand {
        to: path.mailbox,
        routed: path.routed,
        notify: None,
        orcpt: None,
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
            _ => return Err(Fault::UnknownParameter),
        }
    }
    Ok(rcpt)
}

/// RFC 3030 §2: `BDAT size [LAST]`.
fn bdat(text: &str) -> Result<Command, Fault> {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &str) -> Result<Command, Fault> {
        Command::parse(line.as_bytes())
    }

    #[test]
    fn good_lines_are_understood() {
        assert_eq!(
            parse("ehlo mx.example "),
            Ok(Command::Ehlo("mx.example".into()))
        );
        assert_eq!(
            parse("EHLO [IPv6:2001:db8::1]"),
            Ok(Command::Ehlo("[IPv6:2001:db8::1]".into()))
        );
        let Ok(Command::Mail(mail)) = parse(
            "MAIL FROM:<a@b.test> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=hdrs ENVID=x+2By AUTH=<>",
        ) else {
            panic!()
        };
        assert_eq!(
            (mail.size, mail.eight_bit, mail.utf8),
            (Some(1000), true, true)
        );
        assert_eq!(
            (mail.ret.as_deref(), mail.envid.as_deref()),
            (Some("HDRS"), Some("x+2By"))
        );
        assert!(matches!(
            parse("mail from: <>"),
            Ok(Command::Mail(MailCommand {
                from: ReversePath::Null,
                ..
            }))
        ));
        let Ok(Command::Rcpt(rcpt)) =
            parse("RCPT TO:<c@verein.test> NOTIFY=success,delay ORCPT=rfc822;c@verein.test")
        else {
            panic!()
        };
        assert_eq!(rcpt.notify.as_deref(), Some("SUCCESS,DELAY"));
        assert_eq!(
            parse("BDAT 86 LAST"),
            Ok(Command::Bdat {
                size: 86,
                last: true
            })
        );
        assert_eq!(
            parse("BDAT 0"),
            Ok(Command::Bdat {
                size: 0,
                last: false
            })
        );
        assert_eq!(parse("FROBNICATE"), Ok(Command::Unknown));
    }

    #[test]
    fn bad_lines_are_refused_with_the_right_code() {
        for (line, code) in [
            ("EHLO", 501),
            ("EHLO a b", 501),
            ("EHLO a(b)", 501),
            ("MAIL", 501),
            ("MAIL FROM:a@b.test", 501),
            ("MAIL FROM:<a@b.test>SIZE=1", 501),
            ("MAIL FROM:<a@b.test> SIZE=x", 501),
            ("MAIL FROM:<a@b.test> BODY=BINARYMIME", 504),
            ("MAIL FROM:<a@b.test> FOO=1", 555),
            ("MAIL FROM:<a@b.test> ENVID=a+2", 501),
            ("RCPT TO:<a@b.test> ORCPT=rfc822;a\tb", 501),
            ("MAIL FROM:<a@b.test> SIZE==1", 501),
            ("RCPT TO:<a@b@c.test>", 501),
            ("RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY", 501),
            ("RCPT TO:<a@b.test> SIZE=1", 555),
            ("DATA now", 501),
            ("STARTTLS x", 501),
            ("BDAT", 501),
            ("BDAT -1", 501),
            ("BDAT 1 FIRST", 501),
            ("BDAT 1 LAST LAST", 501),
            ("NO\u{0}OP", 500),
        ] {
            let fault = parse(line).expect_err(line);
            assert_eq!(fault.reply().code(), code, "{line}");
        }
        assert_eq!(Command::parse(b"\xff\xfe"), Err(Fault::Bytes));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::parse(&bytes);
        }
    }
}
