//! A copy of a running store, and the way back.
//!
//! ```text
//! records        "servergate backup 1\n", then items: space (K table, L log), length of the key
//!                and of the value (u32 little-endian each), key, value
//! blobs/ab/ab…   the blobs, as in a store
//! backup         written last: what must be there (counts, BLAKE3 of `records` and of all names)
//! ```
//!
//! The copy shows one moment: the engine's snapshot over both keyspaces. A blob that a key of that
//! moment keeps was put before it, and nothing is swept while the copy is made. The copy lies in
//! clear as far as the store does.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use fjall::{PersistMode, Readable};

use crate::engine::{self, Engine};
use crate::envelope::{self, Kind};
use crate::open::{self, Access};
use crate::{BackupError, BlobError, BlobId, Blobs, Committer, Options, ReadError, disk};

const FORMAT: u32 = 1;
const MAGIC: &[u8] = b"servergate backup 1\n";
const FORMAT_WORDS: &str = "servergate backup format ";
const TABLE: u8 = b'K';
const LOG: u8 = b'L';
/// The engine takes restored items in steps of about this many bytes.
const STEP: usize = 4 << 20;
/// No item of ours is larger; what claims to be is damage.
const MAX_ITEM: u64 = 1 << 30;

/// What is in a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Entries of tables and logs, with the store's own.
    pub items: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of keys, values and blobs.
    pub bytes: u64,
}

/// The file that says what must be there.
#[derive(Debug, PartialEq, Eq)]
struct Manifest {
    report: BackupReport,
    records: String,
    names: String,
}

/// Copies the store into `to`, which must be new or empty.
pub(crate) fn write(
    engine: &Engine,
    blobs: &Blobs,
    to: &Path,
) -> Result<BackupReport, BackupError> {
    make_empty(to)?;
    let _no_sweep = blobs.hold_sweeps();
    let snapshot = engine.db.snapshot();
    let mut report = BackupReport::default();

    let path = to.join("records");
    let at = |source| io_error(&path, source);
    let file = File::create_new(&path).map_err(at)?;
    let mut out = Hashing {
        inner: BufWriter::new(file),
        hasher: blake3::Hasher::new(),
    };
    out.write_all(MAGIC).map_err(at)?;
    for (space, keyspace) in [(TABLE, &engine.kv), (LOG, &engine.log)] {
        for guard in snapshot.iter(keyspace) {
            let (key, value) = guard.into_inner().map_err(ReadError::from)?;
            // A restored store is another one: its identity is its own.
            if space == TABLE && key.as_ref() == engine::OWN_IDENTITY {
                continue;
            }
            write_item(&mut out, space, &key, &value).map_err(at)?;
            report.items += 1;
            report.bytes += (key.len() + value.len()) as u64;
        }
    }
    out.flush().map_err(at)?;
    let records = out.hasher.finalize().to_hex().to_string();
    out.inner
        .into_inner()
        .map_err(|error| at(error.into_error()))?
        .sync_all()
        .map_err(at)?;

    let names = copy_blobs(blobs, &to.join("blobs"), &mut report)?;
    let manifest = Manifest {
        report,
        records,
        names: hash_names(&names),
    };
    let path = to.join("backup");
    disk::write_whole(&path, manifest.to_text().as_bytes())
        .map_err(|source| io_error(&path, source))?;
    Ok(report)
}

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
        ..Options::default()
    };
    let opened = open::open(draft, &options, Access::Write)?;
    let engine = &opened.core.engine;
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

fn copy_blobs(
    blobs: &Blobs,
    to: &Path,
    report: &mut BackupReport,
) -> Result<BTreeSet<BlobId>, BackupError> {
    fs::create_dir_all(to).map_err(|source| io_error(to, source))?;
    let mut names = BTreeSet::new();
    let mut directories = BTreeSet::from([to.to_path_buf()]);
    blobs.for_each(|id, _| {
        let name = id.to_string();
        let directory = to.join(name.get(..2).unwrap_or_default());
        let path = directory.join(&name);
        let at = |source| BlobError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&directory).map_err(at)?;
        let mut file = File::create_new(&path).map_err(at)?;
        blobs.open(&id)?.each_chunk(|chunk| {
            report.bytes += chunk.len() as u64;
            file.write_all(chunk).map_err(at)
        })?;
        file.sync_all().map_err(at)?;
        report.blobs += 1;
        names.insert(id);
        directories.insert(directory);
        Ok(())
    })?;
    for directory in directories {
        disk::sync_dir(&directory).map_err(|source| io_error(&directory, source))?;
    }
    Ok(names)
}

