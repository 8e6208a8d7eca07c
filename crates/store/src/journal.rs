//! A look at the engine's journals before the engine opens them.
//!
//! The engine stops at the first thing in a journal that it cannot read. That is right for what
//! was being written when the power went, and wrong twice: a bit that rotted in the middle would
//! silently drop every durable batch behind it, and pages that reached the disk out of order can
//! leave a last batch that is refused at every opening. So: a last batch that is not whole is set
//! aside, which is safe because each group is synced before the next is written and its receipts
//! are given after the sync; damage with whole batches behind it stops the opening, in words.
//! (A last batch that was durable and rotted later cannot be told from one cut short; it is kept
//! in `aside/` and counted.)
//!
//! The layout read here is that of the engine's format 3: `start` (tag 1, items u32, sequence u64),
//! `item` (tag 2, type, compression, keyspace u64, key length u16, length u32, length on disk u32,
//! key, value) or `clear` (tag 4, keyspace u64), `end` (tag 3, XXH3 of the items u64, `FJL` 3);
//! little-endian. A new file is zeros to its full length.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::{OpenError, disk};

const MAGIC: &[u8; 4] = b"FJL\x03";
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const START_LENGTH: u64 = 13;
const ITEM_LENGTH: usize = 20;
const CHUNK: usize = 64 << 10;
static ZEROS: [u8; CHUNK] = [0; CHUNK];
/// A batch behind the damage counts as ours if its sequence number is so close.
const SEQUENCE_WINDOW: u64 = 1 << 32;

/// Checks all journals in the engine's directory; sets a torn tail aside into `aside`.
/// Says how many bytes were set aside.
pub(crate) fn inspect(engine_dir: &Path, aside: &Path, salvage: bool) -> Result<u64, OpenError> {
    // Of another format we know nothing: the engine judges it.
    if fs::read(engine_dir.join("version")).ok().as_deref() != Some(MAGIC) {
        return Ok(0);
    }
    let mut journals = journals(engine_dir).map_err(|source| io_error(engine_dir, source))?;
    journals.sort_unstable();
    let mut set_aside = 0;
    // A journal is synced whole before the next one takes a batch, so only the last one with
    // batches may be torn; behind it there may be new ones that never took any.
    let mut may_be_torn = true;
    for (_, path) in journals.iter().rev() {
        let looked = inspect_one(path, aside, salvage, may_be_torn)?;
        set_aside += looked.set_aside;
        may_be_torn &= looked.is_empty || salvage;
    }
    Ok(set_aside)
}

/// What was found in one journal.
struct Looked {
    set_aside: u64,
    /// Without a whole batch.
    is_empty: bool,
}

fn inspect_one(
    path: &Path,
    aside: &Path,
    salvage: bool,
    may_be_torn: bool,
) -> Result<Looked, OpenError> {
    let io_error = |source| io_error(path, source);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(io_error)?;
    let length = file.metadata().map_err(io_error)?.len();
    let journal = Journal {
        file,
        length,
        ahead: RefCell::default(),
    };
    let (end, sequence) = journal.last_whole().map_err(io_error)?;
    let written_to = journal.last_non_zero(end).map_err(io_error)?;
    let is_empty = end == 0;
    if written_to == end {
        return Ok(Looked {
            set_aside: 0,
            is_empty,
        });
    }
    let behind = journal
        .find_batch(end + 1, written_to, sequence)
        .map_err(io_error)?;
    if let Some(behind) = behind.filter(|_| !salvage) {
        let what = format!(
            "{} is damaged at byte {end} while whole batches follow at byte {behind}",
            path.display()
        );
        return Err(OpenError::Damaged { what });
    }
    if !may_be_torn {
        let what = format!("{} is damaged at byte {end}", path.display());
        return Err(OpenError::Damaged { what });
    }
    journal
        .set_aside(end, written_to, aside, path)
        .map_err(io_error)?;
    tracing::warn!(
        journal = %path.display(), at = end, bytes = written_to - end,
        "the last write to the journal is not whole; it was set aside"
    );
    Ok(Looked {
        set_aside: written_to - end,
        is_empty,
    })
}

/// The number of the newest journal in the engine's directory.
pub(crate) fn newest(engine_dir: &Path) -> Option<u64> {
    let journals = journals(engine_dir).ok()?;
    journals.into_iter().map(|(number, _)| number).max()
}

/// How many there are.
pub(crate) fn count(engine_dir: &Path) -> io::Result<usize> {
    Ok(journals(engine_dir)?.len())
}

fn journals(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|ext| ext == "jnl")) {
            found.push((number, path));
        }
    }
    Ok(found)
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_path_buf(),
        source,
    }
}

struct Journal {
    file: File,
    length: u64,
    ahead: RefCell<Ahead>,
}

/// What was read at once: items are small and many, and the start of the whole program waits.
#[derive(Default)]
struct Ahead {
    at: u64,
    bytes: Vec<u8>,
}

impl Journal {
    /// Where the unbroken run of whole batches ends, and the last sequence number in it.
    fn last_whole(&self) -> io::Result<(u64, u64)> {
        let mut end = 0;
        let mut sequence = 0;
        while let Some(batch) = self.batch_at(end)? {
            end = batch.end;
            sequence = batch.sequence;
        }
        Ok((end, sequence))
    }

    /// The end of the last byte that is not zero, at least `from`.
    fn last_non_zero(&self, from: u64) -> io::Result<u64> {
        let mut buffer = vec![0; CHUNK];
        let mut at = from;
        let mut last = from;
        loop {
            let chunk = self.read(at, &mut buffer)?;
            if chunk.is_empty() {
                return Ok(last);
            }
            // Most of it is zeros: compared at once first.
            if ZEROS.get(..chunk.len()) != Some(chunk) {
                let index = chunk.iter().rposition(|&byte| byte != 0).unwrap_or(0);
                last = at + index as u64 + 1;
            }
            at += chunk.len() as u64;
        }
    }

