//! Small values of the configuration: time spans, and which known key was probably meant.

use std::time::Duration;

/// `"90s"`, `"15m"`, `"2h"`, `"3d"`, `"250ms"`; nothing else, and nothing over ten years.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let count: u64 = count.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return None,
    };
    let span = Duration::from_millis(count.checked_mul(millis)?);
    (span <= Duration::from_secs(3650 * 24 * 3600)).then_some(span)
}

/// The known key that is at most two slips away.
pub(super) fn nearest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|key| (slips(wrong, key), key))
        .filter(|(slips, key)| *slips <= 2 && *slips < key.len())
        .min()
        .map(|(_, key)| key)
}

/// Levenshtein distance, in characters.
fn slips(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (right, above) in b.iter().zip(row.iter().skip(1)) {
            let change = diagonal + usize::from(left != *right);
            before = change.min(before + 1).min(above + 1);
            next.push(before);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        assert_eq!(slips("interval", "interval"), 0);
        assert_eq!(slips("intervall", "interval"), 1);
        assert_eq!(slips("imprnit", "imprint"), 2);
        assert_eq!(
            nearest("hots", ["hosts", "primary"].into_iter()),
            Some("hosts")
        );
        assert_eq!(nearest("zzz", ["hosts", "primary"].into_iter()), None);
    }

    #[test]
    fn a_time_span_needs_its_unit() {
        assert_eq!(duration("15m"), Some(Duration::from_secs(900)));
        assert_eq!(duration("15"), None);
        assert_eq!(duration("m"), None);
        assert_eq!(duration("99999999999999d"), None);
    }
}
