//! Answers as transcripts (`transcripts/answer-*.txt`): a zone, questions, and what comes back.
//!
//! ```text
//! zone verein.test          the zone file's lines follow, indented
//! steer www.verein.test     names that can be steered; `acting` and `standby` switch
//! C: www.verein.test A      a question; `+do` asks for DNSSEC, `+tcp` comes by a stream
//! S: NOERROR aa             the header, then one line a record, by section
//! S: answer www.verein.test. 5 IN A 192.0.2.7
//! ```
//! `UPDATE=1` writes the answers into the files; look at what changed.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use names::answer::{Served, Transport, ZoneSet};
use names::steer::{Addresses, Overlay, steerable};
use names::wire::Name;
use names::zone::{Zone, read_file};

use crate::ask::{ask, question};

#[derive(Default)]
struct World {
    zones: Vec<Arc<Zone>>,
    steered: Vec<Name>,
    ours: Addresses,
    acting: bool,
}

impl World {
    fn set(&self) -> ZoneSet {
        let mut set = ZoneSet::default();
        for zone in &self.zones {
            let (names, _) = steerable(zone, &self.steered, &self.ours);
            let leads = self.acting.then_some(&self.ours);
            let overlay = (!names.is_empty()).then(|| Arc::new(Overlay::new(names, leads)));
            set.insert(
                zone.apex().clone(),
                Served::new(Some(Arc::clone(zone)), overlay),
            );
        }
        set
    }
}

fn play(text: &str) -> String {
    let mut world = World::default();
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("S: ") {
            continue;
        }
        writeln!(out, "{line}").unwrap();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "zone" => {
                let mut file = String::new();
                while let Some(record) = lines.next_if(|line| line.starts_with(' ')) {
                    writeln!(out, "{record}").unwrap();
                    writeln!(file, "{}", record.trim_start_matches("  ")).unwrap();
                }
                let apex: Name = rest.parse().unwrap();
                world
                    .zones
                    .push(Arc::new(read_file(&apex, file.as_bytes()).unwrap()));
            }
            "signed" => {
                let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/zones")
                    .join(rest);
                let apex: Name = rest
                    .trim_end_matches(".zone")
                    .split_once('-')
                    .unwrap()
                    .1
                    .parse()
                    .unwrap();
                let zone = read_file(&apex, &std::fs::read(path).unwrap()).unwrap();
                world.zones.push(Arc::new(zone));
            }
            "steer" => world.steered = rest.split(' ').map(|name| name.parse().unwrap()).collect(),
            "ours" => {
                world.ours = rest
                    .split(' ')
                    .map(|address| address.parse::<std::net::IpAddr>().unwrap())
                    .collect()
            }
            "acting" => world.acting = true,
            "standby" => world.acting = false,
            "C:" => {
                let words: Vec<_> = rest.split(' ').collect();
                let message = question(words[0], words[1], words.contains(&"+do"));
                let transport = match words.contains(&"+tcp") {
                    true => Transport::Tcp,
                    false => Transport::Udp,
                };
                let reply = ask(&world.set(), &message, transport);
                let flag = |on: bool, text: &'static str| if on { text } else { "" };
                let (aa, tc) = (
                    flag(reply.authoritative, " aa"),
                    flag(reply.truncated, " tc"),
                );
                writeln!(out, "S: {}{aa}{tc}", reply.rcode).unwrap();
                let sections = [
                    ("answer", reply.answer),
                    ("authority", reply.authority),
                    ("additional", reply.additional),
                ];
                for (section, records) in sections {
                    for record in records {
                        writeln!(out, "S: {section} {}", short(&record)).unwrap();
                    }
                }
            }
            "" | "#" => {}
            other => panic!("what is `{other}`?"),
        }
    }
    out
}

/// A signature is long and says nothing to the reader.
fn short(record: &str) -> String {
    match record.split_once(" RRSIG ") {
        Some((owner, data)) => format!("{owner} RRSIG {}", data.split(' ').next().unwrap()),
        None => record.to_owned(),
    }
}

#[test]
fn answers_are_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("answer-") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let played = play(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &played).unwrap();
        } else {
            assert_eq!(played, text, "{name} says otherwise");
        }
    }
    assert!(seen >= 4, "{seen} transcripts");
}
