//! What is asked for steered names, and what alerts say of how long visitors take to follow.

use super::*;

/// The one organisation of a configuration with these lines under `[organisation.names]`.
fn organisation(names: &str) -> (tempfile::TempDir, Organisation) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "version = 1\n[standby]\nname = \"oslo\"\naddresses = [\"192.0.2.7\"]\n\
         references = [\"9.9.9.9:53\"]\n[listen]\ndns = [\"192.0.2.7:53\"]\n\
         [[organisation]]\nname = \"Verein\"\ndomains = [\"verein.test\", \"other.test\"]\n\
         [organisation.web]\nhosts = [\"www.verein.test\"]\nprimary = \"https://198.51.100.80\"\n{names}"
    );
    let path = folder.path().join("servergate.toml");
    std::fs::write(&path, text).expect("written");
    let reading = crate::config::read(&path).expect("read");
    let mut organisations = reading
        .config
        .unwrap_or_else(|| panic!("{:?}", reading.problems))
        .organisations;
    (folder, organisations.remove(0))
}

const SECONDARY: &str = "[organisation.names]\n\
    zones = [\"verein.test\", \"other.test\"]\nprimary = \"198.51.100.53:53\"\n\
    steer = { via = \"secondary\", names = [\"verein.test\", \"www.verein.test\"] }\n";

const ZONE: &str = "[organisation.names]\n\
    [organisation.names.steer]\nvia = \"zone\"\nzone = \"gate.verein.test\"\n\
    ns = [\"ns1.standby.example\"]\nprimary = [\"198.51.100.80\"]\n\
    names = [\"www.gate.verein.test\"]\n";

const MANUAL: &str = "[organisation.names]\n\
    steer = { via = \"manual\", names = [\"www.verein.test\"], primary = [\"198.51.100.80\"] }\n";

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn server(ours: bool, ttl: Option<u32>) -> Server {
    let name = name("ns.test");
    Server { name, ours, ttl }
}

/// What is looked up for it, as text.
fn asked(organisation: &Organisation) -> Vec<(String, Vec<String>)> {
    let steer = steer(organisation).expect("it steers");
    let zones = zones(organisation, steer).into_iter();
    let text = |(zone, names): (Name, Vec<Name>)| {
        let names = names.iter().map(ToString::to_string);
        (zone.to_string(), names.collect())
    };
    zones.map(text).collect()
}

#[test]
fn only_zones_with_steered_names_are_looked_up() {
    let one = |zone: &str, names: &[&str]| {
        let names = names.iter().map(ToString::to_string).collect();
        vec![(zone.to_owned(), names)]
    };
    let (_folder, secondary) = organisation(SECONDARY);
    let both = ["verein.test", "www.verein.test"];
    assert_eq!(asked(&secondary), one("verein.test", &both));
    let (_folder, zone) = organisation(ZONE);
    let below = ["www.gate.verein.test"];
    assert_eq!(asked(&zone), one("gate.verein.test", &below));
    // By hand the zone is the domain's.
    let (_folder, manual) = organisation(MANUAL);
    assert_eq!(asked(&manual), one("verein.test", &["www.verein.test"]));
}

#[test]
fn before_anything_was_looked_up_no_share_is_promised() {
    let (_folder, nobody) = organisation("");
    assert_eq!(unseen(&nobody), None);
    let said = |names| {
        let (_folder, organisation) = organisation(names);
        unseen(&organisation).expect("it steers")
    };
    let not_yet = "at most 27 s after the last good page for who asked us; how many of the name \
        servers in the delegation are ours has not been looked up.";
    assert_eq!(
        said(SECONDARY).says,
        format!("Names are steered by our name server: {not_yet}")
    );
    assert_eq!(
        said(ZONE).says,
        format!("Names are steered in the zone gate.verein.test: {not_yet}")
    );
    assert_eq!(said(SECONDARY).step, None);
    let manual = said(MANUAL);
    assert_eq!(
        manual.says,
        "Names are changed by hand: visitors follow when you have changed them and resolvers have \
         forgotten the old answer, whose TTL could not be looked up."
    );
    let step = manual.step.expect("the records to paste");
    assert!(
        step.starts_with("www.verein.test. 5 IN A 192.0.2.7\n"),
        "{step}"
    );
}

#[test]
fn the_promise_is_computed_from_what_resolvers_get() {
    let (_folder, secondary) = organisation(SECONDARY);
    let of = |found: &[(Name, Vec<Server>)]| {
        let steer = steer(&secondary).expect("it steers");
        way(&secondary, steer, found).says
    };
    let ours = (name("verein.test"), vec![server(true, Some(5))]);
    assert_eq!(
        of(std::slice::from_ref(&ours)),
        "Names are steered by our name server: at most 27 s after the last good page; the one name \
         server in the delegation is ours."
    );
    // Of several zones the one counts that leads the fewest here.
    let half = vec![server(true, Some(5)), server(false, Some(3600))];
    let said = of(&[ours, (name("other.test"), half)]);
    assert!(
        said.starts_with(
            "Names are steered by our name server: with 1 of 2 name servers ours: at most 27 s"
        ),
        "{said}"
    );
    assert!(said.contains("up to 3600 s (1 h) each time"), "{said}");
    assert!(said.ends_with('.') && !said.ends_with(".."), "{said}");
}

#[test]
fn by_hand_the_longest_answer_counts_and_one_that_is_unknown_is_said() {
    let (_folder, manual) = organisation(MANUAL);
    let of = |servers: Vec<Server>| {
        let steer = steer(&manual).expect("it steers");
        way(&manual, steer, &[(name("verein.test"), servers)])
    };
    let known = of(vec![server(false, Some(300)), server(false, Some(86_400))]);
    assert!(
        known.says.starts_with(
            "Names are changed by hand: visitors follow up to 86400 s (24 h) after you have changed them"
        ),
        "{}",
        known.says
    );
    assert!(known.step.is_some());
    let unknown = of(vec![server(false, Some(300)), server(false, None)]);
    assert!(
        unknown.says.contains("whose TTL could not be looked up"),
        "{}",
        unknown.says
    );
}

#[test]
fn a_server_that_is_dark_now_is_known_by_the_zone_that_is_held() {
    let of = |held| {
        let mut servers = [
            server(true, Some(5)),
            server(false, None),
            server(false, Some(60)),
        ];
        with_what_is_held(&mut servers, held);
        servers.map(|server| server.ttl)
    };
    assert_eq!(of(Some(3600)), [Some(5), Some(3600), Some(3600)]);
    assert_eq!(of(None), [Some(5), None, Some(60)]);
}
