//! What may be written, and what is said about mistakes.

use host::config::Document;

use super::*;

fn read(text: &str) -> (Option<WebConfig>, Vec<String>) {
    let document = Document::new("test.toml", text);
    let config =
        document.read(|fields| WebConfig::read(&fields, OrganisationId::new("verein.test")));
    let problems = document
        .problems()
        .iter()
        .map(ToString::to_string)
        .collect();
    (config, problems)
}

#[test]
fn a_whole_table_is_read() {
    let (config, problems) = read(
        "hosts = ['Verein.test', 'www.verein.test', 'verein.test']\n\
         primary = 'https://198.51.100.80:8443'\nexpect = 'Verein'\nrefresh = '1m'\n\
         capture = { rate = 2, bytes = '500MB', robots = false, exclude = ['/intern/'] }\n",
    );
    assert_eq!(problems, Vec::<String>::new());
    let config = config.unwrap();
    assert_eq!(config.hosts, ["verein.test", "www.verein.test"]);
    assert_eq!(
        config.source,
        Source::Primary(Primary {
            secure: true,
            address: "198.51.100.80:8443".parse().unwrap()
        })
    );
    assert_eq!(config.capture.bytes, 500 << 20);
    assert_eq!(config.capture.pages, 20_000);
    assert!(!config.capture.robots);
    assert_eq!(config.refresh, Duration::from_secs(60));
}

#[test]
fn every_mistake_is_named() {
    let (config, problems) = read(
        "hosts = ['verein.test', 'a b', '10.0.0.1']\nprimary = 'https://verein.test/'\n\
         expect = ''\nrefresh = '1s'\ncapture = { bytes = '5', exclude = ['intern'], pages = 0 }\n\
         speed = 1\n",
    );
    assert!(config.is_none());
    let all = problems.join("\n");
    for part in [
        "hosts: 'a b'",
        "hosts: '10.0.0.1'",
        "primary: \"https://verein.test/\" should be an address",
        "expect: an empty mark",
        "refresh: more often",
        "capture.bytes",
        "capture.exclude",
        "capture.pages",
        "speed is not a key",
    ] {
        assert!(all.contains(part), "{part} not in\n{all}");
    }
}

#[test]
fn a_source_is_needed_and_only_one() {
    let both = "hosts = ['verein.test']\nprimary = 'http://192.0.2.1'\nfolder = '/'\n";
    assert!(read(both).1.join("\n").contains("not both"));
    assert!(
        read("hosts = ['verein.test']\n")
            .1
            .join("\n")
            .contains("primary is missing")
    );
    let (config, problems) = read("hosts = ['verein.test']\nfolder = '/'\n");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(config.unwrap().source, Source::Folder(PathBuf::from("/")));
}

#[test]
fn a_primary_is_an_address() {
    for (text, right) in [
        ("https://198.51.100.80", true),
        ("http://[2001:db8::80]:8080/", true),
        ("https://verein.test", false),
        ("https://198.51.100.80/path", false),
        ("ftp://198.51.100.80", false),
        ("198.51.100.80", false),
    ] {
        assert_eq!(Primary::parse(text).is_some(), right, "{text}");
    }
}
