//! What a table may say.

use super::*;
use host::config::Document;

fn read_text(text: &str) -> (Option<Organisation>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("tsig.key"),
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
    )
    .expect("a key");
    let document = Document::new(folder.path().join("servergate.toml"), text);
    let standby = ["192.0.2.7".parse().expect("an address")];
    let organisation =
        document.read(|fields| read(&fields, OrganisationId::new("verein.test"), &standby));
    let problems = document
        .problems()
        .iter()
        .map(|problem| problem.message.clone())
        .collect();
    (organisation, problems)
}

#[test]
fn the_example_is_read() {
    let (organisation, problems) = read_text(
        "zones = [\"verein.test\"]\nprimary = \"198.51.100.53:53\"\n\
         tsig = { name = \"servergate\", algorithm = \"hmac-sha256\", secret_file = \"tsig.key\" }\n\
         steer = { via = \"secondary\", names = [\"verein.test\", \"www.verein.test\"] }\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let organisation = organisation.expect("an organisation");
    assert!(organisation.key.is_some() && organisation.serve_past_expire);
    let steer = organisation.steer.expect("steering");
    assert_eq!(steer.via, Via::Secondary);
    assert_eq!(steer.addresses.v4.len(), 1);
}

#[test]
fn mistakes_are_named_with_what_to_write() {
    let (_, problems) = read_text(
        "zones = [\"verein.test\"]\nnotify = [\"192.0.2.9:53\"]\n\
         steer = { via = \"secondary\", names = [\"www.stadt.test\"] }\n",
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("primary is missing")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("a key is needed")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("none of `zones`")),
        "{problems:?}"
    );
    let (_, problems) =
        read_text("steer = { via = \"zone\", names = [\"www.gate.verein.test\"] }\n");
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("steer.zone is missing")),
        "{problems:?}"
    );
    let (_, problems) = read_text("steer = { names = [\"a..b\"] }\n");
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("steer.via is missing")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("should be a domain name")),
        "{problems:?}"
    );
}

#[test]
fn a_short_secret_is_refused() {
    let name: Name = "servergate".parse().expect("a name");
    assert!(key(&name, Algorithm::Sha256, "c2hvcnQ=").is_err());
    assert!(key(&name, Algorithm::Sha256, "not base64!").is_err());
    assert!(key(&name, Algorithm::Sha256, "MDEyMzQ1Njc4OWFiY2RlZg==").is_ok());
}
