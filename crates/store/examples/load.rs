//! Load by hand: so many writers, so many records of 4 KB each, then the counts.
//!
//! ```text
//! strace -f -c -e trace=fdatasync,fsync cargo run -p servergate-store --example load -- DIR 16 500
//! ```
//!
//! With `sealed` as a fourth argument the records are sealed.
#![expect(clippy::print_stdout, reason = "it is a command")]

use std::error::Error;
use std::path::Path;

use store::{Batch, Key, LogName, Options, Position, SealState, Store, Table};

const LOG: LogName = LogName::new("load");
const SEALED: LogName = LogName::sealed("sealed load");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let (dir, writers, each, log) = match arguments.as_slice() {
        [_, dir, writers, each] => (dir, writers, each, LOG),
        [_, dir, writers, each, last] if last == "sealed" => (dir, writers, each, SEALED),
        _ => return Err("usage: load DIR WRITERS RECORDS-EACH [sealed]".into()),
    };
    let (writers, each): (u64, u64) = (writers.parse()?, each.parse()?);
    let store = Store::open(Path::new(dir), Options::default())?;
    if log.is_sealed() && store.seal().state() == SealState::NotSetUp {
        store.seal().set_up(b"of no use to anybody")?;
    }
    let before = store
        .last(&log, 1)?
        .last()
        .map_or(0, |entry| entry.position.number());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..writers {
            tasks.spawn(write(store.clone(), log.clone(), writer, each));
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(Box::<dyn Error>::from)??;
        }
        store.trim(&log, Position::from_number(before)).await?;
        Ok::<(), Box<dyn Error>>(())
    })?;
    let stats = store.stats();
    let memory = std::fs::read_to_string("/proc/self/status")?;
    let memory: Vec<&str> = memory
        .lines()
        .filter(|line| line.contains("VmHWM") || line.contains("VmRSS"))
        .collect();
    println!("{stats:?}\n{memory:?}");
    Ok(())
}

async fn write(
    store: Store,
    log: LogName,
    writer: u64,
    each: u64,
) -> Result<(), store::CommitError> {
    for number in 0..each {
        // Bytes that do not repeat, as sealed ones would not.
        let seed = store::BlobId::of(&[writer.to_be_bytes(), number.to_be_bytes()].concat());
        let mut record = Vec::with_capacity(4096);
        let mut next = seed;
        while record.len() < 4096 {
            record.extend_from_slice(next.as_bytes());
            next = store::BlobId::of(next.as_bytes());
        }
        let key = Key::table(Table::new("load")).with_number(writer);
        store
            .commit(
                Batch::new()
                    .append(&log, record)
                    .put(key, number.to_be_bytes()),
            )
            .await?;
    }
    Ok(())
}
