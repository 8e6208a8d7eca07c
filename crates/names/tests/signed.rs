//! Answers with DO over zones that were signed elsewhere: NSEC, NSEC3, NSEC3 with opt-out. The
//! zones were signed with ldns; what is right is what Knot 3.2.6 or NSD 4.6.1 answered to the
//! same question (`zones/cases.jsonl.gz`), all sections, signatures by the type they cover.

use std::io::Read;
use std::sync::Arc;

use names::answer::{Served, Transport, ZoneSet};
use names::steer::{Addresses, Overlay, WhyNot, steerable};
use names::wire::Name;
use names::zone::{Zone, read_file};

use crate::ask::{ask, question};

pub(crate) fn zone(apex: &str) -> Zone {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(path.join(format!("tests/zones/{apex}.zone"))).unwrap();
    read_file(&apex.parse().unwrap(), &text).unwrap()
}

fn zones() -> ZoneSet {
    let mut set = ZoneSet::default();
    for apex in ["signed.test", "hashed.test", "optout.test"] {
        let zone = zone(apex);
        assert!(zone.is_signed());
        set.insert(zone.apex().clone(), Served::new(Some(Arc::new(zone)), None));
    }
    set
}

fn normal(records: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = records
        .iter()
        .map(|record| {
            let mut words: Vec<_> = record.split_whitespace().collect();
            if words[3] == "RRSIG" {
                words.truncate(5);
            }
            words.join(" ").to_ascii_lowercase()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn proofs_are_those_of_knot_or_nsd() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zones/cases.jsonl.gz");
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .unwrap();
    let zones = zones();
    let (mut all, mut wrong) = (0, Vec::new());
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let (name, rtype) = (
            case["name"].as_str().unwrap(),
            case["type"].as_str().unwrap(),
        );
        let reply = ask(&zones, &question(name, rtype, true), Transport::Tcp);
        let ours = serde_json::json!({
            "rcode": reply.rcode,
            "aa": reply.authoritative,
            "answer": normal(&reply.answer),
            "authority": normal(&reply.authority),
        });
        all += 1;
        if !case["accepted"].as_array().unwrap().contains(&ours) {
            wrong.push(format!(
                "{name} {rtype}\nours {ours:#}\ntheirs {:#}",
                case["accepted"]
            ));
        }
    }
    assert!(all > 700);
    assert!(
        wrong.is_empty(),
        "{} of {all} wrong, the first:\n{}",
        wrong.len(),
        wrong.iter().take(3).cloned().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn a_signed_zone_is_never_overlaid() {
    let zone = zone("signed.test");
    let name: Name = "www.signed.test".parse().unwrap();
    let ours = Addresses {
        v4: vec!["192.0.2.7".parse().unwrap()],
        v6: Vec::new(),
    };
    let (names, wrong) = steerable(&zone, std::slice::from_ref(&name), &ours);
    assert!(
        names.is_empty() && matches!(wrong[..], [WhyNot::Signed(_)]),
        "{wrong:?}"
    );
    assert!(wrong[0].to_string().contains("is signed"));
    // Even where somebody lays one over it.
    let overlay = Arc::new(Overlay::new([name], Some(&ours)));
    let mut set = ZoneSet::default();
    set.insert(
        zone.apex().clone(),
        Served::new(Some(Arc::new(zone)), Some(overlay)),
    );
    let reply = ask(
        &set,
        &question("www.signed.test", "A", false),
        Transport::Udp,
    );
    assert!(
        reply
            .answer
            .iter()
            .any(|record| record.contains("198.51.100.80")),
        "{reply:?}"
    );
}
