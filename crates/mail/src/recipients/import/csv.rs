//! Tables with a header row: RFC 4180, also with semicolons or tabs as spreadsheets write them, and
//! what Exchange, Microsoft 365 and Google Workspace export.

use super::Ignored;
use super::collect::Collector;
use super::columns::Columns;
use super::found::Kind;
use super::password::kept;
use super::proxies::{divided, is_type_name};

const DIVIDERS: [char; 3] = [',', ';', '\t'];

pub(super) fn read(text: &str, out: &mut Collector<'_>) {
    let (start, begin) = start(text);
    let Some((divider, columns)) = header(start) else {
        let mend = "no column is called `address`, `email` or `mail`; name it so in the first row";
        // Where only empty lines are, the last one is named.
        let last = text.lines().count().max(1);
        return out.lost(begin.min(last), mend);
    };
    let mut rows = Rows {
        rest: start,
        divider,
        line: begin,
    };
    let names = rows.next().map(|row| row.fields).unwrap_or_default();
    for row in rows {
        if row.torn {
            let mend = "a quote opens and does not close; double a quote inside of quotes";
            out.lost(row.line, mend);
        } else if row.fields.iter().all(|field| field.trim().is_empty()) || row.fields == names {
            // Nothing, or the header once more where several tables were put together.
        } else if columns.is_gone(&row.fields) {
            out.ignore(Ignored::Disabled);
        } else {
            entry(&row, &columns, out);
        }
    }
}

fn entry(row: &Row, columns: &Columns, out: &mut Collector<'_>) {
    let cells = |places: &[usize]| -> Vec<Option<String>> {
        let cell = |at: &usize| row.fields.get(*at).map(|cell| cell.trim().to_owned());
        places.iter().map(cell).collect()
    };
    let (own, further) = (cells(&columns.own), cells(&columns.further));
    if own.iter().chain(&further).all(Option::is_none) {
        return out.lost(row.line, "the row is too short; its address is missing");
    }
    let filled = |cells: Vec<Option<String>>| -> Vec<String> {
        let cells = cells.into_iter().flatten();
        cells.filter(|cell| !cell.is_empty()).collect()
    };
    let (own, further) = (filled(own), filled(further));
    if own.is_empty() && further.is_empty() {
        return out.ignore(Ignored::NoAddress);
    }
    if let Some(password) = columns.password {
        for address in own {
            if let Some(address) = out.address(row.line, &address) {
                let field = row.fields.get(password).map_or("", String::as_str);
                let password = kept(row.line, field, out);
                out.mailbox(address, password);
            }
        }
    } else {
        for (cell, kind) in own.iter().zip(
            [Kind::Person]
                .into_iter()
                .chain(std::iter::repeat(Kind::Alias)),
        ) {
            addresses(row.line, cell, kind, out);
        }
    }
    for cell in further {
        // Exchange's `Alias` is a name without a domain, and no address.
        if is_type_name(&cell) {
            let mend = "the further addresses are missing here, only their type is written; export them with `@{n='EmailAddresses';e={$_.EmailAddresses -join ';'}}`";
            out.lost(row.line, mend);
        } else if cell.contains('@') {
            addresses(row.line, &cell, Kind::Alias, out);
        }
    }
}

/// One address, or several in one cell.
fn addresses(line: usize, cell: &str, kind: Kind, out: &mut Collector<'_>) {
    if cell.matches('@').count() < 2 || cell.starts_with('"') {
        return out.proxy(line, cell, kind);
    }
    for (index, address) in divided(cell).into_iter().enumerate() {
        out.proxy(line, address, if index == 0 { kind } else { Kind::Alias });
    }
}

/// Where the table begins and on which line: after blank lines, what PowerShell writes of its type,
/// and what tells a spreadsheet the divider.
fn start(text: &str) -> (&str, usize) {
    let (mut rest, mut line) = (text, 1);
    loop {
        let first = rest.lines().next().unwrap_or_default();
        let lower = first.trim().trim_matches('"').to_ascii_lowercase();
        let skipped = lower.is_empty() || lower.starts_with("#type ") || separator(&lower);
        let Some((_, after)) = rest.split_once('\n').filter(|_| skipped) else {
            return (rest, line);
        };
        (rest, line) = (after, line + 1);
    }
}

/// COMPAT(Excel): `sep=;` in the first line.
fn separator(line: &str) -> bool {
    line.strip_prefix("sep=")
        .is_some_and(|rest| rest.chars().count() <= 1)
}

/// How the header row is divided, and what stands where.
fn header(text: &str) -> Option<(char, Columns)> {
    DIVIDERS.into_iter().find_map(|divider| {
        let mut rows = Rows {
            rest: text,
            divider,
            line: 1,
        };
        Some((divider, Columns::of(&rows.next()?.fields)?))
    })
}

/// Whether this text begins with a header row that has a column of addresses.
pub(super) fn has_header(text: &str) -> bool {
    let (start, _) = start(text);
    let first = start.lines().next().unwrap_or_default();
    !first.contains('@') && header(start).is_some()
}

struct Row {
    /// The line it begins on.
    line: usize,
    fields: Vec<String>,
    /// Whether a quote was left open: the row has swallowed the rest of the file.
    torn: bool,
}

struct Rows<'a> {
    rest: &'a str,
    divider: char,
    line: usize,
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.rest.is_empty() {
            return None;
        }
        let begin = self.line;
        let mut fields = Vec::new();
        let mut field = String::new();
        let mut quoted = false;
        let mut signs = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, sign)) = signs.next() {
            if sign == '\n' {
                self.line += 1;
            }
            match sign {
                // RFC 4180 §2.7: a quote inside of quotes is doubled.
                '"' if quoted => match signs.next_if(|(_, next)| *next == '"') {
                    Some(_) => field.push('"'),
                    None => quoted = false,
                },
                // RFC 4180 §2.5: quotes enclose the whole field, or are none.
                '"' if field.trim().is_empty() => {
                    field.clear();
                    quoted = true;
                }
                '\n' if !quoted => {
                    end = at + 1;
                    break;
                }
                sign if sign == self.divider && !quoted => {
                    fields.push(std::mem::take(&mut field));
                }
                sign => field.push(sign),
            }
        }
        fields.push(field);
        self.rest = self.rest.get(end..).unwrap_or_default();
        Some(Row {
            line: begin,
            fields,
            torn: quoted,
        })
    }
}
