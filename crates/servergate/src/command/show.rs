//! How answers look: tables and colour on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use model::{Condition, Role};
use owo_colors::{OwoColorize, Style};

/// Whether standard output is a terminal that wants colour.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// `text` in a style, where colour is wanted.
pub(crate) fn paint(text: &str, style: Style) -> String {
    if colour() {
        text.style(style).to_string()
    } else {
        text.to_owned()
    }
}

pub(crate) fn role(role: Role) -> String {
    let style = match role {
        Role::Standby => Style::new().green(),
        Role::Acting => Style::new().bold().magenta(),
        Role::Returning => Style::new().yellow(),
    };
    paint(&role.to_string(), style)
}

pub(crate) fn condition(condition: Option<Condition>) -> String {
    let (word, style) = match condition {
        Some(Condition::Reachable) => ("reachable", Style::new().green()),
        Some(Condition::Suspect) => ("failing, being confirmed", Style::new().yellow()),
        Some(Condition::BelowQuorum) => ("failing from some places only", Style::new().yellow()),
        Some(Condition::Dark) => ("dark", Style::new().red().bold()),
        Some(Condition::Unstable) => ("fails and answers in turn", Style::new().red().bold()),
        Some(Condition::Blind) => ("we cannot judge", Style::new().yellow()),
        None => ("not observed yet", Style::new().dimmed()),
    };
    paint(word, style)
}

/// `1 h 04 min`, `3 min 20 s`, `12.4 s`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Rows under headings, each column as wide as it needs to be.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| visible(cell));
        let heading = headings
            .get(column)
            .map_or(0, |heading| heading.chars().count());
        cells.max().unwrap_or(0).max(heading)
    };
    let widths: Vec<_> = (0..headings.len()).map(width).collect();
    let headings: Vec<_> = headings
        .iter()
        .map(|h| paint(h, Style::new().dimmed()))
        .collect();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(
                ' ',
                2 + width - visible(cell).min(*width),
            ));
        }
        println!("{}", line.trim_end());
    }
}

/// How many characters a cell shows: colour takes no room.
fn visible(cell: &str) -> usize {
    let mut shown = 0;
    let mut in_escape = false;
    for character in cell.chars() {
        match character {
            '\u{1b}' => in_escape = true,
            'm' if in_escape => in_escape = false,
            _ if !in_escape => shown += 1,
            _ => {}
        }
    }
    shown
}
