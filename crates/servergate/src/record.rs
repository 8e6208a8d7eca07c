//! The record as commands read it: from the running standby, or from a dead one's data.

use std::path::Path;

use anyhow::{Context, Result, bail};
use model::{Fact, Record, RecordSpec};
use serde_json::Value;
use store::{Position, Store};

use crate::decide::record::record_log;
use crate::protocol::Request;

/// So many records are read at once.
const PAGE: usize = 500;

/// Records after `from`, at most a page, and where to read on.
pub(crate) fn page(store: &Store, from: Position) -> Result<(Vec<Record>, Position)> {
    let entries = store.read(&record_log(), from, PAGE)?;
    let mut next = from;
    let mut records = Vec::with_capacity(entries.len());
    for entry in entries {
        next = entry.position.next();
        match serde_json::from_slice(&entry.bytes) {
            Ok(RecordSpec::V1(record)) => records.push(record),
            Err(error) => bail!(
                "record {} is not understood ({error}); a newer version of Servergate wrote it?",
                entry.position.number()
            ),
        }
    }
    Ok((records, next))
}

/// Reads the whole record and keeps what `wanted` says.
pub(crate) fn all(store: &Store, wanted: impl Fn(&Fact) -> bool) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut from = Position::from_number(1);
    loop {
        let (page, next) = page(store, from)?;
        if next == from {
            return Ok(records);
        }
        records.extend(page.into_iter().filter(|record| wanted(&record.fact)));
        from = next;
    }
}

/// The whole record: from the socket of the running standby, or else from `data`.
pub(crate) async fn wherever(admin: &Path, data: &Path) -> Result<Vec<Record>> {
    if admin.exists()
        && let Ok(records) = from_socket(admin).await
    {
        return Ok(records);
    }
    let data = data.to_owned();
    tokio::task::spawn_blocking(move || {
        let store = Store::open_read_only(&data).with_context(|| {
            format!(
                "no standby answers, and its data in {} cannot be read; is this the right \
                 configuration and account?",
                data.display()
            )
        })?;
        all(&store, |_| true)
    })
    .await?
}

async fn from_socket(admin: &Path) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut from = 1;
    loop {
        let reply = crate::protocol::ask(admin, &Request::Records { from }).await?;
        let page: Vec<Record> = serde_json::from_value(reply["records"].clone())?;
        let next = reply["next"].as_u64().context("a reply without `next`")?;
        if next == from {
            return Ok(records);
        }
        records.extend(page);
        from = next;
    }
}

/// The answer to [`Request::Records`].
pub(crate) fn reply(store: &Store, from: u64) -> Result<Value> {
    let (records, next) = page(store, Position::from_number(from))?;
    Ok(serde_json::json!({ "records": records, "next": next.number() }))
}
