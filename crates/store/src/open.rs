//! Opening a store: its directory, its format, its lock, what a crash left.
//!
//! ```text
//! format    "servergate store format 1"
//! lock      held by whoever has it open
//! db/       the engine's files
//! blobs/    large bodies (see `blob`)
//! ballast   nothing: room that is given up when a write fails (see `room`)
//! aside/    what was set aside from a damaged journal (see `journal`), if ever
//! ```

use std::collections::HashMap;
use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fjall::PersistMode;

use crate::blob::Limits;
use crate::commit::Core;
use crate::engine::{self, Engine};
use crate::log::Firsts;
use crate::memory::MemoryCopy;
use crate::room::{self, Room};
use crate::seal::Sealing;
use crate::stats::Counters;
use crate::table::Watchers;
use crate::{Blobs, OpenError, Options, ReadError, disk, journal};

/// The newest format this program reads and the one it writes.
const FORMAT: u32 = 1;
const FORMAT_WORDS: &str = "servergate store format ";
const OURS: [&str; 7] = [
    "format",
    "format.new",
    "lock",
    "db",
    "blobs",
    "aside",
    "ballast",
];

/// What a store is made of, once open.
pub(crate) struct Opened {
    pub(crate) core: Core,
    /// Held open as long as the store is.
    pub(crate) lock: Lock,
    pub(crate) set_aside: u64,
}

/// The file that says that the store is in use. Another one when the disk was mounted anew.
pub(crate) type Lock = Arc<Mutex<File>>;

/// Whether a store may be made and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    Read,
    /// Once the disk takes a write; until then what is there is read through a copy in memory.
    WriteLater,
    /// Through a copy in memory.
    ReadCopy,
}

impl Access {
    fn is_copy(self) -> bool {
        matches!(self, Self::WriteLater | Self::ReadCopy)
    }
}

/// Opens a store as well as its disk allows: a start needs a little room, for which the ballast is
/// there, and a disk that takes no write at all is read through memory.
pub(crate) fn open_as_it_goes(
    dir: &Path,
    options: &Options,
    access: Access,
) -> Result<(Opened, Access), OpenError> {
    let of_the_disk = |error: &OpenError| {
        matches!(
            error,
            OpenError::Io { .. } | OpenError::Engine(_) | OpenError::Unwritable { .. }
        )
    };
    let mut opened = open(dir, options, access);
    let is_write = access == Access::Write;
    if opened.as_ref().is_err_and(of_the_disk) && is_write && room::give_up_ballast(dir) {
        opened = open(dir, options, access);
    }
    let error = match opened {
        Ok(opened) => return Ok((opened, access)),
        Err(error) if !of_the_disk(&error) => return Err(error),
        Err(error) => error,
    };
    let Some(why) = disk::takes_no_write(dir) else {
        return Err(error);
    };
    let access = match access {
        Access::Write => Access::WriteLater,
        _ => Access::ReadCopy,
    };
    let opened = match open(dir, options, access) {
        // Nothing is there yet: what hinders is that nothing can be made.
        Err(OpenError::Missing { .. }) => return Err(error),
        opened => opened?,
    };
    tracing::error!(dir = %dir.display(), %why, "the disk takes no write; its tables are read through memory");
    Ok((opened, access))
}

pub(crate) fn open(dir: &Path, options: &Options, access: Access) -> Result<Opened, OpenError> {
    let known = known_format(dir)?;
    if !known && access != Access::Write {
        return Err(OpenError::Missing {
            dir: dir.to_path_buf(),
        });
    }
    if !known {
        make_directory(dir)?;
    }
    if access == Access::Write {
        for_its_owner(dir);
    }
    let lock = lock(dir)?;
    let db = dir.join("db");
    if !known {
        drop_unfinished(&db).map_err(|source| io_error(&db, source))?;
    } else if !is_whole(&db).map_err(|source| io_error(&db, source))? {
        // The engine would make an empty one in its place.
        let what = format!("{} is not there or not whole", db.join("version").display());
        return Err(OpenError::Damaged { what });
    }
    let (engine, set_aside) = open_engine(dir, &db, options, access)?;
    let identity = identity(&engine, options, dir)?;
    let limits = Limits {
        blob_bytes: options.max_blob_bytes,
        grace: options.blob_grace,
        reserve: options.reserve_bytes,
        read_only: matches!(access, Access::Read | Access::ReadCopy),
        tidied: access == Access::Write,
    };
    let blobs = dir.join("blobs");
    let counters = Arc::new(Counters::default());
    if access == Access::WriteLater {
        counters.poison();
    }
    let sealing = Sealing::open(
        engine.clone(),
        Arc::clone(&counters),
        limits.read_only,
        options.passphrase_cost,
    )?;
    let sealing = Arc::new(sealing);
    let blobs = Blobs::at(blobs.clone(), limits, engine.clone(), Arc::clone(&sealing))
        .map_err(|source| io_error(&blobs, source))?;
    if !known {
        // Last: a directory with this file was made whole.
        let path = dir.join("format");
        disk::write_whole(&path, format!("{FORMAT_WORDS}{FORMAT}\n").as_bytes())
            .map_err(|source| io_error(&path, source))?;
    }
    let firsts = Firsts::default();
    for (log, first) in engine.trimmed_logs()? {
        firsts.set(log, first);
    }
    let mut room = Room::new(dir, &db, options.ballast_bytes);
    if access == Access::Write {
        room.see_to_the_journal(options.reserve_bytes);
    }
    let lock = Arc::new(Mutex::new(lock));
    let core = Core {
        room,
        lock: Arc::clone(&lock),
        revision: engine.own_number(&engine::OWN_REVISION)?.unwrap_or(0),
        engine,
        blobs,
        watchers: Arc::new(Watchers::default()),
        firsts: Arc::new(firsts),
        counters,
        sealing,
        identity,
        next: HashMap::new(),
        dir: dir.to_path_buf(),
        reserve: options.reserve_bytes,
    };
    Ok(Opened {
        core,
        lock,
        set_aside,
    })
}