    /// The first whole batch that starts between `from` and `to` and continues our numbering.
    fn find_batch(&self, from: u64, to: u64, sequence: u64) -> io::Result<Option<u64>> {
        let mut buffer = vec![0; CHUNK];
        let mut at = from;
        while at < to {
            let chunk = self.read(at, &mut buffer)?;
            if chunk.is_empty() {
                break;
            }
            for (index, _) in chunk.iter().enumerate().filter(|(_, byte)| **byte == START) {
                let start = at + index as u64;
                let Some(batch) = self.batch_at(start)? else {
                    continue;
                };
                if batch.sequence.wrapping_sub(sequence) < SEQUENCE_WINDOW {
                    return Ok(Some(start));
                }
            }
            at += chunk.len() as u64;
        }
        Ok(None)
    }

    /// The whole batch that starts at `start`, if there is one.
    fn batch_at(&self, start: u64) -> io::Result<Option<WholeBatch>> {
        let mut cursor = Cursor {
            journal: self,
            at: start,
        };
        let Some([tag, head @ ..]) = cursor.take::<{ START_LENGTH as usize }>()? else {
            return Ok(None);
        };
        let (items, sequence) = head.split_at(4);
        let items = number(items);
        let sequence = number(sequence);
        if tag != START || items == 0 {
            return Ok(None);
        }
        let mut hasher = Xxh3::new();
        for _ in 0..items {
            if !cursor.item(&mut hasher)? {
                return Ok(None);
            }
        }
        let Some([tag, tail @ ..]) = cursor.take::<13>()? else {
            return Ok(None);
        };
        let (checksum, magic) = tail.split_at(8);
        let whole = tag == END && magic == MAGIC && number(checksum) == hasher.digest();
        Ok(whole.then_some(WholeBatch {
            end: cursor.at,
            sequence,
        }))
    }

    fn read<'a>(&self, at: u64, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let read = self.file.read_at(buffer, at)?;
        Ok(buffer.get(..read).unwrap_or_default())
    }

    /// Fills `bytes` with what lies at `at`.
    fn exactly(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let mut ahead = self.ahead.borrow_mut();
        let found = |ahead: &Ahead, length: usize| {
            let from = usize::try_from(at.checked_sub(ahead.at)?).ok()?;
            Some(from..from.checked_add(length)?)
        };
        let held = found(&ahead, bytes.len()).is_some_and(|range| range.end <= ahead.bytes.len());
        if !held {
            ahead.bytes.resize(CHUNK, 0);
            let read = self.file.read_at(&mut ahead.bytes, at)?;
            ahead.bytes.truncate(read);
            ahead.at = at;
        }
        match found(&ahead, bytes.len()).and_then(|range| ahead.bytes.get(range)) {
            Some(held) => bytes.copy_from_slice(held),
            None => self.file.read_exact_at(bytes, at)?,
        }
        Ok(())
    }

    /// Copies what lies between `from` and `to` into `aside`, then cuts the journal at `from`.
    fn set_aside(&self, from: u64, to: u64, aside: &Path, journal: &Path) -> io::Result<()> {
        fs::create_dir_all(aside)?;
        let name = journal
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut copy = File::create(aside.join(format!("{name}-{from}")))?;
        let mut buffer = vec![0; CHUNK];
        let mut at = from;
        while at < to {
            let chunk = self.read(at, &mut buffer)?;
            if chunk.is_empty() {
                break;
            }
            io::Write::write_all(&mut copy, chunk)?;
            at += chunk.len() as u64;
        }
        copy.sync_all()?;
        disk::sync_dir(aside)?;
        self.file.set_len(from)?;
        self.file.sync_all()
    }
}

struct WholeBatch {
    end: u64,
    sequence: u64,
}

struct Cursor<'a> {
    journal: &'a Journal,
    at: u64,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        if self.at.saturating_add(N as u64) > self.journal.length {
            return Ok(None);
        }
        self.journal.exactly(&mut bytes, self.at)?;
        self.at += N as u64;
        Ok(Some(bytes))
    }

    /// Steps over one item and hashes it; `false` if there is none.
    fn item(&mut self, hasher: &mut Xxh3) -> io::Result<bool> {
        let Some([tag]) = self.take::<1>()? else {
            return Ok(false);
        };
        hasher.update(&[tag]);
        match tag {
            CLEAR => Ok(self.hash_over(8, hasher)?),
            ITEM => {
                let Some(head) = self.take::<ITEM_LENGTH>()? else {
                    return Ok(false);
                };
                hasher.update(&head);
                let (_, lengths) = head.split_at(10);
                let (key, values) = lengths.split_at(2);
                let (_, on_disk) = values.split_at(4);
                self.hash_over(number(key) + number(on_disk), hasher)
            }
            _ => Ok(false),
        }
    }

    fn hash_over(&mut self, length: u64, hasher: &mut Xxh3) -> io::Result<bool> {
        if self.at.saturating_add(length) > self.journal.length {
            return Ok(false);
        }
        let mut buffer = [0; 4096];
        let mut left = length;
        while left > 0 {
            let want = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let (chunk, _) = buffer.split_at_mut(want);
            self.journal.exactly(chunk, self.at)?;
            hasher.update(chunk);
            self.at += want as u64;
            left -= want as u64;
        }
        Ok(true)
    }
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| (number << 8) | u64::from(byte))
}
