//! Making a store of a backup, once all of it is seen to be whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fjall::PersistMode;

use super::format::{
    Manifest, TABLE, altered, damaged, for_each_blob, for_each_item, hash_names, io_error,
    read_chunks, read_manifest,
};
use super::{BackupReport, make_empty};
use crate::open::{self, Access};
use crate::{BackupError, BlobId, Committer, Options, ReadError, disk};

/// The engine takes restored items in steps of about this many bytes.
const STEP: usize = 4 << 20;

/// Makes a store in `dir` (new or empty) of the backup in `from`.
///
/// Everything is verified first: the hash of all records, each record's envelope, the hash of each
/// blob, and that every blob that a key keeps is there.
///
/// # Errors
/// The backup is damaged or of a newer format; then nothing was written. Or a write failed.
pub fn restore(from: &Path, dir: &Path) -> Result<BackupReport, BackupError> {
    let manifest = read_manifest(from)?;
    verify(from, &manifest)?;
    make_empty(dir)?;
    fs::remove_dir(dir).map_err(|source| io_error(dir, source))?;
    let draft = dir.with_added_extension("restoring");
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(|source| io_error(&draft, source))?;
    }
    fill(from, &draft)?;
    fs::rename(&draft, dir).map_err(|source| io_error(dir, source))?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    disk::sync_dir(parent).map_err(|source| io_error(parent, source))?;
    Ok(manifest.report)
}

/// Writes everything into a new store and closes it.
fn fill(from: &Path, draft: &Path) -> Result<(), BackupError> {
    let options = Options {
        committer: Committer::Inline,
        // The store it was made of may have had another limit.
        max_blob_bytes: u64::MAX,
        ..Options::default()
    };
    let opened = open::open(draft, &options, Access::Write)?;
    let engine = opened.core.engine.spaces()?;
    let refused = |error: fjall::Error| BackupError::Read(ReadError::from(error));
    let mut batch = engine.db.batch();
    let mut waiting = 0;
    for_each_item(from, |item| {
        let keyspace = if item.space == TABLE {
            &engine.kv
        } else {
            &engine.log
        };
        batch.insert(keyspace, item.key.as_slice(), item.value.as_slice());
        waiting += item.key.len() + item.value.len();
        if waiting > STEP {
            engine.wait_for_workers().map_err(refused)?;
            std::mem::replace(&mut batch, engine.db.batch())
                .commit()
                .map_err(refused)?;
            waiting = 0;
        }
        Ok(())
    })?;
    batch.commit().map_err(refused)?;
    engine.db.persist(PersistMode::SyncAll).map_err(refused)?;
    for_each_blob(from, |id, path| {
        let mut writer = opened.core.blobs.writer()?;
        read_chunks(path, |chunk| Ok(writer.write(chunk)?))?;
        if writer.finish()? == id {
            Ok(())
        } else {
            Err(altered(id))
        }
    })
}

fn verify(from: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let mut report = BackupReport::default();
    let mut linked = BTreeSet::new();
    let hash = for_each_item(from, |item| {
        report.items += 1;
        report.bytes += (item.key.len() + item.value.len()) as u64;
        item.check()?;
        linked.extend(item.linked_blob());
        Ok(())
    })?;
    if hash != manifest.records {
        return Err(damaged("the hash of `records` is not the one noted"));
    }
    let mut names = BTreeSet::new();
    for_each_blob(from, |id, path| {
        let mut hasher = blake3::Hasher::new();
        read_chunks(path, |chunk| {
            report.bytes += chunk.len() as u64;
            hasher.update(chunk);
            Ok(())
        })?;
        if BlobId::from(hasher.finalize()) != id {
            return Err(altered(id));
        }
        report.blobs += 1;
        names.insert(id);
        Ok(())
    })?;
    if let Some(missing) = linked.difference(&names).next() {
        return Err(damaged(&format!("blob {missing} is missing")));
    }
    if hash_names(&names) != manifest.names || report != manifest.report {
        return Err(damaged(
            "items or blobs are missing, or there are more than noted",
        ));
    }
    Ok(())
}
