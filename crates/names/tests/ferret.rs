//! Conformance cases generated from models of the RFCs: wildcards, DNAME, delegations and empty
//! non-terminals in every combination (a sample of the Ferret dataset, MIT licence, see
//! `ferret/LICENSE`). An answer is right when rcode, AA and the answer section equal those of
//! BIND, NSD or Knot; identical when the authority section does too.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use names::answer::{Served, Transport, ZoneSet};
use names::wire::Name;
use names::zone::read_file;

use crate::ask::{Reply, ask, question};

fn cases(path: &std::path::Path) -> Vec<serde_json::Value> {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The sections of an accepted answer, in the spelling in which we print records.
fn accepted(lines: &[serde_json::Value]) -> (String, bool, BTreeSet<String>, BTreeSet<String>) {
    let mut section = "";
    let (mut rcode, mut aa) = (String::new(), false);
    let (mut answer, mut authority) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let line = line.as_str().unwrap();
        if let Some(code) = line.strip_prefix("rcode ") {
            rcode = code.to_owned();
        } else if let Some(flags) = line.strip_prefix("flags ") {
            aa = flags.split(' ').any(|flag| flag == "AA");
        } else if line.starts_with(';') {
            section = line;
        } else if section == ";ANSWER" {
            answer.insert(normal(line));
        } else if section == ";AUTHORITY" {
            authority.insert(normal(line));
        }
    }
    (rcode, aa, answer, authority)
}

/// Lower case, names without the last dot, texts without quotes.
fn normal(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let word = word.trim_matches('"').to_ascii_lowercase();
        word.strip_suffix('.').map(str::to_owned).unwrap_or(word)
    });
    words.collect::<Vec<_>>().join(" ")
}

fn set(lines: &[String]) -> BTreeSet<String> {
    lines.iter().map(|line| normal(line)).collect()
}

/// (all, right, identical), and a report of those that are not right.
fn run(path: &std::path::Path) -> (usize, usize, usize, Vec<String>) {
    let (mut all, mut right, mut identical) = (0, 0, 0);
    let mut wrong = Vec::new();
    for case in cases(path) {
        all += 1;
        let text = case["zone"].as_str().unwrap();
        let soa = text
            .lines()
            .find(|line| line.split_whitespace().nth(3) == Some("SOA"));
        let apex: Name = soa
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let zone = match read_file(&apex, text.as_bytes()) {
            Ok(zone) => zone,
            Err(error) => {
                wrong.push(format!("{}: {error}\n{text}", case["id"]));
                continue;
            }
        };
        let mut zones = ZoneSet::default();
        zones.insert(apex, Served::new(Some(Arc::new(zone)), None));
        let (name, rtype) = (&case["query"]["Name"], &case["query"]["Type"]);
        let query = question(name.as_str().unwrap(), rtype.as_str().unwrap(), false);
        let Reply {
            rcode,
            authoritative,
            answer,
            authority,
            ..
        } = ask(&zones, &query, Transport::Tcp);
        let ours = (rcode, authoritative, set(&answer), set(&authority));
        let theirs: Vec<_> = case["accepted"]
            .as_array()
            .unwrap()
            .iter()
            .map(|accepted_by| accepted(accepted_by["response"].as_array().unwrap()))
            .collect();
        if theirs.contains(&ours) {
            identical += 1;
        }
        let core = |reply: &(String, bool, BTreeSet<String>, _)| {
            (reply.0.clone(), reply.1, reply.2.clone())
        };
        if theirs.iter().any(|reply| core(reply) == core(&ours)) {
            right += 1;
        } else {
            wrong.push(format!(
                "{} {query:?}\n{text}\n{ours:#?}\n{theirs:#?}",
                case["id"],
                query = case["query"]
            ));
        }
    }
    (all, right, identical, wrong)
}

#[test]
fn answers_are_those_of_bind_nsd_or_knot() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = here.join("tests/ferret/cases.jsonl.gz");
    // All cases, where somebody has them: FERRET=path.
    let path = std::env::var_os("FERRET").map_or(sample, Into::into);
    let (all, right, identical, wrong) = run(&path);
    // Where this was written: 3,169 of 3,169 (a quarter of the dataset) right and identical.
    assert_eq!(
        right,
        all,
        "the first that is not right: {:?}",
        wrong.first()
    );
    assert_eq!(identical, all);
}
