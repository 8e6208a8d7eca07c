//! The store from outside: what it promises, also when it is killed, when the disk refuses and
//! when files are damaged.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on ends here"
)]

mod backups;
mod blobs;
mod crash;
mod damage;
mod fault;
mod limits;
mod logs;
mod opening;
mod rules;
mod sealed_blobs;
mod sealing;
mod tables;

use std::future::Future;
use std::path::Path;

use store::{Committer, LogName, Options, PassphraseCost, Position, Store, Table};

const TABLE: Table = Table::new("test");
const LOG: LogName = LogName::new("record");
const PEOPLE: Table = Table::sealed("people");
const LETTERS: LogName = LogName::sealed("letters");
const WORDS: &[u8] = b"five or six random words";
/// Quick, not safe.
const CHEAP: PassphraseCost = PassphraseCost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

fn inline() -> Options {
    Options {
        committer: Committer::Inline,
        reserve_bytes: 0,
        passphrase_cost: CHEAP,
        ..Options::default()
    }
}

fn threaded() -> Options {
    Options {
        reserve_bytes: 0,
        passphrase_cost: CHEAP,
        ..Options::default()
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, inline()).unwrap()
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Everything in tables and logs named, as text, for comparing two stores.
fn content(store: &Store, logs: &[LogName]) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, value) in store.scan(&store::Key::table(TABLE), usize::MAX).unwrap() {
        lines.push(format!("{key:?} = {value:?}"));
    }
    for log in logs {
        for entry in store.read(log, Position::START, usize::MAX).unwrap() {
            lines.push(format!("{log} {entry:?}"));
        }
    }
    lines
}
