//! One address a line; `#` begins a comment. `@domain` means every address of it.

use super::collect::Collector;
use super::found::Kind;

pub(super) fn read(text: &str, out: &mut Collector<'_>) {
    for (index, line) in text.lines().enumerate() {
        let entry = without_comment(line).trim();
        if !entry.is_empty() {
            out.proxy(index + 1, bare(entry), Kind::Person);
        }
    }
}

/// A `#` at the beginning or after white space; inside a word it may belong to an address.
fn without_comment(line: &str) -> &str {
    let comment = line.char_indices().find(|&(at, sign)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        sign == '#' && before.is_none_or(char::is_whitespace)
    });
    comment.and_then(|(at, _)| line.get(..at)).unwrap_or(line)
}

/// `Anna Beispiel <anna@verein.test>,` → `anna@verein.test`, as address books export it.
fn bare(entry: &str) -> &str {
    let entry = entry.trim_end_matches([',', ';']).trim_end();
    let inner = entry
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'))
        .map(|(_, inner)| inner);
    inner.unwrap_or(entry)
}
