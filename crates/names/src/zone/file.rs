//! Zone files (RFC 1035 §5): read when we ourselves are the primary.
//!
//! The library's parser reads one record at a time, as one line with owner, TTL, class and type in
//! front; everything that people and BIND write otherwise (times with units, `$GENERATE`, omitted
//! or reordered fields, types it does not know) is brought into that form here.

mod data;
mod generate;
mod lex;
mod lint;
mod loc;

use bytes::Bytes;
use domain::base::iana::Class;
use domain::zonefile::inplace::{Entry as Parsed, Zonefile};

use super::{Records, Zone, ZoneFault};
use crate::wire::Name;
use lex::{Entry, Problem, seconds};

/// A zone file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// A line that is not understood: `line: reason`.
    #[error("{0}")]
    Syntax(String),
    /// The records are no zone.
    #[error(transparent)]
    Zone(#[from] ZoneFault),
}

/// Something that is wrong in a zone file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and how to mend it.
    pub what: String,
}

/// Of so many mistakes in one file each is said.
const MOST_PROBLEMS: usize = 50;

/// Reads the text of a zone file for `apex`.
///
/// # Errors
/// What is wrong, with the line where one is to blame.
pub fn read_file(apex: &Name, text: &[u8]) -> Result<Zone, FileFault> {
    let (records, _, problems) = read(apex, text);
    if let Some((line, what)) = problems.first() {
        return Err(FileFault::Syntax(format!("{line}: {what}")));
    }
    Ok(Zone::from_records(apex.clone(), &records)?)
}

/// Looks at a zone file as `named-checkzone` does: everything that it would refuse, at once.
///
/// # Errors
/// All that is wrong.
pub fn check_file(apex: &Name, text: &[u8]) -> Result<Zone, Vec<FileProblem>> {
    let (records, lines, mut problems) = read(apex, text);
    let zone = Zone::from_records(apex.clone(), &records);
    // Records that were not understood would be missed as well.
    if problems.is_empty() {
        problems = lint::lint(apex, &records, &lines, zone.as_ref().ok());
    }
    problems.truncate(MOST_PROBLEMS);
    match zone {
        Ok(zone) if problems.is_empty() => Ok(zone),
        Err(fault) if problems.is_empty() => Err(vec![FileProblem {
            line: 0,
            what: fault.to_string(),
        }]),
        _ => {
            let problem = |(line, what)| FileProblem { line, what };
            Err(problems.into_iter().map(problem).collect())
        }
    }
}

/// The records, the line of each, and what was not understood.
fn read(apex: &Name, text: &[u8]) -> (Records, Vec<usize>, Vec<Problem>) {
    let mut reader = Reader {
        origin: absolute(&apex.to_string(), "."),
        owner: None,
        default_ttl: None,
        last_ttl: None,
        records: Records::default(),
        lines: Vec::new(),
    };
    let mut problems = Vec::new();
    match lex::entries(text) {
        Err(problem) => problems.push(problem),
        Ok(entries) => {
            for entry in entries {
                if let Err(what) = reader.take(&entry) {
                    problems.push((entry.line, what));
                }
            }
        }
    }
    (reader.records, reader.lines, problems)
}

/// What one line leaves to the next.
struct Reader {
    origin: String,
    owner: Option<String>,
    default_ttl: Option<u32>,
    last_ttl: Option<u32>,
    records: Records,
    lines: Vec<usize>,
}

