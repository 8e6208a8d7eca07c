//! Postfix lookup tables in text: postmap(1), virtual(5), and `relay_recipient_maps` and
//! `virtual_mailbox_maps` of postconf(5). The left side is a recipient, the right side is not
//! looked at.

use super::Ignored;
use super::collect::{Collector, shown};
use super::found::Kind;

pub(super) fn read(text: &str, out: &mut Collector<'_>) {
    for (line, entry) in logical_lines(text) {
        read_entry(line, entry.trim_end(), out);
    }
}

fn read_entry(line: usize, entry: &str, out: &mut Collector<'_>) {
    if entry.starts_with(['/', '!']) || entry == "endif" || entry.starts_with("if ") {
        let mend = "a pattern cannot be imported; list the addresses it stands for, or make the domain a catch-all";
        return out.lost(line, mend);
    }
    let Some((key, value)) = divided(entry) else {
        let mend = "no value, so Postfix passes this line over; write `address OK`, or import the file as a plain list";
        return out.lost(line, mend);
    };
    if value.starts_with('=') {
        let mend = format!(
            "`{}` is a setting of a lookup, not a recipient; export what the lookup holds and import that",
            shown(key)
        );
        return out.lost(line, mend);
    }
    if refuses(value) {
        return out.ignore(Ignored::Disabled);
    }
    if !key.contains('@') && is_prose(value) {
        let mend = "not a line of a lookup table: several words without a comma stand behind the first; write `address OK`";
        return out.lost(line, mend);
    }
    // virtual(5): `verein.test anything` declares the domain, and names nobody.
    if !key.contains('@') && out.is_own(key) {
        return out.understood();
    }
    // virtual(5) leads to addresses; other tables say `OK`, or where a mailbox lies.
    let kind = if value.contains(['@', ',']) {
        Kind::Alias
    } else {
        Kind::Person
    };
    out.proxy(line, key, kind);
}

/// access(5): a table for `check_recipient_access` names those, too, for whom nothing is taken.
fn refuses(value: &str) -> bool {
    let first = value.split_whitespace().next().unwrap_or_default();
    let code = first.len() == 3
        && first.starts_with(['4', '5'])
        && first.bytes().all(|b| b.is_ascii_digit());
    code || ["REJECT", "DEFER", "DISCARD"].contains(&first)
}

/// Whether this is a sentence: where a name leads to are addresses, with commas between them.
fn is_prose(value: &str) -> bool {
    value.split_whitespace().count() > 1 && !value.contains([',', '"', '@', '|'])
}

/// Key and value. postmap(1): a key with white space in it stands in double quotes, which then are
/// no part of it; `"an na"@verein.test` has them as part of the address.
fn divided(entry: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, sign) in entry.char_indices() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            sign if sign.is_whitespace() && !quoted => {
                let (key, value) = entry.split_at_checked(at)?;
                let inner = key
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                return Some((inner.unwrap_or(key), value.trim_start()));
            }
            _ => {}
        }
    }
    None
}

/// postmap(1): a line that begins with white space continues the one before; empty lines and
/// those whose first sign is `#` are passed over, also between the two.
pub(super) fn logical_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .peekable();
    std::iter::from_fn(move || {
        let (index, first) = lines.next()?;
        let mut entry = first.to_owned();
        while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with(char::is_whitespace))
        {
            entry.push_str(more);
        }
        Some((index + 1, entry))
    })
}
