//! Names as uncompressed, lower-case wire bytes with the root label (RFC 1035 §3.1, RFC 4343).
//!
//! Zones, overlays and the walk of an answer all use this one form, so that two names are equal
//! exactly when their bytes are.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The longest name in wire form, root label included (RFC 1035 §2.3.4).
pub(crate) const MAX_NAME: usize = 255;

/// A name in lower-case, uncompressed wire form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

/// Text or bytes that are no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a domain name")]
pub struct NameError(String);

impl Name {
    /// From wire bytes that end with the root label; letters are lowered.
    ///
    /// # Errors
    /// The bytes are not exactly one uncompressed name.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        let mut lower = [0; MAX_NAME];
        match lower_into(wire, &mut lower) {
            Some(len) if len == wire.len() => Ok(Self(lower[..len].into())),
            _ => Err(NameError(format!("{} bytes", wire.len()))),
        }
    }

    /// Bytes already known to be one lower-case name.
    pub(crate) fn from_lower(wire: &[u8]) -> Self {
        Self(wire.into())
    }

    /// Bytes already known to be one name, in any letters.
    pub(crate) fn lowered(wire: &[u8]) -> Self {
        let mut lower: Box<[u8]> = wire.into();
        // The lengths of labels are below every letter.
        lower.make_ascii_lowercase();
        Self(lower)
    }

    /// The wire form.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// How many labels there are, the root label not counted.
    pub(crate) fn labels(&self) -> usize {
        count_labels(&self.0)
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// From text, with or without the last dot.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError(text.to_owned());
        let name = domain::base::Name::<Vec<u8>>::from_str(text).map_err(|_| wrong())?;
        Self::from_wire(name.as_slice()).map_err(|_| wrong())
    }
}

/// As people write it, without the last dot; the root is `.`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match domain::base::Name::from_slice(&self.0) {
            Ok(name) if name.is_root() => f.write_str("."),
            Ok(name) => write!(f, "{name}"),
            Err(_) => f.write_str("?"),
        }
    }
}

/// Copies the uncompressed name at the start of `wire` into `into`, lowered; its length, or
/// `None` for compression pointers, reserved label types, names that are too long or cut off.
pub(crate) fn lower_into(wire: &[u8], into: &mut [u8; MAX_NAME]) -> Option<usize> {
    let mut at = 0;
    loop {
        let len = usize::from(*wire.get(at)?);
        if len > 63 {
            return None;
        }
        let end = at + 1 + len;
        let (from, to) = (wire.get(at..end)?, into.get_mut(at..end)?);
        to.copy_from_slice(from);
        to.make_ascii_lowercase();
        at = end;
        if len == 0 {
            return Some(at);
        }
    }
}

/// How many labels a name has, the root label not counted.
pub(crate) fn count_labels(name: &[u8]) -> usize {
    let mut rest = name;
    let mut count = 0;
    while let Some(up) = parent(rest) {
        rest = up;
        count += 1;
    }
    count
}

/// The name without its first label; `None` for the root.
pub(crate) fn parent(name: &[u8]) -> Option<&[u8]> {
    match name.first() {
        None | Some(0) => None,
        Some(len) => name
            .get(1 + usize::from(*len)..)
            .filter(|rest| !rest.is_empty()),
    }
}

/// The last `labels` labels of a name that has `total`.
pub(crate) fn suffix_with_labels(name: &[u8], total: usize, labels: usize) -> &[u8] {
    let mut rest = name;
    for _ in labels..total {
        rest = parent(rest).unwrap_or(rest);
    }
    rest
}

/// Whether `name` is `above` or lies below it.
pub(crate) fn is_at_or_below(name: &[u8], above: &[u8]) -> bool {
    let (have, want) = (count_labels(name), count_labels(above));
    have >= want && suffix_with_labels(name, have, want) == above
}

/// A key whose byte order is the canonical order of names (RFC 4034 §6.1): labels from the root
/// down, each ended by a zero; zeros and ones inside labels are escaped so that the end of a
/// label sorts before every octet.
pub(crate) fn canonical_key(name: &[u8]) -> Box<[u8]> {
    let mut starts = [0u8; 128];
    let mut count = 0;
    let mut at = 0;
    while let Some(len) = name.get(at).copied().filter(|len| *len != 0) {
        if let (Some(slot), Ok(start)) = (starts.get_mut(count), u8::try_from(at)) {
            *slot = start;
            count += 1;
        }
        at += 1 + usize::from(len);
    }
    let mut key = Vec::with_capacity(name.len() + 8);
    for start in starts.iter().take(count).rev() {
        let start = usize::from(*start);
        let len = usize::from(name.get(start).copied().unwrap_or(0));
        for octet in name.get(start + 1..start + 1 + len).unwrap_or_default() {
            match octet {
                0 => key.extend_from_slice(&[1, 1]),
                1 => key.extend_from_slice(&[1, 2]),
                other => key.push(*other),
            }
        }
        key.push(0);
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect(text)
    }

    #[test]
    fn the_canonical_order_is_that_of_rfc_4034() {
        let sorted = [
            "example",
            "a.example",
            "yljkjljk.a.example",
            "z.a.example",
            "zabc.a.example",
            "z.example",
            "\\001.z.example",
            "*.z.example",
            "\\200.z.example",
        ];
        let keys: Vec<_> = sorted
            .iter()
            .map(|text| canonical_key(name(text).as_wire()))
            .collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn names_print_as_they_parse() {
        for text in ["verein.test", ".", "*.a.verein.test", "a\\.b.verein.test"] {
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!(name("WWW.Verein.TEST.").to_string(), "www.verein.test");
    }

    #[test]
    fn below_is_by_label_not_by_text() {
        let apex = name("verein.test");
        assert!(is_at_or_below(
            name("www.verein.test").as_wire(),
            apex.as_wire()
        ));
        assert!(is_at_or_below(apex.as_wire(), apex.as_wire()));
        assert!(!is_at_or_below(
            name("notverein.test").as_wire(),
            apex.as_wire()
        ));
        assert!(!is_at_or_below(name("test").as_wire(), apex.as_wire()));
    }

    #[test]
    fn pointers_and_long_names_are_refused() {
        let mut into = [0; MAX_NAME];
        assert_eq!(lower_into(&[0xc0, 12], &mut into), None);
        assert_eq!(lower_into(&[3, b'a', b'b'], &mut into), None);
        let long: Vec<u8> = [1u8, b'a'].repeat(128).into_iter().chain([0]).collect();
        assert_eq!(lower_into(&long, &mut into), None);
    }
}
