//! Rules for Rust sources, line by line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Finding;

/// The longest a file may be.
const LINES: usize = 600;
/// The only way to make a measured fact.
const MEASURED: &str = concat!("Observation::", "measured(");
/// Blind waits, on the real and on the runtime's clock.
const THREAD_SLEEP: &str = concat!("thread::", "sleep");
const TIME_SLEEP: &str = concat!("time::", "sleep");
/// The one place that may pause: it looks for an event until a deadline.
const WAITING: &str = "crates/testbed/src/lab/wait.rs";

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut files = Vec::new();
    for top in ["crates", "xtask", "fuzz"] {
        collect(&root.join(top), &mut files)?;
    }
    files.sort();
    let mut findings = Vec::new();
    for path in files {
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let text = fs::read_to_string(&path).with_context(|| format!("read {name}"))?;
        findings.extend(one(&name, &text));
    }
    Ok(findings)
}

/// Every word of the sources below `folder` that could be the name of a crate.
pub(super) fn words(folder: &Path) -> Result<BTreeSet<String>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    let mut words = BTreeSet::new();
    for path in files {
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let found = code.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
            words.extend(found.map(ToOwned::to_owned));
        }
    }
    Ok(words)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn one(name: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        let mend = "open it with //!: what lives here, who calls it, which RFC";
        findings.push(Finding::new(
            name,
            1,
            "the file does not say what it is",
            mend,
        ));
    }
    let lines = text.lines().count();
    if lines > LINES {
        let mend = format!("split it along its nouns; at most {LINES}");
        findings.push(Finding::new(name, LINES, format!("{lines} lines"), mend));
    }
    let test_file =
        name.contains("/tests/") || name.ends_with("/tests.rs") || name.contains("/benches/");
    let development = name.starts_with("crates/testbed/") || name.starts_with("fuzz/");
    let may_measure =
        name.starts_with("crates/watch/") || name.starts_with("crates/model/") || development;
    // There, the runtime's clock is moved by hand and a sleep takes no time.
    let virtual_time = text.contains("start_paused") || text.contains("turmoil");
    let mut tested = test_file;
    for (index, line) in text.lines().enumerate() {
        tested |= line.trim_start().starts_with("#[cfg(test)]");
        let code = line.split("//").next().unwrap_or_default();
        if code.contains(MEASURED) && !may_measure && !tested {
            let mend = "only watch makes measured facts (promise 4): send a hint, or take the fact from watch";
            findings.push(Finding::new(
                name,
                index + 1,
                "a measured fact is made here",
                mend,
            ));
        }
        let waits = code.contains(THREAD_SLEEP) || (code.contains(TIME_SLEEP) && !virtual_time);
        if waits && (tested || development) && name != WAITING {
            let mend =
                "wait for the event: testbed::lab::until, a channel, or the runtime's paused clock";
            findings.push(Finding::new(name, index + 1, "a test sleeps", mend));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(name: &str, text: &str) -> usize {
        one(name, text).len()
    }

    #[test]
    fn a_file_says_what_it_is() {
        assert_eq!(count("crates/site/src/lib.rs", "fn a() {}\n"), 1);
        assert_eq!(count("crates/site/src/lib.rs", "//! Site.\nfn a() {}\n"), 0);
    }

    #[test]
    fn a_file_ends_somewhere() {
        let long = format!("//! Long.\n{}", "\n".repeat(LINES));
        assert_eq!(count("crates/site/src/lib.rs", &long), 1);
    }

    #[test]
    fn only_watch_makes_measured_facts() {
        let text = format!("//! A.\nfn a() {{ {MEASURED}) }}\n");
        assert_eq!(count("crates/site/src/lib.rs", &text), 1);
        assert_eq!(count("crates/watch/src/lib.rs", &text), 0);
        let tested = format!("//! A.\n#[cfg(test)]\nmod tests {{ {MEASURED}) }}\n");
        assert_eq!(count("crates/site/src/lib.rs", &tested), 0);
    }

    #[test]
    fn tests_do_not_sleep() {
        let text = format!("//! A.\nfn a() {{ {THREAD_SLEEP}(x) }}\n");
        assert_eq!(count("crates/site/tests/main.rs", &text), 1);
        assert_eq!(count("crates/testbed/src/day/a.rs", &text), 1);
        assert_eq!(count(WAITING, &text), 0);
        let paused =
            format!("//! A.\n#[tokio::test(start_paused = true)]\nfn a() {{ {TIME_SLEEP}(x) }}\n");
        assert_eq!(count("crates/site/tests/main.rs", &paused), 0);
    }
}
