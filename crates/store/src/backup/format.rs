//! The files of a backup: bytes and what they mean. Used by the writing and the restoring side.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::BackupReport;
use crate::engine;
use crate::envelope::{self, Kind};
use crate::{BackupError, BlobId};

/// The newest format this program reads and the one it writes.
const FORMAT: u32 = 1;
const FORMAT_WORDS: &str = "servergate backup format ";
/// How `records` begins.
pub(super) const MAGIC: &[u8] = b"servergate backup 1\n";
/// An item of a table.
pub(super) const TABLE: u8 = b'K';
/// An item of a log.
pub(super) const LOG: u8 = b'L';
/// No item of ours is larger; what claims to be is damage.
const MAX_ITEM: u64 = 1 << 30;

/// The file that says what must be there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) report: BackupReport,
    pub(super) records: String,
    pub(super) names: String,
}

/// One entry of a table or a log.
pub(super) struct Item {
    pub(super) space: u8,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Item {
    /// Whether its envelope is whole.
    pub(super) fn check(&self) -> Result<(), BackupError> {
        let own = self.space == TABLE && self.key.starts_with(&[0, 0]);
        let kind = if self.space == TABLE {
            Kind::Value
        } else {
            Kind::Record
        };
        match envelope::open(kind, &self.value) {
            // What is sealed is opened later, by who has the key.
            Ok(_) => Ok(()),
            Err(_) if own => Ok(()),
            Err(error) => Err(damaged(&format!("an item: {error}"))),
        }
    }

    /// The blob that it says a key keeps.
    pub(super) fn linked_blob(&self) -> Option<BlobId> {
        let rest = self
            .key
            .strip_prefix(&engine::OWN_LINK)
            .filter(|_| self.space == TABLE)?;
        BlobId::from_slice(rest.get(..32)?)
    }
}

pub(super) fn write_item(
    out: &mut impl Write,
    space: u8,
    key: &[u8],
    value: &[u8],
) -> io::Result<()> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
    out.write_all(&[space])?;
    out.write_all(&length(key)?.to_le_bytes())?;
    out.write_all(&length(value)?.to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

/// Calls `visit` with each item; returns the hash of the whole file.
pub(super) fn for_each_item(
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

pub(super) fn for_each_blob(
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

pub(super) fn read_chunks(
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
    pub(super) fn to_text(&self) -> String {
        let BackupReport {
            items,
            blobs,
            bytes,
            ..
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
                left_out: 0,
            },
            records,
            names,
        })
    }
}

pub(super) fn read_manifest(from: &Path) -> Result<Manifest, BackupError> {
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

pub(super) fn hash_names(names: &BTreeSet<BlobId>) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

pub(super) fn damaged(what: &str) -> BackupError {
    BackupError::Damaged {
        what: what.to_owned(),
    }
}

pub(super) fn altered(id: BlobId) -> BackupError {
    damaged(&format!("blob {id} is altered"))
}

pub(super) fn io_error(path: &Path, source: io::Error) -> BackupError {
    BackupError::Io {
        path: path.to_path_buf(),
        source,
    }
}

/// Hashes what passes through.
pub(super) struct Hashing<T> {
    pub(super) inner: T,
    pub(super) hasher: blake3::Hasher,
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
