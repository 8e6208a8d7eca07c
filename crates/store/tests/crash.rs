//! Killed at any moment: whatever had a receipt is there, and no batch is there by half.
//!
//! The child is this test binary again. It says what it has only after it has the receipt; the
//! parent kills it after a random number of such lines, opens the store and looks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use store::{Batch, BlobId, Key, LogName, Position, Store};

use crate::{LOG, TABLE, open, threaded, wait};

const SHORT: LogName = LogName::new("short");
const DIR: &str = "SERVERGATE_STORE_CRASH_DIR";
const ROUND: &str = "SERVERGATE_STORE_CRASH_ROUND";
const ROUNDS: u32 = 20;
const WRITERS: u32 = 8;

#[test]
fn every_receipt_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut receipts = BTreeMap::new();
    let mut largest_short = 0;
    for round in 0..ROUNDS {
        let dice = u32::from_le_bytes(
            *BlobId::of(&round.to_le_bytes())
                .as_bytes()
                .first_chunk()
                .unwrap(),
        );
        for line in run_and_kill(dir.path(), round, dice % 90) {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, position, short, blob] = words[..] else {
                panic!("{line}")
            };
            largest_short = largest_short.max(short.parse::<u64>().unwrap());
            let blob: BlobId = blob.parse().unwrap();
            let before = receipts.insert(position.parse::<u64>().unwrap(), (name.to_owned(), blob));
            assert_eq!(before, None, "a position was given twice");
        }
        check(&open(dir.path()), &receipts, largest_short);
    }
    assert!(
        receipts.len() > 100,
        "only {} receipts: this tested little",
        receipts.len()
    );
}

/// What the child said before it died.
fn run_and_kill(dir: &Path, round: u32, lines: u32) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child_that_is_killed", "--exact", "--nocapture"])
        .env(DIR, dir)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let mut killed = false;
    for line in output {
        // The last line may be cut short by the kill; its receipt is then not counted.
        let Ok(line) = line else { break };
        if let Some(words) = line
            .strip_prefix("receipt ")
            .and_then(|rest| rest.strip_suffix(" ."))
        {
            said.push(words.to_owned());
        }
        let ready = line == "open" && lines == 0;
        if !killed && (ready || said.len() >= lines.max(1) as usize) {
            child.kill().unwrap();
            killed = true;
        }
    }
    let status = child.wait().unwrap();
    assert!(
        killed && !status.success(),
        "the child ended by itself: {status}"
    );
    said
}

fn check(store: &Store, receipts: &BTreeMap<u64, (String, BlobId)>, largest_short: u64) {
    let records = store.read(&LOG, Position::START, usize::MAX).unwrap();
    let records: BTreeMap<u64, Vec<u8>> = records
        .into_iter()
        .map(|entry| (entry.position.number(), entry.bytes))
        .collect();
    for (position, (name, blob)) in receipts {
        let record = records
            .get(position)
            .unwrap_or_else(|| panic!("record {position} is lost"));
        assert!(
            record.starts_with(name.as_bytes()),
            "record {position} is another"
        );
        store.blobs().open(blob).unwrap().verify().unwrap();
    }
    // Both halves of every batch, acknowledged or not, and its blob.
    let values = store.scan(&Key::table(TABLE), usize::MAX).unwrap();
    let mut names: Vec<String> = records.values().map(|record| name_in(record)).collect();
    names.sort_unstable();
    let keys: Vec<String> = values.iter().map(|(key, _)| key.text(0).unwrap()).collect();
    assert_eq!(keys, names);
    for (_, value) in values {
        let blob: BlobId = String::from_utf8(value.value).unwrap().parse().unwrap();
        store.blobs().open(&blob).unwrap().verify().unwrap();
    }
    // The log that is trimmed meanwhile has no gaps and kept its newest.
    let short = store.read(&SHORT, Position::START, usize::MAX).unwrap();
    assert!(
        short
            .windows(2)
            .all(|two| two[0].position.next() == two[1].position)
    );
    let newest = short.last().map_or(0, |entry| entry.position.number());
    assert!(newest >= largest_short, "{newest} < {largest_short}");
}

/// A record begins with its name and a semicolon.
fn name_in(record: &[u8]) -> String {
    let end = record.iter().position(|byte| *byte == b';').unwrap();
    String::from_utf8(record[..=end].to_vec()).unwrap()
}

/// Not a test by itself: what `every_receipt_outlives_a_kill` starts and kills.
#[test]
fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let round: u32 = std::env::var(ROUND).unwrap().parse().unwrap();
    let store = Store::open(&dir, threaded()).unwrap();
    say("open");
    wait(async {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn(write_for_ever(store.clone(), round, writer));
        }
        tasks.join_all().await;
    });
}

async fn write_for_ever(store: Store, round: u32, writer: u32) {
    for number in 0_u32.. {
        let name = format!("{round}-{writer}-{number};");
        let blob = store.blobs().put(name.repeat(100).as_bytes()).unwrap();
        let mut record = name.clone().into_bytes();
        // Some so large that memtables and journals change while we are killed.
        record.resize(if number % 3 == 0 { 300_000 } else { 300 }, b'.');
        let key = Key::new(TABLE, &[&name]);
        let batch = Batch::new()
            .append(&LOG, record)
            .append(&SHORT, name.as_str())
            .put(key.clone(), blob.to_string())
            .link(blob, key);
        let receipt = store.commit(batch).await.unwrap();
        let [position, short] = receipt.positions() else {
            panic!("two appends")
        };
        let (position, short) = (position.number(), *short);
        say(&format!(
            "receipt {name} {position} {} {blob} .",
            short.number()
        ));
        if writer == 0 && number % 8 == 7 {
            store.trim(&SHORT, short).await.unwrap();
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
