//! Names of what is stored: keys of tables and names of logs.
//!
//! Everybody who writes uses these types; nobody sees their bytes. A key is a table and a list of
//! parts. Each component is written so that the order of the bytes is the order of the components
//! and a prefix of whole parts is a prefix of bytes: a zero byte becomes `00 FF`, and each
//! component ends with `00 01`. A component therefore never starts with `00 00`, which is how the
//! store's own keys (see `engine`) keep clear of everybody else's.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A table: a name fixed in the program, and whether its values are sealed when they are written.
///
/// A name stands for one table: it is to be made in one place, either clear or sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    name: &'static str,
    sealed: bool,
}

impl Table {
    /// The table called `name`, in clear.
    pub const fn new(name: &'static str) -> Self {
        let sealed = false;
        Self { name, sealed }
    }

    /// The table called `name`, whose values are sealed at rest. Its keys are not: what names a
    /// person goes into the value, or into the key only through a keyed hash.
    pub const fn sealed(name: &'static str) -> Self {
        let sealed = true;
        Self { name, sealed }
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether values written to it are sealed.
    pub const fn is_sealed(self) -> bool {
        self.sealed
    }
}

/// The key of one value, or the prefix of many. Ordered by table, then part by part.
#[derive(Clone)]
pub struct Key {
    bytes: Vec<u8>,
    /// Carried along for who writes; no part of the name.
    sealed: bool,
}

impl Key {
    /// A key of text parts. With no parts it is the prefix of the whole table.
    pub fn new(table: Table, parts: &[&str]) -> Self {
        let mut key = Self::table(table);
        for part in parts {
            push_component(&mut key.bytes, part.as_bytes());
        }
        key
    }

    /// The prefix of everything in `table`.
    pub fn table(table: Table) -> Self {
        let mut bytes = Vec::with_capacity(table.name.len() + 2);
        push_component(&mut bytes, table.name.as_bytes());
        let sealed = table.sealed;
        Self { bytes, sealed }
    }

    /// This key with one more part.
    #[must_use]
    pub fn with(mut self, part: &str) -> Self {
        push_component(&mut self.bytes, part.as_bytes());
        self
    }

    /// This key with one more part of any bytes.
    #[must_use]
    pub fn with_bytes(mut self, part: &[u8]) -> Self {
        push_component(&mut self.bytes, part);
        self
    }

    /// This key with one more part that sorts as a number.
    #[must_use]
    pub fn with_number(mut self, part: u64) -> Self {
        push_component(&mut self.bytes, &part.to_be_bytes());
        self
    }

    /// The name of the table.
    pub fn table_name(&self) -> String {
        let name = Components(&self.bytes).next().unwrap_or_default();
        String::from_utf8_lossy(&name).into_owned()
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        Components(&self.bytes).skip(1)
    }

    /// Part `index` (from 0) if it is there and is text.
    pub fn text(&self, index: usize) -> Option<String> {
        let part = self.parts().nth(index)?;
        String::from_utf8(part.into_owned()).ok()
    }

    /// Part `index` (from 0) if it was added by [`Key::with_number`].
    pub fn number(&self, index: usize) -> Option<u64> {
        let part = self.parts().nth(index)?;
        Some(u64::from_be_bytes(part.as_ref().try_into().ok()?))
    }

    /// Whether `self` is `prefix` or lies below it, by whole parts.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.bytes.starts_with(&prefix.bytes)
    }

    /// Whether a value put here is sealed.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A key found at or below this prefix: what is written to it is sealed if this one's is.
    pub(crate) fn found(&self, bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            sealed: self.sealed,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table_name())?;
        for part in self.parts() {
            write!(f, "/{}", String::from_utf8_lossy(&part).escape_debug())?;
        }
        Ok(())
    }
}

/// The name of a log, and whether its records are sealed when they are appended. Each log numbers
/// its records from 1 and never uses a number twice.
#[derive(Clone, Debug)]
pub struct LogName {
    name: Cow<'static, str>,
    /// Carried along for who writes; no part of the name.
    sealed: bool,
}

