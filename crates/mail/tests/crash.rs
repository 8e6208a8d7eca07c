//! Killed at any moment: whatever had a receipt is in the spool afterwards, whole.
//!
//! The child is this test binary again. It says a message's name only after it has the receipt;
//! the parent kills it after a random number of such lines, opens the spool and looks.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mail::envelope::{Client, Envelope, Recipient, Sender};
use mail::spool::{Draft, INLINE, MessageBody, Spool};
use mail::wire::path::{Mailbox, ReversePath};
use model::{OrganisationId, Timestamp};
use store::BlobId;

use crate::stage::store_in;

const DIR: &str = "SERVERGATE_MAIL_CRASH_DIR";
const ROUND: &str = "SERVERGATE_MAIL_CRASH_ROUND";
/// Set by `cargo xtask soak`: more rounds for a long run.
const ROUNDS: &str = "SERVERGATE_CRASH_ROUNDS";
const WRITERS: u32 = 6;

#[test]
fn every_receipt_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let rounds = std::env::var(ROUNDS).map_or(10, |rounds| rounds.parse().unwrap());
    drop(store_in(dir.path(), 0, false));
    let mut promised = Vec::new();
    for round in 0..rounds {
        let dice = *BlobId::of(&u32::to_le_bytes(round))
            .as_bytes()
            .first_chunk()
            .unwrap();
        let said = run_and_kill(dir.path(), round, u32::from_le_bytes(dice) % 60);
        let there = spooled(dir.path(), &format!("{round}-"));
        for name in &said {
            let body = there
                .get(name)
                .unwrap_or_else(|| panic!("{name} is lost in round {round}"));
            assert!(*body == body_of(name), "{name} is damaged in round {round}");
        }
        // What had no receipt is there as a whole or not at all.
        for (name, body) in &there {
            assert!(
                *body == body_of(name),
                "{name} is there by half in round {round}"
            );
        }
        promised.extend(said);
    }
    let spool = Spool::open(store_in(dir.path(), 0, false), organisation(), None).unwrap();
    let numbers = spool.waiting(0, usize::MAX);
    let there: BTreeSet<String> = numbers
        .iter()
        .map(|number| spool.row(*number).unwrap().id)
        .collect();
    assert_eq!(there.len(), numbers.len(), "a name was kept twice");
    assert!(promised.iter().all(|name| there.contains(name)));
    assert!(
        promised.len() > 50,
        "only {} receipts: this tested little",
        promised.len()
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
    let (mut said, mut killed) = (Vec::new(), false);
    for line in output {
        // The last line may be cut short by the kill; its receipt is then not counted.
        let Ok(line) = line else { break };
        let name = line
            .strip_prefix("kept ")
            .and_then(|rest| rest.strip_suffix(" ."));
        said.extend(name.map(str::to_owned));
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

/// The messages of the spool whose names begin so; the tally must agree.
fn spooled(dir: &Path, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let spool = Spool::open(store_in(dir, 0, false), organisation(), None).unwrap();
    let numbers = spool.waiting(0, usize::MAX);
    assert_eq!(numbers.len(), spool.tally().waiting);
    let read = |number: u64| {
        let message = spool.read(number).unwrap();
        assert_eq!(spool.row(number).unwrap().id, message.meta.id);
        let body = match message.body {
            MessageBody::Inline(bytes) => bytes.to_vec(),
            MessageBody::Blob(blob) => {
                let mut bytes = vec![0; usize::try_from(message.meta.size).unwrap() + 1];
                let (mut offset, mut read) = (0, 1);
                while read > 0 {
                    read = blob.read_at(offset as u64, &mut bytes[offset..]).unwrap();
                    offset += read;
                }
                bytes.truncate(offset);
                bytes
            }
        };
        (message.meta.id, body)
    };
    let named = |number: &u64| spool.row(*number).unwrap().id.starts_with(prefix);
    let wanted = numbers.into_iter().filter(named);
    wanted.map(read).collect()
}

fn organisation() -> OrganisationId {
    OrganisationId::new("verein.test")
}

/// The body that belongs to a name; every twentieth is large.
fn body_of(name: &str) -> Vec<u8> {
    let number: usize = name.rsplit('-').next().unwrap().parse().unwrap();
    let size = if number % 20 == 7 {
        INLINE + 5000
    } else {
        2000
    };
    let mut body = format!("Subject: {name}\r\n\r\n")
        .repeat(size / 20)
        .into_bytes();
    body.truncate(size);
    body
}

/// Not a test by itself: what `every_receipt_outlives_a_kill` starts and kills.
#[test]
fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let round: u32 = std::env::var(ROUND).unwrap().parse().unwrap();
    let spool = Spool::open(store_in(&dir, 0, true), organisation(), None).unwrap();
    say("open");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn(keep_for_ever(spool.clone(), round, writer));
        }
        tasks.join_all().await;
    });
}

async fn keep_for_ever(spool: Spool, round: u32, writer: u32) {
    for number in 0_u32.. {
        let name = format!("{round}-{writer}-{number}");
        let mut draft = Draft::new(Vec::new());
        for piece in body_of(&name).chunks(64 << 10) {
            spool.add(&mut draft, piece, INLINE).unwrap();
        }
        let now = Timestamp::from_millis(1_750_000_000_000);
        let kept = spool.keep(now, name, envelope(), draft).await.unwrap();
        say(&format!("kept {} .", kept.id));
    }
}

fn envelope() -> Envelope {
    let mailbox = |text| Mailbox::parse(text).unwrap();
    Envelope {
        client: Client {
            address: "192.0.2.1:4711".parse().unwrap(),
            helo: "client.test".to_owned(),
            esmtp: true,
            tls: None,
        },
        sender: Sender {
            path: ReversePath::Mailbox(mailbox("a@client.test")),
            eight_bit: false,
            utf8: false,
            ret: None,
            envid: None,
        },
        recipients: vec![Recipient {
            mailbox: mailbox("anna@verein.test"),
            notify: None,
            orcpt: None,
        }],
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
