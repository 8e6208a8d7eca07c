//! What TOML may say of the primary, and what is true then.

use host::config::{Document, Problem};

use super::*;

fn read(text: &str) -> (Option<MailConfig>, Vec<Problem>) {
    let document = Document::new("test.toml", text);
    let own = ["verein.test".to_owned()];
    let organisation = OrganisationId::new("verein.test");
    let mail = document.read(|fields| MailConfig::read(&fields, organisation, &own));
    (mail, document.problems())
}

#[test]
fn each_protocol_has_its_own_port() {
    for (text, protocol, port) in [
        ("primary = \"198.51.100.25\"", Protocol::Smtp, 25),
        (
            "primary = \"198.51.100.25:587\"\nprotocol = \"smtp\"",
            Protocol::Smtp,
            587,
        ),
        (
            "primary = \"198.51.100.25\"\nprotocol = \"lmtp\"",
            Protocol::Lmtp,
            24,
        ),
        (
            "primary = \"198.51.100.25:2424\"\nprotocol = \"lmtp\"",
            Protocol::Lmtp,
            2424,
        ),
    ] {
        let (mail, problems) = read(text);
        assert!(problems.is_empty(), "{problems:?}");
        let primary = mail.unwrap().primary;
        assert_eq!((primary.protocol, primary.address.port()), (protocol, port));
    }
    // RFC 2033 section 5.
    let (_, problems) = read("protocol = \"lmtp\"\nprimary = \"198.51.100.25:25\"");
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].line, problems[0].warning), (2, false));
}

#[test]
fn what_is_handed_back_never_needs_more_connections_than_there_are_for_it() {
    for (text, connections, lanes, warned) in [
        ("", 20, 8, false),
        ("primary_connections = 4", 4, 1, false),
        (
            "primary_connections = 100\nconnections = 40",
            100,
            40,
            false,
        ),
        ("connections = 64", 20, 9, true),
    ] {
        let (mail, problems) = read(&format!("primary = \"198.51.100.25\"\n{text}"));
        let mail = mail.unwrap();
        assert_eq!(
            (mail.connections, mail.lanes),
            (connections, lanes),
            "{text}"
        );
        assert_eq!(
            problems.iter().filter(|one| one.warning).count(),
            usize::from(warned)
        );
        assert!(problems.iter().all(|one| one.warning), "{problems:?}");
    }
    let (_, problems) = read("primary = \"198.51.100.25\"\nprimary_connections = 3");
    assert_eq!(problems.len(), 1);
}
