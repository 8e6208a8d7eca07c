//! Licence expressions (SPDX): may a crate with this licence be part of what we give away?

/// Permissive licences, and the file-copyleft MPL.
const GOOD: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "MPL-2.0+",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Whether some choice that the expression leaves us is acceptable throughout.
pub(super) fn is_good(expression: &str) -> bool {
    // The slash is how manifests said OR before SPDX.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let good = either(&mut rest);
    good && rest.is_empty()
}

fn either(rest: &mut &[&str]) -> bool {
    let mut good = both(rest);
    while let ["OR", after @ ..] = rest {
        *rest = after;
        good |= both(rest);
    }
    good
}

fn both(rest: &mut &[&str]) -> bool {
    let mut good = single(rest);
    while let ["AND", after @ ..] = rest {
        *rest = after;
        good &= single(rest);
    }
    good
}

fn single(rest: &mut &[&str]) -> bool {
    match rest {
        ["(", after @ ..] => {
            *rest = after;
            let good = either(rest);
            if let [")", after @ ..] = rest {
                *rest = after;
                return good;
            }
            false
        }
        [name, "WITH", exception, after @ ..] => {
            let whole = format!("{name} WITH {exception}");
            *rest = after;
            GOOD.contains(&whole.as_str())
        }
        [name, after @ ..] => {
            let good = GOOD.contains(name);
            *rest = after;
            good
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_good;

    #[test]
    fn one_good_choice_is_enough_and_every_obligation_counts() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "(MIT OR Apache-2.0) AND NCSA",
            "Apache-2.0/MIT",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        ] {
            assert!(is_good(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0-only",
            "MIT AND AGPL-3.0-only",
            "(MIT",
            "LGPL-2.1-or-later",
            "MIT)",
        ] {
            assert!(!is_good(bad), "{bad}");
        }
    }
}
