//! Reading configuration: every mistake at once, each with its place and its mend.
//!
//! A [`Document`] is one TOML file. A part reads its table through [`Fields`]: each question
//! about a key either gives a value or notes a problem, and a key that nobody asked about is a
//! problem when the fields are dropped. Nothing binds before a document has no problems.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod place;
mod value;

pub use place::Place;
pub use value::duration;

/// One mistake, where it is, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
    /// Whether the program starts nevertheless.
    pub warning: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.warning { "warning" } else { "error" };
        let Self {
            line,
            column,
            message,
            ..
        } = self;
        write!(
            f,
            "{}:{line}:{column}: {kind}: {message}",
            self.file.display()
        )
    }
}

/// One configuration file and the problems found in it so far.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    text: String,
    problems: RefCell<Vec<Problem>>,
}

impl Document {
    /// A file that was read.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
            problems: RefCell::default(),
        }
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole file with `read`; problems are kept and found with [`Self::problems`].
    pub fn read<T>(&self, read: impl FnOnce(Fields<'_>) -> T) -> T {
        let (root, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            self.note(at, format!("this is not TOML: {}", error.message()), false);
        }
        let span = root.span().start;
        read(Fields::new(self, root.get_ref(), String::new(), span))
    }

    /// All problems, in the order of the file.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.borrow().clone();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }

    fn note(&self, at: usize, message: String, warning: bool) {
        let problem = Problem::at(&self.place(at), message, warning);
        self.problems.borrow_mut().push(problem);
    }
}

/// One table of a document.
#[derive(Debug)]
pub struct Fields<'a> {
    document: &'a Document,
    table: &'a DeTable<'a>,
    path: String,
    at: usize,
    asked: RefCell<BTreeSet<&'static str>>,
    sealed: Cell<bool>,
}

impl<'a> Fields<'a> {
    fn new(document: &'a Document, table: &'a DeTable<'a>, path: String, at: usize) -> Self {
        Self {
            document,
            table,
            path,
            at,
            asked: RefCell::default(),
            sealed: Cell::new(false),
        }
    }

