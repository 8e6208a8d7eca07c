//! What a table may say.

use super::*;
use domain::tsig::Algorithm;
use host::config::Document;

fn read_text(text: &str) -> (Option<Organisation>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("tsig.key");
    std::fs::write(&key, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").expect("a key");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, mode).expect("for its owner");
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
fn one_mistake_makes_no_unknown_key_of_another() {
    for (wrong, key) in [
        (
            "name = \"servergate\", algorithm = \"hmac-md5\"",
            "algorithm",
        ),
        ("name = \"a..b\", algorithm = \"hmac-sha256\"", "name"),
        ("name = 5, algorithm = \"hmac-sha256\"", "name"),
    ] {
        let (_, problems) = read_text(&format!(
            "zones = [\"verein.test\"]\nprimary = \"198.51.100.53:53\"\n\
             tsig = {{ {wrong}, secret_file = \"tsig.key\" }}\n"
        ));
        assert_eq!(problems.len(), 1, "{key}: {problems:?}");
        assert!(!problems[0].contains("is not a key"), "{problems:?}");
    }
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

/// Reads `ns` of a standby zone.
fn servers(ns: &str) -> (Option<Via>, Vec<String>) {
    let (organisation, problems) = read_text(&format!(
        "steer = {{ via = \"zone\", zone = \"gate.verein.test\", ns = {ns}, \
         names = [\"www.gate.verein.test\"], primary = [\"198.51.100.80\"] }}\n"
    ));
    let steer = organisation.and_then(|organisation| organisation.steer);
    (steer.map(|steer| steer.via), problems)
}

/// A name server within the small zone has an address there, or `check` says what to write.
#[test]
fn a_name_server_within_the_standby_zone_has_an_address() {
    let glue = |ns| match servers(ns) {
        (Some(Via::Zone { glue, servers, .. }), problems) => {
            let said = glue.iter().map(|(name, at)| {
                let at: Vec<_> = at.iter().map(|at| at.to_string()).collect();
                format!("{name} {}", at.join(" "))
            });
            (servers.len(), said.collect::<Vec<_>>(), problems)
        }
        other => panic!("{other:?}"),
    };
    let (count, said, problems) = glue("[\"ns1.standby.example\"]");
    assert!(
        count == 1 && said.is_empty() && problems.is_empty(),
        "{said:?} {problems:?}"
    );
    let (_, said, problems) = glue("[\"ns1.gate.verein.test\", \"ns2.standby.example\"]");
    assert_eq!(said, ["ns1.gate.verein.test 192.0.2.7"]);
    assert!(problems.is_empty(), "{problems:?}");
    let both =
        "[\"ns1.gate.verein.test 192.0.2.7 2001:db8::7\", \"ns2.gate.verein.test 192.0.2.8\"]";
    let (_, said, problems) = glue(both);
    let want = [
        "ns1.gate.verein.test 192.0.2.7 2001:db8::7",
        "ns2.gate.verein.test 192.0.2.8",
    ];
    assert_eq!(said, want);
    assert!(problems.is_empty(), "{problems:?}");
    let (_, _, problems) = glue("[\"ns1.gate.verein.test\", \"ns2.gate.verein.test\"]");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains("write its addresses behind it"),
        "{problems:?}"
    );
    let (_, _, problems) = glue("[\"www.gate.verein.test\"]");
    assert!(problems[0].contains("is steered"), "{problems:?}");
}

/// `check` says what is wrong in the zone file, each with its line, all at once.
#[test]
fn the_zone_file_is_checked_with_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = "$TTL 1d\n@ SOA ns h 1 1h 1h 1w 1h\n@ NS ns\na CNAME b\na TXT x\n";
    std::fs::write(folder.path().join("verein.zone"), zone).expect("a zone");
    let text = "zones = [\"verein.test\"]\nfile = \"verein.zone\"\n";
    let document = Document::new(folder.path().join("servergate.toml"), text);
    document.read(|fields| read(&fields, OrganisationId::new("verein.test"), &[]));
    let problems = document.problems();
    let said: Vec<_> = problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].contains("verein.zone:3: the name server ns.verein.test"),
        "{said:?}"
    );
    assert!(
        said[1].contains("verein.zone:5: a.verein.test has a CNAME"),
        "{said:?}"
    );
}
