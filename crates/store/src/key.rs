//! Names of what is stored: keys of tables and names of logs.
//!
//! Everybody who writes uses these types; nobody sees their bytes. A key is a table and a list of
//! parts. Each component is written so that the order of the bytes is the order of the components
//! and a prefix of whole parts is a prefix of bytes: a zero byte becomes `00 FF`, and each
//! component ends with `00 01`. A component therefore never starts with `00 00`, which is how the
//! store's own keys (see `engine`) keep clear of everybody else's.

use std::borrow::Cow;
use std::fmt;

/// A table: a name fixed in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub &'static str);

impl Table {
    /// The table called `name`.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The key of one value, or the prefix of many. Ordered by table, then part by part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of text parts. With no parts it is the prefix of the whole table.
    pub fn new(table: Table, parts: &[&str]) -> Self {
        let mut key = Self::table(table);
        for part in parts {
            push_component(&mut key.0, part.as_bytes());
        }
        key
    }

    /// The prefix of everything in `table`.
    pub fn table(table: Table) -> Self {
        let mut bytes = Vec::with_capacity(table.0.len() + 2);
        push_component(&mut bytes, table.0.as_bytes());
        Self(bytes)
    }

    /// This key with one more part.
    #[must_use]
    pub fn with(mut self, part: &str) -> Self {
        push_component(&mut self.0, part.as_bytes());
        self
    }

    /// This key with one more part of any bytes.
    #[must_use]
    pub fn with_bytes(mut self, part: &[u8]) -> Self {
        push_component(&mut self.0, part);
        self
    }

    /// This key with one more part that sorts as a number.
    #[must_use]
    pub fn with_number(mut self, part: u64) -> Self {
        push_component(&mut self.0, &part.to_be_bytes());
        self
    }

    /// The name of the table.
    pub fn table_name(&self) -> String {
        let name = Components(&self.0).next().unwrap_or_default();
        String::from_utf8_lossy(&name).into_owned()
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        Components(&self.0).skip(1)
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
        self.0.starts_with(&prefix.0)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
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

/// The name of a log. Each log numbers its records from 1 and never uses a number twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName(Cow<'static, str>);

impl LogName {
    /// The log called `name`.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A log whose name is made at run time, as one per organisation.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What all keys of this log begin with.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() + 10);
        push_component(&mut bytes, self.0.as_bytes());
        bytes
    }

    /// The key of the record at `position`.
    pub(crate) fn at(&self, position: u64) -> Vec<u8> {
        let mut bytes = self.prefix();
        bytes.extend_from_slice(&position.to_be_bytes());
        bytes
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
        parts
            .iter()
            .fold(Key::table(Table("t")), |key, part| key.with_bytes(part))
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
            let _ = Key::from_bytes(&bytes).parts().count();
        }
    }

    #[test]
    fn tables_sort_before_parts() {
        assert!(Key::new(Table("a"), &["z"]) < Key::new(Table("ab"), &["a"]));
        assert!(!Key::new(Table("ab"), &["a"]).starts_with(&Key::table(Table("a"))));
    }

    #[test]
    fn numbers_sort_as_numbers_and_come_back() {
        let small = Key::table(Table("t")).with_number(255);
        let large = Key::table(Table("t")).with_number(256);
        assert!(small < large);
        assert_eq!(large.number(0), Some(256));
        assert_eq!(
            Key::new(Table("t"), &["a", "b"]).text(1).as_deref(),
            Some("b")
        );
    }
}