/// The engine, and how many bytes of its journal were set aside.
fn open_engine(
    dir: &Path,
    db: &Path,
    options: &Options,
    access: Access,
) -> Result<(Engine, u64), OpenError> {
    let copy = match access.is_copy() {
        true => Some(MemoryCopy::of(db).map_err(|source| OpenError::Unwritable {
            dir: dir.to_path_buf(),
            source,
        })?),
        false => None,
    };
    // What is torn in a journal is cut from the copy only, and set aside when the disk is back.
    let (journals, aside) = match &copy {
        Some(copy) => (copy.dir(), copy.dir().join("aside")),
        None => (db, dir.join("aside")),
    };
    let set_aside = journal::inspect(journals, &aside, options.salvage)?;
    let engine = Engine::open(db, copy, options.cache_bytes, options.max_journal_bytes);
    let engine = engine.map_err(|error| engine_error(dir, &error))?;
    Ok((engine, set_aside))
}

/// Whether a store of a format we know is there.
fn known_format(dir: &Path) -> Result<bool, OpenError> {
    let path = dir.join("format");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(OpenError::Io { path, source }),
    };
    let number = text
        .trim_end()
        .strip_prefix(FORMAT_WORDS)
        .and_then(|rest| rest.parse().ok());
    match number {
        None => Err(OpenError::Foreign {
            dir: dir.to_path_buf(),
            found: "format".to_owned(),
        }),
        Some(found) if found > FORMAT => Err(OpenError::Newer {
            dir: dir.to_path_buf(),
            found,
            known: FORMAT,
        }),
        Some(_) => Ok(true),
    }
}

/// Makes the directory, or sees that nothing foreign is in it.
fn make_directory(dir: &Path) -> Result<(), OpenError> {
    let at = |source| io_error(dir, source);
    fs::create_dir_all(dir).map_err(at)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk::sync_dir(parent).map_err(at)?;
    }
    for entry in fs::read_dir(dir).map_err(at)? {
        let found = entry
            .map_err(at)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if !OURS.contains(&found.as_str()) {
            return Err(OpenError::Foreign {
                dir: dir.to_path_buf(),
                found,
            });
        }
    }
    Ok(())
}

/// The data is for its owner alone, also where a version before made the folder for others to read.
/// What was made in it is out of reach with it.
fn for_its_owner(dir: &Path) {
    let Ok(found) = fs::metadata(dir) else {
        return;
    };
    let mode = found.permissions().mode();
    if mode & 0o077 == 0 {
        return;
    }
    if let Err(error) = fs::set_permissions(dir, Permissions::from_mode(mode & 0o700)) {
        tracing::warn!(dir = %dir.display(), %error, "others can look into the data");
    }
}

pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    // To lock it, it need not be written; a disk may be mounted read only.
    let file = match file {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(&path),
        file => file,
    };
    let file = file.map_err(|source| io_error(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

/// Whether the engine finished making its files: its version file is the last.
fn is_whole(db: &Path) -> io::Result<bool> {
    match fs::metadata(db.join("version")) {
        Ok(version) => Ok(version.len() >= 4),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes engine files whose making was cut short: nothing was ever written to them.
fn drop_unfinished(db: &Path) -> io::Result<()> {
    if is_whole(db)? || !db.exists() {
        return Ok(());
    }
    fs::remove_dir_all(db)
}

/// The identity in the store, or a new one made durable.
fn identity(engine: &Engine, options: &Options, dir: &Path) -> Result<[u8; 16], OpenError> {
    let spaces = engine.spaces()?;
    let known = spaces.kv.get(engine::OWN_IDENTITY);
    if let Some(bytes) = known.map_err(ReadError::from)? {
        let identity = bytes.as_ref().try_into();
        return identity.map_err(|_| OpenError::Read(ReadError::Envelope));
    }
    let identity = match options.identity {
        Some(identity) => identity,
        None => disk::random().map_err(|source| io_error(dir, source))?,
    };
    let mut batch = spaces.db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(&spaces.kv, engine::OWN_IDENTITY, identity);
    batch.commit().map_err(|error| engine_error(dir, &error))?;
    Ok(identity)
}

pub(crate) fn engine_error(dir: &Path, error: &fjall::Error) -> OpenError {
    match error {
        fjall::Error::Locked => OpenError::Locked {
            dir: dir.to_path_buf(),
        },
        error => OpenError::Engine(crate::EngineError::of(error)),
    }
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    let path: PathBuf = path.to_path_buf();
    OpenError::Io { path, source }
}
