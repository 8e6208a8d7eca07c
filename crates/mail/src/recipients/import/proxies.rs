//! Several addresses in one field, as Exchange and Microsoft 365 write them:
//! `SMTP:anna@verein.test;smtp:a@verein.test`, or with commas, blanks or `+` in between.

/// The addresses of one field, each with the prefix it has.
pub(super) fn divided(field: &str) -> Vec<&str> {
    let divides = |sign: char| sign == ';' || sign == ',' || sign.is_whitespace();
    let words = field
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}')
        .split(divides)
        .filter(|word| !word.is_empty());
    words.flat_map(by_plus).collect()
}

/// `SMTP:a@b+smtp:c@d` is two, and `smtp:anna+news@b` is one: a `+` divides where a prefix follows.
fn by_plus(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = word;
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|some| some.find('+')) {
        let at = from + at;
        let (before, after) = (rest.get(..at), rest.get(at + 1..).unwrap_or_default());
        match (before, prefixed(after)) {
            (Some(before), Some(_)) if !before.is_empty() => {
                parts.push(before);
                rest = after;
                from = 0;
            }
            _ => from = at + 1,
        }
    }
    parts.push(rest);
    parts
}

/// The prefix and what follows it: letters and digits before a colon.
pub(super) fn prefixed(word: &str) -> Option<(&str, &str)> {
    let (prefix, rest) = word.trim().split_once(':')?;
    let is_word = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then_some((prefix, rest))
}

/// Whether a prefix is of an address of something else than mail.
pub(super) fn is_other(prefix: &str) -> bool {
    let known = [
        "x500", "x400", "ex", "sip", "eum", "spo", "im", "notes", "ccmail", "gwise", "ms", "fax",
        "rfax", "voice", "airsync", "jrnl",
    ];
    known.iter().any(|one| prefix.eq_ignore_ascii_case(one))
}

/// Whether a field holds what PowerShell writes in the place of a list it was not told to join.
pub(super) fn is_type_name(field: &str) -> bool {
    let field = field.trim();
    field.starts_with("Microsoft.Exchange.Data.")
        || field.starts_with("System.")
        || field.starts_with("Microsoft.Graph.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_divides_where_a_prefix_follows() {
        for (field, expected) in [
            ("", vec![]),
            (
                "SMTP:a@b.test+smtp:c@b.test",
                vec!["SMTP:a@b.test", "smtp:c@b.test"],
            ),
            ("smtp:anna+news@b.test", vec!["smtp:anna+news@b.test"]),
            (
                "smtp:a+n@b.test+SIP:a@b.test",
                vec!["smtp:a+n@b.test", "SIP:a@b.test"],
            ),
            (
                "{SMTP:a@b.test, smtp:c@b.test}",
                vec!["SMTP:a@b.test", "smtp:c@b.test"],
            ),
            (
                "a@b.test; c@b.test\nd@b.test",
                vec!["a@b.test", "c@b.test", "d@b.test"],
            ),
        ] {
            assert_eq!(divided(field), expected, "{field}");
        }
    }
}
