//! Killed at any moment: whatever had a receipt is there, and no batch is there by half. The child
//! is locked all the while; what it sealed opens with the passphrase.
//!
//! The child is this test binary again. It says what it has only after it has the receipt; the
//! parent kills it after a random number of such lines, opens the store and looks.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use store::{Batch, BlobId, Key, LogName, Position, Store};

use crate::{LETTERS, LOG, TABLE, WORDS, open, threaded, wait};

const SHORT: LogName = LogName::new("short");
const DIR: &str = "SERVERGATE_STORE_CRASH_DIR";
const ROUND: &str = "SERVERGATE_STORE_CRASH_ROUND";
/// Set by `cargo xtask soak`: more rounds for a long run.
const ROUNDS: &str = "SERVERGATE_CRASH_ROUNDS";
const WRITERS: u32 = 8;

/// What a receipt said: position in the log, in the sealed and in the trimmed one, name, blob.
struct Promise {
    position: u64,
    letter: u64,
    short: u64,
    name: String,
    blob: BlobId,
}

#[test]
fn every_receipt_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let rounds = std::env::var(ROUNDS).map_or(20, |rounds| rounds.parse().unwrap());
    let mut promises: Vec<Promise> = Vec::new();
    open(dir.path()).seal().set_up(WORDS).unwrap();
    for round in 0..rounds {
        let dice = *BlobId::of(&u32::to_le_bytes(round))
            .as_bytes()
            .first_chunk()
            .unwrap();
        let lines = u32::from_le_bytes(dice) % 40;
        let said = run_and_kill(dir.path(), round, lines);
        promises.extend(said.iter().map(|line| promise(line)));
        let store = open(dir.path());
        store.seal().unlock(WORDS).unwrap();
        let begin = promises.len() - said.len();
        check(&store, &promises[begin..], &[&round.to_string()]);
    }
    let store = open(dir.path());
    store.seal().unlock(WORDS).unwrap();
    check(&store, &promises, &[]);
    let mut positions: Vec<u64> = promises.iter().map(|promise| promise.position).collect();
    positions.sort_unstable();
    assert!(
        positions.windows(2).all(|two| two[0] < two[1]),
        "a position was given twice"
    );
    assert!(
        promises.len() > 100,
        "only {} receipts: this tested little",
        promises.len()
    );
}

fn promise(line: &str) -> Promise {
    let words: Vec<&str> = line.split(' ').collect();
    let [name, position, letter, short, blob] = words[..] else {
        panic!("{line}")
    };
    Promise {
        position: position.parse().unwrap(),
        letter: letter.parse().unwrap(),
        short: short.parse().unwrap(),
        name: name.to_owned(),
        blob: blob.parse().unwrap(),
    }
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

/// Looks for what was promised, and for batches that are there by half, in the rounds of `prefix`.
fn check(store: &Store, promises: &[Promise], prefix: &[&str]) {
    for Promise {
        position,
        letter,
        name,
        blob,
        ..
    } in promises
    {
        let record = store
            .read(&LOG, Position::from_number(*position), 1)
            .unwrap();
        let record = record
            .first()
            .unwrap_or_else(|| panic!("record {position} is lost"));
        assert_eq!(record.position.number(), *position, "a record is lost");
        assert!(
            record.bytes.starts_with(name.as_bytes()),
            "record {position} is another"
        );
        store.blobs().open(blob).unwrap().verify().unwrap();
        let at = Position::from_number(*letter);
        let found = store.read_one(&LETTERS, at).unwrap();
        let bytes = found.map(|entry| entry.bytes);
        assert_eq!(bytes.as_deref(), Some(name.as_bytes()), "letter {letter}");
    }
    // Both halves of every batch, acknowledged or not, and its blob.
    let values = store.scan(&Key::new(TABLE, prefix), usize::MAX).unwrap();
    let keys: BTreeSet<String> = values.iter().map(|(key, _)| key.text(1).unwrap()).collect();
    // A round's records are the last ones; a few more, to see those without a key too.
    let mut records = store.last(&LOG, values.len().saturating_add(10)).unwrap();
    match prefix {
        [round] => {
            records.retain(|record| record.bytes.starts_with(format!("{round}-").as_bytes()))
        }
        _ => records = store.read(&LOG, Position::START, usize::MAX).unwrap(),
    }
    let names: BTreeSet<String> = records
        .iter()
        .map(|record| name_in(&record.bytes))
        .collect();
    assert_eq!(keys, names);
    assert_eq!(records.len(), values.len());
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
    let promised = promises
        .iter()
        .map(|promise| promise.short)
        .max()
        .unwrap_or(0);
    assert!(newest >= promised, "{newest} < {promised}");
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
        // Some so large that memtables change while we are killed.
        record.resize(if number % 7 == 3 { 150_000 } else { 300 }, b'.');
        let key = Key::new(TABLE, &[&round.to_string(), &name]);
        let batch = Batch::new()
            .append(&LOG, record)
            .append(&LETTERS, name.as_str())
            .append(&SHORT, name.as_str())
            .put(key.clone(), blob.to_string())
            .link(blob, key);
        let receipt = store.commit(batch).await.unwrap();
        let [position, letter, short] = receipt.positions() else {
            panic!("three appends")
        };
        let (position, letter, short) = (position.number(), letter.number(), *short);
        say(&format!(
            "receipt {name} {position} {letter} {} {blob} .",
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
