//! Parts of a body: RFC 9110 §14. Pure.

use std::ops::Range;

/// What a Range header asks of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it: no range, several ranges, another unit, or nonsense (§14.2 allows to ignore it).
    Whole,
    /// These bytes, of which there is at least one.
    Part(Range<u64>),
    /// Bytes that there are not: 416.
    Beyond,
}

/// Reads the value of a Range header for a body of `length` bytes.
///
/// Several ranges are answered with the whole body: cheaper than many parts, and it leaves no
/// room for requests that cost us more than their sender (CVE-2011-3192).
pub(super) fn asked(value: &[u8], length: u64) -> Asked {
    let Some(spec) = strip_unit(value) else {
        return Asked::Whole;
    };
    let spec = spec.trim_ascii();
    let Some(dash) = spec.iter().position(|byte| *byte == b'-') else {
        return Asked::Whole;
    };
    let (first, last) = (spec.get(..dash), spec.get(dash + 1..));
    let (Some(first), Some(last)) = (first, last) else {
        return Asked::Whole;
    };
    match (number(first), number(last)) {
        (Number::Some(first), Number::Some(last)) if first > last => Asked::Whole,
        (Number::Some(first), Number::Some(last)) => part(first, last.saturating_add(1), length),
        (Number::Some(first), Number::None) => part(first, length, length),
        // §14.1.2: the last so many bytes; of a shorter body all of it.
        (Number::None, Number::Some(0)) => Asked::Beyond,
        (Number::None, Number::Some(count)) => part(length.saturating_sub(count), length, length),
        _ => Asked::Whole,
    }
}

fn strip_unit(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (unit, rest) = value.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(rest)
}

fn part(first: u64, end: u64, length: u64) -> Asked {
    if first >= length {
        return Asked::Beyond;
    }
    Asked::Part(first..end.min(length))
}

enum Number {
    None,
    Some(u64),
    Malformed,
}

fn number(digits: &[u8]) -> Number {
    if digits.is_empty() {
        return Number::None;
    }
    let mut number = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Number::Malformed;
        }
        // Beyond every body, which is all that has to be known of it.
        number = number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'));
    }
    Number::Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_ranges() {
        use Asked::{Beyond, Part, Whole};
        for (value, expected) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-9", Part(0..10)),
            ("bytes=0-10", Part(0..10)),
            ("Bytes=2-", Part(2..10)),
            ("bytes=9-", Part(9..10)),
            ("bytes=10-", Beyond),
            ("bytes=10-12", Beyond),
            ("bytes=-1", Part(9..10)),
            ("bytes=-99", Part(0..10)),
            ("bytes=-0", Beyond),
            ("bytes=5-4", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes= 1-2 ", Part(1..3)),
            ("bytes=1 -2", Whole),
            ("bytes", Whole),
            ("items=0-1", Whole),
            ("", Whole),
            ("bytes=0-99999999999999999999999999", Part(0..10)),
            ("bytes=99999999999999999999999999-", Beyond),
            ("bytes=--1", Whole),
        ] {
            assert_eq!(asked(value.as_bytes(), 10), expected, "{value}");
        }
        assert_eq!(asked(b"bytes=0-", 0), Beyond);
        assert_eq!(asked(b"bytes=-1", 0), Beyond);
    }
}
