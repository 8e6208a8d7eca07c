//! Where the record lies, and how much of it is kept.

use host::chain;
use store::{LogName, Position, Store};

/// At most about so many records are kept: a year and more of quiet days or of many outages.
pub(super) const RECORDS: u64 = 100_000;
/// After so many more the oldest go.
pub(super) const TRIM_AFTER: usize = 1000;

/// The log that holds the record.
pub(crate) fn record_log() -> LogName {
    LogName::new("record")
}

/// Removes all but the last records, so many.
pub(super) async fn trim(store: &Store, keep: u64) -> Result<(), String> {
    let log = record_log();
    let last = store.last(&log, 1).map_err(|error| chain(&error))?;
    let last = last.first().map_or(0, |last| last.position.number());
    let Some(below) = (last + 1).checked_sub(keep) else {
        return Ok(());
    };
    let trimmed = store.trim(&log, Position::from_number(below)).await;
    trimmed.map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use store::{Batch, Committer, Options};

    use super::*;

    #[tokio::test]
    async fn the_last_ones_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options {
            committer: Committer::Inline,
            ballast_bytes: 0,
            ..Options::default()
        };
        let store = Store::open(folder.path(), options).expect("a store");
        let held = || {
            let read = store.read(&record_log(), Position::START, 100);
            let numbers = read.expect("read").into_iter();
            numbers
                .map(|entry| entry.position.number())
                .collect::<Vec<_>>()
        };
        trim(&store, 10).await.expect("nothing to do");
        for last in [5, 25, 40_u64] {
            while held().last().copied().unwrap_or(0) < last {
                let batch = Batch::new().append(&record_log(), "one");
                store.commit(batch).await.expect("taken");
            }
            trim(&store, 10).await.expect("trimmed");
            let first = last.saturating_sub(9).max(1);
            assert_eq!(held(), (first..=last).collect::<Vec<_>>());
        }
    }
}
