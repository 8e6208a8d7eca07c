//! The few things the store asks of the file system itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a small file that is whole or not there, and durable.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Bytes this user may still write on the file system of `dir`; `None` if it does not say.
pub(crate) fn available(dir: &Path) -> Option<u64> {
    let space = nix::sys::statvfs::statvfs(dir).ok()?;
    Some(
        space
            .blocks_available()
            .saturating_mul(space.fragment_size()),
    )
}

/// Random bytes from the operating system.
pub(crate) fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Why the file system of `dir` takes no write, if that is so for everybody: a directory that only
/// this user may not write is a mistake to be told.
pub(crate) fn takes_no_write(dir: &Path) -> Option<io::Error> {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let error = try_out(dir).err()?;
    let is_broken = error.raw_os_error() == Some(nix::errno::Errno::EIO as i32);
    let is_of_the_disk = matches!(
        error.kind(),
        QuotaExceeded | ReadOnlyFilesystem | StorageFull
    );
    (is_broken || is_of_the_disk).then_some(error)
}

/// Whether the file system of `dir` takes a write, and keeps it.
pub(crate) fn try_out(dir: &Path) -> io::Result<()> {
    let path = dir.join("format.new");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; 4096])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}
