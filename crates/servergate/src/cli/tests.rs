//! Every command that the manuals or the program's own words name is one that exists.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::Cli;

/// All files with this ending below a folder, but those of tests, whose commands may be wrong on
/// purpose.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with("tests") || name == "decisions" {
            continue;
        }
        if path.is_dir() {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// The commands that a text names: between backticks, and as lines of a block of code.
fn named(text: &str, is_manual: bool) -> Vec<String> {
    let spans = text.split("`servergate ").skip(1);
    let spans = spans.filter_map(|rest| rest.split('`').next());
    let mut found: Vec<String> = spans.map(str::to_owned).collect();
    let lines = text.lines().filter(|_| is_manual).map(str::trim_start);
    let lines = lines.filter_map(|line| {
        let line = line.trim_start_matches("$ ").trim_start_matches("sudo ");
        let rest = line.strip_prefix("servergate ")?;
        // What the command does stands behind some blanks, a comment behind a sign.
        rest.split("  ").next()?.split(" #").next()
    });
    found.extend(lines.map(str::to_owned));
    found.retain(|command| {
        command.starts_with(|sign: char| sign.is_ascii_lowercase() || sign == '-')
    });
    found
}

/// What of a command does not exist.
fn unknown(command: &str) -> Option<String> {
    let mut all = vec![Cli::command()];
    for token in command.split_whitespace() {
        let token = token.trim_matches(|sign: char| "[](),.;…\\\"'".contains(sign));
        let long = token
            .strip_prefix("--")
            .map(|long| long.split('=').next().unwrap_or(long));
        if let Some(long) = long {
            let knows = |one: &clap::Command| {
                long.is_empty()
                    || ["help", "version"].contains(&long)
                    || one.get_arguments().any(|arg| arg.get_long() == Some(long))
            };
            if !all.iter().all(knows) {
                return Some(format!("--{long}"));
            }
        } else if all.iter().any(clap::Command::has_subcommands) && !token.starts_with('-') {
            // A word that is put in, or one that stands for several.
            if token.is_empty()
                || token.starts_with(['{', '<'])
                || token.chars().all(char::is_uppercase)
            {
                return None;
            }
            let parents = std::mem::take(&mut all);
            for name in token.split('|') {
                let found = parents.iter().find_map(|one| one.find_subcommand(name));
                match found {
                    Some(found) => all.push(found.clone()),
                    None => return Some(name.to_owned()),
                }
            }
        }
    }
    None
}

#[test]
fn every_command_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut manuals = vec![root.join("README.md")];
    files(&root.join("docs"), ".md", &mut manuals);
    let mut sources = Vec::new();
    for entry in fs::read_dir(root.join("crates")).expect("crates") {
        let source = entry.expect("a crate").path().join("src");
        if source.is_dir() && !source.ends_with("testbed/src") {
            files(&source, ".rs", &mut sources);
        }
    }
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (file, is_manual) in manuals
        .iter()
        .map(|file| (file, true))
        .chain(sources.iter().map(|file| (file, false)))
    {
        let text = fs::read_to_string(file).expect("a text");
        for command in named(&text, is_manual) {
            seen += 1;
            if let Some(unknown) = unknown(&command) {
                wrong.push(format!(
                    "{}: `servergate {command}`: {unknown}",
                    file.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 80, "only {seen} commands were found");
}

#[test]
fn what_does_not_exist_is_found() {
    for right in [
        "status --json",
        "failover|failback|hold|auto [ORGANISATION/]SERVICE",
        "mail quarantine --release --from ADDRESS",
        "mail {command} --after 7",
        "answer mail-1 yes|no",
        "import recipients FILE…",
        "run -c servergate.toml",
    ] {
        assert_eq!(unknown(right), None, "{right}");
    }
    for (wrong, what) in [
        ("stauts", "stauts"),
        ("mail list --aftre 7", "--aftre"),
        ("mail unquarantine", "unquarantine"),
        ("failover|failbakc web", "failbakc"),
    ] {
        assert_eq!(unknown(wrong).as_deref(), Some(what), "{wrong}");
    }
}

#[test]
fn the_quarantine_is_decided_about_by_number_or_by_condition() {
    use clap::Parser;
    let parse = |words: &str| {
        let words = format!("servergate mail quarantine {words}");
        Cli::try_parse_from(words.split_whitespace())
    };
    for right in [
        "",
        "--release 7",
        "--release --all --yes",
        "--release --from sender.test --reason spam",
        "--drop --domain verein.test",
        "--to anna@verein.test --after 7 --limit 5",
    ] {
        assert!(parse(right).is_ok(), "{right}");
    }
    for wrong in [
        "--release --drop",
        "--release x",
        "--release --all --from sender.test",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
