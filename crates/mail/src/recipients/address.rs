//! Addresses in the one form in which they are compared.
//!
//! Importers and the book bring every address into it, so that a spelling never decides.

use serde::{Deserialize, Serialize};

/// RFC 5321 §4.5.3.1.3: a path has at most 256 octets, the angle brackets among them.
const LONGEST: usize = 254;

/// Whether `Anna@` and `anna@` are two people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// One: what Postfix and Dovecot do. RFC 5321 §2.4 leaves it to the receiving host and warns
    /// against relying on a difference.
    #[default]
    Fold,
    /// Two: the local part is compared octet by octet.
    Exact,
}

/// A mailbox's name, in normal form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: String,
    domain: String,
}

/// As text it would end up in logs; only its domain is shown.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address(…@{})", self.domain)
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no `@`, or nothing behind it.
    NoDomain,
    /// Nothing stands before the `@`.
    NoLocal,
    /// It holds what no address may hold.
    Sign,
    /// It is longer than RFC 5321 §4.5.3.1.3 allows.
    TooLong,
}

impl Address {
    /// The address of `local` at `domain`, brought into normal form; no check is made.
    pub fn new(local: &str, domain: &str, case: Case) -> Self {
        Self {
            local: local_form(local, case),
            domain: domain_form(domain),
        }
    }

    /// Reads `local@domain`, or `local` alone if there is a default domain.
    pub(crate) fn parse(text: &str, default: Option<&str>, case: Case) -> Result<Self, Fault> {
        // A domain holds no `@`, a quoted local part may: the last one divides.
        let (local, domain) = match (text.rsplit_once('@'), default) {
            (Some((_, "")), _) => return Err(Fault::NoDomain),
            (Some(parts), _) => parts,
            (None, Some(domain)) => (text, domain),
            (None, None) if text.is_empty() => return Err(Fault::NoLocal),
            (None, None) if !local_is_sound(text) => return Err(Fault::Sign),
            (None, None) => return Err(Fault::NoDomain),
        };
        if local.is_empty() || local == "\"\"" {
            return Err(Fault::NoLocal);
        }
        if !local_is_sound(local) || !domain_is_sound(domain) {
            return Err(Fault::Sign);
        }
        if local.len() + domain.len() + 1 > LONGEST {
            return Err(Fault::TooLong);
        }
        Ok(Self::new(local, domain, case))
    }

    /// What stands before the `@`, without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands behind the `@`, in lower case and as A-labels.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

/// `Verein.Test.` → `verein.test`, `bücher.test` → `xn--bcher-kva.test`.
pub(crate) fn domain_form(domain: &str) -> String {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_ascii() {
        return domain.to_ascii_lowercase();
    }
    // RFC 6531 §3.2: U-labels and A-labels name the same domain.
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => ascii,
        _ => domain.to_lowercase(),
    }
}

/// The local part without what makes no difference.
pub(crate) fn local_form(local: &str, case: Case) -> String {
    let plain = unquoted(local);
    match case {
        Case::Fold => plain.to_lowercase(),
        Case::Exact => plain,
    }
}

/// RFC 5321 §4.1.2: a quoted local part and the same one unquoted are one mailbox.
fn unquoted(local: &str) -> String {
    let inner = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return local.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut signs = inner.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => plain.extend(signs.next()),
            sign => plain.push(sign),
        }
    }
    plain
}

/// RFC 5321 §4.1.2 and RFC 6531 §3.3, without their rule on dots: `a..b@` and `a.@` exist.
fn local_is_sound(local: &str) -> bool {
    if local.chars().any(char::is_control) {
        return false;
    }
    let quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    quoted
        || !local
            .chars()
            .any(|sign| sign.is_whitespace() || "()<>[],;:\\\"@".contains(sign))
}

fn domain_is_sound(domain: &str) -> bool {
    domain.split('.').all(|label| !label.is_empty())
        && domain
            .chars()
            .all(|sign| sign.is_alphanumeric() || "-._".contains(sign) || !sign.is_ascii())
        && !domain
            .chars()
            .any(|sign| sign.is_control() || sign.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, String), Fault> {
        Address::parse(text, None, Case::Fold).map(|address| (address.local, address.domain))
    }

    #[test]
    fn spellings_of_one_address_are_one() {
        for text in [
            "Anna.B@Verein.TEST",
            "\"anna.b\"@verein.test",
            "\"anna\\.b\"@verein.test",
            "anna.b@verein.test.",
        ] {
            let expected = ("anna.b".to_owned(), "verein.test".to_owned());
            let text = text.strip_suffix('.').unwrap_or(text);
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        assert_eq!(domain_form("Bücher.test"), "xn--bcher-kva.test");
        assert_eq!(domain_form("Verein.test."), "verein.test");
        assert_eq!(local_form("Jörg", Case::Fold), "jörg");
        assert_eq!(local_form("Anna", Case::Exact), "Anna");
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (text, fault) in [
            ("anna", Fault::NoDomain),
            ("anna@", Fault::NoDomain),
            ("@verein.test", Fault::NoLocal),
            ("\"\"@verein.test", Fault::NoLocal),
            ("an na@verein.test", Fault::Sign),
            ("anna@bert@verein.test", Fault::Sign),
            ("anna@verein..test", Fault::Sign),
            ("anna@verein.test,bert", Fault::Sign),
            (":include:/etc/list", Fault::Sign),
            ("", Fault::NoLocal),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
        let long = format!("{}@verein.test", "a".repeat(250));
        assert_eq!(parse(&long), Err(Fault::TooLong));
        assert!(parse("\"a@b c\"@verein.test").is_ok());
        assert!(parse("müller@verein.test").is_ok());
    }

    #[test]
    fn a_default_domain_stands_in() {
        let address = Address::parse("Anna", Some("verein.test"), Case::Fold).unwrap();
        assert_eq!((address.local(), address.domain()), ("anna", "verein.test"));
        assert_eq!(format!("{address:?}"), "Address(…@verein.test)");
    }
}