impl Reader {
    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        let first = entry.words.first().map_or("", String::as_str);
        if entry.indented || !first.starts_with('$') {
            return self.record(entry.line, entry.indented, &entry.words);
        }
        let argument = entry.words.get(1).map(String::as_str);
        match (first.to_ascii_uppercase().as_str(), argument) {
            ("$ORIGIN", Some(name)) => {
                let origin = absolute(name, &self.origin);
                wire(&origin, ".").ok_or_else(|| format!("`{name}` is not a domain name"))?;
                self.origin = origin;
                Ok(())
            }
            ("$TTL", Some(word)) => {
                let ttl = seconds(word).ok_or_else(|| format!("`{word}` is not a TTL"))?;
                self.default_ttl = Some(ttl);
                Ok(())
            }
            ("$GENERATE", Some(range)) => {
                let lines = generate::expand(range, entry.words.get(2..).unwrap_or_default())?;
                for words in lines {
                    self.record(entry.line, false, &words)?;
                }
                Ok(())
            }
            ("$INCLUDE", _) => {
                Err("$INCLUDE is not followed; put everything in one file".to_owned())
            }
            _ => Err(format!(
                "`{first}` is not understood; there is $ORIGIN, $TTL and $GENERATE"
            )),
        }
    }

    /// `[owner] [TTL] [class] type data`, TTL and class in either order.
    fn record(&mut self, line: usize, indented: bool, words: &[String]) -> Result<(), String> {
        let mut words = words.iter();
        if !indented {
            let word = words.next().map_or("@", String::as_str);
            let owner = absolute(word, &self.origin);
            wire(&owner, ".").ok_or_else(|| format!("`{word}` is not a domain name"))?;
            self.owner = Some(owner);
        }
        let owner = self
            .owner
            .clone()
            .ok_or("the first record needs an owner at the beginning of its line")?;
        let (mut ttl, mut class) = (None, None);
        let rtype = loop {
            let word = words.next().ok_or("a record without a type")?;
            let known = word.parse::<Class>();
            match (seconds(word), known) {
                (Some(time), _) if ttl.is_none() => ttl = Some(time),
                (None, Ok(named)) if class.is_none() && !is_type(word) => class = Some(named),
                _ => break word.to_ascii_uppercase(),
            }
        };
        if class.is_some_and(|class| class != Class::IN) {
            return Err("only the class IN is served".to_owned());
        }
        if !is_type(&rtype) {
            return Err(format!("`{rtype}` is not a record type"));
        }
        let mut data: Vec<String> = words.cloned().collect();
        if rtype == "SOA" {
            for word in data.iter_mut().skip(3) {
                if let Some(time) = seconds(word) {
                    *word = time.to_string();
                }
            }
        }
        let minimum = || {
            let minimum = data.get(6).filter(|_| rtype == "SOA")?;
            minimum.parse().ok()
        };
        let ttl = ttl
            .or(self.default_ttl)
            .or(self.last_ttl)
            .or_else(minimum)
            .ok_or("no TTL here and none before; begin the file with `$TTL 1h`")?;
        self.last_ttl = Some(ttl);
        let name = |word: &str| wire(word, &self.origin);
        if let Some(encoded) = data::encode(&rtype, &data, name) {
            let octets = encoded?;
            let hex = octets.iter().map(|octet| format!("{octet:02x}"));
            let hex: String = hex.collect();
            data = vec!["\\#".to_owned(), octets.len().to_string(), hex];
        }
        let text = format!("{owner} {ttl} IN {rtype} {}\n", data.join(" "));
        self.parse(line, &text)
    }

    fn parse(&mut self, line: usize, text: &str) -> Result<(), String> {
        let mut file = Zonefile::from(text);
        let origin = wire(&self.origin, ".")
            .and_then(|wire| domain::base::Name::from_octets(Bytes::from(wire)).ok())
            .ok_or("the origin is not a domain name")?;
        file.set_origin(origin);
        file.set_default_class(Class::IN);
        let entry = file
            .next_entry()
            .map_err(|error| reason(&error.to_string()))?;
        if let Some(Parsed::Record(record)) = entry {
            self.records.push_typed(&record);
            self.lines.push(line);
        }
        Ok(())
    }
}

/// The library counts lines and columns of the one line that it is given.
fn reason(error: &str) -> String {
    let place = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let mut parts = error.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(line), Some(column), Some(reason)) if place(line) && place(column) => {
            reason.trim().to_owned()
        }
        _ => error.to_owned(),
    }
}

fn is_type(word: &str) -> bool {
    word.parse::<domain::base::iana::Rtype>().is_ok()
}

/// A name as it is meant below `origin`, with its last dot.
fn absolute(word: &str, origin: &str) -> String {
    let escapes = word.trim_end_matches('.').bytes().rev();
    let escaped = escapes.take_while(|octet| *octet == b'\\').count() % 2 == 1;
    match word {
        "@" => origin.to_owned(),
        _ if word.ends_with('.') && !escaped => word.to_owned(),
        _ if origin == "." => format!("{word}."),
        _ => format!("{word}.{origin}"),
    }
}

/// The wire form of a name.
fn wire(word: &str, origin: &str) -> Option<Vec<u8>> {
    let name: domain::base::Name<Vec<u8>> = absolute(word, origin).parse().ok()?;
    Some(name.into_octets())
}

#[cfg(test)]
mod tests;