    /// The folder that relative paths start from.
    pub fn folder(&self) -> &'a Path {
        self.document.path.parent().unwrap_or(Path::new("."))
    }

    /// Notes a mistake at `key`, or at the table if the key is absent.
    pub fn problem(&self, key: &'static str, message: impl fmt::Display) {
        self.note(key, message, false);
    }

    /// Notes something that deserves attention and does not stop the start.
    pub fn warning(&self, key: &'static str, message: impl fmt::Display) {
        self.note(key, message, true);
    }

    fn note(&self, key: &'static str, message: impl fmt::Display, warning: bool) {
        let at = self.value(key).map_or(self.at, |value| value.span().start);
        self.document
            .note(at, format!("{}: {message}", self.name(key)), warning);
    }

    /// Whether the key is present.
    pub fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// Whether a key holds a list with something in it, right or wrong.
    pub fn has_items(&self, key: &'static str) -> bool {
        let value = self.value(key).map(Spanned::get_ref);
        matches!(value, Some(DeValue::Array(items)) if !items.is_empty())
    }

    /// Notes that a key is missing, with an example of what to write.
    pub fn missing(&self, key: &'static str, example: &str) {
        self.asked.borrow_mut().insert(key);
        let name = self.name(key);
        self.document.note(
            self.at,
            format!("{name} is missing; write for example `{key} = {example}`"),
            false,
        );
    }

    /// A text.
    pub fn string(&self, key: &'static str) -> Option<String> {
        match self.value(key)?.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            other => self.wrong(key, "a text in quotes", other),
        }
    }

    /// Yes or no.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        match self.value(key)?.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            other => self.wrong(key, "true or false", other),
        }
    }

    /// A whole number within bounds.
    pub fn integer(&self, key: &'static str, from: u64, to: u64) -> Option<u64> {
        let want = match from == to {
            true => format!("{from}, which is all that this version knows"),
            false => format!("a whole number from {from} to {to}"),
        };
        match self.value(key)?.get_ref() {
            DeValue::Integer(value) => {
                let digits = value.as_str().replace('_', "");
                match u64::from_str_radix(&digits, value.radix()) {
                    Ok(value) if (from..=to).contains(&value) => Some(value),
                    _ => self.unfit(key, &digits, &want),
                }
            }
            other => self.wrong(key, &want, other),
        }
    }

    /// Several whole numbers within bounds; `None` if the key is absent.
    pub fn integers(&self, key: &'static str, from: u64, to: u64) -> Option<Vec<u64>> {
        let value = self.value(key)?;
        let want = format!("a list of whole numbers from {from} to {to}");
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong(key, &want, value.get_ref());
        };
        let mut list = Vec::new();
        for item in items.iter() {
            let number = match item.get_ref() {
                DeValue::Integer(value) => {
                    u64::from_str_radix(&value.as_str().replace('_', ""), value.radix()).ok()
                }
                _ => None,
            };
            match number.filter(|number| (from..=to).contains(number)) {
                Some(number) => list.push(number),
                None => {
                    let shown = self.shown(item);
                    let message = format!("{}: {shown} should be in {want}", self.name(key));
                    self.document.note(item.span().start, message, false);
                }
            }
        }
        Some(list)
    }

    /// A text that `parse` understands; `want` says in words what it should be.
    pub fn parse<T>(
        &self,
        key: &'static str,
        want: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.string(key)?;
        parse(&text).or_else(|| self.unfit(key, &text, want))
    }

    /// One of several words.
    pub fn choice<T: Clone>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<_> = choices
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        self.parse(key, &format!("one of {}", words.join(", ")), |text| {
            choices
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| value.clone())
        })
    }

    /// A time span: `"10s"`, `"15m"`, `"3d"`.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parse(
            key,
            "a time span like \"10s\", \"15m\", \"2h\" or \"3d\"",
            duration,
        )
    }

    /// A time span, or `"off"`, which is `Some(None)`.
    pub fn duration_or_off(&self, key: &'static str) -> Option<Option<Duration>> {
        let want = "a time span like \"15m\", \"2h\" or \"3d\", or \"off\"";
        self.parse(key, want, |text| match text {
            "off" => Some(None),
            span => duration(span).map(Some),
        })
    }

    /// An IP address.
    pub fn ip(&self, key: &'static str) -> Option<IpAddr> {
        self.parse(key, "an IP address like \"192.0.2.7\"", |text| {
            text.parse().ok()
        })
    }

    /// An address with a port.
    pub fn socket(&self, key: &'static str) -> Option<SocketAddr> {
        self.parse(key, SOCKET, |text| text.parse().ok())
    }

    /// Several addresses with ports; an absent key is an empty list.
    pub fn sockets(&self, key: &'static str) -> Vec<SocketAddr> {
        self.each(key, SOCKET, |text| text.parse().ok())
    }

    /// Several texts that `parse` understands; an absent key is an empty list.
    pub fn each<T>(
        &self,
        key: &'static str,
        want: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong::<()>(key, "a list: [\"…\", \"…\"]", value.get_ref());
            return Vec::new();
        };
        let mut list = Vec::new();
        for item in items.iter() {
            let parsed = match item.get_ref() {
                DeValue::String(text) => parse(text),
                _ => None,
            };
            match parsed {
                Some(parsed) => list.push(parsed),
                None => {
                    let shown = self.shown(item);
                    let message = format!("{}: {shown} should be {want}", self.name(key));
                    self.document.note(item.span().start, message, false);
                }
            }
        }
        list
    }

    /// Several texts; an absent key is an empty list.
    pub fn strings(&self, key: &'static str) -> Vec<String> {
        self.each(key, "a text in quotes", |text| Some(text.to_owned()))
    }

    /// A path; relative ones start at the file's folder, `$CREDENTIALS_DIRECTORY/…` where the service
    /// manager lays secrets for us alone (systemd.exec(5), `LoadCredential=`).
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        let text = self.string(key)?;
        Some(match text.strip_prefix(CREDENTIALS) {
            Some(name) => credentials().join(name),
            None => self.folder().join(text),
        })
    }

    /// A path to a file with a secret, which others should not be able to read.
    pub fn secret(&self, key: &'static str) -> Option<PathBuf> {
        let path = self.file(key)?;
        self.warn_of_readers(key, &path);
        Some(path)
    }

    /// Notes that others can read the secret in `path`.
    pub fn warn_of_readers(&self, key: &'static str, path: &Path) {
        let Ok(found) = std::fs::metadata(path) else {
            return;
        };
        let mode = found.mode() & 0o777;
        if mode & 0o077 != 0 {
            self.warning(
                key,
                format_args!(
                    "{path} can be read by others (mode {mode:04o}); `chmod 0600 {path}`, owned by \
                     the account that Servergate runs as",
                    path = path.display()
                ),
            );
        }
    }

    /// A path to a file that can be read now.
    pub fn file(&self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)?;
        match std::fs::File::open(&path) {
            Ok(_) => Some(path),
            Err(error) => {
                self.problem(
                    key,
                    format_args!("{} cannot be read: {error}", path.display()),
                );
                None
            }
        }
    }

    /// A table below this one.
    pub fn table(&self, key: &'static str) -> Option<Self> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Fields::new(
                self.document,
                table,
                self.name(key),
                value.span().start,
            )),
            other => self.wrong(key, "a table", other),
        }
    }

    /// All tables of an array of tables; an absent key is an empty list.
    pub fn tables(&self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong::<()>(key, &format!("written as [[{key}]]"), value.get_ref());
            return Vec::new();
        };
        let mut list = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => list.push(Fields::new(
                    self.document,
                    table,
                    self.name(key),
                    item.span().start,
                )),
                _ => self.document.note(
                    item.span().start,
                    format!("{} should be written as [[{key}]]", self.name(key)),
                    false,
                ),
            }
        }
        list
    }

    /// Unknown keys are not reported, for a table that somebody else reads on.
    pub fn leave_rest(&self) {
        self.sealed.set(true);
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn shown(&self, value: &Spanned<DeValue<'_>>) -> String {
        let text = self.document.text.get(value.span()).unwrap_or("");
        let mut shown: String = text.chars().take(60).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        shown
    }

    fn wrong<T>(&self, key: &'static str, want: &str, found: &DeValue<'_>) -> Option<T> {
        let kind = match found {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.problem(key, format_args!("this is {kind}; it should be {want}"));
        None
    }

    fn unfit<T>(&self, key: &'static str, text: &str, want: &str) -> Option<T> {
        self.problem(key, format_args!("\"{text}\" should be {want}"));
        None
    }
}

const SOCKET: &str = "an address with a port like \"192.0.2.7:53\" or \"[2001:db8::7]:53\"";

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        if self.sealed.get() {
            return;
        }
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let hint = value::nearest(name, asked.iter().copied())
                .map(|near| format!("did you mean `{near}`?"))
                .unwrap_or_else(|| match asked.len() {
                    0 => "remove it".to_owned(),
                    _ => format!(
                        "known here: {}",
                        asked.iter().copied().collect::<Vec<_>>().join(", ")
                    ),
                });
            let message = format!(
                "{} is not a key that Servergate knows; {hint}",
                self.name(name)
            );
            self.document.note(key.span().start, message, false);
        }
    }
}

/// What a path begins with that names a credential.
const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY/";
/// Where they lie for commands beside the unit, while it runs.
const OF_THE_UNIT: &str = "/run/credentials/servergate.service";

fn credentials() -> PathBuf {
    std::env::var_os("CREDENTIALS_DIRECTORY")
        .map_or_else(|| PathBuf::from(OF_THE_UNIT), PathBuf::from)
}

#[cfg(test)]
mod tests;
