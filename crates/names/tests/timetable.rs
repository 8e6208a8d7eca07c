//! The timetable of a transferred zone as transcripts (`transcripts/secondary-*.txt`).
//!
//! ```text
//! @ +5m                        the clock moves; the machine is woken whenever it asked to be
//! C: serial 7                  what happened
//! S: fetch changes from 6      what is done
//! ```
//! `UPDATE=1` writes the actions into the files; look at what changed.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use model::{Mono, Now, Timestamp};
use names::secondary::{Action, Fetch, Input, Secondary, Settings};
use names::zone::Soa;

fn soa(words: &[&str]) -> Soa {
    let number = |key: &str, default: u32| {
        let value = words.iter().find_map(|word| word.strip_prefix(key));
        value.map_or(default, |value| match host::config::duration(value) {
            Some(span) => span.as_secs() as u32,
            None => value.parse().expect(value),
        })
    };
    Soa {
        serial: number("serial=", 1),
        refresh: number("refresh=", 3600),
        retry: number("retry=", 600),
        expire: number("expire=", 86400),
        minimum: 300,
        ttl: 3600,
    }
}

fn input(line: &str, now: Now) -> Input {
    let words: Vec<_> = line.split(' ').collect();
    match words[0] {
        "restored" => {
            let ago = words
                .iter()
                .find_map(|word| word.strip_prefix("ago="))
                .unwrap();
            let ago = host::config::duration(ago).unwrap();
            let refreshed_at = Timestamp::from_millis(now.wall.millis() - ago.as_millis() as i64);
            Input::Restored {
                soa: soa(&words),
                refreshed_at,
                dark: words.contains(&"dark"),
            }
        }
        "notify" => Input::Notified(words.get(1).map(|serial| serial.parse().unwrap())),
        "serial" => Input::Asked(words[1].parse().unwrap()),
        "silence" => Input::NotAnswered,
        "transferred" => Input::Transferred(soa(&words)),
        "nothing-new" => Input::UpToDate(words[1].parse().unwrap()),
        "refresh" => Input::Refresh,
        "refused" => Input::Refused,
        "broken" => Input::Broken,
        "dark" => Input::Dark(true),
        "reachable" => Input::Dark(false),
        "refetch" => Input::Refetch,
        other => panic!("what is `{other}`?"),
    }
}

fn said(action: Action) -> String {
    match action {
        Action::Ask => "ask for the serial".to_owned(),
        Action::Fetch(Fetch::Anew) => "fetch the whole zone, whatever its serial".to_owned(),
        Action::Fetch(Fetch::Whole) => "fetch the whole zone".to_owned(),
        Action::Fetch(Fetch::Incremental(from)) => format!("fetch changes from {from}"),
        Action::Serve(true) => "serve".to_owned(),
        Action::Serve(false) => "stop serving".to_owned(),
        Action::Save => "save".to_owned(),
    }
}

fn play(text: &str) -> String {
    let mut now = Now {
        mono: Mono::at(Duration::from_secs(40 * 24 * 3600)),
        wall: Timestamp::from_millis(1_779_268_443_000),
    };
    let start = now.mono;
    let settings = Settings {
        serve_past_expire: !text.contains("serve_past_expire = false"),
        spread: 0,
    };
    let mut machine = Secondary::new(now, settings);
    let mut out = String::new();
    let mut actions = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("S: ")) {
        writeln!(out, "{line}").unwrap();
        if let Some(said) = line.strip_prefix("C: ") {
            let input = input(said, now);
            machine.handle(now, input, &mut actions);
        } else if line == "start" {
            machine.handle(now, Input::Tick, &mut actions);
        } else if let Some(by) = line.strip_prefix("@ +") {
            let end = now.after(host::config::duration(by).expect(by));
            // Wakes it as often as it asks for, as the clock would.
            for _ in 0..1000 {
                let due = machine
                    .next_wakeup()
                    .filter(|at| *at <= end.mono && *at > now.mono);
                let Some(due) = due else { break };
                now = now.after(due.since(now.mono));
                let before = actions.len();
                machine.handle(now, Input::Tick, &mut actions);
                if actions.len() > before {
                    let at = now.mono.since(start).as_secs();
                    for action in actions.drain(before..) {
                        writeln!(out, "S: {} (at {at} s)", said(action)).unwrap();
                    }
                }
            }
            now = end;
            machine.handle(now, Input::Tick, &mut actions);
        } else {
            assert!(
                line.is_empty() || line.starts_with('#'),
                "what is `{line}`?"
            );
        }
        for action in actions.drain(..) {
            writeln!(out, "S: {}", said(action)).unwrap();
        }
    }
    out
}

#[test]
fn the_timetable_is_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("secondary-") {
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
    assert!(seen >= 6, "{seen} transcripts");
}