/// One entry of a table or a log.
struct Item {
    space: u8,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Item {
    fn check(&self) -> Result<(), BackupError> {
        let own = self.space == TABLE && self.key.starts_with(&[0, 0]);
        let kind = if self.space == TABLE {
            Kind::Value
        } else {
            Kind::Record
        };
        match envelope::open(kind, &self.value) {
            // What is sealed is opened later, by who has the key.
            Ok(_) | Err(ReadError::Sealed { .. }) => Ok(()),
            Err(_) if own => Ok(()),
            Err(error) => Err(damaged(&format!("an item: {error}"))),
        }
    }

    fn linked_blob(&self) -> Option<BlobId> {
        let rest = self
            .key
            .strip_prefix(&engine::OWN_LINK)
            .filter(|_| self.space == TABLE)?;
        BlobId::from_slice(rest.get(..32)?)
    }
}

fn write_item(out: &mut impl Write, space: u8, key: &[u8], value: &[u8]) -> io::Result<()> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
    out.write_all(&[space])?;
    out.write_all(&length(key)?.to_le_bytes())?;
    out.write_all(&length(value)?.to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

/// Calls `visit` with each item; returns the hash of the whole file.
fn for_each_item(
    from: &Path,
    mut visit: impl FnMut(Item) -> Result<(), BackupError>,
) -> Result<String, BackupError> {
    let path = from.join("records");
    let file = File::open(&path).map_err(|source| io_error(&path, source))?;
    let mut left = file
        .metadata()
        .map_err(|source| io_error(&path, source))?
        .len();
    let mut reader = Hashing {
        inner: BufReader::new(file),
        hasher: blake3::Hasher::new(),
    };
    let mut take = |left: &mut u64, length: u64| -> Result<Vec<u8>, BackupError> {
        *left = left
            .checked_sub(length)
            .ok_or_else(|| damaged("`records` ends too early"))?;
        let length = usize::try_from(length).map_err(|_| damaged("an item is too large"))?;
        let mut bytes = vec![0; length];
        reader
            .read_exact(&mut bytes)
            .map_err(|source| io_error(&path, source))?;
        Ok(bytes)
    };
    if take(&mut left, MAGIC.len() as u64)? != MAGIC {
        return Err(damaged("`records` does not begin as it should"));
    }
    while left > 0 {
        let head = take(&mut left, 9)?;
        let [space, lengths @ ..] = head.as_slice() else {
            break;
        };
        let (key, value) = lengths.split_at(4);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &b| (n << 8) | u64::from(b));
        let (key, value) = (number(key), number(value));
        if !matches!(*space, TABLE | LOG) || key + value > MAX_ITEM {
            return Err(damaged("an item is not one of ours"));
        }
        let key = take(&mut left, key)?;
        let value = take(&mut left, value)?;
        visit(Item {
            space: *space,
            key,
            value,
        })?;
    }
    Ok(reader.hasher.finalize().to_hex().to_string())
}

fn for_each_blob(
    from: &Path,
    mut visit: impl FnMut(BlobId, &Path) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let blobs = from.join("blobs");
    let list = |dir: &Path| -> Result<Vec<PathBuf>, BackupError> {
        let at = |source| io_error(dir, source);
        let entries = fs::read_dir(dir).map_err(at)?;
        entries.map(|entry| Ok(entry.map_err(at)?.path())).collect()
    };
    for directory in list(&blobs)? {
        for path in list(&directory)? {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let id = name
                .parse()
                .map_err(|_| damaged("a file among the blobs is none"))?;
            visit(id, &path)?;
        }
    }
    Ok(())
}

fn read_chunks(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let at = |source| io_error(path, source);
    let mut file = File::open(path).map_err(at)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer).map_err(at)?;
        match buffer.get(..read) {
            Some(chunk) if !chunk.is_empty() => take(chunk)?,
            _ => return Ok(()),
        }
    }
}

impl Manifest {
    fn to_text(&self) -> String {
        let BackupReport {
            items,
            blobs,
            bytes,
        } = self.report;
        let Self { records, names, .. } = self;
        format!(
            "{FORMAT_WORDS}{FORMAT}\nitems {items}\nblobs {blobs}\nbytes {bytes}\nrecords {records}\nnames {names}\n"
        )
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip(1);
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let items = field("items")?.parse().ok()?;
        let blobs = field("blobs")?.parse().ok()?;
        let bytes = field("bytes")?.parse().ok()?;
        let records = field("records")?.to_owned();
        let names = field("names")?.to_owned();
        Some(Self {
            report: BackupReport {
                items,
                blobs,
                bytes,
            },
            records,
            names,
        })
    }
}

fn read_manifest(from: &Path) -> Result<Manifest, BackupError> {
    let path = from.join("backup");
    let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => damaged("it was not finished (`backup` is missing)"),
        _ => io_error(&path, source),
    })?;
    let format = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix(FORMAT_WORDS));
    match format.and_then(|number| number.parse::<u32>().ok()) {
        None => Err(damaged("`backup` is no list of ours")),
        Some(found) if found > FORMAT => Err(BackupError::Newer {
            found,
            known: FORMAT,
        }),
        Some(_) => Manifest::from_text(&text).ok_or_else(|| damaged("`backup` is cut short")),
    }
}

fn hash_names(names: &BTreeSet<BlobId>) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

fn make_empty(dir: &Path) -> Result<(), BackupError> {
    let at = |source| io_error(dir, source);
    fs::create_dir_all(dir).map_err(at)?;
    if fs::read_dir(dir).map_err(at)?.next().is_some() {
        return Err(BackupError::NotEmpty {
            dir: dir.to_path_buf(),
        });
    }
    Ok(())
}

fn damaged(what: &str) -> BackupError {
    BackupError::Damaged {
        what: what.to_owned(),
    }
}

fn altered(id: BlobId) -> BackupError {
    damaged(&format!("blob {id} is altered"))
}

fn io_error(path: &Path, source: io::Error) -> BackupError {
    BackupError::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// Hashes what passes through.
struct Hashing<T> {
    inner: T,
    hasher: blake3::Hasher,
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
