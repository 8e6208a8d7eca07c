//! Where something stands: for mistakes that show only when several tables, or several files, are
//! read.

use std::fmt;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::{Document, Fields, Problem};

impl Problem {
    /// A mistake at a place that was found before.
    pub fn at(place: &Place, message: impl Into<String>, warning: bool) -> Self {
        Self {
            file: place.file.clone(),
            line: place.line,
            column: place.column,
            message: message.into(),
            warning,
        }
    }
}

/// Where something stands, for mistakes that show only when several files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(f, "{file}:{}:{}", self.line, self.column)
    }
}

impl Document {
    pub(super) fn place(&self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(&self.text);
        Place {
            file: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or("").chars().count() + 1,
        }
    }
}

impl Fields<'_> {
    /// The texts of a key, one or several, and where each of them stands; whether they are right is
    /// somebody else's question.
    pub fn texts(&self, key: &'static str) -> Vec<(String, Place)> {
        let text = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) => {
                let place = self.document.place(value.span().start);
                Some((text.to_string(), place))
            }
            _ => None,
        };
        match self.value(key) {
            Some(value) => match value.get_ref() {
                DeValue::Array(items) => items.iter().filter_map(text).collect(),
                _ => text(value).into_iter().collect(),
            },
            None => Vec::new(),
        }
    }

    /// A table of which somebody else says what is wrong with it.
    pub fn peek(&self, key: &'static str) -> Option<Self> {
        let value = self.value(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            return None;
        };
        let at = value.span().start;
        let fields = Self::new(self.document, table, self.name(key), at);
        fields.leave_rest();
        Some(fields)
    }

    /// Where this table begins.
    pub fn place(&self) -> Place {
        self.document.place(self.at)
    }
}