impl LogName {
    /// The log called `name`, in clear.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            sealed: false,
        }
    }

    /// A log whose name is made at run time, as one per organisation; in clear.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Cow::Owned(name.into()),
            sealed: false,
        }
    }

    /// The log called `name`, whose records are sealed at rest. Its name and their sizes are not.
    pub const fn sealed(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            sealed: true,
        }
    }

    /// As [`LogName::sealed`], with a name made at run time.
    pub fn named_sealed(name: impl Into<String>) -> Self {
        Self {
            name: Cow::Owned(name.into()),
            sealed: true,
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whether records appended to it are sealed.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// What all keys of this log begin with.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.name.len() + 10);
        push_component(&mut bytes, self.name.as_bytes());
        bytes
    }

    /// The key of the record at `position`.
    pub(crate) fn at(&self, position: u64) -> Vec<u8> {
        let mut bytes = self.prefix();
        bytes.extend_from_slice(&position.to_be_bytes());
        bytes
    }
}

impl PartialEq for LogName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for LogName {}

impl PartialOrd for LogName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LogName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl Hash for LogName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn push_component(out: &mut Vec<u8>, component: &[u8]) {
    for &byte in component {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 1]);
}

/// The components of an encoded key, unescaped.
pub(crate) struct Components<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Components<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut unescaped: Option<Vec<u8>> = None;
        let mut start = 0;
        loop {
            let rest = self.0.get(start..)?;
            let zero = start + rest.iter().position(|&byte| byte == 0)?;
            let mark = *self.0.get(zero + 1)?;
            let piece = self.0.get(start..zero)?;
            if mark == 1 {
                self.0 = self.0.get(zero + 2..)?;
                return Some(match unescaped {
                    None => Cow::Borrowed(piece),
                    Some(mut bytes) => {
                        bytes.extend_from_slice(piece);
                        Cow::Owned(bytes)
                    }
                });
            }
            let bytes = unescaped.get_or_insert_default();
            bytes.extend_from_slice(piece);
            bytes.push(0);
            start = zero + 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn key(parts: &[Vec<u8>]) -> Key {
        parts.iter().fold(Key::table(Table::new("t")), |key, part| {
            key.with_bytes(part)
        })
    }

    /// Bytes among which the separators are frequent.
    fn part() -> impl Strategy<Value = Vec<u8>> {
        vec(
            prop_oneof![Just(0_u8), Just(1), Just(0xFF), any::<u8>()],
            0..6,
        )
    }

    proptest! {
        #[test]
        fn order_of_keys_is_order_of_parts(a in vec(part(), 0..4), b in vec(part(), 0..4)) {
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }

        #[test]
        fn parts_come_back(parts in vec(part(), 0..5)) {
            let back: Vec<Vec<u8>> = key(&parts).parts().map(Cow::into_owned).collect();
            prop_assert_eq!(back, parts);
        }

        #[test]
        fn a_prefix_is_whole_parts(a in vec(part(), 0..4), b in vec(part(), 0..4)) {
            prop_assert_eq!(key(&a).starts_with(&key(&b)), a.starts_with(&b));
        }

        #[test]
        fn no_key_is_the_stores_own(parts in vec(part(), 0..4), table in part()) {
            let mut bytes = Vec::new();
            push_component(&mut bytes, &table);
            for part in &parts {
                push_component(&mut bytes, part);
            }
            prop_assert!(!bytes.starts_with(&[0, 0]));
        }

        #[test]
        fn any_bytes_are_taken_apart_without_panic(bytes in vec(any::<u8>(), 0..40)) {
            let _ = Key::table(Table::new("t")).found(&bytes).parts().count();
        }
    }

    #[test]
    fn tables_sort_before_parts() {
        assert!(Key::new(Table::new("a"), &["z"]) < Key::new(Table::new("ab"), &["a"]));
        assert!(!Key::new(Table::new("ab"), &["a"]).starts_with(&Key::table(Table::new("a"))));
    }

    #[test]
    fn sealed_is_no_part_of_a_name() {
        let clear = Key::new(Table::new("t"), &["a"]);
        let sealed = Key::new(Table::sealed("t"), &["a"]);
        assert_eq!((&clear, clear.bytes()), (&sealed, sealed.bytes()));
        assert!(sealed.is_sealed() && sealed.clone().with("b").is_sealed());
        assert!(sealed.found(clear.bytes()).is_sealed() && !clear.is_sealed());
        assert_eq!(LogName::sealed("l"), LogName::named("l"));
    }

    #[test]
    fn numbers_sort_as_numbers_and_come_back() {
        let small = Key::table(Table::new("t")).with_number(255);
        let large = Key::table(Table::new("t")).with_number(256);
        assert!(small < large);
        assert_eq!(large.number(0), Some(256));
        assert_eq!(
            Key::new(Table::new("t"), &["a", "b"]).text(1).as_deref(),
            Some("b")
        );
    }
}
