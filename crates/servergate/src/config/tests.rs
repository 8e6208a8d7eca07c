//! The whole file: what is right is read, and every mistake is found at once.

use std::path::PathBuf;
use std::time::Duration;

use super::*;

mod owners;

/// A folder of its own for each test, removed at its end.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(&path, text).expect("a file");
    path
}

const RIGHT: &str = r#"
version = 1
mode = "act"

[standby]
name = "oslo"
addresses = ["192.0.2.7"]
references = ["9.9.9.9:53"]

[listen]
dns = ["192.0.2.7:53"]
http = ["192.0.2.7:80"]
https = ["192.0.2.7:443"]
admin = "admin.sock"

[[organisation]]
name = "Verein Beispiel"
domains = ["verein.test"]
languages = ["de", "en"]
imprint = "https://verein.test/impressum"

[organisation.names]
zones = ["verein.test"]
primary = "198.51.100.53:53"
steer = { via = "secondary", names = ["verein.test", "www.verein.test"] }

[organisation.web]
hosts = ["verein.test", "www.verein.test"]
primary = "https://198.51.100.80"
expect = "Verein Beispiel"
return = "auto-15m"

[organisation.watch]
interval = "10s"
"#;

#[test]
fn the_readme_s_example_is_right() {
    let folder = folder();
    let reading = read(&write(&folder, "servergate.toml", RIGHT)).expect("read");
    assert_eq!(reading.problems, []);
    let config = reading.config.expect("right");
    let services: Vec<_> = config
        .decided()
        .iter()
        .map(|decided| decided.service.to_string())
        .collect();
    assert_eq!(services, ["verein.test/web", "verein.test/names"]);
    let [organisation] = config.organisations.as_slice() else {
        panic!("one organisation")
    };
    assert_eq!(organisation.recovery_time().as_secs(), 27);
}

#[test]
fn ten_mistakes_are_ten_messages() {
    let folder = folder();
    let text = RIGHT
        .replace("version = 1", "version = 2")
        .replace("mode = \"act\"", "mode = \"on\"")
        .replace(
            "addresses = [\"192.0.2.7\"]",
            "addresses = [\"192.0.2.7\", \"192.0.2\"]",
        )
        .replace("\"9.9.9.9:53\"", "\"9.9.9.9\"")
        .replace("http = [\"192.0.2.7:80\"]", "htpp = [\"192.0.2.7:80\"]")
        .replace("languages = [\"de\", \"en\"]", "languages = [\"fr\"]")
        .replace("\"198.51.100.53:53\"", "53")
        .replace("https://198.51.100.80", "https://verein.test")
        .replace("auto-15m", "sometimes")
        .replace("interval = \"10s\"", "interval = \"10\"");
    let reading = read(&write(&folder, "servergate.toml", &text)).expect("read");
    assert!(reading.config.is_none());
    let errors: Vec<_> = reading
        .problems
        .iter()
        .filter(|problem| !problem.warning)
        .collect();
    let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 10, "{shown:#?}");
    for (problem, word) in errors.iter().zip([
        "version",
        "mode",
        "addresses",
        "references",
        "htpp",
        "languages",
        "primary",
        "primary",
        "return",
        "interval",
    ]) {
        assert!(
            problem.message.contains(word),
            "{word} is not named in {problem}"
        );
        assert!(
            problem.message.len() > word.len() + 20,
            "no mend in {problem}"
        );
    }
}

#[test]
fn organisations_come_from_files_of_their_own_too() {
    let folder = folder();
    let (head, organisation) = RIGHT.split_once("[[organisation]]").expect("two halves");
    let main = write(
        &folder,
        "servergate.toml",
        &format!("include = \"organisations.d/*.toml\"\n{head}"),
    );
    write(
        &folder,
        "organisations.d/verein.toml",
        &format!("[[organisation]]{organisation}"),
    );
    let town = format!("[[organisation]]{organisation}").replace("verein.test", "stadt.test");
    write(&folder, "organisations.d/stadt.toml", &town);
    write(&folder, "organisations.d/note.txt", "not read");
    let reading = read(&main).expect("read");
    assert_eq!(reading.problems, []);
    let config = reading.config.expect("right");
    let ids: Vec<_> = config
        .organisations
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(ids, ["stadt.test", "verein.test"]);
}

#[test]
fn one_name_has_one_owner() {
    let folder = folder();
    let (head, organisation) = RIGHT.split_once("[[organisation]]").expect("two halves");
    let other = organisation.replace("domains = [\"verein.test\"]", "domains = [\"stadt.test\"]");
    let text = format!("{head}[[organisation]]{organisation}[[organisation]]{other}");
    let reading = read(&write(&folder, "servergate.toml", &text)).expect("read");
    assert!(reading.config.is_none());
    let shown: Vec<_> = reading.problems.iter().map(ToString::to_string).collect();
    assert!(
        shown
            .iter()
            .any(|line| line.contains("www.verein.test belongs to")),
        "{shown:#?}"
    );
}

#[test]
fn without_references_there_is_a_warning_and_the_start_goes_on() {
    let folder = folder();
    let text = RIGHT.replace("references = [\"9.9.9.9:53\"]\n", "");
    let reading = read(&write(&folder, "servergate.toml", &text)).expect("read");
    assert!(reading.config.is_some());
    let [warning] = reading.problems.as_slice() else {
        panic!("{:?}", reading.problems)
    };
    assert!(
        warning.warning && warning.message.contains("references"),
        "{warning}"
    );
}

#[test]
fn what_senders_are_told_can_be_set_and_mistakes_are_named() {
    let with = |lines: &str| {
        let mail = "\n[organisation.mail]\nprimary = \"198.51.100.25\"\n";
        let folder = folder();
        let heard = "[listen]\nsmtp = [\"192.0.2.7:25\"]";
        let text = format!("{}{mail}{lines}", RIGHT.replace("[listen]", heard));
        read(&write(&folder, "servergate.toml", &text)).expect("read")
    };
    let notices = |reading: Reading| {
        assert_eq!(reading.problems, []);
        let mut config = reading.config.expect("right");
        let mail = config.organisations.remove(0).mail.expect("mail");
        mail.notices
    };
    let hours = |count: u64| Some(Duration::from_secs(count * 3600));
    let usual = notices(with(""));
    assert_eq!((usual.delay, usual.reminder), (None, hours(30 * 24)));
    assert_eq!((usual.relay, usual.port), (None, 25));
    assert!(!usual.private);
    assert!(usual.failure.is_some());
    let set = notices(with(
        "failure_dsn = \"off\"\ndelay_dsn = \"4h\"\nreminder = \"off\"\ndsn_relay = \"192.0.2.9\"\n\
         dsn_private = true\n",
    ));
    assert!(set.private);
    assert_eq!(
        (set.failure, set.delay, set.reminder),
        (None, hours(4), None)
    );
    assert_eq!(set.relay, Some("192.0.2.9:25".parse().expect("an address")));
    let wrong = with(
        "failure_dsn = 5\ndelay_dsn = \"1m\"\nreminder = \"never\"\ndsn_relay = \"mail.verein.test\"\n",
    );
    let problems: Vec<_> = wrong.problems.iter().map(ToString::to_string).collect();
    for part in [
        "organisation.mail.failure_dsn",
        "delay_dsn: is too short; at least \"10m\", or \"off\"",
        "organisation.mail.reminder",
        "organisation.mail.dsn_relay",
    ] {
        assert!(
            problems.iter().any(|one| one.contains(part)),
            "{part}: {problems:?}"
        );
    }
}
