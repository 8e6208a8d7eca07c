//! Every command that the program, its alerts or its manuals name exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::Cli;

/// All files below `folder` that end in `end`, but for those of tests.
fn files(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "tests" && name != "target" {
            files(&path, end, found);
        } else if name.ends_with(end) && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// The words after each `servergate ` in code or in quotation, as far as they could be commands.
fn named(text: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (at, _) in text.match_indices("servergate ") {
        let before = text[..at].chars().next_back();
        // In prose the program is called Servergate; this is a line to be typed.
        if !matches!(before, Some('`' | ' ' | '"' | '\n')) {
            continue;
        }
        let line = text[at + "servergate ".len()..]
            .lines()
            .next()
            .unwrap_or("");
        let words = line.split(' ').map_while(|word| {
            let end = word.find(|c: char| !c.is_ascii_lowercase() && c != '-');
            let (word, whole) = (&word[..end.unwrap_or(word.len())], end.is_none());
            (!word.is_empty() && !word.starts_with('-')).then(|| (word.to_owned(), whole))
        });
        let mut command = Vec::new();
        for (word, whole) in words {
            command.push(word);
            if !whole {
                break;
            }
        }
        all.push(command);
    }
    all
}

/// What of these words clap does not know.
fn unknown(words: &[String]) -> Option<String> {
    let mut command = Cli::command();
    for (nth, word) in words.iter().enumerate() {
        if !command.has_subcommands() {
            return None;
        }
        match command.find_subcommand(word) {
            Some(found) => command = found.clone(),
            None => return Some(words[..=nth].join(" ")),
        }
    }
    None
}

#[test]
fn every_command_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = Vec::new();
    for part in [
        "watch",
        "model",
        "names",
        "site",
        "mail",
        "bulletin",
        "host",
        "servergate",
    ] {
        files(
            &root.join("crates").join(part).join("src"),
            ".rs",
            &mut sources,
        );
    }
    files(&root.join("docs"), ".md", &mut sources);
    sources.push(root.join("README.md"));
    let mut wrong = BTreeSet::new();
    let mut right = 0;
    for path in sources {
        let text = std::fs::read_to_string(&path).expect("a source");
        // What is only explained is no word of the program.
        let said: Vec<_> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            // The heads of files on disk, which are no commands.
            .filter(|line| !line.contains("b\"servergate "))
            .collect();
        for words in named(&said.join("\n")) {
            match unknown(&words) {
                Some(what) => drop(wrong.insert(format!("{}: {what}", path.display()))),
                None => right += 1,
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(right > 40, "only {right} commands were found");
}

#[test]
fn a_command_that_does_not_exist_is_found_out() {
    let named = named("more: servergate outage explain {}\n`servergate alert tset`\n");
    let unknown: Vec<_> = named.iter().filter_map(|words| unknown(words)).collect();
    assert_eq!(unknown, ["alert tset"]);
}
