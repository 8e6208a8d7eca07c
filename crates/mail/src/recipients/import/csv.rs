//! Tables with a header row: RFC 4180, also with semicolons or tabs as spreadsheets write them.

use super::collect::Collector;
use super::password::kept;

/// The names of the column that is wanted.
const WANTED: [&str; 5] = ["address", "email", "e-mail", "mail", "email address"];
const PASSWORD: &str = "password";
const DIVIDERS: [char; 3] = [',', ';', '\t'];

pub(super) fn read(text: &str, out: &mut Collector<'_>) {
    let start = text.trim_start_matches(['\r', '\n']);
    let skipped = text.len() - start.len();
    let blank = text
        .get(..skipped)
        .map_or(0, |lines| lines.matches('\n').count());
    let header = start.lines().next().unwrap_or_default();
    let Some(Columns {
        divider,
        address: column,
        password,
    }) = columns(header)
    else {
        let mend = "no column is called `address`, `email` or `mail`; name it so in the first row";
        // Where only empty lines are, the last one is named.
        let last = text.lines().count().max(1);
        return out.lost((blank + 1).min(last), mend);
    };
    let mut rows = Rows {
        rest: start,
        divider,
        line: blank + 1,
    };
    let _header = rows.next();
    for row in rows {
        if row.torn {
            let mend = "a quote opens and does not close; double a quote inside of quotes";
            out.lost(row.line, mend);
        } else if let Some(field) = row.fields.get(column) {
            // An empty cell is somebody without an address.
            let address = field.trim();
            let Some(password) = password else {
                if !address.is_empty() {
                    out.entry(row.line, address);
                }
                continue;
            };
            if !address.is_empty()
                && let Some(address) = out.address(row.line, address)
            {
                let field = row.fields.get(password).map_or("", String::as_str);
                let password = kept(row.line, field, out);
                out.mailbox(address, password);
            }
        } else if row.fields.iter().any(|field| !field.trim().is_empty()) {
            out.lost(row.line, "the row is too short; its address is missing");
        }
    }
}

/// How a header row is divided, and what stands where.
pub(super) struct Columns {
    pub(super) divider: char,
    address: usize,
    password: Option<usize>,
}

/// Where the header row has a column of addresses.
pub(super) fn columns(header: &str) -> Option<Columns> {
    DIVIDERS.into_iter().find_map(|divider| {
        let mut rows = Rows {
            rest: header,
            divider,
            line: 1,
        };
        let names = rows.next()?.fields;
        let position = |wanted: &str| {
            let is = |name: &String| name.trim().eq_ignore_ascii_case(wanted);
            names.iter().position(is)
        };
        Some(Columns {
            divider,
            address: WANTED.iter().find_map(|wanted| position(wanted))?,
            password: position(PASSWORD),
        })
    })
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
