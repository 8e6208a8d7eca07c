//! Which format a file has, from its name and its first lines.

use std::path::Path;

use super::{Format, csv, ldif};

/// So many lines are looked at.
const LINES: usize = 50;

pub(super) fn guess(name: &str, text: &str) -> Format {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let name = Path::new(name)
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let first = text.lines().find(|line| !line.trim().is_empty());
    if name.ends_with(".ldif") || name.ends_with(".ldf") || ldif::looks_like(text) {
        return Format::Ldif;
    }
    if csv::has_header(text) || name.ends_with(".csv") || name.ends_with(".tsv") {
        return Format::Csv;
    }
    if name == "aliases" || name.ends_with(".aliases") {
        return Format::Aliases;
    }
    let users = name == "users" && first.is_some_and(|line| line.contains(':'));
    if name.contains("passwd") || name == "shadow" || users {
        return Format::Passwd;
    }
    by_lines(text)
}

/// What most of the first lines look like.
fn by_lines(text: &str) -> Format {
    let mut votes = [
        (Format::Passwd, 0_usize),
        (Format::Aliases, 0),
        (Format::Postfix, 0),
        (Format::Plain, 0),
    ];
    let lines = text
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace) && !line.starts_with('#'))
        .filter(|line| !line.is_empty());
    for line in lines.take(LINES) {
        let format = one(line.trim_end());
        for (of, count) in &mut votes {
            *count += usize::from(*of == format);
        }
    }
    let mut best = (Format::Plain, 0);
    for vote in votes {
        if vote.1 > best.1 {
            best = vote;
        }
    }
    best.0
}

fn one(line: &str) -> Format {
    let word = line.split(char::is_whitespace).next().unwrap_or_default();
    if let Some((_, rest)) = line.split_once(':') {
        if is_passwd(rest) {
            return Format::Passwd;
        }
        let spaced = line.split_once(char::is_whitespace);
        let colon_follows = spaced.is_some_and(|(_, after)| after.trim_start().starts_with(':'));
        if word.contains(':') || line.starts_with('"') || colon_follows {
            return Format::Aliases;
        }
    }
    let value = line.get(word.len()..).unwrap_or_default().trim();
    if !value.is_empty() && !value.starts_with('#') && !value.ends_with('>') {
        return Format::Postfix;
    }
    Format::Plain
}

/// Whether this follows a name in a passwd-file: a hash, or numbers where uid and gid belong.
fn is_passwd(rest: &str) -> bool {
    if rest.starts_with(['{', '$']) {
        return true;
    }
    let mut fields = rest.split(':').skip(1);
    let mut number = || {
        fields
            .next()
            .map(|field| field.bytes().all(|b| b.is_ascii_digit()))
    };
    number() == Some(true) && number() == Some(true)
}
